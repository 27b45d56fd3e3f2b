"""An independent record of what people entered on either side. It knows nothing of the engine's decisions."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from tests.simulation.fields import Value


@dataclass(slots=True)
class Edit:
    """``over``: the value that it took the place of, on its own side. ``agreed``: the pair had agreed on a value of the
    field before, so that the winner setting decides a conflict. ``met``: it was made here, and the record had the value
    at that moment, so that nothing was left to cross."""

    number: int
    side: str  # here or there
    owner: int | str  # a person's id, or a record's
    field: str
    value: Value
    over: Value
    agreed: bool
    creation: bool = False
    met: bool = False
    stamp: datetime | None = None  # the second in which it was made, as Salesforce's stamps are


@dataclass(slots=True)
class Journal:
    edits: list[Edit] = field(default_factory=list)
    #: What happened, with the persons and records that it concerned.
    history: list[tuple[str, frozenset[int | str]]] = field(default_factory=list)
    #: How often each fault or crash struck in which phase.
    coverage: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Leads converted to a new contact: contact → lead. The contact goes on with the lead's values.
    continued: dict[str, str] = field(default_factory=dict)
    #: Leads converted before anybody here knew them: what the conversion does not copy was never for us.
    never_received: set[str] = field(default_factory=set)
    #: Records and persons that were joined with others: what was entered before (the edit's number) may give way.
    joined: dict[int | str, int] = field(default_factory=dict)
    #: Requests to change records whose answers were lost: record id → fields.
    in_doubt: dict[str, set[str]] = field(default_factory=dict)
    #: Records that sharing hides from the sync user now.
    unseen: set[str] = field(default_factory=set)
    #: Fields that the sync user could not see or not write for a while.
    restricted: set[str] = field(default_factory=set)
    #: Custom fields of leads that the sync user could not see for a while.
    hidden_on_leads: set[str] = field(default_factory=set)
    #: Records whose persons were deleted here: record id → the number of the last edit before, and the stamp that the
    #: record had then; None if it was gone itself.
    deleted_here: dict[str, tuple[int, datetime | None]] = field(default_factory=dict)
    #: Deleted records that have left the recycle bin.
    purged: set[str] = field(default_factory=set)
    #: How often a new lead was asked for, after the old one had been deleted, by the person's last name.
    made_anew: Counter[str] = field(default_factory=Counter)
    retyped: bool = False
    stopped: bool = False  # writing to Salesforce, for a while
    #: Fields of contacts that the sync user could only read for a while.
    read_only: set[str] = field(default_factory=set)
    #: Persons made here, by id, with the last name that no other has.
    made: dict[int, str] = field(default_factory=dict)
    faults: int = 0
    doubts_accepted: int = 0

    def tell(self, text: str, *concerned: int | str) -> None:
        self.history.append((text, frozenset(concerned)))

    def join(self, number: int, *owners: int | str) -> None:
        for owner in owners:
            self.joined[owner] = number

    def of(self, person: int, record_id: str) -> set[int | str]:
        """The person, its record, and the lead that this was."""
        owners: set[int | str] = {person, record_id}
        if record_id in self.continued:
            owners.add(self.continued[record_id])
        return owners

    def story(self, owners: set[int | str]) -> str:
        """What happened to these, and everything that happened to all."""
        whole = "STORY" in os.environ  # also what happened to the others
        lines = [f"{n:4} {text}" for n, (text, who) in enumerate(self.history) if whole or not who or who & owners]
        return "\n".join(lines)
