"""Text that is no good text: half a character (a lone surrogate), and bytes that are not UTF-8.

Records of real organisations hold such text; the database here takes none. It is kept with marks, two characters that
Unicode has set apart, and the marks become what they stand for when an answer leaves.
"""

from __future__ import annotations

import re

#: before the four digits of half a character, and before the two digits of a byte
_HALF, _BYTE = "\U0010fffd", "\U0010fffe"
_HALVES = re.compile("[\ud800-\udfff]")
_MARKS = re.compile(f"{_HALF}([0-9a-f]{{4}})|{_BYTE}([0-9a-f]{{2}})".encode())
_HALF_START = _HALF.encode()[:3]


def kept(text: str) -> str:
    """The text as the database takes it."""
    return _HALVES.sub(lambda match: f"{_HALF}{ord(match[0]):04x}", text)


def of_bytes(data: bytes) -> str:
    """A text to be kept that leaves as these bytes."""
    return "".join(f"{_BYTE}{byte:02x}" for byte in data)


def released(body: bytes, *, in_json: bool) -> bytes:
    """An answer as it leaves: in JSON half a character is an escape, elsewhere bytes that UTF-8 does not allow."""
    if _HALF_START not in body:
        return body

    def stood_for(match: re.Match[bytes]) -> bytes:
        if match[2]:
            return bytes.fromhex(match[2].decode())
        return b"\\u" + match[1] if in_json else chr(int(match[1], 16)).encode("utf-8", "surrogatepass")

    return _MARKS.sub(stood_for, body)
