"""The call that creates leads, and what it answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncer.salesforce import soql, writing
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.errors import OutcomeUnknown, SalesforceError
from syncer.salesforce.ids import to_18
from syncer.salesforce.rows import RowResult
from syncer.sync.connection.pages import all_rows, first_page
from syncer.sync.context import Context
from syncer.sync.create.after_create import Creation, Made, RefusedCreate, link_created, record_refused
from syncer.sync.errors import FieldsChanged, OutOfTime
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import PersonOutcome, unknown
from syncer.sync.persons.record import Reading, RemoteRecord, parse_all
from syncer.sync.push.failures import needs_fresh_fields
from syncer.sync.store import intents

#: Assignment rules run for a create only, as in Marketo, unless an owner was chosen: the one write that asks for them.
RUN_ASSIGNMENT_RULES: Mapping[str, str] = {"Sforce-Auto-Assign": "TRUE"}


def create_in_one_call(
    context: Context, fields: ObjectMap, creations: Sequence[Creation], *, first: bool
) -> dict[int, PersonOutcome]:
    """One Composite request: create, then read what was made. Who has no outcome was refused because of a field of
    which the describe may be out of date. Raises OutcomeUnknown.

    ``first``: nothing was asked for before, so that a call that was certainly not carried out leaves no intent. What
    goes wrong behind it leaves one."""
    try:
        answer, reading = context.ask(_requests(context, fields, creations), safe=False)
    except OutcomeUnknown:
        raise
    except (SalesforceError, OutOfTime):
        if first:
            intents.forget(c.person.id for c in creations)
        raise
    results = writing.results(answer["create"])
    records, reading = _made(context, fields, answer, reading, results)
    outcomes: dict[int, PersonOutcome] = {}
    made: list[Made] = []
    refused: list[RefusedCreate] = []
    for creation, result in zip(creations, results, strict=True):
        record = records.get(result.id or "")
        if not result.success:
            refused.append(RefusedCreate(creation, result.errors))
        elif record is None:
            outcomes[creation.person.id] = unknown(creation.person)
        else:
            verb = "Created" if result.created is not False else "Found by its external id"
            made.append(Made(creation, record, verb))
    intents.mark_unknown(outcomes)
    outcomes |= link_created(context, fields, reading, made)
    surprised = [refusal for refusal in refused if needs_fresh_fields(context, refusal.errors)]
    outcomes |= record_refused(context, fields, [refusal for refusal in refused if refusal not in surprised])
    intents.forget(refusal.creation.person.id for refusal in surprised)
    return outcomes


def _requests(context: Context, fields: ObjectMap, creations: Sequence[Creation]) -> list[Subrequest]:
    """With an external id an upsert by it, and the reading of what it made; without one, the create alone."""
    external = fields.external_id_field
    rows = [_body(fields, creation) for creation in creations]
    headers = _headers(context, creations[0].options)
    if external is None:
        return [writing.create("create", "Lead", rows, headers)]
    ids = [str(creation.person.uuid) for creation in creations]
    after = soql.select(list(fields.select), "Lead", where=soql.in_(external, ids))
    return [
        writing.upsert("create", "Lead", external, rows, headers),
        Subrequest("GET", soql.query_path(after), "after"),
    ]


def _made(
    context: Context, fields: ObjectMap, answer: Answer, reading: Reading, results: Sequence[RowResult]
) -> tuple[dict[str, RemoteRecord], Reading]:
    """The leads that were made, by id, as they were read after it. What can't be read is left out: it is made, and not
    to be taken for a create that was not carried out."""
    ids = [result.id for result in results if result.success and result.id]
    if not ids:
        return {}, reading
    try:
        if fields.external_id_field is None:
            text = soql.select(list(fields.select), "Lead", where=soql.in_("Id", ids))
            answer, reading = context.ask([Subrequest("GET", soql.query_path(text), "after")])
        rows = all_rows(context, first_page(answer, "after"))
    except (SalesforceError, FieldsChanged, OutOfTime):
        return {}, reading
    records, _ = parse_all(fields, rows)
    return {record.id: record for record in records}, reading


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


def find_by_uuid(context: Context, fields: ObjectMap, creations: Sequence[Creation]) -> dict[int, PersonOutcome]:
    """After an unknown outcome: the leads that were made all the same, linked."""
    external = fields.external_id_field
    if external is None:
        return {}
    by_uuid = {str(creation.person.uuid): creation for creation in creations}
    text = soql.select(list(fields.select), "Lead", where=soql.in_(external, list(by_uuid)))
    first, reading = context.query(text)
    records, _ = parse_all(fields, all_rows(context, first))
    return link_created(
        context,
        fields,
        reading,
        [Made(by_uuid[r.external_id], r, "Created") for r in records if r.external_id in by_uuid],
    )
