"""*Read Salesforce now*: both sides and what was agreed, side by side, with the decision; nothing is changed by it."""

from __future__ import annotations

import pytest
import requests
from django.test import Client
from django.urls import reverse

from syncer.models import PendingChange, Person, SalesforceRecord, SyncUser
from syncer.sync.actions.run_action import sync_persons
from tests.admin.conftest import connected
from tests.admin.pages import words


@pytest.fixture
def sync_user(db: None, organisation: dict[str, str]) -> SyncUser:
    return connected(organisation)


@pytest.fixture
def kim(sync_user: SyncUser) -> Person:
    """In Salesforce, by a real sync."""
    person = Person.objects.create(
        last_name="Ode", company="Acme", title="Buyer", phone="1", email="kim@look.example.com"
    )
    [outcome] = sync_persons([person.pk], actor="Eva")
    assert outcome.ok, outcome
    return Person.objects.get(pk=person.pk)


def page(client: Client, person: Person) -> str:
    return words(client.get(reverse("admin:syncer_person_change", args=[person.pk]), {"compare": "1"}))


def edit_there(organisation: dict[str, str], person: Person, **values: str) -> None:
    url = organisation["url"]
    login = {"grant_type": "client_credentials"} | {k: organisation[k] for k in ("client_id", "client_secret")}
    token = requests.post(f"{url}/services/oauth2/token", data=login, timeout=10).json()["access_token"]
    answer = requests.patch(
        f"{url}/services/data/v62.0/sobjects/Lead/{person.sfdc_id}",
        json=values,
        headers={"Authorization": f"Bearer {token}", "Sforce-Auto-Assign": "FALSE"},
        timeout=10,
    )
    assert answer.status_code == 204, answer.text


def test_what_salesforce_has_now_stands_beside_ours_with_the_decision(
    admin: Client, organisation: dict[str, str], kim: Person
) -> None:
    edit_there(organisation, kim, Title="Chef", Phone="9")
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    before = SalesforceRecord.objects.values().get()
    found = page(admin, kim)
    assert "Title Buyer Head Buyer Chef Send “Head Buyer” Both changed: this database wins." in found
    assert "Phone 1 1 9 Receive “9” Only changed in Salesforce." in found
    assert SalesforceRecord.objects.values().get() == before
    assert Person.objects.get(pk=kim.pk).phone == "1"
    assert PendingChange.objects.get().state == "pending"


def test_a_record_that_is_gone_is_told_in_one_sentence(
    admin: Client, organisation: dict[str, str], kim: Person
) -> None:
    requests.post(f"{organisation['url']}/sandbox/sharing", json={"id": kim.sfdc_id, "visible": False}, timeout=10)
    assert f"Lead {kim.sfdc_id} is not visible to the sync user." in page(admin, kim)


def test_looking_takes_the_permission_of_refreshing(staff, kim: Person) -> None:
    client = staff("view_person")
    found = page(client, kim)
    assert "Read Salesforce now" not in found
    assert "Salesforce’s values were read" not in found
