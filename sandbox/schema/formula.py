"""Formula fields: Salesforce's formula language, turned into an SQL expression over the record's own columns.

A formula's value is computed when it is read, so a change of it moves no time stamp, as on the platform.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import LarkError

from sandbox.schema.field import Field


class FormulaError(ValueError):
    """The formula cannot be read, or uses what the sandbox does not know."""


@dataclass(frozen=True, slots=True)
class Typed:
    """An SQL expression and what kind of value it gives: text, number, boolean or date."""

    sql: str
    kind: str


@lru_cache(maxsize=1)
def _parser() -> Lark:
    grammar = resources.files("sandbox").joinpath("schema", "formula.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr")


def compile_formula(field: Field, fields: Mapping[str, Field], alias: str) -> str:
    """The SQL expression of a formula field, its columns qualified with ``alias``."""
    formula = field.formula or ""
    typed = _Compiler(fields, alias).compile(parse(formula))
    if field.is_decimal:
        return f"CAST(ROUND(({typed.sql}) * {10**field.scale}) AS INTEGER)"
    if field.type == "boolean":
        return f"IFNULL(({typed.sql}), 0)"
    if field.is_text:
        return f"NULLIF({typed.sql}, '')"
    return f"({typed.sql})"


@lru_cache(maxsize=2048)
def parse(text: str) -> Tree[Token] | Token:
    """The formula's syntax tree."""
    try:
        return _parser().parse(text)
    except LarkError as error:
        raise FormulaError(f"Error: Syntax error. {error}") from error


def with_renamed(text: str, old: str, new: str) -> str:
    """A formula, or a condition of a rule, after a field that it names has got another API name."""
    return re.sub(rf"(?<![\w.]){old}(?!\w)", new, text, flags=re.IGNORECASE)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class _Compiler:
    def __init__(self, fields: Mapping[str, Field], alias: str) -> None:
        self._fields = {name.lower(): item for name, item in fields.items()}
        self._alias = alias

    def compile(self, node: Any) -> Typed:
        """The SQL of one node of the tree."""
        handler: Callable[[list[Any]], Typed] = getattr(self, f"_{node.data}")
        return handler(node.children)

    def _number(self, children: list[Any]) -> Typed:
        return Typed(str(children[0]), "number")

    def _string(self, children: list[Any]) -> Typed:
        body = str(children[0])[1:-1]
        return Typed(_quoted(body.replace('\\"', '"').replace("\\'", "'").replace("\\\\", "\\")), "text")

    def _name(self, children: list[Any]) -> Typed:
        text = str(children[0])
        if text.upper() in ("TRUE", "FALSE"):
            return Typed("1" if text.upper() == "TRUE" else "0", "boolean")
        if text.upper() == "NULL":
            return Typed("NULL", "text")
        field = self._fields.get(text.lower())
        if field is None or field.is_compound or field.shown is not None:
            raise FormulaError(f"Error: Field {text} does not exist. Check spelling.")
        if field.formula is not None:
            fields = {each.name: each for each in self._fields.values()}
            return Typed(compile_formula(field, fields, self._alias), field.kind.formula)
        column = f'{self._alias}."{field.name}"'
        if field.is_decimal:
            return Typed(f"({column} * 1.0 / {10**field.scale})", "number")
        return Typed(column, field.kind.formula)

    def _text(self, node: Any) -> str:
        typed = self.compile(node)
        if typed.kind == "number":
            return f"COALESCE(CAST({typed.sql} AS TEXT), '')"
        return f"COALESCE({typed.sql}, '')"

    def _cat_expr(self, children: list[Any]) -> Typed:
        return Typed("(" + " || ".join(self._text(child) for child in children) + ")", "text")

    def _or_expr(self, children: list[Any]) -> Typed:
        return Typed("(" + " OR ".join(self.compile(child).sql for child in children) + ")", "boolean")

    def _and_expr(self, children: list[Any]) -> Typed:
        return Typed("(" + " AND ".join(self.compile(child).sql for child in children) + ")", "boolean")

    def _cmp_expr(self, children: list[Any]) -> Typed:
        left, operator, right = children
        sign = {"==": "=", "!=": "<>"}.get(str(operator), str(operator))
        return Typed(f"IFNULL({self.compile(left).sql} {sign} {self.compile(right).sql}, 0)", "boolean")

    def _chain(self, children: list[Any]) -> Typed:
        first = self.compile(children[0])
        if first.kind == "text" and str(children[1]) == "+":
            return self._cat_expr(children[::2])
        sql, kind = first.sql, first.kind
        for operator, operand in zip(children[1::2], children[2::2], strict=True):
            right = self.compile(operand)
            if kind == "date" and right.kind == "number":
                sql = f"DATE({sql}, ({operator}1 * {right.sql}) || ' days')"
            elif kind == "date" and right.kind == "date":
                sql, kind = f"(JULIANDAY({sql}) - JULIANDAY({right.sql}))", "number"
            else:
                divisor = f"NULLIF({right.sql}, 0)" if operator == "/" else right.sql
                sql = f"({sql} {'* 1.0 /' if operator == '/' else operator} {divisor})"
        return Typed(sql, kind)

    _sum = _chain
    _product = _chain

    def _negative(self, children: list[Any]) -> Typed:
        return Typed(f"(-{self.compile(children[0]).sql})", "number")

    def _inverted(self, children: list[Any]) -> Typed:
        return Typed(f"(NOT IFNULL({self.compile(children[0]).sql}, 0))", "boolean")

    def _call(self, children: list[Any]) -> Typed:
        name = str(children[0]).upper()
        arguments = [child for child in children[1:] if child is not None]
        rule = _FUNCTIONS.get(name)
        if name == "CASE" and len(arguments) >= 4 and len(arguments) % 2 == 0:
            return self._case(arguments)
        if rule is None:
            raise FormulaError(f"Error: Unknown function {name}. Check spelling.")
        template, kind, count = rule
        if len(arguments) != count:
            raise FormulaError(f"Error: Incorrect number of parameters for function '{name}()'. Expected {count}.")
        typed = [self.compile(argument) for argument in arguments]
        result_kind = typed[-1].kind if kind == "last" else kind
        return Typed(template.format(*(item.sql for item in typed)), result_kind)

    def _case(self, arguments: list[Any]) -> Typed:
        subject, fallback = self.compile(arguments[0]), self.compile(arguments[-1])
        branches = "".join(
            f" WHEN {self.compile(when).sql} THEN {self.compile(then).sql}"
            for when, then in zip(arguments[1:-1:2], arguments[2:-1:2], strict=True)
        )
        return Typed(f"(CASE {subject.sql}{branches} ELSE {fallback.sql} END)", fallback.kind)


#: name -> (SQL, kind of the result, number of arguments)
_FUNCTIONS: dict[str, tuple[str, str, int]] = {
    "IF": ("(CASE WHEN {0} THEN {1} ELSE {2} END)", "last", 3),
    "AND": ("({0} AND {1})", "boolean", 2),
    "OR": ("({0} OR {1})", "boolean", 2),
    "NOT": ("(NOT IFNULL({0}, 0))", "boolean", 1),
    "ISBLANK": ("({0} IS NULL OR {0} = '')", "boolean", 1),
    "ISNULL": ("({0} IS NULL)", "boolean", 1),
    "BLANKVALUE": ("COALESCE(NULLIF({0}, ''), {1})", "last", 2),
    "NULLVALUE": ("COALESCE({0}, {1})", "last", 2),
    "ISPICKVAL": ("(COALESCE({0}, '') = {1})", "boolean", 2),
    "INCLUDES": ("(INSTR(';' || COALESCE({0}, '') || ';', ';' || {1} || ';') > 0)", "boolean", 2),
    "TEXT": ("COALESCE(CAST({0} AS TEXT), '')", "text", 1),
    "VALUE": ("CAST({0} AS REAL)", "number", 1),
    "LEN": ("LENGTH(COALESCE({0}, ''))", "number", 1),
    "LEFT": ("SUBSTR({0}, 1, {1})", "text", 2),
    "RIGHT": ("SUBSTR({0}, -({1}))", "text", 2),
    "UPPER": ("UPPER({0})", "text", 1),
    "LOWER": ("LOWER({0})", "text", 1),
    "TRIM": ("TRIM({0})", "text", 1),
    "CONTAINS": ("(INSTR(COALESCE({0}, ''), {1}) > 0)", "boolean", 2),
    "BEGINS": ("(SUBSTR(COALESCE({0}, ''), 1, LENGTH({1})) = {1})", "boolean", 2),
    "SUBSTITUTE": ("REPLACE({0}, {1}, {2})", "text", 3),
    "ROUND": ("ROUND({0}, {1})", "number", 2),
    "ABS": ("ABS({0})", "number", 1),
    "MAX": ("MAX({0}, {1})", "number", 2),
    "MIN": ("MIN({0}, {1})", "number", 2),
    "YEAR": ("CAST(SUBSTR({0}, 1, 4) AS INTEGER)", "number", 1),
    "MONTH": ("CAST(SUBSTR({0}, 6, 2) AS INTEGER)", "number", 1),
    "DAY": ("CAST(SUBSTR({0}, 9, 2) AS INTEGER)", "number", 1),
    "DATEVALUE": ("SUBSTR({0}, 1, 10)", "date", 1),
    "TODAY": ("org_today()", "date", 0),
    "NOW": ("org_now()", "date", 0),
}
