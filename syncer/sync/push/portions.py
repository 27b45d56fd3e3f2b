"""What Salesforce refuses together is tried with fewer records, down to one: only what is refused alone is a person's.

One value that can't be read refuses a whole collection, and an automation that runs into a limit fails all records that
it got at once (docs/salesforce.md 4.1, 4.12). Which it was is told by codes: the words come in the language of the sync
user. A portion that was refused is halved; how many records at a time an object's automations bear is remembered, and
grows slowly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

from syncer.salesforce.errors import Recovery
from syncer.salesforce.rows import RowError
from syncer.sync.context import Context
from syncer.sync.outcomes import Outcomes
from syncer.sync.persons.person_state import PersonState
from syncer.sync.push.failures import recovery
from syncer.sync.store import call_sizes

#: After so many records in a row that were refused even alone, without one that was taken, it is not the number: the
#: rest of what is refused together waits for the time PUT_OFF, so that a broken automation does not use up the day's
#: calls. Each time others are tried alone.
MOST_ALONE = 20
PUT_OFF = timedelta(hours=1)
#: The remembered number grows by a 32nd with each batch that went well, at least by one.
GROWTH = 32


class OfPerson(Protocol):
    """Something of one person that can be sent."""

    @property
    def person(self) -> PersonState: ...


def by_person(item: OfPerson) -> int:
    return item.person.id


T = TypeVar("T")
S = TypeVar("S", contravariant=True)


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a portion. ``taken``: Salesforce has saved some of it. ``together``: keys (ids of persons) of what
    was refused, perhaps only because of the others; ``alone``: there was but one, so that it is this one's refusal."""

    outcomes: Outcomes
    taken: bool
    together: Collection[int]
    alone: bool


class Sender(Protocol[S]):
    """Sends portions of one kind, and writes what came of them."""

    def send(self, portion: Sequence[S]) -> Answered:
        """Send a portion. A refusal that is perhaps because of others is not written, unless it was alone."""

    def put_off(self, keys: Collection[int]) -> Outcomes:
        """Let those wait (PUT_OFF) who were refused together in the last portion."""


def perhaps_because_of_others(
    context: Context, errors: Sequence[RowError], *, whole: bool, read_failed: bool = False, tried: bool
) -> bool:
    """Whether what was refused may be taken with fewer others. ``whole``: their collection was refused as a whole;
    ``read_failed``: because what it was to come after could not be read; ``tried``: not for the first time.

    A fault that passes is waited for once; when it comes back, it may be a record that Salesforce fails at."""
    found = {recovery(context, error) for error in errors}
    if not whole:
        return Recovery.RETRY_LATER in found  # an automation failed
    if found & {Recovery.REFRESH_FIELDS, Recovery.STOP_FOR_LIMIT, Recovery.PAUSE}:
        return False
    return read_failed or tried or Recovery.RETRY_SOON not in found


def in_portions(
    context: Context, sobject: str, items: Sequence[T], sender: Sender[T], *, most: int, key: Callable[[T], int]
) -> Iterator[Outcomes]:
    """Send ``items``, at most so many at a time as Salesforce takes of this object (and ``most``). Yield what came of
    each portion. ``key`` tells items apart. Raises what sending raises."""
    bearable = call_sizes.of(context, sobject)
    size = min(most, bearable or most)
    search = _Search(deque(items[start : start + size] for start in range(0, len(items), size)), key)
    while (portion := search.next()) is not None:
        answered = sender.send(portion)
        yield answered.outcomes
        if given_up := search.learn(portion, answered):
            yield sender.put_off(given_up)
        if search.waiting:
            context.next_batch()
    if (too_many := search.too_many()) is not None:
        _remember(context, sobject, too_many // 2)
    elif bearable is not None and bearable <= size and len(items) >= size and not search.refused_together:
        call_sizes.keep(context, sobject, bearable + max(1, bearable // GROWTH))


def _remember(context: Context, sobject: str, size: int) -> None:
    if call_sizes.keep(context, sobject, size):
        context.note(
            f"Salesforce refused more {sobject}s at a time than it takes: they are sent {max(size, 1)} at a time, and "
            "slowly more again."
        )


@dataclass(slots=True)
class _Search(Generic[T]):
    """Halves what was refused together. The smallest portions come first, so that it is soon known whether fewer help;
    when even single records were refused for long, the largest."""

    waiting: deque[Sequence[T]]
    key: Callable[[T], int]
    in_a_row: int = 0  # records refused alone since Salesforce has taken one
    refused_together: list[frozenset[int]] = field(default_factory=list)
    refused_alone: set[int] = field(default_factory=set)

    def next(self) -> Sequence[T] | None:
        if not self.waiting:
            return None
        return self.waiting.popleft() if self.in_a_row < MOST_ALONE else self.waiting.pop()

    def learn(self, portion: Sequence[T], answered: Answered) -> Collection[int]:
        """Return the keys of those who are not tried with fewer others now."""
        if answered.taken:
            self.in_a_row = 0
        if not answered.together:
            return ()
        if answered.alone:
            self.in_a_row += 1
            self.refused_alone.update(answered.together)
            return ()
        if 2 * len(answered.together) >= len(portion):  # a limit strikes all; of one of many something else failed
            self.refused_together.append(frozenset(answered.together))
        if self.in_a_row >= MOST_ALONE:
            self.refused_alone.update(answered.together)  # nothing is known of them
            return answered.together
        again = [item for item in portion if self.key(item) in answered.together]
        half = (len(again) + 1) // 2
        # The others are settled: those who are left, if they are few, may be taken together now.
        parts = [again] if len(again) <= len(portion) // 2 else [again[:half], again[half:]]
        self.waiting.extendleft(reversed(parts))
        return ()

    def too_many(self) -> int | None:
        """The smallest number of records that was refused although each of them was taken in the end."""
        sizes = [len(persons) for persons in self.refused_together if not persons & self.refused_alone]
        return min(sizes, default=None)
