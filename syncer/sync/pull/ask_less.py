"""How many fields at a time Salesforce bears in a query, found out when it refuses one as too complicated or too long.

Each half of what was refused is asked for by itself, down to one field. The number that every field was taken with is
remembered; a field that is refused even alone is switched off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from syncer.salesforce import soql
from syncer.salesforce.client import Subrequest
from syncer.salesforce.composite import MOST_QUERIES_AND_COLLECTIONS
from syncer.salesforce.errors import SalesforceError
from syncer.sync.connection.pages import first_page
from syncer.sync.context import Context
from syncer.sync.errors import TooMuchAsked
from syncer.sync.fields.object_map import ROW, Bears, ObjectMap
from syncer.sync.store import call_sizes

#: Fewer fields than this are not asked for at a time when each query by itself is taken: then it is not the fields.
FEWEST = 8


@dataclass(frozen=True, slots=True)
class _Part:
    """A query for some mapped fields. ``begins``: with what the engine itself reads, too."""

    names: tuple[str, ...]
    begins: bool


@dataclass(slots=True)
class _Learned:
    """``sizes``: numbers of fields that were refused although each of them was taken in the end; ``alone``: fields that
    were refused alone."""

    refused: list[_Part] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)

    @property
    def sizes(self) -> list[int]:
        return [len(part.names) for part in self.refused if not set(part.names) & set(self.alone)]


def ask_less(context: Context, refusal: SalesforceError) -> None:
    """Make the queries of the maps smaller, so that what was refused can be asked for again. Raises the ``refusal``
    when that would not help."""
    smaller = [_learn(context, fields, refusal) for fields in context.maps.values()]
    if not any(smaller):
        smaller = [_halve(context, fields) for fields in context.maps.values()]
    if not any(smaller):
        raise refusal
    context.maps = {name: fields.bearing(context.bears.get(name, Bears())) for name, fields in context.maps.items()}


def _learn(context: Context, fields: ObjectMap, refusal: SalesforceError) -> bool:
    """Find out what of the queries of one object is refused. Whether they are smaller now."""
    learned = _Learned()
    first, *rest = (fields.select, *fields.rest)
    waiting = deque(
        [_Part(first[len(fields.base) :], begins=True), *(_Part(names[len(ROW) :], False) for names in rest)]
    )
    while waiting:
        batch = [waiting.popleft() for _ in range(min(len(waiting), MOST_QUERIES_AND_COLLECTIONS))]
        for part in _refused(context, fields, batch):
            waiting.extend(_smaller(part, learned, refusal))
    for name in learned.alone:
        _switch_off(context, fields.object, name)
        context.note(f"{fields.object}: {name} is switched off: Salesforce refuses to read it, even alone. {refusal}")
    if learned.sizes:
        _remember(context, fields, min(learned.sizes) // 2)
    return bool(learned.refused or learned.alone)


def _smaller(part: _Part, learned: _Learned, refusal: SalesforceError) -> Iterator[_Part]:
    """What is asked for instead of a part that was refused. Raises the ``refusal`` when the engine can't do without."""
    if len(part.names) > 1:
        learned.refused.append(part)
        half = len(part.names) // 2
        yield _Part(part.names[:half], part.begins)
        yield _Part(part.names[half:], begins=False)
    elif part.begins and part.names:
        learned.refused.append(part)
        yield _Part((), begins=True)
        yield _Part(part.names, begins=False)
    elif part.begins:
        raise refusal
    else:
        learned.alone.extend(part.names)


def _refused(context: Context, fields: ObjectMap, parts: Sequence[_Part]) -> Iterator[_Part]:
    """Which of these are refused as too much. Raises what else a query is refused for."""
    selects = [[*(fields.base if part.begins else ROW), *part.names] for part in parts]
    answer, _ = context.ask(
        [
            Subrequest("GET", soql.query_path(soql.select(select, fields.object, limit=1), deleted=True), f"part{n}")
            for n, select in enumerate(selects)
        ]
    )
    for n, part in enumerate(parts):
        try:
            first_page(answer, f"part{n}")
        except TooMuchAsked:
            yield part


def _halve(context: Context, fields: ObjectMap) -> bool:
    """Each query by itself is taken, and yet one was refused, with its condition: it may be shorter with fewer fields.
    Whether they are fewer now."""
    asked = fields.most or len(fields.asked - set(fields.base))
    if asked <= FEWEST:
        return False
    _remember(context, fields, asked // 2)
    return True


def _switch_off(context: Context, sobject: str, name: str) -> None:
    known = context.bears.get(sobject, Bears())
    context.bears[sobject] = replace(known, without=known.without | {name})
    if not context.store.dry_run:
        call_sizes.switch_off(context, sobject, name)


def _remember(context: Context, fields: ObjectMap, size: int) -> None:
    size = max(size, 1)
    context.bears[fields.object] = replace(context.bears.get(fields.object, Bears()), most=size)
    if not context.store.dry_run:
        call_sizes.keep_fields(context, fields.object, size)
    context.note(
        f"{fields.object}: Salesforce found a query for all fields too complicated or too long: they are asked for "
        f"{size} at a time."
    )
