"""JSON as bytes, with numbers kept exact.

Python's encoder writes floats only, and a float loses digits past the fifteenth: ``9999999999999999.99``
would leave as ``1e16``. Such numbers travel as marked text and lose their quotes at the end.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from sandbox import rawtext

_MARK = "\x00#"
_MARKED = re.compile(r'"\\u0000#(-?[0-9]+(?:\.[0-9]+)?)"')
_EXACT_BELOW = 10**15


def number(scaled: int, scale: int) -> float | str:
    """The JSON value of a scaled integer. Every number is written with a decimal point, as Salesforce does."""
    if -_EXACT_BELOW < scaled < _EXACT_BELOW:
        return float(scaled / 10**scale)
    text = str(Decimal(scaled).scaleb(-scale).quantize(Decimal(1).scaleb(-scale)))
    return _MARK + (text if "." in text else text + ".0")


def dumps(value: Any) -> bytes:
    """The JSON text of a value as UTF-8."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if "\\u0000#" in text:
        text = _MARKED.sub(r"\1", text)
    # half a character leaves as an escape, as JSON writers of UTF-16 texts have it
    return rawtext.released(text.encode("utf-8", "backslashreplace"), in_json=True)


def loads(body: bytes) -> Any:
    """The value in a JSON text, fractions as ``Decimal``. Raises ValueError."""
    return json.loads(body.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"unexpected token: {name}")
