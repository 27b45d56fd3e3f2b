"""*Create leads automatically*: off by default; on, every person gets its lead, once, and nobody is asked twice."""

from __future__ import annotations

import pytest

from syncer.models import ActivityType, CreateIntent, PendingChange, Person, SyncMode
from syncer.sync.actions import auto_create
from syncer.sync.plan import Plan

pytestmark = pytest.mark.django_db


@pytest.fixture
def on(sync_user, cycle):
    """A connection that has synced once, with the option on."""
    cycle()
    sync_user.refresh_from_db()
    sync_user.create_leads = True
    sync_user.save()
    return sync_user


def kim(**values):
    return Person.objects.create(**{"last_name": "Ode", "company": "Acme"} | values)


def test_off_means_off(sandbox, cycle):
    cycle()
    kim()
    cycle()
    assert sandbox.count() == 0
    assert not PendingChange.objects.exists()


def test_a_person_made_here_gets_its_lead_with_the_next_cycle(sandbox, cycle, on, log):
    person = kim(email="kim@example.com")
    run = cycle()
    person.refresh_from_db()
    assert sandbox.read(person.sfdc_id)["Email"] == "kim@example.com"
    assert run.counters["sent"]["created"] == 1
    [entry] = log(person, ActivityType.SYNC_PERSON)
    assert (entry.actor, entry.run_id) == ("test", run.pk)


def test_all_of_them_before_the_cycle_ends(sandbox, cycle, on, monkeypatch):
    monkeypatch.setattr(auto_create, "BATCH", 20)
    Person.objects.bulk_create(Person(last_name=f"n{i}", company="Acme", email=f"n{i}@example.com") for i in range(50))
    cycle()
    assert sandbox.count() == 50
    assert not Person.objects.filter(sfdc_type="").exists()
    sandbox.clear_requests()
    cycle()
    assert (sandbox.count(), sandbox.api_calls) == (50, 1)


def test_a_quiet_cycle_still_costs_one_call(sandbox, cycle, on):
    kim()
    cycle()
    cycle()
    sandbox.clear_requests()
    cycle()
    assert sandbox.api_calls == 1


def test_an_existing_record_is_linked_and_not_doubled(sandbox, cycle, on):
    contact = sandbox.contact(Email="kim@example.com")
    Person.objects.all().delete()  # not received yet: the connection saw nothing of it
    person = kim(email="kim@example.com")
    cycle()
    person.refresh_from_db()
    assert person.sfdc_id == contact
    assert sandbox.count() == 0


def test_whoever_needs_a_decision_or_is_refused_is_not_asked_about_every_cycle(sandbox, cycle, on):
    sandbox.rule("Phone needed", "Phone = null", "Phone needed")
    refused = kim()
    cycle()
    assert PendingChange.objects.get(person=refused).state == "failed"
    for _ in range(2):
        sandbox.clear_requests()
        cycle()
        assert sandbox.api_calls == 1
    refused.phone = "020-1"
    refused.save()
    cycle()
    assert sandbox.count() == 1


def test_an_address_that_is_another_persons_waits_for_a_decision(sandbox, cycle, on):
    sandbox.lead(LastName="Berg", Email="kim@example.com")
    person = kim(email="kim@example.com")
    cycle()
    pending = PendingChange.objects.get(person=person)
    assert (pending.state, pending.error_code) == ("failed", "MATCH_IS_TAKEN")
    for _ in range(2):
        sandbox.clear_requests()
        cycle()
        assert sandbox.api_calls == 1
    assert sandbox.count() == 1


def test_one_that_is_refused_stops_no_other(sandbox, cycle, on):
    sandbox.rule("Phone needed", "Phone = null", "Phone needed")
    persons = [kim(phone=phone) for phone in ("020-1", "", "020-3")]
    cycle()
    assert sandbox.count() == 2
    assert [bool(Person.objects.get(pk=p.pk).sfdc_type) for p in persons] == [True, False, True]


def test_a_create_whose_outcome_is_unknown_is_looked_up_not_repeated(sandbox, cycle, on, time):
    kim(email="kim@example.com")
    sandbox.fault("composite", "drop_after", times=1)
    cycle()
    for _ in range(3):
        time.pass_(1200)
        cycle()
    assert sandbox.count() == 1
    assert not CreateIntent.objects.exists()
    assert Person.objects.get().sfdc_type == "Lead"


def test_a_person_who_was_deleted_in_salesforce_does_not_come_back(sandbox, cycle, on):
    person = kim()
    cycle()
    person.refresh_from_db()
    sandbox.sales.Lead.delete(person.sfdc_id)
    cycle()
    cycle()
    person.refresh_from_db()
    assert person.sfdc_is_deleted
    assert sandbox.count() == 0


def test_a_dry_run_shows_them_and_makes_none(sandbox, cycle, on):
    kim()
    told: list = []
    cycle(plan=Plan(tell=told.append))
    assert [(planned.action, planned.object) for planned in told] == [("create lead", "Lead")]
    assert sandbox.count() == 0
    assert not PendingChange.objects.exists()


def test_a_connection_that_receives_only_makes_none(sandbox, cycle, on):
    on.mode = SyncMode.RECEIVE_ONLY
    on.save()
    kim()
    cycle()
    assert sandbox.count() == 0


def test_a_cycle_of_contacts_alone_makes_no_leads(sandbox, cycle, on):
    kim()
    cycle(objects=("Contact",))
    assert sandbox.count() == 0
