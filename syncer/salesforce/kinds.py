"""The types of fields, one row each. Whatever else depends on a field's type asks its row.

A new type is a row here, with a reader if its values have a form that no other type's have. A new family is an entry in
the table of form fields as well (``syncer.admin.persons.widgets``).

Texts lose blanks at both ends as Salesforce trims them, and line ends are ``\\n``: browsers send CRLF for what was
typed as one line end. Numbers are decimal text with exactly the field's decimal places, never a float:
9999999999999999.99 would become 1e16. Datetimes are UTC to the second, as Salesforce keeps them.

Sources: Object Reference, "Field Types"; SOAP API Developer Guide, "DescribeSObjectResult" and "Primitive Data Types";
docs/salesforce.md 2.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException
from typing import Literal

from syncer.salesforce import jsontext
from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.ids import to_18
from syncer.salesforce.texts import UNSTORABLE

Canonical = None | bool | str
#: What JSON gets.
Wire = None | bool | int | str | Decimal

MOST_DIGITS = 40  # Salesforce has 18; beyond this a number is nonsense and would only cost memory
EARLIEST, LATEST = date(1700, 1, 1), date(4000, 12, 31)  # "Date Fields", SOAP API Developer Guide

BLANKS = "".join(chr(code) for code in range(33))  # what Java's trim takes off
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d{1,9})?\s*(Z|[+-]\d{2}:?\d{2})", re.ASCII | re.IGNORECASE
)
_TIME = re.compile(r"(\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?Z?", re.ASCII | re.IGNORECASE)
_WIRE_END = ".000+0000"
_YES = frozenset({"true", "1", "yes", "on", "y", "t"})
_NO = frozenset({"false", "0", "no", "off", "n", "f"})
_ARITHMETIC = Context(prec=MOST_DIGITS * 3, rounding=ROUND_HALF_UP)


class BadValue(ValueError):
    """A value that the field can't hold. ``str()`` is a sentence for people."""

    def __init__(self, field: FieldDescribe, value: object, reason: str) -> None:
        self.field = field.name
        self.value = value
        self.reason = reason
        super().__init__(f"{field.label}: {_shown(value)} {reason}")


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > MOST_DIGITS * 4:
        return "a number of more than 40 digits"
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 80 else shown[:79] + "…"


# -- a value as it comes, in its canonical form ------------------------------------------------------------------------


def _text(field: FieldDescribe, raw: object, from_people: bool) -> Canonical:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float):
        raw = Decimal(repr(raw))
    if isinstance(raw, Decimal) and raw.is_finite():
        return format(_number(field, raw, exact=True), "f")
    if isinstance(raw, (Mapping, list, tuple)):
        return jsontext.dumps(dict(sorted(raw.items())) if isinstance(raw, Mapping) else raw)
    if isinstance(raw, (datetime, date, time)):
        return raw.isoformat()
    return str(raw).strip(BLANKS) or None


def _boolean(field: FieldDescribe, raw: object, from_people: bool) -> bool:
    word = raw.lower() if isinstance(raw, str) else str(raw).lower() if isinstance(raw, (bool, int, Decimal)) else ""
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise BadValue(field, raw, "is not yes or no.")


def _number(field: FieldDescribe, raw: object, exact: bool = False) -> Decimal:
    """The number, rounded half up to the field's decimal places (unless ``exact``), never minus zero."""
    if isinstance(raw, float):
        raw = repr(raw)
    if isinstance(raw, bool) or not isinstance(raw, (int, str, Decimal)):
        raise BadValue(field, raw, "is not a number.")
    if isinstance(raw, str) and not _NUMBER.fullmatch(raw):
        hint = " Use a point for decimals and no separators." if "," in raw else ""
        raise BadValue(field, raw, f"is not a number.{hint}")
    try:
        number = Decimal(raw)
        if not number.is_finite():
            raise BadValue(field, raw, "is not a number.")
        if number and number.adjusted() >= MOST_DIGITS:
            raise BadValue(field, raw, "is too large.")
        if not exact:
            number = number.quantize(Decimal(1).scaleb(-scale(field)), context=_ARITHMETIC)
    except DecimalException:
        raise BadValue(field, raw, "is not a number that can be kept.") from None
    return abs(number) if number.is_zero() else number


def _decimal(field: FieldDescribe, raw: object, from_people: bool) -> str:
    return format(_number(field, raw), "f")


def scale(field: FieldDescribe) -> int:
    """The decimal places of a number field's values."""
    return 0 if kind_of(field).whole else min(max(field.scale, 0), MOST_DIGITS)


def _date(field: FieldDescribe, raw: object, from_people: bool) -> str:
    if isinstance(raw, datetime):
        raw = raw.date()
    if isinstance(raw, date):
        raw = raw.isoformat()
    try:
        if not isinstance(raw, str) or not _DATE.fullmatch(raw):
            raise ValueError
        day = date.fromisoformat(raw)
    except ValueError:
        raise BadValue(field, raw, "is not a date; write 2026-01-31.") from None
    _check_range(field, raw, day, from_people)
    return day.isoformat()


def _datetime(field: FieldDescribe, raw: object, from_people: bool) -> str:
    if not from_people and isinstance(raw, str) and len(raw) == 28 and raw.endswith(_WIRE_END):
        with suppress(ValueError):  # the form of every datetime of the API; any other one takes the long way
            return f"{datetime.fromisoformat(raw[:19]).isoformat()}Z"
    moment = raw if isinstance(raw, datetime) else _parsed(field, raw)
    offset = moment.utcoffset()
    if offset is None:
        raise BadValue(field, raw, "has no time zone.")
    try:
        moment = (moment.replace(tzinfo=None, microsecond=0) - offset).replace(tzinfo=UTC)
    except OverflowError:
        raise BadValue(field, raw, "is not a date and time.") from None
    moment = moment.replace(microsecond=0)
    _check_range(field, raw, moment.date(), from_people)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _parsed(field: FieldDescribe, raw: object) -> datetime:
    found = _DATETIME.fullmatch(raw) if isinstance(raw, str) else None
    try:
        if found is None:
            raise ValueError
        zone = found[3].upper().replace(":", "").replace("Z", "+0000")
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5])) * (-1 if zone[0] == "-" else 1)
        return datetime.fromisoformat(f"{found[1]}T{found[2]}").replace(tzinfo=UTC) - offset
    except (ValueError, OverflowError):
        raise BadValue(field, raw, "is not a date and time with its zone; write 2026-01-31T14:30:00Z.") from None


def _check_range(field: FieldDescribe, raw: object, day: date, from_people: bool) -> None:
    if from_people and not EARLIEST <= day <= LATEST:
        raise BadValue(field, raw, "is outside of what Salesforce takes: the years 1700 to 4000.")


def _time(field: FieldDescribe, raw: object, from_people: bool) -> str:
    if isinstance(raw, time):
        if raw.utcoffset():
            raise BadValue(field, raw, "must be in UTC.")
        raw = raw.replace(tzinfo=None).isoformat(timespec="milliseconds")
    found = _TIME.fullmatch(raw) if isinstance(raw, str) else None
    try:
        if found is None:
            raise ValueError
        moment = time.fromisoformat(f"{found[1]}:{found[2] or '00'}.{(found[3] or '0')[:3]:0<3}")
    except ValueError:
        raise BadValue(field, raw, "is not a time; write 14:30:00.") from None
    return moment.isoformat(timespec="milliseconds") + "Z"


def _set(field: FieldDescribe, raw: object, from_people: bool) -> Canonical:
    """The chosen values sorted, each once: their order means nothing."""
    if isinstance(raw, str):
        parts: Iterable[object] = raw.split(";")
    elif isinstance(raw, (list, tuple, set, frozenset)):
        parts = raw
    else:
        raise BadValue(field, raw, "is not a list of values.")
    values: set[str] = set()
    for part in parts:
        if not isinstance(part, str) or (not isinstance(raw, str) and ";" in part):
            raise BadValue(field, part, "can't be one of several values: a text without semicolon is expected.")
        if (found := UNSTORABLE.search(part)) and not isinstance(raw, str):
            raise BadValue(field, part, f"holds a character that can't be stored (U+{ord(found[0]):04X}).")
        values.add(part.strip(BLANKS))
    return ";".join(sorted(values - {""})) or None


def _id(field: FieldDescribe, raw: object, from_people: bool) -> str:
    try:
        return to_18(raw)
    except ValueError:
        raise BadValue(field, raw, "is not a Salesforce id.") from None


# -- as Salesforce's JSON gets it; empty values never come here -------------------------------------------------------


def _write_text(field: FieldDescribe, canonical: bool | str) -> Wire:
    return str(canonical)


def _write_boolean(field: FieldDescribe, canonical: bool | str) -> Wire:
    if not isinstance(canonical, bool):
        raise BadValue(field, canonical, "is not yes or no.")
    return canonical


def _write_number(field: FieldDescribe, canonical: bool | str) -> Wire:
    number = _number(field, canonical)
    return int(number) if scale(field) == 0 else number


def _write_datetime(field: FieldDescribe, canonical: bool | str) -> Wire:
    return str(canonical).removesuffix("Z") + _WIRE_END


# -- the table --------------------------------------------------------------------------------------------------------

#: what is alike among several types: how a value is entered in a form, and which columns can hold it
Family = Literal[
    "text", "textarea", "picklist", "multipicklist", "boolean", "number", "date", "datetime", "time", "compound"
]


@dataclass(frozen=True, slots=True)
class Kind:
    """What all fields of one type have in common."""

    family: Family
    #: a value as it comes, trimmed and not empty (and whether from people) -> its canonical form. Raises BadValue.
    read: Callable[[FieldDescribe, object, bool], Canonical] = _text
    #: a canonical value that is not empty -> what JSON gets. Raises BadValue for one that is not canonical.
    write: Callable[[FieldDescribe, bool | str], Wire] = _write_text
    #: what JSON gets for an empty value
    empty: None | bool = None
    #: whether numbers have no decimals, whatever the describe says
    whole: bool = False
    #: whether the canonical form of a value depends on the field's describe, not on its type alone
    shaped: bool = False
    #: whether fields of this type and of others with it can share one field here: any text is a value of each
    free_text: bool = False
    #: whether an organisation sets the length of each such field, in characters
    sized: bool = False
    #: only received, whatever the access: a reference means nothing without its record, masked text is not the value
    receive_only: bool = False
    #: whether a query of many records can read it
    in_queries: bool = True

    @property
    def compound(self) -> bool:
        """Whether a value is that of a group of fields; its parts are fields of their own."""
        return self.family == "compound"


_PLAIN = Kind("text")
_TEXT = replace(_PLAIN, free_text=True)
_NUMBER_KIND = Kind("number", _decimal, _write_number, shaped=True)
_REFERENCE = Kind("text", _id)
_OPAQUE = replace(_PLAIN, receive_only=True, in_queries=False)
_COMPOUND = Kind("compound", in_queries=False)

KINDS: dict[str, Kind] = {
    "string": replace(_TEXT, sized=True),
    "textarea": replace(_TEXT, family="textarea", sized=True),
    "phone": replace(_TEXT, sized=True),
    "url": replace(_TEXT, sized=True),
    "email": replace(_TEXT, sized=True),
    "combobox": _TEXT,
    "picklist": replace(_TEXT, family="picklist"),
    "multipicklist": Kind("multipicklist", _set),
    "encryptedstring": replace(_PLAIN, receive_only=True),
    "boolean": Kind("boolean", _boolean, _write_boolean, empty=False),  # a checkbox is never null
    "int": replace(_NUMBER_KIND, whole=True),
    "long": replace(_NUMBER_KIND, whole=True),
    "double": _NUMBER_KIND,
    "currency": _NUMBER_KIND,
    "percent": _NUMBER_KIND,
    "date": Kind("date", _date),
    "datetime": Kind("datetime", _datetime, _write_datetime),
    "time": Kind("time", _time),
    "id": _REFERENCE,
    "reference": replace(_REFERENCE, receive_only=True),
    "address": _COMPOUND,
    "location": _COMPOUND,
    "base64": _OPAQUE,
    "anyType": _OPAQUE,
    "complexvalue": _OPAQUE,
    "masterrecord": _PLAIN,
    "junctionIdList": _PLAIN,
    "datacategorygroupreference": _PLAIN,
}


def kind_of(field: FieldDescribe) -> Kind:
    """The row of a field's type. A type that the table does not have is taken as text, and sent as it came."""
    return KINDS.get(field.type, _PLAIN)
