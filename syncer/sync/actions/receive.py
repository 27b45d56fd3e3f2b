"""The first step of an action: what changed in Salesforce is merged into the persons who have a record there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from syncer.sync.context import Context
from syncer.sync.identity.candidates import Found
from syncer.sync.outcomes import PersonOutcome, Result, being_edited, deleted, not_visible, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.pull import visibility
from syncer.sync.pull.records import receive_records


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
    seen, late = _merge(context, found)
    hidden = [p for p in linked if _record_id(p) not in seen and not p.sfdc_is_deleted]
    visibility.hide(context, found.reading, [person.id for person in hidden])
    after = person_state.by_ids(person.id for person in linked)
    outcomes = {person.id: not_visible(person) for person in hidden}
    gone: set[int] = set()
    for person in linked:
        now = after.get(person.id)
        if person.id in outcomes:
            continue
        if now is None or _record_id(person) in late:
            outcomes[person.id] = being_edited(person)
        elif now.sfdc_is_deleted:
            outcomes[person.id] = deleted(now)
            gone.add(person.id)
        elif changed := tuple(sorted(_changed(person, now))):
            told = outcome(now, Result.UPDATED, f"Received: {', '.join(changed)}.")
            outcomes[person.id] = replace(told, received=changed)
    return Received(outcomes, frozenset(gone))


def _merge(context: Context, found: Found) -> tuple[set[str], set[str]]:
    """The ids of the records that were shown, and of those whose persons were being edited."""
    seen: set[str] = set()
    late: set[str] = set()
    for sobject, rows in found.rows.items():
        seen |= {row["Id"] for row in rows}
        late |= set(receive_records(context, sobject, rows, found.reading, by_value=True))
    return seen, late


def _record_id(person: PersonState) -> str:
    return person.link.record_id if person.link else ""


def _changed(before: PersonState, after: PersonState) -> set[str]:
    names = {name for name in before.values if name != "custom" and before.values[name] != after.values[name]}
    old, new = before.values["custom"], after.values["custom"]
    return names | {key for key in {*old, *new} if old.get(key) != new.get(key)}
