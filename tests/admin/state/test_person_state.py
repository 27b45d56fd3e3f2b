"""States of a person on its page and in the list: no longer visible, possible duplicates, owner, former ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from syncer.admin.persons.former_ids import sentences
from syncer.admin.state import duplicates
from syncer.admin.state.person_state import SyncState, in_state, state_of
from syncer.admin.state.why import why
from syncer.models import ActivityLogEntry, FormerId, PendingChange, Person, SalesforceRecord, SyncUser, SyncUserState
from syncer.salesforce.ids import to_18
from tests.admin.conftest import ORGANISATION, in_salesforce
from tests.admin.pages import words

LIST = "/admin/syncer/person/"


@pytest.fixture(autouse=True)
def nothing_kept(db: None) -> None:
    cache.clear()


def page_of(client: Client, person: Person) -> str:
    return words(client.get(reverse("admin:syncer_person_change", args=[person.pk])))


def names(client: Client, **query: str) -> list[str]:
    return sorted(str(person) for person in client.get(LIST, query).context["cl"].result_list)


@pytest.fixture
def hidden(person: Person) -> Person:
    when = timezone.now() - timedelta(days=3)
    SalesforceRecord.objects.filter(person=person).update(hidden_since=when)
    return Person.objects.get(pk=person.pk)


# -- no longer visible -------------------------------------------------------------------------------------------------


def test_a_record_that_is_no_longer_visible_is_a_state_of_its_own(admin: Client, hidden: Person) -> None:
    in_salesforce(Person.objects.create(last_name="Seen"), "00Q000000000201")
    Person.objects.create(last_name="Absent")
    assert names(admin, state="no-longer-visible") == ["Anna Berg"]
    assert names(admin, state="in-sync") == ["Seen"]
    page = page_of(admin, hidden)
    assert "No longer visible to the sync user since" in page
    assert "Nothing is blanked, sent or made anew" in page


def test_hidden_says_more_than_waiting_or_failed_and_less_than_deleted(hidden: Person) -> None:
    Person.objects.filter(pk=hidden.pk).update(title="CFO")
    assert state_of(Person.objects.get(pk=hidden.pk)) is SyncState.HIDDEN
    PendingChange.objects.update(state="failed", error_code="STRING_TOO_LONG")
    assert state_of(Person.objects.get(pk=hidden.pk)) is SyncState.HIDDEN
    Person.objects.filter(pk=hidden.pk).update(sfdc_is_deleted=True)
    assert state_of(Person.objects.get(pk=hidden.pk)) is SyncState.DELETED


def test_every_person_is_in_exactly_one_state(hidden: Person) -> None:
    people = [hidden, Person.objects.create(last_name="Absent")]
    facts = [("", False, False), ("pending", False, False), ("failed", False, False), ("", True, False)]
    for number, (pending, deleted, out_of_sight) in enumerate([*facts, ("failed", False, True), ("", True, True)]):
        person = in_salesforce(Person.objects.create(last_name=f"Ode {number}"), f"00Q00000000030{number}")
        if pending:
            PendingChange.objects.create(person=person, state=pending, revision=5)
        if out_of_sight:
            SalesforceRecord.objects.filter(person=person).update(hidden_since=timezone.now())
        Person.objects.filter(pk=person.pk).update(sfdc_is_deleted=deleted)
        people.append(person)
    for person in people:
        states = [state for state in SyncState if in_state(Person.objects.filter(pk=person.pk), state).exists()]
        assert states == [state_of(Person.objects.get(pk=person.pk))], person


def test_the_filter_looks_at_the_hidden_records_only(hidden: Person) -> None:
    plan = in_state(Person.objects.order_by(), SyncState.HIDDEN).explain()
    if connection.vendor == "sqlite":
        assert "syncer_record_hidden" in plan


# -- why ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"writes_stopped": True}, "everything that writes to Salesforce is stopped, so it stays here."),
        ({"mode": "receive-only"}, "the connection receives only, so it stays here."),
        ({"state": SyncUserState.REFUSED}, "and kept: Salesforce refused the sign-in"),
        ({"state": SyncUserState.PAUSED}, "and kept: the sync is paused."),
    ],
)
def test_waiting_says_what_it_waits_for(person: Person, change: dict[str, Any], sentence: str) -> None:
    SyncUser.objects.update(**change)
    Person.objects.filter(pk=person.pk).update(title="CFO")
    assert sentence in why(Person.objects.get(pk=person.pk), SyncUser.objects.get())


def test_waiting_for_api_calls_says_until_when(person: Person, sync_user: SyncUser) -> None:
    sync_user.set_state(SyncUserState.LIMITED, "", timezone.now() + timedelta(minutes=30, seconds=5))
    Person.objects.filter(pk=person.pk).update(title="CFO")
    assert "out of API calls, the sync goes on in 30 min." in why(Person.objects.get(pk=person.pk), sync_user)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"writes_stopped": True}, "Not in Salesforce: everything that writes to Salesforce is stopped, so no lead"),
        ({"mode": "receive-only"}, "Not in Salesforce: the connection receives only, so no lead is made."),
        ({"create_leads": True}, "Not in Salesforce yet: the next cycle makes its lead."),
    ],
)
def test_not_in_salesforce_says_what_is_in_the_way(sync_user: SyncUser, change: dict[str, Any], sentence: str) -> None:
    SyncUser.objects.update(**change)
    person = Person.objects.create(last_name="Ode", company="Acme")
    assert why(person, SyncUser.objects.get()).startswith(sentence)


def test_held_fields_are_named(person: Person, sync_user: SyncUser) -> None:
    PendingChange.objects.create(
        person=person, state="failed", error_code="FIELD_INTEGRITY_EXCEPTION", held={"country": "Holand"}, attempts=1
    )
    sentence = why(Person.objects.get(pk=person.pk), sync_user)
    assert sentence.startswith("Salesforce refused the last change. Held here: Country; the rest was sent.")


# -- owner and former ids ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "shown"),
    [
        ({"owner_id": "005000000000001AAA", "owner_name": "Kim Ode", "owner_email": "kim@acme.example"}, "Kim Ode · "),
        ({"owner_id": "005000000000001AAA", "owner_name": "Kim Ode"}, "Owner Kim Ode Received"),
        ({"owner_id": "005000000000001AAA", "owner_name": ""}, "Owner 005000000000001AAA Received"),
        ({"owner_id": "00G000000000001AAA", "owner_name": ""}, "Owner Queue 00G000000000001AAA Received"),
        ({"owner_id": "00G000000000001AAA", "owner_name": "New Leads"}, "Owner Queue New Leads Received"),
        ({"owner_id": "", "owner_name": ""}, "Owner – Received"),
    ],
)
def test_the_owner_is_a_user_with_an_address_or_a_queue(
    admin: Client, person: Person, owner: dict[str, str], shown: str
) -> None:
    SalesforceRecord.objects.filter(person=person).update(**owner)
    assert shown in page_of(admin, person)
    if "owner_email" in owner:
        content = admin.get(reverse("admin:syncer_person_change", args=[person.pk])).content.decode()
        assert '<a href="mailto:kim@acme.example">kim@acme.example</a>' in content


def test_a_hostile_owner_is_shown_as_text(admin: Client, person: Person) -> None:
    hostile = {"owner_id": "005000000000001AAA", "owner_name": "<b>Kim</b>", "owner_email": '"><script>@x'}
    SalesforceRecord.objects.filter(person=person).update(**hostile)
    page = admin.get(reverse("admin:syncer_person_change", args=[person.pk])).content.decode()
    assert "<b>Kim" not in page
    assert "<script>@x" not in page
    assert 'href="mailto:%22%3E%3Cscript%3E@x"' in page


def former(person: Person, reason: str, at: datetime) -> str:
    record_id = to_18("00Q000000000555")
    FormerId.objects.create(
        person=person, organisation=ORGANISATION, object="Lead", record_id=record_id, reason=reason, since=at
    )
    return record_id


def test_a_former_id_says_what_became_of_the_record(admin: Client, person: Person) -> None:
    at = datetime(2025, 11, 2, 12, tzinfo=UTC)
    lead = former(person, "converted", at)
    assert sentences(person) == [f"Was Lead {lead}, converted 2 Nov 2025, now Lead {person.sfdc_id}."]
    contact = to_18("003000000000556")
    ActivityLogEntry.objects.create(
        person_id=person.pk, type="Convert Lead", actor="Salesforce: Kim Ode", detail={"lead": lead, "contact": contact}
    )
    assert sentences(person) == [f"Was Lead {lead}, converted 2 Nov 2025 by Kim Ode, now Contact {contact}."]
    assert f"Was Lead {lead}, converted 2 Nov 2025 by Kim Ode, now Contact {contact}." in page_of(admin, person)


def test_a_merged_record_says_into_which(person: Person) -> None:
    lead = former(person, "merged", datetime(2025, 11, 2, 12, tzinfo=UTC))
    ActivityLogEntry.objects.create(
        person_id=person.pk, type="Merge People", summary=f"Lead {lead} was merged into {person.sfdc_id}."
    )
    assert sentences(person) == [f"Was Lead {lead}, merged 2 Nov 2025 into Lead {person.sfdc_id}."]


# -- possible duplicates -----------------------------------------------------------------------------------------------


@pytest.fixture
def twins(person: Person) -> list[Person]:
    """Two persons with the address of the first one, in other letters, and some without anything in common."""
    made = [Person.objects.create(last_name=f"Twin {i}", email="anna.BERG@example.com") for i in range(2)]
    Person.objects.create(last_name="Alone", email="alone@example.com")
    Person.objects.create(last_name="Nameless")
    Person.objects.create(last_name="Nameless, too")
    return made


def test_persons_with_the_same_address_are_flagged_on_their_page(
    admin: Client, person: Person, twins: list[Person]
) -> None:
    page = page_of(admin, person)
    assert "Possible duplicates" in page
    assert "Twin 0 Not in Salesforce Twin 1 Not in Salesforce" in page
    assert "Possible duplicates" not in page_of(admin, Person.objects.get(last_name="Alone"))
    assert duplicates.others(Person.objects.get(last_name="Nameless")) == []


def test_the_list_flags_and_filters_possible_duplicates(admin: Client, person: Person, twins: list[Person]) -> None:
    response = admin.get(LIST)
    assert response.content.decode().count('<span class="note">Possible duplicate</span>') == 3
    assert names(admin, duplicates="possible") == ["Anna Berg", "Twin 0", "Twin 1"]
    assert len(names(admin, duplicates="no such filter")) == 6


def test_who_is_no_duplicate_any_more_leaves_the_filter_at_once(
    admin: Client, person: Person, twins: list[Person]
) -> None:
    assert len(names(admin, duplicates="possible")) == 3
    for number, twin in enumerate(twins):
        Person.objects.filter(pk=twin.pk).update(email=f"other{number}@example.com")
    assert names(admin, duplicates="possible") == []


def test_the_filter_uses_the_index_of_addresses(person: Person, twins: list[Person]) -> None:
    plan = duplicates.possible(Person.objects.order_by("-updated_at", "-id")).explain()
    if connection.vendor == "sqlite":
        assert plan.count("syncer_person_email_lower") == 2


def test_the_filter_costs_one_more_query_while_its_list_is_kept(
    admin: Client, person: Person, twins: list[Person]
) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            admin.get(LIST, {"duplicates": "possible"})
        return len(queries)

    first = cost()
    Person.objects.bulk_create([Person(last_name=f"P{i}", email=f"p{i // 2}@example.com") for i in range(60)])
    assert cost() == first - 1
    assert first <= 10
