"""The values that a person's form shows: which there are, what kind, and how each is read and written.

Custom values are canonical (``syncer.salesforce.values``), columns as the database has them. Both compare by ``==``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db import models

from syncer.admin.persons.state_country import COUNTRY, STATE, places_of
from syncer.admin.ui.words import field_label
from syncer.models import Direction, FieldMapping, Person, SyncUser
from syncer.salesforce import values
from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.kinds import kind_of
from syncer.sync.fields.object_map import PERSON_COLUMNS
from syncer.sync.fields.state_country import Places
from syncer.sync.fields.synced_objects import LEAD, SYNCED

#: Columns in the order of the form, by its groups.
_PLACED: dict[str, tuple[str, ...]] = {
    "Person": (
        "salutation",
        "first_name",
        "last_name",
        "email",
        "title",
        "company",
        "phone",
        "mobile_phone",
        "fax",
        "website",
    ),
    "Address": ("street", "city", "postal_code", "state", "country"),
    "Marketing": (
        "lead_source",
        "lead_status",
        "person_score",
        "rating",
        "industry",
        "number_of_employees",
        "annual_revenue",
        "unsubscribed",
        "do_not_call",
        "description",
    ),
}
_UNPLACED = [name for name in PERSON_COLUMNS if not any(name in names for names in _PLACED.values())]
#: All columns: one that nobody has given a place stands at the end.
GROUPS = _PLACED | {"Marketing": (*_PLACED["Marketing"], *_UNPLACED)}
CUSTOM = "Custom fields"
ELSEWHERE = "Other custom fields"

NOT_VISIBLE = "Not visible: the contact belongs to an account that the sync user can't see."

#: How the values of columns are entered, where Salesforce's field has no list to choose from; others as text.
COLUMN_KINDS: dict[type[models.Field[Any, Any]], str] = {
    models.BooleanField: "boolean",
    models.BigIntegerField: "integer",
    models.EmailField: "email",
    models.CharField: "text",
    models.TextField: "textarea",
}


@dataclass(frozen=True, slots=True)
class FormValue:
    """One value of the form. ``key`` is the column or the key in ``custom``; ``name`` is the field's name in HTML,
    which must not hold the ``__`` of a Salesforce name: Django reads that as a path."""

    key: str
    label: str
    group: str
    column: models.Field[Any, Any] | None
    describe: FieldDescribe | None
    read_only: bool = False
    note: str = ""
    places: Places | None = None  # of a state or country: what may be chosen

    @property
    def name(self) -> str:
        return self.key if self.column is not None else "custom-" + self.key.replace("__", "-").replace(".", "-dot-")

    @property
    def kind(self) -> str:
        """How it is entered (``widgets.FORM_KINDS``): by the family of its Salesforce type, or by its column."""
        if self.places is not None:
            return "place"
        family = kind_of(self.describe).family if self.describe is not None else "text"
        if self.column is None:
            return family
        kind = next((COLUMN_KINDS[known] for known in type(self.column).__mro__ if known in COLUMN_KINDS), "text")
        return family if (kind, family) == ("text", "picklist") else kind

    def read(self, person: Person) -> Any:
        """The value as it is compared, kept in the page and logged."""
        if self.column is None:
            return person.custom.get(self.key)
        return _one_line_ends(getattr(person, self.column.attname))

    def canonical(self, cleaned: Any) -> Any:
        """What the form field gave, as it is compared and stored. Raises ``BadValue``."""
        if self.column is None:
            return values.from_text(self.describe or _TEXT, cleaned)
        if isinstance(self.column, models.BooleanField):
            return {"true": True, "false": False}.get(cleaned)
        if isinstance(self.column, models.IntegerField):
            return cleaned
        return _one_line_ends(cleaned or "").strip()

    def assign(self, person: Person, value: Any) -> None:
        if self.column is not None:
            setattr(person, self.column.attname, value)
        elif value is None:
            person.custom = {key: kept for key, kept in person.custom.items() if key != self.key}
        else:
            person.custom = person.custom | {self.key: value}


_TEXT = FieldDescribe("Value", "Value", "string")


def _one_line_ends(value: Any) -> Any:
    return value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class _Mapped:
    """What a person's fields are mapped to: by the object of its own record (a lead, while there is none), and where
    only the other object has such a field, by that one."""

    own: dict[str, FieldMapping]
    other: dict[str, FieldMapping]
    linked: bool
    places: Places | None

    @classmethod
    def of(cls, person: Person | None, sync_user: SyncUser | None) -> _Mapped:
        sobject = (person.sfdc_type if person else "") or LEAD.name
        mappings = list(sync_user.mappings.all()) if sync_user else []
        own = {m.person_field: m for m in mappings if m.object == sobject}
        return cls(
            own=own,
            other={m.person_field: m for m in mappings if m.object != sobject and m.person_field not in own},
            linked=bool(person and person.sfdc_type and not person.sfdc_is_deleted),
            places=places_of(sync_user, sobject, own),
        )


def form_values(person: Person | None, sync_user: SyncUser | None) -> list[FormValue]:
    """All values that the form of this person (None: a new one) shows, in order."""
    mapped = _Mapped.of(person, sync_user)
    kept: dict[str, Any] = person.custom if person else {}
    found = [_column(group, name, mapped) for group, names in GROUPS.items() for name in names]
    found += [_custom(CUSTOM, m, mapped.linked) for m in _custom_mappings(mapped.own)]
    found += [
        _custom(ELSEWHERE, m, mapped.linked, note=f"Only on {m.object.lower()}s in Salesforce.")
        for m in _custom_mappings(mapped.other)
        if not mapped.linked or m.person_field in kept
    ]
    unseen = _out_of_sight(person, mapped.own)
    found = [replace(value, note=NOT_VISIBLE) if value.key in unseen else value for value in found]
    known = {value.key for value in found}
    found += [_unmapped(key, kept[key]) for key in sorted(kept) if key not in known]
    return [value for value in found if person is not None or not value.read_only]


def _out_of_sight(person: Person | None, own: Mapping[str, FieldMapping]) -> set[str]:
    """The fields that are read of an account that the sync user can't see: nothing is agreed on them."""
    record = getattr(person, "record", None)
    if record is None or not record.account_id or record.weak_base:
        return set()
    of_account = {
        key for key, m in own.items() if m.filled and SYNCED[m.object].parent_of(m.salesforce_field) is not None
    }
    return of_account - set(record.base)


def _custom_mappings(mappings: Mapping[str, FieldMapping]) -> list[FieldMapping]:
    """Those of custom fields, by label."""
    custom = [m for m in mappings.values() if m.person_field not in PERSON_COLUMNS]
    return sorted(custom, key=lambda m: (m.label.lower(), m.salesforce_field))


def _column(group: str, name: str, mapped: _Mapped) -> FormValue:
    column, label, own = PERSON_COLUMNS[name], field_label(name), mapped.own.get(name)
    if own is None:
        other = mapped.other.get(name)
        note = f"Only on {other.object.lower()}s in Salesforce." if other and mapped.linked else ""
        return FormValue(name, label, group, column, _described(other), note=note)
    read_only, note = _access(own, mapped.linked)
    places = mapped.places if name in (COUNTRY, STATE) else None
    return FormValue(name, label, group, column, _described(own), read_only, note, places)


def _custom(group: str, mapping: FieldMapping, linked: bool, note: str = "") -> FormValue:
    read_only, reason = _access(mapping, linked)
    label = mapping.label or mapping.salesforce_field
    return FormValue(mapping.person_field, label, group, None, _described(mapping), read_only, note or reason)


def _unmapped(key: str, value: Any) -> FormValue:
    note = "No Salesforce field is mapped to it."
    return FormValue(key, key, ELSEWHERE, None, None, read_only=not isinstance(value, str), note=note)


def _described(mapping: FieldMapping | None) -> FieldDescribe | None:
    return FieldDescribe.from_dict(mapping.described) if mapping and mapping.described else None


def _access(mapping: FieldMapping, linked: bool) -> tuple[bool, str]:
    """Whether the field is only received, and what is to be said of it."""
    if not mapping.readable:
        return False, "Salesforce does not show this field to the sync user: kept here, not synced."
    if not mapping.enabled:
        return False, "The mapping is switched off: kept here, not synced."
    if mapping.problem:
        return False, f"Not synced: {mapping.problem}"
    reason = _never_sent(mapping)
    if not reason and not (mapping.updateable if linked else mapping.createable or mapping.updateable):
        reason = "The sync user may not edit this field in Salesforce: received only."
    return bool(reason), reason


def _never_sent(mapping: FieldMapping) -> str:
    """Why the field is only received, whatever the sync user may do; empty when it is not."""
    if (parent := SYNCED[mapping.object].parent_of(mapping.salesforce_field)) is not None:
        return f"From the {parent.object.lower()}. Change it in Salesforce."
    described = _described(mapping)
    if described is not None and described.calculated:
        return "A formula in Salesforce."
    return "Received from Salesforce only." if mapping.direction == Direction.RECEIVE else ""
