"""Receiving: how far an object was read, what to ask for next, and the pages of what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Min

from syncer.models import CreateIntent, SalesforceRecord, SyncCursor
from syncer.salesforce import soql
from syncer.salesforce.client import Page
from syncer.sync.connection import runs
from syncer.sync.connection.pages import pages
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.persons.record import OVERLAP, Reading, parse_stamp
from syncer.sync.pull.records import receive_records
from syncer.sync.pull.visibility import ask_for_unseen, read_again
from syncer.sync.store import links
from syncer.sync.store.cursors import cursor_for

#: Records whose fields can be decided now that are read again in one cycle; the next one goes on with the rest.
UNDECIDED_A_CYCLE = 10_000


@dataclass(frozen=True, slots=True)
class ChangeQuery:
    """What is asked for to receive an object's changes, and whether deleted records are asked for, too."""

    soql: str
    deleted: bool


def change_query(fields: ObjectMap, cursor: SyncCursor, *, full: bool = False) -> ChangeQuery:
    """The query for what changed since the cursor; a read that was broken off goes on behind its last row.

    The first read leaves out what never becomes a person. Later ones ask for deleted and converted records, too; so
    does the first one for what changed since the first persons have had records.
    ``full``: everything, whenever it changed, from the beginning.
    """
    conditions = []
    first = cursor.read_to is None
    if cursor.resume_stamp is not None and not full:
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
    intents = CreateIntent.objects.filter(person__sfdc_type="").aggregate(first=Min("asked_at"))
    links = SalesforceRecord.objects.filter(object=cursor.object).aggregate(first=Min("read_at"))
    return min((at for at in (cursor.reading_since, intents["first"], links["first"]) if at), default=None)


def receive(context: Context, sobject: str, first: Page, reading: Reading) -> None:
    """Merge the pages of a read that has begun with ``first``, and move the cursor with each of them.

    All pages count as read when the first one was: which rows they hold was settled then, and perhaps their values.
    """
    cursor = cursor_for(context, sobject)
    if cursor.reading_since is None or context.full:
        cursor.reading_since = first.asked_at
    done = 0
    for page in pages(context, first):
        postponed = receive_records(context, sobject, page.records, reading)
        _move(context, cursor, page.records, postponed)
        done += len(page.records)
        runs.report(context, f"Receiving {sobject}s", done, max(done, page.total))
        if page.next_url:
            context.next_batch()
    cursor.read_to, cursor.reading_since = cursor.reading_since, None
    cursor.resume_stamp, cursor.resume_id = None, ""
    cursor.postponed = read_again(context, sobject, _not_read_yet(context, cursor, reading))
    context.store.store_cursor(context, cursor)
    if context.full:
        ask_for_unseen(context, cursor, reading.sequence)


def _move(context: Context, cursor: SyncCursor, rows: Sequence[dict[str, Any]], postponed: Sequence[str]) -> None:
    """Store how far the read has come, and which records it had to leave."""
    if rows:
        cursor.resume_stamp, cursor.resume_id = parse_stamp(rows[-1]["SystemModstamp"]), rows[-1]["Id"]
    cursor.postponed = list(dict.fromkeys([*cursor.postponed, *postponed]))
    context.store.store_cursor(context, cursor)


def _not_read_yet(context: Context, cursor: SyncCursor, reading: Reading) -> list[str]:
    """The postponed records that this very read has not merged after all."""
    undecided = links.undecided(context.organisation, cursor.object, UNDECIDED_A_CYCLE, may_send=context.may_send)
    waiting = list(dict.fromkeys([*cursor.postponed, *context.store.to_read(cursor.object), *undecided]))
    read = SalesforceRecord.objects.filter(
        organisation=context.organisation, record_id__in=waiting, weak_base=False, read_sequence=reading.sequence
    )
    done = set(read.values_list("record_id", flat=True))
    return [record_id for record_id in waiting if record_id not in done]
