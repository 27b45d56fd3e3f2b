"""What the sync user may see and do: fields and objects as a describe tells them (sObject Describe, REST API guide).

Field-level security shows here: a field that the user may not read is absent, one that he may not edit is
neither createable nor updateable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from syncer.salesforce.composite import Subrequest
from syncer.salesforce.soql import identifier


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
    """One object as this user sees it. ``last_modified`` is the answer's Last-Modified header, to ask conditionally."""

    name: str
    label: str
    key_prefix: str | None
    createable: bool
    updateable: bool
    queryable: bool
    deletable: bool
    fields: dict[str, FieldDescribe]
    last_modified: str | None = None

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
        return cls(**known | {"fields": {field.name: field for field in fields}})


def describe_request(reference: str, object_name: str, if_modified_since: str | None = None) -> Subrequest:
    """A describe inside a Composite request; with a date it answers 304 when nothing changed since."""
    headers = {"If-Modified-Since": if_modified_since} if if_modified_since else {}
    return Subrequest("GET", f"/sobjects/{identifier(object_name)}/describe", reference, headers=headers)


def parse_object(body: Mapping[str, Any], last_modified: str | None = None) -> ObjectDescribe:
    """The describe in an answer's body. Raises ValueError if the body is none."""
    try:
        fields = [_field(field) for field in body["fields"]]
        return ObjectDescribe(
            name=str(body["name"]),
            label=str(body.get("label") or body["name"]),
            key_prefix=body.get("keyPrefix"),
            createable=bool(body.get("createable")),
            updateable=bool(body.get("updateable")),
            queryable=bool(body.get("queryable")),
            deletable=bool(body.get("deletable")),
            fields={field.name: field for field in fields},
            last_modified=last_modified,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The answer is not the describe of an object ({type(error).__name__}: {error}).") from error


def _field(raw: Mapping[str, Any]) -> FieldDescribe:
    return FieldDescribe(
        name=str(raw["name"]),
        label=str(raw.get("label") or raw["name"]),
        type=str(raw["type"]),
        length=int(raw.get("length") or 0),
        precision=int(raw.get("precision") or 0),
        scale=int(raw.get("scale") or 0),
        digits=int(raw.get("digits") or 0),
        nillable=bool(raw.get("nillable")),
        createable=bool(raw.get("createable")),
        updateable=bool(raw.get("updateable")),
        defaulted_on_create=bool(raw.get("defaultedOnCreate")),
        calculated=bool(raw.get("calculated")),
        auto_number=bool(raw.get("autoNumber")),
        custom=bool(raw.get("custom")),
        unique=bool(raw.get("unique")),
        external_id=bool(raw.get("externalId")),
        id_lookup=bool(raw.get("idLookup")),
        encrypted=bool(raw.get("encrypted")) or raw["type"] == "encryptedstring",
        filterable=bool(raw.get("filterable")),
        restricted_picklist=bool(raw.get("restrictedPicklist")),
        picklist=tuple(_picklist_value(value) for value in raw.get("picklistValues") or ()),
        reference_to=tuple(str(name) for name in raw.get("referenceTo") or ()),
        compound=raw.get("compoundFieldName") or None,
        html=bool(raw.get("htmlFormatted")),
    )


def _picklist_value(raw: Mapping[str, Any]) -> PicklistValue:
    value = str(raw.get("value") or "")
    return PicklistValue(
        value,
        str(raw.get("label") or value),
        bool(raw.get("defaultValue")),
        bool(raw.get("active", True)),
        str(raw.get("validFor") or ""),
    )
