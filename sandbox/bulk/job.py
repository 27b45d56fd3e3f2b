"""A bulk job: what was asked, how far it is, and its results in temporary files."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from sandbox.bulk.csvtext import DELIMITERS, LINE_ENDINGS
from sandbox.clock import wire_datetime

_PIECE = 1 << 16
OPEN, UPLOADED, RUNNING = "Open", "UploadComplete", "InProgress"
COMPLETE, FAILED, ABORTED = "JobComplete", "Failed", "Aborted"
ENDED = (COMPLETE, FAILED, ABORTED)


class ResultFile:
    """Rows of a result, on disk, so that memory stays flat. The start of each row is kept, to cut pages."""

    def __init__(self, header: bytes) -> None:
        self.header = header
        # unbuffered, and read and written by position: several downloads may read at once
        self._file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - lives as long as the job
        self._starts = array("q", [0])

    def add(self, row: bytes) -> None:
        """Append one row."""
        self.add_all([row])

    def add_all(self, rows: list[bytes]) -> None:
        """Append many rows at once."""
        os.pwrite(self._file.fileno(), b"".join(rows), self._starts[-1])
        for row in rows:
            self._starts.append(self._starts[-1] + len(row))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def pieces(self, first: int = 0, count: int | None = None) -> Iterator[bytes]:
        """The header and so many rows, a piece at a time."""
        last = len(self) if count is None else min(len(self), first + count)
        yield self.header
        position, end = self._starts[first], self._starts[last]
        while position < end:
            piece = os.pread(self._file.fileno(), min(_PIECE, end - position), position)
            position += len(piece)
            yield piece

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()


@dataclass(kw_only=True)
class Job:
    """What both kinds of job have."""

    id: str
    operation: str
    object_name: str
    version: str
    user_id: str
    created: datetime
    column_delimiter: str = "COMMA"
    line_ending: str = "LF"
    state: str = OPEN
    changed: datetime = field(default_factory=datetime.now)
    error_message: str | None = None
    processed: int = 0
    failed: int = 0
    milliseconds: int = 0

    @property
    def delimiter(self) -> str:
        """The character between columns."""
        return DELIMITERS[self.column_delimiter]

    @property
    def ending(self) -> str:
        """The characters behind a row."""
        return LINE_ENDINGS[self.line_ending]

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

    def to(self, state: str, now: datetime, error: str | None = None) -> None:
        """Go to a state."""
        self.state, self.changed = state, now
        self.error_message = error or self.error_message

    def basics(self) -> dict[str, Any]:
        """The keys of job info that every answer has."""
        return {
            "id": self.id,
            "operation": self.operation,
            "object": self.object_name,
            "createdById": self.user_id,
            "createdDate": wire_datetime(self.created),
            "systemModstamp": wire_datetime(self.changed),
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.version),
            "lineEnding": self.line_ending,
            "columnDelimiter": self.column_delimiter,
        }

    def close(self) -> None:
        """Give up what is kept on disk."""
