"""One field of an object, with the flags that its describe shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TEXT_TYPES = frozenset(
    {"string", "textarea", "phone", "url", "email", "picklist", "multipicklist", "combobox", "encryptedstring"}
)
NUMBER_TYPES = frozenset({"double", "currency", "percent"})
SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "time": "xsd:time",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "address": "urn:address",
    "location": "urn:location",
}


@dataclass(frozen=True, slots=True)
class PicklistValue:
    """One value of a picklist."""

    value: str
    label: str
    active: bool = True
    default: bool = False
    valid_for: str | None = None  # of a dependent picklist: a bit for each value of the controlling one, base64


@dataclass(frozen=True, slots=True)
class Field:
    """A field as Salesforce describes it."""

    name: str
    label: str
    type: str
    length: int = 0
    byte_length: int = 0
    precision: int = 0
    scale: int = 0
    digits: int = 0
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    defaulted_on_create: bool = False
    calculated: bool = False
    custom: bool = False
    permissionable: bool = False
    filterable: bool = True
    sortable: bool = True
    groupable: bool = True
    id_lookup: bool = False
    external_id: bool = False
    unique: bool = False
    restricted_picklist: bool = False
    compound_field_name: str | None = None
    reference_to: tuple[str, ...] = ()
    relationship_name: str | None = None
    soap_type: str = "xsd:string"
    picklist_values: tuple[PicklistValue, ...] = ()
    default: Any = None
    formula: str | None = None
    case_sensitive: bool = False
    help_text: str | None = None
    mask_type: str | None = None
    mask_char: str | None = None
    auto_number: bool = False
    html_formatted: bool = False
    shown: str | None = None
    controller: str | None = None  # the picklist that this one depends on

    @property
    def stored(self) -> bool:
        """Whether the table has a column for it."""
        return self.type not in ("address", "location") and not self.computed

    @property
    def computed(self) -> bool:
        """Whether its value follows from others when it is read: a formula's, or (``shown``) another record's."""
        return self.formula is not None or self.shown is not None

    @property
    def is_text(self) -> bool:
        """Whether its values are text that is compared without regard to case."""
        return self.type in TEXT_TYPES

    @property
    def is_id(self) -> bool:
        """Whether its values are record ids."""
        return self.type in ("id", "reference") and self.soap_type == "tns:ID"

    @property
    def is_number(self) -> bool:
        """Whether its values are decimals, kept as integers times ten to the power of its scale."""
        return self.type in NUMBER_TYPES

    @property
    def required(self) -> bool:
        """Whether a new record must have it."""
        return self.createable and not self.nillable and not self.defaulted_on_create

    @property
    def column_type(self) -> str:
        """The SQL type of its column."""
        if self.is_text or (self.type == "reference" and not self.is_id):
            return "TEXT" if self.case_sensitive else "TEXT COLLATE NOCASE"
        if self.type == "boolean":
            return "INTEGER NOT NULL DEFAULT 0"
        if self.is_number or self.type == "int":
            return "INTEGER"
        return "TEXT"

    def value_default(self) -> Any:
        """What a new record gets when nothing is given."""
        if self.default is not None:
            return self.default
        if self.type in ("picklist", "multipicklist"):
            return next((value.value for value in self.picklist_values if value.default), None)
        return 0 if self.type == "boolean" else None
