"""Creates a Lead for a person at most once, whatever crashes or times out.

With a unique external-id field: upsert by the person's UUID; after an unknown outcome the record is looked up by it,
and the upsert repeated only when it is absent. Without one: an intent is stored before the call, and after an unknown
outcome nothing is tried until the lead was found or Salesforce's clock says that the request can't come through any
more. The intent is stored on either way, because a killed process leaves nothing else behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from syncer.models import CreateIntent, IntentState, Person, SfdcType
from syncer.salesforce import soql, writing
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.errors import OutcomeUnknown, SalesforceError
from syncer.salesforce.ids import to_18
from syncer.salesforce.rows import RowError, RowResult
from syncer.sync import outbox, statements
from syncer.sync.created import Creation, Made, Refusal, link_created, record_refused
from syncer.sync.errors import FieldsChanged, OutOfTime
from syncer.sync.failures import is_about_fields
from syncer.sync.fields import ObjectMap
from syncer.sync.merge import Value
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import PersonOutcome, Result
from syncer.sync.pull import all_rows, pages
from syncer.sync.refusals import busy
from syncer.sync.remote import Reading, RemoteRecord, parse
from syncer.sync.state import PersonState
from syncer.sync.work import Work, next_sequence

#: Salesforce ends a request after ten minutes at the latest; one that timed out here may be saved until then.
LATE_COMMIT = timedelta(minutes=15)
#: Rounds of look-up and upsert for one unknown outcome before the person is left as "Outcome unknown".
ROUNDS = 4
#: Assignment rules run for a create only, as in Marketo, unless an owner was chosen: the one write that asks for them.
RUN_ASSIGNMENT_RULES: Mapping[str, str] = {"Sforce-Auto-Assign": "TRUE"}


def create_leads(
    work: Work, persons: Sequence[PersonState], asked: Mapping[int, SyncOptions]
) -> dict[int, PersonOutcome]:
    """Create Leads for unlinked persons that this worker has claimed and for which nothing was found there."""
    fields = work.maps["Lead"]
    outcomes: dict[int, PersonOutcome] = {}
    groups: dict[tuple[bool, bool], list[Creation]] = {}
    refused: list[Refusal] = []
    for person in persons:
        prepared = prepare(work, fields, person, asked[person.id])
        if isinstance(prepared, Creation):
            same_headers = (bool(prepared.options.owner), prepared.options.save_duplicate)
            groups.setdefault(same_headers, []).append(prepared)
        elif isinstance(prepared, Refusal):
            refused.append(prepared)
    outcomes |= record_refused(work, fields, refused)
    for group in groups.values():
        for start in range(0, len(group), writing.MOST_ROWS):
            outcomes |= _create(work, fields, group[start : start + writing.MOST_ROWS])
    return outcomes


def prepare(work: Work, fields: ObjectMap, person: PersonState, options: SyncOptions) -> Creation | Refusal:
    """What to create with: everything that may be created, the connection's defaults for an empty name or company."""
    here, bad = fields.here(person.values)
    if bad:
        [(name, error)] = list(bad.items())[:1]
        mapped = fields.field(name)
        refusal = RowError(
            "INVALID_TYPE_ON_FIELD_IN_RECORD", str(error), (mapped.salesforce_field if mapped else name,)
        )
        return Refusal(Creation(person, {name: str(error.value)}, options=options), (refusal,))
    values: dict[str, Value] = {
        f.person_field: v for f in fields.fields if f.createable and (v := here[f.person_field]) is not None
    }
    defaults = {"last_name": work.sync_user.default_last_name, "company": work.sync_user.default_company}
    used = {name: text for name, text in defaults.items() if text and name not in values and fields.field(name)}
    return Creation(person, values | used, frozenset(used), options)


def _create(work: Work, fields: ObjectMap, creations: Sequence[Creation]) -> dict[int, PersonOutcome]:
    mine = _store_intents(work, fields, creations)
    left = [creation for creation in creations if creation.person.id in mine]
    outcomes = {c.person.id: busy(c.person) for c in creations if c.person.id not in mine}
    for round_ in range(ROUNDS):
        if round_:
            work.pause(min(2.0**round_, 8.0) * (0.5 + work.random.random() / 2))
            found = _find_by_uuid(work, fields, left)
            outcomes |= found
            left = [creation for creation in left if creation.person.id not in found]
        if not left:
            break
        try:
            return outcomes | _call(work, fields, left, first=not round_)
        except OutcomeUnknown:
            if fields.external_id_field is None:
                break
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


def _store_intents(work: Work, fields: ObjectMap, creations: Sequence[Creation]) -> set[int]:
    """Durable before the call: on SQLite the commit is synced to the disk, too. Gives the persons that may be created.

    A claim that ran out while Salesforce was slow may be another worker's by now, and its create under way. Nothing is
    made either for a person that was deleted or linked meanwhile."""
    asked_at = work.org.org_time()
    external = fields.external_id_field is not None
    columns = ["object", "state", "asked_at", "external_id", "values_sent", "options", "created_at"]
    with synced_to_disk(), transaction.atomic(durable=True):
        held = outbox.hold(work.claim, [creation.person.id for creation in creations])
        mine = set(Person.objects.filter(id__in=held, sfdc_type=SfdcType.NONE).values_list("id", flat=True))
        statements.insert(
            CreateIntent,
            ["person_id", *columns],
            [
                [
                    c.person.id,
                    "Lead",
                    IntentState.OPEN,
                    asked_at,
                    external,
                    dict(c.values),
                    c.options.of_create(),
                    work.now(),
                ]
                for c in creations
                if c.person.id in mine
            ],
            conflict="(person_id) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in columns),
        )
    return mine


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


def _call(work: Work, fields: ObjectMap, creations: Sequence[Creation], *, first: bool) -> dict[int, PersonOutcome]:
    """One Composite request: create, then read what was made. Raises OutcomeUnknown, FieldsChanged.

    ``first``: nothing was asked for before, so that a call that was certainly not carried out leaves no intent. What
    goes wrong behind it leaves one."""
    external = fields.external_id_field
    rows = [_body(fields, creation) for creation in creations]
    headers = _headers(work, creations[0].options)
    if external:
        ids = [str(creation.person.uuid) for creation in creations]
        after = soql.select(list(fields.select), "Lead", where=soql.in_(external, ids))
        requests = [
            writing.upsert("create", "Lead", external, rows, headers),
            Subrequest("GET", soql.query_path(after), "after"),
        ]
    else:
        requests = [writing.create("create", "Lead", rows, headers)]
    work.checkpoint()
    sequence = next_sequence()
    try:
        answer = work.org.composite(requests, safe=False)
    except OutcomeUnknown:
        raise
    except (SalesforceError, OutOfTime):
        if first:
            CreateIntent.objects.filter(person_id__in=[c.person.id for c in creations]).delete()
        raise
    work.checkpoint()
    results = writing.results(answer["create"])
    try:
        if external:
            records = _records(work, fields, answer)
        else:
            records, sequence, answer = _read_back(work, fields, results)
    except (SalesforceError, OutOfTime):
        records = {}  # they are made: not to be taken for a create that was not carried out
    outcomes: dict[int, PersonOutcome] = {}
    made: list[Made] = []
    refused: list[Refusal] = []
    for creation, result in zip(creations, results, strict=True):
        record = records.get(result.id or "")
        if not result.success:
            refused.append(Refusal(creation, result.errors))
        elif record is None:
            outcomes[creation.person.id] = unknown(creation.person)
        else:
            verb = "Created" if result.created is not False else "Found by its external id"
            made.append(Made(creation, record, verb))
    CreateIntent.objects.filter(person_id__in=list(outcomes)).update(state=IntentState.UNKNOWN)
    outcomes |= link_created(work, fields, Reading(sequence, answer.asked_at), made)
    outcomes |= record_refused(work, fields, refused)
    if any(is_about_fields(error) for refusal in refused for error in refusal.errors):
        raise FieldsChanged
    return outcomes


def _headers(work: Work, options: SyncOptions) -> dict[str, str]:
    assign = writing.AUTO_ASSIGN_OFF if options.owner else RUN_ASSIGNMENT_RULES
    save = writing.ALLOW_DUPLICATES if work.save_duplicates or options.save_duplicate else {}
    return {**assign, **save}


def _body(fields: ObjectMap, creation: Creation) -> dict[str, Any]:
    body = {
        f.salesforce_field: f.to_wire(creation.values[f.person_field])
        for f in fields.fields
        if f.person_field in creation.values
    }
    if fields.external_id_field:
        body[fields.external_id_field] = str(creation.person.uuid)
    if creation.options.owner:
        body["OwnerId"] = to_18(creation.options.owner)
    return body


def _records(work: Work, fields: ObjectMap, answer: Answer) -> dict[str, RemoteRecord]:
    response = answer["after"]
    rows = all_rows(work, response.body) if response.ok else []
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
    return _records(work, fields, answer), sequence, answer


def _find_by_uuid(work: Work, fields: ObjectMap, creations: Sequence[Creation]) -> dict[int, PersonOutcome]:
    """After an unknown outcome: the leads that were made all the same, linked."""
    external = fields.external_id_field
    if external is None:
        return {}
    by_uuid = {str(creation.person.uuid): creation for creation in creations}
    text = soql.select(list(fields.select), "Lead", where=soql.in_(external, list(by_uuid)))
    work.checkpoint()
    sequence = next_sequence()
    first = work.org.query(text)
    work.checkpoint()
    reading = Reading(sequence, first.asked_at)
    records = [parse(fields, row) for page in pages(work, first) for row in page.records]
    return link_created(work, fields, reading, [Made(by_uuid[r.external_id], r, "Created") for r in records])
