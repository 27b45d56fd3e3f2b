"""What came of creating leads: those that were made are linked with their persons, refusals are kept and explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from syncer.models import ActivityType, Tombstone
from syncer.salesforce.rows import RowError
from syncer.sync.context import Context
from syncer.sync.create.refusals import mark
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.identity.similar import similar
from syncer.sync.merge import Value, merge
from syncer.sync.options import SYNC, SyncOptions
from syncer.sync.outcomes import PersonOutcome, Result, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading, RemoteRecord
from syncer.sync.pull.write import Merged, apply
from syncer.sync.push.after_update import TRIES
from syncer.sync.push.failures import failure
from syncer.sync.store import bulk_sql, outbox
from syncer.sync.store.activity import Journal
from syncer.sync.store.outbox import Failure

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
class Refusal:
    """A create that was refused, by Salesforce or by us before asking."""

    creation: Creation
    errors: tuple[RowError, ...]


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
    left = {m.creation.person.id: m for m in made}
    persons = {pk: m.creation.person for pk, m in left.items()}
    for attempt in range(TRIES):
        if attempt and left:
            context.pause(0.05 * attempt)
            persons = person_state.by_ids(left)
        for pk in [pk for pk in left if pk in persons and persons[pk].linked]:
            # The cycle has read and linked it meanwhile.
            outcomes[pk] = outcome(persons[pk], Result.CREATED, left.pop(pk).message)
        merged = [_merged(fields, persons[pk], m) for pk, m in left.items() if pk in persons]
        if not merged:
            break
        done = apply(context, fields, reading, merged, also=_log_of(context, left))
        for one in done.written:
            m = left.pop(one.person.id)
            context.sent["created"] += 1
            told = outcome(one.person, Result.CREATED, m.message)
            outcomes[one.person.id] = replace(
                told,
                sfdc_type=m.record.object,
                sfdc_id=m.record.id,
                sent=tuple(m.creation.values),
                received=tuple(one.merge.received),
            )
    gone = left.keys() - person_state.by_ids(left).keys() if left else set()
    _bury(context, [left[pk].record for pk in gone])
    for pk in gone:
        message = f"{left[pk].message} This person was deleted here meanwhile; the lead stays."
        outcomes[pk] = outcome(left.pop(pk).creation.person, Result.REFUSED, message, "PERSON_DELETED")
    for pk, m in left.items():
        follows = "Created; the person is being edited, the link follows."
        outcomes[pk] = outcome(m.creation.person, Result.BUSY, follows)
    return outcomes


def _bury(context: Context, records: Sequence[RemoteRecord]) -> None:
    """Records whose persons were deleted here before they were linked: as with others, no person comes back."""
    bulk_sql.insert(
        Tombstone,
        ["organisation", "object", "record_id", "stamp"],
        [[context.organisation, record.object, record.id, record.stamp] for record in records],
        conflict="(organisation, record_id) DO UPDATE SET stamp = excluded.stamp",
    )


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
    """What is written in the transaction that links persons: their log entries, and the end of their claims."""

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
        outbox.release(context.claim, [m.person.id for m in written if not m.merge.to_send and not m.keeps_waiting])
        journal.write()

    return log


def record_refused(context: Context, fields: ObjectMap, refused: Sequence[Refusal]) -> dict[int, PersonOutcome]:
    """Creates fail as a whole: the persons are marked, with Salesforce's words in their log, and the records that a
    duplicate rule found to choose from."""
    if not refused:
        return {}
    found = similar(
        context,
        {
            r.creation.person.id: (r.creation.values, error.duplicates)
            for r in refused
            for error in r.errors
            if error.code in DUPLICATES
        },
    )
    journal = Journal(context)
    failures: list[Failure] = []
    outcomes: dict[int, PersonOutcome] = {}
    for refusal in refused:
        person, values = refusal.creation.person, refusal.creation.values
        result = failure(context, fields, person, refusal.errors, values, journal)
        detail = {**result.detail, "candidates": found.get(person.id, [])}
        failures.append(replace(result, failed=result.failed or result.retry_at is None, detail=detail))
        told = outcome(person, Result.FAILED, result.message)
        outcomes[person.id] = replace(told, code=result.code, remedy=result.detail.get("remedy", ""))
    persons = {r.creation.person.id: r.creation.person for r in refused}
    mark(context, failures, persons, {r.creation.person.id: r.creation.options for r in refused}, journal)
    context.sent["failed"] += len(refused)
    return outcomes
