"""The schedule: the wait begins when a cycle has ended, it heals itself, a paused sync is left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from django_q.models import Schedule

from syncer import schedule, tasks
from syncer.models import Person, SyncRun, SyncUser

pytestmark = pytest.mark.django_db


def next_run():
    """When the next cycle starts, of a sync that is not paused."""
    when = schedule.next_run()
    assert when is not None
    return when


def test_there_is_one_schedule_after_a_migration():
    assert Schedule.objects.filter(name=schedule.CYCLE).count() == 1
    assert Schedule.objects.get(name=schedule.CYCLE).func == "syncer.tasks.run_cycle"


@pytest.mark.parametrize(
    "damage",
    [
        lambda rows: rows.delete(),
        lambda rows: rows.update(func="os.getcwd"),
        lambda rows: rows.update(args="(broken"),
        lambda rows: rows.update(next_run=None),
        lambda rows: rows.update(next_run=timezone.now() + timedelta(days=9)),
        lambda rows: rows.update(repeats=0),
        lambda rows: Schedule.objects.create(name=schedule.CYCLE, func="os.getcwd"),
    ],
)
def test_a_damaged_schedule_is_put_right_by_the_heartbeat(damage):
    damage(Schedule.objects.filter(name=schedule.CYCLE))
    tasks.heartbeat()
    row = Schedule.objects.get(name=schedule.CYCLE)
    assert (row.func, row.args, row.repeats, row.minutes) == ("syncer.tasks.run_cycle", None, -1, schedule.TOLERANCE)
    assert row.next_run is not None
    assert row.next_run <= timezone.now() + timedelta(minutes=schedule.TOLERANCE)


def test_the_next_cycle_starts_the_wait_after_the_end_of_this_one_even_when_it_failed(db):
    assert tasks.run_cycle()["code"] == "NO_SYNC_USER"
    due = Schedule.objects.get(name=schedule.CYCLE).next_run - timezone.now()
    assert timedelta(0) < timedelta(minutes=settings.SYNC_INTERVAL_MINUTES) - due < timedelta(seconds=10)


def test_a_paused_sync_runs_no_cycle_until_it_is_resumed(sync_user):
    assert schedule.pause("Eva")
    assert tasks.run_cycle()["status"] == "paused"
    assert schedule.next_run() is None
    assert not SyncRun.objects.exists()
    assert "Eva" in SyncUser.objects.get().state_reason
    assert schedule.resume()
    assert next_run() <= timezone.now()


def test_actions_on_persons_keep_working_while_the_sync_is_paused(sandbox, sync_person):

    schedule.pause("Eva")
    kim = Person.objects.create(last_name="Ode", company="Acme")
    assert sync_person(kim).ok
    assert SyncUser.objects.get().state == "paused"


def test_a_silent_worker_is_noticed():
    assert schedule.worker_is_silent()
    tasks.heartbeat()
    assert not schedule.worker_is_silent()


def test_a_cycle_that_is_out_of_time_goes_on_where_it_was(sandbox, cycle, time):
    sandbox.control("POST", "reset", leads=4500, contacts=0, seed=1)
    run = cycle(give_up_after=timedelta(seconds=-1))
    assert run.unfinished
    assert run.counters["received"]["created"] == 2000
    run = cycle(give_up_after=timedelta(seconds=-1))
    assert run.counters["received"]["created"] == 2000
    run = cycle()
    assert run.counters["received"]["created"] == 500
    assert cycle().counters["received"] == {"created": 0, "updated": 0, "unchanged": 0, "failed": 0}


@pytest.mark.django_db(transaction=True)
def test_emptying_the_database_leaves_triggers_and_schedules():
    from django.core.management import call_command

    from syncer.models import triggers

    call_command("flush", interactive=False, verbosity=0)
    assert triggers.missing() == []
    assert Schedule.objects.filter(name=schedule.CYCLE).exists()


def test_a_wake_up_that_was_lost_is_made_up_for(sync_user):
    """The scheduler moved the row when it queued the cycle; the task never reached a worker."""
    Schedule.objects.filter(name=schedule.CYCLE).update(next_run=timezone.now() + timedelta(minutes=15))
    tasks.heartbeat()
    assert next_run() <= timezone.now() + timedelta(minutes=1)


def test_a_cycle_that_runs_is_not_made_up_for(sync_user):
    from syncer.sync.connection.lease import acquire

    acquire(sync_user)
    Schedule.objects.filter(name=schedule.CYCLE).update(next_run=timezone.now() + timedelta(minutes=15))
    tasks.heartbeat()
    assert next_run() > timezone.now() + timedelta(minutes=10)
