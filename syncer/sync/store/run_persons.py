"""The persons of an action's run: who was asked for, who still waits, what became of each. Every write of RunPerson."""

from __future__ import annotations

from collections.abc import Sequence

from syncer.models import RunPerson, SyncRun
from syncer.sync.outcomes import PersonOutcome, Result
from syncer.sync.store import bulk_sql

#: Rows of one INSERT.
BATCH = 5_000

_COLUMNS = ("name", "result", "message", "code", "remedy", "sfdc_type", "sfdc_id", "sent", "received")


def add(run: SyncRun, person_ids: Sequence[int]) -> None:
    """All of them wait, in this order. In the transaction in which the run is made."""
    for start in range(0, len(person_ids), BATCH):
        part = enumerate(person_ids[start : start + BATCH], start)
        bulk_sql.insert(RunPerson, ["run_id", "person_id", "position"], [[run.pk, pk, at] for at, pk in part])


def waiting(run: SyncRun, limit: int) -> list[int]:
    """The next persons whose turn has not come."""
    rows = RunPerson.objects.filter(run=run, result="").order_by("position")
    return list(rows.values_list("person_id", flat=True)[:limit])


def waiting_behind(run: SyncRun, position: int, limit: int) -> dict[int, int]:
    """The next persons, in their order, whose turn has not come: person → position."""
    rows = RunPerson.objects.filter(run=run, result="", position__gt=position).order_by("position")
    return dict(rows.values_list("person_id", "position")[:limit])


def done_count(run: SyncRun) -> int:
    return RunPerson.objects.filter(run=run, result__gt="").count()


def settle(run: SyncRun, outcomes: Sequence[PersonOutcome]) -> None:
    """What became of a batch, in one statement; *Busy* in another one.

    A worker that is believed to be dead may still be at its batch: the one that takes over finds its persons busy, and
    what the first one tells of them then counts, whoever comes last.
    """
    busy = [_row(run, told) for told in outcomes if told.result is Result.BUSY]
    others = [_row(run, told) for told in outcomes if told.result is not Result.BUSY]
    bulk_sql.update(RunPerson, _COLUMNS, others, keys=("run_id", "person_id"))
    still_waiting = [[run_id, person_id, "", *columns] for run_id, person_id, *columns in busy]
    bulk_sql.update(RunPerson, _COLUMNS, still_waiting, keys=("run_id", "person_id", "result"))


def outcomes(run: SyncRun) -> list[PersonOutcome]:
    """Of everybody whose turn has come, in the order that was asked for."""
    rows = RunPerson.objects.filter(run=run, result__gt="").order_by("position")
    return [
        PersonOutcome(
            row.person_id,
            row.name,
            Result(row.result),
            row.message,
            code=row.code,
            remedy=row.remedy,
            sfdc_type=row.sfdc_type,
            sfdc_id=row.sfdc_id,
            sent=tuple(row.sent),
            received=tuple(row.received),
        )
        for row in rows.iterator()
    ]


def _row(run: SyncRun, told: PersonOutcome) -> list[object]:
    return [
        run.pk,
        told.person_id,
        told.name[:255],
        told.result.value,
        told.message,
        told.code[:80],
        told.remedy,
        told.sfdc_type,
        told.sfdc_id,
        list(told.sent),
        list(told.received),
    ]
