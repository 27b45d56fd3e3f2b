"""The record form: which fields it has, how each is shown, and what a browser's answer means."""

from __future__ import annotations

from typing import Any

from sandbox.page.markup import text
from sandbox.schema.field import Field
from sandbox.schema.sobject import SObject

_HIDDEN = {
    "IsConverted",
    "OwnerId",
    "GeocodeAccuracy",
    "CleanStatus",
    "Jigsaw",
    "CompanyDunsNumber",
    "DandbCompanyId",
    "IndividualId",
    "EmailBouncedReason",
    "EmailBouncedDate",
    "IsUnreadByOwner",
    "Latitude",
    "Longitude",
    "AccountId",
    "ReportsToId",
}
#: types whose control is not a plain text input
_INPUT_TYPES = {"phone": "tel", "date": "date"}


def editable(item: SObject) -> list[Field]:
    """The fields of the form, in the describe's order."""
    return [
        field
        for field in item.fields.values()
        if field.updateable
        and field.stored
        and field.name not in _HIDDEN
        and not field.name.endswith(("Latitude", "Longitude", "GeocodeAccuracy"))
    ]


def wanted(fields: list[Field], form: dict[str, str], shown: dict[str, Any]) -> dict[str, Any]:
    """The values to save: only those that differ from what the form showed when it was opened."""
    changes: dict[str, Any] = {}
    for field in fields:
        if field.name not in form and f"was:{field.name}" not in form:
            # the form did not have this field
            continue
        given: Any = form.get(field.name, "")
        before = form.get(f"was:{field.name}", as_text(field, shown.get(field.name)))
        if field.type == "boolean":
            given = "true" if given else "false"
        given = given.replace("\r\n", "\n")
        if given != before.replace("\r\n", "\n"):
            changes[field.name] = given == "true" if field.type == "boolean" else given
    return changes


def as_text(field: Field, value: Any) -> str:
    """A JSON value as the form shows it."""
    if value is None:
        return ""
    if field.type == "boolean":
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and not field.scale else f"{value:.{field.scale}f}"
    return str(value).removeprefix("\x00#")


def field_html(field: Field, value: str, before: str, error: str | None) -> str:
    """One labelled control, with Salesforce's refusal beside it."""
    name, wide = text(field.name), " wide" if field.type == "textarea" and field.length > 255 else ""
    described = f' aria-describedby="{name}-error" aria-invalid="true"' if error else ""
    note = f'<span class="error" id="{name}-error">{text(error)}</span>' if error else ""
    was = f'<input type="hidden" name="was:{name}" value="{text(before)}">'
    required = "" if field.nillable or field.type == "boolean" else " *"
    label = f'<label for="{name}">{text(field.label)}{required}</label>'
    wrong = " wrong" if error else ""
    if field.type == "boolean":
        checked = " checked" if value == "true" else ""
        box = f'<input type="checkbox" id="{name}" name="{name}" value="true"{checked}{described}>'
        return f'<div class="field{wrong}"><label for="{name}">{box}{text(field.label)}</label>{was}{note}</div>'
    if field.type == "picklist":
        control = _select(field, value, described)
    elif field.type == "textarea":
        control = f'<textarea id="{name}" name="{name}"{described}>\n{text(value)}</textarea>'
    else:
        kind = _INPUT_TYPES.get(field.type, "text")
        control = f'<input type="{kind}" id="{name}" name="{name}" value="{text(value)}"{described} autocomplete="off">'
    hint = {"multipicklist": "values separated by ;", "datetime": "UTC, such as 2026-01-31T09:30:00Z"}.get(field.type)
    small = f"<small>{hint}</small>" if hint else ""
    return f'<div class="field{wide}{wrong}">{label}{control}{small}{was}{note}</div>'


def _select(field: Field, value: str, described: str) -> str:
    values = [entry.value for entry in field.picklist_values if entry.active]
    if value and value not in values:
        values.append(value)
    options = "".join(
        f'<option value="{text(each)}"{" selected" if each == value else ""}>{text(each) or "—"}</option>'
        for each in ["", *values]
    )
    return f'<select id="{text(field.name)}" name="{text(field.name)}"{described}>{options}</select>'
