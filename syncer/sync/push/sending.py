"""What is to be sent of one person, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from syncer.salesforce.rows import RowError
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.merge import Value
from syncer.sync.persons.person_state import PersonState


@dataclass(frozen=True, slots=True)
class Held:
    """Values that wait although others are sent, and the refusals that they wait for; ``new``: not told yet."""

    values: Mapping[str, Value]
    errors: tuple[RowError, ...]
    new: bool


@dataclass(frozen=True, slots=True)
class Sending:
    """What is to be sent of one person: the fields that differ from the base, by person field."""

    person: PersonState
    values: Mapping[str, Value]
    restored: Mapping[str, Value] = field(default_factory=dict)  # edits here to fields that only receive
    held: Held | None = None
    in_part: bool = False  # other values wait until the record was read
    loaded_again: PersonState | None = None  # as it is now; ``person`` stays what it was when this was planned

    @property
    def current(self) -> PersonState:
        return self.loaded_again or self.person

    def body(self, fields: ObjectMap) -> dict[str, Any]:
        link = self.person.link
        body: dict[str, Any] = {"Id": link.record_id if link else None}
        for mapped in fields.fields:
            if mapped.person_field in self.values:
                body[mapped.salesforce_field] = mapped.to_wire(self.values[mapped.person_field])
        return body


@dataclass(frozen=True, slots=True, eq=False)
class Sent:
    """What came of it. ``before`` and ``after`` are the fields sent as the record had them, None when not seen."""

    sending: Sending
    errors: tuple[RowError, ...]
    before: Mapping[str, Value] | None
    before_stamp: datetime | None
    after: Mapping[str, Value] | None
    after_stamp: datetime | None
    missing: bool = False  # refused, and the record may not be what it was
    together: bool = False  # refused, perhaps because of the others of the same request
    put_off: bool = False  # and not to be tried with fewer of them now
