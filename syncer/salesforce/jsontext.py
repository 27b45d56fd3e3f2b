"""JSON as Salesforce should get it: decimals written digit by digit.

Python's encoder can write a Decimal only through float, which turns 9999999999999999.99 into 1e16.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from math import isfinite

MOST_DIGITS_OF_INT = 640  # every Python reads an int of so many, whatever its limit is set to


def dumps(value: object) -> str:
    """The JSON text, in ASCII. ValueError for NaN and infinity, TypeError for types JSON does not have."""
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts)


def loads(text: str | bytes) -> object:
    """The value, decimals as Decimal. ValueError if the text is not JSON; RecursionError if it is nested absurdly."""
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
            raise
    # Python makes no int of thousands of digits: one such number must not cost the whole answer.
    return json.loads(text, parse_float=Decimal, parse_int=_whole)


def _whole(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= MOST_DIGITS_OF_INT else Decimal(digits)


def _write(value: object, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(encode_basestring_ascii(value))
    elif value is None or isinstance(value, bool):
        parts.append("null" if value is None else "true" if value else "false")
    elif isinstance(value, int):
        parts.append(int.__repr__(value))
    elif isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"JSON has no {value}.")
        parts.append(format(value, "f"))
    elif isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"JSON has no {value}.")
        parts.append(float.__repr__(value))
    elif isinstance(value, Mapping):
        _write_object(value, parts)
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            parts.append("," if position else "[")
            _write(item, parts)
        parts.append("]" if value else "[]")
    else:
        raise TypeError(f"JSON can't carry {type(value).__name__}.")


def _write_object(value: Mapping[object, object], parts: list[str]) -> None:
    separator = "{"
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError(f"A key of a JSON object is text, not {type(key).__name__}.")
        parts += (separator, encode_basestring_ascii(key), ":")
        _write(item, parts)
        separator = ","
    parts.append("}" if value else "{}")
