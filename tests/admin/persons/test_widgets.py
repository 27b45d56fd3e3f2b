"""The table of form fields: an entry for every kind of value, which gives back what it shows."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from django import forms
from django.db import models
from django.utils import timezone

from syncer.admin.persons.values import COLUMN_KINDS, GROUPS, FormValue
from syncer.admin.persons.widgets import FORM_KINDS, form_field, initial
from syncer.salesforce.describe import FieldDescribe, PicklistValue
from syncer.salesforce.ids import to_18
from syncer.salesforce.kinds import KINDS, Family
from syncer.sync.fields.object_map import PERSON_COLUMNS
from syncer.sync.fields.state_country import Places

CHOICES = tuple(PicklistValue(value, value, default=False, active=True) for value in ("Red", "Blue"))
#: family -> a canonical value; any other one is a text
SAMPLES: dict[str, Any] = {
    "boolean": False,
    "number": "12.50",
    "date": "2026-01-31",
    "datetime": "2026-01-31T10:00:00Z",
    "time": "10:00:00.000Z",
    "picklist": "Blue",
    "multipicklist": "Blue;Red",
}


def value_of(kind: str, **described: Any) -> FormValue:
    describe = FieldDescribe("X__c", "Some Field", kind, length=100, scale=2, **described)
    return FormValue("X__c", "Some Field", "Custom fields", None, describe)


def test_every_family_and_every_column_has_an_entry_and_no_entry_is_of_nothing() -> None:
    assert set(FORM_KINDS) == {*get_args(Family), *COLUMN_KINDS.values(), "place"}


def test_every_field_of_the_person_is_in_the_form_once() -> None:
    names = [name for names in GROUPS.values() for name in names]
    assert sorted(names) == sorted(PERSON_COLUMNS)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_form_shows_of_any_type_comes_back_as_it_was(kind: str) -> None:
    value = value_of(kind, picklist=CHOICES)
    sample = "12" if KINDS[kind].whole else SAMPLES.get(KINDS[kind].family, to_18("00Q000000000001"))
    field = form_field(value, sample)
    with timezone.override("UTC"):
        shown = field.widget.format_value(field.prepare_value(initial(value, sample)))
        given = shown if isinstance(field, forms.MultipleChoiceField) or not isinstance(shown, list) else shown[0]
        assert value.canonical(field.clean(given)) == sample


@pytest.mark.parametrize("column", [None, *PERSON_COLUMNS.values()])
def test_an_empty_value_is_shown_empty(column: models.Field[Any, Any] | None) -> None:
    for kind in KINDS:
        value = FormValue("x", "X", "Person", column, FieldDescribe("X", "X", kind))
        assert initial(value, None) is None
        assert form_field(value, None).required is False


@pytest.mark.parametrize(
    ("kind", "step"), [("int", "1"), ("long", "1"), ("double", "0.01"), ("currency", "0.01"), ("percent", "0.01")]
)
def test_numbers_are_counted_in_steps_of_their_last_decimal_place(kind: str, step: str) -> None:
    assert form_field(value_of(kind), None).widget.attrs["step"] == step


def test_a_column_is_entered_as_what_it_holds_and_by_choice_where_salesforce_has_a_list() -> None:
    listed = FieldDescribe("X", "X", "picklist", picklist=CHOICES)

    def made(name: str, describe: FieldDescribe | None = None, places: Places | None = None) -> str:
        value = FormValue(name, name, "Person", PERSON_COLUMNS[name], describe, places=places)
        return type(form_field(value, None)).__name__

    assert made("title") == "CharField"
    assert made("title", listed) == "ChoiceField"
    assert made("title", FieldDescribe("X", "X", "picklist")) == "CharField"
    assert made("email", listed) == "AddressField"
    assert made("street", listed) == "CharField"
    assert made("person_score", FieldDescribe("X", "X", "double")) == "IntegerField"
    assert made("unsubscribed") == "ChoiceField"
    assert made("country", None, Places(("Norway",), {})) == "ChoiceField"
