"""The select list: the columns to read and the shape of the records."""

from __future__ import annotations

from sandbox.errors import SalesforceError
from sandbox.schema.describe import child_relationship
from sandbox.schema.field import Field
from sandbox.schema.sobject import SObject
from sandbox.soql.ast import Function, Item, Path, Query
from sandbox.soql.functions import call
from sandbox.soql.parser import located, malformed
from sandbox.soql.scope import Scope
from sandbox.soql.shape import Shape, converter

_FIELDS_LIMIT = 200


class Selection:
    """Collects the columns of a query without grouping."""

    def __init__(self, scope: Scope, query: Query) -> None:
        self.scope = scope
        self.columns: list[str] = []
        self._base = f"/services/data/v{scope.reader.version}/sobjects/"
        self.shape = Shape(scope.item.name, self._base, self._column(f"{scope.root}.Id"))
        self.children: list[tuple[str, Field, SObject, Query]] = []
        self.long_texts = 0
        self._query = query
        self._seen: set[str] = set()

    def fill(self) -> None:
        """Take every entry of the select list."""
        for item in self._query.select:
            if isinstance(item.value, Query):
                self._child(item.value)
            elif isinstance(item.value, Function):
                self._function(item.value, item.alias)
            else:
                self._path(item.value, item)

    def _column(self, sql: str) -> int:
        self.columns.append(sql)
        return len(self.columns) - 1

    def _once(self, key: str) -> None:
        if key.lower() in self._seen:
            raise SalesforceError(400, "INVALID_FIELD", f"duplicate field selected: {key}")
        self._seen.add(key.lower())

    def _path(self, path: Path, item: Item) -> None:
        if item.alias is not None:
            raise located(
                self.scope.text, path.position, f"only aggregate expressions use field aliasing: {item.alias}"
            )
        parts = self.scope.parts(path)
        self._once(".".join(parts))
        shape = self._parent_shape(parts[:-1], path)
        alias, owner = self.scope.parent(parts[:-1], path)
        field = owner.field(parts[-1])
        if field is None:
            raise self.scope.no_column(parts[-1], owner, path)
        self.take(field, owner, alias, shape)

    def take(self, field: Field, owner: SObject, alias: str, shape: Shape) -> None:
        """Select one field."""
        self.long_texts += field.is_long_text
        if field.is_compound:
            parts = []
            for key, name in owner.address_parts(field.name).items():
                part = owner.fields[name]
                parts.append((key, self._column(self.scope.expression(part, owner, alias)), converter(part)))
            shape.add_compound(field.name, parts)
            return
        index = self._column(self.scope.expression(field, owner, alias))
        shape.add(field.name, index, converter(field, self.scope.reader.sees_encrypted))

    def take_all(self, fields: list[Field]) -> None:
        """Select fields of the root object."""
        for field in fields:
            self.take(field, self.scope.item, self.scope.root, self.shape)

    def _parent_shape(self, parts: tuple[str, ...], path: Path) -> Shape:
        shape = self.shape
        walked: tuple[str, ...] = ()
        owner = self.scope.item
        for part in parts:
            walked = (*walked, part)
            alias, target = self.scope.parent(walked, path)
            reference = owner.relationship(part)
            key = (reference.relationship_name if reference else None) or part
            if key not in shape.parents:
                type_index = self._column(f"{alias}.Type") if target.name == "Name" else None
                shape.add_parent(key, Shape(target.name, self._base, self._column(f"{alias}.Id"), type_index))
            shape, owner = shape.parents[key], target
        return shape

    def _function(self, function: Function, alias: str | None) -> None:
        if function.name == "FIELDS":
            self._fields(function)
            return
        column = call(function, self.scope, aggregates=False)
        key = alias or column.field.name
        self._once(key)
        self.shape.add(key, self._column(column.sql), converter(column.field, self.scope.reader.sees_encrypted))

    def _fields(self, function: Function) -> None:
        which = (
            function.arguments[0].text.upper() if function.arguments and isinstance(function.arguments[0], Path) else ""
        )
        if which not in ("ALL", "STANDARD", "CUSTOM"):
            raise located(self.scope.text, function.position, "FIELDS() takes ALL, STANDARD or CUSTOM")
        if which != "STANDARD" and (self._query.limit is None or self._query.limit > _FIELDS_LIMIT):
            message = "The SOQL FIELDS function must have a LIMIT of at most 200"
            raise malformed(message)
        for field in self.scope.item.fields.values():
            if which == "ALL" or field.custom == (which == "CUSTOM"):
                self._once(field.name)
                self.take(field, self.scope.item, self.scope.root, self.shape)

    def _child(self, query: Query) -> None:
        for child in self.scope.reader.view.objects.values():
            for field in child.fields.values():
                name = child_relationship(child, field)
                if name and self.scope.item.name in field.reference_to and name.lower() == query.object_name.lower():
                    self._once(name)
                    self.children.append((name, field, child, query))
                    return
        message = f"Didn't understand relationship '{query.object_name}' in FROM part of query call."
        raise located(self.scope.text, query.object_position, message, "INVALID_TYPE")
