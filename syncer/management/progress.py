"""How a command shows its progress: a live bar on a terminal, a plain line per phase otherwise."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

#: Without a terminal, seconds between two lines about the same phase.
LINE_EVERY = 10.0


def quiet_logs(verbosity: int) -> None:
    """A command says itself what went wrong; the log's lines about it come with ``-v 2``."""
    if verbosity < 2:
        logging.getLogger("syncer").setLevel(logging.ERROR)


class Display(Protocol):
    def progress(self, phase: str, done: int, total: int | None) -> None: ...
    def close(self) -> None: ...


@contextmanager
def display_for(stream: Any, *, quiet: bool = False) -> Iterator[Display]:
    """The display that fits the stream; closed in the end, whatever happens."""
    target: IO[str] = getattr(stream, "_out", stream)
    display: Display
    if quiet:
        display = Silent()
    elif target.isatty():
        display = Bar(target)
    else:
        display = Lines(target)
    try:
        yield display
    finally:
        display.close()


class Silent:
    def progress(self, phase: str, done: int, total: int | None) -> None:
        """Nobody wants to know."""

    def close(self) -> None:
        """Nothing to close."""


class Bar:
    """One line per phase with a bar, counts and the time."""

    def __init__(self, stream: IO[str]) -> None:
        self._bars = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(file=stream),
        )
        self._bars.start()
        self._phase = ""
        self._task: Any = None

    def progress(self, phase: str, done: int, total: int | None) -> None:
        if phase != self._phase:
            self._complete()
            self._phase, self._task = phase, self._bars.add_task(phase, total=total)
        self._bars.update(self._task, completed=done, total=total)

    def close(self) -> None:
        self._complete()
        self._bars.stop()

    def _complete(self) -> None:
        if self._task is not None:
            task = self._bars.tasks[self._task]
            self._bars.update(self._task, total=task.total or 1, completed=task.total or 1)


class Lines:
    """A line when a phase begins, and now and then while it lasts."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._phase = ""
        self._next = 0.0

    def progress(self, phase: str, done: int, total: int | None) -> None:
        if phase == self._phase and time.monotonic() < self._next:
            return
        count = f" {done} of {total}" if total and done else ""
        self._stream.write(f"{phase}{count}…\n")
        self._stream.flush()
        self._phase, self._next = phase, time.monotonic() + LINE_EVERY

    def close(self) -> None:
        self._phase = ""
