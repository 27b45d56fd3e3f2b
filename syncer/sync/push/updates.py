"""Sending: what waits in the outbox goes to Salesforce, hundreds of records in one Composite request.

The request reads the fields to be sent, updates them, and reads them again. What *before* shows beyond the base was
edited by somebody meanwhile: a conflict like any other. What *after* shows becomes the base, so that values which
Salesforce normalised, and our own echo, are known at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from syncer.models import PendingState
from syncer.salesforce import soql, writing
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.errors import OutcomeUnknown, SalesforceError
from syncer.salesforce.kinds import BadValue
from syncer.sync.connection import runs
from syncer.sync.connection.pages import all_rows, first_page
from syncer.sync.context import Context
from syncer.sync.errors import FieldsChanged, OutOfTime
from syncer.sync.fields.object_map import MappedField, ObjectMap
from syncer.sync.merge import Merge, Value
from syncer.sync.outcomes import Outcomes, PersonOutcome, busy
from syncer.sync.persons import person_state
from syncer.sync.persons.record import Reading, stamp_of
from syncer.sync.plan import Plan, Planned
from syncer.sync.push import missing_records, refused_fields
from syncer.sync.push.after_update import record
from syncer.sync.push.failures import LONGEST_WAIT, TRIES_IN_A_CYCLE, needs_fresh_fields
from syncer.sync.push.prepare import prepare, sendable, why_not_now
from syncer.sync.push.sending import Sending, Sent
from syncer.sync.store import outbox

#: Records in one Composite request: three collections of 200 between two queries (at most five of them in all).
RECORDS_A_CALL = 3 * writing.MOST_ROWS
#: Fields of a wide record, and characters of a long text: Salesforce answers fewer of those in one page.
MANY_FIELDS, LONG_TEXT = 100, 255
#: Passes over the outbox in one cycle, for what failed in passing.
PASSES = 6
#: Passes in a row with a request whose outcome stayed unknown, after which the cycle gives up.
UNKNOWN_IN_A_ROW = 3


def send_waiting(context: Context) -> None:
    """The cycle's sending phase: everything that waited when it began, batch by batch.

    What failed in passing, or with an unknown outcome, is tried again a few times; the next cycles do the rest.
    """
    if isinstance(context.store, Plan):
        _plan_waiting(context, context.store)
        return
    outbox.requeue_due(context.now())
    until = outbox.newest()
    if until is None:
        return
    progress = [0, outbox.waiting(context.now())]
    unknown: list[OutcomeUnknown] = []
    for attempt in range(PASSES):
        broken = _send_all(context, until, progress)
        unknown = [*unknown, broken] if broken else []
        if len(unknown) >= UNKNOWN_IN_A_ROW:
            raise unknown[-1]
        again = context.now() if broken else outbox.next_try_within(LONGEST_WAIT, TRIES_IN_A_CYCLE, context.now())
        if again is None or attempt == PASSES - 1:
            break
        wait = (again - context.now()).total_seconds() + context.random.random()
        context.checkpoint()
        context.pause(max(wait, 0.0))
        context.checkpoint()


def _send_all(context: Context, until: datetime, progress: list[int]) -> OutcomeUnknown | None:
    """One pass over the outbox. Return the error of a request whose outcome is unknown. Updates can be repeated: the
    next try reads first, and finds what was carried out."""
    after, unknown = 0, None
    while ids := outbox.due(RECORDS_A_CALL, context.now(), after=after, until=until):
        context.next_batch()
        after = ids[-1]
        claimed = outbox.claim(ids, context.claim)
        try:
            for _ in send(context, claimed, retry=False):
                pass  # it is written already
        except OutcomeUnknown as error:
            unknown = error
        finally:
            runs.discard_interrupted_connection()
            outbox.let_go(context.claim)
        progress[0] += len(claimed)
        runs.report(context, "Sending", progress[0], max(progress))
    return unknown


def _plan_waiting(context: Context, told: Plan) -> None:
    """What would be sent of persons whose record was not read in this cycle; of the others it is decided already."""
    for ids in _due_batches(context):
        for person in person_state.by_ids(ids).values():
            link = person.link
            fields = context.maps.get(link.object) if link else None
            if link is None or fields is None or told.is_decided(person.id) or why_not_now(person) is not None:
                continue
            found = sendable(context, fields, person, link, retry=person.pending == PendingState.FAILED)
            if found.bad:
                why = "; ".join(str(error) for error in found.bad.values())
                told.add(Planned("refuse", person.id, person.name, person.sfdc_type, person.sfdc_id, why))
            if not found.all_wait:
                sent = Merge(tuple(d for d in found.merged.decisions if d.field not in found.waiting))
                told.add_merge(person, person.sfdc_type, person.sfdc_id, sent)


def _due_batches(context: Context) -> Iterator[list[int]]:
    """What waits, then what would be woken for its nightly retry."""
    after = 0
    while ids := outbox.due(RECORDS_A_CALL, context.now(), after=after):
        after = ids[-1]
        yield ids
    after = 0
    asleep = outbox.due_for_nightly_retry(context.now()).order_by("person_id").values_list("person_id", flat=True)
    while ids := list(asleep.filter(person_id__gt=after)[:RECORDS_A_CALL]):
        after = ids[-1]
        yield ids


def send(context: Context, claimed: Iterable[int], *, retry: bool = True) -> Iterator[Outcomes]:
    """Send what differs from the base, of persons that this worker has claimed. Yield what was written: the outcome of
    each.

    ``retry``: also values that were refused before and are held (``held``), because somebody asks for it.
    Raises what the edge raises for the call as a whole; then the claims are still held. Raises FieldsChanged behind the
    outcomes when some persons have to be tried again with a fresh describe.
    """
    persons, surprised = person_state.by_ids(claimed), False
    for sobject, fields in context.maps.items():
        batch = []
        for person in persons.values():
            if person.link is None or person.link.object != sobject:
                continue
            planned = prepare(context, fields, person, retry=retry)
            if isinstance(planned, Sending):
                batch.append(planned)
            else:
                yield {person.id: planned}
        while batch:
            size = _records_a_call(context, fields, batch)
            told = _send_batch(context, fields, batch[:size])
            surprised = surprised or len(told) < len(batch[:size])
            yield told
            batch = batch[size:]
    if surprised:
        raise FieldsChanged


def _records_a_call(context: Context, fields: ObjectMap, batch: Sequence[Sending]) -> int:
    """What *before* does not show is not noticed, so its rows have to come in one page. Salesforce shortens the pages
    of wide records, and of those with several long texts, to no less than 200 rows ("Changing the Batch Size in
    Queries", SOAP API Developer Guide)."""
    names = {name for sending in batch[:RECORDS_A_CALL] for name in sending.values}
    sent = [f for f in fields.fields if f.person_field in names]
    long_texts = sum(f.describe.length > LONG_TEXT for f in sent)
    wide = context.short_pages or len(sent) > MANY_FIELDS or long_texts > 1
    return writing.MOST_ROWS if wide else RECORDS_A_CALL


def _send_batch(context: Context, fields: ObjectMap, planned: Sequence[Sending]) -> dict[int, PersonOutcome]:
    """One request, what came of it, and a second one for what was refused only in part. Who has no outcome was refused
    because of a field of which the describe may be out of date."""
    # Whose claim ran out while Salesforce was slow may have been edited and sent by another worker: an old value would
    # go over the new one.
    owned = outbox.renew(context.claim, [sending.person.id for sending in planned])
    batch = [sending for sending in planned if sending.person.id in owned]
    reading, results = _call(context, fields, [sending for sending in batch if sending.values])
    missing = [s for s in results if s.missing]
    in_parts = refused_fields.in_parts(context, fields, results)
    surprised = [s for s in results if needs_fresh_fields(context, s.errors)]
    told = [s for s in results if not s.missing and s not in surprised and s not in in_parts]
    quiet = [_nothing_sent(sending) for sending in batch if not sending.values]
    outcomes = {s.person.id: busy(s.person) for s in planned if s.person.id not in owned}
    outcomes |= record(context, fields, reading, [*told, *quiet])
    outcomes |= missing_records.find_out(context, fields, missing)
    outcomes |= _send_parts(context, fields, in_parts)
    return outcomes


def _send_parts(context: Context, fields: ObjectMap, in_parts: Mapping[Sent, Sending]) -> dict[int, PersonOutcome]:
    """Refused updates again, without the fields that Salesforce named."""
    if not in_parts:
        return {}
    reading, rest = _call(context, fields, list(in_parts.values()))
    both = [refused_fields.together(*pair) for pair in zip(in_parts, rest, strict=True)]
    return record(context, fields, reading, both)


def _call(context: Context, fields: ObjectMap, batch: Sequence[Sending]) -> tuple[Reading, list[Sent]]:
    """Read, update and read again, in one Composite request; what came of each record, in the order of the batch."""
    if not batch:
        return context.no_reading(), []
    names = {name for sending in batch for name in sending.values}
    mapped = [f for f in fields.fields if f.person_field in names]
    outbox.mark_in_doubt(context.claim, [(s.person.id, dict(s.values)) for s in batch])
    answer, reading = context.ask(_requests(context, fields, mapped, batch), safe=False)
    before = answer["before"].page
    if before is not None and before.next_url:
        context.short_pages = True
    return reading, _results(context, fields, mapped, batch, answer)


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
        writing.update(f"update{start // size}", fields.object, rows[start : start + size], headers)
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
    results = []
    for start in range(0, len(batch), writing.MOST_ROWS):
        results += writing.results(answer[f"update{start // writing.MOST_ROWS}"])
    sent = []
    for sending, result in zip(batch, results, strict=True):
        record_id = sending.person.link.record_id if sending.person.link else ""
        seen = [rows.get(record_id) for rows in (before, after)]
        values = [_values(mapped, row, sending.values) if row else None for row in seen]
        stamps = [stamp_of(row) if row else None for row in seen]
        gone = missing_records.may_be_gone(context, result.errors, seen[0] is None and all_seen)
        sent.append(Sent(sending, result.errors, values[0], stamps[0], values[1], stamps[1], missing=gone))
    return sent


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


def _nothing_sent(sending: Sending) -> Sent:
    return Sent(sending, (), None, None, None, None)
