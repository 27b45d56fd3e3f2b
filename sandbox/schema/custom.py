"""Custom fields: what a definition means, and those that the organisation is delivered with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.errors import SalesforceError
from sandbox.schema.field import SOAP_TYPES, Field, PicklistValue
from sandbox.schema.sobject import place_parts

#: names of the set-up pages and of the Metadata API -> the type that describe shows
_TYPE_NAMES = {
    "text": "string",
    "string": "string",
    "textarea": "textarea",
    "longtextarea": "textarea",
    "html": "textarea",
    "richtextarea": "textarea",
    "number": "double",
    "double": "double",
    "int": "int",
    "integer": "int",
    "currency": "currency",
    "percent": "percent",
    "checkbox": "boolean",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "time": "time",
    "email": "email",
    "phone": "phone",
    "url": "url",
    "picklist": "picklist",
    "multiselectpicklist": "multipicklist",
    "multipicklist": "multipicklist",
    "combobox": "combobox",
    "lookup": "reference",
    "reference": "reference",
    "encryptedtext": "encryptedstring",
    "encryptedstring": "encryptedstring",
    "autonumber": "string",
    "location": "location",
    "geolocation": "location",
}
_LENGTHS = {
    "string": 255,
    "textarea": 255,
    "email": 80,
    "phone": 40,
    "url": 255,
    "picklist": 255,
    "multipicklist": 4099,
    "combobox": 255,
    "reference": 18,
    "encryptedstring": 175,
}
_LONG_DEFAULT = 32768
_NOT_IN_FILTERS = 255


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field and the object that has it."""

    object_name: str
    field: Field


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


def _relationship(name: str, given: Any) -> str:
    return str(given) if given else name.removesuffix("__c") + "__r"


def build(definition: dict[str, Any]) -> Field:
    """The field that a definition describes. Keys are those of a field's describe, ``type`` also as in set-up."""
    name = str(definition.get("name", ""))
    if (
        not name.endswith("__c")
        or not name[:-3].replace("_", "").isalnum()
        or not name[0].isalpha()
        or not name.isascii()
    ):
        raise _invalid(f"the name of a custom field is letters, digits and underscores and ends in __c: {name}")
    asked = str(definition.get("type", "string")).lower().replace("-", "").replace("_", "").replace(" ", "")
    kind = _TYPE_NAMES.get(asked)
    if kind is None:
        raise _invalid(f"unknown type of field: {definition.get('type')}")
    long_text = asked in ("longtextarea", "html", "richtextarea")
    length = int(definition.get("length") or (_LONG_DEFAULT if long_text else _LENGTHS.get(kind, 0)))
    numeric = kind in ("double", "currency", "percent")
    formula = definition.get("formula") or definition.get("calculatedFormula")
    auto_number = asked == "autonumber" or bool(definition.get("autoNumber"))
    computed = bool(formula) or auto_number or kind == "location"
    searchable = (
        kind != "location" and not (kind == "textarea" and length > _NOT_IN_FILTERS) and kind != "encryptedstring"
    )
    external_id = bool(definition.get("externalId"))
    default = definition.get("defaultValue")
    if kind == "boolean":
        default = 1 if default in (True, "true", 1) else 0
    reference_to = definition.get("referenceTo") or ()
    return Field(
        name=name,
        label=str(definition.get("label") or name.removesuffix("__c").replace("_", " ")),
        type=kind,
        length=length,
        byte_length=length if kind == "reference" else length * 3,
        precision=int(definition.get("precision", 18)) if numeric else 0,
        scale=int(definition.get("scale", 0)) if numeric else 0,
        digits=8 if kind == "int" else 0,
        nillable=kind != "boolean" and not definition.get("required") and definition.get("nillable", True) is not False,
        createable=not computed and definition.get("createable", True) is not False,
        updateable=not computed and definition.get("updateable", True) is not False,
        defaulted_on_create=kind == "boolean" or auto_number,
        calculated=bool(formula),
        custom=True,
        permissionable=not definition.get("required"),
        filterable=searchable,
        sortable=searchable and kind != "multipicklist",
        groupable=searchable and not numeric and kind not in ("datetime", "multipicklist") and not formula,
        id_lookup=external_id,
        external_id=external_id,
        unique=bool(definition.get("unique")),
        restricted_picklist=bool(definition.get("restrictedPicklist", definition.get("restricted"))),
        reference_to=(reference_to,) if isinstance(reference_to, str) else tuple(reference_to),
        relationship_name=_relationship(name, definition.get("relationshipName")) if kind == "reference" else None,
        soap_type=SOAP_TYPES.get(kind, "xsd:string"),
        picklist_values=_values(definition.get("picklistValues", definition.get("values"))),
        default=default,
        formula=str(formula) if formula else None,
        case_sensitive=bool(definition.get("caseSensitive")),
        help_text=definition.get("inlineHelpText"),
        mask_type=(definition.get("maskType") or "all") if kind == "encryptedstring" else None,
        mask_char=(definition.get("maskChar") or "asterisk") if kind == "encryptedstring" else None,
        auto_number=auto_number,
        html_formatted=asked in ("html", "richtextarea"),
    )


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
            soap_type="xsd:double",
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
