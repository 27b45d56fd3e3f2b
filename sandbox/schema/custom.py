"""Custom fields: what a definition means, and those that the organisation is delivered with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.errors import SalesforceError
from sandbox.schema.field import LONG_TEXT, Field, PicklistValue
from sandbox.schema.formula import with_renamed
from sandbox.schema.kinds import KINDS, SET_UP_NAMES
from sandbox.schema.sobject import place_parts

#: types of set-up whose values are longer, or are HTML
_LONG_TEXT, _HTML = ("longtextarea", "html", "richtextarea"), ("html", "richtextarea")
_LONG_DEFAULT = 32768


def _invalid(message: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_FIELD", message)


def _values(given: Any) -> tuple[PicklistValue, ...]:
    values = []
    for entry in given or []:
        if isinstance(entry, str):
            values.append(PicklistValue(entry, entry))
        elif isinstance(entry, dict) and "value" in entry:
            text = str(entry["value"])
            values.append(
                PicklistValue(
                    text, str(entry.get("label", text)), bool(entry.get("active", True)), bool(entry.get("default"))
                )
            )
        else:
            raise _invalid(f"picklist values must be texts or objects with a value: {entry!r}")
    return tuple(values)


def _checked_name(name: str) -> str:
    stem = name.removesuffix("__c")
    if stem == name or not stem.replace("_", "").isalnum() or not name[0].isalpha() or not name.isascii():
        raise _invalid(f"the name of a custom field is letters, digits and underscores and ends in __c: {name}")
    return name


class _Definition:
    """A definition as it was given, and what follows from it."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        self.name = _checked_name(str(given.get("name", "")))
        #: the type as set-up names it
        self.asked = str(given.get("type", "string")).lower().replace("-", "").replace("_", "").replace(" ", "")
        if self.asked not in SET_UP_NAMES:
            raise _invalid(f"unknown type of field: {given.get('type')}")
        self.type = SET_UP_NAMES[self.asked]
        self.kind = KINDS[self.type]
        self.length = int(given.get("length") or (_LONG_DEFAULT if self.asked in _LONG_TEXT else self.kind.length))
        self.formula = given.get("formula") or given.get("calculatedFormula")
        self.auto_number = self.asked == "autonumber" or bool(given.get("autoNumber"))

    def has(self, key: str) -> bool:
        """Whether a switch is on."""
        return bool(self.given.get(key))

    def writable(self, key: str) -> bool:
        """Whether users may set it: unless the definition says no, or the system sets it."""
        by_system = self.formula or self.auto_number or self.kind.kept == "parts"
        return not by_system and self.given.get(key, True) is not False

    def nillable(self) -> bool:
        """Whether it may be empty."""
        return self.type != "boolean" and not self.has("required") and self.given.get("nillable", True) is not False

    def decimal(self, key: str, default: int) -> int:
        """Precision or scale; 0 for what is no decimal."""
        return int(self.given.get(key, default)) if self.kind.kept == "decimal" else 0

    def filterable(self) -> bool:
        """Whether a WHERE clause can name it."""
        too_long = self.type == "textarea" and self.length > LONG_TEXT
        return self.kind.filterable and not too_long

    def default(self) -> Any:
        """The value of a new record."""
        given = self.given.get("defaultValue")
        return int(given in (True, "true", 1)) if self.type == "boolean" else given

    def reference_to(self) -> tuple[str, ...]:
        """The objects that a lookup leads to."""
        given = self.given.get("referenceTo") or ()
        return (given,) if isinstance(given, str) else tuple(given)

    def relationship(self) -> str | None:
        """The name under which queries follow a lookup."""
        if self.type != "reference":
            return None
        return str(self.given.get("relationshipName") or self.name.removesuffix("__c") + "__r")

    def mask(self, key: str, default: str) -> str | None:
        """How encrypted text is masked; None for any other type."""
        return (self.given.get(key) or default) if self.type == "encryptedstring" else None


def build(definition: dict[str, Any]) -> Field:
    """The field that a definition describes. Keys are those of a field's describe, ``type`` also as in set-up."""
    asked = _Definition(definition)
    kind, filterable = asked.kind, asked.filterable()
    return Field(
        name=asked.name,
        label=str(definition.get("label") or asked.name.removesuffix("__c").replace("_", " ")),
        type=asked.type,
        length=asked.length,
        byte_length=asked.length * (1 if kind.kept == "id" else 3),
        precision=asked.decimal("precision", 18),
        scale=asked.decimal("scale", 0),
        digits=kind.digits,
        nillable=asked.nillable(),
        createable=asked.writable("createable"),
        updateable=asked.writable("updateable"),
        defaulted_on_create=asked.type == "boolean" or asked.auto_number,
        calculated=bool(asked.formula),
        custom=True,
        permissionable=not asked.has("required"),
        filterable=filterable,
        sortable=filterable and kind.sortable,
        groupable=filterable and kind.groupable and not asked.formula,
        id_lookup=asked.has("externalId"),
        external_id=asked.has("externalId"),
        unique=asked.has("unique"),
        restricted_picklist=bool(definition.get("restrictedPicklist", definition.get("restricted"))),
        reference_to=asked.reference_to(),
        relationship_name=asked.relationship(),
        picklist_values=_values(definition.get("picklistValues", definition.get("values"))),
        default=asked.default(),
        formula=str(asked.formula) if asked.formula else None,
        case_sensitive=asked.has("caseSensitive"),
        help_text=definition.get("inlineHelpText"),
        mask_type=asked.mask("maskType", "all"),
        mask_char=asked.mask("maskChar", "asterisk"),
        auto_number=asked.auto_number,
        html_formatted=asked.asked in _HTML,
    )


#: what can be changed of a standard field
_OF_STANDARD = {"object", "name", "label", "values", "picklistValues", "restrictedPicklist", "restricted"}


def changed(field: Field, definition: dict[str, Any]) -> Field:
    """A standard field with another label, or other picklist values."""
    unfit = definition.keys() - _OF_STANDARD
    if unfit:
        raise _invalid(f"cannot be changed of the standard field {field.name}: {', '.join(sorted(unfit))}")
    given = definition.get("picklistValues", definition.get("values"))
    return replace(
        field,
        label=str(definition.get("label") or field.label),
        picklist_values=field.picklist_values if given is None else _values(given),
        restricted_picklist=bool(
            definition.get("restrictedPicklist", definition.get("restricted", field.restricted_picklist))
        ),
    )


def renamed(definition: dict[str, Any], field: Field, name: str) -> dict[str, Any]:
    """A definition after a field of its object has got another API name: its own, or one that its formula reads."""
    if definition["name"] == field.name:
        definition = {**definition, "name": _checked_name(name), "label": field.label}
    formulas = {
        key: with_renamed(definition[key], field.name, name)
        for key in ("formula", "calculatedFormula")
        if definition.get(key)
    }
    return definition | formulas


def place_fields(definition: dict[str, Any], compound: Field) -> list[Field]:
    """The latitude and longitude behind a geolocation field."""
    scale = int(definition.get("scale") or 5)
    return [
        Field(
            name=name,
            label=f"{compound.label} ({key.title()})",
            type="double",
            precision=scale + 3,
            scale=scale,
            nillable=compound.nillable,
            custom=True,
            permissionable=True,
            groupable=False,
            compound_field_name=compound.name,
        )
        for key, name in place_parts(compound.name).items()
    ]


_TERRITORY = (
    'IF(ISBLANK(Region__c), "Unassigned", CASE(TEXT(Region__c), "EMEA", "East", "APAC", "Pacific", "LATAM", '
    '"South", "West"))'
)

#: the custom fields of Lead and Contact as delivered
DELIVERED: tuple[dict[str, Any], ...] = (
    {"name": "Person_Id__c", "label": "Person Id", "type": "string", "length": 64, "externalId": True, "unique": True},
    {"name": "Lead_Score__c", "label": "Lead Score", "type": "double", "precision": 18, "scale": 0},
    {"name": "Newsletter__c", "label": "Newsletter", "type": "boolean"},
    {
        "name": "Interests__c",
        "label": "Interests",
        "type": "multipicklist",
        "values": [
            "Analytics",
            "Automation",
            "Data Quality",
            "Events",
            "Integration",
            "Reporting",
            "Security",
            "Training",
        ],
    },
    {"name": "Renewal_Date__c", "label": "Renewal Date", "type": "date"},
    {"name": "Last_Visit__c", "label": "Last Visit", "type": "datetime"},
    {"name": "Budget__c", "label": "Budget", "type": "currency", "precision": 18, "scale": 2},
    {"name": "Discount__c", "label": "Discount", "type": "percent", "precision": 5, "scale": 2},
    {"name": "Notes__c", "label": "Notes", "type": "longtextarea", "length": 32768},
    {
        "name": "Region__c",
        "label": "Region",
        "type": "picklist",
        "restrictedPicklist": True,
        "values": ["EMEA", "APAC", "LATAM", "North America"],
    },
    {"name": "Territory__c", "label": "Territory", "type": "string", "length": 1300, "formula": _TERRITORY},
)
