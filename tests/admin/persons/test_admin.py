"""The list of persons: what is found, what state it shows, and what it costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from syncer.admin.ui import paginator
from syncer.models import FormerId, PendingChange, Person, SyncUser
from syncer.salesforce.ids import to_18
from syncer.sync.store import claims
from tests.admin.conftest import ORGANISATION, in_salesforce
from tests.admin.pages import words

URL = "/admin/syncer/person/"


def found(client: Client, **query: str) -> list[str]:
    response = client.get(URL, query)
    assert response.status_code == 200
    return sorted(str(person) for person in response.context["cl"].result_list)


@pytest.fixture
def people(sync_user: SyncUser) -> dict[str, Person]:
    """One person in each state."""
    anna = in_salesforce(Person.objects.create(first_name="Anna", last_name="Berg", email="Anna@Example.com"))
    bob = in_salesforce(
        Person.objects.create(first_name="Bob", last_name="Ode", company="Bergwerk"), "003000000000001", "Contact"
    )
    carla = in_salesforce(Person.objects.create(first_name="Carla", last_name="Novak"), "00Q000000000002")
    dirk = Person.objects.create(first_name="Dirk", last_name="Christopherss")
    elsa = in_salesforce(Person.objects.create(first_name="Elsa", last_name="Dubois"), "00Q000000000003")
    Person.objects.filter(pk=bob.pk).update(title="CFO")
    Person.objects.filter(pk=elsa.pk).update(sfdc_is_deleted=True)
    PendingChange.objects.create(
        person=carla, revision=2, state="failed", error_code="REQUIRED_FIELD_MISSING", error_message="Company"
    )
    FormerId.objects.create(
        person=bob, organisation=ORGANISATION, object="Lead", record_id=to_18("00Q000000000009"), reason="converted"
    )
    return {"anna": anna, "bob": bob, "carla": carla, "dirk": dirk, "elsa": elsa}


@pytest.mark.parametrize(
    ("term", "names"),
    [
        ("anna@example.COM", ["Anna Berg"]),
        ("anna@example", []),
        ("00Q000000000077", ["Anna Berg"]),
        (to_18("00Q000000000077"), ["Anna Berg"]),
        ("00Q000000000009", ["Bob Ode"]),
        ("berg", ["Anna Berg", "Bob Ode"]),
        ("anna BERG", ["Anna Berg"]),
        ("100%", []),
        ("'; drop table x", []),
    ],
)
def test_a_search_goes_where_an_index_answers(
    admin: Client, people: dict[str, Person], term: str, names: list[str]
) -> None:
    assert found(admin, q=term) == names


def test_a_name_of_fifteen_letters_is_not_taken_for_an_id(admin: Client, people: dict[str, Person]) -> None:
    Person.objects.filter(pk=people["dirk"].pk).update(last_name="Christophersson")
    assert found(admin, q="Christophersson") == ["Dirk Christophersson"]


def test_the_search_by_address_uses_its_index(admin: Client, people: dict[str, Person]) -> None:
    from syncer.admin.persons.search import search

    plan = search(Person.objects.order_by(), "anna@example.com").explain()
    if connection.vendor == "sqlite":
        assert "syncer_person_email_lower" in plan


@pytest.mark.parametrize(
    ("state", "name", "chip"),
    [
        ("in-sync", "Anna Berg", "In sync"),
        ("waiting", "Bob Ode", "Waiting to send"),
        ("error", "Carla Novak", "Sync error"),
        ("not-in-salesforce", "Dirk Christopherss", "Not in Salesforce"),
        ("deleted", "Elsa Dubois", "Deleted in Salesforce"),
    ],
)
def test_each_person_has_one_state_and_its_filter_finds_it(
    admin: Client, people: dict[str, Person], state: str, name: str, chip: str
) -> None:
    response = admin.get(URL, {"state": state})
    assert [str(person) for person in response.context["cl"].result_list] == [name]
    assert '<span class="chip chip-' in response.content.decode()
    assert f">{chip}</span>" in response.content.decode()


def test_a_claim_alone_is_not_a_waiting_change(admin: Client, people: dict[str, Person]) -> None:
    """Somebody syncs a person right now; that is nothing to be sent."""
    claims.take([people["anna"].pk], "persons-1")
    assert found(admin, state="in-sync") == ["Anna Berg"]
    assert found(admin, state="waiting") == ["Bob Ode"]


def test_filters_by_type_and_reason(admin: Client, people: dict[str, Person]) -> None:
    assert found(admin, type="contact") == ["Bob Ode"]
    assert found(admin, type="none") == ["Dirk Christopherss"]
    assert found(admin, reason="REQUIRED_FIELD_MISSING") == ["Carla Novak"]
    assert len(found(admin, state="no such state")) == 5


def test_a_page_costs_the_same_number_of_queries_for_few_and_for_many(admin: Client, sync_user: SyncUser) -> None:
    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert admin.get(URL).status_code == 200
        return len(queries)

    in_salesforce(Person.objects.create(last_name="First"), "00Q000000000500")
    admin.get(URL)  # what is read once per process
    few = cost()
    for i in range(40):
        person = in_salesforce(Person.objects.create(last_name=f"Person {i}"), f"00Q000000000{i + 600}")
        if i % 2:
            Person.objects.filter(pk=person.pk).update(title="CFO")
    assert cost() == few
    assert few <= 9


def test_large_results_are_not_counted_to_the_end(
    admin: Client, sync_user: SyncUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paginator, "MOST", 60)
    Person.objects.bulk_create([Person(last_name=f"Berg {i}") for i in range(75)])
    response = admin.get(URL, {"q": "berg"})
    assert "more than 60 persons" in words(response)
    assert response.context["cl"].paginator.num_pages == 2
    assert "75 persons" in words(admin.get(URL))


def test_last_synced_is_the_newest_of_both_ways(admin: Client, people: dict[str, Person]) -> None:
    record = people["anna"].record
    record.sent_at = timezone.now() - timedelta(seconds=30)
    record.save()
    assert "30 s ago" in words(admin.get(URL, {"state": "in-sync"}))


def test_a_person_without_a_name_can_be_opened(admin: Client, db: None) -> None:
    person = Person.objects.create()
    assert f"Person {person.pk}" in words(admin.get(URL))


def test_hostile_values_are_shown_as_text(admin: Client, db: None) -> None:
    Person.objects.create(last_name="<script>alert(1)</script>", company="{{ 7*7 }}")
    page: Any = admin.get(URL).content.decode()
    assert "<script>alert(1)" not in page
    assert "{{ 7*7 }}" in page
