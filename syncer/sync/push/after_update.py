"""What came of sending: successes become the base, refusals are kept and explained, edits made meanwhile wait.

A batch is one transaction. A person that somebody is saving right now is loaded again, and its result recorded then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from syncer.models import ActivityType, Person, SalesforceRecord
from syncer.models.triggers import agreeing_writes
from syncer.salesforce.rows import RowError
from syncer.salesforce.values import BadValue
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.merge import Decision, Outcome, Value, merge, same
from syncer.sync.outcomes import PersonOutcome, Result, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import SETTLED_AFTER, Reading
from syncer.sync.pull.write import received_columns
from syncer.sync.push.failures import failed_outcome, failure, is_about_fields, labels
from syncer.sync.store import bulk_sql, outbox
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import lock, read_since
from syncer.sync.store.outbox import Failure

#: Recording a result whose person is locked by a user's save: tries before it is left to be read again.
TRIES = 20


@dataclass(frozen=True, slots=True)
class Held:
    """Values that wait although others are sent, and the refusals that they wait for; ``new``: not told yet."""

    values: Mapping[str, Value]
    errors: tuple[RowError, ...]
    new: bool


@dataclass(frozen=True, slots=True)
class Sending:
    """What is to be sent of one person: the fields that differ from the base, by person field."""

    person: PersonState
    values: Mapping[str, Value]
    restored: Mapping[str, Value] = field(default_factory=dict)  # edits here to fields that only receive
    held: Held | None = None
    loaded_again: PersonState | None = None  # as it is now; ``person`` stays what it was when this was planned

    @property
    def now(self) -> PersonState:
        return self.loaded_again or self.person

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
    lost: bool = False  # refused, and the record may not be what it was

    @property
    def about_fields(self) -> bool:
        return any(is_about_fields(error) for error in self.errors)


def record(context: Context, fields: ObjectMap, reading: Reading, sent: Sequence[Sent]) -> dict[int, PersonOutcome]:
    """Store the results. A person that is being edited right now is loaded again and the result recorded then."""
    outcomes: dict[int, PersonOutcome] = {}
    left = list(sent)
    for attempt in range(TRIES):
        if not left:
            break
        if attempt:
            context.pause(0.05 * attempt)
            persons = person_state.by_ids(s.sending.person.id for s in left)
            left = [
                replace(s, sending=replace(s.sending, loaded_again=persons[s.sending.person.id]))
                for s in left
                if s.sending.person.id in persons
            ]
        left = _record_once(context, fields, reading, left, outcomes, edited=attempt > 0)
    message = "The person is being edited right now, so what came of it is found out by the next cycle."
    return outcomes | {s.sending.person.id: outcome(s.sending.person, Result.BUSY, message, "BUSY") for s in left}


def _record_once(
    context: Context,
    fields: ObjectMap,
    reading: Reading,
    sent: Sequence[Sent],
    outcomes: dict[int, PersonOutcome],
    *,
    edited: bool,
) -> list[Sent]:
    journal = Journal(context)
    found: dict[int, PersonOutcome] = {}
    counts = {"updated": 0, "failed": 0, "unchanged": 0}
    with agreeing_writes():
        context.fence()
        free = lock(context, {s.sending.now.id: s.sending.now.revision for s in sent})
        overtaken = read_since(free, reading.sequence)
        if not edited:
            free -= overtaken  # loaded again first, with what the newer read has made the base
        ready = [s for s in sent if s.sending.person.id in free]
        done: list[Recorded] = []
        failures: list[Failure] = []
        held: list[Failure] = []
        noticed: list[Recorded] = []
        for s in ready:
            if s.errors:
                if s.sending.person.id not in overtaken:  # else the newer read has seen what the record holds
                    noticed += _notice(fields, s, journal)
                failures.append(_refused(context, fields, s, journal))
                found[s.sending.person.id] = failed_outcome(s.sending.person, failures[-1])
                counts["failed"] += 1
                continue
            recorded = _settle(context, fields, s, journal, overtaken=s.sending.person.id in overtaken)
            done.append(recorded)
            found[s.sending.person.id] = recorded.outcome
            counts["updated" if s.sending.values else "unchanged"] += 1
            if s.sending.held is not None:
                # What is restored there, or was edited meanwhile, still has to go.
                waits = recorded.sends_again or edited
                rest = _held_back(context, fields, s, s.sending.held, journal, waits=waits)
                held.append(rest)
                counts["failed"] += s.sending.held.new
                found[s.sending.person.id] = _in_part(recorded.outcome, s.sending.held, rest)
        _write_values(context, fields, [*done, *noticed])
        _write_bases(context, reading, [*done, *noticed])
        # A person edited since the values were taken goes on waiting; so does one whose loss is to be restored there.
        waiting = [r.person.id for r in done if r.sends_again or edited]
        outbox.fail(context.claim, held)
        let_go = {f.person_id for f in held}
        settled = [r.person.id for r in done if r.person.id not in waiting and r.person.id not in let_go]
        outbox.release(context.claim, settled, waiting)
        if edited:
            outbox.release(context.claim, (), [f.person_id for f in failures])
        else:
            outbox.fail(context.claim, failures)
        journal.write()
    outcomes |= found
    context.conflicts += journal.conflict_count
    for name, count in counts.items():
        context.sent[name] += count
    return [s for s in sent if s.sending.person.id not in free]


def _refused(context: Context, fields: ObjectMap, s: Sent, journal: Journal) -> Failure:
    """Nothing of it was sent. What was held before waits with it."""
    before = s.sending.held or Held({}, (), new=False)
    found = failure(
        context, fields, s.sending.person, (*s.errors, *before.errors), {**before.values, **s.sending.values}, journal
    )
    return replace(found, held=before.values)


def _held_back(context: Context, fields: ObjectMap, s: Sent, held: Held, journal: Journal, *, waits: bool) -> Failure:
    """The refused part of an update of which the rest was sent (or nothing else was to be sent)."""
    values = {**held.values, **s.sending.values} if not held.values else held.values
    found = failure(context, fields, s.sending.person, held.errors, values, journal if held.new else None)
    if waits:
        found = replace(found, failed=False, retry_at=None)
    return replace(found, held=held.values)


def _in_part(sent: PersonOutcome, held: Held, rest: Failure) -> PersonOutcome:
    if not held.new:
        return sent
    message = f"{sent.message} Refused: {rest.message}"
    return replace(sent, result=Result.FAILED, message=message, code=rest.code, remedy=rest.detail.get("remedy", ""))


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


def _settle(context: Context, fields: ObjectMap, s: Sent, journal: Journal, *, overtaken: bool) -> Recorded:
    """``overtaken``: a newer request has read the record, or sent to it. What that one made the base stands, except
    where this update has taken the place of an edit that it may not have seen."""
    person, link = s.sending.person, s.sending.person.link
    assert link is not None  # noqa: S101 - plan() lets nobody else through
    current = s.sending.now
    here, _ = fields.here(current.values)
    received: dict[str, Value] = {}
    base = dict(current.link.base if current.link else link.base)
    sends_again = False
    for decision in _restored(s.sending, link.base, here) if not overtaken else ():
        received[decision.field] = decision.there
        journal.received(person.id, person.name, decision, context.actor)
        journal.conflict(person.id, person.name, decision)
    for name, value in s.sending.values.items():
        rule = next(r for r in fields.rules if r.field == name)
        was = s.before[name] if s.before is not None else link.base.get(name)
        now = s.after[name] if s.after is not None else value
        if not overtaken:
            base[name] = now
        if name in person.in_doubt and same(rule, was, person.in_doubt[name]):
            journal.doubt(person.id, person.name, name, person.in_doubt[name])
            was = link.base.get(name)
        elif s.before is None:
            journal.doubt(person.id, person.name, name, value, "What it had before could not be read.")
        edited_there = not same(rule, was, link.base.get(name)) and not same(rule, was, value)
        if edited_there:
            base[name] = now
            [decision] = merge([rule], link.base, {name: value}, {name: was}).decisions
            journal.conflict(person.id, person.name, decision)
            if decision.outcome is Outcome.RECEIVE:
                # Salesforce wins, but ours has just been written over its value: take that here, and send it back.
                if same(rule, here.get(name), value):
                    received[name] = was
                sends_again = True
                continue
        came_back_changed = not same(rule, now, value) or not _spelt(fields, current, name, now)
        if not overtaken and came_back_changed and same(rule, here.get(name), value):
            received[name] = now  # Salesforce normalised it: accepted here, never sent again
    if s.sending.values:
        seen = s.sending.values if s.after is None else s.after
        changes = {name: [link.base.get(name), seen[name]] for name in s.sending.values}
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
    told = replace(outcome(person, result, message), sent=tuple(s.sending.values))
    stamp = None if overtaken else _known_stamp(person, s)
    return Recorded(current, received, base, stamp, bool(s.sending.values) and not overtaken, sends_again, told)


def _notice(fields: ObjectMap, s: Sent, journal: Journal) -> list[Recorded]:
    """What the record of a refused update had been changed to meanwhile: conflicts, taken in like those of a read. A
    server's error may have come after the update was carried out; then nothing shows them any more."""
    person, link = s.sending.person, s.sending.person.link
    if s.before is None or link is None:
        return []
    was = {name: value for name, value in s.before.items() if value != link.base.get(name)}
    rules = [rule for rule in fields.rules if rule.field in was]
    merged = merge(rules, link.base, s.sending.values, was)
    for decision in merged.conflicts:
        journal.conflict(person.id, person.name, decision)
    for name in was:
        if name in person.in_doubt and was[name] == person.in_doubt[name]:
            journal.doubt(person.id, person.name, name, was[name])
    current = s.sending.now
    here, _ = fields.here(current.values)
    received = {name: value for name, value in merged.received.items() if here.get(name) == s.sending.values.get(name)}
    base = merged.base_after_reading(link.base)
    told = outcome(person, Result.FAILED, "")
    return [Recorded(current, received, base, link.system_modstamp, False, False, told)]


def _spelt(fields: ObjectMap, person: PersonState, name: str, value: Value) -> bool:
    """Whether the person has this very text: blanks around it, or another order of choices, make no other value."""
    if not isinstance(value, str):
        return True
    try:
        columns = received_columns(person.values, fields, {name: value})
    except BadValue:
        return True  # it can't be stored here; the pull says so
    return all(person.values[column] == text for column, text in columns.items())


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


def _write_values(context: Context, fields: ObjectMap, done: Sequence[Recorded]) -> None:
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
    rows = [[p.id, p.revision, *(columns.get(n, p.values[n]) for n in names), context.now()] for p, columns in writes]
    bulk_sql.update(Person, [*names, "updated_at"], rows, keys=("id", "revision"))


def _write_bases(context: Context, reading: Reading, done: Sequence[Recorded]) -> None:
    now = context.now()
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
    bulk_sql.update(SalesforceRecord, columns, rows, keys=("person_id",))
