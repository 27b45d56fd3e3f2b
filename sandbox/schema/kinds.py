"""The types of fields, one row each. Whatever else depends on a field's type asks its row.

A new type is a row here. If its values are kept or checked in a way that no other type's are, it is a reader in
``sandbox.dml.values`` as well.

Sources: Object Reference, "Field Types"; SOAP API Developer Guide, "DescribeSObjectResult" (types and SOAP types);
Metadata API Developer Guide, "CustomField" (names in set-up, lengths).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

#: how the table keeps values: decimals are integers times ten to the power of the scale, dates and times are ISO text,
#: ``parts`` have no column, because other fields hold what they show
Kept = Literal["text", "boolean", "decimal", "integer", "date", "datetime", "time", "id", "parts"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What all fields of one type have in common."""

    kept: Kept
    soap_type: str
    #: the SQL type of the column; empty without one
    column: str
    #: the kind of SOQL literal that values are compared with
    literal: str
    #: the type of values in a formula
    formula: str
    #: what the JSON parser calls a value
    json_name: str = "string"
    #: names under which a custom field of the type can be made; none if it cannot
    set_up: tuple[str, ...] = ()
    #: the length of a custom field that does not give one, in characters
    length: int = 0
    digits: int = 0
    #: whether values come from a picklist, of which one may be the default
    chosen: bool = False
    # What SOQL does with fields of the type; a single field may allow less.
    #: what is not filterable is not sorted or grouped by either
    filterable: bool = True
    sortable: bool = True
    groupable: bool = True
    aggregatable: bool = True
    #: whether conditions may say "less" and "greater"
    ordered: bool = True


_TEXT = Kind("text", "xsd:string", "TEXT COLLATE NOCASE", "string", "text")
_DECIMAL = Kind("decimal", "xsd:double", "INTEGER", "number", "number", json_name="double", groupable=False)
_INTEGER = Kind("integer", "xsd:int", "INTEGER", "number", "number", json_name="int", digits=8)
_BOOLEAN = Kind("boolean", "xsd:boolean", "INTEGER NOT NULL DEFAULT 0", "boolean", "boolean", json_name="boolean")
_DATE = Kind("date", "xsd:date", "TEXT", "date", "date", json_name="date")
_DATETIME = Kind("datetime", "xsd:dateTime", "TEXT", "datetime", "date", json_name="datetime", groupable=False)
_TIME = Kind("time", "xsd:time", "TEXT", "string", "text", json_name="time")
_ID = Kind("id", "tns:ID", "TEXT", "string", "text", length=18)
_PARTS = Kind("parts", "", "", "", "", filterable=False, aggregatable=False)

KINDS: dict[str, Kind] = {
    "string": replace(_TEXT, set_up=("string", "text", "autonumber"), length=255),
    "textarea": replace(_TEXT, set_up=("textarea", "longtextarea", "html", "richtextarea"), length=255),
    "phone": replace(_TEXT, set_up=("phone",), length=40),
    "url": replace(_TEXT, set_up=("url",), length=255),
    "email": replace(_TEXT, set_up=("email",), length=80),
    "combobox": replace(_TEXT, set_up=("combobox",), length=255),
    "encryptedstring": replace(_TEXT, set_up=("encryptedstring", "encryptedtext"), length=175, filterable=False),
    "picklist": replace(_TEXT, set_up=("picklist",), length=255, chosen=True),
    "multipicklist": replace(
        _TEXT,
        set_up=("multipicklist", "multiselectpicklist"),
        length=4099,
        chosen=True,
        sortable=False,
        groupable=False,
        ordered=False,
    ),
    "double": replace(_DECIMAL, set_up=("double", "number")),
    "currency": replace(_DECIMAL, set_up=("currency",)),
    "percent": replace(_DECIMAL, set_up=("percent",)),
    "int": replace(_INTEGER, set_up=("int", "integer")),
    "boolean": replace(_BOOLEAN, set_up=("boolean", "checkbox"), aggregatable=False, ordered=False),
    "date": replace(_DATE, set_up=("date",)),
    "datetime": replace(_DATETIME, set_up=("datetime",)),
    "time": replace(_TIME, set_up=("time",)),
    "id": _ID,
    "reference": replace(_ID, set_up=("reference", "lookup"), ordered=False),
    "address": replace(_PARTS, soap_type="urn:address"),
    "location": replace(_PARTS, soap_type="urn:location", set_up=("location", "geolocation")),
}

#: every name under which a custom field can be made -> its type
SET_UP_NAMES = {name: type_ for type_, kind in KINDS.items() for name in kind.set_up}
