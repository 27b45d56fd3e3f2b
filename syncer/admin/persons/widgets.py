"""The form field and widget of each kind of value."""

from __future__ import annotations

from typing import Any

from django import forms

from syncer.admin.persons import state_country
from syncer.admin.persons.values import FormValue

THREE_STATES = [("", "Not set"), ("true", "Yes"), ("false", "No")]
NUMBERS = frozenset({"int", "long", "double", "currency", "percent"})
LONG_TEXT = 255
#: Digits of whole numbers that both databases and Salesforce hold.
LARGEST = 10**18 - 1


class DateInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class DateTimeInput(forms.DateTimeInput):
    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M:%S", attrs={"step": "1"})


class TimeInput(forms.TextInput):
    input_type = "time"


def form_field(value: FormValue, current: Any) -> forms.Field:
    """The form field; ``current`` is the value to show, which a select keeps although Salesforce no longer lists it."""
    field = _field(value, current)
    field.label = value.label
    field.help_text = value.note
    field.disabled = value.read_only
    field.required = False
    return field


def _field(value: FormValue, current: Any) -> forms.Field:
    kind, described = value.kind, value.describe
    if value.places is not None:
        return state_country.field(value.key, value.places, current)
    if kind == "boolean":
        return forms.ChoiceField(choices=THREE_STATES)
    if kind == "picklist" and described is not None and described.picklist:
        return forms.ChoiceField(choices=[("", "(empty)"), *_choices(value, [current] if current else [])])
    if kind == "multipicklist" and described is not None:
        kept = str(current).split(";") if current else []
        choices = _choices(value, kept)
        widget = forms.SelectMultiple(attrs={"size": str(min(max(len(choices), 3), 8))})
        return forms.MultipleChoiceField(choices=choices, widget=widget)
    if kind == "date":
        return forms.DateField(widget=DateInput(), input_formats=["%Y-%m-%d"])
    if kind == "datetime":
        formats = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S"]
        return forms.DateTimeField(widget=DateTimeInput(), input_formats=formats)
    if kind == "time":
        return forms.CharField(widget=TimeInput(attrs={"step": "1"}))
    if kind == "integer":
        return forms.IntegerField(min_value=-LARGEST, max_value=LARGEST, widget=forms.NumberInput())
    if kind in NUMBERS and described is not None:
        scale = 0 if kind in ("int", "long") else described.scale
        step = "1" if scale == 0 else f"0.{'0' * (scale - 1)}1"
        return forms.CharField(widget=forms.NumberInput(attrs={"step": step}))
    if kind == "email" and value.column is not None:
        return forms.EmailField(max_length=_length(value))
    if kind == "textarea":
        return forms.CharField(max_length=_length(value), widget=forms.Textarea(attrs={"rows": "3"}))
    long = described is not None and value.column is None and described.length > LONG_TEXT
    area = forms.Textarea(attrs={"rows": "3"})
    return forms.CharField(max_length=_length(value), widget=area if long else forms.TextInput())


def _choices(value: FormValue, kept: list[Any]) -> list[tuple[str, str]]:
    """The active entries, and what the person has although it is not among them."""
    listed = value.describe.picklist if value.describe is not None else ()
    choices = [(entry.value, entry.label) for entry in listed if entry.active]
    known = {choice for choice, _ in choices}
    return choices + [(str(one), f"{one} (not in Salesforce's list)") for one in kept if str(one) not in known]


def _length(value: FormValue) -> int | None:
    """The characters that fit both here and in Salesforce; a value that only stays here may be longer."""
    lengths = []
    if value.column is not None and value.column.max_length:
        lengths.append(value.column.max_length)
    if value.describe is not None and value.describe.length and not value.note:
        lengths.append(value.describe.length)
    return min(lengths) if lengths else None
