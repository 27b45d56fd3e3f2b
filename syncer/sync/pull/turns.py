"""A long reading starves nobody: each object has its turn, and between the turns what waits is sent.

After a mass update in Salesforce there may be hours of reading, and an opt-out that was entered here does not wait for
them. A list of an organisation that is read to its end within one turn, as nearly all are, takes no notice of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from syncer.sync.context import Context

#: A list that is older is asked for anew behind its last row: what is sent meanwhile makes the rest of it stale.
LONGEST_TURN = timedelta(minutes=2)


def take_turns(context: Context, readings: Iterable[Iterator[None]], between: Callable[[], None]) -> None:
    """Go on with each reading in its turn until all have ended. One yields when it breaks off, with its position
    committed. ``between``: done after each round with one that did."""
    left = list(readings)
    while left:
        left = [reading for reading in left if _goes_on(context, reading)]
        if left:
            _begin(context)
            between()
    context.turn_ends = None


def _begin(context: Context) -> None:
    """A turn begins. A cycle that gives up in time keeps half of what is left of it for those who come after."""
    context.turn_ends = context.now() + LONGEST_TURN
    if context.deadline is not None:
        context.turn_ends = min(context.turn_ends, context.now() + (context.deadline - context.now()) / 2)


def _goes_on(context: Context, reading: Iterator[None]) -> bool:
    _begin(context)
    return next(reading, _ENDED) is not _ENDED


_ENDED = object()
