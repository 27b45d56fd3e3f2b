"""What django-q2 calls. A queued task is a disposable wake-up call: everything that must survive is in our tables."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django_q.tasks import async_task

from syncer import schedule
from syncer.away import AWAY
from syncer.models import RunKind, SyncRun, SyncUser, SyncUserState
from syncer.sync.actions.run_action import carry_on
from syncer.sync.connection import runs
from syncer.sync.cycle import CycleOptions
from syncer.sync.cycle import run_cycle as run_one_cycle
from syncer.sync.errors import CannotSync, OutOfTime
from syncer.sync.store import run_persons
from syncer.sync.upkeep.check_data import check as check_data_of_all
from syncer.sync.upkeep.reconnect_sandbox import reconnect
from syncer.sync.upkeep.retention import prune

#: A cycle in the background gives up at a batch's end after this time and goes on in a new task: django-q2 kills a task
#: at its time-out of 15 minutes, which would otherwise always strike at the same point.
GIVE_UP_AFTER = timedelta(minutes=10)

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
        unfinished = run.unfinished
        return {"run": run.pk, "status": run.status}
    except CannotSync as error:
        logger.warning("The cycle could not run: %s", error.message)
        return {"run": None, "status": "failed", "code": error.code}
    finally:
        if unfinished:
            schedule.run_at_once()
        else:
            schedule.run_after_the_wait()


def sync_persons_task(run_id: int) -> dict[str, Any]:
    """*Sync Person to SFDC*, or a sister action, for those who wait in its run; the run shows how far it is."""
    run = SyncRun.objects.get(pk=run_id)
    try:
        if carry_on(run, budget=GIVE_UP_AFTER):
            go_on(run)
    except CannotSync as error:
        return {"run": run_id, "status": "failed", "code": error.code}
    return {"run": run_id, "status": run.status}


def reconnect_sandbox(run_id: int) -> dict[str, Any]:
    """*Reconnect to a refreshed sandbox*; the run says what was found."""
    try:
        reconnect(SyncRun.objects.get(pk=run_id))
    except CannotSync as error:
        return {"run": run_id, "status": "failed", "code": error.code}
    schedule.run_at_once()
    return {"run": run_id, "status": "completed"}


TASKS = {RunKind.PERSONS: "syncer.tasks.sync_persons_task", RunKind.RECONNECT: "syncer.tasks.reconnect_sandbox"}


#: What a page says of a run that could not be queued: from its own rows it is carried out all the same.
NOT_QUEUED = (
    "The queue of the background work does not answer, so nothing has begun yet. It begins by itself, some 5 minutes "
    "after the queue is back at the latest."
)


def wake(task: str, *args: Any) -> bool:
    """Queue a task. False when the queue does not answer: whatever the task is to do stands in our tables."""
    try:
        async_task(task, *args)
    except AWAY as error:
        logger.warning("%s could not be queued: %s", task, error)
        return False
    return True


def go_on(run: SyncRun) -> bool:
    """Queue a run, or the rest of it: a background worker carries it out. False when the queue does not answer; then
    the heartbeat queues it again."""
    return wake(TASKS[RunKind(run.kind)], run.pk)


def take_over_dead_runs() -> list[int]:
    """Runs whose task was lost, or whose worker was killed, go on with what is left; safe to do twice, because one
    worker at a time is at a run. Return the runs that were queued again."""
    taken = []
    for run in runs.take_over(timezone.now()):
        if run.kind == RunKind.PERSONS and not run_persons.waiting(run, 1):
            runs.close_dead(run, all_done=run_persons.done_count(run) == run.person_count)
        elif go_on(run):
            taken.append(run.pk)
    return taken


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


def check_data() -> dict[str, int]:
    """Every day: what has to be true of every person is checked and put right, for as long as a task may take."""
    until = timezone.now() + GIVE_UP_AFTER
    found: Counter[str] = Counter()

    def tell(done: int) -> None:
        if timezone.now() > until:
            raise OutOfTime

    with suppress(OutOfTime):
        for finding in check_data_of_all(mend=True, tell=tell):
            found[finding.sentence] += 1
    for sentence, count in found.items():
        logger.warning("Put right in %d cases: %s", count, sentence)
    return dict(found)


def heartbeat() -> None:
    """Every minute: the worker is alive, and the schedules are as they should be."""
    schedule.beat()
    take_over_dead_runs()
    schedule.ensure()
