"""One canonical form per value, so that two sides compare by ``==``: None, a boolean or text, nothing else.

Empty text is None (Salesforce stores null). Texts lose blanks at both ends as Salesforce trims them, and line ends
are ``\\n``: browsers send CRLF for what was typed as one line end. Numbers are decimal text with exactly the field's
decimal places, never a float: 9999999999999999.99 would become 1e16. Datetimes are UTC to the second, as Salesforce
keeps them ("Field Types", Object Reference; docs/salesforce.md 2.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException

from syncer.salesforce import jsontext
from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.ids import to_18

Canonical = None | bool | str

NUMBERS = frozenset({"int", "double", "currency", "percent", "long"})
REFERENCES = frozenset({"id", "reference"})

NULL_IN_CSV = "#N/A"  # Bulk API 2.0: sets the field to null; an empty cell leaves it alone (docs/salesforce.md 7.2)

MOST_DIGITS = 40  # Salesforce has 18; beyond this a number is nonsense and would only cost memory
EARLIEST, LATEST = date(1700, 1, 1), date(4000, 12, 31)  # "Date Fields", SOAP API Developer Guide

_BLANKS = "".join(chr(code) for code in range(33))  # what Java's trim takes off
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d{1,9})?\s*(Z|[+-]\d{2}:?\d{2})", re.ASCII | re.IGNORECASE
)
_TIME = re.compile(r"(\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?Z?", re.ASCII | re.IGNORECASE)
_WIRE_END = ".000+0000"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
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


def from_wire(field: FieldDescribe, raw: object) -> Canonical:
    """The canonical form of what Salesforce's JSON or CSV says (decimals as Decimal). BadValue for nonsense."""
    return _canonical(field, raw, from_people=False)


def from_text(field: FieldDescribe, text: object) -> Canonical:
    """The canonical form of what a person, file or database column says: text, numbers, dates, booleans, lists.

    Raises BadValue with a sentence about what is wrong. A datetime needs a time zone: guessing one would be silent.
    """
    return _canonical(field, text, from_people=True)


def to_wire(field: FieldDescribe, canonical: Canonical) -> None | bool | int | str | Decimal:
    """What Salesforce's JSON gets: None for empty, numbers without any loss. BadValue if it is not canonical."""
    if canonical is None:
        return False if field.type == "boolean" else None  # a checkbox is never null
    if field.type == "boolean":
        if not isinstance(canonical, bool):
            raise BadValue(field, canonical, "is not yes or no.")
        return canonical
    if field.type in NUMBERS:
        number = _number(field, canonical)
        return int(number) if _scale(field) == 0 else number
    if field.type == "datetime" and isinstance(canonical, str):
        return canonical.removesuffix("Z") + _WIRE_END
    return canonical if isinstance(canonical, str) else str(canonical)


def to_csv(field: FieldDescribe, canonical: Canonical) -> str:
    """The cell for Bulk API 2.0, not yet quoted. BadValue for a text that Bulk would take for null."""
    value = to_wire(field, canonical)
    if value is None:
        return NULL_IN_CSV
    if isinstance(value, bool):
        return "true" if value else "false"
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    if text == NULL_IN_CSV:
        raise BadValue(field, canonical, "means empty in a Bulk file; send it in another way.")
    return text


def from_csv(field: FieldDescribe, cell: str) -> Canonical:
    """The canonical form of a cell of a Bulk query's result, where an empty cell is null."""
    return from_wire(field, cell or None)


def same(field_type: str, a: Canonical, b: Canonical) -> bool:
    """Whether two canonical values agree. A checkbox can't be empty in Salesforce: unknown agrees with false."""
    if field_type == "boolean":
        return bool(a) == bool(b)
    return a == b


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > MOST_DIGITS * 4:
        return "a number of more than 40 digits"
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 80 else shown[:79] + "…"


def _canonical(field: FieldDescribe, raw: object, from_people: bool) -> Canonical:
    if raw is None:
        return None
    if isinstance(raw, int) and raw.bit_length() > MOST_DIGITS * 4:  # Python refuses to write very long ones
        raise BadValue(field, raw, "is too large.")
    if isinstance(raw, str):
        if from_people and (found := _UNSTORABLE.search(raw)):
            raise BadValue(field, raw, f"holds a character that can't be stored (U+{ord(found[0]):04X}).")
        raw = raw.replace("\r\n", "\n").replace("\r", "\n").strip(_BLANKS)
        if not raw:
            return None
    if field.type == "boolean":
        return _boolean(field, raw)
    if field.type in NUMBERS:
        return format(_number(field, raw), "f")
    if field.type == "date":
        return _date(field, raw, from_people)
    if field.type == "datetime":
        return _datetime(field, raw, from_people)
    if field.type == "time":
        return _time(field, raw)
    if field.type == "multipicklist":
        return _set(field, raw)
    if field.type in REFERENCES:
        return _id(field, raw)
    return _text(field, raw)


def _text(field: FieldDescribe, raw: object) -> Canonical:
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
    return str(raw).strip(_BLANKS) or None


def _boolean(field: FieldDescribe, raw: object) -> bool:
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
            number = number.quantize(Decimal(1).scaleb(-_scale(field)), context=_ARITHMETIC)
    except DecimalException:
        raise BadValue(field, raw, "is not a number that can be kept.") from None
    return abs(number) if number.is_zero() else number


def _scale(field: FieldDescribe) -> int:
    return 0 if field.type in ("int", "long") else min(max(field.scale, 0), MOST_DIGITS)


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


def _time(field: FieldDescribe, raw: object) -> str:
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


def _set(field: FieldDescribe, raw: object) -> Canonical:
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
        if (found := _UNSTORABLE.search(part)) and not isinstance(raw, str):
            raise BadValue(field, part, f"holds a character that can't be stored (U+{ord(found[0]):04X}).")
        values.add(part.strip(_BLANKS))
    return ";".join(sorted(values - {""})) or None


def _id(field: FieldDescribe, raw: object) -> str:
    try:
        return to_18(raw)
    except ValueError:
        raise BadValue(field, raw, "is not a Salesforce id.") from None
