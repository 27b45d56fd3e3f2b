"""A compiled query: how to count it, fix its rows and read them."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sandbox.errors import SalesforceError
from sandbox.schema.sobject import SObject
from sandbox.soql.ast import Condition, Function, Junction, Membership, Negation, Operand, Order, Path, Query
from sandbox.soql.conditions import Conditions
from sandbox.soql.functions import call, is_aggregate
from sandbox.soql.parser import located, malformed
from sandbox.soql.scope import Fragment, Reader, Scope
from sandbox.soql.selection import Selection
from sandbox.soql.shape import AggregateShape, Shape, converter
from sandbox.store.database import Database

MAX_OFFSET = 2000
_MAX_GROUPED = 2000


def too_complicated(reason: object = "") -> SalesforceError:
    """The query has more formulas, or a deeper condition, than can be carried out."""
    message = "Query is either selecting too many fields or the filter conditions are too complicated."
    return SalesforceError(400, "QUERY_TOO_COMPLICATED", f"{message} {reason}".rstrip())


def root_object(query: Query, reader: Reader) -> SObject:
    """The object behind FROM; INVALID_TYPE if the user has none of this name."""
    item = reader.view.object(query.object_name)
    if item is None:
        message = (
            f"sObject type '{query.object_name}' is not supported. If you are attempting to use a custom "
            "object, be sure to append "
            "the '__c' after the entity name. Please reference your WSDL or the describe call for the "
            "appropriate names."
        )
        raise located(query.text, query.object_position, message, "INVALID_TYPE")
    return item


def _subselect(query: Query, outer: Scope) -> Fragment:
    """``IN (SELECT Field FROM …)``."""
    item = root_object(query, outer.reader)
    scope = Scope(outer.reader, item, query.text, query.alias, outer.names)
    if len(query.select) != 1 or not isinstance(query.select[0].value, Path) or query.group or query.limit is not None:
        raise malformed("a semi join sub-select selects exactly one field")
    column = scope.resolve(query.select[0].value)
    if not column.field.is_id:
        raise malformed(f"The selected field '{column.field.name}' in the subquery and the left operand must be ids")
    where = _where(query.where, scope)
    conditions = [*scope.restrictions(), f"{column.sql} IS NOT NULL", *([where.sql] if where.sql else [])]
    return Fragment(f"SELECT {column.sql} FROM {scope.source()} WHERE {' AND '.join(conditions)}", where.parameters)


def _where(condition: Condition | None, scope: Scope) -> Fragment:
    return Fragment("") if condition is None else Conditions(scope, _subselect).compile(condition)


def _semi_joins(condition: Condition | None) -> int:
    if isinstance(condition, Junction):
        return sum(_semi_joins(part) for part in condition.parts)
    if isinstance(condition, Negation):
        return _semi_joins(condition.part)
    return int(isinstance(condition, Membership) and isinstance(condition.values, Query))


class Plan:
    """One query, compiled for one reader."""

    def __init__(self, query: Query, reader: Reader) -> None:
        self.query = query
        self.reader = reader
        self.item = root_object(query, reader)
        if len(query.text) > reader.most_characters:
            raise malformed(f"SOQL statement is too long; the maximum length is {reader.most_characters} characters")
        if query.offset is not None and query.offset > MAX_OFFSET:
            raise SalesforceError(400, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
        if _semi_joins(query.where) > 2:
            raise malformed("Maximum 2 semi join sub-selects are allowed")
        self.scope = Scope(reader, self.item, query.text, query.alias)
        self.counts = self._counts_only()
        self.grouped = not self.counts and (bool(query.group) or any(is_aggregate(item.value) for item in query.select))
        if query.having is not None and not query.group:
            raise malformed("HAVING needs GROUP BY")
        self.shape: Shape | AggregateShape
        self.selection = Selection(self.scope, query)
        if self.grouped:
            self._group()
        elif not self.counts:
            self.selection.fill()
            self.shape = self.selection.shape
            self._columns = self.selection.columns
        self._where = _where(query.where, self.scope)
        self._order = [] if self.counts else self._ordering()
        if reader.most_formulas is not None and self.scope.formulas > reader.most_formulas:
            raise too_complicated()

    def _counts_only(self) -> bool:
        value = self.query.select[0].value
        if not (isinstance(value, Function) and value.name == "COUNT" and not value.arguments):
            return False
        if len(self.query.select) > 1 or self.query.group or self.query.order:
            raise malformed("COUNT() must be the only element in the SELECT list, without grouping or ordering")
        return True

    # Grouping

    def _group(self) -> None:
        shape, columns, number = AggregateShape(), [], 0
        for item in self.query.select:
            if isinstance(item.value, Query):
                raise malformed("Grouped query: a subquery cannot be selected")
            if isinstance(item.value, Path):
                if not self._is_grouped(item.value):
                    message = f"Field must be grouped or aggregated: {item.value.text}"
                    raise located(self.query.text, item.value.position, message)
                column = self.scope.resolve(item.value)
                key = item.alias or column.field.name
            else:
                column = call(item.value, self.scope, aggregates=True)
                key = item.alias or f"expr{number}"
                number += item.alias is None
            columns.append(column.sql)
            shape.add(key, converter(column.field))
        self.shape, self._columns = shape, columns

    def _is_grouped(self, path: Path) -> bool:
        wanted = tuple(part.lower() for part in self.scope.parts(path))
        return any(
            isinstance(entry, Path) and tuple(part.lower() for part in self.scope.parts(entry)) == wanted
            for entry in self.query.group
        )

    def _operand(self, operand: Operand, *, aggregates: bool) -> str:
        if isinstance(operand, Function):
            return call(operand, self.scope, aggregates=aggregates).sql
        column = self.scope.resolve(operand)
        return column.sql

    def _group_by(self) -> str:
        parts = []
        for operand in self.query.group:
            if isinstance(operand, Path):
                field = self.scope.resolve(operand).field
                if not field.groupable:
                    raise SalesforceError(
                        400, "INVALID_FIELD", f"field '{field.name}' can not be grouped in a query call"
                    )
            parts.append(self._operand(operand, aggregates=False))
        return f" GROUP BY {', '.join(parts)}" if parts else ""

    # Ordering

    def _ordering(self) -> list[str]:
        return [self._order_item(entry) for entry in self.query.order]

    def _order_item(self, entry: Order) -> str:
        definite = False
        if isinstance(entry.left, Path):
            column = self.scope.resolve(entry.left)
            if not column.field.sortable:
                raise SalesforceError(
                    400, "INVALID_FIELD", f"field '{column.field.name}' can not be sorted in a query call"
                )
            sql = column.sql + (" COLLATE NOCASE" if column.field.computed and column.field.is_text else "")
            definite = (
                column.field.name in ("Id", "SystemModstamp", "CreatedDate") and len(self.scope.parts(entry.left)) == 1
            )
        else:
            sql = self._operand(entry.left, aggregates=self.grouped)
        direction = " DESC" if entry.descending else ""
        if definite:
            return sql + direction
        return f"{sql}{direction} NULLS {'LAST' if entry.nulls_last else 'FIRST'}"

    # Statements

    def _conditions(self) -> str:
        conditions = [*self.scope.restrictions(), *([self._where.sql] if self._where.sql else [])]
        if self.query.scope == "mine":
            user = self.reader.user_id.replace("'", "")
            conditions.append(f"{self.scope.root}.OwnerId = '{user}'" if self.item.has("OwnerId") else "0")
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def _limits(self) -> str:
        limit, offset = self.query.limit, self.query.offset
        if limit is None and offset is None:
            return ""
        return f" LIMIT {-1 if limit is None else min(limit, 2**62)} OFFSET {offset or 0}"

    def _body(self) -> str:
        order = f" ORDER BY {', '.join(self._order)}" if self._order else ""
        return f" FROM {self.scope.source()}{self._conditions()}{order}{self._limits()}"

    def count(self, database: Database) -> int:
        """How many rows the query has."""
        inner = f"SELECT 1 FROM {self.scope.source()}{self._conditions()}{self._limits()}"
        return int(database.one(f"SELECT COUNT(*) FROM ({inner})", self._where.parameters)[0])

    def aggregate(self, database: Database) -> list[dict[str, Any]]:
        """The rows of a grouped query."""
        having = Fragment("")
        if self.query.having is not None:
            having = Conditions(self.scope, _subselect, having=True).compile(self.query.having)
        group = self._group_by()
        order = f" ORDER BY {', '.join(self._order)}" if self._order else ""
        sql = f"SELECT {', '.join(self._columns)} FROM {self.scope.source()}{self._conditions()}{group}"
        sql += (f" HAVING {having.sql}" if having.sql else "") + order + self._limits()
        rows = database.execute(sql, self._where.parameters + having.parameters).fetchmany(_MAX_GROUPED + 1)
        if len(rows) > _MAX_GROUPED:
            raise SalesforceError(
                400,
                "EXCEEDED_ID_LIMIT",
                "Aggregate query does not support queryMore(), use LIMIT to restrict the results",
            )
        return [record for row in rows if (record := self.shape.build(row)) is not None]

    def first(self, database: Database, rows: int) -> list[Sequence[Any]]:
        """The first rows, as they come."""
        sql = f"SELECT {', '.join(self._columns)}{self._body()}"
        return database.execute(sql, self._where.parameters).fetchmany(rows)

    def row_numbers(self, database: Database) -> Any:
        """The numbers of all rows in the query's order."""
        return database.execute(f"SELECT {self.scope.root}._row{self._body()}", self._where.parameters)

    def all_row_numbers(self, database: Database) -> array[int]:
        """The same at once: a text made by the database is quicker to read than a row for each number."""
        inner = f"SELECT {self.scope.root}._row AS number{self._body()}"
        (text,) = database.one(f"SELECT json_group_array(number) FROM ({inner})", self._where.parameters)
        return array("q", json.loads(text))

    def read(self, database: Database, numbers: Sequence[int]) -> list[Sequence[Any]]:
        """These rows as they are now, without those deleted or hidden since."""
        restrictions = self.scope.restrictions()
        where = f" WHERE {' AND '.join(restrictions)}" if restrictions else ""
        source = self.scope.source().partition(" ")
        # CROSS JOIN keeps SQLite from changing the order of the tables, and so of the rows
        joined = f"json_each(?) j CROSS JOIN {source[0]} {self.scope.root} ON {self.scope.root}._row = j.value"
        joins = " ".join(self.scope.joins)
        sql = f"SELECT {', '.join(self._columns)} FROM {joined} {joins}{where} ORDER BY j.key"
        return database.execute(sql, (json.dumps(list(numbers)),)).fetchall()

    def records(self, database: Database, rows: list[Sequence[Any]]) -> list[dict[str, Any]]:
        """The records in rows, with the children that subqueries ask for."""
        records = [record for row in rows if (record := self.shape.build(row)) is not None]
        for name, field, child, query in self.selection.children:
            self._add_children(database, rows, records, name, field.name, child, query)
        return records

    def _add_children(
        self,
        database: Database,
        rows: list[Sequence[Any]],
        records: list[dict[str, Any]],
        name: str,
        field: str,
        child: SObject,
        query: Query,
    ) -> None:
        plan = ChildPlan(replace(query, object_name=child.name, text=self.query.text), self.reader)
        grouped = plan.by_parent(database, field, [row[0] for row in rows])
        for row, record in zip(rows, records, strict=True):
            found = grouped.get(row[0])
            record[name] = {"totalSize": len(found), "done": True, "records": found} if found else None


class ChildPlan(Plan):
    """A subquery in a select list: read once for all parents of a page."""

    def by_parent(self, database: Database, field: str, parents: list[str]) -> dict[str, list[dict[str, Any]]]:
        """The records of each parent, in the subquery's order; its LIMIT holds per parent."""
        if self.grouped or self.counts or self.selection.children:
            raise malformed("only fields can be selected in a subquery of the select list")
        column = f'{self.scope.root}."{field}"'
        conditions = [*self.scope.restrictions(), f"{column} IN (SELECT value FROM json_each(?))"]
        conditions += [self._where.sql] if self._where.sql else []
        order = f" ORDER BY {', '.join(self._order)}" if self._order else ""
        sql = (
            f"SELECT {', '.join(self._columns)}, {column} FROM {self.scope.source()} WHERE "
            f"{' AND '.join(conditions)}{order}"
        )
        grouped: dict[str, list[dict[str, Any]]] = {}
        for row in database.execute(sql, (json.dumps(parents), *self._where.parameters)):
            siblings = grouped.setdefault(row[-1], [])
            record = self.shape.build(row)
            if record is not None and (self.query.limit is None or len(siblings) < self.query.limit):
                siblings.append(record)
        return grouped
