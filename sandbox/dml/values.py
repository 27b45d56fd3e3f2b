"""Values as Salesforce keeps them: trimmed, empty to null, numbers to scale; or its words on why it refuses them.

Sources: Object Reference, "Primitive Data Types" and "Field Types"; REST API Developer Guide, "Status Codes and
Error Responses".
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from sandbox import ids
from sandbox.clock import wire_datetime
from sandbox.errors import SalesforceError, WrongType, bad_id, malformed_json
from sandbox.schema.field import Field

_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*/=?^_+\-`{|}~]+(?:\.[A-Za-z0-9!#$%&'*/=?^_+\-`{|}~]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])\Z"
)
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:T.*)?\Z")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?\Z", re.IGNORECASE)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,3}))?Z?\Z")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?\Z")
_SPACE = " \t\r\n\f\v\x00"
_FIRST_YEAR, _LAST_YEAR = 1700, 4000
_INT_RANGE = 10**8


def stored(field: Field, value: Any) -> Any:
    """The value as the table keeps it. Raises the refusal that Salesforce would give."""
    if isinstance(value, (dict, list)):
        kind = "START_OBJECT" if isinstance(value, dict) else "START_ARRAY"
        raise malformed_json(
            f"Cannot deserialize instance of {_json_name(field)} from {kind} value at field {field.name}"
        )
    if field.type == "boolean":
        return _boolean(field, value)
    if value is None:
        return None
    if field.is_id:
        return _reference(field, value)
    if field.is_number:
        return _number(field, value)
    if field.type == "int":
        return _integer(field, value)
    if field.type in ("date", "datetime", "time"):
        return _temporal(field, value)
    return _text(field, value)


def _json_name(field: Field) -> str:
    names = {
        "currency": "double",
        "percent": "double",
        "datetime": "datetime",
        "date": "date",
        "int": "int",
        "boolean": "boolean",
    }
    return names.get(field.type, field.type if field.type in ("double", "time") else "string")


def _undeserializable(field: Field, value: Any) -> WrongType:
    if isinstance(value, str):
        token = "VALUE_STRING"
    else:
        token = f"VALUE_{str(value).upper()}" if isinstance(value, bool) else "VALUE_NUMBER"
    message = (
        f"Cannot deserialize instance of {_json_name(field)} from {token} value {_shown(value)} or request may be "
        f"missing a required field at [line:1, column:1] (field {field.name})"
    )
    return WrongType(message, field.name, field.label, _shown(value))


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _boolean(field: Field, value: Any) -> int:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return int(value.strip().lower() == "true")
    if value is None:
        message = f"{field.label}: value not of required type: null"
        raise SalesforceError(400, "INVALID_TYPE_ON_FIELD_IN_RECORD", message, [field.name])
    raise _undeserializable(field, value)


def _decimal(field: Field, value: Any) -> Decimal | None:
    if isinstance(value, bool):
        raise _undeserializable(field, value)
    if isinstance(value, str):
        text = value.strip(_SPACE)
        if not text:
            return None
        if not _NUMBER.match(text):
            raise _undeserializable(field, value)
        return Decimal(text)
    try:
        return Decimal(value)
    except InvalidOperation as error:
        raise _undeserializable(field, value) from error


def _outside(field: Field, number: Decimal) -> SalesforceError:
    message = f"{field.label}: value outside of valid range on numeric field: {number}"
    return SalesforceError(400, "NUMBER_OUTSIDE_VALID_RANGE", message, [field.name])


def _number(field: Field, value: Any) -> int | None:
    number = _decimal(field, value)
    if number is None:
        return None
    if number and number.adjusted() >= field.precision - field.scale:
        raise _outside(field, number)
    if number and number.adjusted() < -100:
        return 0
    if field.name.endswith("__s") and abs(number) > (90 if "__Latitude__" in field.name else 180):
        raise _outside(field, number)
    scaled = int(number.scaleb(field.scale).to_integral_value(ROUND_HALF_UP))
    if abs(scaled) >= 10**field.precision:
        raise _outside(field, number)
    return scaled


def _integer(field: Field, value: Any) -> int | None:
    number = _decimal(field, value)
    if number is None:
        return None
    if number and number.adjusted() > 18:
        raise _outside(field, number)
    if number != number.to_integral_value():
        raise _undeserializable(field, value)
    if abs(number) >= _INT_RANGE:
        raise _outside(field, number)
    return int(number)


def _temporal(field: Field, value: Any) -> str | None:
    if not isinstance(value, str):
        raise _undeserializable(field, value)
    text = value.strip(_SPACE)
    if not text:
        return None
    if field.type == "time":
        return _time(field, text)
    try:
        if field.type == "date":
            match = _DATE.match(text)
            if match is None:
                raise _undeserializable(field, value)
            day = date(int(match[1]), int(match[2]), int(match[3]))
            moment_text = day.isoformat()
        else:
            if not _DATETIME.match(text):
                raise _undeserializable(field, value)
            moment = datetime.fromisoformat(text.upper())
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
            day, moment_text = moment.date(), wire_datetime(moment)
    except (ValueError, OverflowError) as error:
        raise _undeserializable(field, value) from error
    if not _FIRST_YEAR <= day.year < _LAST_YEAR:
        raise SalesforceError(400, "FIELD_INTEGRITY_EXCEPTION", f"{field.label}: invalid date: {text}", [field.name])
    return moment_text


def _time(field: Field, text: str) -> str:
    match = _TIME.match(text)
    if match is None:
        raise _undeserializable(field, text)
    return f"{match[1]}:{match[2]}:{match[3]}.{(match[4] or '').ljust(3, '0')}Z"


def _text(field: Field, value: Any) -> str | None:
    text = (value if isinstance(value, str) else _shown(value)).replace("\x00", "").strip(_SPACE)
    if not text:
        return None
    if field.type == "multipicklist":
        return _multipicklist(field, text)
    if len(text) > field.length:
        message = f"{field.label}: data value too large: {text} (max length={field.length})"
        raise SalesforceError(400, "STRING_TOO_LONG", message, [field.name])
    if field.type == "email" and not _EMAIL.match(text):
        raise SalesforceError(
            400, "INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}", [field.name]
        )
    if field.type == "picklist" and field.restricted_picklist and not _is_value(field, text):
        raise _not_in_picklist(field, text)
    return text


def _is_value(field: Field, text: str) -> bool:
    return any(value.value == text and value.active for value in field.picklist_values)


def _not_in_picklist(field: Field, text: str) -> SalesforceError:
    message = f"{field.label}: bad value for restricted picklist field: {text}"
    return SalesforceError(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [field.name])


def _multipicklist(field: Field, text: str) -> str | None:
    """Each value once, in the order of the picklist's definition; unknown ones of an unrestricted picklist behind."""
    wanted = dict.fromkeys(part.strip(_SPACE) for part in text.split(";"))
    wanted.pop("", None)
    for part in wanted:
        if field.restricted_picklist and not _is_value(field, part):
            raise _not_in_picklist(field, part)
        if len(part) > 255:
            message = f"{field.label}: data value too large: {part} (max length=255)"
            raise SalesforceError(400, "STRING_TOO_LONG", message, [field.name])
    defined = [value.value for value in field.picklist_values]
    ordered = [value for value in defined if value in wanted] + [value for value in wanted if value not in defined]
    joined = ";".join(ordered)
    if len(joined) > field.length:
        message = f"{field.label}: data value too large: {joined} (max length={field.length})"
        raise SalesforceError(400, "STRING_TOO_LONG", message, [field.name])
    return joined or None


def _reference(field: Field, value: Any) -> str | None:
    text = _shown(value).strip(_SPACE)
    if not text:
        return None
    full = ids.long_form(text)
    if full is None:
        raise bad_id(field.label, text, field.name)
    return full
