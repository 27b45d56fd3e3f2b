"""One canonical form per value, so that two sides compare by ``==``: None, a boolean or text, nothing else.

Empty text is None (Salesforce stores null). What the form of each type is, and how it crosses, is in ``kinds``.
"""

from __future__ import annotations

from decimal import Decimal

from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.kinds import BLANKS, MOST_DIGITS, BadValue, Canonical, Wire, kind_of
from syncer.salesforce.texts import UNSTORABLE

NULL_IN_CSV = "#N/A"  # Bulk API 2.0: sets the field to null; an empty cell leaves it alone (docs/salesforce.md 7.2)


def from_wire(field: FieldDescribe, raw: object) -> Canonical:
    """The canonical form of what Salesforce's JSON or CSV says (decimals as Decimal). BadValue for nonsense."""
    return _canonical(field, raw, from_people=False)


def from_text(field: FieldDescribe, text: object) -> Canonical:
    """The canonical form of what a person, file or database column says: text, numbers, dates, booleans, lists.

    Raises BadValue with a sentence about what is wrong. A datetime needs a time zone: guessing one would be silent.
    """
    return _canonical(field, text, from_people=True)


def as_of_now(field: FieldDescribe, stored: Canonical) -> Canonical:
    """A canonical value that was stored under an earlier describe of the field, in the form that this one gives it; as
    it is where this one can't hold it."""
    if not isinstance(stored, str) or not kind_of(field).shaped:
        return stored
    try:
        return from_text(field, stored)
    except BadValue:
        return stored


def to_wire(field: FieldDescribe, canonical: Canonical) -> Wire:
    """What Salesforce's JSON gets: None for empty (but a checkbox is never null), numbers without any loss. BadValue if
    it is not canonical."""
    kind = kind_of(field)
    return kind.empty if canonical is None else kind.write(field, canonical)


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


def _canonical(field: FieldDescribe, raw: object, from_people: bool) -> Canonical:
    if raw is None:
        return None
    if isinstance(raw, int) and raw.bit_length() > MOST_DIGITS * 4:  # Python refuses to write very long ones
        raise BadValue(field, raw, "is too large.")
    if isinstance(raw, str):
        if from_people and (found := UNSTORABLE.search(raw)):
            raise BadValue(field, raw, f"holds a character that can't be stored (U+{ord(found[0]):04X}).")
        raw = raw.replace("\r\n", "\n").replace("\r", "\n").strip(BLANKS)
        if not raw:
            return None
    return kind_of(field).read(field, raw, from_people)
