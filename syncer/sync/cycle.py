"""One cycle: sign in, refresh the fields, receive what changed there, send what changed here.

A quiet cycle is one API call: a Composite request with the conditional describes and the queries for changes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from syncer.models import PostponedRecord, RunKind, SyncRun, SyncUser
from syncer.salesforce import soql
from syncer.salesforce.caller import Timing
from syncer.salesforce.client import Answer, Page, Subrequest
from syncer.sync.actions import auto_create
from syncer.sync.actions.batch import BATCH, act_on
from syncer.sync.connection import runs
from syncer.sync.connection.connect import (
    active_sync_user,
    check_ready,
    connect,
    learn_organisation,
    one_line_errors,
)
from syncer.sync.connection.lease import Lease, acquire
from syncer.sync.connection.org_date import OrgDate
from syncer.sync.connection.pages import first_page
from syncer.sync.context import REAL_WORLD, Context, Surroundings
from syncer.sync.create.planned import plan_creates
from syncer.sync.errors import OutOfTime, WritesStopped
from syncer.sync.fields.synced_objects import OBJECTS
from syncer.sync.persons.record import Reading
from syncer.sync.plan import Plan
from syncer.sync.pull import ask_former, backfill, questions, related_names
from syncer.sync.pull.changes import change_query, receive
from syncer.sync.pull.database import Database
from syncer.sync.pull.describes import describe_requests, take_describes, with_fresh_describes
from syncer.sync.pull.turns import take_turns
from syncer.sync.push import updates
from syncer.sync.store import claims, intents, outbox, restored
from syncer.sync.store.cursors import cursor_for
from syncer.sync.store.transactions import repeated

#: A describe is read in full at least this often: whether If-Modified-Since notices a change of permissions is not
#: documented.
FULL_DESCRIBE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CycleOptions:
    """``objects``: only these. ``full``: everything is read again and compared by value. ``give_up_after``: a cycle in
    the background stops at the end of a batch after this time, and its run says ``unfinished``."""

    objects: tuple[str, ...] = OBJECTS
    full: bool = False
    give_up_after: timedelta | None = None
    plan: Plan | None = None


def run_cycle(*, trigger: str, options: CycleOptions = CycleOptions(), around: Surroundings = REAL_WORLD) -> SyncRun:
    """Run one cycle for the active sync user. Return its stored run.

    Raises CannotSync (LeaseHeld when another cycle runs): nothing was done, or what was done is committed and the next
    cycle goes on from there.
    """
    sync_user = active_sync_user()
    check_ready(sync_user, around.now())
    lease = acquire(sync_user)
    try:
        restored.check(sync_user, tell_only=options.plan is not None)
        org_date = OrgDate(sync_user, around.database_now)
        context = _context(sync_user, lease, trigger, options, around)
        context.believed = org_date.believed
        with runs.recorded(context), one_line_errors(sync_user, context.org):
            try:
                _phases(context, options)
            except OutOfTime:
                context.run.unfinished = True
            finally:
                _tell_reserve(context)
            _keep_date(context, org_date)
        return context.run
    finally:
        runs.discard_interrupted_connection()
        lease.release()


def _context(sync_user: SyncUser, lease: Lease, trigger: str, options: CycleOptions, around: Surroundings) -> Context:
    """The connection, and the run that tells of the cycle."""
    claim = f"{claims.CYCLE}{secrets.token_hex(8)}"

    def wait(seconds: float) -> None:
        """Between two tries of a call lease and claims are renewed: five tries of a minute each outlast them."""
        lease.renew()
        claims.renew(claim)
        around.progress(f"Salesforce did not answer, trying again in {seconds:.0f} s", 0, None)
        around.pause(seconds)
        lease.renew()
        claims.renew(claim)

    org = connect(
        sync_user,
        around.open_session,
        Timing(sleep=wait, random=around.random, now=around.now, monotonic=around.monotonic),
    )
    # Both hold the lease while they run.
    runs.mark_dead(SyncRun.objects.filter(sync_user=sync_user, kind__in=[RunKind.CYCLE, RunKind.PREVIEW]))
    run = runs.create(
        sync_user,
        RunKind.PREVIEW if options.plan else RunKind.CYCLE,
        trigger,
        sobjects=list(options.objects),
        full=options.full,
    )
    return Context(
        sync_user=sync_user,
        org=org,
        run=run,
        claim=claim,
        actor=trigger,
        now=around.now,
        pause=around.pause,
        random=around.random or Random(),  # noqa: S311 - spreads tries, guards nothing
        fence=lease.renew,
        checkpoint=lease.renew,
        progress=around.progress,
        full=options.full,
        save_duplicates=sync_user.save_warned_duplicates,
        share=sync_user.cycle_share,
        store=options.plan or Database(),
        deadline=around.now() + options.give_up_after if options.give_up_after else None,
    )


def _phases(context: Context, options: CycleOptions) -> None:
    runs.report(context, "Signing in", 0, None)
    context.store.begin(context)
    context.org.sign_in()
    learn_organisation(context.sync_user, context.org)
    runs.report(context, "Reading changes", 0, None)
    with_fresh_describes(context, lambda: _receive(context, options))
    restored.finish(context)
    if context.may_send:
        _unless_stopped(context, lambda: _send(context, options.plan))
    runs.report(context, "Finishing", 1, 1)


def _tell_reserve(context: Context) -> None:
    usage, share = context.org.api_usage, context.sync_user.cycle_share
    if usage is not None and usage.reaches(share):
        context.note(
            f"All apps together have used {usage.used:,} of {usage.limit:,} API calls of 24 hours; from {share} % on, "
            "a cycle only takes what one call brings."
        )


def _keep_date(context: Context, org_date: OrgDate) -> None:
    if org_date.doubt:
        context.note(org_date.doubt)
    if not context.store.dry_run:
        org_date.store()


# -- receiving --------------------------------------------------------------------------------------------------------


def _receive(context: Context, options: CycleOptions) -> None:
    """Describes and changes of all objects in one request; further pages follow by themselves."""
    conditional = not _full_describe_is_due(context)
    if context.sync_user.described.filter(name__in=OBJECTS).count() < len(OBJECTS):
        # Nothing was described before: without it there is nothing to ask for.
        _take_describes(context, context.ask(describe_requests(context, conditional=False))[0])
    else:
        context.load_maps()
    answer, reading, related = _ask(context, options, describe_requests(context, conditional=conditional))
    if _take_describes(context, answer, related):
        # Fields came or went: what was just read was asked for with the old list.
        answer, reading, related = _ask(context, options)
    context.unread = frozenset(OBJECTS)
    context.never_read = frozenset(name for name in OBJECTS if cursor_for(context, name).read_to is None)
    followed = related_names.begin(context, answer, reading, related)
    records = [_read(context, name, first_page(answer, f"changes{name}"), reading) for name in options.objects]
    names = [related_names.receive(context, name, page, reading) for name, page in followed.items()]
    take_turns(context, [*records, *names], lambda: _send_meanwhile(context))
    ask_former.learn(context)
    _close_questions(context, options)
    _tell_postponed(context)
    for name in options.objects:
        backfill.fill(context, name)


def _read(context: Context, sobject: str, first: Page, reading: Reading) -> Iterator[None]:
    """One object's changes, to their end."""
    yield from receive(context, sobject, first, reading)
    context.unread -= {sobject}
    context.never_read -= {sobject}


def _ask(
    context: Context, options: CycleOptions, requests: Sequence[Subrequest] = ()
) -> tuple[Answer, Reading, Collection[str]]:
    """The changes of all objects, in one call behind ``requests``: the answer, its place in the sequence, and which
    related objects it tells of. At most four queries; Salesforce takes five."""
    changes = {
        name: change_query(context.maps[name], cursor_for(context, name), full=options.full) for name in options.objects
    }
    paths = {name: soql.query_path(query.soql, query.deleted) for name, query in changes.items()}
    related = related_names.queries(context, options.objects)
    paths |= {name: soql.query_path(text) for name, text in related.items()}
    queries = [Subrequest("GET", path, f"changes{name}") for name, path in paths.items()]
    answer, reading = context.ask([*requests, *queries])
    return answer, reading, related.keys()


@repeated
def _take_describes(context: Context, answer: Answer, related: Iterable[str] = ()) -> bool:
    """Whether fields came or went."""
    with context.store.mappings():
        changes = take_describes(context, answer)
        changes += related_names.take_access(context, answer, related)
        context.load_maps()
    return bool(changes)


def _full_describe_is_due(context: Context) -> bool:
    described = list(context.sync_user.described.filter(name__in=OBJECTS).values_list("described_at", flat=True))
    return len(described) < len(OBJECTS) or min(described) < context.now() - FULL_DESCRIBE


def _close_questions(context: Context, options: CycleOptions) -> None:
    """Only what was read as a whole tells that an address is nobody else's."""
    if not context.store.dry_run and set(options.objects) >= set(OBJECTS):
        questions.close_settled(context)


def _tell_postponed(context: Context) -> None:
    """Records whose persons were being edited all the time, or that a newer request had read."""
    for name in OBJECTS:
        if postponed := PostponedRecord.objects.filter(sync_user=context.sync_user, object=name).count():
            context.note(f"{postponed:,} {name} records could not be merged now; the next cycle reads them again.")


# -- sending ----------------------------------------------------------------------------------------------------------


def _send(context: Context, plan: Plan | None) -> None:
    """What waits is sent; then the creates that somebody asked for are tried again, and new ones are made."""
    with_fresh_describes(context, lambda: updates.send_waiting(context))

    def create(ids: Sequence[int]) -> None:
        """``Sync Person to SFDC`` for persons who are not there; a dry run tells what it would do."""
        if plan is None:
            act_on(context, ids)
        else:
            plan_creates(context, plan, ids)

    if context.never_read:
        return  # whom a lead would be made for may be in what was not read yet
    _create_again(context, create)
    auto_create.create_never_synced(context, create)


def _send_meanwhile(context: Context) -> None:
    """Between two turns of a long reading: what may go before all was read."""
    if context.may_send and not context.store.dry_run:
        _unless_stopped(context, lambda: with_fresh_describes(context, lambda: updates.send_meanwhile(context)))


def _unless_stopped(context: Context, send: Callable[[], None]) -> None:
    try:
        send()
    except WritesStopped as error:
        context.note(error.message)  # stopped while this cycle was at it: what was not sent waits


def _create_again(context: Context, create: Callable[[Sequence[int]], None]) -> None:
    """Creates that somebody asked for: refused ones that were corrected since, and those whose outcome is unknown."""
    ids = sorted(outbox.creates_to_repeat(context.now(), BATCH) | intents.of_unknown_outcome(BATCH))
    for start in range(0, len(ids), BATCH):
        context.next_batch()
        create(ids[start : start + BATCH])
