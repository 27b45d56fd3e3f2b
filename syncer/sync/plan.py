"""The plan of a cycle: what it would do, person by person, told as it is decided. Nothing is written on either side.

The plan *is* the run: the same reads, the same decisions, by the same code, which stops before applying them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from syncer.sync.merge import Decision, Merge, Outcome, Value
from syncer.sync.persons.person_state import PersonState


@dataclass(frozen=True, slots=True)
class PlannedField:
    """One value that would change: on which side (``here`` or ``there``), from what to what, and why."""

    field: str
    side: str
    old: Value
    new: Value
    why: str
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """What would happen to one person or record."""

    action: str
    person_id: int | None
    name: str
    object: str
    record_id: str
    why: str = ""
    fields: tuple[PlannedField, ...] = ()


@dataclass(slots=True)
class Plan:
    """Takes what is decided, tells it to ``tell`` and counts it; keeps no more than the ids of the persons seen."""

    tell: Callable[[Planned], None] = lambda planned: None
    counts: Counter[str] = field(default_factory=Counter)
    #: Persons whose lead was converted, as they will be linked, by the contact's id: a run reads that contact, too.
    moved: dict[str, PersonState] = field(default_factory=dict)
    #: Persons whose records a complete read has shown, also those of which nothing is told.
    seen: set[int] = field(default_factory=set)
    _decided: set[int] = field(default_factory=set)

    def add(self, planned: Planned) -> None:
        self.counts[planned.action] += 1
        self.counts["values received"] += sum(f.side == "here" for f in planned.fields)
        self.counts["values sent"] += sum(f.side == "there" for f in planned.fields)
        self.counts["overwritten"] += sum(f.conflict for f in planned.fields)
        self.tell(planned)

    def add_merge(
        self,
        person_id: int,
        name: str,
        sobject: str,
        record_id: str,
        merge: Merge,
        *,
        link_reason: str = "",
        partial: bool = False,
    ) -> None:
        """The decisions about a record and its person; ``partial``: about the fields that were read of it alone."""
        if not partial:
            self._decided.add(person_id)
        fields = planned_fields(merge)
        if fields or link_reason:
            action = "link" if link_reason else "update"
            self.add(Planned(action, person_id, name, sobject, record_id, link_reason, fields))

    def is_decided(self, person_id: int) -> bool:
        """The record of this person was read and decided already: that says what is sent, too."""
        return person_id in self._decided


def planned_fields(merge: Merge) -> tuple[PlannedField, ...]:
    return tuple(_planned(d) for d in merge.decisions if d.outcome in (Outcome.RECEIVE, Outcome.SEND))


def sent_fields(values: Mapping[str, Value]) -> tuple[PlannedField, ...]:
    """The values that a Lead would be created with."""
    return tuple(PlannedField(name, "there", None, value, "New lead.") for name, value in values.items())


def _planned(d: Decision) -> PlannedField:
    if d.outcome is Outcome.RECEIVE:
        return PlannedField(d.field, "here", d.here, d.there, d.reason, d.conflict)
    return PlannedField(d.field, "there", d.there, d.here, d.reason, d.conflict)
