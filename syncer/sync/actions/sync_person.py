"""*Sync Person to SFDC* and its sister actions, in real time. They take no lease and do not wait for the cycle."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from django.db import transaction
from django.utils import timezone

from syncer.models import RunKind, SyncRun, SyncUser
from syncer.salesforce.caller import Timing
from syncer.salesforce.ids import to_18
from syncer.salesforce.transport import CONNECT_TIMEOUT, READ_TIMEOUT
from syncer.sync.actions import add_to_campaign, change_owner, checks, delete_record, lead_for_queue
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
from syncer.sync.context import REAL_WORLD, Context, Surroundings
from syncer.sync.create import link, refusals
from syncer.sync.create.after_create import Creation
from syncer.sync.create.at_most_once import create_leads, prepare
from syncer.sync.create.lookup import find
from syncer.sync.errors import DESCRIBE_TRIES, CannotSync, FieldsChanged, OutOfTime, Stopped, fields_keep_changing
from syncer.sync.identity.candidates import Found
from syncer.sync.options import SYNC, TITLES, Action, SyncOptions
from syncer.sync.outcomes import Code, PersonOutcome, Result, busy, deleted, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.plan import Plan, Planned, sent_fields
from syncer.sync.pull import describes, visibility
from syncer.sync.pull.database import Database
from syncer.sync.pull.records import receive_records
from syncer.sync.push.updates import send
from syncer.sync.store import outbox, run_persons

#: Persons handled together: one read, one update and one create for all of them.
BATCH = 200


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
    owner, the campaign, and what somebody has decided by hand.

    Gives the outcome of each person, in the order of ``person_ids``; with a ``budget`` of those whose turn came in
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

    Gives whether it has to be carried on, because the ``budget`` is used up. Does nothing when the run has ended or
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
    if action is not Action.REFRESH:
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
        outbox.renew_all(run.claim)
        around.pause(seconds)
        outbox.renew_all(run.claim)
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
        pause=wait,
        random=around.random or Random(),  # noqa: S311 - spreads tries, guards nothing
        progress=around.progress,
        deadline=deadline,
        share=sync_user.action_share,
        save_duplicates=sync_user.save_warned_duplicates or options.save_duplicate,
        **runs.so_far(run),
    )


def _work_off(context: Context, options: SyncOptions) -> None:
    """Batch by batch: nothing of it is kept but in the rows. Raises Stopped when the run is not this worker's any
    more."""
    run, title = context.run, TITLES[options.action]
    done = run_persons.done_count(run)
    while True:
        if not runs.is_held(run):
            raise Stopped
        runs.report(context, title, done, run.person_count)
        if not (ids := run_persons.waiting(run, BATCH)):
            return
        check_reserve(context.sync_user, context.org)
        outcomes = sync_batch(context, ids, options)
        run_persons.settle(run, [outcomes.get(pk) or _not_here(pk) for pk in ids])
        done += len(ids)


def _not_here(person_id: int) -> PersonOutcome:
    message = "There is no such person here any more. Nothing was done."
    return PersonOutcome(person_id, f"Person {person_id}", Result.REFUSED, message, Code.PERSON_DELETED)


def sync_batch(context: Context, ids: Iterable[int], options: SyncOptions = SYNC) -> dict[int, PersonOutcome]:
    """Claim persons, act, let go of them. A field that was lost meanwhile leads to one fresh describe."""
    persons = person_state.by_ids(ids)
    claimed = outbox.claim(persons, context.claim)
    outcomes = {pk: busy(person) for pk, person in persons.items() if pk not in claimed}
    earlier: dict[int, PersonOutcome] = {}
    try:
        for attempt in range(DESCRIBE_TRIES):
            left = [pk for pk in claimed if pk not in outcomes]
            try:
                _act(context, left, outcomes, options)
                break
            except FieldsChanged:
                if attempt == DESCRIBE_TRIES - 1:
                    raise fields_keep_changing() from None
                describes.refresh(context)
                # Who was at it when the others were stopped goes on, too. Whoever was refused because of the field has
                # been let go of.
                for pk in [pk for pk in claimed if pk in outcomes and outcomes[pk].ok]:
                    earlier[pk] = _then(earlier.get(pk), outcomes.pop(pk))
                claimed = outbox.claim(person_state.by_ids(pk for pk in claimed if pk not in outcomes), context.claim)
    finally:
        runs.discard_interrupted_connection()
        outbox.let_go(context.claim)
    return outcomes | {pk: _then(first, outcomes[pk]) if pk in outcomes else first for pk, first in earlier.items()}


def plan_batch(context: Context, plan: Plan, ids: Sequence[int]) -> None:
    """What a dry run tells of creates that would be tried again."""
    persons = [p for p in person_state.by_ids(ids).values() if not p.linked]
    asked = {p.id: SyncOptions.from_dict(p.asked) for p in persons}
    found = find(context, persons)
    matched = link.match(context, persons, found, asked)
    told = {**matched.unchanged, **matched.refused, **link.link(context, matched.links, found)}
    refused = [(one.person_id, one.name, one.message) for one in told.values() if not one.ok]
    for person in matched.to_create:
        prepared = prepare(context, context.maps["Lead"], person, asked[person.id])
        if isinstance(prepared, Creation):
            fields = sent_fields(prepared.values)
            plan.add(Planned("create lead", person.id, person.name, "Lead", "", fields=fields))
        else:
            refused.append((person.id, person.name, prepared.errors[0].message))
    for person_id, name, why in refused:
        plan.add(Planned("refuse", person_id, name, "", "", why))


def _act(context: Context, ids: Sequence[int], outcomes: dict[int, PersonOutcome], options: SyncOptions) -> None:
    """One action for one batch: what can't be done, then the sync, then owner and campaign, or the deletion."""
    persons = list(person_state.by_ids(ids).values())
    asked = {p.id: SyncOptions.from_dict(p.asked) if options == SYNC and not p.linked else options for p in persons}
    for person in persons:
        if (refused := checks.before_asking(context, person, asked[person.id])) is not None:
            outcomes[person.id] = refused
    if options.lead_for_contact and options.to_queue:
        to_queue = [p for p in persons if p.id in outcomes and outcomes[p.id].code == Code.CONTACT_AND_QUEUE]
        outcomes |= lead_for_queue.leads_beside(context, to_queue, options, sync_batch)
    persons = [p for p in persons if p.id not in outcomes]

    if options.action is Action.DELETE:
        _delete(context, persons, outcomes)
        return
    stays_as_it_is = options.action in (Action.OWNER, Action.CAMPAIGN)
    _sync(context, [p for p in persons if not (stays_as_it_is and p.linked)], outcomes, asked)

    now = person_state.by_ids(p.id for p in persons)
    there = [p for p in now.values() if p.linked and (p.id not in outcomes or outcomes[p.id].ok)]
    context.give_up_in_time()
    made = {pk for pk, told in outcomes.items() if told.result is Result.CREATED}  # with the owner
    for pk, told in change_owner.give(context, [p for p in there if p.id not in made], asked).items():
        outcomes[pk] = _then(outcomes.get(pk), told)
    there = [p for p in there if p.id not in outcomes or outcomes[p.id].ok]
    for pk, told in add_to_campaign.add(context, there, asked).items():
        outcomes[pk] = _then(outcomes.get(pk), told)


def _then(first: PersonOutcome | None, told: PersonOutcome) -> PersonOutcome:
    """The outcome of two steps that follow each other: what the second refuses counts, with what the first did."""
    if first is None or (first.result is Result.UNCHANGED and told.ok):
        return told
    both = f"{first.message} {told.message}"
    if not told.ok:
        return replace(told, message=both, sent=first.sent, received=first.received)
    return replace(first, message=both)


def _delete(context: Context, persons: Sequence[PersonState], outcomes: dict[int, PersonOutcome]) -> None:
    """Delete the records that somebody has seen on the page: a lead that was converted since is another one now, and
    deleting it would part the person from its contact."""
    if not persons:
        return
    told: dict[int, PersonOutcome] = {}
    _receive(context, persons, find(context, persons), told)
    now = person_state.by_ids(p.id for p in persons)
    there = []
    for person in persons:
        found, seen = now.get(person.id), f"{person.sfdc_type} {person.sfdc_id}"
        if found is None or found.sfdc_id != person.sfdc_id:
            became = f" It is {found.sfdc_type} {found.sfdc_id} now." if found is not None else ""
            message = f"{seen} was converted or merged in Salesforce meanwhile.{became} Nothing was deleted."
            outcomes[person.id] = outcome(person, Result.REFUSED, message, Code.RECORD_CHANGED)
        elif _is_deleted(told.get(person.id)):
            outcomes[person.id] = outcome(person, Result.UNCHANGED, f"{seen} is deleted already.")
        elif person.id in told and not told[person.id].ok:
            outcomes[person.id] = told[person.id]
        else:
            there.append(found)
    outcomes |= delete_record.delete(context, there)


# -- the sync itself --------------------------------------------------------------------------------------------------


def _sync(
    context: Context,
    persons: Sequence[PersonState],
    outcomes: dict[int, PersonOutcome],
    asked: Mapping[int, SyncOptions],
) -> None:
    """Receive, link, send and create; gives each person its outcome."""
    if not persons:
        return
    found = find(context, persons, [to_18(asked[p.id].link_to) for p in persons if asked[p.id].link_to])
    context.keep_reserve()
    _receive(context, [p for p in persons if p.linked], found, outcomes)
    receiving = {p.id for p in persons if asked[p.id].action is Action.REFRESH}
    sending = [p for p in persons if p.id not in receiving]

    strangers = [p for p in sending if not p.linked]
    chosen = [p for p in sending if p.linked and asked[p.id].link_to and _is_deleted(outcomes.get(p.id))]
    matched = link.match(context, [*strangers, *chosen], found, asked)
    for person in chosen:
        outcomes.pop(person.id, None)
    outcomes |= matched.unchanged | matched.refused
    refusals.keep(context, list(matched.refused.values()), strangers, matched.choices, asked)
    outcomes |= link.link(context, matched.links, found)
    again = [p for p in sending if p.linked and asked[p.id].recreate_deleted and _is_deleted(outcomes.get(p.id))]
    to_create = [*matched.to_create, *_made_anew(context, again, outcomes, asked)]

    context.give_up_in_time()
    creating = {p.id for p in to_create}
    to_send = [
        p.id
        for p in sending
        if p.id not in creating and (p.id not in outcomes or outcomes[p.id].result in (Result.UPDATED, Result.LINKED))
    ]
    if (no := checks.no_writing(context)) is None:
        for pk, sent in send(context, to_send).items():
            outcomes[pk] = _both(outcomes.get(pk), sent)
        context.give_up_in_time()
        outcomes |= create_leads(context, to_create, asked)
    else:
        outcomes |= {p.id: outcome(p, Result.REFUSED, *no) for p in to_create}
    for person in persons:
        equal = "Nothing new in Salesforce." if person.id in receiving else "Both sides are equal."
        outcomes.setdefault(person.id, outcome(person, Result.UNCHANGED, equal))


def _receive(context: Context, linked: Sequence[PersonState], found: Found, outcomes: dict[int, PersonOutcome]) -> None:
    """Merge what changed there into the persons; says what was received."""
    by_record = {person.link.record_id: person for person in linked if person.link}
    postponed: list[str] = []
    seen: set[str] = set()
    for sobject, rows in found.rows.items():
        seen |= {row["Id"] for row in rows}
        postponed += receive_records(context, sobject, rows, found.reading, by_value=True)
    unseen = [p.id for record_id, p in by_record.items() if record_id not in seen and not p.sfdc_is_deleted]
    visibility.hide(context, found.reading, unseen)
    after = person_state.by_ids([person.id for person in linked])
    for record_id, person in by_record.items():
        now = after.get(person.id)
        if record_id not in seen and not person.sfdc_is_deleted:
            outcomes[person.id] = outcome(
                person,
                Result.REFUSED,
                f"{person.sfdc_type} {record_id} is no longer visible to the sync user. Nothing was changed.",
                Code.NOT_VISIBLE,
            )
        elif record_id in postponed or now is None:
            outcomes[person.id] = outcome(person, Result.BUSY, "The person is being edited right now.", Code.BUSY)
        elif now.sfdc_is_deleted:
            outcomes[person.id] = deleted(now)
        else:
            changed = sorted(_changed(person, now))
            if changed:
                told = outcome(now, Result.UPDATED, f"Received: {', '.join(changed)}.")
                outcomes[person.id] = replace(told, received=tuple(changed))


def _changed(before: PersonState, after: PersonState) -> set[str]:
    names = {name for name in before.values if name != "custom" and before.values[name] != after.values[name]}
    old, new = before.values["custom"], after.values["custom"]
    return names | {key for key in {*old, *new} if old.get(key) != new.get(key)}


def _both(received: PersonOutcome | None, sent: PersonOutcome) -> PersonOutcome:
    """One outcome from what was received (or linked) and what was sent."""
    if not sent.ok:
        return sent
    if received is None:
        return replace(sent, message="Both sides are equal.") if sent.result is Result.UNCHANGED else sent
    message = received.message if sent.result is Result.UNCHANGED else f"{received.message} {sent.message}"
    return replace(received, message=message, sent=sent.sent)


def _is_deleted(told: PersonOutcome | None) -> bool:
    return told is not None and told.code == Code.DELETED_IN_SFDC


def _made_anew(
    context: Context,
    persons: Sequence[PersonState],
    outcomes: dict[int, PersonOutcome],
    asked: Mapping[int, SyncOptions],
) -> list[PersonState]:
    """Persons whose record was deleted there and who are to have a new lead, as if they had never been there: they
    are looked up like everybody else. Linked ones get their outcome; gives those to create."""
    if not persons or checks.no_writing(context) is not None:
        return []
    freed = list(delete_record.forget_record(context, persons).values())
    for person in persons:
        outcomes[person.id] = outcome(person, Result.BUSY, "The person is being edited right now.", Code.BUSY)
    for person in freed:
        outcomes.pop(person.id)
    found = find(context, freed)
    matched = link.match(context, freed, found, asked)
    outcomes |= matched.unchanged | matched.refused | link.link(context, matched.links, found)
    refusals.keep(context, list(matched.refused.values()), freed, matched.choices, asked)
    return matched.to_create
