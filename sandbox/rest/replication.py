"""getUpdated and getDeleted (REST API Developer Guide, "Get Updated", "Get Deleted")."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sandbox.clock import read_wire, wire_datetime
from sandbox.dml import late
from sandbox.errors import SalesforceError
from sandbox.rest.call import Call
from sandbox.schema.sobject import SObject
from sandbox.store.database import quote
from sandbox.wire import Response

_UPDATED_DAYS, _DELETED_DAYS = 30, 15
MAX_IDS = 600_000


def _moment(call: Call, name: str) -> datetime:
    text = call.query(name)
    # a plus that was not percent-encoded arrives as a space
    normal = text.strip().replace(" ", "+").upper()
    try:
        moment = datetime.fromisoformat(normal)
    except ValueError as error:
        raise SalesforceError(400, "INVALID_FIELD", f"'{text}' is not a valid date/time for {name}") from error
    if moment.tzinfo is None:
        raise SalesforceError(400, "INVALID_FIELD", f"'{text}' is not a valid date/time for {name}")
    try:
        return moment.astimezone(UTC).replace(second=0, microsecond=0)
    except OverflowError as error:
        raise SalesforceError(400, "INVALID_REPLICATION_DATE", f"{name} is out of range") from error


def _window(call: Call, name: str, days: int) -> tuple[SObject, datetime, datetime]:
    item = call.object(name)
    if not item.replicateable or not item.has("SystemModstamp"):
        raise SalesforceError(400, "INVALID_TYPE", f"Entity type '{item.name}' is not replicateable")
    start, end = _moment(call, "start"), _moment(call, "end")
    if end - start < timedelta(minutes=1):
        raise SalesforceError(
            400, "INVALID_REPLICATION_DATE", "endDate must be at least one minute greater than startDate"
        )
    now = call.org.clock.now()
    if start > now:
        raise SalesforceError(400, "INVALID_REPLICATION_DATE", "startDate cannot be in the future")
    if now - start > timedelta(days=days):
        raise SalesforceError(
            400,
            "INVALID_REPLICATION_DATE",
            f"startDate before org replication enabled date or more than {days} days ago",
        )
    return item, start, end


def updated(call: Call, name: str) -> Response:
    """GET /sobjects/{Object}/updated: ids of records changed between two minutes."""
    item, start, end = _window(call, name, _UPDATED_DAYS)
    alive = " AND IsDeleted = 0" if item.has("IsDeleted") else ""
    sql = (
        f"SELECT Id FROM {quote(item.name)} WHERE SystemModstamp >= ? AND SystemModstamp < ?{alive} ORDER BY "
        f"SystemModstamp, Id LIMIT {MAX_IDS + 1}"
    )
    found = [row[0] for row in call.org.database.execute(sql, (wire_datetime(start), wire_datetime(end)))]
    found = [record_id for record_id in found if not call.org.is_hidden(call.session.user_id, record_id)]
    if len(found) > MAX_IDS:
        raise SalesforceError(400, "EXCEEDED_ID_LIMIT", "too many records; choose a shorter period")
    return Response.json({"ids": found, "latestDateCovered": wire_datetime(_covered(call, end))})


def deleted(call: Call, name: str) -> Response:
    """GET /sobjects/{Object}/deleted: what went to the recycle bin and was not purged or brought back since."""
    item, start, end = _window(call, name, _DELETED_DAYS)
    sql = "SELECT id, at FROM _deleted WHERE object = ? AND at >= ? AND at < ? ORDER BY at, id LIMIT ?"
    rows = call.org.database.execute(sql, (item.name, wire_datetime(start), wire_datetime(end), MAX_IDS + 1)).fetchall()
    if len(rows) > MAX_IDS:
        raise SalesforceError(400, "EXCEEDED_ID_LIMIT", "too many records; choose a shorter period")
    earliest = call.org.clock.now() - timedelta(days=_DELETED_DAYS)
    return Response.json(
        {
            "deletedRecords": [{"deletedDate": at, "id": record_id} for record_id, at in rows],
            "earliestDateAvailable": wire_datetime(earliest.replace(second=0)),
            "latestDateCovered": wire_datetime(_covered(call, end)),
        }
    )


def _covered(call: Call, end: datetime) -> datetime:
    """Up to where the answer is complete: not beyond now, nor beyond a save that has not committed."""
    earliest = min(end, call.org.clock.now().replace(second=0, microsecond=0))
    running = late.earliest_stamp(call.org.database)
    return earliest if running is None else min(earliest, read_wire(running))
