"""One sentence says why a person is in its state, always."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import Schedule

from syncer import schedule
from syncer.admin.state.why import refusal_of, why
from syncer.models import ActivityLogEntry, CreateIntent, PendingChange, Person, SyncUser

pytestmark = pytest.mark.django_db


def sentence(person: Person, sync_user: SyncUser | None) -> str:
    return why(Person.objects.get(pk=person.pk), sync_user)


def test_in_sync(person: Person, sync_user: SyncUser) -> None:
    assert sentence(person, sync_user) == "Both sides agree, as of 2 min ago."


def test_waiting_says_when_it_goes_out(person: Person, sync_user: SyncUser) -> None:
    schedule.ensure()
    Schedule.objects.filter(name=schedule.CYCLE).update(next_run=timezone.now() + timedelta(minutes=3, seconds=9))
    Person.objects.filter(pk=person.pk).update(title="CFO")
    PendingChange.objects.update(since=timezone.now() - timedelta(seconds=40))
    assert sentence(person, sync_user) == "Waiting: changed 40 s ago, goes out in 3 min."
    schedule.pause("Eva")
    assert sentence(person, sync_user) == "Waiting: changed 40 s ago, and kept: the sync is paused."


def test_waiting_on_a_connection_that_receives_only(person: Person, sync_user: SyncUser) -> None:
    Person.objects.filter(pk=person.pk).update(title="CFO")
    sync_user.mode = "receive-only"
    assert "the connection receives only, so it stays here" in sentence(person, sync_user)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"last_name": "Ode", "company": "Acme"}, "nobody ran Sync Person to SFDC yet."),
        ({"company": "Acme"}, "Last name is empty and Salesforce requires it."),
        ({}, "Last name and Company are empty and Salesforce requires them."),
    ],
)
def test_not_in_salesforce(sync_user: SyncUser, values: dict[str, str], reason: str) -> None:
    assert sentence(Person.objects.create(**values), sync_user) == f"Not in Salesforce: {reason}"


def test_a_default_fills_what_is_empty(sync_user: SyncUser) -> None:
    sync_user.default_company = "Unknown"
    assert "nobody ran" in sentence(Person.objects.create(last_name="Ode"), sync_user)


def test_no_connection() -> None:
    assert "no Salesforce connection" in sentence(Person.objects.create(last_name="Ode"), None)


def test_an_unknown_outcome(sync_user: SyncUser) -> None:
    person = Person.objects.create(last_name="Ode", company="Acme")
    CreateIntent.objects.create(person=person, state="unknown")
    assert sentence(person, sync_user).startswith("Outcome unknown: the connection broke")


def test_deleted_in_salesforce(person: Person, sync_user: SyncUser) -> None:
    Person.objects.filter(pk=person.pk).update(sfdc_is_deleted=True)
    assert sentence(person, sync_user) == "Deleted in Salesforce. Changes stay here only."
    ActivityLogEntry.objects.create(person_id=person.pk, type="Deleted in SFDC")
    assert sentence(person, sync_user).startswith("Deleted in Salesforce on ")


def test_a_sync_error_without_details_is_still_explained(person: Person, sync_user: SyncUser) -> None:
    PendingChange.objects.create(
        person=person, state="failed", revision=2, attempts=3, error_code="STRING_TOO_LONG", error_message="Too long"
    )
    assert sentence(person, sync_user).startswith("Salesforce refused the last change, after 3 tries.")
    refusal = refusal_of(Person.objects.get(pk=person.pk))
    assert refusal is not None
    assert (refusal.words, refusal.remedy) == ("Too long", "Shorten it. We never cut text.")
    assert "{" not in refusal.cause
