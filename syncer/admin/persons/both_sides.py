"""The panel *Last agreed / Here / Salesforce*: for each mapped field what the next cycle does, as the merge decides it.

Opening a page costs no API call: the panel then takes Salesforce to have what both sides agreed on last, and says so.
*Read Salesforce now* asks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.safestring import SafeString

from syncer.admin.state.person_state import pending_of, record_of
from syncer.admin.state.why import refusal_of
from syncer.admin.ui import display
from syncer.admin.ui.words import field_label
from syncer.models import PendingState, Person, SalesforceRecord, SyncMode, SyncUser
from syncer.salesforce.kinds import BadValue
from syncer.sync.fields.object_map import PERSON_COLUMNS, MappedField, ObjectMap, object_map
from syncer.sync.merge import Decision, Outcome, Value, merge
from syncer.sync.upkeep.read_now import There

UNKNOWN = SafeString('<span class="empty">not yet</span>')


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field. ``kind``: send, receive, held, ask or equal."""

    label: str
    name: str
    agreed: str | SafeString
    here: str | SafeString
    there: str | SafeString
    next: str
    why: str
    kind: str


@dataclass(frozen=True, slots=True)
class FieldPanel:
    """The fields that differ or are undecided, and those that are equal."""

    differing: tuple[FieldRow, ...]
    equal: tuple[FieldRow, ...]
    agreed_at: SafeString
    read_at: SafeString | None  # when Salesforce was asked for its values; None: they are those agreed on last


def panel(person: Person, sync_user: SyncUser | None, there: There | None = None) -> FieldPanel | None:
    """None for a person that does not sync. ``there``: what Salesforce has now."""
    record = record_of(person)
    if sync_user is None or record is None or not person.sfdc_type or person.sfdc_is_deleted:
        return None
    fields = object_map(sync_user, record.object)
    known = _Known.of(person, record, fields, there, sending=sync_user.mode == SyncMode.TWO_WAY)
    refused, waiting = _refused(person, fields)
    rows = [
        row
        for field in fields.fields
        if (row := _field_row(field, known, refused=field.person_field in refused, waits=field.person_field in waiting))
    ]
    return FieldPanel(
        differing=tuple(row for row in rows if row.kind != "equal"),
        equal=tuple(row for row in rows if row.kind == "equal"),
        agreed_at=display.ago(record.agreed_at),
        read_at=display.moment(there.read_at) if there else None,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of both sides, by person field, and what the merge decides on it."""

    base: Mapping[str, Value]
    here: Mapping[str, Value]
    bad: Mapping[str, BadValue]  # values here that Salesforce's types can't hold
    there: Mapping[str, Value]
    decisions: Mapping[str, Decision]

    @classmethod
    def of(
        cls, person: Person, record: SalesforceRecord, fields: ObjectMap, there: There | None, *, sending: bool
    ) -> _Known:
        """Without asking Salesforce: what would be decided if it still had what was last agreed."""
        values = {name: getattr(person, name) for name in PERSON_COLUMNS} | {"custom": person.custom}
        here, bad = fields.here(values)
        now = {rule.field: rule.as_of_now for rule in fields.rules}
        agreed = {name: now[name](value) if name in now else value for name, value in record.base.items()}
        base: dict[str, Value] = {} if record.weak_base else agreed
        values_there = there.values if there else {name: value for name, value in base.items() if name in here}
        merged = {name: value for name, value in values_there.items() if name not in bad}
        weak = there is not None and record.weak_base
        found = merge(fields.rules, agreed if weak else base, here, merged, weak=weak, sending=sending)
        return cls(base, here, bad, values_there, {decision.field: decision for decision in found.decisions})


def _field_row(field: MappedField, known: _Known, *, refused: bool, waits: bool) -> FieldRow | None:
    """One field; None where there is nothing to show."""
    name = field.person_field
    agreed = display.value(known.base[name]) if name in known.base else UNKNOWN
    seen = display.value(known.there[name]) if name in known.there else UNKNOWN
    decision = known.decisions.get(name)
    if name in known.bad:
        error = known.bad[name]
        return _row(field, agreed, display.value(error.value), seen, "Held", str(error), "held")
    if decision is not None and decision.outcome is not Outcome.AGREE and refused:
        return _row(field, agreed, display.value(known.here[name]), seen, "Held", "Salesforce refused it.", "held")
    if decision is not None:
        return _decided(field, agreed, seen, decision, waits)
    if known.here[name] is not None:
        why = "Nothing is agreed yet: decided when Salesforce's value is read."
        return _row(field, agreed, display.value(known.here[name]), seen, "To be read", why, "ask")
    return None


def _refused(person: Person, fields: ObjectMap) -> tuple[frozenset[str], frozenset[str]]:
    """The person's fields that the last refusal named, and those that wait with them: all of them, unless the others
    were sent."""
    pending, refusal = pending_of(person), refusal_of(person)
    if pending is None or refusal is None or pending.state != PendingState.FAILED:
        return frozenset(), frozenset()
    return frozenset(fields.named(refusal.fields)), frozenset(
        pending.held or (field.person_field for field in fields.fields)
    )


def _decided(
    field: MappedField, agreed: str | SafeString, seen: str | SafeString, decision: Decision, waits: bool
) -> FieldRow:
    here = display.value(decision.here)
    if decision.outcome is Outcome.AGREE:
        return _row(field, agreed, here, seen, "Equal", "", "equal")
    if decision.outcome is Outcome.LEAVE:
        return _row(field, agreed, here, seen, "Held", decision.reason, "held")
    if decision.outcome is Outcome.RECEIVE:
        return _row(
            field, agreed, here, seen, f"Receive {display.value_text(decision.there)}", decision.reason, "receive"
        )
    if waits:
        return _row(field, agreed, here, seen, "Waits", "Goes out with the field that Salesforce refused.", "held")
    return _row(field, agreed, here, seen, f"Send {display.value_text(decision.here)}", decision.reason, "send")


def _row(
    field: MappedField,
    agreed: str | SafeString,
    here: str | SafeString,
    there: str | SafeString,
    then: str,
    why: str,
    kind: str,
) -> FieldRow:
    label = field_label(field.person_field) if field.is_column else field.describe.label
    return FieldRow(label, field.salesforce_field, agreed, here, there, then, why, kind)
