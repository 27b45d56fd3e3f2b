"""How many records of an object Salesforce takes at a time (``SalesforceObject.records_a_call``): every write of that
column. The rest of that table is what a describe says."""

from __future__ import annotations

from syncer.models import SalesforceObject
from syncer.salesforce.writing import MOST_ROWS
from syncer.sync.context import Context

#: Records in one Composite request: three collections of 200 between two queries (at most five of them in all).
RECORDS_A_CALL = 3 * MOST_ROWS


def of(context: Context, sobject: str) -> int | None:
    """The number that is remembered; None while no smaller one than RECORDS_A_CALL is known to be needed."""
    rows = SalesforceObject.objects.filter(sync_user=context.sync_user, name=sobject)
    return rows.values_list("records_a_call", flat=True).first()


def keep(context: Context, sobject: str, size: int) -> bool:
    """Remember a number, from 1; RECORDS_A_CALL and more stand for no limit. Whether it could be: of an object that
    nothing was described of, nothing is remembered."""
    rows = SalesforceObject.objects.filter(sync_user=context.sync_user, name=sobject)
    return bool(rows.update(records_a_call=None if size >= RECORDS_A_CALL else max(size, 1)))
