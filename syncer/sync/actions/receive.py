"""The first step of an action: what changed in Salesforce is merged into the persons who have a record there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from syncer.sync.context import Context
from syncer.sync.identity.candidates import Found
from syncer.sync.outcomes import Code, PersonOutcome, Result, being_edited, deleted, not_visible, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.pull import visibility
from syncer.sync.pull.records import Left, receive_records


@dataclass(frozen=True, slots=True)
class Received:
    """``deleted``: ids of persons whose record is deleted there. Who has nothing new has no outcome."""

    outcomes: dict[int, PersonOutcome]
    deleted: frozenset[int]

    def without(self, persons: Iterable[PersonState]) -> dict[int, PersonOutcome]:
        left_out = {person.id for person in persons}
        return {pk: told for pk, told in self.outcomes.items() if pk not in left_out}


def receive(context: Context, linked: Sequence[PersonState], found: Found) -> Received:
    """Merge what changed there into the persons; tell what was received."""
    seen, left = _merge(context, found)
    unseen = [p for p in linked if _record_id(p) not in seen and not p.sfdc_is_deleted]
    hidden = [] if found.incomplete else unseen
    if found.incomplete:
        left.at_fault |= {_record_id(p): "It came without a readable Id." for p in unseen}
    visibility.hide(context, found.reading, [person.id for person in hidden])
    after = person_state.by_ids(person.id for person in linked)
    outcomes = {person.id: not_visible(person) for person in hidden}
    gone: set[int] = set()
    for person in linked:
        now = after.get(person.id)
        if person.id in outcomes:
            continue
        if (reason := left.at_fault.get(_record_id(person))) is not None:
            message = f"{person.sfdc_type} {person.sfdc_id} could not be taken in. {reason}"
            outcomes[person.id] = outcome(person, Result.FAILED, message, Code.RECORD_AT_FAULT)
        elif now is None or _record_id(person) in left.later:
            outcomes[person.id] = being_edited(person)
        elif now.sfdc_is_deleted:
            outcomes[person.id] = deleted(now)
            gone.add(person.id)
        elif changed := tuple(sorted(_changed(person, now))):
            told = outcome(now, Result.UPDATED, f"Received: {', '.join(changed)}.")
            outcomes[person.id] = replace(told, received=changed)
    return Received(outcomes, frozenset(gone))


def _merge(context: Context, found: Found) -> tuple[set[str], Left]:
    """The ids of the records that were shown, and what was left of them: whose persons were being edited, or what could
    not be taken in."""
    seen: set[str] = set()
    all_left = Left()
    for sobject, rows in found.rows.items():
        seen |= {row["Id"] for row in rows}
        left = receive_records(context, sobject, rows, found.reading, by_value=True)
        all_left.later += left.later
        all_left.at_fault |= left.at_fault
    return seen, all_left


def _record_id(person: PersonState) -> str:
    return person.link.record_id if person.link else ""


def _changed(before: PersonState, after: PersonState) -> set[str]:
    names = {name for name in before.values if name != "custom" and before.values[name] != after.values[name]}
    old, new = before.values["custom"], after.values["custom"]
    return names | {key for key in {*old, *new} if old.get(key) != new.get(key)}
