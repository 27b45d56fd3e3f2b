"""Links persons with the records that are theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from syncer.salesforce.codes import EdgeCode
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.identity.candidates import Found
from syncer.sync.identity.decide import Decided, Linking, records_of
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import Code, PersonOutcome, Result, being_edited, deleted, outcome, unknown
from syncer.sync.persons import person_state
from syncer.sync.persons.merged import Applied, Merged
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import RemoteRecord
from syncer.sync.pull.merge_people import merge_people
from syncer.sync.pull.records import merge_with, what_is_wrong
from syncer.sync.store.former_ids import FormerRow
from syncer.sync.store.intents import may_still_come_through
from syncer.sync.store.value_errors import in_halves


def match(
    context: Context, persons: Sequence[PersonState], found: Found, options: Mapping[int, SyncOptions]
) -> Decided:
    """Decide which records are whose (``identity.decide``). Whose create may still come through is marked so; whose
    UUID is the external id of a lead that was converted, or of a record that nobody sees, gets another one: Salesforce
    would refuse the create for ever."""
    unreadable = {p.id: _unreadable(p, found) for p in persons if p.id in found.unreadable}
    persons = [person for person in persons if person.id not in unreadable]
    still_open = [pk for pk, intent in found.intents.items() if may_still_come_through(context, intent)]
    decided = records_of(persons, found, options, actor=context.actor, still_open=still_open)
    context.store.mark_unknown(person.id for person in decided.unknown)
    decided.unchanged |= unreadable | {person.id: unknown(person) for person in decided.unknown}
    spent = [p for p in decided.to_create if str(p.uuid) in found.spent or _is_held(p, options[p.id])]
    if spent:
        anew = {person.id: person for person in context.store.give_new_uuids(context, spent)}
        busy = {person.id: being_edited(person) for person in spent if person.id not in anew}
        decided.unchanged |= busy
        decided.to_create = [anew.get(p.id, p) for p in decided.to_create if p.id not in busy]
    return decided


def _is_held(person: PersonState, asked: SyncOptions) -> bool:
    """Somebody has decided to leave a hidden record with the person's UUID alone."""
    return asked.create_anyway and person.error_code == Code.HELD_UNSEEN


def _unreadable(person: PersonState, found: Found) -> PersonOutcome:
    """To make a lead could be to make a second one."""
    message = f"{found.unreadable[person.id]} It may be this person's, so nothing was made."
    return outcome(person, Result.FAILED, message, EdgeCode.BAD_ANSWER)


def link(context: Context, links: Mapping[str, Sequence[Linking]], found: Found) -> dict[int, PersonOutcome]:
    """Link persons with the records that are theirs (by object), merged. Return the outcome of each."""
    outcomes: dict[int, PersonOutcome] = {}
    for sobject, group in links.items():
        fields = context.maps[sobject]
        applied: list[Applied] = []

        def write(some: Sequence[Merged], fields: ObjectMap = fields, applied: list[Applied] = applied) -> list[Merged]:
            applied.append(context.store.apply(context, fields, found.reading, some))
            return [*applied[-1].again, *applied[-1].stale]

        def not_linked(m: Merged, error: Exception) -> None:
            outcomes[m.person.id] = not_taken_in(context, m.person, m.record, "It was not linked.", error)

        merged = [merge_with(context, fields, one.person, one.record, link_reason=one.reason) for one in group]
        busy = in_halves(merged, write, not_linked)
        written = [m for part in applied for m in part.written]
        for m in written:
            told = outcome(m.person, Result.LINKED, f"Linked to {sobject} {m.record.id}: {m.link_reason}")
            received = tuple(m.merge.received)
            outcomes[m.person.id] = replace(told, sfdc_type=sobject, sfdc_id=m.record.id, received=received)
        for person in _follow(context, [m for m in written if m.record.gone], found):
            became = replace(outcomes[person.id], sfdc_type=person.sfdc_type, sfdc_id=person.sfdc_id)
            outcomes[person.id] = deleted(person) if person.sfdc_is_deleted else became
        for m in busy:
            outcomes[m.person.id] = being_edited(m.person)
    return outcomes


def not_taken_in(
    context: Context, person: PersonState, record: RemoteRecord, message: str, error: Exception
) -> PersonOutcome:
    """The record that is this person's holds something that can't be stored here: it is looked at again by its id."""
    reason = what_is_wrong(error)
    context.store.set_aside(context, record.object, {record.id: reason})
    return outcome(person, Result.FAILED, f"{message} {reason}", Code.RECORD_AT_FAULT)


def merge_same(
    context: Context, same: Sequence[tuple[PersonState, RemoteRecord]], found: Found
) -> dict[int, PersonOutcome]:
    """Merge persons with those whom a record belongs to, because somebody says that they are one. Return the outcome of
    each."""
    outcomes: dict[int, PersonOutcome] = {}
    for person, record in same:
        other_id, name = found.owners[record.id]
        both = person_state.by_ids([person.id, other_id])
        winner, loser = both.get(other_id), both.get(person.id)
        if winner is None or loser is None or not winner.linked:
            outcomes[person.id] = being_edited(person)
            continue
        former = None
        if (lost := loser.link or loser.left) is not None:
            former = FormerRow(winner.id, lost.object, lost.record_id, "merged", lost.organisation)
        reason = f"{context.actor} says that they are the same person"
        if merge_people(context, winner, loser, reason, former=former, actor=context.actor):
            told = outcome(person, Result.LINKED, f"Merged with person {other_id} ({name}).")
            outcomes[person.id] = replace(told, sfdc_type=record.object, sfdc_id=record.id)
        else:
            outcomes[person.id] = being_edited(person)
    return outcomes


def _follow(context: Context, linked: Sequence[Merged], found: Found) -> list[PersonState]:
    """Leads that were converted or deleted before anybody here knew that they had been made: their persons go on as
    the contact, or as deleted. Return the persons as they are then."""
    if not linked:
        return []
    persons = person_state.by_ids(m.person.id for m in linked)
    busy = context.store.follow(context, found.reading, [(persons[m.person.id], m.record) for m in linked])
    if busy:  # the next cycle reads them again, and follows them
        context.store.postpone(context, busy[0].object, [record.id for record in busy], found.reading)
    return list(person_state.by_ids(persons).values())
