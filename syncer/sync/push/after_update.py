"""What came of sending: successes become the base, refusals are kept and explained, edits made meanwhile wait.

A batch is one transaction. A person that somebody is saving right now is loaded again, and its result recorded then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from syncer.models import ActivityType
from syncer.salesforce.kinds import BadValue
from syncer.salesforce.rows import RowError
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap, received_columns
from syncer.sync.merge import Decision, Outcome, Value, merge, same
from syncer.sync.outcomes import Code, PersonOutcome, Result, being_edited, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import Link, PersonState
from syncer.sync.persons.record import SETTLED_AFTER, Reading
from syncer.sync.pull.records import what_is_wrong
from syncer.sync.push.failures import failed_outcome, failure, labels
from syncer.sync.push.portions import PUT_OFF
from syncer.sync.push.sending import Held, Sending, Sent
from syncer.sync.store import links, outbox, persons, tombstones
from syncer.sync.store.activity import Journal
from syncer.sync.store.links import AgreedRow
from syncer.sync.store.locking import PATIENT_TRIES, lock, lock_as_they_are, read_since, retry_busy
from syncer.sync.store.outbox import Failure
from syncer.sync.store.transactions import repeated, write_transaction
from syncer.sync.store.value_errors import in_halves


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an update leaves to be written here: values that come back, the new base, whether to send again. Also a
    refused one leaves it, of what somebody had changed there before."""

    person: PersonState
    received: Mapping[str, Value]
    base: Mapping[str, Value]
    stamp: datetime | None
    seen_at: datetime | None  # up to when a change of the record is no news
    was_sent: bool
    sends_again: bool
    outcome: PersonOutcome


@dataclass(slots=True)
class Batch:
    """What came of a batch, before it is written."""

    done: list[Recorded] = field(default_factory=list)
    noticed: list[Recorded] = field(default_factory=list)  # what the records of refused updates had been changed to
    failures: list[Failure] = field(default_factory=list)
    refused_parts: list[Failure] = field(default_factory=list)  # of updates of which the rest was sent
    outcomes: dict[int, PersonOutcome] = field(default_factory=dict)
    updated: int = 0
    unchanged: int = 0
    failed: int = 0


def record(context: Context, fields: ObjectMap, reading: Reading, sent: Sequence[Sent]) -> dict[int, PersonOutcome]:
    """Store the results. A person that is being edited right now is loaded again and the result recorded then. One
    result that can't be stored stands in the way of no other."""
    outcomes: dict[int, PersonOutcome] = {}

    def not_stored(s: Sent, error: Exception) -> None:
        outcomes[s.sending.person.id] = _fail_to_store(context, fields, s, error)

    def write(remaining: Sequence[Sent], attempt: int) -> list[Sent]:
        def once(some: Sequence[Sent]) -> list[Sent]:
            batch, left = _record_once(context, fields, reading, some, attempt)
            outcomes.update(batch.outcomes)
            return left

        return in_halves(_loaded_again(remaining) if attempt else remaining, once, not_stored)

    left = retry_busy(sent, write, tries=PATIENT_TRIES, pause=context.pause)
    there = {*outcomes, *(s.sending.person.id for s in left)}
    _bury(context, [s for s in sent if s.sending.person.id not in there])
    message = "The person is being edited right now, so what came of it is found out by the next cycle."
    return outcomes | {s.sending.person.id: outcome(s.sending.person, Result.BUSY, message, Code.BUSY) for s in left}


@repeated
def _fail_to_store(context: Context, fields: ObjectMap, s: Sent, error: Exception) -> PersonOutcome:
    """What Salesforce has made of an update can't be stored here. The record is looked at again by its id. Whoever is
    being edited right now is sent again, as after a lost answer."""
    person, link = s.sending.person, s.sending.person.link
    assert link is not None  # prepare() lets nobody else through
    refusal = RowError(Code.VALUE_NOT_STORED, what_is_wrong(error))
    journal = Journal(context)
    found = failure(context, fields, person, (refusal,), s.sending.values, journal)
    with write_transaction(context):
        revision = lock_as_they_are(context, [person.id]).get(person.id)
        if revision is None:
            return being_edited(person)
        edited = revision != s.sending.current.revision
        outbox.fail([replace(found, failed=False, retry_at=None) if edited else found])
        journal.write()
    context.sent["failed"] += 1
    context.store.set_aside(context, link.object, {link.record_id: refusal.message})
    return failed_outcome(person, found)


@repeated
def _bury(context: Context, deleted: Sequence[Sent]) -> None:
    """What was sent of persons who were deleted here meanwhile brings nobody back."""
    stamps = {
        link.record_id: _seen_at(context, s)
        for s in deleted
        if (link := s.sending.person.link) is not None and s.sending.values and not s.errors
    }
    if stamps:
        with write_transaction(context):
            tombstones.has_seen(context, stamps)


def _seen_at(context: Context, s: Sent) -> datetime:
    """Up to when a change of the record is no news."""
    return s.after_stamp or context.org.org_time()


def _loaded_again(sent: Sequence[Sent]) -> list[Sent]:
    """With the persons as they are now; those that were deleted are left out."""
    persons = person_state.by_ids(s.sending.person.id for s in sent)
    return [
        replace(s, sending=replace(s.sending, loaded_again=persons[s.sending.person.id]))
        for s in sent
        if s.sending.person.id in persons
    ]


@repeated
def _record_once(
    context: Context, fields: ObjectMap, reading: Reading, sent: Sequence[Sent], attempt: int
) -> tuple[Batch, list[Sent]]:
    """One transaction. From the second ``attempt`` on the persons are loaded again: they have been edited since their
    values were taken, or were locked, or a newer reading has come in between."""
    journal, batch, edited = Journal(context), Batch(), attempt > 0
    with write_transaction(context):
        revisions = {s.sending.current.id: s.sending.current.revision for s in sent}
        free = lock(context, revisions)
        overtaken = read_since(free, reading.begun)
        if not edited:
            free -= overtaken  # loaded again first, with what the newer read has made the base
        for s in sent:
            if s.sending.person.id not in free:
                continue
            if s.errors:
                _take_refusal(context, fields, s, journal, batch, overtaken=s.sending.person.id in overtaken)
            else:
                _take_success(context, fields, s, journal, batch, overtaken=overtaken, edited=edited)
        _write_values(context, fields, [*batch.done, *batch.noticed])
        links.agree(context, _agreed_rows(context, reading, [*batch.done, *batch.noticed]))
        _settle_outbox(batch, revisions, edited)
        journal.write()
    context.conflicts += journal.conflict_count
    context.sent["updated"] += batch.updated
    context.sent["unchanged"] += batch.unchanged
    context.sent["failed"] += batch.failed
    return batch, [s for s in sent if s.sending.person.id not in free]


def _settle_outbox(batch: Batch, revisions: Mapping[int, int], edited: bool) -> None:
    """A person edited since the values were taken goes on waiting; so does one whose loss is to be restored there."""
    refused = [*batch.refused_parts, *(batch.failures if not edited else ())]
    waiting = {r.person.id for r in batch.done if r.sends_again or edited}
    waiting |= {f.person_id for f in batch.failures}
    waiting -= {f.person_id for f in refused}
    handled = {r.person.id for r in batch.done} - waiting - {f.person_id for f in refused}
    outbox.fail(refused)
    outbox.wait_on((pk, revisions[pk]) for pk in waiting)
    outbox.settle((pk, revisions[pk]) for pk in handled)


# -- refused ----------------------------------------------------------------------------------------------------------


def _take_refusal(
    context: Context, fields: ObjectMap, s: Sent, journal: Journal, batch: Batch, *, overtaken: bool
) -> None:
    """Nothing of it was sent. What was held before waits with it."""
    person = s.sending.person
    if not overtaken:  # else the newer read has seen what the record holds
        batch.noticed += _notice(fields, s, journal)
    before = s.sending.held or Held({}, (), new=False)
    errors, values = (*s.errors, *before.errors), {**before.values, **s.sending.values}
    found = failure(context, fields, person, errors, values, None if s.put_off else journal)
    if s.put_off:
        found = replace(found, failed=False, retry_at=context.now() + PUT_OFF)
    batch.failures.append(replace(found, held=before.values))
    batch.outcomes[person.id] = failed_outcome(person, found)
    batch.failed += not s.put_off


def _notice(fields: ObjectMap, s: Sent, journal: Journal) -> list[Recorded]:
    """What the record of a refused update had been changed to meanwhile: conflicts, taken in like those of a read. A
    server's error may have come after the update was carried out; then nothing shows them any more."""
    person, link = s.sending.person, s.sending.person.link
    if s.before is None or link is None:
        return []
    before = s.before
    rules = [r for r in fields.rules if r.field in before and not same(r, before[r.field], link.base.get(r.field))]
    was = {rule.field: before[rule.field] for rule in rules}
    merged = merge(rules, link.base, s.sending.values, was)
    for decision in merged.conflicts:
        journal.conflict(person.id, person.name, decision)
    for rule in rules:
        name = rule.field
        if name in person.in_doubt and same(rule, was[name], person.in_doubt[name]):
            journal.doubt(person.id, person.name, name, was[name])
    current = s.sending.current
    here, _ = fields.here(current.values)
    received = {name: value for name, value in merged.received.items() if here.get(name) == s.sending.values.get(name)}
    base = merged.base_after_reading(link.base)
    told = outcome(person, Result.FAILED, "")
    return [Recorded(current, received, base, link.system_modstamp, None, False, False, told)]


# -- carried out ------------------------------------------------------------------------------------------------------


def _take_success(
    context: Context,
    fields: ObjectMap,
    s: Sent,
    journal: Journal,
    batch: Batch,
    *,
    overtaken: Collection[int],
    edited: bool,
) -> None:
    """What was sent becomes the base; of what was refused in part, the rest waits."""
    recorded = _settle(context, fields, s, journal, overtaken=s.sending.person.id in overtaken)
    batch.done.append(recorded)
    batch.updated += bool(s.sending.values)
    batch.unchanged += not s.sending.values
    told, held = recorded.outcome, s.sending.held
    if held is not None:
        # What is restored there, or was edited meanwhile, still has to go.
        rest = _held_back(context, fields, s, held, journal, waits=recorded.sends_again or edited)
        batch.refused_parts.append(rest)
        batch.failed += held.new
        if held.new:
            told = _in_part(told, rest)
    batch.outcomes[s.sending.person.id] = told


def _held_back(context: Context, fields: ObjectMap, s: Sent, held: Held, journal: Journal, *, waits: bool) -> Failure:
    """The refused part of an update of which the rest was sent (or nothing else was to be sent)."""
    values = {**held.values, **s.sending.values} if not held.values else held.values
    found = failure(context, fields, s.sending.person, held.errors, values, journal if held.new else None)
    if waits:
        found = replace(found, failed=False, retry_at=None)
    return replace(found, held=held.values)


def _in_part(sent: PersonOutcome, rest: Failure) -> PersonOutcome:
    message = f"{sent.message} Refused: {rest.message}"
    return replace(sent, result=Result.FAILED, message=message, code=rest.code, remedy=rest.detail.get("remedy", ""))


def _settle(context: Context, fields: ObjectMap, s: Sent, journal: Journal, *, overtaken: bool) -> Recorded:
    """``overtaken``: a newer request has read the record, or sent to it. What that one made the base stands, except
    where this update has taken the place of an edit that it may not have seen."""
    person, link = s.sending.person, s.sending.person.link
    assert link is not None  # prepare() lets nobody else through
    current = s.sending.current
    here, _ = fields.here(current.values)
    received: dict[str, Value] = {}
    base = dict(current.link.base if current.link else link.base)
    sends_again = s.sending.in_part
    for decision in _restored(fields, s.sending, link.base, here) if not overtaken else ():
        received[decision.field] = decision.there
        journal.received(person.id, person.name, decision, context.actor)
        if decision.conflict:
            journal.conflict(person.id, person.name, decision)
    for name in s.sending.values:
        fate = _fate_of_value(fields, s, name, here.get(name), journal, overtaken=overtaken)
        if fate.is_base:
            base[name] = fate.there
        for value in fate.comes_back:
            received[name] = value
        sends_again = sends_again or fate.sends_again
    _log_sent(s, link, journal)
    message = f"Sent: {', '.join(labels(fields, s.sending.values))}." if s.sending.values else "Nothing to send."
    result = Result.UPDATED if s.sending.values else Result.UNCHANGED
    told = replace(outcome(person, result, message), sent=tuple(s.sending.values))
    stamp = None if overtaken else _known_stamp(person, s)
    was_sent = bool(s.sending.values) and not overtaken
    return Recorded(current, received, base, stamp, _seen_at(context, s), was_sent, sends_again, told)


@dataclass(frozen=True, slots=True)
class _Fate:
    """What became of one value that was sent: what the record has now, whether that is the new base, and a value (or
    none) that comes back here. ``sends_again``: ours was written over one that wins, which has to be restored there."""

    there: Value
    is_base: bool
    comes_back: tuple[Value, ...] = ()
    sends_again: bool = False


def _fate_of_value(fields: ObjectMap, s: Sent, name: str, here: Value, journal: Journal, *, overtaken: bool) -> _Fate:
    """Compare what the record had before and after with what was agreed and sent."""
    person, link, value = s.sending.person, s.sending.person.link, s.sending.values[name]
    assert link is not None  # prepare() lets nobody else through
    rule = next(r for r in fields.rules if r.field == name)
    agreed = link.base.get(name)
    was_seen = s.before is not None and name in s.before
    was = s.before[name] if s.before is not None and was_seen else agreed
    there = s.after.get(name, value) if s.after is not None else value
    if name in person.in_doubt and same(rule, was, person.in_doubt[name]):
        journal.doubt(person.id, person.name, name, person.in_doubt[name])
        was = agreed
    elif not was_seen:
        journal.doubt(person.id, person.name, name, value, "What it had before could not be read.")
    unedited_here = same(rule, here, value)
    edited_there = not same(rule, was, agreed) and not same(rule, was, value)
    if edited_there:
        [decision] = merge([rule], link.base, {name: value}, {name: was}).decisions
        journal.conflict(person.id, person.name, decision)
        if decision.outcome is Outcome.RECEIVE:
            # Salesforce wins, but ours has just been written over its value: take that here, and send it back.
            return _Fate(there, is_base=True, comes_back=(was,) if unedited_here else (), sends_again=True)
    # What Salesforce normalised is accepted here and never sent again.
    changed = not same(rule, there, value) or not _spelt(fields, s.sending.current, name, there)
    comes_back = (there,) if changed and unedited_here and not overtaken else ()
    return _Fate(there, is_base=edited_there or not overtaken, comes_back=comes_back)


def _log_sent(s: Sent, link: Link, journal: Journal) -> None:
    if not s.sending.values:
        return
    person = s.sending.person
    seen = {**s.sending.values, **(s.after or {})}
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


def _spelt(fields: ObjectMap, person: PersonState, name: str, value: Value) -> bool:
    """Whether the person has this very text: blanks around it, or another order of choices, make no other value."""
    if not isinstance(value, str):
        return True
    try:
        columns = received_columns(person.values, fields, {name: value})
    except BadValue:
        return True  # it can't be stored here; the pull says so
    return all(person.values[column] == text for column, text in columns.items())


def _restored(
    fields: ObjectMap, sending: Sending, base: Mapping[str, Value], here: Mapping[str, Value]
) -> list[Decision]:
    """Of the values that come back, those that still have to: why, and whether an edit is lost by it."""
    rules = [rule for rule in fields.rules if rule.field in sending.restored and rule.field in here]
    decided = merge(rules, base, here, base).decisions
    return [decision for decision in decided if decision.outcome is Outcome.RECEIVE]


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
    writes: list[persons.Write] = []
    for r in done:
        columns: dict[str, Any] = {}
        for name, value in r.received.items():
            try:
                columns |= received_columns({**r.person.values, **columns}, fields, {name: value})
            except BadValue:
                continue  # it can't be stored here; the pull says so
        if columns:
            writes.append((r.person, columns, context.now()))
    persons.update(writes)


def _agreed_rows(context: Context, reading: Reading, done: Sequence[Recorded]) -> list[AgreedRow]:
    return [
        AgreedRow(
            person_id=r.person.id,
            base=r.base,
            system_modstamp=r.stamp,
            read_at=(reading.asked_at if r.stamp else r.seen_at) if r.was_sent else link.read_at,
            read_sequence=reading.sequence if r.was_sent else link.read_sequence,
            sent_at=context.now() if r.was_sent else link.sent_at,
        )
        for r in done
        if (link := r.person.link) is not None
    ]
