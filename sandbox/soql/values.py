"""The literals of a condition as stored values, or Salesforce's words on why they don't fit the field."""

from __future__ import annotations

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
    if field.is_text or field.is_id or field.type == "reference":
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
    if field.is_id:
        return _record_id(field, literal)
    if field.is_text or field.type in ("reference", "time"):
        if literal.kind != "string":
            raise misfit(field, literal)
        return literal.text or None
    if field.type == "boolean" and literal.kind == "boolean":
        return int(literal.text == "TRUE")
    if field.is_number and literal.kind == "number":
        scaled = _decimal(literal).scaleb(field.scale)
        return int(scaled) if scaled == scaled.to_integral_value() and abs(scaled) < 2**63 else float(scaled)
    if field.type == "int" and literal.kind == "number":
        number = _decimal(literal)
        return int(number) if number == number.to_integral_value() and abs(number) < 2**63 else float(number)
    if field.type == "date" and literal.kind == "date":
        return read_date(literal).isoformat()
    if field.type == "datetime" and literal.kind == "datetime":
        return wire_datetime(read_datetime(literal))
    raise misfit(field, literal)


def _record_id(field: Field, literal: Literal) -> str | None:
    if literal.kind != "string":
        raise misfit(field, literal)
    if not literal.text:
        return None
    full = ids.long_form(literal.text)
    if full is None:
        raise SalesforceError(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.text}")
    return full


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
