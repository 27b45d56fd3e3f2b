"""One field of an object, with the flags that its describe shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.schema.kinds import KINDS, Kind

#: a longer text area is not in filters
LONG_TEXT = 255


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
    def kind(self) -> Kind:
        """What it has in common with all fields of its type."""
        return KINDS[self.type]

    @property
    def stored(self) -> bool:
        """Whether the table has a column for it."""
        return not self.is_compound and not self.computed

    @property
    def computed(self) -> bool:
        """Whether its value follows from others when it is read: a formula's, or (``shown``) another record's."""
        return self.formula is not None or self.shown is not None

    @property
    def is_compound(self) -> bool:
        """Whether it shows the values of other fields together, as an address does."""
        return self.kind.kept == "parts"

    @property
    def is_text(self) -> bool:
        """Whether its values are text that is compared without regard to case."""
        return self.kind.kept == "text"

    @property
    def is_long_text(self) -> bool:
        """Whether it is a custom text area that takes more than one of 255 characters."""
        return self.custom and self.type == "textarea" and self.length > LONG_TEXT

    @property
    def is_id(self) -> bool:
        """Whether its values are record ids."""
        return self.kind.kept == "id"

    @property
    def is_decimal(self) -> bool:
        """Whether its values are decimals, kept as integers times ten to the power of its scale."""
        return self.kind.kept == "decimal"

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers of any kind."""
        return self.kind.literal == "number"

    @property
    def is_date(self) -> bool:
        """Whether its values are days, or moments that belong to a day."""
        return self.kind.formula == "date"

    @property
    def required(self) -> bool:
        """Whether a new record must have it."""
        return self.createable and not self.nillable and not self.defaulted_on_create

    @property
    def column_type(self) -> str:
        """The SQL type of its column."""
        return self.kind.column.removesuffix(" COLLATE NOCASE") if self.case_sensitive else self.kind.column

    def value_default(self) -> Any:
        """What a new record gets when nothing is given."""
        if self.default is not None:
            return self.default
        if self.kind.chosen:
            return next((value.value for value in self.picklist_values if value.default), None)
        return 0 if self.type == "boolean" else None
