"""The body of an answer: read as a stream up to a limit, its text as UTF-8, what it says as JSON that can be stored."""

from __future__ import annotations

import codecs
from typing import Any

import requests

from syncer.salesforce import jsontext, texts

#: Bytes of one answer, unpacked. A page of 2,000 rows has one or two million; what is larger would fill the memory.
MOST_BYTES = 64 * 1024 * 1024
_PIECE = 64 * 1024  # bytes


class AnswerTooLarge(Exception):
    """Internal: the rest of the answer was not read."""


def read(response: requests.Response, most: int) -> bool:
    """Read the whole body, to be had as ``response.content`` then. Return whether its text was sound UTF-8.

    Bytes that are no UTF-8 become half characters, as JSON escapes them, so that the rest of the answer can be read;
    they are made storable with all others. JSON is UTF-8, whatever a header says (RFC 8259, section 8.1).
    Raises AnswerTooLarge, with the connection closed, and what requests raises when the connection breaks.
    """
    pieces, size = [], 0
    for piece in response.iter_content(_PIECE):
        size += len(piece)
        if size > most:
            response.close()
            raise AnswerTooLarge
        pieces.append(piece)
    content = b"".join(pieces).removeprefix(codecs.BOM_UTF8)
    is_json = _is_json(response)
    sound = not is_json or _is_utf8(content)
    if not sound:
        content = content.decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace")
    if is_json:
        response.encoding = "utf-8"
    # requests has no way to be handed a body that was read by somebody else.
    response._content = content
    return sound


def parse(content: bytes) -> Any:
    """The JSON value, decimals as Decimal, every text storable. ValueError if it is none, RecursionError if it is
    nested absurdly."""
    value = jsontext.loads(content)
    return texts.storable_json(value) if texts.may_be_unstorable(content) else value


def _is_json(response: requests.Response) -> bool:
    return "json" in response.headers.get("Content-Type", "json").lower()


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
