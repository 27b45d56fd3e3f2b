"""CSV as Bulk API 2.0 takes and gives it (Bulk API 2.0 Developer Guide, "Bulk API 2.0 CSV Files")."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import IO

from sandbox import rawtext

DELIMITERS = {"COMMA": ",", "TAB": "\t", "SEMICOLON": ";", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
MAX_HEADER = 32_000
MAX_FIELD = 131_072


class BadCsv(ValueError):
    """The upload is not what the job said it would be; the text is the job's ``errorMessage``."""


def line(values: Sequence[str], delimiter: str, ending: str) -> bytes:
    """One row, every value quoted."""
    quoted = ('"' + value.replace('"', '""') + '"' for value in values)
    return rawtext.released((delimiter.join(quoted) + ending).encode("utf-8", "surrogatepass"), in_json=False)


def rows(upload: IO[bytes], delimiter: str, ending_name: str) -> Iterator[list[str]]:
    """The rows of an upload, the header first. Blank lines do not count."""
    _check_ending(upload, ending_name)
    upload.seek(0)
    text = io.TextIOWrapper(upload, encoding="utf-8-sig", newline="")
    try:
        csv.field_size_limit(MAX_FIELD)
        for row in csv.reader(text, delimiter=delimiter, strict=True):
            if row:
                yield row
    except UnicodeDecodeError as error:
        raise BadCsv("ClientInputError : the data is not encoded in UTF-8") from error
    except csv.Error as error:
        raise BadCsv(f"ClientInputError : {error}") from error
    finally:
        text.detach()


def _check_ending(upload: IO[bytes], ending_name: str) -> None:
    upload.seek(0)
    head = upload.readline(MAX_HEADER + 2)
    if len(head) > MAX_HEADER:
        raise BadCsv("ClientInputError : the header row is too long")
    found = "CRLF" if head.endswith(b"\r\n") else "LF"
    if head.endswith(b"\n") and found != ending_name:
        raise BadCsv(
            f"ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {ending_name}"
        )
