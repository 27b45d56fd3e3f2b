"""Texts as databases hold them. Salesforce's answers may have others: half of a surrogate pair, or a NUL.

An emoji that was cut in the middle leaves such a half: PostgreSQL takes none, SQLite stores bytes that no later read
can decode. JSON writes both as escapes (RFC 8259, section 8.2), so any answer can have them, in any of its texts.
"""

from __future__ import annotations

import re

#: Characters that can't be stored.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
#: Stands where one of them stood (REPLACEMENT CHARACTER).
REPLACEMENT = "\ufffd"
#: How JSON text can say one of them. A whole pair matches, too: this only tells whether to look closer.
_ESCAPES = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class MadeStorable(str):
    """A text that stood otherwise in Salesforce's answer. Its canonical form is a plain text like any other: it is what
    the record has, as far as it can be held here, so that it counts as equal and is never sent back."""

    __slots__ = ()


def storable(text: str) -> str:
    """The text itself, or with each character that can't be stored replaced, as ``MadeStorable``."""
    return MadeStorable(UNSTORABLE.sub(REPLACEMENT, text)) if UNSTORABLE.search(text) else text


def storable_json(value: object) -> object:
    """A JSON value with every text in it storable, names included. RecursionError if it is nested absurdly."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [storable_json(item) for item in value]
    if isinstance(value, dict):
        return {str(storable(name)): storable_json(item) for name, item in value.items()}
    return value


def may_be_unstorable(json_text: bytes) -> bool:
    """Whether a text in this JSON may hold one of those characters: a quick look, so that all others cost nothing."""
    return _ESCAPES.search(json_text) is not None
