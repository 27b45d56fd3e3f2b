"""Functions of SOQL: aggregates and the parts of dates."""

from __future__ import annotations

from dataclasses import replace

from sandbox.errors import SalesforceError
from sandbox.schema.field import Field
from sandbox.soql.ast import Function, Path
from sandbox.soql.parser import malformed
from sandbox.soql.scope import Column, Scope

AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"})
_INTEGER = Field("expr", "expr", "int")
_AVERAGE_SCALE = 6

#: name -> SQL of a part of a date or date/time column (stored as ISO text)
_DATE_PARTS = {
    "CALENDAR_YEAR": "CAST(SUBSTR({0}, 1, 4) AS INTEGER)",
    "FISCAL_YEAR": "CAST(SUBSTR({0}, 1, 4) AS INTEGER)",
    "CALENDAR_MONTH": "CAST(SUBSTR({0}, 6, 2) AS INTEGER)",
    "FISCAL_MONTH": "CAST(SUBSTR({0}, 6, 2) AS INTEGER)",
    "CALENDAR_QUARTER": "((CAST(SUBSTR({0}, 6, 2) AS INTEGER) + 2) / 3)",
    "FISCAL_QUARTER": "((CAST(SUBSTR({0}, 6, 2) AS INTEGER) + 2) / 3)",
    "DAY_IN_MONTH": "CAST(SUBSTR({0}, 9, 2) AS INTEGER)",
    "DAY_IN_WEEK": "(CAST(STRFTIME('%w', SUBSTR({0}, 1, 10)) AS INTEGER) + 1)",
    "DAY_IN_YEAR": "CAST(STRFTIME('%j', SUBSTR({0}, 1, 10)) AS INTEGER)",
    "HOUR_IN_DAY": "CAST(SUBSTR({0}, 12, 2) AS INTEGER)",
    "WEEK_IN_MONTH": "((CAST(SUBSTR({0}, 9, 2) AS INTEGER) + 6) / 7)",
    "WEEK_IN_YEAR": "((CAST(STRFTIME('%j', SUBSTR({0}, 1, 10)) AS INTEGER) + 6) / 7)",
}
#: functions that show a value to a person and change nothing in a conditional place
_DISPLAY = frozenset({"TOLABEL", "CONVERTCURRENCY", "FORMAT", "CONVERTTIMEZONE"})


def is_aggregate(value: object) -> bool:
    """Whether the function folds many rows into one."""
    return isinstance(value, Function) and value.name in AGGREGATES


def call(function: Function, scope: Scope, *, aggregates: bool) -> Column:
    """The column that a function gives."""
    if function.name in AGGREGATES:
        if not aggregates:
            raise malformed(f"Grouped query: aggregate function {function.name} is not allowed here")
        return _aggregate(function, scope)
    if function.name in _DATE_PARTS:
        column = _argument(function, scope)
        if not column.field.is_date:
            raise SalesforceError(
                400, "INVALID_FIELD", f"field {column.field.name} does not support date function {function.name}"
            )
        return Column(_DATE_PARTS[function.name].format(column.sql), _INTEGER, scope.item)
    if function.name in _DISPLAY:
        return _argument(function, scope)
    raise malformed(f"unknown function: {function.name}")


def _argument(function: Function, scope: Scope) -> Column:
    if len(function.arguments) != 1:
        raise malformed(f"{function.name} needs one field")
    argument = function.arguments[0]
    if isinstance(argument, Function):
        return call(argument, scope, aggregates=False)
    if not isinstance(argument, Path):
        raise malformed(f"{function.name} needs a field")
    return scope.resolve(argument)


def _aggregate(function: Function, scope: Scope) -> Column:
    if function.name == "COUNT" and not function.arguments:
        return Column("COUNT(*)", _INTEGER, scope.item)
    column = _argument(function, scope)
    field = column.field
    if not field.filterable or field.is_compound:
        raise SalesforceError(
            400, "INVALID_FIELD", f"field {field.name} does not support aggregate operator {function.name}"
        )
    if function.name == "COUNT":
        return Column(f"COUNT({column.sql})", _INTEGER, scope.item)
    if function.name == "COUNT_DISTINCT":
        return Column(f"COUNT(DISTINCT {column.sql})", _INTEGER, scope.item)
    if function.name in ("MIN", "MAX"):
        if field.type == "boolean":
            raise SalesforceError(
                400, "MALFORMED_QUERY", f"field {field.name} does not support aggregate operator {function.name}"
            )
        return Column(f"{function.name}({column.sql})", field, scope.item)
    if not field.is_number:
        raise SalesforceError(
            400, "MALFORMED_QUERY", f"field {field.name} does not support aggregate operator {function.name}"
        )
    if function.name == "SUM":
        kind = field if field.is_decimal else replace(field, type="double", scale=0)
        return Column(f"SUM({column.sql})", kind, scope.item)
    average = replace(field, type="double", scale=_AVERAGE_SCALE)
    factor = (
        10 ** (_AVERAGE_SCALE - field.scale)
        if field.scale <= _AVERAGE_SCALE
        else 1 / 10 ** (field.scale - _AVERAGE_SCALE)
    )
    return Column(f"CAST(ROUND(AVG({column.sql}) * {factor}) AS INTEGER)", average, scope.item)
