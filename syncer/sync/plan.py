"""The plan of a cycle: what it would do, person by person, told as it is decided. Nothing is written on either side.

The plan *is* the run: the same reads, the same decisions, by the same code, with a store that tells what it is given
(``context.Store``) instead of writing it. What it was told is what later steps read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from django.db import transaction

from syncer.models import Backfill, SyncCursor
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap, received_columns
from syncer.sync.merge import Decision, Merge, Outcome, Value
from syncer.sync.persons import person_state
from syncer.sync.persons.merged import Applied, Merged, Pair, Question
from syncer.sync.persons.person_state import Link, PersonState
from syncer.sync.persons.record import Became, Gap, Reading, RemoteRecord


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
    """The store of a dry run: tells what is decided to ``tell`` and counts it. It keeps the ids of the persons seen,
    and the few persons whose record would become another one."""

    tell: Callable[[Planned], None] = lambda planned: None
    counts: Counter[str] = field(default_factory=Counter)
    #: Persons as a run would leave them, where that decides what is read next: by the id of the contact that their lead
    #: was converted to, or of a record that is gone and was made for them.
    _moved: dict[str, PersonState] = field(default_factory=dict)
    #: Persons whose records a complete read has shown, also those of which nothing is told.
    _seen: set[int] = field(default_factory=set)
    _decided: set[int] = field(default_factory=set)
    dry_run: bool = True

    def add(self, planned: Planned) -> None:
        """Tell one thing that would happen."""
        self.counts[planned.action] += 1
        self.counts["values received"] += sum(f.side == "here" for f in planned.fields)
        self.counts["values sent"] += sum(f.side == "there" for f in planned.fields)
        self.counts["overwritten"] += sum(f.conflict for f in planned.fields)
        self.tell(planned)

    def add_merge(
        self, person: PersonState, sobject: str, record_id: str, merge: Merge, *, link_reason: str = ""
    ) -> None:
        """Tell the decisions about a person and its record."""
        fields = planned_fields(merge)
        if fields or link_reason:
            action = "link" if link_reason else "update"
            self.add(Planned(action, person.id, person.name, sobject, record_id, link_reason, fields))

    # -- what a store is asked for
    # ---------------------------------------------------------------------------------------

    def begin(self, context: Context) -> None:
        """Nothing is put right."""

    @contextmanager
    def mappings(self) -> Iterator[None]:
        """A dry run looks at the mappings as they would become, and puts them back."""
        with transaction.atomic():
            yield
            transaction.set_rollback(True)

    def by_record_ids(self, context: Context, record_ids: Iterable[str]) -> dict[str, PersonState]:
        wanted = list(record_ids)
        moved = {pk: self._moved[pk] for pk in wanted if pk in self._moved}
        linked = moved | person_state.by_record_ids(context.organisation, wanted)
        if context.full:
            self._seen.update(person.id for person in linked.values())
        return linked

    def apply(
        self,
        context: Context,
        fields: ObjectMap,
        reading: Reading,
        merged: Sequence[Merged],
        *,
        also: Callable[[Sequence[Merged]], None] | None = None,
    ) -> Applied:
        for m in merged:
            if not m.partial:
                self._decided.add(m.person.id)
            # Nothing is sent to a record that is gone: what is to be sent is told of the one that it became.
            told = m.merge if context.may_send and not m.record.gone else m.merge.without_sending()
            self.add_merge(m.person, m.record.object, m.record.id, told, link_reason=m.link_reason)
            if m.link_reason and m.record.gone:
                self._moved[m.record.id] = _as_linked(context, fields, reading, m)
        return Applied(list(merged), {m.person.id for m in merged if m.merge.received}, [], [])

    def as_applied(self, context: Context, fields: ObjectMap, merged: Sequence[Merged]) -> dict[int, PersonState]:
        return {m.person.id: _as_merged(fields, m) for m in merged}

    def new_persons(
        self, context: Context, fields: ObjectMap, reading: Reading, records: Sequence[RemoteRecord]
    ) -> tuple[int, list[RemoteRecord]]:
        for record in records:
            received = tuple(
                PlannedField(name, "here", None, value, "New person.")
                for name, value in record.values.items()
                if value is not None
            )
            self.add(Planned("new person", None, record.name, record.object, record.id, fields=received))
        return len(records), []

    def follow(self, context: Context, reading: Reading, pairs: Sequence[Pair]) -> list[RemoteRecord]:
        """The contact of a converted lead is decided when it is read."""
        contacts = [r.contact_id for _, r in pairs if r.contact_id]
        owners = person_state.by_record_ids(context.organisation, contacts)
        for person, record in pairs:
            if record.is_deleted and person.sfdc_is_deleted:
                continue
            action, why = "mark as deleted", ""
            if record.is_converted:
                action, why = "convert", f"now Contact {record.contact_id or 'not visible'}"
                if record.contact_id and record.contact_id not in owners and person.link is not None:
                    self._moved[record.contact_id] = _as_contact(person, record.contact_id)
            elif record.master_id:
                action, why = "merge", f"merged into {record.master_id}"
            self.add(Planned(action, person.id, person.name, record.object, record.id, why))
        return []

    def hide(self, context: Context, reading: Reading, persons: Sequence[PersonState]) -> int:
        for person in persons:
            self.add(Planned("no longer visible", person.id, person.name, person.sfdc_type, person.sfdc_id))
        return len(persons)

    def mark_compared(self, context: Context, reading: Reading, persons: Sequence[PersonState]) -> None:
        """Known already, from ``by_record_ids``."""

    def not_compared(self, links: Sequence[tuple[int, str]]) -> list[str]:
        return [record_id for person_id, record_id in links if person_id not in self._seen]

    def became(self, gone: Iterable[Became]) -> None:
        """Nothing of it is told: it changes no person and no record."""

    def wait_for_somebody(self, context: Context, questions: Sequence[Question]) -> None:
        for one in questions:
            self.add(Planned("refuse", one.person.id, one.person.name, "", "", f"Not linked: {one.message}"))

    def bury(self, context: Context, reading: Reading, records: Sequence[RemoteRecord]) -> None:
        """There is nothing to tell of it."""

    def keep_former_ids(self, context: Context, gone: Iterable[Became] = ()) -> None:
        """Nothing of it is told."""

    def set_aside(self, context: Context, sobject: str, reasons: Mapping[str, str]) -> None:
        for record_id, reason in reasons.items():
            self.add(Planned("set aside", None, "", sobject, record_id, reason))

    def set_gap_aside(self, context: Context, sobject: str, gap: Gap) -> None:
        self.add(Planned("set aside", None, "", sobject, "", "It came without a readable Id."))

    def taken_in(self, context: Context, sobject: str, record_ids: Collection[str]) -> None:
        """The next cycle finds it so, too."""

    def store_cursor(self, context: Context, cursor: SyncCursor) -> None:
        """The next cycle reads the same."""

    def postpone(self, context: Context, sobject: str, record_ids: Iterable[str], reading: Reading) -> None:
        """The next cycle reads the same."""

    def forget_cursor(self, context: Context, sobject: str) -> None:
        """The next cycle finds it so, too."""

    def refill(self, context: Context, sobject: str, salesforce_field: str) -> None:
        """The next cycle finds it so, too."""

    def unfill(self, context: Context, sobject: str) -> None:
        """The next cycle finds it so, too."""

    def to_read(self, sobject: str) -> list[str]:
        """A run reads the contacts of converted leads by their ids."""
        if sobject != "Contact":
            return []
        return [
            pk for pk, person in self._moved.items() if person.sfdc_type == sobject and person.id not in self._decided
        ]

    def were_read(self, context: Context, sobject: str, record_ids: Iterable[str], reading: Reading) -> None:
        """The next cycle reads the same."""

    def is_decided(self, person_id: int) -> bool:
        return person_id in self._decided

    def rename_owners(self, context: Context, rows: Collection[tuple[str, str, str]], reading: Reading) -> int:
        """The names of owners are no values of persons: nothing is told."""
        return 0

    def store_backfill(self, context: Context, job: Backfill) -> None:
        """The next cycle finds it open."""

    def finish_backfill(self, context: Context, job: Backfill, fields: ObjectMap) -> None:
        """The next cycle finds it open."""

    def give_new_uuids(self, context: Context, persons: Sequence[PersonState]) -> list[PersonState]:
        return list(persons)

    def mark_unknown(self, person_ids: Iterable[int]) -> None:
        """They are what they were."""


def planned_fields(merge: Merge) -> tuple[PlannedField, ...]:
    """The values that a merge lets cross."""
    return tuple(_planned(d) for d in merge.decisions if d.outcome in (Outcome.RECEIVE, Outcome.SEND))


def sent_fields(values: Mapping[str, Value]) -> tuple[PlannedField, ...]:
    """The values that a Lead would be created with."""
    return tuple(PlannedField(name, "there", None, value, "New lead.") for name, value in values.items())


def _planned(d: Decision) -> PlannedField:
    if d.outcome is Outcome.RECEIVE:
        return PlannedField(d.field, "here", d.here, d.there, d.reason, d.conflict)
    return PlannedField(d.field, "there", d.there, d.here, d.reason, d.conflict)


def _as_merged(fields: ObjectMap, m: Merged) -> PersonState:
    """The person as a run would leave it."""
    columns = received_columns(m.person.values, fields, m.merge.received)
    link = replace(m.person.link, base=m.merge.base_after_reading(m.person.link.base)) if m.person.link else None
    return replace(m.person, values={**m.person.values, **columns}, link=link)


def _as_linked(context: Context, fields: ObjectMap, reading: Reading, m: Merged) -> PersonState:
    """The person as a run would leave it, linked with a record that nobody was linked with before."""
    record = m.record
    link = Link(
        organisation=context.organisation,
        object=record.object,
        record_id=record.id,
        base=m.merge.base_after_reading({}),
        weak_base=False,
        system_modstamp=record.stamp,
        read_at=reading.asked_at,
        read_sequence=reading.sequence,
        undecided=m.undecided,
        awaits_sending=m.merge.waits,
        owner_id=record.owner_id,
        owner_name=record.owner_name,
        owner_email=record.owner_email,
        account_id=record.account_id,
        merged_into="",
        received_at=None,
        sent_at=None,
        hidden_since=None,
    )
    return replace(_as_merged(fields, m), sfdc_type=record.object, sfdc_id=record.id, link=link)


def _as_contact(person: PersonState, contact_id: str) -> PersonState:
    """The person of a converted lead, which goes on as the contact."""
    link = person.link and replace(
        person.link, object="Contact", record_id=contact_id, weak_base=True, system_modstamp=None
    )
    return replace(person, sfdc_type="Contact", sfdc_id=contact_id, link=link)
