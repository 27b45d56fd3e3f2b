"""The organisation's schema: standard objects plus custom fields, and each user's own view of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sandbox.schema import persons, recordtypes
from sandbox.schema.custom import DELIVERED, build, changed, place_fields, renamed
from sandbox.schema.field import Field
from sandbox.schema.places import with_codes, without_codes
from sandbox.schema.sobject import SObject
from sandbox.schema.standard import standard_objects

Access = dict[tuple[str, str, str], str]
State = tuple[list[dict[str, Any]], dict[str, SObject], Access]
#: Salesforce allows no more on an object, those of packages among them
MOST_CUSTOM = 900


class View:
    """The objects as one user sees them: hidden fields are not there, read-only ones cannot be written."""

    def __init__(self, objects: dict[str, SObject]) -> None:
        self.objects = objects
        self._by_lower = {name.lower(): item for name, item in objects.items()}
        self._by_prefix = {item.key_prefix: item for item in objects.values()}

    def object(self, name: str) -> SObject | None:
        """The object of this name, in any case."""
        return self._by_lower.get(name.lower())

    def object_of(self, record_id: str) -> SObject | None:
        """The object that an id belongs to."""
        return self._by_prefix.get(record_id[:3])


class Catalog:
    """All objects and fields, and who may see which field."""

    def __init__(self) -> None:
        self.objects: dict[str, SObject] = {item.name: item for item in standard_objects()}
        self.definitions: list[dict[str, Any]] = []
        self.access: Access = {}
        self._person_accounts = False
        self._views: dict[str, View] = {}
        self.whole = View(self.objects)

    def deliver(self) -> None:
        """Add the custom fields that Lead and Contact have from the start."""
        for object_name in ("Lead", "Contact"):
            for definition in DELIVERED:
                self.put_field({**definition, "object": object_name})

    def put_field(self, definition: dict[str, Any]) -> tuple[SObject, Field, Field | None]:
        """Add or change a custom field, change a standard one; gives the object, the field and what it was before."""
        item = self.whole.object(str(definition.get("object", "")))
        if item is None:
            raise KeyError(definition.get("object"))
        before = item.field(str(definition.get("name", "")))
        if before is not None:
            definition = {**(self._definition(item.name, before.name) or {}), **definition, "name": before.name}
        kept = {**definition, "object": item.name}
        field = changed(before, kept) if before is not None and not before.custom else build(kept)
        self._keep(kept, field.name)
        parts = place_fields(kept, field) if field.type == "location" else []
        self._replace(item.with_fields({**item.fields, field.name: field, **{part.name: part for part in parts}}))
        if sum(each.custom for each in self.objects[item.name].fields.values()) > MOST_CUSTOM:
            raise ValueError(f"an object has at most {MOST_CUSTOM} custom fields")
        return item, field, before

    def _keep(self, definition: dict[str, Any], name: str) -> None:
        """Remember a definition, in its place if it is one of a field that is there already."""
        place = (definition["object"], name)
        if self._definition(*place) is None:
            self.definitions = [*self.definitions, definition]
        else:
            self.definitions = [
                definition if (entry["object"], entry["name"]) == place else entry for entry in self.definitions
            ]

    def rename_field(self, object_name: str, old: str, new: str) -> Field:
        """Another API name for a custom field, in its old place; formulas that read it go on."""
        item = self.objects[object_name]
        clash = item.field(new)
        if clash is not None and clash.name != old:
            raise ValueError(f"{object_name} has a field {clash.name} already")
        self.definitions = [
            renamed(entry, item.fields[old], new) if entry["object"] == object_name else entry
            for entry in self.definitions
        ]
        fields = {}
        for name, field in item.fields.items():
            name = new if name == old else name
            definition = self._definition(object_name, name)
            fields[name] = build(definition) if definition is not None and field.custom else field
        self.access = {
            (user, name, new if (name, field) == (object_name, old) else field): access
            for (user, name, field), access in self.access.items()
        }
        self._replace(item.with_fields(fields))
        return fields[new]

    def remove_field(self, object_name: str, name: str) -> bool:
        """Take a custom field away; False if there is none."""
        item = self.whole.object(object_name)
        field = item.field(name) if item else None
        if item is None or field is None or not field.custom:
            return False
        self.definitions = [
            entry for entry in self.definitions if (entry["object"], entry["name"]) != (item.name, field.name)
        ]
        gone = {field.name} | {part.name for part in item.fields.values() if part.compound_field_name == field.name}
        self._replace(item.with_fields({key: value for key, value in item.fields.items() if key not in gone}))
        return True

    def switch_places(self, on: bool) -> None:
        """Give every address code fields for its state and country, or take them away."""
        for item in list(self.objects.values()):
            changed = with_codes(item) if on else without_codes(item)
            if changed.fields.keys() != item.fields.keys():
                self._replace(changed)

    def switch_person_accounts(self, on: bool) -> None:
        """Let accounts be persons, or not."""
        self._person_accounts = on
        self._replace(*persons.fitted(self.objects, on).values())

    def switch_record_types(self, names: Collection[str]) -> None:
        """These objects have record types."""
        for item in list(self.objects.values()):
            changed = recordtypes.fitted(item, names)
            if changed.fields.keys() != item.fields.keys():
                self._replace(changed)

    def state(self) -> State:
        """The schema at this moment, to return to."""
        return list(self.definitions), dict(self.objects), dict(self.access)

    def take_back(self, state: State) -> None:
        """Return to an earlier schema."""
        self.definitions, self.objects, self.access = state
        self.whole = View(self.objects)
        self._views.clear()

    def _definition(self, object_name: str, name: str) -> dict[str, Any] | None:
        return next(
            (entry for entry in self.definitions if (entry["object"], entry["name"]) == (object_name, name)), None
        )

    def _replace(self, *items: SObject) -> None:
        self.objects.update((item.name, item) for item in items)
        if self._person_accounts:
            # an account that is a person shows what its contact has
            self.objects.update(persons.fitted(self.objects, True))
        self.whole = View(self.objects)
        self._views.clear()

    def set_access(self, user_id: str, object_name: str, field: str, access: str) -> None:
        """Let a user not see a field (``hidden``), ``read`` or ``edit`` it. The field ``*`` is the object itself."""
        self.access[(user_id, object_name, field)] = access
        self._views.pop(user_id, None)

    def replace_access(self, access: Access) -> None:
        """Take over the access rules of a stored organisation."""
        self.access = access
        self._views.clear()

    def view(self, user_id: str) -> View:
        """The schema as a user sees it."""
        found = self._views.get(user_id)
        if found is None:
            found = self._views[user_id] = self._make_view(user_id)
        return found

    def _make_view(self, user_id: str) -> View:
        rules = {(item, field): access for (user, item, field), access in self.access.items() if user == user_id}
        if not rules:
            return View(self.objects)
        objects = {}
        for name, item in self.objects.items():
            whole = rules.get((name, "*"), "edit")
            if whole == "hidden":
                continue
            fields = {}
            for field in item.fields.values():
                access = rules.get((name, field.name), "edit")
                if access == "hidden":
                    continue
                fields[field.name] = replace(field, createable=False, updateable=False) if access == "read" else field
            seen = item.with_fields(fields)
            if whole == "read":
                seen = replace(seen, createable=False, updateable=False, deletable=False, _by_lower={})
            objects[name] = seen
        return View(objects)
