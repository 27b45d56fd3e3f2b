"""Records that the sync user does not see any more, although nothing says that they were deleted."""

from __future__ import annotations

import pytest

from syncer.models import PendingChange, Person, SalesforceRecord
from syncer.salesforce.caller import Timing
from syncer.sync.plan import Plan, Planned
from syncer.sync.pull import visibility
from syncer.sync.pull.database import Database

pytestmark = pytest.mark.django_db


def hide(sandbox, record_id: str, visible: bool = False) -> None:
    sandbox.control("POST", "sharing", id=record_id, visible=visible)


def is_hidden(person: Person) -> bool:
    return SalesforceRecord.objects.get(person=person).hidden_since is not None


@pytest.fixture
def kim(sandbox, cycle) -> Person:
    sandbox.lead(FirstName="Kim", Title="Buyer")
    sandbox.lead(LastName="Other")
    cycle()
    sandbox.time.pass_(1200)
    return Person.objects.get(first_name="Kim")


# -- found by a complete read -----------------------------------------------------------------------------------------


def test_a_full_read_finds_a_record_that_is_not_shared_any_more_and_changes_nothing(sandbox, cycle, kim, log):
    hide(sandbox, kim.sfdc_id)
    cycle()
    assert not is_hidden(kim)  # no stamp moves: a read of the changes can't see it
    run = cycle(full=True)
    assert is_hidden(kim)
    kim.refresh_from_db()
    assert (kim.title, kim.sfdc_type, kim.sfdc_is_deleted) == ("Buyer", "Lead", False)
    assert kim.sfdc_id
    assert len(log(kim, "No longer visible in SFDC")) == 1
    assert "1 Lead records are no longer visible" in run.notes[0]
    assert not is_hidden(Person.objects.get(last_name="Other"))


def test_what_is_hidden_already_is_not_asked_for_again(sandbox, cycle, kim, log):
    hide(sandbox, kim.sfdc_id)
    calls = cycle(full=True).api_calls
    assert cycle(full=True).api_calls == calls - 1
    assert len(log(kim, "No longer visible in SFDC")) == 1


def test_a_complete_read_asks_for_nothing_when_everything_was_there(sandbox, cycle, kim):
    assert cycle(full=True).api_calls == 1
    assert cycle(full=True).api_calls == 1


def test_a_purged_record_is_found_by_a_full_read(sandbox, cycle, kim, log):
    sandbox.sales.Lead.delete(kim.sfdc_id)
    sandbox.control("POST", "purge", id=kim.sfdc_id)
    cycle(full=True)
    assert is_hidden(kim)
    assert Person.objects.get(pk=kim.pk).title == "Buyer"
    assert cycle(full=True).counters["sent"]["updated"] == 0


def test_a_deleted_record_is_not_hidden_but_deleted(sandbox, cycle, kim):
    hide(sandbox, kim.sfdc_id)
    cycle(full=True)
    sandbox.sales.Lead.delete(kim.sfdc_id)
    hide(sandbox, kim.sfdc_id, visible=True)
    cycle()
    assert Person.objects.get(pk=kim.pk).sfdc_is_deleted
    assert not is_hidden(kim)


def test_a_dry_run_tells_what_would_be_hidden_and_hides_nothing(sandbox, cycle, kim):
    hide(sandbox, kim.sfdc_id)
    told: list[Planned] = []
    run = cycle(full=True, plan=Plan(tell=told.append))
    assert [(p.action, p.person_id) for p in told] == [("no longer visible", kim.pk)]
    assert not is_hidden(kim)
    assert run.api_calls == 2


def test_a_full_read_after_one_that_was_broken_off_begins_anew(sandbox, cycle, kim):
    """What was read before the break was compared by stamp only."""
    from datetime import timedelta

    from syncer.models import SyncCursor
    from syncer.sync.persons.record import parse_stamp

    SyncCursor.objects.filter(object="Lead").update(
        resume_stamp=parse_stamp("2026-03-02T20:00:00Z"), resume_id="00Q000000000000AAA", reading_since=sandbox.time()
    )
    Person.objects.filter(pk=kim.pk).update(updated_at=sandbox.time() - timedelta(days=1))
    hide(sandbox, kim.sfdc_id)
    assert cycle(full=True).api_calls == 2  # the other lead is not asked for by id
    assert is_hidden(kim)
    assert SyncCursor.objects.get(object="Lead").resume_stamp is None


def test_many_unseen_records_are_asked_for_in_batches(sandbox, cycle, kim, monkeypatch):
    monkeypatch.setattr(visibility, "IDS_A_QUERY", 2)
    ids = [sandbox.lead(LastName=f"Ode {n}") for n in range(5)]
    cycle()
    sandbox.time.pass_(1200)
    for record_id in ids:
        hide(sandbox, record_id)
    assert cycle(full=True).api_calls == 1 + 3
    assert SalesforceRecord.objects.filter(hidden_since__isnull=False).count() == 5


# -- seen again -------------------------------------------------------------------------------------------------------


def test_edits_wait_while_it_is_hidden_and_are_sent_when_it_is_seen_again(sandbox, cycle, kim, log):
    hide(sandbox, kim.sfdc_id)
    cycle(full=True)
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    assert cycle().counters["sent"] == {"created": 0, "updated": 0, "unchanged": 0, "failed": 0}
    assert PendingChange.objects.get().state == "pending"
    hide(sandbox, kim.sfdc_id, visible=True)
    cycle(full=True)
    assert not is_hidden(kim)
    assert len(log(kim, "Visible again in SFDC")) == 1
    assert sandbox.read(kim.sfdc_id)["Title"] == "Head Buyer"
    assert not PendingChange.objects.exists()


def test_an_edit_in_salesforce_shows_it_again(sandbox, cycle, kim, log):
    hide(sandbox, kim.sfdc_id)
    cycle(full=True)
    hide(sandbox, kim.sfdc_id, visible=True)
    sandbox.edit(kim.sfdc_id, Phone="1")
    cycle()
    assert not is_hidden(kim)
    assert Person.objects.get(pk=kim.pk).phone == "1"
    cycle()
    assert len(log(kim, "Visible again in SFDC")) == 1


def test_the_filling_in_of_a_new_field_reads_a_record_whole_that_is_seen_again(sandbox, cycle, kim):
    hide(sandbox, kim.sfdc_id)
    cycle(full=True)
    sandbox.edit(kim.sfdc_id, Phone="1")
    sandbox.time.pass_(1200)
    cycle()
    hide(sandbox, kim.sfdc_id, visible=True)
    sandbox.control("POST", "fields", object="Lead", name="Shoe__c", type="text", length=20)
    sandbox.time.pass_(4000)
    cycle()
    cycle()
    assert not is_hidden(kim)
    assert Person.objects.get(pk=kim.pk).phone == "1"


# -- found by the push ------------------------------------------------------------------------------------------------


def test_an_update_of_a_hidden_record_finds_out_and_leaves_no_error(sandbox, cycle, kim, log):
    hide(sandbox, kim.sfdc_id)
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    run = cycle()
    assert is_hidden(kim)
    assert not log(kim, "Sync failed")
    pending = PendingChange.objects.get()
    assert (pending.state, pending.error_code, pending.in_doubt) == ("pending", "", {})
    assert run.counters["sent"]["failed"] == 0
    hide(sandbox, kim.sfdc_id, visible=True)
    cycle(full=True)
    assert sandbox.read(kim.sfdc_id)["Title"] == "Head Buyer"


def test_an_update_of_a_purged_record_finds_out(sandbox, cycle, kim, log):
    sandbox.sales.Lead.delete(kim.sfdc_id)
    sandbox.control("POST", "purge", id=kim.sfdc_id)
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    cycle()
    assert is_hidden(kim)
    assert not log(kim, "Sync failed")


def between_reading_and_sending(sandbox, action):
    """Runs a cycle in which this happens after the changes were read."""
    from syncer.sync.cycle import run_cycle

    actions = iter([action])

    def progress(phase: str, done: int, total: int | None) -> None:
        if phase == "Receiving Contacts" and (act := next(actions, None)):
            act()

    sandbox.time.pass_(60)
    return run_cycle(trigger="test", around=sandbox.around(progress=progress))


def test_an_update_of_a_record_deleted_this_second_marks_the_person_deleted(sandbox, cycle, kim, log):
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    run = between_reading_and_sending(sandbox, lambda: sandbox.sales.Lead.delete(kim.sfdc_id))
    assert Person.objects.get(pk=kim.pk).sfdc_is_deleted
    assert not log(kim, "Sync failed")
    assert not PendingChange.objects.exists()
    assert run.counters["sent"]["failed"] == 0


def test_an_update_of_a_lead_converted_this_second_goes_to_the_contact(sandbox, cycle, kim, log):
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    between_reading_and_sending(sandbox, lambda: sandbox.convert(kim.sfdc_id))
    person = Person.objects.get(pk=kim.pk)
    assert person.sfdc_type == "Contact"
    assert not log(kim, "Sync failed")
    cycle()
    assert sandbox.read(person.sfdc_id)["Title"] == "Head Buyer"
    assert not PendingChange.objects.exists()


def test_an_update_of_a_record_merged_this_second_merges_the_persons(sandbox, cycle, kim, log):
    other = Person.objects.get(last_name="Other")
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    between_reading_and_sending(
        sandbox,
        lambda: sandbox.control("POST", "merge", object="Lead", winner=other.sfdc_id, losers=[kim.sfdc_id]),
    )
    assert [person.pk for person in Person.objects.all()] == [other.pk]
    assert log(other, "Merge People")


def test_a_refusal_of_a_record_that_is_plainly_there_stands(sandbox, cycle, kim, log):
    sandbox.fault("/composite/sobjects", "status", status=404, code="ENTITY_IS_DELETED", message="entity is deleted")
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    cycle()
    assert (PendingChange.objects.get().state, PendingChange.objects.get().error_code) == (
        "failed",
        "ENTITY_IS_DELETED",
    )
    assert not is_hidden(kim)
    assert len(log(kim, "Sync failed")) == 1


def test_a_missing_permission_is_a_refusal(sandbox, cycle, kim):
    sandbox.fault(
        "/composite/sobjects", "status", status=403, code="INSUFFICIENT_ACCESS_OR_READONLY", message="no access"
    )
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    cycle()
    assert PendingChange.objects.get().state == "failed"
    assert not is_hidden(kim)


# -- found by Sync Person to SFDC -------------------------------------------------------------------------------------


def test_sync_person_hides_and_shows_again(sandbox, cycle, kim, sync_person, log):
    hide(sandbox, kim.sfdc_id)
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    assert sync_person(kim).code == "NOT_VISIBLE"
    assert sync_person(kim).code == "NOT_VISIBLE"
    assert is_hidden(kim)
    assert len(log(kim, "No longer visible in SFDC")) == 1
    hide(sandbox, kim.sfdc_id, visible=True)
    assert sync_person(kim).ok
    assert not is_hidden(kim)
    assert sandbox.read(kim.sfdc_id)["Title"] == "Head Buyer"


def test_an_older_page_does_not_show_a_record_again_that_a_newer_read_did_not_see(sandbox, cycle, kim):
    from syncer.models import SyncRun, SyncUser
    from syncer.sync.connection import connect
    from syncer.sync.context import Context, next_sequence
    from syncer.sync.persons.record import Reading
    from syncer.sync.pull import records, visibility

    user = SyncUser.objects.get()
    org = connect.connect(user, sandbox.open_session, Timing(now=sandbox.time))
    context = Context(
        user,
        org,
        SyncRun.objects.create(sync_user=user),
        claim="test",
        actor="test",
        store=Database(),
        now=sandbox.time,
    )
    context.load_maps()
    rows, older = visibility.ask_for(context, "Lead", [kim.sfdc_id])
    assert visibility.hide(context, Reading(next_sequence(), sandbox.time()), [kim.pk]) == 1
    assert visibility.hide(context, Reading(next_sequence(), sandbox.time()), [kim.pk]) == 0
    assert records.receive_records(context, "Lead", rows, older, by_value=True).later == [kim.sfdc_id]
    assert is_hidden(kim)


# -- what waits -------------------------------------------------------------------------------------------------------


def test_a_full_read_leaves_nothing_waiting_of_hidden_persons_that_nobody_edited(sandbox, cycle, kim):
    hide(sandbox, kim.sfdc_id)
    other = Person.objects.get(last_name="Other")
    hide(sandbox, other.sfdc_id)
    Person.objects.filter(pk=other.pk).update(title="Head Buyer")
    for _ in range(2):
        cycle(full=True)
        assert [row.person_id for row in PendingChange.objects.all()] == [other.pk]


def test_an_edit_made_while_the_triggers_were_missing_is_sent_when_it_is_seen_again(sandbox, cycle, kim):
    from django.db import connection

    hide(sandbox, kim.sfdc_id)
    cycle(full=True)
    on = " ON syncer_person" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER syncer_person_pending{on}")
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    cycle()
    hide(sandbox, kim.sfdc_id, visible=True)
    cycle(full=True)
    assert sandbox.read(kim.sfdc_id)["Title"] == "Head Buyer"


def test_a_lead_converted_to_a_contact_that_is_not_shared_is_no_longer_visible_until_it_is(sandbox, cycle, kim, log):
    contact = sandbox.convert(kim.sfdc_id)
    hide(sandbox, contact)
    cycle()
    kim.refresh_from_db()
    assert (kim.sfdc_type, kim.sfdc_id, kim.title) == ("Contact", contact, "Buyer")
    assert is_hidden(kim)
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    assert cycle().counters["sent"]["updated"] == 0
    hide(sandbox, contact, visible=True)
    cycle(full=True)
    assert not is_hidden(kim)
    assert sandbox.read(contact)["Title"] == "Head Buyer"
    assert log(kim, "Visible again in SFDC")
