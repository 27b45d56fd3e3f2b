"""From the text of a query to its parts, or to Salesforce's MALFORMED_QUERY."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from importlib import resources
from typing import Any, NoReturn

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from sandbox.errors import SalesforceError
from sandbox.soql.ast import (
    Comparison,
    Condition,
    Function,
    Includes,
    Item,
    Junction,
    Literal,
    Membership,
    Negation,
    Order,
    Path,
    Query,
)

MAX_QUERY = 100_000
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "\\": "\\", "'": "'", '"': '"'}


def located(text: str, position: int, message: str, code: str = "MALFORMED_QUERY") -> SalesforceError:
    """A refusal that shows the query with a caret below the place."""
    before = text[:position]
    row, column = before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1
    around = text[max(0, position - 40) : position + 40].replace("\n", " ")
    caret = " " * min(position, 40) + "^"
    return SalesforceError(400, code, f"\n{around}\n{caret}\nERROR at Row:{row}:Column:{column}\n{message}")


def malformed(message: str) -> SalesforceError:
    """A refusal that concerns the query as a whole."""
    return SalesforceError(400, "MALFORMED_QUERY", message)


@lru_cache(maxsize=1)
def _lark() -> Lark:
    grammar = resources.files("sandbox").joinpath("soql", "grammar.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", start=["query", "condition"], transformer=_Builder())


@lru_cache(maxsize=512)
def parse(text: str) -> Query:
    """The query in a text. Raises MALFORMED_QUERY."""
    if len(text) > MAX_QUERY:
        raise malformed(f"SOQL statement is too long; the maximum length is {MAX_QUERY} characters")
    query: Query = _parse(text, "query")
    return replace(query, text=text)


@lru_cache(maxsize=256)
def parse_condition(text: str) -> Condition:
    """The condition of a rule, as it would stand behind WHERE."""
    condition: Condition = _parse(text, "condition")
    return condition


def _parse(text: str, start: str) -> Any:
    if not text.strip():
        raise malformed("unexpected token: <EOF>")
    try:
        return _lark().parse(text, start=start)
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise malformed("unexpected token: '<EOF>'") from error
        raise located(text, error.token.start_pos or 0, f"unexpected token: '{error.token}'") from error
    except UnexpectedCharacters as error:
        position: int = error.pos_in_stream or 0  # type: ignore[redundant-expr]
        raise located(text, position, _character_message(text, position)) from error
    except UnexpectedInput as error:
        raise malformed(f"unexpected token: {error}") from error
    except VisitError as error:
        if isinstance(error.orig_exc, SalesforceError):
            raise error.orig_exc from error
        raise
    except RecursionError as error:
        raise malformed("the query is nested too deeply") from error


def _character_message(text: str, position: int) -> str:
    return f"line 1:{position} no viable alternative at character '{text[position]}'"


def unescape(token: str) -> str:
    """The text inside single quotes. ``\\%`` and ``\\_`` stay as they are, for LIKE."""
    out, pairs = [], iter(token)
    for letter in pairs:
        if letter != "\\":
            out.append(letter)
            continue
        following = next(pairs, "")
        if following in ("%", "_"):
            out.append("\\" + following)
        elif following in _ESCAPES:
            out.append(_ESCAPES[following])
        else:
            raise malformed(f"invalid string literal: unknown escape sequence '\\{following}'")
    return "".join(out)


def _refuse(message: str) -> NoReturn:
    raise malformed(message)


class _Clause:
    """A clause on its way to the query."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value


@v_args(inline=True)
class _Builder(Transformer[Token, Any]):
    def query(self, select: Any, name: Token, *clauses: _Clause) -> Query:
        values = {clause.name: clause.value for clause in clauses}
        return Query(select=select, object_name=str(name), object_position=name.start_pos or 0, **values)

    def select_list(self, *items: Any) -> tuple[Item, ...]:
        return tuple(item if isinstance(item, Item) else Item(item) for item in items)

    def field_item(self, name: Token, alias: _Clause | None = None) -> Item:
        return Item(_path(name), alias.value if alias else None)

    def function_item(self, function: Function, alias: _Clause | None = None) -> Item:
        return Item(function, alias.value if alias else None)

    def function(self, name: Token, *arguments: Any) -> Function:
        return Function(str(name).upper(), tuple(a for a in arguments if a is not None), name.start_pos or 0)

    def name_argument(self, name: Token) -> Path:
        return _path(name)

    def value_argument(self, value: Literal) -> Literal:
        return value

    def name_left(self, name: Token) -> Path:
        return _path(name)

    def subquery(self, query: Query) -> Query:
        return query

    def alias(self, name: Token) -> _Clause:
        return _Clause("alias", str(name))

    def scope(self, name: Token) -> _Clause:
        if name.lower() not in ("everything", "mine"):
            _refuse(f"USING SCOPE takes Everything or Mine here, not '{name}'")
        return _Clause("scope", name.lower())

    def where(self, condition: Condition) -> _Clause:
        return _Clause("where", condition)

    def having(self, condition: Condition) -> _Clause:
        return _Clause("having", condition)

    def and_(self, *parts: Condition) -> Junction:
        return Junction("AND", parts)

    def or_(self, *parts: Condition) -> Junction:
        return Junction("OR", parts)

    def not_(self, part: Condition) -> Negation:
        return Negation(part)

    def compare(self, left: Any, operator: Token, value: Literal) -> Comparison:
        return Comparison(left, "!=" if operator == "<>" else str(operator), value)

    def like(self, left: Any, value: Literal) -> Comparison:
        return Comparison(left, "LIKE", value)

    def in_(self, left: Any, values: Any) -> Membership:
        return Membership(left, values, negated=False)

    def not_in(self, left: Any, values: Any) -> Membership:
        return Membership(left, values, negated=True)

    def includes(self, left: Any, values: Any) -> Includes:
        return Includes(left, values, negated=False)

    def excludes(self, left: Any, values: Any) -> Includes:
        return Includes(left, values, negated=True)

    def value_list(self, *values: Literal) -> tuple[Literal, ...]:
        return values

    def string(self, token: Token) -> Literal:
        return Literal("string", unescape(token[1:-1]), token.start_pos or 0)

    def number(self, token: Token) -> Literal:
        return Literal("number", str(token), token.start_pos or 0)

    def datetime(self, token: Token) -> Literal:
        return Literal("datetime", str(token), token.start_pos or 0)

    def date(self, token: Token) -> Literal:
        return Literal("date", str(token), token.start_pos or 0)

    def date_n(self, token: Token) -> Literal:
        return Literal("relative", str(token).upper(), token.start_pos or 0)

    def word(self, token: Token) -> Literal:
        text = token.upper()
        kind = {"TRUE": "boolean", "FALSE": "boolean", "NULL": "null"}.get(text, "relative")
        return Literal(kind, text, token.start_pos or 0)

    def with_(self, name: Token) -> _Clause:
        if name.upper() not in ("SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"):
            _refuse(f"unexpected token: '{name}'")
        return _Clause("with_clause", name.upper())

    def group(self, *lefts: Any) -> _Clause:
        return _Clause("group", lefts)

    def order(self, *items: Order) -> _Clause:
        return _Clause("order", items)

    def order_item(self, left: Any, *parts: str) -> Order:
        return Order(left, descending="DESC" in parts, nulls_last="LAST" in parts)

    def direction(self, token: Token) -> str:
        return token.upper()

    def nulls(self, _: Token, which: Token) -> str:
        return which.upper()

    def limit(self, token: Token) -> _Clause:
        return _Clause("limit", _whole(token))

    def offset(self, token: Token) -> _Clause:
        return _Clause("offset", _whole(token))

    def for_(self, _: Token, which: Token) -> _Clause:
        # FOR VIEW and FOR REFERENCE only touch the recently-viewed lists; FOR UPDATE locks for this request's time.
        return _Clause("for_clause", which.upper())


def _path(name: Token) -> Path:
    return Path(tuple(str(name).split(".")), name.start_pos or 0)


def _whole(token: Token) -> int:
    if not token.isdigit():
        _refuse(f"unexpected token: '{token}'")
    return int(token)
