"""The stored trace of a cycle or action: phases, counters, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.db import connection
from django.utils import timezone

from syncer.models import RunStatus, SyncRun
from syncer.sync.context import Context
from syncer.sync.errors import CannotSync, OutOfTime, Stopped
from syncer.sync.outcomes import PersonOutcome


@contextmanager
def recorded(context: Context) -> Iterator[None]:
    """Store how a run ends, whatever ends it."""
    try:
        yield
    except OutOfTime:  # it goes on in the background, as the same run
        report(context, context.run.phase or "Starting", 0, None)
        raise
    except Stopped:
        run = SyncRun.objects.get(pk=context.run.pk)
        _finish(context, RunStatus.INTERRUPTED, run.error_code or "STOPPED", run.error or "Somebody stopped the run.")
        raise
    except CannotSync as error:
        _finish(context, RunStatus.FAILED, error.code, error.message)
        raise
    except Exception as error:
        _finish(context, RunStatus.FAILED, "INTERNAL_ERROR", f"{type(error).__name__}: {error}")
        raise
    except BaseException:  # Ctrl-C, a task's time-out, SIGTERM
        _finish(
            context, RunStatus.INTERRUPTED, "INTERRUPTED", "The run was interrupted. The next one goes on where it was."
        )
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


def refuse(run: SyncRun, error: CannotSync) -> None:
    """A run that was announced (in the queue, on a page) and could not even begin."""
    run.status, run.error_code, run.error, run.finished_at = (
        RunStatus.FAILED,
        error.code[:80],
        error.message,
        timezone.now(),
    )
    run.save(update_fields=["status", "error_code", "error", "finished_at"])


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
    run.save(
        update_fields=["phase", "phases", "heartbeat_at", "counters", "conflict_count", "api_calls", "options", "notes"]
    )
    context.progress(phase, done, total)


def outcome_row(outcome: PersonOutcome) -> dict[str, Any]:
    return asdict(outcome)


def mark_dead(sync_user_id: int, kind: str) -> None:
    """Runs that say they are running although a new one has taken their place died without a word."""
    SyncRun.objects.filter(sync_user_id=sync_user_id, kind=kind, status=RunStatus.RUNNING).update(
        status=RunStatus.INTERRUPTED, error_code="DIED", error="The process ended without a word."
    )


def _finish(context: Context, status: str, code: str, message: str) -> None:
    run = context.run
    run.finished_at = run.heartbeat_at = context.now()
    _close_phase(run, run.finished_at.isoformat())
    run.status, run.error_code, run.error = status, code[:80], message
    _take_counters(context)
    run.save()


def _close_phase(run: SyncRun, at: str) -> None:
    if run.phases and run.phases[-1]["finished"] is None:
        run.phases[-1]["finished"] = at


def _take_counters(context: Context) -> None:
    context.run.counters = context.counters()
    context.run.conflict_count = context.conflicts
    context.run.api_calls = context.org.api_calls
