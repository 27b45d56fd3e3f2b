"""Creates a Lead for a person at most once, whatever crashes or times out.

With a unique external-id field: upsert by the person's UUID; after an unknown outcome the record is looked up by it,
and the upsert repeated only when it is absent. Without one: an intent is stored before the call, and after an unknown
outcome nothing is tried until the lead was found or Salesforce's clock says that the request can't come through any
more. The intent is stored on either way, because a killed process leaves nothing else behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from syncer.models import ActivityType, CreateIntent, IntentState
from syncer.models.triggers import agreeing_writes
from syncer.salesforce import soql, writing
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.errors import OutcomeUnknown, SalesforceError
from syncer.salesforce.rows import RowError, RowResult
from syncer.sync import outbox, state
from syncer.sync.apply import Merged, apply, lock
from syncer.sync.errors import FieldsChanged
from syncer.sync.failures import failure, is_about_fields
from syncer.sync.fields import ObjectMap
from syncer.sync.journal import Journal
from syncer.sync.merge import Value, merge
from syncer.sync.outcomes import PersonOutcome, Result
from syncer.sync.remote import Reading, RemoteRecord, parse
from syncer.sync.settle import TRIES
from syncer.sync.state import PersonState
from syncer.sync.work import Work, next_sequence

#: Salesforce ends a request after ten minutes at the latest; one that timed out here may be saved until then.
LATE_COMMIT = timedelta(minutes=15)
#: Rounds of look-up and upsert for one unknown outcome before the person is left as "Outcome unknown".
ROUNDS = 4
#: Assignment rules run for a create only, as in Marketo: this is the one write that asks for them.
RUN_ASSIGNMENT_RULES: Mapping[str, str] = {"Sforce-Auto-Assign": "TRUE"}


@dataclass(frozen=True, slots=True)
class Creation:
    """A person and the values that its Lead is created with, by person field; ``defaults`` are not the person's own."""

    person: PersonState
    values: Mapping[str, Value]
    defaults: frozenset[str] = frozenset()


def create_leads(work: Work, persons: Sequence[PersonState]) -> dict[int, PersonOutcome]:
    """Create Leads for unlinked persons that this worker has claimed and for which nothing was found there."""
    fields = work.maps["Lead"]
    outcomes: dict[int, PersonOutcome] = {}
    creations: list[Creation] = []
    for person in persons:
        prepared = prepare(work, fields, person)
        if isinstance(prepared, PersonOutcome):
            outcomes[person.id] = prepared
        else:
            creations.append(prepared)
    for start in range(0, len(creations), writing.MOST_ROWS):
        outcomes |= _create(work, fields, creations[start : start + writing.MOST_ROWS])
    return outcomes


def prepare(work: Work, fields: ObjectMap, person: PersonState) -> Creation | PersonOutcome:
    """What to create with: everything that may be created, the connection's defaults for an empty name or company."""
    here, bad = fields.here(person.values)
    if bad:
        [(name, error)] = list(bad.items())[:1]
        if work.plan is not None:
            return PersonOutcome(person.id, person.name, Result.FAILED, str(error))
        mapped = fields.field(name)
        refusal = RowError(
            "INVALID_TYPE_ON_FIELD_IN_RECORD", str(error), (mapped.salesforce_field if mapped else name,)
        )
        return _failed(work, fields, Creation(person, {name: str(error.value)}), (refusal,))
    values: dict[str, Value] = {
        f.person_field: v for f in fields.fields if f.createable and (v := here[f.person_field]) is not None
    }
    defaults = {"last_name": work.sync_user.default_last_name, "company": work.sync_user.default_company}
    used = {name: text for name, text in defaults.items() if text and name not in values and fields.field(name)}
    return Creation(person, values | used, frozenset(used))


def _create(work: Work, fields: ObjectMap, creations: Sequence[Creation]) -> dict[int, PersonOutcome]:
    outcomes: dict[int, PersonOutcome] = {}
    left = list(creations)
    _store_intents(work, fields, left)
    for round_ in range(ROUNDS):
        if round_:
            work.pause(min(2.0**round_, 8.0) * (0.5 + work.random.random() / 2))
            found = _find_by_uuid(work, fields, left)
            outcomes |= found
            left = [creation for creation in left if creation.person.id not in found]
        if not left:
            break
        try:
            return outcomes | _call(work, fields, left)
        except OutcomeUnknown:
            if fields.external_id_field is None:
                break
        except SalesforceError:  # certainly not carried out
            CreateIntent.objects.filter(person_id__in=[c.person.id for c in left]).delete()
            raise
    for creation in left:
        outcomes[creation.person.id] = unknown(creation.person)
    CreateIntent.objects.filter(person_id__in=[c.person.id for c in left]).update(state=IntentState.UNKNOWN)
    return outcomes


def unknown(person: PersonState) -> PersonOutcome:
    return PersonOutcome(
        person.id,
        person.name,
        Result.UNKNOWN,
        "The connection broke before Salesforce answered; the lead may have been made or not. "
        "It is looked up before anything is tried again.",
        code="OUTCOME_UNKNOWN",
    )


def _store_intents(work: Work, fields: ObjectMap, creations: Sequence[Creation]) -> None:
    """Durable before the call: on SQLite the commit is synced to the disk, too."""
    asked_at = work.org.org_time()
    with synced_to_disk(), transaction.atomic(durable=True):
        for creation in creations:
            CreateIntent.objects.update_or_create(
                person_id=creation.person.id,
                defaults={
                    "state": IntentState.OPEN,
                    "asked_at": asked_at,
                    "external_id": fields.external_id_field is not None,
                    "values_sent": dict(creation.values),
                },
            )


def recover_intents() -> None:
    """Creates whose process died between the call and its answer: their outcome is unknown. A live one holds its
    claim on the person."""
    CreateIntent.objects.exclude(person__sfdc_type="").delete()
    dead = CreateIntent.objects.filter(state=IntentState.OPEN).exclude(person__pending__claimed_until__gt=Now())
    CreateIntent.objects.filter(pk__in=list(dead.values_list("pk", flat=True))).update(state=IntentState.UNKNOWN)


@contextmanager
def synced_to_disk() -> Iterator[None]:
    """On SQLite in WAL mode a commit survives a crash of the process, and only with FULL a loss of power, too."""
    pragma = connection.vendor == "sqlite" and not connection.in_atomic_block
    with connection.cursor() as cursor:
        if pragma:
            cursor.execute("PRAGMA synchronous=FULL")
        try:
            yield
        finally:
            if pragma:
                cursor.execute("PRAGMA synchronous=NORMAL")


def _call(work: Work, fields: ObjectMap, creations: Sequence[Creation]) -> dict[int, PersonOutcome]:
    """One Composite request: create, then read what was made. Raises OutcomeUnknown, FieldsChanged."""
    external = fields.external_id_field
    rows = [_body(fields, creation) for creation in creations]
    if external:
        ids = [str(creation.person.uuid) for creation in creations]
        after = soql.select(list(fields.select), "Lead", where=soql.in_(external, ids))
        requests = [
            writing.upsert("create", "Lead", external, rows, RUN_ASSIGNMENT_RULES),
            Subrequest("GET", soql.query_path(after), "after"),
        ]
    else:
        requests = [writing.create("create", "Lead", rows, RUN_ASSIGNMENT_RULES)]
    work.checkpoint()
    sequence = next_sequence()
    answer = work.org.composite(requests, safe=False)
    work.checkpoint()
    results = writing.results(answer["create"])
    if external:
        made = _records(fields, answer)
    else:
        made, sequence, answer = _read_back(work, fields, results)
    reading = Reading(sequence, answer.asked_at)
    outcomes: dict[int, PersonOutcome] = {}
    about_fields = False
    for creation, result in zip(creations, results, strict=True):
        if not result.success:
            about_fields = about_fields or any(is_about_fields(error) for error in result.errors)
            outcomes[creation.person.id] = _failed(work, fields, creation, result.errors)
            continue
        record = made.get(result.id or "")
        message = "Created" if result.created is not False else "Found by its external id"
        if record is None:
            outcomes[creation.person.id] = unknown(creation.person)
        else:
            outcomes[creation.person.id] = link_created(work, fields, reading, creation, record, message)
    if about_fields:
        raise FieldsChanged
    return outcomes


def _body(fields: ObjectMap, creation: Creation) -> dict[str, Any]:
    body = {
        f.salesforce_field: f.to_wire(creation.values[f.person_field])
        for f in fields.fields
        if f.person_field in creation.values
    }
    if fields.external_id_field:
        body[fields.external_id_field] = str(creation.person.uuid)
    return body


def _records(fields: ObjectMap, answer: Answer) -> dict[str, RemoteRecord]:
    response = answer["after"]
    rows = response.body["records"] if response.ok else []
    return {record.id: record for record in (parse(fields, row) for row in rows)}


def _read_back(
    work: Work, fields: ObjectMap, results: Sequence[RowResult]
) -> tuple[dict[str, RemoteRecord], int, Answer]:
    ids = [result.id for result in results if result.success and result.id]
    sequence = next_sequence()
    if not ids:
        return {}, sequence, Answer({}, work.org.org_time())
    text = soql.select(list(fields.select), "Lead", where=soql.in_("Id", ids))
    answer = work.org.composite([Subrequest("GET", soql.query_path(text), "after")], safe=True)
    return _records(fields, answer), sequence, answer


def _find_by_uuid(work: Work, fields: ObjectMap, creations: Sequence[Creation]) -> dict[int, PersonOutcome]:
    """After an unknown outcome: the leads that were made all the same, linked."""
    external = fields.external_id_field
    if external is None:
        return {}
    by_uuid = {str(creation.person.uuid): creation for creation in creations}
    text = soql.select(list(fields.select), "Lead", where=soql.in_(external, list(by_uuid)))
    work.checkpoint()
    sequence = next_sequence()
    page = work.org.query(text)
    work.checkpoint()
    reading = Reading(sequence, page.asked_at)
    outcomes = {}
    for row in page.records:
        record = parse(fields, row)
        creation = by_uuid[record.external_id]
        outcomes[creation.person.id] = link_created(work, fields, reading, creation, record, "Created")
    return outcomes


def link_created(
    work: Work, fields: ObjectMap, reading: Reading, creation: Creation, record: RemoteRecord, verb: str
) -> PersonOutcome:
    """Link the person with the lead that was made for it. What was sent is the base: what Salesforce made of it since
    (normalised values, defaults, the work of its automations) is received."""
    person = creation.person
    where = f"{record.object} {record.id}"
    sent = set(creation.values) - creation.defaults
    # What was filled here and not sent (no access, a default in its place) was not agreed on.
    filled = {name for name, value in fields.here(person.values)[0].items() if value is not None} | creation.defaults
    for attempt in range(TRIES):
        if attempt:
            work.pause(0.05 * attempt)
            person = state.by_ids([person.id]).get(person.id, person)
        if person.linked:
            break  # the cycle has read and linked it meanwhile
        here, bad = fields.here(person.values)
        base = {
            name: creation.values.get(name)
            for name in record.values
            if name in here and (name in sent or name not in filled)
        }
        decided = merge([r for r in fields.rules if r.field not in bad], base, here, record.values)
        journal = Journal(work)
        journal.entry(
            person.id,
            person.name,
            ActivityType.SYNC_PERSON,
            f"{verb}: {where}.",
            detail={"id": record.id, "object": record.object, "values": dict(creation.values)},
        )

        def log(written: Sequence[Merged], journal: Journal = journal) -> None:
            if written:
                outbox.release(
                    work.claim, [m.person.id for m in written if not m.merge.to_send and not m.keeps_waiting]
                )
                journal.write()

        done = apply(work, fields, reading, [Merged(person, record, decided, keeps_waiting=bool(bad))], also=log)
        if done.written:
            work.sent["created"] += 1
            received = tuple(decided.received)
            return PersonOutcome(
                person.id,
                person.name,
                Result.CREATED,
                f"{verb}: {where}.",
                sfdc_type=record.object,
                sfdc_id=record.id,
                sent=tuple(creation.values),
                received=received,
            )
    result = Result.CREATED if person.linked else Result.BUSY
    message = f"{verb}: {where}." if person.linked else "Created; the person is being edited, the link follows."
    return PersonOutcome(person.id, person.name, result, message, sfdc_type=person.sfdc_type, sfdc_id=person.sfdc_id)


def _failed(work: Work, fields: ObjectMap, creation: Creation, errors: Sequence[RowError]) -> PersonOutcome:
    """A create fails as a whole: the person is marked, with Salesforce's words in its log."""
    person = creation.person
    journal = Journal(work)
    with agreeing_writes():
        work.fence()
        result = failure(work, fields, person, errors, creation.values, journal)
        if lock(work, {person.id: person.revision}):
            outbox.fail(work.claim, [replace(result, failed=True) if result.retry_at is None else result])
        CreateIntent.objects.filter(person_id=person.id).delete()
        journal.write()
    work.sent["failed"] += 1
    return PersonOutcome(
        person.id,
        person.name,
        Result.FAILED,
        result.message,
        code=result.code,
        remedy=result.detail.get("remedy", ""),
    )
