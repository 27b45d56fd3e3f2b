"""What is old goes, by the rule of its kind; what is not stays, and a stopped run has lost nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_q.models import Schedule

from syncer import schedule, tasks
from syncer.models import ActivityLogEntry, ActivityType, BeforeImage, Conflict, RunPerson, SyncRun, SyncUser
from syncer.sync.upkeep import retention

pytestmark = pytest.mark.django_db


def entry(kind: str, days: float, **values: Any) -> ActivityLogEntry:
    at = timezone.now() - timedelta(days=days)
    return ActivityLogEntry.objects.create(person_id=1, person_name="Kim Ode", type=kind, at=at, **values)


def run_of(sync_user: SyncUser, days: float, **values: Any) -> SyncRun:
    at = timezone.now() - timedelta(days=days)
    return SyncRun.objects.create(sync_user=sync_user, **{"started_at": at, "status": "completed"} | values)


def prune(*args: str) -> str:
    out = StringIO()
    call_command("pruneactivity", *args, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


def kinds() -> list[str]:
    return sorted(ActivityLogEntry.objects.values_list("type", flat=True))


def test_values_go_after_90_days_the_rest_after_25_months_and_new_person_stays():
    for kind in ActivityType:
        entry(kind, 91)
        entry(kind, 89)
        entry(kind, 900)
    assert prune() == f"Removed: {len(retention.VALUES) * 2 + len(retention.OTHERS)} activity log entries."
    assert set(retention.VALUES) | set(retention.OTHERS) | set(retention.KEPT) == set(ActivityType)
    left = [(e.type, round((timezone.now() - e.at).days)) for e in ActivityLogEntry.objects.all()]
    assert ("New Person", 900) in left
    assert ("Change Data Value", 89) in left
    assert ("Change Data Value", 91) not in left
    assert ("Convert Lead", 91) in left
    assert ("Convert Lead", 900) not in left


def test_other_times_can_be_asked_for():
    entry("Change Data Value", 8)
    entry("Convert Lead", 45)
    assert prune("--values-days", "7", "--other-months", "1") == "Removed: 2 activity log entries."


@pytest.mark.parametrize("wrong", ["0", "-1", "soon"])
def test_times_that_make_no_sense_are_refused(wrong):
    entry("Change Data Value", 8)
    with pytest.raises(CommandError):
        prune(f"--values-days={wrong}")
    assert ActivityLogEntry.objects.count() == 1


def test_lost_values_and_undo_images_have_their_own_times(sync_user):
    for days in (760, 800):
        at = timezone.now() - timedelta(days=days)
        Conflict.objects.create(person_id=1, field="title", winner="marketo", at=at)
    for days in (31, 29):
        BeforeImage.objects.create(run=run_of(sync_user, days), person_id=1)
    assert prune() == "Removed: 1 overwritten values, 1 undo images, 1 runs."
    assert Conflict.objects.get().at > timezone.now() - timedelta(days=761)
    assert BeforeImage.objects.get().run.started_at > timezone.now() - timedelta(days=30)


def test_runs_stay_while_something_refers_to_them(sync_user):
    quiet = run_of(sync_user, 31)
    told = run_of(sync_user, 31)
    entry("Convert Lead", 31, run=told)
    lost = run_of(sync_user, 31)
    Conflict.objects.create(person_id=1, field="title", winner="marketo", run=lost)
    goes_on = run_of(sync_user, 31, status="running")
    values = run_of(sync_user, 91)
    entry("Change Data Value", 91, run=values)
    young = run_of(sync_user, 29)
    last_of_its_kind = run_of(sync_user, 31, kind="persons")
    assert prune() == "Removed: 1 activity log entries, 2 runs."
    left = set(SyncRun.objects.values_list("pk", flat=True))
    assert left == {told.pk, lost.pk, goes_on.pk, young.pk, last_of_its_kind.pk}
    assert quiet.pk not in left


def test_what_became_of_persons_goes_with_the_run_batch_by_batch(sync_user, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 10)
    old, told, last = (run_of(sync_user, days, kind="persons") for days in (32, 31, 31))
    entry("Convert Lead", 31, run=told)
    RunPerson.objects.bulk_create(
        RunPerson(run=run, person_id=i, position=i, result="Created") for run in (old, told, last) for i in range(1, 26)
    )
    said = prune("--dry-run")
    assert said == "Would remove: 25 outcomes of actions, 1 runs."
    assert RunPerson.objects.count() == 75
    batches: list[tuple[str, int]] = []
    retention.prune(timezone.now(), tell=lambda what, count: batches.append((what, count)))
    assert batches == [(retention.PERSONS, 10), (retention.PERSONS, 20), (retention.PERSONS, 25), (retention.RUNS, 1)]
    assert not SyncRun.objects.filter(pk=old.pk).exists()
    assert RunPerson.objects.filter(run=told).count() == RunPerson.objects.filter(run=last).count() == 25


def test_a_dry_run_says_the_same_and_removes_nothing(sync_user):
    run = run_of(sync_user, 91)
    entry("Change Data Value", 91, run=run)
    BeforeImage.objects.create(run=run, person_id=1)
    run_of(sync_user, 1)
    said = prune("--dry-run")
    assert said == "Would remove: 1 activity log entries, 1 undo images, 1 runs."
    assert (ActivityLogEntry.objects.count(), BeforeImage.objects.count(), SyncRun.objects.count()) == (1, 1, 2)
    assert prune() == said.replace("Would remove", "Removed")
    assert prune() == "Removed: nothing."


def test_it_works_in_batches_and_costs_what_is_removed(monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(retention, "BATCH", 10)
    for days in [100] * 25 + [1] * 40:
        entry("Change Data Value", days)
    told: list[int] = []
    # Three batches of old ones, of which the last ends the visit of the type: 15 others are looked at once.
    with django_assert_max_num_queries(50):
        removed = retention.prune(timezone.now(), tell=lambda what, count: told.append(count))
    assert removed[retention.ENTRIES] == 25
    assert told == [10, 20, 25]
    assert ActivityLogEntry.objects.count() == 40


def test_stopped_in_the_middle_it_keeps_what_was_done_and_says_it(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 10)
    for _ in range(25):
        entry("Change Data Value", 100)
    batches = iter(range(10))

    def stop(*args: Any, **options: Any) -> None:
        if next(batches) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("syncer.management.progress.Silent.progress", stop)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("pruneactivity", "--verbosity=0", stdout=out, stderr=StringIO())
    assert ended.value.code == 1
    assert out.getvalue().strip() == "Removed: 20 activity log entries."
    assert ActivityLogEntry.objects.count() == 5


def test_the_background_worker_does_it_every_day():
    entry("Change Data Value", 91)
    Schedule.objects.filter(name=schedule.CLEARING_UP).delete()
    tasks.heartbeat()
    row = Schedule.objects.get(name=schedule.CLEARING_UP)
    assert (row.func, row.minutes, row.repeats) == ("syncer.tasks.prune_activity", 1440, -1)
    assert tasks.prune_activity()[retention.ENTRIES] == 1
    assert not ActivityLogEntry.objects.exists()


def test_the_background_worker_gives_up_in_time(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 10)
    monkeypatch.setattr(tasks, "GIVE_UP_AFTER", timedelta(seconds=-1))
    for _ in range(25):
        entry("Change Data Value", 100)
    assert tasks.prune_activity() == {retention.ENTRIES: 10}
    assert ActivityLogEntry.objects.count() == 15


@pytest.mark.parametrize(
    ("now", "months", "then"),
    [
        (datetime(2026, 3, 31, tzinfo=UTC), 1, datetime(2026, 2, 28, tzinfo=UTC)),
        (datetime(2026, 1, 15, tzinfo=UTC), 25, datetime(2023, 12, 15, tzinfo=UTC)),
    ],
)
def test_months_are_those_of_the_calendar(now, months, then):
    assert retention.months_before(now, months) == then
