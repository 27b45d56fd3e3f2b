"""State and country of a person, where the organisation has lists of them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from syncer.models import FieldMapping, Person, SyncUser
from syncer.salesforce.describe import ObjectDescribe, PicklistValue, by_name
from syncer.sync.pull.describes import store_describes
from tests.admin.conftest import LEAD_FIELDS, described, in_salesforce
from tests.admin.pages import form_data, words


def entry(code: str, label: str, *countries: int) -> PicklistValue:
    bits = bytes([sum(0x80 >> position for position in countries)])
    return PicklistValue(code, label, False, True, base64.b64encode(bits).decode() if countries else "")


PLACES = [
    described("Country", "Country", "string", length=80),
    described("State", "State/Province", "string", length=80),
    described(
        "CountryCode", "Country Code", "picklist", picklist=(entry("US", "United States"), entry("BE", "Belgium"))
    ),
    described("StateCode", "State Code", "picklist", picklist=(entry("CA", "California", 0), entry("TX", "Texas", 0))),
]


@pytest.fixture
def lists(sync_user: SyncUser) -> SyncUser:
    fields = [*LEAD_FIELDS, *PLACES]
    now = ObjectDescribe("Lead", "Lead", "00Q", True, True, True, True, by_name(fields))
    store_describes(sync_user, [now], timezone.now())
    return sync_user


def url_of(person: Person) -> str:
    return reverse("admin:syncer_person_change", args=[person.pk])


def save(client: Client, person: Person, **edits: Any) -> Any:
    data = form_data(client.get(url_of(person)))
    return client.post(url_of(person), data | edits | {"_continue": "1"}, follow=True)


@pytest.fixture
def carla(lists: SyncUser) -> Person:
    return in_salesforce(Person.objects.create(last_name="Ode", country="United States", state="Texas"))


def test_they_are_offered_as_choices_states_by_country(admin: Client, carla: Person) -> None:
    page = admin.get(url_of(carla)).content.decode()
    assert '<option value="United States" selected>' in page
    assert '<optgroup label="United States">' in page
    assert '<option value="Texas" selected>' in page
    save(admin, carla, state="California")
    carla.refresh_from_db()
    assert carla.state == "California"


@pytest.mark.parametrize(
    ("edits", "words_of_it"),
    [
        ({"country": "Belgium"}, "Texas is no state of Belgium in Salesforce's list."),
        ({"country": ""}, "Choose the country of this state, too"),
        ({"country": "Holand"}, "Select a valid choice."),
        ({"state": "Ghent"}, "Select a valid choice."),
    ],
)
def test_what_salesforce_would_refuse_is_refused_here(
    admin: Client, carla: Person, edits: dict[str, str], words_of_it: str
) -> None:
    assert words_of_it in words(save(admin, carla, **edits))
    carla.refresh_from_db()
    assert (carla.country, carla.state) == ("United States", "Texas")


def test_a_country_without_states_is_chosen_with_an_empty_state(admin: Client, carla: Person) -> None:
    save(admin, carla, country="Belgium", state="")
    carla.refresh_from_db()
    assert (carla.country, carla.state) == ("Belgium", "")


def test_a_value_that_is_not_listed_stays_until_somebody_changes_it(admin: Client, lists: SyncUser) -> None:
    person = in_salesforce(Person.objects.create(last_name="Ode", country="Holand", state="Zeeland"))
    page = words(admin.get(url_of(person)))
    assert "Holand (not in Salesforce's list)" in page
    assert "Zeeland (not in Salesforce's list)" in page
    save(admin, person, title="CFO")
    person.refresh_from_db()
    assert (person.title, person.country, person.state) == ("CFO", "Holand", "Zeeland")


def test_without_lists_or_without_a_mapping_any_text_is_taken(admin: Client, sync_user: SyncUser, lists: Any) -> None:
    person = in_salesforce(Person.objects.create(last_name="Ode", country="Holand"))
    FieldMapping.objects.filter(person_field="country").update(enabled=False)
    assert '<input type="text" name="country"' in admin.get(url_of(person)).content.decode()
    save(admin, person, country="Nederland")
    person.refresh_from_db()
    assert person.country == "Nederland"
