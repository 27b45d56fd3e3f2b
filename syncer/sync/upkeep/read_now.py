"""Looks at a person's record in Salesforce right now, to show both sides. Writes nothing, on either side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from syncer.models import SalesforceRecord
from syncer.salesforce import soql
from syncer.salesforce.caller import Timing
from syncer.salesforce.codes import EdgeCode
from syncer.sync.connection.connect import active_sync_user, check_ready, connect, one_line_errors
from syncer.sync.context import OpenSession, default_session
from syncer.sync.errors import CannotSync
from syncer.sync.fields.object_map import object_map
from syncer.sync.merge import Value
from syncer.sync.outcomes import Code
from syncer.sync.persons.record import BadRecord, parse
from syncer.sync.pull.rest_of_rows import joined

#: Seconds that a page waits for Salesforce.
PATIENCE = (5.0, 10.0)


@dataclass(frozen=True, slots=True)
class There:
    """The record's values by person field, and when they were read."""

    values: Mapping[str, Value]
    read_at: datetime


def read_record(record: SalesforceRecord, open_session: OpenSession = default_session) -> There:
    """One API call, or as many as its fields take. Raises CannotSync, with one clear sentence: no connection, or the
    record is not to be seen."""
    sync_user = active_sync_user()
    check_ready(sync_user, timezone.now())
    org = connect(sync_user, open_session, Timing(attempts=1, timeout=PATIENCE))
    fields = object_map(sync_user, record.object)
    where = soql.equals("Id", record.record_id)
    selects = [list(select) for select in (fields.select, *fields.rest)]
    with one_line_errors(sync_user, org):
        pages = [org.query(soql.select(select, record.object, where=where), deleted=True) for select in selects]
    found_rows = [next(iter(page.records), None) for page in pages]
    if found_rows[0] is None:
        raise CannotSync(f"{record.object} {record.record_id} is not visible to the sync user.", Code.NOT_VISIBLE)
    try:
        found = parse(fields, joined(found_rows) or found_rows[0])
    except BadRecord as error:
        raise CannotSync(f"{record.object} {record.record_id} {error}.", EdgeCode.BAD_ANSWER) from None
    if found.gone:
        what = "deleted" if found.is_deleted else "converted"
        raise CannotSync(f"{record.object} {record.record_id} was {what}; the next cycle follows it.", Code.GONE)
    return There(found.values, pages[0].asked_at)
