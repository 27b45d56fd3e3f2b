"""A record merged with a person: what was decided, before it is written, and what came of writing it. And who can't be
merged with one before somebody has decided it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncer.sync.merge import Merge
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import RemoteRecord

#: A linked person and its record as it was read.
Pair = tuple[PersonState, RemoteRecord]


@dataclass(frozen=True, slots=True)
class Merged:
    """A record merged with a person. ``link_reason`` is said when the two had not been linked before."""

    person: PersonState
    record: RemoteRecord
    merge: Merge
    link_reason: str = ""
    partial: bool = False  # only some fields were read: they say nothing of the record's state as a whole
    created: bool = False  # this worker has just made the record with the person's values
    keeps_waiting: bool = False  # a value here can't be sent as it is: the push has to say so
    found_sent: frozenset[str] = (
        frozenset()
    )  # person fields that were sent without an answer, and have that value there

    @property
    def undecided(self) -> int | None:
        """The person's revision if a field waits until something may be sent, or until its value can be."""
        return self.person.revision if self.keeps_waiting else None

    @property
    def is_known(self) -> bool:
        """The very state that was merged last, read again because it was too fresh then: nothing to write."""
        link, record = self.person.link, self.record
        return (
            link is not None
            and not link.weak_base
            and link.hidden_since is None
            and link.undecided == self.undecided
            and link.record_id == record.id
            and link.system_modstamp == record.stamp
            and not self.person.sfdc_is_deleted
            and not self.merge.received
            # What is to be sent waits already, or was refused and waits for a change: this is none.
            and bool(self.merge.to_send or self.keeps_waiting) == bool(self.person.pending)
            and self.merge.base_after_reading(link.base) == link.base
            and link.account_id == record.account_id
            and (not record.owner_id or (link.owner_id, link.owner_name, link.owner_email) == record.owner)
        )

    @property
    def record_has_changed(self) -> bool:
        """The record is not as it was last agreed. When the stamp of that state is not known, its values tell."""
        link = self.person.link
        if link is None or link.record_id != self.record.id or link.weak_base:
            return True
        if link.system_modstamp is not None and link.system_modstamp != self.record.stamp:
            return True
        return any(not d.has_base or d.there != d.base for d in self.merge.decisions)


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of writing a batch."""

    written: list[Merged]
    changed: set[int]  # ids of persons whose values changed here
    again: list[Merged]  # the person was edited, locked or busy meanwhile: merge again
    stale: list[Merged]  # the record was sent or read by a newer request than this one: read again


@dataclass(frozen=True, slots=True)
class Question:
    """A person who may be one of several records, or one of several persons with one record: somebody has to say it.
    ``records`` are those to choose from, as they are shown."""

    person: PersonState
    message: str
    records: Sequence[Mapping[str, Any]]
