"""What the demo shows: ticked steps and a box on a terminal, plain lines otherwise."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


class Screen:
    """Writes to one stream; on a terminal with colour and a spinner while a step takes its time."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        unicode = (self._console.encoding or "").lower().startswith("utf")
        self._tick = "✓" if unicode else "*"

    @contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """Show what is being done; then that it is done, unless it failed."""
        with self._console.status(Text(doing + " …")):
            yield
        self.done(done)

    def done(self, text: str) -> None:
        """A step that is behind us."""
        if self._console.is_terminal:
            self._console.print(Text.assemble((self._tick + " ", "bold green"), text))
        else:
            self.line(text + ".")

    def line(self, text: str) -> None:
        """One plain line."""
        self._console.print(Text(text))

    def warning(self, text: str) -> None:
        """One line that should be noticed."""
        self._console.print(Text(text, style="bold yellow"))

    def log(self, text: str) -> None:
        """The end of a process's log, under the line that tells of its failure."""
        self._console.print(Text(textwrap.indent(text, "  "), style="dim"))

    def box(self, title: str, rows: Sequence[tuple[str, str]], foot: str) -> None:
        """Names and values. A value stands on one line, for copying."""
        if not self._console.is_terminal:
            self.line(title)
            for name, value in rows:
                self.line(f"  {name}: {value}")
            self.line(foot)
            return
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(no_wrap=True, style="bold")
        for name, value in rows:
            table.add_row(name, Text(value))
        grid = Table.grid()
        grid.add_row(table)
        grid.add_row("")
        grid.add_row(Text(foot, style="dim"))
        self._console.print()
        self._console.print(Panel.fit(grid, title=Text(title, style="bold"), border_style="green", padding=(1, 3)))
