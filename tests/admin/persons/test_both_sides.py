"""The panel *Last agreed / Here* says what the next cycle does, as the merge decides it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from syncer.admin.persons.both_sides import FieldRow, panel
from syncer.models import FieldMapping, PendingChange, Person, SalesforceRecord, SyncUser
from tests.admin.pages import words

BASE = {"title": "Buyer", "last_name": "Berg", "email": "Anna.Berg@example.com", "Region__c": "APAC", "Grade__c": "B"}


@pytest.fixture
def agreed(person: Person) -> Person:
    """Both sides agreed on a few fields."""
    SalesforceRecord.objects.filter(person=person).update(base=BASE)
    return person


def rows(person: Person, sync_user: SyncUser) -> dict[str, FieldRow]:
    found = panel(Person.objects.get(pk=person.pk), sync_user)
    assert found is not None
    return {row.name: row for row in found.differing}


def test_only_changed_here_is_sent(agreed: Person, sync_user: SyncUser, admin: Client) -> None:
    Person.objects.filter(pk=agreed.pk).update(title="Head Buyer")
    row = rows(agreed, sync_user)["Title"]
    assert (row.agreed, row.here, row.next, row.why) == (
        "Buyer",
        "Head Buyer",
        "Send “Head Buyer”",
        "Only changed here.",
    )
    page = words(admin.get(reverse("admin:syncer_person_change", args=[agreed.pk])))
    assert "Title Buyer Head Buyer Buyer Send “Head Buyer” Only changed here." in page
    assert "4 fields equal" in page
    assert "Salesforce’s values are those agreed on last" in page


def test_a_value_that_is_only_received_is_put_back(agreed: Person, sync_user: SyncUser) -> None:
    FieldMapping.objects.filter(person_field="title").update(direction="receive")
    Person.objects.filter(pk=agreed.pk).update(title="Head Buyer")
    row = rows(agreed, sync_user)["Title"]
    assert (row.next, row.why) == ("Receive “Buyer”", "This field only receives: the last value is restored.")


def test_a_connection_that_receives_only_holds_what_was_changed(agreed: Person, sync_user: SyncUser) -> None:
    sync_user.mode = "receive-only"
    Person.objects.filter(pk=agreed.pk).update(title="Head Buyer")
    row = rows(agreed, sync_user)["Title"]
    assert (row.next, row.why) == ("Held", "Nothing is sent now: it waits here.")


def test_a_value_that_salesforce_cannot_hold_says_so(agreed: Person, sync_user: SyncUser) -> None:
    Person.objects.filter(pk=agreed.pk).update(custom=agreed.custom | {"Budget__c": "much"})
    row = rows(agreed, sync_user)["Budget__c"]
    assert (row.next, row.here) == ("Held", "much")
    assert "is not a number" in row.why


def test_what_salesforce_refused_is_held_and_the_rest_waits_with_it(agreed: Person, sync_user: SyncUser) -> None:
    Person.objects.filter(pk=agreed.pk).update(title="Head Buyer", last_name="Bergh")
    detail: dict[str, Any] = {"errors": [{"code": "X", "message": "No", "fields": ["Title"]}], "values": {}}
    PendingChange.objects.filter(person=agreed).update(state="failed", error_code="X", error_detail=detail)
    found = rows(agreed, sync_user)
    assert (found["Title"].next, found["Title"].why) == ("Held", "Salesforce refused it.")
    assert found["LastName"].next == "Waits"
    # Where the others are sent without the refused one, an edit made since does not wait.
    PendingChange.objects.filter(person=agreed).update(held={"title": "Head Buyer"})
    found = rows(agreed, sync_user)
    assert (found["Title"].next, found["LastName"].next) == ("Held", "Send “Bergh”")


def test_what_was_never_agreed_is_decided_when_it_is_read(agreed: Person, sync_user: SyncUser) -> None:
    row = rows(agreed, sync_user)["Company"]
    assert (row.here, row.next) == ("Acme", "To be read")
    SalesforceRecord.objects.filter(person=agreed).update(weak_base=True)
    assert rows(agreed, sync_user)["Title"].next == "To be read"


def test_who_does_not_sync_has_no_panel(agreed: Person, sync_user: SyncUser, admin: Client) -> None:
    Person.objects.filter(pk=agreed.pk).update(sfdc_is_deleted=True)
    assert panel(Person.objects.get(pk=agreed.pk), sync_user) is None
    stranger = Person.objects.create(last_name="Ode")
    assert panel(stranger, sync_user) is None
    page = words(admin.get(reverse("admin:syncer_person_change", args=[stranger.pk])))
    assert "What the next cycle does" not in page


def test_the_panel_costs_a_fixed_number_of_queries(agreed: Person, sync_user: SyncUser) -> None:
    person = Person.objects.select_related("record", "pending").get(pk=agreed.pk)
    with CaptureQueriesContext(connection) as captured:
        panel(person, sync_user)
    assert len(captured) == 3  # the describe, the mappings, and the related objects that are not seen
