"""The form of a person: it saves the values that were edited in it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from syncer.admin.persons import state_country
from syncer.admin.persons.snapshot import seal, unseal
from syncer.admin.persons.state_country import COUNTRY, STATE
from syncer.admin.persons.values import FormValue
from syncer.admin.persons.widgets import form_field, initial
from syncer.admin.ui import display
from syncer.admin.ui.typed import AnyModelForm
from syncer.models import Person
from syncer.salesforce.kinds import BadValue

SNAPSHOT = "shown_values"
OUT_OF_DATE = "This page was incomplete or belongs to another person. It shows the current values now; edit them again."
IDENTITY = ("first_name", "last_name", "email", "company")


class PersonForm(AnyModelForm):
    """Made for one person by ``person_form``. After validation ``edits`` holds key → (old, new).

    1. A value that was sent as it had been shown is not an edit: it is not even validated.
    2. An edited value is written if the person still has what was shown; if it changed meanwhile, the form comes back
       with the input kept and the new value told, and a second save is deliberate.
    3. A form that comes back shows the person's current values wherever nothing was edited.
    """

    form_values: Sequence[FormValue] = ()

    class Meta:
        model = Person
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.edits: dict[str, tuple[Any, Any]] = {}
        self._touched: dict[str, Any] = {}
        self._adding = self.instance.pk is None
        for value in self.form_values:
            current = initial(value, value.read(self.instance))
            if current is not None and not (self._adding and value.name in self.initial):
                self.initial[value.name] = current
        self.initial[SNAPSHOT] = self._sealed()

    def _sealed(self) -> str:
        shown = {value.key: value.read(self.instance) for value in self.form_values}
        return seal(self.instance.pk, shown)

    @property
    def changed_data(self) -> list[str]:
        return [value.name for value in self.form_values if value.key in self.edits]

    def has_changed(self) -> bool:
        return bool(self.edits)

    # -- validation ----------------------------------------------------------------------------------------------------

    def _clean_fields(self) -> None:
        shown = unseal(self.instance.pk, self.data.get(SNAPSHOT, ""))
        if shown is None:
            self.add_error(None, OUT_OF_DATE)
            return
        for value in self.form_values:
            if value.read_only:
                continue
            try:
                self._clean_value(value, shown.get(value.key, "" if value.column is not None else None))
            except ValidationError as error:
                self.add_error(value.name, error)
            except BadValue as error:
                self.add_error(value.name, str(error))

    def _clean_value(self, value: FormValue, shown: Any) -> None:
        bound, current = self[value.name], value.read(self.instance)
        if bound.data is None and not isinstance(bound.field, forms.MultipleChoiceField):
            return  # not in the page
        if _as_texts(bound.data) == self._as_rendered(value, shown):
            return
        self._touched[value.name] = bound.data
        new = value.canonical(bound.field.clean(bound.data))
        if new == shown:
            del self._touched[value.name]
        elif new != current:
            if current != shown:
                raise ValidationError(
                    f"Changed to {display.value(current)} by somebody else after this page was opened (it showed "
                    f"{display.value(shown)}). Your input is kept: save again to replace it."
                )
            self.edits[value.key] = (current, new)

    def _as_rendered(self, value: FormValue, shown: Any) -> list[str]:
        """What a browser sends back for a value that nobody touches."""
        field = self.fields[value.name]
        return _as_texts(field.widget.format_value(field.prepare_value(initial(value, shown))))

    def clean(self) -> dict[str, Any]:
        if self._adding and not self.errors and not any(key in self.edits for key in IDENTITY):
            raise ValidationError("Enter at least a name, an e-mail address or a company.")
        self._clean_places()
        return self.cleaned_data

    def _clean_places(self) -> None:
        """A state goes with its country, where Salesforce has lists of them."""
        values = {value.key: value for value in self.form_values if value.places is not None}
        edited = [key for key in (STATE, COUNTRY) if key in self.edits and key in values]
        if not edited or self.errors or len(values) < 2:
            return
        now = {
            key: self.edits[key][1] if key in self.edits else value.read(self.instance) for key, value in values.items()
        }
        places = values[STATE].places
        if places is not None and (problem := state_country.problem(places, now[COUNTRY], now[STATE])):
            self.add_error(STATE if STATE in edited else COUNTRY, problem)

    def _post_clean(self) -> None:
        if self.errors:
            self._show_current_values()
            return
        for value in self.form_values:
            if value.key in self.edits:
                value.assign(self.instance, self.edits[value.key][1])

    def _show_current_values(self) -> None:
        data = cast(QueryDict, self.data).copy()
        for value in self.form_values:
            if value.name in self._touched or value.read_only:
                continue
            if value.name in self.data or isinstance(self.fields[value.name], forms.MultipleChoiceField):
                # An empty list is not sent.
                data.setlist(value.name, self._as_rendered(value, value.read(self.instance)))
        data[SNAPSHOT] = self._sealed()
        self.data = data


def _as_texts(raw: Any) -> list[str]:
    if raw is None:
        return [""]
    parts = raw if isinstance(raw, (list, tuple)) else [raw]
    return sorted(str(part if part is not None else "").replace("\r\n", "\n") for part in parts) or [""]


def person_form(person: Person | None, form_values: Sequence[FormValue]) -> type[PersonForm]:
    """The form class for one person, with a typed form field for each value."""
    blank = person or Person()
    fields: dict[str, Any] = {value.name: form_field(value, value.read(blank)) for value in form_values}
    fields[SNAPSHOT] = forms.CharField(widget=forms.HiddenInput(), required=False)
    attributes = fields | {"form_values": tuple(form_values)}
    make_class: Any = type(PersonForm)
    return cast(type[PersonForm], make_class("BoundPersonForm", (PersonForm,), attributes))
