"""The run of an action on persons, in real time: batch by batch, until nobody waits.

It takes no lease and does not wait for the cycle.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from django.db import transaction
from django.utils import timezone

from syncer.models import RunKind, SyncRun, SyncUser
from syncer.salesforce.caller import Timing
from syncer.salesforce.transport import CONNECT_TIMEOUT, READ_TIMEOUT
from syncer.sync.actions import batch
from syncer.sync.actions.registry import SPECS
from syncer.sync.connection import installation, runs
from syncer.sync.connection.api_budget import check_reserve
from syncer.sync.connection.connect import (
    active_sync_user,
    check_ready,
    check_writing,
    connect,
    learn_organisation,
    one_line_errors,
)
from syncer.sync.connection.org_date import OrgDate
from syncer.sync.context import REAL_WORLD, Context, Surroundings
from syncer.sync.errors import CannotSync, OutOfTime, Stopped
from syncer.sync.options import SYNC, Action, SyncOptions
from syncer.sync.outcomes import Code, PersonOutcome, Result
from syncer.sync.pull import describes
from syncer.sync.pull.database import Database
from syncer.sync.store import claims, restored, run_persons

#: Seconds until somebody who was busy (edited right now, or in another worker's hands) is tried again: 15 in all, as
#: long as a page waits.
COME_BACK = (0.5, 1, 2, 4, 7)


def sync_persons(
    person_ids: Sequence[int],
    *,
    actor: str,
    options: SyncOptions = SYNC,
    budget: timedelta | None = None,
    around: Surroundings = REAL_WORLD,
) -> list[PersonOutcome]:
    """Sync persons with Salesforce right now, both ways; those not there are created as Leads.

    ``options`` name the action (``Action.REFRESH`` sends and makes nothing there, what waits goes on waiting), the
    owner and the campaign, which only an action that asks for them looks at (its ``ActionSpec``), and what somebody
    has decided by hand.

    Return the outcome of each person, in the order of ``person_ids``; with a ``budget`` of those whose turn came in
    time. Raises CannotSync when nothing can be done at all: no connection, sign-in refused, host unreachable. Never
    call it inside a transaction: a create has to be remembered before it is asked for, and no lock may be held across a
    call. Whoever wants to follow the run, or has very many persons, calls ``start_run`` and ``carry_on``.
    """
    run = start_run(person_ids, actor=actor, options=options, now=around.now())
    carry_on(run, budget=budget, around=around)
    return run_persons.outcomes(run)


def start_run(
    person_ids: Sequence[int],
    *,
    actor: str,
    options: SyncOptions = SYNC,
    asked_in_words: Sequence[tuple[str, str]] = (),
    now: datetime | None = None,
) -> SyncRun:
    """The run of an action, with a row for each person, in one transaction: from now on it is carried out, whatever
    becomes of this process or of a task (``tasks.take_over_dead_runs``). Raises CannotSync when it can't begin."""
    sync_user = _ready(options.action, now or timezone.now())
    installation.check()
    ids = list(dict.fromkeys(person_ids))
    asked = {name: value for name, value in options.to_dict().items() if name != "action"}
    with transaction.atomic():
        run = runs.create(
            sync_user,
            RunKind.PERSONS,
            actor,
            action=options.action.value,
            asked=asked,
            asked_in_words=[list(one) for one in asked_in_words],
            person_count=len(ids),
        )
        run_persons.add(run, ids)
    return run


def carry_on(run: SyncRun, *, budget: timedelta | None = None, around: Surroundings = REAL_WORLD) -> bool:
    """Work off the persons of a run who still wait, batch by batch, until nobody does or somebody has stopped it.

    Return whether it has to be carried on, because the ``budget`` is used up. Does nothing when the run has ended or
    another worker is at it. Raises CannotSync, which the run tells, too.
    """
    claim = f"persons-{secrets.token_hex(8)}"
    if not runs.take(run, claim, around.now()):
        return False
    options = SyncOptions.from_dict(run.asked | {"action": run.action})
    try:
        context = _context(run, options, budget, around)
    except CannotSync as error:
        runs.refuse(run, error)
        raise
    try:
        with runs.recorded(context), one_line_errors(context.sync_user, context.org):
            learn_organisation(context.sync_user, context.org)
            describes.ensure(context)
            _work_off(context, options)
    except OutOfTime:
        return True
    except Stopped:
        pass  # what is done is stored, and who is left
    return False


def _ready(action: Action, now: datetime) -> SyncUser:
    sync_user = active_sync_user()
    check_ready(sync_user, now)
    restored.check(sync_user)
    if SPECS[action].writes:
        check_writing(sync_user)
    return sync_user


def _context(run: SyncRun, options: SyncOptions, budget: timedelta | None, around: Surroundings) -> Context:
    sync_user = _ready(options.action, around.now())
    deadline = around.now() + budget if budget else None
    longest = READ_TIMEOUT if budget is None else min(READ_TIMEOUT, budget.total_seconds())

    def wait(seconds: float) -> None:
        """Between two tries of a call, which together outlast a claim."""
        if deadline is not None and around.now() + timedelta(seconds=seconds) > deadline:
            raise OutOfTime
        claims.renew(run.claim)
        around.pause(seconds)
        claims.renew(run.claim)
        runs.beat(run, around.now())

    org = connect(
        sync_user,
        around.open_session,
        Timing(
            timeout=(min(CONNECT_TIMEOUT, longest), longest),
            sleep=wait,
            random=around.random,
            now=around.now,
            monotonic=around.monotonic,
        ),
    )
    return Context(
        sync_user=sync_user,
        org=org,
        run=run,
        claim=run.claim,
        actor=run.trigger,
        store=Database(),
        now=around.now,
        believed=OrgDate(sync_user, around.database_now).believed,
        pause=wait,
        random=around.random or Random(),  # noqa: S311 - spreads tries, guards nothing
        progress=around.progress,
        deadline=deadline,
        share=sync_user.action_share,
        save_duplicates=sync_user.save_warned_duplicates or options.save_duplicate,
        **runs.so_far(run),
    )


def _work_off(context: Context, options: SyncOptions) -> None:
    """Everybody who waits, and a few times again whoever was busy: nothing of it is kept but in the rows."""
    busy = _go_through(context, options)
    for seconds in COME_BACK:
        if not busy:
            return
        context.pause(seconds)
        busy = _go_through(context, options)
    run_persons.settle(context.run, busy)


def _go_through(context: Context, options: SyncOptions) -> list[PersonOutcome]:
    """Batch by batch. Who is busy goes on waiting: what is to be told of them is returned. Raises Stopped when the run
    is not this worker's any more."""
    run, title = context.run, SPECS[options.action].title
    done, position = run_persons.done_count(run), -1
    busy: list[PersonOutcome] = []
    while True:
        if not runs.is_held(run):
            raise Stopped
        runs.report(context, title, done, run.person_count)
        if not (waiting := run_persons.waiting_behind(run, position, batch.BATCH)):
            return busy
        check_reserve(context.sync_user, context.org)
        outcomes = batch.act_on(context, waiting, options)
        told = [outcomes.get(pk) or _not_here(pk) for pk in waiting]
        settled = [one for one in told if one.result is not Result.BUSY]
        run_persons.settle(run, settled)
        busy += [one for one in told if one.result is Result.BUSY]
        done, position = done + len(settled), max(waiting.values())


def _not_here(person_id: int) -> PersonOutcome:
    message = "There is no such person here any more. Nothing was done."
    return PersonOutcome(person_id, f"Person {person_id}", Result.REFUSED, message, Code.PERSON_DELETED)
