"""Passing faults: retried, nothing lost, nothing done twice."""

from __future__ import annotations

import pytest
from django.utils import timezone

from syncer import schedule, tasks
from syncer.models import PendingChange, Person, SyncLease
from syncer.sync.connection.lease import acquire
from syncer.sync.errors import CannotSync

pytestmark = pytest.mark.django_db


def linked(sandbox, cycle, number: int = 1) -> list[Person]:
    for n in range(number):
        sandbox.lead(LastName=f"Ode {n}", Title="Buyer")
    cycle()
    return list(Person.objects.order_by("pk"))


def test_a_locked_row_is_sent_within_the_cycle(sandbox, cycle):
    kim, alex = linked(sandbox, cycle, 2)
    Person.objects.update(title="Head Buyer")
    sandbox.fault("/composite", "lock", ids=[kim.sfdc_id], times=2)
    run = cycle()
    assert sandbox.read(kim.sfdc_id)["Title"] == sandbox.read(alex.sfdc_id)["Title"] == "Head Buyer"
    assert run.counters["sent"]["updated"] == 2
    assert not PendingChange.objects.exists()


def test_a_row_that_stays_locked_waits_for_the_next_cycles_and_stops_no_other(sandbox, cycle):
    kim, alex = linked(sandbox, cycle, 2)
    Person.objects.update(title="Head Buyer")
    sandbox.fault("/composite", "lock", ids=[kim.sfdc_id], times=500)
    assert cycle().status == "completed"
    assert sandbox.read(alex.sfdc_id)["Title"] == "Head Buyer"
    pending = PendingChange.objects.get()
    assert (pending.person_id, pending.state, pending.error_code) == (kim.pk, "pending", "UNABLE_TO_LOCK_ROW")
    sandbox.control("DELETE", "faults")
    sandbox.time.pass_(86_400)
    cycle()
    assert sandbox.read(kim.sfdc_id)["Title"] == "Head Buyer"


def test_a_lost_answer_to_an_update_is_sent_once_and_told(sandbox, cycle, log):
    [kim] = linked(sandbox, cycle)
    Person.objects.update(title="Head Buyer")
    sandbox.fault("/composite/sobjects", "drop_after", times=1)
    run = cycle()
    assert run.status == "completed"
    assert sandbox.read(kim.sfdc_id)["Title"] == "Head Buyer"
    [entry] = log(kim, "Conflict")
    assert "answer was lost" in entry.summary
    assert not PendingChange.objects.exists()
    assert cycle().counters["sent"]["updated"] == 0


def test_answers_that_are_always_lost_end_the_cycle_and_lose_nothing(sandbox, cycle):
    [kim] = linked(sandbox, cycle)
    Person.objects.update(title="Head Buyer")
    sandbox.fault("/composite/sobjects", "drop_before", times=500)
    with pytest.raises(CannotSync):
        cycle()
    assert PendingChange.objects.get().state == "pending"
    sandbox.control("DELETE", "faults")
    cycle()
    assert sandbox.read(kim.sfdc_id)["Title"] == "Head Buyer"


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "truncate", "status"])
def test_a_read_that_fails_in_passing_is_repeated(sandbox, cycle, kind):
    options = {"status": 503, "code": "SERVER_UNAVAILABLE"} if kind == "status" else {}
    sandbox.lead()
    sandbox.fault("/composite", kind, times=2, **options)
    assert cycle().status == "completed"
    assert Person.objects.count() == 1


def test_a_cycle_that_can_not_read_leaves_everything_as_it_was(sandbox, cycle):
    [kim] = linked(sandbox, cycle)
    sandbox.edit(kim.sfdc_id, Title="Theirs")
    sandbox.fault("/composite", "status", status=503, times=500)
    with pytest.raises(CannotSync):
        cycle()
    sandbox.control("DELETE", "faults")
    cycle()
    kim.refresh_from_db()
    assert kim.title == "Theirs"


def test_a_record_that_becomes_visible_late_is_received(sandbox, cycle):
    cycle()
    sandbox.fault("/sobjects/Lead", "late_commit", seconds=120)
    sandbox.lead(LastName="Late")
    cycle()
    assert not Person.objects.exists()
    sandbox.time.pass_(120)
    cycle()
    assert Person.objects.get().last_name == "Late"


def test_edits_that_come_faster_than_they_are_sent_do_not_keep_the_cycle_going(sandbox, cycle):
    """The cycle sends what waited when it began to send; what is edited meanwhile is the next one's."""
    from django.db.models.signals import post_save

    from syncer.models import SyncRun

    [kim, *_] = linked(sandbox, cycle, 3)
    Person.objects.filter(pk=kim.pk).update(title="1")
    edits = iter(range(50))

    def edit(sender, instance, **kwargs):
        if instance.phase == "Sending" and next(edits, None) is not None:
            Person.objects.exclude(pk=kim.pk).update(title=f"{next(edits, 0)}")

    post_save.connect(edit, sender=SyncRun)
    try:
        run = cycle()
    finally:
        post_save.disconnect(edit, sender=SyncRun)
    assert run.counters["sent"]["updated"] == 1
    assert PendingChange.objects.count() == 2
    cycle()
    assert not PendingChange.objects.exists()


def test_after_a_cycle_died_the_next_one_is_started_by_the_heartbeat(sync_user):
    acquire(sync_user)
    schedule.run_after_the_wait()
    tasks.heartbeat()
    when = schedule.next_run()
    assert when is not None and when > timezone.now()  # noqa: PT018 - the lease is still held
    SyncLease.objects.update(expires_at="2020-01-01T00:00Z")
    tasks.heartbeat()
    when = schedule.next_run()
    assert when is not None and when <= timezone.now()  # noqa: PT018


def test_an_edit_there_that_a_failed_update_has_seen_is_not_forgotten(sandbox, cycle, log):
    """A server's error may come after the update: its own reading before is then the only trace of the edit there."""
    [kim] = linked(sandbox, cycle)
    Person.objects.update(title="Ours")
    sandbox.fault("/composite/sobjects", "lock", ids=[kim.sfdc_id], times=1)
    edits = iter(["Theirs"])

    def pause_or_edit(phase: str, done: int, total: int | None) -> None:
        if phase == "Receiving Contacts" and (title := next(edits, None)):
            sandbox.edit(kim.sfdc_id, Title=title)  # after the cycle has read the lead

    from syncer.sync.cycle import run_cycle

    sandbox.time.pass_(60)
    run_cycle(trigger="test", around=sandbox.around(progress=pause_or_edit))
    assert sandbox.read(kim.sfdc_id)["Title"] == "Ours"
    [entry] = log(kim, "Conflict")
    assert entry.detail["lost"] == "Theirs"
