"""One batch of an action: its persons are claimed, each is refused or acted on, and let go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from syncer.sync.actions import checks, lead_for_queue
from syncer.sync.actions.registry import SPECS
from syncer.sync.connection import runs
from syncer.sync.context import Context
from syncer.sync.errors import DESCRIBE_TRIES, FieldsChanged, TooMuchAsked, fields_keep_changing
from syncer.sync.options import SYNC, SyncOptions
from syncer.sync.outcomes import Outcomes, PersonOutcome, busy, contact_and_queue
from syncer.sync.persons import person_state
from syncer.sync.pull import describes
from syncer.sync.pull.ask_less import ask_less
from syncer.sync.store import claims

#: Persons handled together: one read, one update and one create for all of them.
BATCH = 200


def act_on(context: Context, ids: Iterable[int], options: SyncOptions = SYNC) -> dict[int, PersonOutcome]:
    """Carry an action out for persons. A field that was lost meanwhile leads to one fresh describe, a query that asked
    for too much to smaller ones, and those who were at it when they were interrupted go on; whoever was refused because
    of the field has been let go of."""
    persons = person_state.by_ids(ids)
    claimed = claims.take(persons, context.claim)
    outcomes = {pk: busy(person) for pk, person in persons.items() if pk not in claimed}
    try:
        tries = DESCRIBE_TRIES
        while tries:
            done, obstacle = _try(context, claimed, options)
            outcomes |= {pk: told.after(outcomes.get(pk)) for pk, told in done.items()}
            if obstacle is None:
                return outcomes
            going_on = [pk for pk in claimed if pk not in done or done[pk].ok]
            if isinstance(obstacle, TooMuchAsked):
                ask_less(context, obstacle.refusal)
            elif tries := tries - 1:
                describes.refresh(context)
            claimed = claims.take(person_state.by_ids(going_on), context.claim)
        raise fields_keep_changing()
    finally:
        runs.discard_interrupted_connection()
        claims.let_go(context.claim)


def _try(context: Context, ids: Iterable[int], options: SyncOptions) -> tuple[Outcomes, FieldsChanged | None]:
    """What was done, and why that is not all: Salesforce may have taken a field away meanwhile."""
    done: dict[int, PersonOutcome] = {}
    try:
        for told in _carry_out(context, ids, options):
            done |= told
    except FieldsChanged as obstacle:
        return done, obstacle
    return done, None


def _carry_out(context: Context, ids: Iterable[int], options: SyncOptions) -> Iterator[Outcomes]:
    """What can't be done, then the action with the others."""
    spec = SPECS[options.action]
    persons = list(person_state.by_ids(ids).values())
    asked = {p.id: SyncOptions.from_dict(p.asked) if options == SYNC and not p.linked else options for p in persons}
    refused = checks.refused(spec.refusals, context, persons, asked)
    yield refused
    able = [p for p in persons if p.id not in refused]
    contacts = {p.id: p for p in able if lead_for_queue.is_contact_for_queue(p, asked[p.id])}
    yield {pk: contact_and_queue(p, f"Contact {p.sfdc_id}") for pk, p in contacts.items()}
    if options.lead_for_contact:
        yield lead_for_queue.leads_beside(context, list(contacts.values()), options, act_on)
    yield from spec.carry_out(context, [p for p in able if p.id not in contacts], asked)
