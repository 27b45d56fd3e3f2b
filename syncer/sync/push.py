"""Sending: what waits in the outbox goes to Salesforce, hundreds of records in one Composite request.

The request reads the fields to be sent, updates them, and reads them again. What *before* shows beyond the base was
edited by somebody meanwhile: a conflict like any other. What *after* shows becomes the base, so that values which
Salesforce normalised, and our own echo, are known at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncer.models.triggers import agreeing_writes
from syncer.salesforce import soql, writing
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.errors import Action, OutcomeUnknown, policy_for
from syncer.salesforce.ids import to_18
from syncer.salesforce.rows import RowError
from syncer.salesforce.values import BadValue
from syncer.sync import life, outbox, pull, runs, state
from syncer.sync.apply import lock
from syncer.sync.errors import FieldsChanged
from syncer.sync.failures import LONGEST_WAIT, TRIES_IN_A_CYCLE, failed_outcome, failure, is_about_fields, outcome
from syncer.sync.fields import MappedField, ObjectMap
from syncer.sync.journal import Journal
from syncer.sync.merge import Value, merge
from syncer.sync.outcomes import PersonOutcome, Result
from syncer.sync.plan import Plan, Planned
from syncer.sync.remote import Reading, parse_stamp
from syncer.sync.settle import Sending, Sent, record
from syncer.sync.state import PersonState
from syncer.sync.work import Work, next_sequence

#: Records in one Composite request: three collections of 200 between two queries (at most five of them in all).
RECORDS_A_CALL = 3 * writing.MOST_ROWS
#: Passes over the outbox in one cycle, for what failed in passing.
PASSES = 6
#: Passes in a row with a request whose outcome stayed unknown, after which the cycle gives up.
UNKNOWN_IN_A_ROW = 3


def send_waiting(work: Work) -> None:
    """The cycle's sending phase: everything that waited when it began, batch by batch.

    What failed in passing, or with an unknown outcome, is tried again a few times; the next cycles do the rest.
    """
    if work.plan is not None:
        _plan_waiting(work, work.plan)
        return
    outbox.wake(work.now())
    until = outbox.newest()
    if until is None:
        return
    progress = [0, outbox.waiting(work.now())]
    unknown: list[OutcomeUnknown] = []
    for attempt in range(PASSES):
        lost = _send_all(work, until, progress)
        unknown = [*unknown, lost] if lost else []
        if len(unknown) >= UNKNOWN_IN_A_ROW:
            raise unknown[-1]
        again = work.now() if lost else outbox.next_try_within(LONGEST_WAIT, TRIES_IN_A_CYCLE, work.now())
        if again is None or attempt == PASSES - 1:
            break
        wait = (again - work.now()).total_seconds() + work.random.random()
        work.checkpoint()
        work.pause(max(wait, 0.0))
        work.checkpoint()


def _send_all(work: Work, until: datetime, progress: list[int]) -> OutcomeUnknown | None:
    """One pass over the outbox; gives the error of a request whose outcome is unknown. Updates can be repeated: the
    next try reads first, and finds what was carried out."""
    after, unknown = 0, None
    while ids := outbox.due(RECORDS_A_CALL, work.now(), after=after, until=until):
        after = ids[-1]
        claimed = outbox.claim(ids, work.claim)
        try:
            send(work, claimed)
        except OutcomeUnknown as error:
            unknown = error
        finally:
            runs.discard_interrupted_connection()
            outbox.let_go(work.claim)
        progress[0] += len(claimed)
        runs.report(work, "Sending", progress[0], max(progress))
        work.give_up_in_time()
    return unknown


def _plan_waiting(work: Work, told: Plan) -> None:
    """What would be sent of persons whose record was not read in this cycle; of the others it is decided already."""
    for ids in _due_batches(work):
        for person in state.by_ids(ids).values():
            link = person.link
            fields = work.maps.get(link.object) if link else None
            if link is None or fields is None or told.is_decided(person.id) or person.sfdc_is_deleted:
                continue
            here, bad = fields.here(person.values)
            if bad:
                why = "; ".join(str(error) for error in bad.values())
                told.add(Planned("refuse", person.id, person.name, person.sfdc_type, person.sfdc_id, why))
            else:
                merged = merge(fields.rules, link.base, here, link.base, sending=work.sending)
                told.add_merge(person.id, person.name, person.sfdc_type, person.sfdc_id, merged)


def _due_batches(work: Work) -> Iterator[list[int]]:
    """What waits, then what would be woken for its nightly retry."""
    after = 0
    while ids := outbox.due(RECORDS_A_CALL, work.now(), after=after):
        after = ids[-1]
        yield ids
    after = 0
    asleep = outbox.asleep(work.now()).order_by("person_id").values_list("person_id", flat=True)
    while ids := list(asleep.filter(person_id__gt=after)[:RECORDS_A_CALL]):
        after = ids[-1]
        yield ids


def send(work: Work, claimed: Iterable[int]) -> dict[int, PersonOutcome]:
    """Send what differs from the base, of persons that this worker has claimed; gives the outcome of each.

    Raises what the edge raises for the call as a whole; then the claims are still held.
    """
    outcomes: dict[int, PersonOutcome] = {}
    persons = state.by_ids(claimed)
    for sobject, fields in work.maps.items():
        batch = []
        for person in persons.values():
            if person.link is None or person.link.object != sobject:
                continue
            planned = plan(work, fields, person)
            if isinstance(planned, Sending):
                batch.append(planned)
            else:
                outcomes[person.id] = planned
        for start in range(0, len(batch), RECORDS_A_CALL):
            outcomes |= _send_batch(work, fields, batch[start : start + RECORDS_A_CALL])
    return outcomes


def plan(work: Work, fields: ObjectMap, person: PersonState) -> Sending | PersonOutcome:
    """What is to be sent of a person, by the merge of its values with the base. Persons that can't be are let go."""
    link = person.link
    if link is None or person.sfdc_is_deleted or link.weak_base:
        return outcome(person, Result.UNCHANGED, "Waits for its record to be read.")
    if link.hidden_since is not None:
        message = f"{link.object} {link.record_id} is no longer visible to the sync user. What was edited here waits."
        return outcome(person, Result.REFUSED, message, "NOT_VISIBLE")
    here, bad = fields.here(person.values)
    if bad:
        return _refuse_values(work, fields, person, bad)
    merged = merge(fields.rules, link.base, here, link.base, sending=work.sending)
    return Sending(person, merged.to_send, merged.received)


def _send_batch(work: Work, fields: ObjectMap, batch: Sequence[Sending]) -> dict[int, PersonOutcome]:
    to_send = [sending for sending in batch if sending.values]
    quiet = [_nothing_sent(sending) for sending in batch if not sending.values]
    reading = Reading(next_sequence(), work.now())
    sent: list[Sent] = []
    lost: list[Sent] = []
    about_fields = False
    if to_send:
        names = sorted({name for sending in to_send for name in sending.values})
        mapped = [f for f in fields.fields if f.person_field in names]
        outbox.doubt(work.claim, [(s.person.id, dict(s.values)) for s in to_send])
        work.checkpoint()
        answer = work.org.composite(_requests(work, fields, mapped, to_send), safe=False)
        work.checkpoint()
        reading = Reading(reading.sequence, answer.asked_at)
        for s in _results(fields, mapped, to_send, answer):
            if any(is_about_fields(e) for e in s.errors):
                about_fields = True
            else:
                (lost if _may_be_gone(s, answer) else sent).append(s)
    outcomes = record(work, fields, reading, [*sent, *quiet])
    if lost:
        outcomes |= _find_out(work, fields, lost)
    if about_fields:
        raise FieldsChanged
    return outcomes


def _may_be_gone(s: Sent, answer: Answer) -> bool:
    """Refused because the record is not what it was, or refused and not shown by the reading before."""
    if any(policy_for(error.code).action is Action.GONE for error in s.errors):
        return True
    return bool(s.errors) and s.before is None and answer["before"].ok


def _find_out(work: Work, fields: ObjectMap, lost: Sequence[Sent]) -> dict[int, PersonOutcome]:
    """Read the records of refused updates by id: what was deleted, merged or converted is followed, what is not
    answered is hidden. Only where the record is plainly there the refusal stands."""
    by_record = {s.sending.person.link.record_id: s for s in lost if s.sending.person.link}
    rows: list[dict[str, Any]] = []
    ids = list(by_record)
    for start in range(0, len(ids), pull.IDS_A_QUERY):
        part = ids[start : start + pull.IDS_A_QUERY]
        found, reading = pull.ask_for(work, fields.object, part)
        pull.receive_records(work, fields.object, found, reading, by_value=True)
        answered = {to_18(row["Id"]) for row in found}
        life.hide(work, reading, [by_record[i].sending.person.id for i in part if i not in answered])
        rows += found
    alive = {to_18(row["Id"]) for row in rows if not row.get("IsDeleted") and not row.get("IsConverted")}
    after = state.by_ids(s.sending.person.id for s in lost)
    outbox.keep(work.claim, [s.sending.person.id for i, s in by_record.items() if i not in alive])
    outcomes = {s.sending.person.id: _fate(s, after) for i, s in by_record.items() if i not in alive}
    standing = [
        replace(s, sending=replace(s.sending, person=after[s.sending.person.id]))
        for i, s in by_record.items()
        if i in alive and s.sending.person.id in after
    ]
    return outcomes | record(work, fields, Reading(next_sequence(), work.now()), standing)


def _fate(s: Sent, after: Mapping[int, PersonState]) -> PersonOutcome:
    """What has become of a person whose record is not what it was."""
    before = s.sending.person
    now = after.get(before.id)
    where = f"{before.sfdc_type} {before.sfdc_id}"
    if now is None:
        return outcome(before, Result.REFUSED, f"{where} was merged into another record, and so was this person.")
    if now.sfdc_is_deleted:
        message = f"{where} was deleted in Salesforce. Changes stay here only."
        return outcome(now, Result.NEEDS_DECISION, message, "DELETED_IN_SFDC")
    if now.link is not None and now.link.hidden_since is not None:
        message = f"{where} is no longer visible to the sync user. Nothing was changed."
        return outcome(now, Result.REFUSED, message, "NOT_VISIBLE")
    message = f"{where} has just become another record in Salesforce; the next cycle goes on with that one."
    return outcome(now, Result.BUSY, message, "BUSY")


def _requests(
    work: Work, fields: ObjectMap, mapped: Sequence[MappedField], batch: Sequence[Sending]
) -> list[Subrequest]:
    ids = [s.person.link.record_id for s in batch if s.person.link]
    names = ["Id", "SystemModstamp", *(f.salesforce_field for f in mapped)]
    path = soql.query_path(soql.select(names, fields.object, where=soql.in_("Id", ids)))
    rows = [sending.body(fields) for sending in batch]
    size = writing.MOST_ROWS
    save = writing.ALLOW_DUPLICATES if work.save_duplicates else {}
    headers = {**writing.AUTO_ASSIGN_OFF, **save}
    updates = [
        writing.update(f"update{start // size}", fields.object, rows[start : start + size], headers)
        for start in range(0, len(rows), size)
    ]
    return [Subrequest("GET", path, "before"), *updates, Subrequest("GET", path, "after")]


def _results(fields: ObjectMap, mapped: Sequence[MappedField], batch: Sequence[Sending], answer: Answer) -> list[Sent]:
    before, after = (_records(answer, name) for name in ("before", "after"))
    results = []
    for start in range(0, len(batch), writing.MOST_ROWS):
        results += writing.results(answer[f"update{start // writing.MOST_ROWS}"])
    sent = []
    for sending, result in zip(batch, results, strict=True):
        record_id = sending.person.link.record_id if sending.person.link else ""
        seen = [rows.get(record_id) for rows in (before, after)]
        values = [_values(mapped, row, sending.values) if row else None for row in seen]
        stamps = [parse_stamp(row["SystemModstamp"]) if row else None for row in seen]
        sent.append(Sent(sending, result.errors, values[0], stamps[0], values[1], stamps[1]))
    return sent


def _records(answer: Answer, reference: str) -> dict[str, dict[str, Any]]:
    response = answer[reference]
    return {row["Id"]: row for row in response.body["records"]} if response.ok else {}


def _values(mapped: Sequence[MappedField], row: Mapping[str, Any], wanted: Mapping[str, Value]) -> dict[str, Value]:
    return {f.person_field: f.there(row) for f in mapped if f.person_field in wanted}


def _nothing_sent(sending: Sending) -> Sent:
    return Sent(sending, (), None, None, None, None)


def _refuse_values(work: Work, fields: ObjectMap, person: PersonState, bad: Mapping[str, BadValue]) -> PersonOutcome:
    """Values that Salesforce's types can't hold are refused here, without asking Salesforce."""
    mapped = {f.person_field: f for f in fields.fields}
    errors = [
        RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", str(e), (mapped[name].salesforce_field,)) for name, e in bad.items()
    ]
    values = {name: str(_raw(person, mapped[name])) for name in bad}
    journal = Journal(work)
    with agreeing_writes():
        work.fence()
        if lock(work, {person.id: person.revision}):
            outbox.fail(work.claim, [result := failure(work, fields, person, errors, values, journal)])
            journal.write()
        else:
            return outcome(person, Result.BUSY, "The person was being edited; it is sent next time.")
    work.sent["failed"] += 1
    return failed_outcome(person, result)


def _raw(person: PersonState, field: MappedField) -> Any:
    return person.values[field.person_field] if field.is_column else person.values["custom"].get(field.person_field)
