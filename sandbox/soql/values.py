"""The literals of a condition as stored values, or Salesforce's words on why they don't fit the field."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sandbox import ids
from sandbox.clock import wire_datetime
from sandbox.errors import SalesforceError
from sandbox.schema.field import Field
from sandbox.soql.ast import Literal


def misfit(field: Field, literal: Literal) -> SalesforceError:
    """The literal is of another type than the field."""
    wanted = {"datetime": "dateTime", "textarea": "string", "id": "ID", "reference": "reference"}.get(
        field.type, field.type
    )
    if field.is_text or field.is_id:
        wish = "should be enclosed in quotes"
    elif literal.kind == "string":
        wish = "should not be enclosed in quotes"
    else:
        wish = ""
    tail = f" and {wish}" if wish else ""
    return SalesforceError(
        400, "INVALID_FIELD", f"value of filter criterion for field '{field.name}' must be of type {wanted}{tail}"
    )


def stored(field: Field, literal: Literal) -> Any:
    """The value that the column is compared with; None for null and empty text. Not for literals such as TODAY."""
    if literal.kind == "null":
        return None
    if literal.kind != field.kind.literal:
        raise misfit(field, literal)
    if field.is_id:
        return _record_id(literal)
    return _READERS[literal.kind](field, literal)


def _record_id(literal: Literal) -> str | None:
    if not literal.text:
        return None
    full = ids.long_form(literal.text)
    if full is None:
        raise SalesforceError(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.text}")
    return full


def _number(field: Field, literal: Literal) -> int | float:
    """An integer where it is one, so that an index serves the comparison."""
    number = _decimal(literal).scaleb(field.scale)
    return int(number) if number == number.to_integral_value() and abs(number) < 2**63 else float(number)


def _decimal(literal: Literal) -> Decimal:
    number = Decimal(literal.text)
    if number and abs(number.adjusted()) > 300:
        raise SalesforceError(400, "MALFORMED_QUERY", f'For input string: "{literal.text}"')
    return number


def read_date(literal: Literal) -> date:
    """The day of a date literal."""
    try:
        return date.fromisoformat(literal.text)
    except ValueError as error:
        raise SalesforceError(400, "MALFORMED_QUERY", f"Invalid date: {literal.text}") from error


def read_datetime(literal: Literal) -> datetime:
    """The moment of a date/time literal."""
    try:
        return datetime.fromisoformat(literal.text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise SalesforceError(400, "MALFORMED_QUERY", f"Invalid dateTime: {literal.text}") from error


#: kind of literal -> what reads it
_READERS: dict[str, Callable[[Field, Literal], Any]] = {
    "string": lambda _, literal: literal.text or None,
    "boolean": lambda _, literal: int(literal.text == "TRUE"),
    "number": _number,
    "date": lambda _, literal: read_date(literal).isoformat(),
    "datetime": lambda _, literal: wire_datetime(read_datetime(literal)),
}
