"""Ids of records that were converted or merged away before a person here was linked with them.

They are kept as former ids of whom they became, so that an old id still finds its person. What a cycle reads of such
records it tells here (``Context.gone``). What was gone before the first cycle is asked for once, ids alone, when both
objects have been read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from syncer.models import SyncCursor
from syncer.salesforce import soql
from syncer.salesforce.client import Page, Subrequest
from syncer.salesforce.ids import is_salesforce_id, to_18
from syncer.sync.connection import runs
from syncer.sync.connection.pages import field_errors, first_page, pages
from syncer.sync.context import Context
from syncer.sync.fields.synced_objects import OBJECTS
from syncer.sync.persons.record import Became, Reading


@dataclass(frozen=True, slots=True)
class Past:
    """One question about the time before the first cycle. ``name`` is that of its cursor."""

    name: str
    object: str
    field: str
    reason: str
    condition: str
    deleted: bool

    @property
    def reference(self) -> str:
        return self.name.replace(" ", "")

    def query(self, cursor: SyncCursor) -> str:
        after = f"Id > {soql.literal(cursor.resume_id)}" if cursor.resume_id else None
        where = soql.and_(self.condition, f"{self.field} != null", after)
        return soql.select(["Id", self.field], self.object, where=where, order_by=["Id"])


PAST = (
    Past("converted Lead", "Lead", "ConvertedContactId", "converted", "IsConverted = true", deleted=False),
    Past("merged Lead", "Lead", "MasterRecordId", "merged", "IsDeleted = true", deleted=True),
    Past("merged Contact", "Contact", "MasterRecordId", "merged", "IsDeleted = true", deleted=True),
)


def learn(context: Context) -> None:
    """Keep the former ids that this cycle has seen, and once those of the past."""
    if context.store.dry_run:  # it would cost calls, and there is nothing to tell of it
        return
    context.store.keep_former_ids(context)
    cursors = {c.object: c for c in SyncCursor.objects.filter(sync_user=context.sync_user)}
    if any(name not in cursors or cursors[name].read_to is None for name in OBJECTS):
        return
    asked = {p.name: cursors.get(p.name) or SyncCursor(sync_user=context.sync_user, object=p.name) for p in PAST}
    for past in [p for p in PAST if asked[p.name].read_to is None]:
        if past.field not in context.maps[past.object].select:  # not to be seen: nothing to ask for
            _finish(context, asked[past.name])
    remaining = [p for p in PAST if asked[p.name].read_to is None]
    if remaining:
        _read(context, remaining, asked)


def _read(context: Context, questions: Sequence[Past], cursors: Mapping[str, SyncCursor]) -> None:
    """All in one call, and then page by page; goes on where it was broken off."""
    requests = [
        Subrequest("GET", soql.query_path(past.query(cursors[past.name]), past.deleted), past.reference)
        for past in questions
    ]
    answer, reading = context.ask(requests)
    for past in questions:
        cursor = cursors[past.name]
        if answer[past.reference].error() is not None:
            continue  # asked again by the next cycle; it stops nothing else
        done = 0
        for page, _ in pages(
            context, first_page(answer, past.reference), reading, partial(_ask, context, past, cursor)
        ):
            context.store.keep_former_ids(context, [one for row in page.records if (one := _gone(past, row))])
            done += len(page.records)
            _move(context, cursor, page)
            if done:
                runs.report(context, "Former ids", done, max(done, page.total))
            if page.next_url:
                context.next_batch()
        _finish(context, cursor)


def _ask(context: Context, past: Past, cursor: SyncCursor) -> tuple[Page, Reading]:
    with field_errors():
        return context.query(past.query(cursor), deleted=past.deleted)


def _finish(context: Context, cursor: SyncCursor) -> None:
    cursor.read_to, cursor.resume_id = context.now(), ""
    context.store.store_cursor(context, cursor)


def _gone(past: Past, row: Mapping[str, Any]) -> Became | None:
    """What the record became; None if that can't be read. Nobody here is linked with it: there is nothing to lose."""
    survivor = row.get(past.field)
    return Became(past.object, row["Id"], to_18(survivor), past.reason) if is_salesforce_id(survivor) else None


def _move(context: Context, cursor: SyncCursor, page: Page) -> None:
    if page.records:
        cursor.resume_id = page.records[-1]["Id"]
        context.store.store_cursor(context, cursor)
