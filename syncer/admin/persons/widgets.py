"""The form field and widget of each kind of value: one table. A new family of Salesforce types is an entry in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.core.validators import EmailValidator

from syncer.admin.persons import state_country
from syncer.admin.persons.values import FormValue
from syncer.salesforce.kinds import scale

THREE_STATES = [("", "Not set"), ("true", "Yes"), ("false", "No")]
#: Characters that a line to type into is made for; a field of more gets several lines.
LONG_TEXT = 255
#: The largest whole number that both databases and Salesforce hold.
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


class ValidAddress(EmailValidator):
    """As everywhere, and with letters of any script before the @, as real exports have them. What Salesforce does not
    take it refuses."""

    user_regex = re.compile(
        r"^[-!#$%&'*+/=?^_`{}|~0-9A-Z\u0080-\U0010ffff]+(\.[-!#$%&'*+/=?^_`{}|~0-9A-Z\u0080-\U0010ffff]+)*\Z"
        r'|^"([\001-\010\013\014\016-\037!#-\[\]-\177]|\\[\001-\011\013\014\016-\177])*"\Z',
        re.IGNORECASE,
    )


class AddressField(forms.EmailField):
    """Browsers take ASCII only in fields of type *email*."""

    widget = forms.TextInput(attrs={"inputmode": "email", "spellcheck": "false"})
    default_validators = [ValidAddress()]


def form_field(value: FormValue, current: Any) -> forms.Field:
    """The form field; ``current`` is the value to show, which a select keeps although Salesforce no longer lists it."""
    field = FORM_KINDS[value.kind].field(value, current)
    field.label = value.label
    field.help_text = value.note
    field.disabled = value.read_only
    field.required = False
    return field


def initial(value: FormValue, current: Any) -> Any:
    """The value to show, as its form field takes it."""
    return None if current is None else FORM_KINDS[value.kind].initial(current)


# -- what the fields are ----------------------------------------------------------------------------------------------


def _text(value: FormValue, current: Any) -> forms.Field:
    long = value.column is None and value.describe is not None and value.describe.length > LONG_TEXT
    return _several_lines(value, current) if long else forms.CharField(max_length=_length(value))


def _several_lines(value: FormValue, current: Any) -> forms.Field:
    return forms.CharField(max_length=_length(value), widget=forms.Textarea(attrs={"rows": "3"}))


def _email(value: FormValue, current: Any) -> forms.Field:
    return AddressField(max_length=_length(value))


def _boolean(value: FormValue, current: Any) -> forms.Field:
    return forms.ChoiceField(choices=THREE_STATES)


def _picklist(value: FormValue, current: Any) -> forms.Field:
    if value.describe is None or not value.describe.picklist:
        return _text(value, current)
    return forms.ChoiceField(choices=[("", "(empty)"), *_choices(value, [current] if current else [])])


def _multipicklist(value: FormValue, current: Any) -> forms.Field:
    choices = _choices(value, _parts(current) if current else [])
    widget = forms.SelectMultiple(attrs={"size": str(min(max(len(choices), 3), 8))})
    return forms.MultipleChoiceField(choices=choices, widget=widget)


def _date(value: FormValue, current: Any) -> forms.Field:
    return forms.DateField(widget=DateInput(), input_formats=["%Y-%m-%d"])


def _datetime(value: FormValue, current: Any) -> forms.Field:
    formats = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S"]
    return forms.DateTimeField(widget=DateTimeInput(), input_formats=formats)


def _time(value: FormValue, current: Any) -> forms.Field:
    return forms.CharField(widget=TimeInput(attrs={"step": "1"}))


def _integer(value: FormValue, current: Any) -> forms.Field:
    return forms.IntegerField(min_value=-LARGEST, max_value=LARGEST, widget=forms.NumberInput())


def _number(value: FormValue, current: Any) -> forms.Field:
    decimals = scale(value.describe) if value.describe is not None else 0
    step = f"0.{'0' * (decimals - 1)}1" if decimals else "1"
    return forms.CharField(widget=forms.NumberInput(attrs={"step": step}))


def _place(value: FormValue, current: Any) -> forms.Field:
    assert value.places is not None  # what makes it one
    return state_country.field(value.key, value.places, current)


# -- what they show ---------------------------------------------------------------------------------------------------


def _as_it_is(current: Any) -> Any:
    return current


def _parts(current: Any) -> list[str]:
    return str(current).split(";")


def _moment(current: Any) -> Any:
    try:
        return datetime.fromisoformat(str(current).replace("Z", "+00:00"))
    except ValueError:
        return current


@dataclass(frozen=True, slots=True)
class FormKind:
    """How values of one kind are entered."""

    #: the value, and what it is now -> its form field
    field: Callable[[FormValue, Any], forms.Field]
    #: what it is now -> that as the form field takes it
    initial: Callable[[Any], Any] = _as_it_is


#: One entry for each family of Salesforce types, and for what only columns are.
FORM_KINDS = {
    "text": FormKind(_text),
    "textarea": FormKind(_several_lines),
    "picklist": FormKind(_picklist),
    "multipicklist": FormKind(_multipicklist, _parts),
    "boolean": FormKind(_boolean, lambda current: "true" if current else "false"),
    "number": FormKind(_number),
    "date": FormKind(_date),
    "datetime": FormKind(_datetime, _moment),
    "time": FormKind(_time, lambda current: str(current)[: len("10:00:00")]),
    "compound": FormKind(_text),
    "email": FormKind(_email),
    "integer": FormKind(_integer),
    "place": FormKind(_place),
}


def _choices(value: FormValue, kept: list[Any]) -> list[tuple[str, str]]:
    """The active entries, and what the person has although it is not among them."""
    listed = value.describe.picklist if value.describe is not None else ()
    known: dict[str, str] = {}  # describe may list a value twice
    for entry in listed:
        if entry.active and entry.value:
            known.setdefault(entry.value, entry.label)
    return [*known.items(), *((str(one), f"{one} (not in Salesforce's list)") for one in kept if str(one) not in known)]


def _length(value: FormValue) -> int | None:
    """The characters that fit both here and in Salesforce; a value that only stays here may be longer."""
    lengths = []
    if value.column is not None and value.column.max_length:
        lengths.append(value.column.max_length)
    if value.describe is not None and value.describe.length and not value.note:
        lengths.append(value.describe.length)
    return min(lengths) if lengths else None
