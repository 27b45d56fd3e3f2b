"""WHERE and HAVING as SQL.

SOQL has two truth values: a comparison with an empty field is false, except ``!=``, ``NOT IN`` and ``EXCLUDES``,
which an empty field fulfils. So NOT turns around what IFNULL has made definite.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

from sandbox.clock import wire_datetime
from sandbox.errors import SalesforceError
from sandbox.schema.field import Field
from sandbox.soql import dates, values
from sandbox.soql.ast import (
    Comparison,
    Condition,
    Function,
    Includes,
    Junction,
    Literal,
    Membership,
    Negation,
    Path,
    Query,
)
from sandbox.soql.functions import call
from sandbox.soql.parser import malformed
from sandbox.soql.scope import Column, Fragment, Scope

Subselect = Callable[[Query, Scope], Fragment]


class Conditions:
    """Compiles conditions in one scope. ``subselect`` compiles ``IN (SELECT …)``; ``having`` lets aggregates in."""

    def __init__(self, scope: Scope, subselect: Subselect, *, having: bool = False) -> None:
        self._scope = scope
        self._subselect = subselect
        self._having = having

    def compile(self, condition: Condition) -> Fragment:
        """The SQL of a condition."""
        if isinstance(condition, Junction):
            parts = [self.compile(part) for part in condition.parts]
            sql = "(" + f" {condition.operator} ".join(part.sql for part in parts) + ")"
            return Fragment(sql, tuple(value for part in parts for value in part.parameters))
        if isinstance(condition, Negation):
            return _negated(self.compile(condition.part))
        if isinstance(condition, Membership):
            return self._membership(condition)
        if isinstance(condition, Includes):
            return self._includes(condition)
        return self._comparison(condition)

    def _left(self, left: Path | Function) -> Column:
        if isinstance(left, Function):
            return call(left, self._scope, aggregates=self._having)
        column = self._scope.resolve(left)
        if not column.field.filterable:
            raise SalesforceError(
                400, "INVALID_FIELD", f"field '{column.field.name}' can not be filtered in a query call"
            )
        return column

    def _comparison(self, condition: Comparison) -> Fragment:
        column = self._left(condition.left)
        literal, operator = condition.value, condition.operator
        if column.field.type == "multipicklist" and operator not in ("=", "!="):
            raise self._operator(column.field)
        if literal.kind == "relative":
            return self._relative(column, operator, literal)
        if operator == "LIKE":
            return self._like(column, literal)
        value = values.stored(column.field, literal)
        if value is None:
            if operator not in ("=", "!="):
                raise self._operator(column.field)
            return Fragment(f"{column.sql} IS {'NOT ' if operator == '!=' else ''}NULL")
        if operator not in ("=", "!=") and not column.field.kind.ordered:
            raise self._operator(column.field)
        sql, value = self._folded(column, value)
        if operator == "=":
            return Fragment(f"{sql} = ?", (value,))
        if operator == "!=":
            return Fragment(f"{sql} IS NOT ?", (value,))
        return Fragment(f"{sql} {operator} ?", (value,))

    def _operator(self, field: Field) -> SalesforceError:
        return SalesforceError(
            400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {field.type} field: {field.name}"
        )

    @staticmethod
    def _folded(column: Column, value: Any) -> tuple[str, Any]:
        """Text is compared without regard to case; beyond ASCII SQLite needs help for it."""
        if Conditions._needs_folding(column.field, value):
            return f"casefold({column.sql})", value.casefold()
        if column.field.is_text and column.field.computed:
            return f"{column.sql} COLLATE NOCASE", value
        return column.sql, value

    def _like(self, column: Column, literal: Literal) -> Fragment:
        if not column.field.is_text:
            raise self._operator(column.field)
        if literal.kind != "string":
            raise values.misfit(column.field, literal)
        if literal.text.isascii() and len(literal.text) < 1000:
            return Fragment(f"{column.sql} LIKE ? ESCAPE '\\'", (literal.text,))
        return Fragment(f"wide_like({column.sql}, ?)", (literal.text,))

    def _relative(self, column: Column, operator: str, literal: Literal) -> Fragment:
        if not column.field.is_date:
            if column.field.is_text or column.field.is_id:
                raise values.misfit(column.field, literal)
            raise malformed(f"Bind variables only allowed in Apex code: {literal.text}")
        try:
            span = dates.covered(literal.text, self._scope.reader.now.date())
        except (OverflowError, ValueError) as error:
            raise malformed(f"invalid date literal: {literal.text}") from error
        if span is None:
            raise values.misfit(column.field, literal)
        first, after = (self._bound(column.field, day) for day in span)
        sql = column.sql
        if operator == "=":
            return Fragment(f"({sql} >= ? AND {sql} < ?)", (first, after))
        if operator == "!=":
            return Fragment(f"({sql} IS NULL OR {sql} < ? OR {sql} >= ?)", (first, after))
        bound = {"<": ("<", first), ">": (">=", after), "<=": ("<", after), ">=": (">=", first)}.get(operator)
        if bound is None:
            raise self._operator(column.field)
        return Fragment(f"{sql} {bound[0]} ?", (bound[1],))

    def _bound(self, field: Field, day: date) -> str:
        """Where a day begins: as a day, or as the moment at which it begins where the organisation is."""
        if field.type != "datetime":
            return day.isoformat()
        return wire_datetime(datetime.combine(day, time(), self._scope.reader.now.tzinfo))

    def _membership(self, condition: Membership) -> Fragment:
        column = self._left(condition.left)
        if isinstance(condition.values, Query):
            return self._semi_join(column, condition.values, condition.negated)
        if any(literal.kind == "relative" for literal in condition.values):
            parts = tuple(Comparison(condition.left, "=", literal) for literal in condition.values)
            either: Condition = Junction("OR", parts)
            return self.compile(Negation(either) if condition.negated else either)
        inside = self._in_list(column, [values.stored(column.field, literal) for literal in condition.values])
        return _negated(inside) if condition.negated else inside

    def _semi_join(self, column: Column, query: Query, negated: bool) -> Fragment:
        if not column.field.is_id:
            raise malformed("The inner and outer selects should be on the same object type")
        inner = self._subselect(query, self._scope)
        if negated:
            return Fragment(f"IFNULL({column.sql} NOT IN ({inner.sql}), 1)", inner.parameters)
        return Fragment(f"{column.sql} IN ({inner.sql})", inner.parameters)

    def _in_list(self, column: Column, wanted: list[Any]) -> Fragment:
        """One of these values, None among them for an empty field."""
        present = [value for value in wanted if value is not None]
        folded = [value.casefold() for value in present if self._needs_folding(column.field, value)]
        plain = [value for value in present if not self._needs_folding(column.field, value)]
        collation = " COLLATE NOCASE" if column.field.is_text and column.field.computed else ""
        parts = [f"{column.sql}{collation} IN (SELECT value FROM json_each(?))"]
        parameters = [json.dumps(plain)]
        if folded:
            parts.append(f"casefold({column.sql}) IN (SELECT value FROM json_each(?))")
            parameters.append(json.dumps(folded))
        if len(present) < len(wanted):
            parts.append(f"{column.sql} IS NULL")
        return Fragment("(" + " OR ".join(parts) + ")", tuple(parameters))

    @staticmethod
    def _needs_folding(field: Field, value: Any) -> bool:
        return isinstance(value, str) and field.is_text and not field.case_sensitive and not value.isascii()

    def _includes(self, condition: Includes) -> Fragment:
        column = self._left(condition.left)
        if column.field.type != "multipicklist":
            raise self._operator(column.field)
        alternatives, parameters = [], []
        for literal in condition.values:
            if literal.kind != "string":
                raise values.misfit(column.field, literal)
            wanted = [part.strip() for part in literal.text.split(";")]
            alternatives.append(
                "(" + " AND ".join(["INSTR(casefold(';' || " + column.sql + " || ';'), ?) > 0"] * len(wanted)) + ")"
            )
            parameters += [f";{part.casefold()};" for part in wanted]
        inside = Fragment("(" + " OR ".join(alternatives) + ")", tuple(parameters))
        return _negated(inside) if condition.negated else inside


def _negated(inner: Fragment) -> Fragment:
    return Fragment(f"(NOT IFNULL({inner.sql}, 0))", inner.parameters)
