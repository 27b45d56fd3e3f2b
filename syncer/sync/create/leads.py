"""The call that creates leads, and what it answered.

With a unique external-id field it is an insert, never an upsert: one that comes late, or a second time, is refused and
changes nothing. Behind it the leads are read by their external ids, deleted and converted ones, too: what is found
there was made, whatever the insert was refused for. A second one may meet a duplicate rule, a trigger or another unique
field before the external id, and the message of a refusal names the record in the way only where the sync user sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncer.salesforce import soql, writing
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.errors import OutcomeUnknown, SalesforceError
from syncer.salesforce.ids import to_18
from syncer.salesforce.rows import RowResult
from syncer.salesforce.validity import Validity
from syncer.sync.connection.pages import all_rows, first_page
from syncer.sync.context import Context
from syncer.sync.create import lookup
from syncer.sync.create.after_create import Creation, Made, RefusedCreate, link_created
from syncer.sync.create.found import take_found
from syncer.sync.errors import FieldsChanged, OutOfTime
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.identity.candidates import Found
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import PersonOutcome, unknown
from syncer.sync.persons.record import Reading, RemoteRecord, parse_all
from syncer.sync.pull.rest_of_rows import complete
from syncer.sync.push.failures import needs_fresh_fields
from syncer.sync.push.portions import perhaps_because_of_others
from syncer.sync.push.request import refusal_of_data
from syncer.sync.store import intents

#: Assignment rules run for a create only, as in Marketo, unless an owner was chosen: the one write that asks for them.
RUN_ASSIGNMENT_RULES: Mapping[str, str] = {"Sforce-Auto-Assign": "TRUE"}


@dataclass(slots=True)
class Called:
    """What came of a call: the persons whose lead was made or found, or may have been, and those who were refused for
    certain."""

    outcomes: dict[int, PersonOutcome] = field(default_factory=dict)
    refused: list[RefusedCreate] = field(default_factory=list)


def create_in_one_call(
    context: Context, fields: ObjectMap, creations: Sequence[Creation], validity: Validity, *, first: bool
) -> Called:
    """One Composite request: create, then read what was made. Raises OutcomeUnknown.

    ``validity``: of the look at the claims, from before the intents were stored. ``first``: nothing was asked for
    before, so that a call that was certainly not carried out leaves no intent. What goes wrong behind it leaves one."""
    try:
        answer, reading = context.send(_requests(context, fields, creations), validity)
    except OutcomeUnknown:
        raise
    except (SalesforceError, OutOfTime) as error:
        if (refusal := refusal_of_data(error)) is not None:
            results = [RowResult(None, False, None, (refusal,))] * len(creations)
            return _settle_refused(context, fields, creations, results, None, whole=True)
        if first:
            intents.take_back(context, [c.person.id for c in creations])
        raise
    results = writing.results(answer["create"])
    made = [(c, r) for c, r in zip(creations, results, strict=True) if r.success]
    refused = [(c, r) for c, r in zip(creations, results, strict=True) if not r.success]
    called = _settle_refused(
        context,
        fields,
        [c for c, _ in refused],
        [r for _, r in refused],
        (answer, reading),
        whole=not answer["create"].ok,
    )
    called.outcomes |= _settle_made(context, fields, made, answer, reading)
    return called


def _requests(context: Context, fields: ObjectMap, creations: Sequence[Creation]) -> list[Subrequest]:
    """The insert and, with an external id, the reading of what stands under it then."""
    rows = [_body(fields, creation) for creation in creations]
    create = writing.create("create", "Lead", rows, _headers(context, creations[0].options))
    if (text := _by_external_id(fields, creations)) is None:
        return [create]
    return [create, Subrequest("GET", soql.query_path(text, deleted=True), "after")]


def _by_external_id(fields: ObjectMap, creations: Iterable[Creation]) -> str | None:
    """The query for leads under the persons' UUIDs; None without an external id."""
    if (external := fields.external_id_field) is None:
        return None
    return soql.select(list(fields.select), "Lead", where=soql.in_(external, [str(c.person.uuid) for c in creations]))


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


# -- what was made ----------------------------------------------------------------------------------------------------


def _settle_made(
    context: Context,
    fields: ObjectMap,
    made: Sequence[tuple[Creation, RowResult]],
    answer: Answer,
    reading: Reading,
) -> dict[int, PersonOutcome]:
    """Link persons with their leads, as they were read after it. What can't be read is made all the same, and not to be
    taken for a create that was not carried out."""
    records, reading = _read_made(context, fields, [r.id for _, r in made if r.id], answer, reading)
    there = [Made(c, records[r.id], "Created") for c, r in made if r.id in records]
    unread = {c.person.id: unknown(c.person) for c, r in made if r.id not in records}
    intents.mark_unknown(unread)
    return unread | (link_created(context, fields, reading, there) if there else {})


def _read_made(
    context: Context, fields: ObjectMap, ids: Sequence[str], answer: Answer, reading: Reading
) -> tuple[dict[str, RemoteRecord], Reading]:
    if not ids:
        return {}, reading
    try:
        if fields.external_id_field is None:
            text = soql.select(list(fields.select), "Lead", where=soql.in_("Id", ids))
            answer, reading = context.ask([Subrequest("GET", soql.query_path(text), "after")])
        rows = complete(context, fields, all_rows(context, first_page(answer, "after")))
    except (SalesforceError, FieldsChanged, OutOfTime):
        return {}, reading
    records, _ = parse_all(fields, rows)
    return {record.id: record for record in records if record.id in ids}, reading


# -- what was refused -------------------------------------------------------------------------------------------------


def _settle_refused(
    context: Context,
    fields: ObjectMap,
    creations: Sequence[Creation],
    results: Sequence[RowResult],
    answered: tuple[Answer, Reading] | None,
    *,
    whole: bool,
) -> Called:
    """What stands under the external ids of refused creates is theirs, whatever they were refused for. ``answered``:
    with the reading behind the insert, if there was one. Who was refused because of a field of which the describe may
    be out of date is looked up again with a fresh one."""
    called = Called()
    settled = [c for c, r in zip(creations, results, strict=True) if not needs_fresh_fields(context, r.errors)]
    try:
        found = _found(context, fields, settled, answered) if settled else None
    except (SalesforceError, FieldsChanged, OutOfTime):
        # It is not known whether an earlier request has made them.
        intents.mark_unknown(c.person.id for c in settled)
        called.outcomes |= {c.person.id: unknown(c.person) for c in settled}
        found = None
    if found is not None:
        called.outcomes |= take_found(context, fields, settled, found, "Found by its external id")
    for creation, result in zip(creations, results, strict=True):
        if creation.person.id not in called.outcomes:
            tried = creation.person.attempts > 0
            together = perhaps_because_of_others(context, result.errors, whole=whole, tried=tried)
            called.refused.append(RefusedCreate(creation, result.errors, together))
    return called


def _found(
    context: Context, fields: ObjectMap, creations: Sequence[Creation], answered: tuple[Answer, Reading] | None
) -> Found | None:
    if answered is None or fields.external_id_field is None or not answered[0]["after"].ok:
        return find_made(context, fields, creations)
    answer, reading = answered
    rows = all_rows(context, first_page(answer, "after"))
    return lookup.under_uuids(context, fields, [c.person for c in creations], rows, reading)


def find_made(context: Context, fields: ObjectMap, creations: Sequence[Creation]) -> Found | None:
    """What stands under the persons' UUIDs now; None without an external id."""
    if (text := _by_external_id(fields, creations)) is None:
        return None
    first, reading = context.query(text, deleted=True)
    return lookup.under_uuids(context, fields, [c.person for c in creations], all_rows(context, first), reading)
