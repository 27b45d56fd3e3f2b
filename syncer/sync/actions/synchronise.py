"""The sync of a batch of persons, both ways: receive, link, send, create. And what other actions take as their first
step: whoever is not in Salesforce is made there before anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from syncer.salesforce.ids import to_18
from syncer.sync.actions import checks
from syncer.sync.actions.receive import receive
from syncer.sync.actions.spec import Asked
from syncer.sync.context import Context
from syncer.sync.create import link, refusals
from syncer.sync.create.at_most_once import create_leads
from syncer.sync.create.lookup import find
from syncer.sync.identity.candidates import Found
from syncer.sync.outcomes import Outcomes, PersonOutcome, Result, same_for
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.push.updates import send

#: A further step with persons who have a record now: how each was asked for, and what came of the steps before.
Step = Callable[[Context, Sequence[PersonState], Asked, Outcomes], Outcomes]
#: After these what is new here is sent, too.
SENT_AFTER = (Result.UPDATED, Result.LINKED)


@dataclass(frozen=True, slots=True)
class Matched:
    """What came of persons who were looked up, and who of them gets a lead."""

    outcomes: dict[int, PersonOutcome] = field(default_factory=dict)
    to_create: Sequence[PersonState] = ()


def sync_then(
    context: Context, persons: Sequence[PersonState], asked: Asked, steps: Iterable[Step], *, only_new: bool
) -> Iterator[Outcomes]:
    """Sync persons (``only_new``: those without a record), then take the steps with those who have one then."""
    done: dict[int, PersonOutcome] = {}
    for told in synchronise(context, [p for p in persons if not (only_new and p.linked)], asked):
        done |= told
        yield told
    there = [p for p in person_state.by_ids(p.id for p in persons).values() if p.linked]
    context.give_up_in_time()
    for step in steps:
        going_on = [p for p in there if p.id not in done or done[p.id].ok]
        taken = step(context, going_on, asked, done)
        told = {pk: one.after(done.get(pk)) for pk, one in taken.items()}
        done |= told
        yield told


def synchronise(context: Context, persons: Sequence[PersonState], asked: Asked) -> Iterator[Outcomes]:
    """Sync persons with Salesforce, both ways. Each of them gets an outcome."""
    if not persons:
        return
    found = find(context, persons, [to_18(asked[p.id].link_to) for p in persons if asked[p.id].link_to])
    context.keep_reserve()
    received = receive(context, [p for p in persons if p.linked], found)
    chosen, again = _reopened(context, [p for p in persons if p.id in received.deleted], asked)
    matched = _match(context, [*(p for p in persons if not p.linked), *chosen], found, asked)
    done = received.without([*chosen, *again]) | matched.outcomes
    yield done
    anew = _make_anew(context, again, asked)
    done = done | anew.outcomes
    yield done

    context.give_up_in_time()
    to_create = [*matched.to_create, *anew.to_create]
    for told in _write(context, persons, to_create, asked, done):
        yield told
        done = {**done, **told}
    yield same_for((p for p in persons if p.id not in done), Result.UNCHANGED, "Both sides are equal.")


def _write(
    context: Context, persons: Sequence[PersonState], to_create: Sequence[PersonState], asked: Asked, done: Outcomes
) -> Iterator[Outcomes]:
    """Send what is new here, and create leads."""
    if (no := checks.no_writing(context)) is not None:
        yield same_for(to_create, Result.REFUSED, *no)
        return
    creating = {p.id for p in to_create}
    to_send = [p.id for p in persons if p.id not in creating and (p.id not in done or done[p.id].result in SENT_AFTER)]
    for told in send(context, to_send):
        yield {pk: _both(done.get(pk), sent) for pk, sent in told.items()}
    context.give_up_in_time()
    yield from create_leads(context, to_create, asked)


def _both(received: PersonOutcome | None, sent: PersonOutcome) -> PersonOutcome:
    """One outcome from what was received (or linked) and what was sent."""
    if not sent.ok:
        return sent
    if received is None:
        return replace(sent, message="Both sides are equal.") if sent.result is Result.UNCHANGED else sent
    message = received.message if sent.result is Result.UNCHANGED else f"{received.message} {sent.message}"
    return replace(received, message=message, sent=sent.sent)


def _match(context: Context, persons: Sequence[PersonState], found: Found, asked: Asked) -> Matched:
    """Link persons with the records that are theirs; refusals and open questions are kept with the person."""
    matched = link.match(context, persons, found, asked)
    refusals.keep(context, list(matched.refused.values()), persons, matched.choices, asked)
    linked = link.link(context, matched.links, found) | link.merge_same(context, matched.merges, found)
    return Matched({**matched.unchanged, **matched.refused, **linked}, matched.to_create)


def _reopened(
    context: Context, deleted: Sequence[PersonState], asked: Asked
) -> tuple[list[PersonState], list[PersonState]]:
    """Of persons whose record was deleted there, those for whom another record was chosen, and those who are to have a
    new lead."""
    chosen = [p for p in deleted if asked[p.id].link_to]
    if checks.no_writing(context) is not None:
        return chosen, []
    return chosen, [p for p in deleted if asked[p.id].recreate_deleted and not asked[p.id].link_to]


def _make_anew(context: Context, persons: Sequence[PersonState], asked: Asked) -> Matched:
    """Persons whose record was deleted are looked up like everybody who has never been there. Their link gives way to
    the one with what is found or made."""
    if not persons:
        return Matched()
    new = [person_state.without_record(p) for p in persons]
    return _match(context, new, find(context, new), asked)
