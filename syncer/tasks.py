"""What django-q2 calls. A queued task is a disposable wake-up call: everything that must survive is in our tables."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django_q.tasks import async_task

from syncer import schedule
from syncer.models import RunKind, RunStatus, SyncRun, SyncUser, SyncUserState
from syncer.sync.actions.sync_person import sync_persons
from syncer.sync.cycle import CycleOptions
from syncer.sync.cycle import run_cycle as run_one_cycle
from syncer.sync.errors import CannotSync, OutOfTime
from syncer.sync.options import SyncOptions
from syncer.sync.upkeep.reconnect_sandbox import reconnect
from syncer.sync.upkeep.retention import prune

#: A cycle in the background gives up at a batch's end after this time and goes on in a new task: django-q2 kills a task
#: at its time-out of 15 minutes, which would otherwise always strike at the same point.
GIVE_UP_AFTER = timedelta(minutes=10)

#: An action on persons that has not told anything for so long has lost its worker.
RUN_IS_DEAD_AFTER = timedelta(minutes=5)

logger = logging.getLogger(__name__)


def run_cycle(trigger: str = "schedule", actor: str = "") -> dict[str, Any]:
    """One cycle; the next one starts after the wait, whatever became of this one. A paused sync is left alone, unless
    somebody (``actor``) pressed a button."""
    if not actor and SyncUser.objects.filter(is_active=True, state=SyncUserState.PAUSED).exists():
        schedule.run_after_the_wait()
        return {"run": None, "status": "paused"}
    unfinished = False
    try:
        run = run_one_cycle(trigger=actor or trigger, options=CycleOptions(give_up_after=GIVE_UP_AFTER))
        unfinished = bool(run.options.get("unfinished"))
        return {"run": run.pk, "status": run.status}
    except CannotSync as error:
        logger.warning("The cycle could not run: %s", error.message)
        return {"run": None, "status": "failed", "code": error.code}
    finally:
        if unfinished:
            schedule.run_at_once()
        else:
            schedule.run_after_the_wait()


def sync_persons_task(
    run_id: int, person_ids: Sequence[int], actor: str, options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """*Sync Person to SFDC*, or a sister action, for many persons; the run shows how far it is."""
    run = SyncRun.objects.get(pk=run_id)
    if run.status != RunStatus.RUNNING:  # stopped before it began, or done by another worker
        return {"run": run_id, "status": run.status}
    asked = SyncOptions.from_dict(options or {})
    ids = run.options.get("left") or list(person_ids)
    try:
        outcomes = sync_persons(ids, actor=actor, run=run, options=asked, budget=GIVE_UP_AFTER)
    except CannotSync as error:
        return {"run": run_id, "status": "failed", "code": error.code}
    if run.status == RunStatus.RUNNING:
        go_on(run, actor)
        return {"run": run_id, "status": "unfinished", "persons": len(outcomes)}
    return {"run": run_id, "status": run.status, "persons": len(outcomes)}


def go_on(run: SyncRun, actor: str) -> None:
    """Queue the rest of an action on persons (``run.options["left"]``), as the same run."""
    asked = SyncOptions.from_dict(run.options)
    async_task("syncer.tasks.sync_persons_task", run.pk, run.options["left"], actor, asked.to_dict())


def take_over_dead_runs() -> list[int]:
    """Actions on persons whose worker was killed go on with those who were left; safe to do twice, because each person
    is claimed. Gives the runs that were queued again."""
    silent = timezone.now() - RUN_IS_DEAD_AFTER
    taken = []
    begun = SyncRun.objects.filter(kind=RunKind.PERSONS, status=RunStatus.RUNNING).exclude(phases=[])
    for run in begun.filter(heartbeat_at__lt=silent):
        mine = SyncRun.objects.filter(pk=run.pk, status=RunStatus.RUNNING, heartbeat_at__lt=silent)
        if not run.options.get("left"):
            mine.update(status=RunStatus.INTERRUPTED, error_code="DIED", error="The process ended without a word.")
        elif mine.update(heartbeat_at=timezone.now()):
            go_on(run, run.trigger)
            taken.append(run.pk)
    return taken


def reconnect_sandbox(run_id: int, actor: str) -> dict[str, Any]:
    """*Reconnect to a refreshed sandbox*; the run says what was found."""
    run = SyncRun.objects.get(pk=run_id)
    try:
        reconnect(actor=actor, run=run)
    except CannotSync as error:
        return {"run": run_id, "status": "failed", "code": error.code}
    schedule.run_at_once()
    return {"run": run_id, "status": "completed"}


def prune_activity() -> dict[str, int]:
    """Every day: remove old traces, for as long as a task may take; the next day goes on from there."""
    until = timezone.now() + GIVE_UP_AFTER
    removed: dict[str, int] = {}

    def tell(what: str, count: int) -> None:
        removed[what] = count
        if timezone.now() > until:
            raise OutOfTime

    with suppress(OutOfTime):
        prune(timezone.now(), tell=tell)
    return removed


def heartbeat() -> None:
    """Every minute: the worker is alive, and the schedules are as they should be."""
    schedule.beat()
    take_over_dead_runs()
    schedule.ensure()
