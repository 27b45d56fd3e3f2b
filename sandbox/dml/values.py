"""Values as Salesforce keeps them: trimmed, empty to null, numbers to scale; or its words on why it refuses them.

Sources: Object Reference, "Primitive Data Types" and "Field Types"; REST API Developer Guide, "Status Codes and
Error Responses".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from sandbox import ids, rawtext
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
_PICKLIST_VALUE = 255
_FIRST_YEAR, _LAST_YEAR = 1700, 4000


def stored(field: Field, value: Any) -> Any:
    """The value as the table keeps it. Raises the refusal that Salesforce would give."""
    if isinstance(value, (dict, list)):
        token = "START_OBJECT" if isinstance(value, dict) else "START_ARRAY"
        raise malformed_json(
            f"Cannot deserialize instance of {field.kind.json_name} from {token} value at field {field.name}"
        )
    if value is None and field.type != "boolean":
        return None
    reader = _READERS.get(field.type) or _READERS[field.kind.kept]
    return reader(field, value)


def _undeserializable(field: Field, value: Any) -> WrongType:
    if isinstance(value, str):
        token = "VALUE_STRING"
    else:
        token = f"VALUE_{str(value).upper()}" if isinstance(value, bool) else "VALUE_NUMBER"
    message = (
        f"Cannot deserialize instance of {field.kind.json_name} from {token} value {_shown(value)} or request may be "
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
    if abs(number) >= 10**field.digits:
        raise _outside(field, number)
    return int(number)


def _iso_text(field: Field, value: Any) -> str | None:
    """The text of a date or time; None if it is empty."""
    if not isinstance(value, str):
        raise _undeserializable(field, value)
    return value.strip(_SPACE) or None


def _date(field: Field, value: Any) -> str | None:
    text = _iso_text(field, value)
    if text is None:
        return None
    match = _DATE.match(text)
    if match is None:
        raise _undeserializable(field, value)
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError as error:
        raise _undeserializable(field, value) from error
    _check_year(field, day, text)
    return day.isoformat()


def _datetime(field: Field, value: Any) -> str | None:
    text = _iso_text(field, value)
    if text is None:
        return None
    if not _DATETIME.match(text):
        raise _undeserializable(field, value)
    try:
        moment = datetime.fromisoformat(text.upper())
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _undeserializable(field, value) from error
    _check_year(field, moment.date(), text)
    return wire_datetime(moment)


def _check_year(field: Field, day: date, text: str) -> None:
    if not _FIRST_YEAR <= day.year < _LAST_YEAR:
        raise SalesforceError(400, "FIELD_INTEGRITY_EXCEPTION", f"{field.label}: invalid date: {text}", [field.name])


def _time(field: Field, value: Any) -> str | None:
    text = _iso_text(field, value)
    if text is None:
        return None
    match = _TIME.match(text)
    if match is None:
        raise _undeserializable(field, text)
    return f"{match[1]}:{match[2]}:{match[3]}.{(match[4] or '').ljust(3, '0')}Z"


def _text(field: Field, value: Any) -> str | None:
    text = _trimmed(value)
    if text is None:
        return None
    _check_length(field, text, field.length)
    return text if text.isascii() else rawtext.kept(text)


def _trimmed(value: Any) -> str | None:
    text = value if isinstance(value, str) else _shown(value)
    return text.replace("\x00", "").strip(_SPACE) or None


def _check_length(field: Field, text: str, most: int) -> None:
    if len(text) > most:
        message = f"{field.label}: data value too large: {text} (max length={most})"
        raise SalesforceError(400, "STRING_TOO_LONG", message, [field.name])


def _email(field: Field, value: Any) -> str | None:
    text = _text(field, value)
    if text is not None and not _EMAIL.match(text):
        raise SalesforceError(
            400, "INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}", [field.name]
        )
    return text


def _picklist(field: Field, value: Any) -> str | None:
    text = _text(field, value)
    if text is not None:
        _check_chosen(field, text)
    return text


def _check_chosen(field: Field, text: str) -> None:
    """A restricted picklist takes none but its own values."""
    if not field.restricted_picklist or any(value.value == text and value.active for value in field.picklist_values):
        return
    message = f"{field.label}: bad value for restricted picklist field: {text}"
    raise SalesforceError(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [field.name])


def _multipicklist(field: Field, value: Any) -> str | None:
    """Each value once, in the order of the picklist's definition; unknown ones of an unrestricted picklist behind."""
    wanted = dict.fromkeys(part.strip(_SPACE) for part in (_trimmed(value) or "").split(";"))
    wanted.pop("", None)
    for part in wanted:
        _check_chosen(field, part)
        _check_length(field, part, _PICKLIST_VALUE)
    defined = dict.fromkeys(each.value for each in field.picklist_values)
    ordered = [each for each in defined if each in wanted] + [each for each in wanted if each not in defined]
    joined = ";".join(ordered)
    _check_length(field, joined, field.length)
    return joined or None


def _reference(field: Field, value: Any) -> str | None:
    text = _shown(value).strip(_SPACE)
    if not text:
        return None
    full = ids.long_form(text)
    if full is None:
        raise bad_id(field.label, text, field.name)
    return full


#: what reads a value: by the type where it has checks of its own, otherwise by how the type's values are kept
_READERS: dict[str, Callable[[Field, Any], Any]] = {
    "email": _email,
    "picklist": _picklist,
    "multipicklist": _multipicklist,
    "text": _text,
    "boolean": _boolean,
    "decimal": _number,
    "integer": _integer,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "id": _reference,
}
