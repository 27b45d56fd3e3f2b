"""The stored trace of a cycle or action: phases, counters, how it ended. Every write of SyncRun.

A run that was queued (QUEUED) is taken by one worker at a time: ``claim`` names it. A worker that has been silent for
so long that another one took over does not write into the run any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from syncer.models import RunKind, RunStatus, SyncRun, SyncUser, moments
from syncer.sync.connection import high_water
from syncer.sync.context import COUNTERS, Context
from syncer.sync.errors import CannotSync, OutOfTime, Stopped
from syncer.sync.outcomes import Code

#: Kinds that a task carries out. The rows are there before the task: whatever becomes of it, the run goes on.
QUEUED = (RunKind.PERSONS, RunKind.RECONNECT)
#: A queued run that has not told anything for so long has lost its task or its worker.
DEAD_AFTER = timedelta(minutes=5)

DIED: dict[str, Any] = {
    "status": RunStatus.INTERRUPTED,
    "error_code": Code.DIED,
    "error": "The process ended without a word.",
}
#: What a worker tells of its run while it is at it.
_TOLD = ("phase", "phases", "heartbeat_at", "counters", "conflict_count", "api_calls", "notes", "unfinished")


def create(sync_user: SyncUser, kind: RunKind, trigger: str, **columns: Any) -> SyncRun:
    return SyncRun.objects.create(sync_user=sync_user, kind=kind, trigger=trigger[:150], **columns)


# -- who is at a run --------------------------------------------------------------------------------------------------


def take(run: SyncRun, claim: str, now: datetime) -> bool:
    """Begin with a run, or go on with it. False when it has ended, or another worker is at it."""
    taken = SyncRun.objects.filter(pk=run.pk, status=RunStatus.RUNNING, claim="").update(claim=claim, heartbeat_at=now)
    if taken:
        run.claim, run.heartbeat_at = claim, now
    return bool(taken)


def is_held(run: SyncRun) -> bool:
    """Nobody has stopped it or taken over."""
    return _mine(run).filter(status=RunStatus.RUNNING).exists()


def beat(run: SyncRun, now: datetime) -> None:
    """Whoever is at the run is alive, and waits."""
    _mine(run).update(heartbeat_at=now)


def take_over(now: datetime) -> Iterator[SyncRun]:
    """Queued runs that have been silent for too long, free to be taken. Each is given once in DEAD_AFTER."""
    alive = moments.heard("heartbeat_at", now, DEAD_AFTER)
    silent = SyncRun.objects.filter(kind__in=QUEUED, status=RunStatus.RUNNING).exclude(alive)
    for run in silent.order_by("pk"):
        if silent.filter(pk=run.pk).update(claim="", heartbeat_at=now):
            yield run


def mark_dead(runs: QuerySet[SyncRun]) -> None:
    """Runs that say they are running although a new one has taken their place died without a word."""
    runs.filter(status=RunStatus.RUNNING).update(**DIED)


def close_dead(run: SyncRun, *, all_done: bool) -> None:
    """Nobody is left of a run whose worker died before it could say so, or nobody knows for whom it was."""
    ended = {"status": RunStatus.COMPLETED} if all_done else DIED
    SyncRun.objects.filter(pk=run.pk, status=RunStatus.RUNNING).update(**ended, finished_at=timezone.now())


def stop(run: SyncRun, who: str) -> bool:
    """Somebody stops it: it ends at the end of the batch that it is in. False when it had ended."""
    return bool(
        SyncRun.objects.filter(pk=run.pk, status=RunStatus.RUNNING).update(
            status=RunStatus.INTERRUPTED,
            error_code=Code.STOPPED,
            error=f"Stopped by {who}.",
            finished_at=timezone.now(),
        )
    )


def refuse(run: SyncRun, error: CannotSync) -> None:
    """A run that was announced (in the queue, on a page) and could not even begin."""
    run.status, run.error_code, run.error = RunStatus.FAILED, error.code[:80], error.message
    run.finished_at = timezone.now()
    run.save(update_fields=["status", "error_code", "error", "finished_at"])


# -- what it tells ----------------------------------------------------------------------------------------------------


@contextmanager
def recorded(context: Context) -> Iterator[None]:
    """Store how a run ends, whatever ends it."""
    try:
        yield
    except OutOfTime:  # it goes on in the background, as the same run
        _take_counters(context)
        _mine(context.run).update(**_told(context.run), claim="")
        high_water.mark()
        raise
    except Stopped:
        _has_ended(context)
        raise
    except CannotSync as error:
        _finish(context, RunStatus.FAILED, error.code, error.message)
        raise
    except Exception as error:
        _finish(context, RunStatus.FAILED, Code.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
        raise
    except BaseException:  # Ctrl-C, a task's time-out, SIGTERM
        _finish(context, RunStatus.INTERRUPTED, Code.INTERRUPTED, _interrupted(context.run))
        raise
    else:
        _finish(context, RunStatus.COMPLETED, "", "")


#: psycopg.pq.TransactionStatus.ACTIVE: a query is in progress. psycopg is there only with the extra "postgres".
ACTIVE = 1


def discard_interrupted_connection() -> None:
    """Before cleaning up: an interrupt (Ctrl-C, SIGTERM, a task's time-out) in the middle of a query leaves a
    PostgreSQL connection waiting for its answer, and nothing more can be asked on it. The server rolls back."""
    wrapped = connection.connection
    if connection.vendor != "postgresql" or wrapped is None or connection.in_atomic_block:
        return
    if wrapped.info.transaction_status == ACTIVE:
        connection.close()


def report(context: Context, phase: str, done: int, total: int | None) -> None:
    """Store where the run is, for pages that watch it, and tell who watches this process."""
    run = context.run
    now = context.now()
    if not run.phases or run.phases[-1]["name"] != phase:
        _close_phase(run, now.isoformat())
        run.phases.append({"name": phase, "started": now.isoformat(), "finished": None, "done": 0, "total": None})
    run.phases[-1] |= {"done": done, "total": total}
    run.phase, run.heartbeat_at = phase, now
    _take_counters(context)
    run.save(update_fields=_TOLD)
    context.progress(phase, done, total)


def so_far(run: SyncRun) -> dict[str, Any]:
    """What the workers have counted that were at this run before: where a Context of the next one begins."""
    nothing = dict.fromkeys(COUNTERS, 0)
    return {
        "received": nothing | run.counters.get("received", {}),
        "sent": nothing | run.counters.get("sent", {}),
        "conflicts": run.conflict_count,
        "earlier_calls": run.api_calls,
    }


def _mine(run: SyncRun) -> QuerySet[SyncRun]:
    return SyncRun.objects.filter(pk=run.pk, claim=run.claim)


def _told(run: SyncRun) -> dict[str, Any]:
    return {name: getattr(run, name) for name in _TOLD}


def _finish(context: Context, status: RunStatus, code: str, message: str) -> None:
    """A run that somebody stopped in its last batch stays stopped, with nobody left."""
    run, rows = context.run, _mine(context.run)
    if status == RunStatus.COMPLETED:
        rows = rows.exclude(error_code=Code.STOPPED)
    _close(context)
    if rows.update(**_told(run), finished_at=run.finished_at, status=status, error_code=code[:80], error=message):
        run.status, run.error_code, run.error = status, code[:80], message
    else:
        _has_ended(context)
    high_water.mark()


def _has_ended(context: Context) -> None:
    """How it ended stands in the run already; only what was counted is missing."""
    run = context.run
    _close(context)
    _mine(run).update(**_told(run), finished_at=run.finished_at)
    run.refresh_from_db(fields=["status", "error_code", "error"])


def _close(context: Context) -> None:
    run = context.run
    run.finished_at = run.heartbeat_at = context.now()
    _close_phase(run, run.finished_at.isoformat())
    _take_counters(context)


def _interrupted(run: SyncRun) -> str:
    if run.kind == RunKind.PERSONS:
        return "The run was interrupted. Run the action again for the others."
    return "The run was interrupted. The next one goes on where it was."


def _close_phase(run: SyncRun, at: str) -> None:
    if run.phases and run.phases[-1]["finished"] is None:
        run.phases[-1]["finished"] = at


def _take_counters(context: Context) -> None:
    context.run.counters = context.counters()
    context.run.conflict_count = context.conflicts
    context.run.api_calls = context.earlier_calls + context.org.api_calls
