"""How long the traces are kept: the activity log, lost values, undo images, runs that nothing refers to.

Rows are visited in the order of their ids, which is nearly that of their times, and a visit ends at the first batch in
which nothing is old. So a day costs what there is to remove, not what is kept. Each batch is a transaction of its own.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from syncer.models import ActivityLogEntry, ActivityType, BeforeImage, Conflict, RunKind, RunPerson, RunStatus, SyncRun

#: Values that crossed, and what became of sending them: by far the most entries.
VALUES = (
    ActivityType.CHANGE_DATA_VALUE,
    ActivityType.SYNC_UPDATES,
    ActivityType.SYNC_PERSON,
    ActivityType.SYNC_FAILED,
)
#: Where a person came from is always known.
KEPT = (ActivityType.NEW_PERSON,)
OTHERS = tuple(kind for kind in ActivityType if kind not in VALUES and kind not in KEPT)

UNDO_DAYS = 30
BATCH = 1000

#: What is removed, in the order in which it is: entries, conflicts and images first, so that their runs are free; the
#: persons of a run before the run.
ENTRIES, CONFLICTS, IMAGES = "activity log entries", "overwritten values", "undo images"
PERSONS, RUNS = "outcomes of actions", "runs"


@dataclass(frozen=True, slots=True)
class Keep:
    """How long. ``values_days`` for values and sync entries, ``other_months`` for the rest and for lost values."""

    values_days: int = 90
    other_months: int = 25


Told = Callable[[str, int], None]


def nobody(what: str, count: int) -> None:
    """Nobody watches."""


def prune(now: datetime, keep: Keep = Keep(), *, dry_run: bool = False, tell: Told = nobody) -> dict[str, int]:
    """Remove what is older. Return how many of each. ``tell`` hears of each batch, and ends it all by raising: what
    was removed until then stays removed. ``dry_run`` only counts."""
    short, undo = now - timedelta(days=keep.values_days), now - timedelta(days=UNDO_DAYS)
    long = months_before(now, keep.other_months)
    removed = dict.fromkeys((ENTRIES, CONFLICTS, IMAGES, PERSONS, RUNS), 0)

    def remove(what: str, batches: Iterable[list[int]], rows: QuerySet[Any]) -> None:
        for ids in batches:
            if not dry_run:
                rows.filter(pk__in=ids).delete()
            removed[what] += len(ids)
            tell(what, removed[what])

    for kinds, limit in ((VALUES, short), (OTHERS, long)):
        for kind in kinds:
            entries = ActivityLogEntry.objects.filter(type=kind)
            remove(ENTRIES, _old(entries, "at", limit), ActivityLogEntry.objects.all())
    remove(CONFLICTS, _old(Conflict.objects.all(), "at", long), Conflict.objects.all())
    for run in _old_runs(undo):
        images = BeforeImage.objects.filter(run_id=run)
        remove(IMAGES, _old(images, "run__started_at", undo), BeforeImage.objects.all())
    still_there = {
        ActivityLogEntry: Q(type__in=KEPT) | Q(type__in=VALUES, at__gte=short) | Q(type__in=OTHERS, at__gte=long),
        Conflict: Q(at__gte=long),
    }
    for runs in _unused_runs(undo, still_there):
        for run in SyncRun.objects.filter(pk__in=runs, kind=RunKind.PERSONS).values_list("pk", flat=True):
            remove(PERSONS, _persons_of(run), RunPerson.objects.all())
        remove(RUNS, [runs], SyncRun.objects.all())
    return removed


def months_before(now: datetime, months: int) -> datetime:
    """The same day and time so many months earlier; the month's last day where it has no such day."""
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))


def _old(rows: QuerySet[Any], time: str, limit: datetime) -> Iterator[list[int]]:
    """The ids of old rows, batch by batch, until a batch has none."""
    last = 0
    while True:
        batch = list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", time)[:BATCH])
        old = [pk for pk, at in batch if at < limit]
        if not old:
            return
        last = batch[-1][0]
        yield old


def _old_runs(limit: datetime) -> Iterator[int]:
    """Runs with undo images, the oldest first, as far as they are old: one look into the index for each."""
    last = 0
    while True:
        images = BeforeImage.objects.filter(run_id__gt=last).order_by("run_id", "person_id")
        found = images.values_list("run_id", "run__started_at").first()
        if found is None or found[1] >= limit:
            return
        last = found[0]
        yield last


def _unused_runs(limit: datetime, still_there: dict[type[Any], Q]) -> Iterator[list[int]]:
    """Old runs that nothing refers to any more but what goes, too (``still_there``: what stays). The last run of each
    kind stays, because pages show it, and so does one that goes on."""
    last_ones = SyncRun.objects.order_by().values("kind").annotate(last=Max("pk")).values_list("last", flat=True)
    free = (
        SyncRun.objects.filter(started_at__lt=limit).exclude(status=RunStatus.RUNNING).exclude(pk__in=list(last_ones))
    )
    for relation in SyncRun._meta.related_objects:
        model: Any = relation.related_model
        if model not in (BeforeImage, RunPerson):  # images of a run of this age are gone; its persons go with it
            mine = model._base_manager.filter(still_there.get(model, Q()), **{relation.field.name: OuterRef("pk")})
            free = free.exclude(Exists(mine))
    last = 0
    while ids := list(free.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        last = ids[-1]
        yield ids


def _persons_of(run: int) -> Iterator[list[int]]:
    """The ids of a run's rows of persons, batch by batch."""
    last = 0
    rows = RunPerson.objects.filter(run_id=run).order_by("person_id")
    while batch := list(rows.filter(person_id__gt=last).values_list("pk", "person_id")[:BATCH]):
        last = batch[-1][1]
        yield [pk for pk, _ in batch]
