"""Sending: what waits in the outbox goes to Salesforce, hundreds of records in one Composite request.

The request reads the fields to be sent, updates them, and reads them again. What *before* shows beyond the base was
edited by somebody meanwhile: a conflict like any other. What *after* shows becomes the base, so that values which
Salesforce normalised, and our own echo, are known at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from syncer.models import ActivityType, PendingChange, Person, SalesforceRecord
from syncer.models.triggers import agreeing_writes
from syncer.salesforce import soql, writing
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.errors import Action, OutcomeUnknown, explain, policy_for
from syncer.salesforce.rows import RowError
from syncer.salesforce.values import BadValue
from syncer.sync import outbox, runs, state, statements
from syncer.sync.apply import lock, received_columns
from syncer.sync.errors import FieldsChanged
from syncer.sync.fields import MappedField, ObjectMap
from syncer.sync.journal import Journal
from syncer.sync.merge import Decision, Outcome, Value, merge, same
from syncer.sync.outbox import Failure
from syncer.sync.outcomes import PersonOutcome, Result
from syncer.sync.plan import Plan, Planned
from syncer.sync.remote import SETTLED_AFTER, Reading, parse_stamp
from syncer.sync.state import PersonState
from syncer.sync.work import Work, next_sequence

#: Records in one Composite request: three collections of 200 between two queries (at most five of them in all).
RECORDS_A_CALL = 3 * writing.MOST_ROWS
#: Passes over the outbox in one cycle, for what failed in passing.
PASSES = 6
#: Passes in a row with a request whose outcome stayed unknown, after which the cycle gives up.
UNKNOWN_IN_A_ROW = 3
#: A repeated try that is further away than this is left to the next cycle.
LONGEST_WAIT = timedelta(seconds=60)
#: Recording a result whose person is locked by a user's save: tries before it is left to be read again.
TRIES = 20


@dataclass(frozen=True, slots=True)
class Sending:
    """What is to be sent of one person: the fields that differ from the base, by person field."""

    person: PersonState
    values: Mapping[str, Value]
    restored: Mapping[str, Value] = field(default_factory=dict)  # edits here to fields that only receive

    def body(self, fields: ObjectMap) -> dict[str, Any]:
        link = self.person.link
        body: dict[str, Any] = {"Id": link.record_id if link else None}
        for mapped in fields.fields:
            if mapped.person_field in self.values:
                body[mapped.salesforce_field] = mapped.to_wire(self.values[mapped.person_field])
        return body


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of it. ``before`` and ``after`` are the fields sent as the record had them, None when not seen."""

    sending: Sending
    errors: tuple[RowError, ...]
    before: Mapping[str, Value] | None
    before_stamp: datetime | None
    after: Mapping[str, Value] | None
    after_stamp: datetime | None


def send_waiting(work: Work) -> None:
    """The cycle's sending phase: everything that waited when it began, batch by batch.

    What failed in passing, or with an unknown outcome, is tried again a few times; the next cycles do the rest.
    """
    if work.plan is not None:
        _plan_waiting(work, work.plan)
        return
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
        again = work.now() if lost else outbox.next_try_within(LONGEST_WAIT, work.now())
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
            outbox.let_go(work.claim)
        progress[0] += len(claimed)
        runs.report(work, "Sending", progress[0], max(progress))
        work.give_up_in_time()
    return unknown


def _plan_waiting(work: Work, told: Plan) -> None:
    """What would be sent of persons whose record was not read in this cycle; of the others it is decided already."""
    after = 0
    while ids := outbox.due(RECORDS_A_CALL, work.now(), after=after):
        after = ids[-1]
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
        return _outcome(person, Result.UNCHANGED, "Waits for its record to be read.")
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
    if to_send:
        names = sorted({name for sending in to_send for name in sending.values})
        mapped = [f for f in fields.fields if f.person_field in names]
        outbox.doubt(work.claim, [(s.person.id, dict(s.values)) for s in to_send])
        work.checkpoint()
        answer = work.org.composite(_requests(fields, mapped, to_send), safe=False)
        work.checkpoint()
        reading = Reading(reading.sequence, answer.asked_at)
        sent = _results(fields, mapped, to_send, answer)
    if any(is_about_fields(e) for s in sent for e in s.errors):
        _record(work, fields, reading, [s for s in sent if not any(is_about_fields(e) for e in s.errors)])
        raise FieldsChanged
    return _record(work, fields, reading, [*sent, *quiet])


def _requests(fields: ObjectMap, mapped: Sequence[MappedField], batch: Sequence[Sending]) -> list[Subrequest]:
    ids = [s.person.link.record_id for s in batch if s.person.link]
    names = ["Id", "SystemModstamp", *(f.salesforce_field for f in mapped)]
    path = soql.query_path(soql.select(names, fields.object, where=soql.in_("Id", ids)))
    rows = [sending.body(fields) for sending in batch]
    size = writing.MOST_ROWS
    updates = [
        writing.update(f"update{start // size}", fields.object, rows[start : start + size])
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


def is_about_fields(error: RowError) -> bool:
    return policy_for(error.code).action is Action.REFRESH_FIELDS


# -- recording what came of it --------------------------------------------------------------------------------------


def _record(work: Work, fields: ObjectMap, reading: Reading, sent: Sequence[Sent]) -> dict[int, PersonOutcome]:
    """Store the results. A person that is being edited right now is loaded again and the result recorded then."""
    outcomes: dict[int, PersonOutcome] = {}
    left = list(sent)
    for attempt in range(TRIES):
        if not left:
            break
        if attempt:
            work.pause(0.05 * attempt)
            persons = state.by_ids(s.sending.person.id for s in left)
            left = [
                replace(s, sending=replace(s.sending, person=persons[s.sending.person.id]))
                for s in left
                if s.sending.person.id in persons
            ]
        left = _record_once(work, fields, reading, left, outcomes, edited=attempt > 0)
    return outcomes


def _record_once(
    work: Work,
    fields: ObjectMap,
    reading: Reading,
    sent: Sequence[Sent],
    outcomes: dict[int, PersonOutcome],
    *,
    edited: bool,
) -> list[Sent]:
    journal = Journal(work)
    found: dict[int, PersonOutcome] = {}
    counts = {"updated": 0, "failed": 0, "unchanged": 0}
    with agreeing_writes():
        work.fence()
        free = lock(work, {s.sending.person.id: s.sending.person.revision for s in sent})
        ready = [s for s in sent if s.sending.person.id in free]
        done: list[Recorded] = []
        failures: list[Failure] = []
        for s in ready:
            if s.errors:
                failures.append(_failure(work, fields, s, journal))
                found[s.sending.person.id] = _failed(s.sending.person, failures[-1])
                counts["failed"] += 1
                continue
            recorded = _settle(work, fields, s, journal)
            done.append(recorded)
            found[s.sending.person.id] = recorded.outcome
            counts["updated" if s.sending.values else "unchanged"] += 1
        _write_values(work, fields, done)
        _write_bases(work, reading, done)
        # A person edited since the values were taken goes on waiting; so does one whose loss is to be restored there.
        waiting = [r.person.id for r in done if r.sends_again or edited]
        outbox.release(work.claim, [r.person.id for r in done if r.person.id not in waiting], waiting)
        if edited:
            outbox.release(work.claim, (), [f.person_id for f in failures])
        else:
            outbox.fail(work.claim, failures)
        journal.write()
    outcomes |= found
    work.conflicts += journal.conflict_count
    for name, count in counts.items():
        work.sent[name] += count
    return [s for s in sent if s.sending.person.id not in free]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a success leaves to be written: values that come back here, the new base, whether to send again."""

    person: PersonState
    received: Mapping[str, Value]
    base: Mapping[str, Value]
    stamp: datetime | None
    was_sent: bool
    sends_again: bool
    outcome: PersonOutcome


def _settle(work: Work, fields: ObjectMap, s: Sent, journal: Journal) -> Recorded:
    person, link = s.sending.person, s.sending.person.link
    assert link is not None  # noqa: S101 - plan() lets nobody else through
    here, _ = fields.here(person.values)
    received: dict[str, Value] = {}
    base = dict(link.base)
    sends_again = False
    for decision in _restored(s.sending, link.base, here):
        received[decision.field] = decision.there
        journal.received(person.id, person.name, decision, work.actor)
        journal.conflict(person.id, person.name, decision)
    for name, value in s.sending.values.items():
        rule = next(r for r in fields.rules if r.field == name)
        was = s.before[name] if s.before is not None else link.base.get(name)
        now = s.after[name] if s.after is not None else value
        base[name] = now
        if name in person.in_doubt and same(rule, was, person.in_doubt[name]):
            journal.doubt(person.id, person.name, name, person.in_doubt[name])
            was = link.base.get(name)
        edited_there = not same(rule, was, link.base.get(name)) and not same(rule, was, value)
        if edited_there:
            [decision] = merge([rule], link.base, {name: value}, {name: was}).decisions
            journal.conflict(person.id, person.name, decision)
            if decision.outcome is Outcome.RECEIVE:
                # Salesforce wins, but ours has just been written over its value: take that here, and send it back.
                if same(rule, here.get(name), value):
                    received[name] = was
                sends_again = True
                continue
        if not same(rule, now, value) and same(rule, here.get(name), value):
            received[name] = now  # Salesforce normalised it: accepted here, never sent again
    if s.sending.values:
        changes = {name: [link.base.get(name), base[name]] for name in s.sending.values}
        for name, (old, new) in changes.items():
            journal.sent(person.id, name, old, new)
        journal.entry(
            person.id,
            person.name,
            ActivityType.SYNC_UPDATES,
            f"Sent to {link.object} {link.record_id}: {', '.join(sorted(changes))}.",
            detail={"changes": changes, "id": link.record_id},
        )
    message = f"Sent: {', '.join(labels(fields, s.sending.values))}." if s.sending.values else "Nothing to send."
    result = Result.UPDATED if s.sending.values else Result.UNCHANGED
    outcome = replace(_outcome(person, result, message), sent=tuple(s.sending.values))
    return Recorded(person, received, base, _known_stamp(person, s), bool(s.sending.values), sends_again, outcome)


def _restored(sending: Sending, base: Mapping[str, Value], here: Mapping[str, Value]) -> list[Decision]:
    reason = "This field only receives: the last value is restored."
    return [
        Decision(name, Outcome.RECEIVE, reason, True, base.get(name), here.get(name), value, conflict=True)
        for name, value in sending.restored.items()
    ]


def _known_stamp(person: PersonState, s: Sent) -> datetime | None:
    """The stamp of the whole record, known only if nobody else had saved it between our last read and our update:
    otherwise a field that was not sent may have changed, and the record has to be read."""
    link = person.link
    if link is None or not s.sending.values:
        return link.system_modstamp if link else None
    undisturbed = (
        s.before_stamp is not None
        and s.before_stamp == link.system_modstamp
        and link.read_at is not None
        and link.read_at >= s.before_stamp + SETTLED_AFTER
    )
    return s.after_stamp if undisturbed else None


def _write_values(work: Work, fields: ObjectMap, done: Sequence[Recorded]) -> None:
    writes = []
    for r in done:
        columns: dict[str, Any] = {}
        for name, value in r.received.items():
            try:
                columns |= received_columns(r.person.values | columns, fields, {name: value})  # type: ignore[operator]
            except BadValue:
                continue  # it can't be stored here; the pull says so
        if columns:
            writes.append((r.person, columns))
    names = sorted({name for _, columns in writes for name in columns})
    rows = [[p.id, p.revision, *(columns.get(n, p.values[n]) for n in names), work.now()] for p, columns in writes]
    statements.update(Person, [*names, "updated_at"], rows, keys=("id", "revision"))


def _write_bases(work: Work, reading: Reading, done: Sequence[Recorded]) -> None:
    now = work.now()
    rows = [
        [
            r.person.id,
            dict(r.base),
            r.stamp,
            reading.asked_at if r.was_sent else link.read_at,
            reading.sequence if r.was_sent else link.read_sequence,
            now if r.was_sent else link.sent_at,
            now,
        ]
        for r in done
        if (link := r.person.link) is not None
    ]
    columns = ["base", "system_modstamp", "read_at", "read_sequence", "sent_at", "agreed_at"]
    statements.update(SalesforceRecord, columns, rows, keys=("person_id",))


# -- failures ---------------------------------------------------------------------------------------------------------


def _failure(work: Work, fields: ObjectMap, s: Sent, journal: Journal) -> Failure:
    return failure(work, fields, s.sending.person, s.errors, s.sending.values, journal)


def failure(
    work: Work,
    fields: ObjectMap,
    person: PersonState,
    errors: Sequence[RowError],
    values: Mapping[str, Value],
    journal: Journal,
) -> Failure:
    """What a refusal means for a person, with a `Sync failed` entry: Salesforce's code and words, the fields named,
    the values sent, and in plain language what to do."""
    error = errors[0]
    action = policy_for(error.code).action
    retry_at = next_try(work, person) if action in (Action.RETRY_SOON, Action.RETRY_LATER) else None
    sent = {f.salesforce_field: values[f.person_field] for f in fields.fields if f.person_field in values}
    known = {f.salesforce_field: f.describe for f in fields.fields}
    explanation = explain(
        error,
        sent,
        labels={name: d.label for name, d in known.items()},
        lengths={name: d.length for name, d in known.items()},
        time=f"{retry_at:%H:%M} UTC" if retry_at else "",
    )
    detail = {
        "errors": [{"code": e.code, "message": e.message, "fields": list(e.fields)} for e in errors],
        "values": sent,
        "cause": explanation.cause,
        "remedy": explanation.remedy,
        "duplicates": list(error.duplicates),
    }
    journal.entry(
        person.id,
        person.name,
        ActivityType.SYNC_FAILED,
        f"{error.code}: {error.message}",
        field=", ".join(error.fields),
        code=error.code,
        failed=True,
        detail=detail,
    )
    return Failure(person.id, error.code, error.message, detail, failed=retry_at is None, retry_at=retry_at)


#: The first repeated try of a passing fault; each further one waits twice as long.
FIRST_RETRY = timedelta(seconds=1)
#: Tries within one cycle, then in the next cycles; after those it is tried at night.
TRIES_IN_A_CYCLE, TRIES_IN_ALL = 5, 8
NIGHT = 2


def next_try(work: Work, person: PersonState) -> datetime:
    """When a passing fault is tried again: soon, with backoff and jitter; in the next cycles; in the end at night."""
    attempts = PendingChange.objects.filter(person_id=person.id).values_list("attempts", flat=True).first() or 0
    now = work.now()
    if attempts < TRIES_IN_A_CYCLE:
        return now + FIRST_RETRY * 2**attempts * (0.75 + 0.5 * work.random.random())
    if attempts < TRIES_IN_ALL:
        return now + LONGEST_WAIT
    tonight = timezone.localtime(now).replace(hour=NIGHT, minute=0, second=0, microsecond=0)
    return tonight if tonight > now else tonight + timedelta(days=1)


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
            return _outcome(person, Result.BUSY, "The person was being edited; it is sent next time.")
    work.sent["failed"] += 1
    return _failed(person, result)


def _raw(person: PersonState, field: MappedField) -> Any:
    return person.values[field.person_field] if field.is_column else person.values["custom"].get(field.person_field)


def _failed(person: PersonState, result: Failure) -> PersonOutcome:
    return replace(
        _outcome(person, Result.FAILED, result.message), code=result.code, remedy=result.detail.get("remedy", "")
    )


def _outcome(person: PersonState, result: Result, message: str) -> PersonOutcome:
    return PersonOutcome(person.id, person.name, result, message, sfdc_type=person.sfdc_type, sfdc_id=person.sfdc_id)


def labels(fields: ObjectMap, names: Iterable[str]) -> list[str]:
    """The fields as people know them."""
    wanted = set(names)
    return [f.describe.label or f.person_field for f in fields.fields if f.person_field in wanted]
