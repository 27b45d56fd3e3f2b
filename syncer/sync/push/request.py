"""The Composite request of updates: it reads the fields to be sent, updates them, and reads them again.

What *before* shows beyond the base was edited by somebody meanwhile: a conflict like any other. The updates refer to
it, so that Composite leaves them out when it failed, and nothing is written over what nobody has seen. What *after*
shows becomes the base, so that values which Salesforce normalised, and our own echo, are known at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from syncer.salesforce import soql, writing
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.errors import Recovery, Refused, SalesforceError, policy_for
from syncer.salesforce.kinds import BadValue
from syncer.salesforce.rows import RowError
from syncer.salesforce.validity import Validity
from syncer.sync.connection.pages import all_rows, first_page
from syncer.sync.context import Context
from syncer.sync.errors import FieldsChanged, OutOfTime
from syncer.sync.fields.object_map import MappedField, ObjectMap
from syncer.sync.merge import Value
from syncer.sync.persons.record import Reading, stamp_of
from syncer.sync.push import missing_records
from syncer.sync.push.portions import perhaps_because_of_others
from syncer.sync.push.sending import Sending, Sent
from syncer.sync.store.call_sizes import RECORDS_A_CALL

#: Fields of a wide record, and characters of a long text: Salesforce answers fewer of those in one page.
MANY_FIELDS, LONG_TEXT = 100, 255
#: Refused as a whole because of what was sent, and not because of who asked, where, or when.
REFUSED_DATA = (400, 413)


def records_a_call(context: Context, fields: ObjectMap, batch: Sequence[Sending]) -> int:
    """What *before* does not show is not noticed, so its rows have to come in one page. Salesforce shortens the pages
    of wide records, and of those with several long texts, to no less than 200 rows ("Changing the Batch Size in
    Queries", SOAP API Developer Guide)."""
    names = {name for sending in batch for name in sending.values}
    sent = [f for f in fields.fields if f.person_field in names]
    long_texts = sum(f.describe.length > LONG_TEXT for f in sent)
    wide = context.short_pages or len(sent) > MANY_FIELDS or long_texts > 1
    return writing.MOST_ROWS if wide else RECORDS_A_CALL


def update(
    context: Context, fields: ObjectMap, batch: Sequence[Sending], validity: Validity
) -> tuple[Reading, list[Sent]]:
    """Make the request; what came of each record, in the order of the batch. ``validity``: of the look at the claims.
    Raises what the edge raises for the call as a whole, but for a refusal of what was sent."""
    if not batch:
        return context.no_reading(), []
    names = {name for sending in batch for name in sending.values}
    mapped = [f for f in fields.fields if f.person_field in names]
    try:
        answer, reading = context.send(_requests(context, fields, mapped, batch), validity)
    except Refused as error:
        if (refusal := refusal_of_data(error)) is None:
            raise
        return context.no_reading(), [_nothing_read(context, sending, refusal) for sending in batch]
    before = answer["before"].page
    if before is not None and before.next_url:
        context.short_pages = True
    return reading, _results(context, fields, mapped, batch, answer)


def refusal_of_data(error: Exception) -> RowError | None:
    """Why a call was refused as a whole because of what was sent, as the refusal of each row; else None."""
    if not isinstance(error, Refused) or error.http_status not in REFUSED_DATA:
        return None
    if policy_for(error.code).recovery is Recovery.PAUSE:
        return None
    return RowError(error.code, error.message, error.fields)


def _requests(
    context: Context, fields: ObjectMap, mapped: Sequence[MappedField], batch: Sequence[Sending]
) -> list[Subrequest]:
    ids = [s.person.link.record_id for s in batch if s.person.link]
    names = ["Id", "SystemModstamp", *(f.salesforce_field for f in mapped)]
    path = soql.query_path(soql.select(names, fields.object, where=soql.in_("Id", ids)))
    rows = [sending.body(fields) for sending in batch]
    size = writing.MOST_ROWS
    save = writing.ALLOW_DUPLICATES if context.save_duplicates else {}
    headers = {**writing.AUTO_ASSIGN_OFF, **save}
    updates = [
        writing.update(
            f"update{start // size}", fields.object, rows[start : start + size], headers, only_after="before"
        )
        for start in range(0, len(rows), size)
    ]
    return [Subrequest("GET", path, "before"), *updates, Subrequest("GET", path, "after")]


def _results(
    context: Context, fields: ObjectMap, mapped: Sequence[MappedField], batch: Sequence[Sending], answer: Answer
) -> list[Sent]:
    first = answer["before"].page
    before = _records(first.records if first else [])
    all_seen = first is not None and not first.nameless
    try:
        after = _records(all_rows(context, first_page(answer, "after")))
    except (SalesforceError, FieldsChanged, OutOfTime):
        after = {}  # what was sent is the base, and the record is read again
    sent = []
    for sending, (errors, whole) in zip(batch, _errors(answer, len(batch)), strict=True):
        record_id = sending.person.link.record_id if sending.person.link else ""
        seen = [rows.get(record_id) for rows in (before, after)]
        values = [_values(mapped, row, sending.values) if row else None for row in seen]
        stamps = [stamp_of(row) if row else None for row in seen]
        gone = missing_records.may_be_gone(context, errors, seen[0] is None and all_seen)
        together = perhaps_because_of_others(
            context, errors, whole=whole, read_failed=not answer["before"].ok, tried=sending.person.attempts > 0
        )
        sent.append(Sent(sending, errors, values[0], stamps[0], values[1], stamps[1], gone, together and not gone))
    return sent


def _errors(answer: Answer, rows: int) -> Iterator[tuple[tuple[RowError, ...], bool]]:
    """Why each row was refused, and whether its collection was as a whole: then because of the reading before it, if
    that failed."""
    unread = answer["before"].error()
    for start in range(0, rows, writing.MOST_ROWS):
        part = answer[f"update{start // writing.MOST_ROWS}"]
        for result in writing.results(part):
            yield ((unread,) if unread and not part.ok else result.errors), not part.ok


def _nothing_read(context: Context, sending: Sending, refusal: RowError) -> Sent:
    """Of a request that was refused as a whole."""
    together = perhaps_because_of_others(context, [refusal], whole=True, tried=sending.person.attempts > 0)
    return Sent(sending, (refusal,), None, None, None, None, together=together)


def _records(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["Id"]: row for row in rows}


def _values(mapped: Sequence[MappedField], row: Mapping[str, Any], wanted: Mapping[str, Value]) -> dict[str, Value]:
    """What can't be read is left out: it is unknown."""
    found: dict[str, Value] = {}
    for field in mapped:
        if field.person_field in wanted:
            with suppress(BadValue):
                found[field.person_field] = field.there(row)
    return found
