"""The forms of field mappings: what is set in the list, and a mapping that is added by hand."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from syncer.admin.ui.typed import AnyModelForm
from syncer.admin.ui.words import field_label
from syncer.models import Direction, FieldMapping, SyncUser
from syncer.salesforce.describe import FieldDescribe, ObjectDescribe
from syncer.salesforce.kinds import kind_of
from syncer.sync.fields.automatic import own_key
from syncer.sync.fields.object_map import PERSON_COLUMNS
from syncer.sync.pull.describes import take_over

#: What the engine itself keeps of every record.
NEVER_MAPPED = frozenset({"Id", "IsDeleted", "MasterRecordId", "SystemModstamp"})
KEY_LENGTH = 100
SAME_NAME = "A new custom field of that name"


def only_received(described: FieldDescribe) -> bool:
    """Whether values of this kind of field can't be sent, whatever the sync user may do."""
    return described.calculated or described.auto_number or kind_of(described).receive_only


def is_fixed(mapping: FieldMapping) -> bool:
    """Whether the direction can't be chosen: Salesforce's kind of field or the sync user's access lets nothing out."""
    if mapping.described and only_received(FieldDescribe.from_dict(mapping.described)):
        return True
    may_send = mapping.createable or mapping.updateable
    return mapping.readable and not may_send and mapping.direction != Direction.SEND


def winner_choices(mapping: FieldMapping, *, short: bool = False) -> list[tuple[str, str]]:
    """Whose value stays, with what an empty setting means for this object; ``short`` fits into a column."""
    set_for_object = "Salesforce" if mapping.sync_user.winner_for(mapping.object) == "salesforce" else "Here"
    return [
        ("", f"Default: {set_for_object}" if short else f"As for {mapping.object.lower()}s ({set_for_object})"),
        ("marketo", "This database"),
        ("salesforce", "Salesforce"),
    ]


class MappingForm(AnyModelForm):
    """What can be set of a mapping that is there; on its own page."""

    class Meta:
        model = FieldMapping
        fields: tuple[str, ...] = ("enabled", "direction", "winner", "keep_filled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        mapping = self.instance
        direction = cast(forms.ChoiceField | None, self.fields.get("direction"))
        winner = cast(forms.ChoiceField | None, self.fields.get("winner"))
        if direction is None or winner is None or mapping.sync_user_id is None:
            return  # somebody who may only look, or the empty row that a list without rows asks for its scripts
        direction.choices = list(Direction.choices)
        winner.choices, winner.help_text = winner_choices(mapping), ""
        if is_fixed(mapping):
            direction.disabled = winner.disabled = True
            direction.help_text = "It can't be sent: Salesforce computes it, or the sync user may not edit it."
            self.initial["direction"] = Direction.RECEIVE

    def clean_direction(self) -> str:
        """A field that may become editable later keeps the direction that was set for it."""
        mapping = self.instance
        if mapping.described and only_received(FieldDescribe.from_dict(mapping.described)):
            return str(Direction.RECEIVE)
        return str(mapping.direction if is_fixed(mapping) else self.cleaned_data["direction"])


class MappingRowForm(MappingForm):
    """One row of the list."""

    class Meta(MappingForm.Meta):
        fields = ("direction", "winner", "enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.sync_user_id is not None:
            cast(forms.ChoiceField, self.fields["winner"]).choices = winner_choices(self.instance, short=True)
        name = f"{self.instance.object} {self.instance.label or self.instance.salesforce_field}"
        for key, label in (("direction", "Direction"), ("winner", "If both sides changed"), ("enabled", "On")):
            self.fields[key].widget.attrs["aria-label"] = f"{label}: {name}"


class NewMappingForm(AnyModelForm):
    """A mapping of a field that is not mapped by itself. Made for one object by ``new_mapping_form``."""

    sync_user: SyncUser
    described: ObjectDescribe

    salesforce_field = forms.ChoiceField(label="Salesforce field")
    person_field = forms.ChoiceField(label="Person field", required=False)

    class Meta:
        model = FieldMapping
        fields = ("salesforce_field", "person_field", "direction", "winner", "keep_filled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.instance.sync_user, self.instance.object = self.sync_user, self.described.name
        self._mappings = list(self.sync_user.mappings.all())
        names, persons, winner = (
            cast(forms.ChoiceField, self.fields[key]) for key in ("salesforce_field", "person_field", "winner")
        )
        free = sorted(self._free_fields(), key=lambda field: field.label.lower())
        names.choices = [("", "Choose…"), *((field.name, _option(field)) for field in free)]
        taken = {mapping.person_field for mapping in self._mappings if mapping.object == self.described.name}
        columns = [(key, field_label(key)) for key in PERSON_COLUMNS if key not in taken]
        persons.choices = [("", SAME_NAME), *columns]
        persons.help_text = "Fields of the person that no other field of this object is mapped to."
        winner.choices, winner.help_text = winner_choices(self.instance), ""

    def _free_fields(self) -> list[FieldDescribe]:
        mapped = {m.salesforce_field for m in self._mappings if m.object == self.described.name}
        never = {name.lower() for name in mapped | NEVER_MAPPED | {self.sync_user.external_id_field}}
        return [f for f in self.described.fields.values() if f.name.lower() not in never and kind_of(f).in_queries]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        described = self.described.fields.get(cleaned.get("salesforce_field") or "")
        if described is None or "person_field" in self.errors:
            return cleaned
        taken = {m.person_field.lower() for m in self._mappings if m.object == self.described.name}
        own = own_key(self.described.name, described, self._mappings, taken)
        person_field = cleaned["person_field"] = cleaned.get("person_field") or own
        self.instance.person_field = person_field
        take_over(self.instance, described)
        if self.instance.problem:
            self.add_error("person_field", self.instance.problem)
        elif any(m.object == self.described.name and m.person_field == person_field for m in self._mappings):
            self.add_error("person_field", f"{field_label(person_field)} is mapped to another field.")
        elif len(person_field) > KEY_LENGTH:
            self.add_error("salesforce_field", "Its name is too long for a custom field here.")
        if only_received(described):
            cleaned["direction"] = Direction.RECEIVE
        return cleaned


def _option(field: FieldDescribe) -> str:
    received = ", received only" if only_received(field) or field.read_only else ""
    return f"{field.label} – {field.name} ({field.type}{received})"


def new_mapping_form(sync_user: SyncUser, described: ObjectDescribe) -> type[NewMappingForm]:
    """The form class for one object."""
    make_class: Any = type(NewMappingForm)
    attributes = {"sync_user": sync_user, "described": described, "__module__": __name__}
    return cast(type[NewMappingForm], make_class("BoundNewMappingForm", (NewMappingForm,), attributes))
