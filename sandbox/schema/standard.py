"""The standard objects, read from the describes of a real organisation (``sandbox/data``)."""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib import resources

from sandbox.schema.field import Field, PicklistValue
from sandbox.schema.members import shown_fields
from sandbox.schema.sobject import SObject

#: boolean fields that are ticked on a new record
_TICKED = {("Lead", "IsUnreadByOwner"), ("User", "IsActive")}


def _read(name: str) -> list[dict[str, str]]:
    text = resources.files("sandbox").joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _picklist(text: str) -> tuple[PicklistValue, ...]:
    """``A|*B|C``: the values in their order, a star before the default."""
    return tuple(
        PicklistValue(part.removeprefix("*"), part.removeprefix("*"), default=part.startswith("*"))
        for part in text.split("|")
        if part
    )


def _field(object_name: str, row: dict[str, str]) -> Field:
    def flag(key: str) -> bool:
        return row[key] == "True"

    return Field(
        name=row["name"],
        label=row["label"],
        type=row["type"],
        length=int(row["length"]),
        byte_length=int(row["byteLength"]),
        precision=int(row["precision"]),
        scale=int(row["scale"]),
        digits=int(row["digits"]),
        nillable=flag("nillable"),
        createable=flag("createable"),
        updateable=flag("updateable"),
        defaulted_on_create=flag("defaultedOnCreate"),
        calculated=flag("calculated"),
        custom=flag("custom"),
        permissionable=flag("permissionable"),
        filterable=flag("filterable"),
        sortable=flag("sortable"),
        groupable=flag("groupable"),
        id_lookup=flag("idLookup"),
        external_id=flag("externalId"),
        unique=flag("unique"),
        restricted_picklist=flag("restrictedPicklist"),
        compound_field_name=row["compoundFieldName"] or None,
        reference_to=tuple(part for part in row["referenceTo"].split("|") if part),
        relationship_name=row["relationshipName"] or None,
        picklist_values=_picklist(row["picklist_values"]),
        default=1 if (object_name, row["name"]) in _TICKED else None,
    )


@lru_cache(maxsize=1)
def standard_objects() -> tuple[SObject, ...]:
    """Every standard object of the organisation, without custom fields of its own."""
    objects = []
    lead = {row["name"]: _field("Lead", row) for row in _read("lead_fields.csv")}
    for row in _read("objects.csv"):
        name = row["name"]
        fields = {item["name"]: _field(name, item) for item in _read(f"{name.lower()}_fields.csv")}
        if name == "CampaignMember":
            fields |= shown_fields(lead)
        objects.append(
            SObject(
                name=name,
                label=row["label"],
                label_plural=row["labelPlural"],
                key_prefix=row["keyPrefix"],
                fields=fields,
                createable=row["createable"] == "True",
                updateable=row["updateable"] == "True",
                deletable=row["deletable"] == "True",
                undeletable=row["undeletable"] == "True",
                mergeable=row["mergeable"] == "True",
                replicateable=row["replicateable"] == "True",
                searchable=row["searchable"] == "True",
                layoutable=row["layoutable"] == "True",
                triggerable=row["triggerable"] == "True",
            )
        )
    return tuple(objects)
