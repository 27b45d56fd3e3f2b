"""The call that creates leads, and what it answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncer.models import CreateIntent, IntentState
from syncer.salesforce import soql, writing
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.errors import OutcomeUnknown, SalesforceError
from syncer.salesforce.ids import to_18
from syncer.salesforce.rows import RowResult
from syncer.sync.connection.pages import all_rows, pages
from syncer.sync.context import Context, next_sequence
from syncer.sync.create.after_create import Creation, Made, Refusal, link_created, record_refused
from syncer.sync.errors import FieldsChanged, OutOfTime
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import PersonOutcome, Result
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading, RemoteRecord, parse
from syncer.sync.push.failures import is_about_fields

#: Assignment rules run for a create only, as in Marketo, unless an owner was chosen: the one write that asks for them.
RUN_ASSIGNMENT_RULES: Mapping[str, str] = {"Sforce-Auto-Assign": "TRUE"}


def unknown(person: PersonState) -> PersonOutcome:
    return PersonOutcome(
        person.id,
        person.name,
        Result.UNKNOWN,
        "The connection broke before Salesforce answered; the lead may have been made or not. "
        "It is looked up before anything is tried again.",
        code="OUTCOME_UNKNOWN",
    )


def create_in_one_call(
    context: Context, fields: ObjectMap, creations: Sequence[Creation], *, first: bool
) -> dict[int, PersonOutcome]:
    """One Composite request: create, then read what was made. Raises OutcomeUnknown, FieldsChanged.

    ``first``: nothing was asked for before, so that a call that was certainly not carried out leaves no intent. What
    goes wrong behind it leaves one."""
    external = fields.external_id_field
    rows = [_body(fields, creation) for creation in creations]
    headers = _headers(context, creations[0].options)
    if external:
        ids = [str(creation.person.uuid) for creation in creations]
        after = soql.select(list(fields.select), "Lead", where=soql.in_(external, ids))
        requests = [
            writing.upsert("create", "Lead", external, rows, headers),
            Subrequest("GET", soql.query_path(after), "after"),
        ]
    else:
        requests = [writing.create("create", "Lead", rows, headers)]
    context.checkpoint()
    sequence = next_sequence()
    try:
        answer = context.org.composite(requests, safe=False)
    except OutcomeUnknown:
        raise
    except (SalesforceError, OutOfTime):
        if first:
            CreateIntent.objects.filter(person_id__in=[c.person.id for c in creations]).delete()
        raise
    context.checkpoint()
    results = writing.results(answer["create"])
    try:
        if external:
            records = _records(context, fields, answer)
        else:
            records, sequence, answer = _read_back(context, fields, results)
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
    outcomes |= link_created(context, fields, Reading(sequence, answer.asked_at), made)
    outcomes |= record_refused(context, fields, refused)
    if any(is_about_fields(error) for refusal in refused for error in refusal.errors):
        raise FieldsChanged
    return outcomes


def _headers(context: Context, options: SyncOptions) -> dict[str, str]:
    assign = writing.AUTO_ASSIGN_OFF if options.owner else RUN_ASSIGNMENT_RULES
    save = writing.ALLOW_DUPLICATES if context.save_duplicates or options.save_duplicate else {}
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


def _records(context: Context, fields: ObjectMap, answer: Answer) -> dict[str, RemoteRecord]:
    response = answer["after"]
    rows = all_rows(context, response.body) if response.ok else []
    return {record.id: record for record in (parse(fields, row) for row in rows)}


def _read_back(
    context: Context, fields: ObjectMap, results: Sequence[RowResult]
) -> tuple[dict[str, RemoteRecord], int, Answer]:
    ids = [result.id for result in results if result.success and result.id]
    sequence = next_sequence()
    if not ids:
        return {}, sequence, Answer({}, context.org.org_time())
    text = soql.select(list(fields.select), "Lead", where=soql.in_("Id", ids))
    answer = context.org.composite([Subrequest("GET", soql.query_path(text), "after")], safe=True)
    return _records(context, fields, answer), sequence, answer


def find_by_uuid(context: Context, fields: ObjectMap, creations: Sequence[Creation]) -> dict[int, PersonOutcome]:
    """After an unknown outcome: the leads that were made all the same, linked."""
    external = fields.external_id_field
    if external is None:
        return {}
    by_uuid = {str(creation.person.uuid): creation for creation in creations}
    text = soql.select(list(fields.select), "Lead", where=soql.in_(external, list(by_uuid)))
    context.checkpoint()
    sequence = next_sequence()
    first = context.org.query(text)
    context.checkpoint()
    reading = Reading(sequence, first.asked_at)
    records = [parse(fields, row) for page in pages(context, first) for row in page.records]
    return link_created(context, fields, reading, [Made(by_uuid[r.external_id], r, "Created") for r in records])
