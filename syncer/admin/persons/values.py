"""The values that a person's form shows: which there are, what kind, and how each is read and written.

Custom values are canonical (``syncer.salesforce.values``), columns as the database has them. Both compare by ``==``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models

from syncer.admin.persons.state_country import COUNTRY, STATE, places_of
from syncer.models import Direction, FieldMapping, Person, SyncUser
from syncer.salesforce import values
from syncer.salesforce.describe import FieldDescribe
from syncer.sync.fields.object_map import PERSON_COLUMNS
from syncer.sync.fields.state_country import Places
from syncer.sync.fields.synced_objects import SYNCED

#: Columns in the order of the form, by its groups.
GROUPS: dict[str, tuple[str, ...]] = {
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
CUSTOM = "Custom fields"
ELSEWHERE = "Other custom fields"


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
        """What to type into: a Salesforce field type, or ``text``, ``email``, ``number``, ``boolean``, ``textarea``,
        ``place``."""
        if self.places is not None:
            return "place"
        described = self.describe.type if self.describe is not None else ""
        if isinstance(self.column, models.BooleanField):
            return "boolean"
        if isinstance(self.column, models.IntegerField):
            return "integer"
        if isinstance(self.column, models.TextField):
            return "textarea"
        if self.column is not None:
            if described in ("picklist", "url") and not isinstance(self.column, models.EmailField):
                return described
            return "email" if isinstance(self.column, models.EmailField) else "text"
        return described or "text"

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

    def initial(self, value: Any) -> Any:
        """The value as the form field takes it."""
        if value is None:
            return None
        if self.kind == "boolean":
            return "true" if value else "false"
        if self.kind == "multipicklist":
            return str(value).split(";")
        if self.kind == "datetime":
            try:
                return datetime.fromisoformat(str(value).replace("Z", "+00:00"))
            except ValueError:
                return value
        if self.kind == "time":
            return str(value)[:8]
        return value

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


def form_values(person: Person | None, sync_user: SyncUser | None) -> list[FormValue]:
    """All values that the form of this person (None: a new one) shows, in order."""
    sobject = (person.sfdc_type if person else "") or "Lead"
    linked = bool(person and person.sfdc_type and not person.sfdc_is_deleted)
    mappings = list(sync_user.mappings.all()) if sync_user else []
    own = {m.person_field: m for m in mappings if m.object == sobject}
    other = {m.person_field: m for m in mappings if m.object != sobject and m.person_field not in own}
    places = places_of(sync_user, sobject, own)
    found = [
        _column(group, name, own.get(name), other.get(name), linked, places if name in (COUNTRY, STATE) else None)
        for group, names in GROUPS.items()
        for name in names
    ]
    found += [_custom(CUSTOM, m, linked) for m in _by_label(own.values()) if m.person_field not in PERSON_COLUMNS]
    kept = person.custom if person else {}
    for m in _by_label(other.values()):
        if m.person_field not in PERSON_COLUMNS and (not linked or m.person_field in kept):
            found.append(_custom(ELSEWHERE, m, linked, note=f"Only on {m.object.lower()}s in Salesforce."))
    known = {value.key for value in found}
    for key in sorted(set(kept) - known):
        note = "No Salesforce field is mapped to it."
        found.append(FormValue(key, key, ELSEWHERE, None, None, read_only=not isinstance(kept[key], str), note=note))
    if person is None:
        found = [value for value in found if not value.read_only]
    return found


def _by_label(mappings: Iterable[FieldMapping]) -> list[FieldMapping]:
    return sorted(mappings, key=lambda m: (m.label.lower(), m.salesforce_field))


def _column(
    group: str,
    name: str,
    own: FieldMapping | None,
    other: FieldMapping | None,
    linked: bool,
    places: Places | None,
) -> FormValue:
    column = PERSON_COLUMNS[name]
    label = str(column.verbose_name)
    label = label[:1].upper() + label[1:]
    if own is None:
        note = f"Only on {other.object.lower()}s in Salesforce." if other and linked else ""
        return FormValue(name, label, group, column, _described(other), note=note)
    read_only, note = _access(own, linked)
    return FormValue(name, label, group, column, _described(own), read_only, note, places)


def _custom(group: str, mapping: FieldMapping, linked: bool, note: str = "") -> FormValue:
    read_only, reason = _access(mapping, linked)
    label = mapping.label or mapping.salesforce_field
    return FormValue(mapping.person_field, label, group, None, _described(mapping), read_only, note or reason)


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
    described = _described(mapping)
    if (parent := SYNCED[mapping.object].parent_of(mapping.salesforce_field)) is not None:
        return True, f"From the {parent.object.lower()}. Change it in Salesforce."
    if described is not None and described.calculated:
        return True, "A formula in Salesforce."
    if mapping.direction == Direction.RECEIVE:
        return True, "Received from Salesforce only."
    if not (mapping.updateable if linked else mapping.createable or mapping.updateable):
        return True, "The sync user may not edit this field in Salesforce: received only."
    return False, ""
