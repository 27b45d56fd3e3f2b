"""SOQL as text: every value through `literal`, every name through `identifier`, so that nothing can be injected.

Rules of literals: "Quoted String Escape Sequences" and "Date Formats and Date Literals", SOQL and SOSL Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import quote

LONGEST_QUERY = 100_000  # characters of a whole statement (docs/salesforce.md 2.9)

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_ORDER = re.compile(r"([A-Za-z][A-Za-z0-9_.]*)(?: (?:ASC|DESC))?(?: NULLS (?:FIRST|LAST))?")
_ID_FIRST = re.compile(r"SELECT Id\b")
_ESCAPES = str.maketrans(
    {
        "\\": "\\\\",
        "'": "\\'",
        '"': '\\"',
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\b": "\\b",
        "\f": "\\f",
    }
)


def identifier(name: str) -> str:
    """The name of an object, field or path of fields, unchanged; ValueError for anything else."""
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(f"{name[:60]!r} is not a name of a Salesforce object or field.")
    return name


def literal(value: object) -> str:
    """The value as SOQL writes it: text in quotes, dates and numbers bare, datetimes in UTC to the second.

    Raises ValueError for a datetime without time zone and for a text with NUL (no SOQL can carry it), TypeError for
    a type that SOQL has no literal for; floats are refused because they can't be exact.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("A text with a NUL character can't be asked for in SOQL.")
        return f"'{value.translate(_ESCAPES)}'"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is not a number that SOQL can carry.")
        return format(value, "f")
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError("A datetime in SOQL needs a time zone.")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"SOQL has no literal for {type(value).__name__}.")


def select(
    fields: Sequence[str],
    object: str,
    where: str | None = None,
    order_by: str | Sequence[str] | None = None,
    limit: int | None = None,
) -> str:
    """A SELECT. ``order_by`` takes names, each optionally with ASC/DESC and NULLS FIRST/LAST.

    Raises ValueError for names that are none, no fields, a negative limit or a statement over 100,000 characters.
    """
    if not fields:
        raise ValueError("A query needs at least one field.")
    # Every part went through `identifier`; ``where`` is made by the functions below.
    text = f"SELECT {', '.join(identifier(field) for field in fields)} FROM {identifier(object)}"  # noqa: S608
    if where:
        text += f" WHERE {where}"
    if order_by:
        terms = [order_by] if isinstance(order_by, str) else order_by
        text += f" ORDER BY {', '.join(_order_term(term) for term in terms)}"
    if limit is not None:
        if limit < 0:
            raise ValueError("A query's limit can't be negative.")
        text += f" LIMIT {int(limit)}"
    if len(text) > LONGEST_QUERY:
        raise ValueError(f"The query has {len(text)} characters; Salesforce takes {LONGEST_QUERY}. Split it.")
    return text


def and_(*conditions: str | None) -> str:
    """The conditions joined by AND, each in parentheses if there are several; None and empty ones are left out."""
    return _join(" AND ", conditions)


def or_(*conditions: str | None) -> str:
    """The conditions joined by OR, each in parentheses if there are several; None and empty ones are left out."""
    return _join(" OR ", conditions)


def in_(field: str, values: Iterable[object]) -> str:
    """``field IN (…)``, repeated values once. ValueError without values: SOQL has no empty list."""
    texts = list(dict.fromkeys(literal(value) for value in values))
    if not texts:
        raise ValueError(f"No values to look for in {field}.")
    return f"{identifier(field)} IN ({','.join(texts)})"


def equals(field: str, value: object) -> str:
    """``field = value``."""
    return f"{identifier(field)} = {literal(value)}"


def changed_since(since: datetime | None, after: tuple[datetime, str] | None = None) -> str | None:
    """The condition of one step of a keyset read ordered by (SystemModstamp, Id).

    since: the lower bound, inclusive, because whole seconds make ties certain; after: the last row of the step before
    in the same read, which replaces the bound. None if both are None (everything is read).
    """
    if after is not None:
        stamp, record_id = literal(after[0]), literal(after[1])
        return f"(SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > {record_id}))"
    return None if since is None else f"SystemModstamp >= {literal(since)}"


def query_path(soql: str, deleted: bool = False) -> str:
    """The path of a query for a Subrequest; ``deleted`` asks queryAll, which also gives deleted and merged rows."""
    return f"/{'queryAll' if deleted else 'query'}?q={quote(soql, safe='')}"


def asks_for_id(soql: str) -> bool:
    """Whether the rows of a query have their Id: every query for records begins with it."""
    return _ID_FIRST.match(soql) is not None


def _order_term(term: str) -> str:
    if not _ORDER.fullmatch(term):
        raise ValueError(f"{term[:60]!r} is not a term of ORDER BY.")
    return term


def _join(word: str, conditions: tuple[str | None, ...]) -> str:
    given = [condition for condition in conditions if condition]
    return given[0] if len(given) == 1 else word.join(f"({condition})" for condition in given)
