"""What the sync user may see and do: fields and objects as a describe tells them (sObject Describe, REST API guide).

Field-level security shows here: a field that the user may not read is absent, one that he may not edit is
neither createable nor updateable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from requests.structures import CaseInsensitiveDict

from syncer.salesforce.composite import Subrequest
from syncer.salesforce.soql import identifier

#: A name that a query can carry, in characters that no others can be mistaken for.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
LONGEST_LABEL = 255
LONGEST_DATE = 60  # characters of a Last-Modified header; an HTTP date has 29
#: Something by API name: Salesforce takes no notice of upper and lower case in one, and an administrator may change it.
Names = CaseInsensitiveDict


@dataclass(frozen=True, slots=True)
class PicklistValue:
    """One entry of a picklist; an inactive one can stand in old records but can't be chosen. ``valid_for``: of a
    dependent picklist, base64 with one bit for each value of the controlling one."""

    value: str
    label: str
    default: bool
    active: bool
    valid_for: str = ""


@dataclass(frozen=True, slots=True)
class FieldDescribe:
    """One field as this user sees it. ``length`` is in characters; ``precision``, ``scale`` and ``digits`` are decimal
    places; ``compound`` names the field that this one is a part of (Name, Address)."""

    name: str
    label: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    digits: int = 0
    nillable: bool = True
    createable: bool = False
    updateable: bool = False
    defaulted_on_create: bool = False
    calculated: bool = False
    auto_number: bool = False
    custom: bool = False
    unique: bool = False
    external_id: bool = False
    id_lookup: bool = False
    encrypted: bool = False
    filterable: bool = True
    restricted_picklist: bool = False
    picklist: tuple[PicklistValue, ...] = ()
    reference_to: tuple[str, ...] = ()
    compound: str | None = None
    html: bool = False

    @property
    def read_only(self) -> bool:
        """Whether the user can neither create with it nor update it."""
        return not self.createable and not self.updateable

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` gives the same field back."""
        return asdict(self) | {
            "picklist": [asdict(value) for value in self.picklist],
            "reference_to": list(self.reference_to),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> FieldDescribe:
        """The field that `to_dict` stored; keys of another version of this class are left out."""
        known = {key: value for key, value in stored.items() if key in cls.__dataclass_fields__}
        known["picklist"] = tuple(PicklistValue(**value) for value in known.get("picklist", ()))
        known["reference_to"] = tuple(known.get("reference_to", ()))
        return cls(**known)


@dataclass(frozen=True, slots=True)
class ObjectDescribe:
    """One object as this user sees it. ``last_modified`` is the answer's Last-Modified header, to ask conditionally.

    ``unreadable``: fields that the answer tells of in a form that can't be understood, by their names as far as they
    have any. They count as not described.
    """

    name: str
    label: str
    key_prefix: str | None
    createable: bool
    updateable: bool
    queryable: bool
    deletable: bool
    fields: Names[FieldDescribe]
    last_modified: str | None = None
    unreadable: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` gives the same object back."""
        return {
            "name": self.name,
            "label": self.label,
            "key_prefix": self.key_prefix,
            "createable": self.createable,
            "updateable": self.updateable,
            "queryable": self.queryable,
            "deletable": self.deletable,
            "fields": [field.to_dict() for field in self.fields.values()],
            "last_modified": self.last_modified,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ObjectDescribe:
        """The object that `to_dict` stored."""
        fields = [FieldDescribe.from_dict(field) for field in stored["fields"]]
        known = {key: value for key, value in stored.items() if key in cls.__dataclass_fields__}
        return cls(**known | {"fields": by_name(fields)})


def by_name(fields: Iterable[FieldDescribe]) -> Names[FieldDescribe]:
    """Fields by their API names."""
    return Names((field.name, field) for field in fields)


def describe_request(reference: str, object_name: str, if_modified_since: str | None = None) -> Subrequest:
    """A describe inside a Composite request; with a date it answers 304 when nothing changed since."""
    headers = {"If-Modified-Since": if_modified_since} if if_modified_since else {}
    return Subrequest("GET", f"/sobjects/{identifier(object_name)}/describe", reference, headers=headers)


def parse_object(body: object, last_modified: str | None = None, *, asked: str = "") -> ObjectDescribe:
    """The describe in an answer's body; ``asked``: of which object. Raises ValueError, with the end of a sentence, if
    the body is none. A single field that can't be understood is left out."""
    if not isinstance(body, Mapping) or not isinstance(body.get("fields"), list):
        raise ValueError("it is not the describe of an object")
    name = body.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or (asked and name.lower() != asked.lower()):
        raise ValueError(f"it is not the describe of an object called {asked or '…'}")
    fields: Names[FieldDescribe] = Names()
    unreadable: list[str] = []
    for raw in body["fields"]:
        try:
            field = _field(raw)
        except (ValueError, TypeError):
            unreadable.append(_shown(raw))
        else:
            fields[field.name] = field
    if not fields:
        raise ValueError("it is not the describe of an object: no field in it can be read")
    prefix = body.get("keyPrefix")
    return ObjectDescribe(
        name=asked or name,
        label=str(body.get("label") or name)[:LONGEST_LABEL],
        key_prefix=prefix if isinstance(prefix, str) else None,
        createable=body.get("createable") is True,
        updateable=body.get("updateable") is True,
        queryable=body.get("queryable") is True,
        deletable=body.get("deletable") is True,
        fields=fields,
        last_modified=last_modified if last_modified and len(last_modified) <= LONGEST_DATE else None,
        unreadable=tuple(unreadable),
    )


def _field(raw: Any) -> FieldDescribe:
    """One field. Raises ValueError or TypeError for one that can't be understood: guessing would misread its values."""
    name = _text(raw, "name")
    if not _NAME.fullmatch(name) or not _text(raw, "type"):
        raise ValueError
    return FieldDescribe(
        name=name,
        label=(_text(raw, "label") or name)[:LONGEST_LABEL],
        type=_text(raw, "type"),
        length=_number(raw, "length"),
        precision=_number(raw, "precision"),
        scale=_number(raw, "scale"),
        digits=_number(raw, "digits"),
        nillable=_flag(raw, "nillable"),
        createable=_flag(raw, "createable"),
        updateable=_flag(raw, "updateable"),
        defaulted_on_create=_flag(raw, "defaultedOnCreate"),
        calculated=_flag(raw, "calculated"),
        auto_number=_flag(raw, "autoNumber"),
        custom=_flag(raw, "custom"),
        unique=_flag(raw, "unique"),
        external_id=_flag(raw, "externalId"),
        id_lookup=_flag(raw, "idLookup"),
        encrypted=_flag(raw, "encrypted") or raw["type"] == "encryptedstring",
        filterable=_flag(raw, "filterable"),
        restricted_picklist=_flag(raw, "restrictedPicklist"),
        picklist=tuple(_picklist(raw.get("picklistValues") or ())),
        reference_to=tuple(name for name in raw.get("referenceTo") or () if isinstance(name, str)),
        compound=_text(raw, "compoundFieldName") or None,
        html=_flag(raw, "htmlFormatted"),
    )


def _picklist(raw: Iterable[Any]) -> Iterable[PicklistValue]:
    """The values; one that can't be understood is left out."""
    for one in raw:
        try:
            value, active = _text(one, "value"), one.get("active", True) is not False
            label = _text(one, "label") or value
            yield PicklistValue(value, label, _flag(one, "defaultValue"), active, _text(one, "validFor"))
        except (ValueError, TypeError):
            continue


def _text(raw: Any, key: str) -> str:
    found = _of(raw, key)
    if not isinstance(found, str | None):
        raise TypeError
    return found or ""


def _number(raw: Any, key: str) -> int:
    found = _of(raw, key)
    if not isinstance(found, int | None) or isinstance(found, bool) or (found or 0) < 0:
        raise TypeError
    return found or 0


def _flag(raw: Any, key: str) -> bool:
    found = _of(raw, key)
    if not isinstance(found, bool | None):
        raise TypeError
    return found or False


def _of(raw: Any, key: str) -> Any:
    if not isinstance(raw, Mapping):
        raise TypeError
    return raw.get(key)


def _shown(raw: Any) -> str:
    name = raw.get("name") if isinstance(raw, Mapping) else None
    return name[:80] if isinstance(name, str) and name else "a field without a name"
