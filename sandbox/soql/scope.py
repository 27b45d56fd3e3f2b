"""Which columns the names in a query stand for, and the joins that reach them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import count
from typing import Any

from sandbox.errors import SalesforceError
from sandbox.schema.catalog import View
from sandbox.schema.field import Field
from sandbox.schema.formula import compile_formula
from sandbox.schema.sobject import SObject
from sandbox.schema.standard import standard_objects
from sandbox.soql.ast import Path
from sandbox.soql.parser import MAX_QUERY, located
from sandbox.store.database import quote

_MAX_LEVELS = 5
_HINT = (
    "If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. "
    "Please reference your WSDL or the describe call for the appropriate names."
)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of SQL and the values of its question marks."""

    sql: str
    parameters: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, when, and what is out of sight."""

    view: View
    #: with the fields that the user may not see: formulas read them all the same
    whole: View
    user_id: str
    #: in the organisation's time zone
    now: datetime
    version: str = "59.0"
    deleted_too: bool = False
    hides: bool = False
    #: objects of which the user sees own records only
    private: frozenset[str] = frozenset()
    sees_encrypted: bool = False
    #: how many formulas a query may have; None for any number
    most_formulas: int | None = None
    most_characters: int = MAX_QUERY


@dataclass(frozen=True, slots=True)
class Column:
    """A field at one place of the query."""

    sql: str
    field: Field
    owner: SObject


@lru_cache(maxsize=1)
def name_object() -> SObject:
    """The pseudo-object that a reference to several objects leads to (``Lead.Owner``)."""
    user = next(item for item in standard_objects() if item.name == "User")
    names = ("Id", "Name", "FirstName", "LastName", "Username", "Alias", "Email", "Title", "Phone", "IsActive")
    fields = {name: user.fields[name] for name in names}
    fields["Type"] = replace(user.fields["Title"], name="Type", label="Type")
    return SObject("Name", "Name", "Names", "000", fields, createable=False, updateable=False, deletable=False)


class Scope:
    """The root object of one query and the parents joined so far."""

    def __init__(
        self, reader: Reader, item: SObject, text: str, alias: str | None = None, names: Iterator[int] | None = None
    ) -> None:
        self.reader = reader
        self.item = item
        self.text = text
        self.names = names or count()
        self.root = f"t{next(self.names)}"
        self.joins: list[str] = []
        self.formulas = 0
        self._written_alias = (alias or "").lower()
        self._parents: dict[tuple[str, ...], tuple[str, SObject]] = {}

    def parts(self, path: Path) -> tuple[str, ...]:
        """The path without the query's own alias, or the object's name, in front."""
        if len(path.parts) > 1 and path.parts[0].lower() in (self._written_alias, self.item.name.lower()):
            return path.parts[1:]
        return path.parts

    def resolve(self, path: Path) -> Column:
        """The column that a path leads to; INVALID_FIELD if there is none that the user may see."""
        parts = self.parts(path)
        alias, item = self.parent(parts[:-1], path)
        field = item.field(parts[-1])
        if field is None:
            raise self.no_column(parts[-1], item, path)
        return Column(self.expression(field, item, alias), field, item)

    def no_column(self, name: str, item: SObject, path: Path) -> SalesforceError:
        """Salesforce's words for a field that is not there."""
        return located(
            self.text, path.position, f"No such column '{name}' on entity '{item.name}'. {_HINT}", "INVALID_FIELD"
        )

    def parent(self, parts: tuple[str, ...], path: Path) -> tuple[str, SObject]:
        """The alias and the object behind relationship names."""
        if not parts:
            return self.root, self.item
        if len(parts) > _MAX_LEVELS:
            raise located(
                self.text,
                path.position,
                "SOQL relationship queries cannot reach more than five levels",
                "INVALID_FIELD",
            )
        key = tuple(part.lower() for part in parts)
        found = self._parents.get(key)
        if found is not None:
            return found
        alias, item = self.parent(parts[:-1], path)
        reference = item.relationship(parts[-1])
        target = self._target(reference)
        if reference is None or target is None:
            message = f"Didn't understand relationship '{parts[-1]}' in field path. {_HINT.replace('__c', '__r')}"
            raise located(self.text, path.position, message, "INVALID_FIELD")
        joined = f"t{next(self.names)}"
        hidden = self.hidden_condition(joined, target)
        self.joins.append(
            f"LEFT JOIN {quote(target.name)} {joined} ON {joined}.Id = {alias}.{quote(reference.name)}"
            + (f" AND {hidden}" if hidden else "")
        )
        self._parents[key] = (joined, target)
        return joined, target

    def _target(self, reference: Field | None) -> SObject | None:
        if reference is None:
            return None
        if len(reference.reference_to) > 1:
            return self._name_object()
        return self.reader.view.object(reference.reference_to[0])

    def _name_object(self) -> SObject:
        """What the user sees of an owner: no more than of a user."""
        item, user = name_object(), self.reader.view.object("User")
        seen = {
            name: field
            for name, field in item.fields.items()
            if name in ("Id", "Name", "Type") or user is None or user.has(name)
        }
        return item if len(seen) == len(item.fields) else item.with_fields(seen)

    def hidden_condition(self, alias: str, item: SObject) -> str:
        """What leaves out the records that sharing hides from the user."""
        user = self.reader.user_id.replace("'", "")
        conditions = []
        if self.reader.hides:
            conditions.append(f"{alias}.Id NOT IN (SELECT id FROM _hidden WHERE user = '{user}')")
        if item.name in self.reader.private:
            conditions.append(f"{alias}.OwnerId = '{user}'")
        return " AND ".join(conditions)

    def expression(self, field: Field, item: SObject, alias: str) -> str:
        """The SQL of a field's stored or computed value."""
        if field.formula is not None:
            self.formulas += 1
            return compile_formula(field, self.reader.whole.objects[item.name].fields, alias)
        if field.shown is not None:
            return field.shown.format(alias)
        if not field.stored:
            return "NULL"
        return f"{alias}.{quote(field.name)}"

    def restrictions(self) -> list[str]:
        """What leaves out deleted and hidden records of the root object."""
        conditions = []
        if self.item.has("IsDeleted") and not self.reader.deleted_too:
            conditions.append(f"{self.root}.IsDeleted = 0")
        hidden = self.hidden_condition(self.root, self.item)
        if hidden:
            conditions.append(hidden)
        return conditions

    def source(self) -> str:
        """The FROM clause."""
        return " ".join([f"{quote(self.item.name)} {self.root}", *self.joins])
