"""What came of creating leads: those that were made are linked with their persons, refusals are kept and explained."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace

from syncer.models import ActivityType
from syncer.salesforce.rows import RowError
from syncer.sync.context import Context
from syncer.sync.create.link import not_taken_in
from syncer.sync.create.refusals import mark
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.identity.similar import FoundAsDuplicate, similar
from syncer.sync.merge import Value, merge
from syncer.sync.options import SYNC, SyncOptions
from syncer.sync.outcomes import Code, PersonOutcome, Result, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.merged import Merged
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading, RemoteRecord
from syncer.sync.push.failures import failure
from syncer.sync.push.portions import PUT_OFF
from syncer.sync.store import intents, outbox
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import PATIENT_TRIES, retry_busy
from syncer.sync.store.outbox import Failure
from syncer.sync.store.value_errors import in_halves

#: Refusals because of records that are there already.
DUPLICATES = frozenset({"DUPLICATES_DETECTED", "DUPLICATE_VALUE", "DUPLICATE_EXTERNAL_ID"})


@dataclass(frozen=True, slots=True)
class Creation:
    """A person and the values that its Lead is created with, by person field; ``defaults`` are not the person's own."""

    person: PersonState
    values: Mapping[str, Value]
    defaults: frozenset[str] = frozenset()
    options: SyncOptions = SYNC


@dataclass(frozen=True, slots=True)
class RefusedCreate:
    """A create that was refused, by Salesforce or by us before asking."""

    creation: Creation
    errors: tuple[RowError, ...]
    together: bool = False  # perhaps because of the others of the same request


@dataclass(frozen=True, slots=True)
class Made:
    """A lead that was made (``verb``: or found) for a person."""

    creation: Creation
    record: RemoteRecord
    verb: str

    @property
    def message(self) -> str:
        return f"{self.verb}: {self.record.object} {self.record.id}."


def link_created(
    context: Context, fields: ObjectMap, reading: Reading, made: Sequence[Made]
) -> dict[int, PersonOutcome]:
    """Link persons with the leads that were made for them. What was sent is the base: what Salesforce made of it since
    (normalised values, defaults, the work of its automations) is received."""
    outcomes: dict[int, PersonOutcome] = {}

    def not_stored(m: Made, error: Exception) -> None:
        outcomes[m.creation.person.id] = not_taken_in(context, m.creation.person, m.record, m.message, error)
        intents.mark_unknown([m.creation.person.id])

    def write(remaining: Sequence[Made], attempt: int) -> list[Made]:
        return in_halves(remaining, lambda some: once(some, attempt), not_stored)

    def once(remaining: Sequence[Made], attempt: int) -> list[Made]:
        by_id = {m.creation.person.id: m for m in remaining}
        persons = person_state.by_ids(by_id) if attempt else {pk: m.creation.person for pk, m in by_id.items()}
        linked = {pk for pk, person in persons.items() if person.linked}  # the cycle has read and linked it meanwhile
        outcomes.update({pk: _linked_already(persons[pk], by_id[pk]) for pk in linked})
        merged = [_merged(fields, persons[pk], m) for pk, m in by_id.items() if pk in persons and pk not in linked]
        done = context.store.apply(context, fields, reading, merged, also=_log_of(context, by_id))
        context.sent["created"] += len(done.written)
        outcomes.update({one.person.id: _created(one, by_id[one.person.id]) for one in done.written})
        return [m for pk, m in by_id.items() if pk in persons and pk not in outcomes]

    retry_busy(made, write, tries=PATIENT_TRIES, pause=context.pause)
    remaining = [m for m in made if m.creation.person.id not in outcomes]
    there = person_state.by_ids(m.creation.person.id for m in remaining) if remaining else {}
    context.store.bury(context, reading, [m.record for m in remaining if m.creation.person.id not in there])
    return outcomes | {m.creation.person.id: _not_linked(m, there) for m in remaining}


def _created(merged: Merged, made: Made) -> PersonOutcome:
    told = outcome(merged.person, Result.CREATED, made.message)
    return replace(
        told,
        sfdc_type=made.record.object,
        sfdc_id=made.record.id,
        sent=tuple(made.creation.values),
        received=tuple(merged.merge.received),
    )


def _linked_already(person: PersonState, made: Made) -> PersonOutcome:
    """The cycle has linked the person meanwhile: with the lead, or again with the one in whose place it was made."""
    left = made.creation.person.left
    if left is None or person.link is None or person.link.record_id != left.record_id:
        return outcome(person, Result.CREATED, made.message)
    message = f"{made.message} {left.object} {left.record_id} was undeleted meanwhile: this person stays linked to it."
    return outcome(person, Result.CREATED, message)


def _not_linked(made: Made, there: Container[int]) -> PersonOutcome:
    person = made.creation.person
    if person.id in there:
        return outcome(person, Result.BUSY, "Created; the person is being edited, the link follows.")
    message = f"{made.message} This person was deleted here meanwhile; the lead stays."
    return outcome(person, Result.REFUSED, message, Code.PERSON_DELETED)


def _merged(fields: ObjectMap, person: PersonState, made: Made) -> Merged:
    creation, record = made.creation, made.record
    sent = set(creation.values) - creation.defaults
    # What was filled here and not sent (no access, a default in its place) was not agreed on.
    filled = {name for name, value in fields.here(creation.person.values)[0].items() if value is not None}
    filled |= creation.defaults
    here, bad = fields.here(person.values)
    base = {
        name: creation.values.get(name)
        for name in record.values
        if name in here and (name in sent or name not in filled)
    }
    decided = merge([r for r in fields.rules if r.field not in bad], base, here, record.values)
    return Merged(person, record, decided, keeps_waiting=bool(bad), created=True)


def _log_of(context: Context, made: Mapping[int, Made]) -> Callable[[Sequence[Merged]], None]:
    """What is written in the transaction that links persons: their log entries, and that nothing waits any more."""

    def log(written: Sequence[Merged]) -> None:
        journal = Journal(context)
        for one in written:
            m = made[one.person.id]
            journal.entry(
                one.person.id,
                one.person.name,
                ActivityType.SYNC_PERSON,
                m.message,
                detail={
                    "id": m.record.id,
                    "object": m.record.object,
                    "values": dict(m.creation.values),
                    "owner": m.record.owner_id,
                    **m.creation.options.of_create(),
                },
            )
        outbox.settle((m.person.id, m.person.revision) for m in written if not m.merge.to_send and not m.keeps_waiting)
        journal.write()

    return log


def record_refused(
    context: Context, fields: ObjectMap, refused: Sequence[RefusedCreate], *, put_off: bool = False
) -> dict[int, PersonOutcome]:
    """Creates fail as a whole: the persons are marked, with Salesforce's words in their log, and the records that a
    duplicate rule found to choose from. ``put_off``: they were refused together with others, and are tried again
    later."""
    if not refused:
        return {}
    duplicates = {
        r.creation.person.id: FoundAsDuplicate(r.creation.values, error.duplicates)
        for r in refused
        for error in r.errors
        if error.code in DUPLICATES
    }
    found = similar(context, duplicates)
    journal = Journal(context)
    failures: list[Failure] = []
    outcomes: dict[int, PersonOutcome] = {}
    for refusal in refused:
        person, values = refusal.creation.person, refusal.creation.values
        result = failure(context, fields, person, refusal.errors, values, None if put_off else journal)
        if put_off:
            result = replace(result, failed=False, retry_at=context.now() + PUT_OFF)
        detail = {**result.detail, "candidates": found.get(person.id, [])}
        failures.append(replace(result, failed=result.failed or result.retry_at is None, detail=detail))
        told = outcome(person, Result.FAILED, result.message)
        outcomes[person.id] = replace(told, code=result.code, remedy=result.detail.get("remedy", ""))
    persons = {r.creation.person.id: r.creation.person for r in refused}
    mark(context, failures, persons, {r.creation.person.id: r.creation.options for r in refused}, journal)
    context.sent["failed"] += 0 if put_off else len(refused)
    return outcomes
