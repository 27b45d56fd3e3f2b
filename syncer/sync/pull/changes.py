"""Receiving: how far an object was read, what to ask for next, and the pages of what changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Min

from syncer.models import CreateIntent, SalesforceRecord, SyncCursor
from syncer.salesforce import soql
from syncer.salesforce.client import Page
from syncer.sync.connection import runs
from syncer.sync.connection.pages import IDS_A_QUERY, field_errors, pages
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.persons.record import OVERLAP, Gap, Reading, stamp_of
from syncer.sync.pull.look_again import look_again
from syncer.sync.pull.records import receive_records
from syncer.sync.pull.visibility import ask_for_unseen, take_by_id
from syncer.sync.store import intents, links, postponed
from syncer.sync.store.cursors import cursor_for

#: Records whose fields can be decided now that are read again in one cycle; the next one goes on with the rest.
UNDECIDED_A_CYCLE = 10_000


@dataclass(frozen=True, slots=True)
class ChangeQuery:
    """What is asked for to receive an object's changes, and whether deleted records are asked for, too."""

    soql: str
    deleted: bool


def change_query(fields: ObjectMap, cursor: SyncCursor, *, full: bool = False, going_on: bool = False) -> ChangeQuery:
    """The query for what changed since the cursor; a read that was broken off goes on behind its last row.

    The first read leaves out what never becomes a person. Later ones ask for deleted and converted records, too; so
    does the first one for what changed since the first persons have had records.
    ``full``: everything, whenever it changed, from the beginning. ``going_on``: this very read has taken rows already.
    """
    conditions = []
    first = cursor.read_to is None
    if cursor.resume_stamp is not None and (going_on or not full):
        conditions.append(soql.changed_since(None, (cursor.resume_stamp, cursor.resume_id)))
    elif cursor.read_to is not None and not full:
        conditions.append(soql.changed_since(cursor.read_to - OVERLAP, None))
    known_since = _first_known(cursor) if first else None
    if first:
        alive = soql.and_(fields.live, "IsDeleted = false" if known_since else None)
        changed = soql.changed_since(known_since - OVERLAP) if known_since else None
        conditions.append(soql.or_(alive, changed))
    where = soql.and_(*conditions) or None
    text = soql.select(list(fields.select), fields.object, where=where, order_by=["SystemModstamp", "Id"])
    return ChangeQuery(text, deleted=not first or known_since is not None)


def _first_known(cursor: SyncCursor) -> datetime | None:
    """Since when records have persons here although their object was not read to the end yet: a read that was broken
    off has made some, and leads have been made for others."""
    creates = CreateIntent.objects.filter(intents.UNLINKED).aggregate(first=Min("asked_at"))
    read = SalesforceRecord.objects.filter(object=cursor.object).aggregate(first=Min("read_at"))
    return min((at for at in (cursor.reading_since, creates["first"], read["first"]) if at), default=None)


def receive(context: Context, sobject: str, first: Page, reading: Reading) -> Iterator[None]:
    """Merge the pages of a read that has begun with ``first``, and move the cursor with each of them. A list that is
    lost meanwhile is asked for anew behind the last row; so is one whose turn is over, after others had theirs."""
    cursor = cursor_for(context, sobject)
    if cursor.reading_since is None or context.full:
        cursor.reading_since = reading.asked_at

    def ask_anew() -> tuple[Page, Reading]:
        query = change_query(context.maps[sobject], cursor, full=context.full, going_on=True)
        with field_errors():
            return context.query(query.soql, deleted=query.deleted)

    done, readings, gaps = 0, [reading], _Gaps(context, cursor)
    follow: tuple[Page, Reading] | None = (first, reading)
    while follow is not None:
        began_behind, of_list, follow = cursor.resume_id, pages(context, *follow, ask_anew), None
        for page, reading_of_page in of_list:
            if reading_of_page is not readings[-1]:
                readings.append(reading_of_page)
            left = receive_records(context, sobject, page.records, reading_of_page)
            context.store.postpone(context, sobject, left.later, reading_of_page)
            gaps.take(page)
            _move(context, cursor, page.records)
            done += len(page.records)
            runs.report(context, f"Receiving {sobject}s", done, max(done, page.total))
            if not page.next_url:
                break
            if context.turn_is_over() and cursor.resume_id != began_behind:
                yield
                context.next_batch()
                follow = ask_anew()
                break
            context.next_batch()
    gaps.end(reading.asked_at)
    cursor.read_to, cursor.reading_since = cursor.reading_since, None
    cursor.resume_stamp, cursor.resume_id = None, ""
    context.store.store_cursor(context, cursor)
    _read_postponed(context, sobject, readings)
    look_again(context, sobject)
    if context.full:
        ask_for_unseen(context, sobject, reading.sequence)


class _Gaps:
    """Rows without a readable Id, set aside by where they stood: behind the last row with a stamp, before the next one.

    One at the end of a page is kept with the next page: the cursor stands before it until then.
    """

    def __init__(self, context: Context, cursor: SyncCursor) -> None:
        self._context, self._sobject = context, cursor.object
        self._after = cursor.resume_stamp or (cursor.read_to - OVERLAP if cursor.read_to else None)
        self._open = False

    def take(self, page: Page) -> None:
        if page.nameless or self._open:
            stood = set(page.nameless)
            for number, row in enumerate(page.records):
                self._open = self._open or number in stood
                if (stamp := stamp_of(row)) is not None:
                    self._close(stamp)
                    self._after = stamp
            self._open = self._open or len(page.records) in stood
        elif page.records:
            self._after = stamp_of(page.records[-1]) or self._after

    def end(self, until: datetime) -> None:
        """No more pages: what was changed later than they were asked for is not among them."""
        self._close(until)

    def _close(self, until: datetime) -> None:
        if self._open:
            self._context.store.set_gap_aside(self._context, self._sobject, Gap(self._after, until))
        self._open = False


def _move(context: Context, cursor: SyncCursor, rows: Sequence[dict[str, Any]]) -> None:
    """Store how far the read has come. The records that it had to leave are stored already."""
    for row in reversed(rows):
        if (stamp := stamp_of(row)) is not None:
            cursor.resume_stamp, cursor.resume_id = stamp, row["Id"]
            break
    context.store.store_cursor(context, cursor)


def _read_postponed(context: Context, sobject: str, readings: Iterable[Reading]) -> None:
    """Read the postponed records that this very read (its requests) has not merged after all."""
    undecided = links.undecided(context.organisation, sobject, UNDECIDED_A_CYCLE, may_send=context.may_send)
    waiting = list(dict.fromkeys([*postponed.of(context, sobject), *context.store.to_read(sobject), *undecided]))
    for start in range(0, len(waiting), IDS_A_QUERY):
        part = waiting[start : start + IDS_A_QUERY]
        merged = SalesforceRecord.objects.filter(organisation=context.organisation, record_id__in=part, weak_base=False)
        done: set[str] = set()
        for reading in readings:
            by_this = set(merged.filter(read_sequence=reading.sequence).values_list("record_id", flat=True))
            by_this -= postponed.since(context, sobject, by_this, reading)
            context.store.were_read(context, sobject, by_this, reading)
            done |= by_this
        if rest := [record_id for record_id in part if record_id not in done]:
            take_by_id(context, sobject, rest)
