"""Record ids: 15 case-sensitive characters, or the same with 3 check characters behind them."""

from __future__ import annotations

import re

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?\Z")


def checksum(fifteen: str) -> str:
    """The three check characters: one bit per upper-case letter, five letters each."""
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << place for place, letter in enumerate(fifteen[start : start + 5]) if "A" <= letter <= "Z")
        suffix += _CHECK[bits]
    return suffix


def long_form(record_id: str) -> str | None:
    """The 18-character id, or None if the text is no id. The check characters are matched without regard to case."""
    if not _SHAPE.match(record_id):
        return None
    fifteen = record_id[:15]
    suffix = checksum(fifteen)
    if len(record_id) == 18 and record_id[15:].upper() != suffix:
        return None
    return fifteen + suffix


def make(prefix: str, number: int) -> str:
    """The id of the record with this running number."""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = ALPHABET[rest] + digits
    fifteen = prefix + "Sb0" + digits.rjust(9, "0")
    return fifteen + checksum(fifteen)
