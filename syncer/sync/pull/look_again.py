"""Records that were set aside, each because of itself, are looked at again: at once, then ever more seldom."""

from __future__ import annotations

from syncer.models import RecordAtFault
from syncer.salesforce import soql
from syncer.salesforce.errors import ListLost
from syncer.sync.connection.pages import field_errors, pages
from syncer.sync.context import Context
from syncer.sync.pull.records import MOST_AT_FAULT, receive_records
from syncer.sync.pull.visibility import take_by_id
from syncer.sync.store import at_fault


def look_again(context: Context, sobject: str) -> None:
    """Read what is due, and say how much waits still. What can be taken in now is; what is not there any more, or not
    visible, is followed like everything that is read by its id."""
    if context.store.dry_run:
        return
    due = at_fault.due(context, sobject)
    if due:
        ids = [row.record_id for row in due if row.record_id]
        for start in range(0, len(ids), MOST_AT_FAULT):  # these few may all be at fault still
            take_by_id(context, sobject, ids[start : start + MOST_AT_FAULT])
        for gap in (row for row in due if not row.record_id):
            _read_gap(context, sobject, gap)
    if waiting := at_fault.count(context, sobject):
        context.note(
            f"{waiting:,} {sobject} records can't be taken in, each because of itself; the others go on, and these are "
            "looked at again."
        )


def _read_gap(context: Context, sobject: str, gap: RecordAtFault) -> None:
    """All records that were changed between two moments: one of them had no readable Id."""
    bounds = [("SystemModstamp >= ", gap.after), ("SystemModstamp <= ", gap.until)]
    where = soql.and_(*(f"{begin}{soql.literal(moment)}" for begin, moment in bounds if moment is not None))
    select = list(context.maps[sobject].select)
    text = soql.select(select, sobject, where=where or None, order_by=["SystemModstamp", "Id"])
    with field_errors():
        first, reading = context.query(text, deleted=True)
    nameless = 0
    try:
        for page, of_page in pages(context, first, reading):
            left = receive_records(context, sobject, page.records, of_page)
            context.store.postpone(context, sobject, left.later, of_page)
            nameless += len(page.nameless)
    except ListLost:
        nameless += 1  # it may have been among the rest
    if nameless:
        at_fault.look_later(context, gap)
    else:
        at_fault.close(context, gap)
