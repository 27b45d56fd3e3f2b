"""How many records of an object, and how many of its fields, Salesforce takes at a time: every write of the columns
``records_a_call`` and ``fields_a_query`` of ``SalesforceObject``. The rest of that table is what a describe says."""

from __future__ import annotations

from syncer.models import SalesforceObject, SyncUser
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


def keep_fields(context: Context, sobject: str, size: int) -> None:
    """Remember how many mapped fields at a time a query may ask for."""
    SalesforceObject.objects.filter(sync_user=context.sync_user, name=sobject).update(fields_a_query=size)


def forget_fields(sync_user: SyncUser, sobject: str) -> None:
    """Its fields are others now: it is found out anew."""
    rows = SalesforceObject.objects.filter(sync_user=sync_user, name=sobject, fields_a_query__isnull=False)
    rows.update(fields_a_query=None)


def switch_off(context: Context, sobject: str, salesforce_field: str) -> None:
    """Salesforce refuses to read this field, even alone. When it is switched on again, it is filled in anew."""
    mappings = context.sync_user.mappings.filter(object=sobject, salesforce_field=salesforce_field)
    mappings.update(enabled=False, too_complicated=True, filled=False)
