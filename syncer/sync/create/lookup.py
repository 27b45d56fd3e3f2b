"""Finds the records of persons: the linked ones by id, and for the others what may be theirs already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncer.models import CreateIntent
from syncer.salesforce import soql
from syncer.salesforce.client import Subrequest
from syncer.salesforce.errors import Refused
from syncer.sync.connection.pages import all_rows
from syncer.sync.context import Context, next_sequence
from syncer.sync.errors import FieldsChanged
from syncer.sync.fields.defaults import PREFIXES
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.identity.candidates import is_what_was_sent, may_be_of, without_former
from syncer.sync.identity.similar import address, askable, owners
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading, RemoteRecord, parse
from syncer.sync.push.failures import is_about_fields


@dataclass(slots=True)
class Found:
    """The answer to one Composite read: rows of linked records by object, and candidates for unlinked persons."""

    reading: Reading
    rows: dict[str, list[dict[str, Any]]]
    by_uuid: dict[str, RemoteRecord] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)  # external ids of converted leads that were persons' records
    by_email: dict[str, list[RemoteRecord]] = field(default_factory=dict)
    by_intent: dict[int, list[RemoteRecord]] = field(default_factory=dict)  # person → leads like the one it sent
    chosen: dict[str, RemoteRecord] = field(default_factory=dict)  # what somebody chose by its id
    owners: Mapping[str, tuple[int, str]] = field(default_factory=dict)  # record id → person linked to it


def find(context: Context, persons: Sequence[PersonState], chosen: Iterable[str] = ()) -> Found:
    """Read the linked records of ``persons``, what Salesforce has under the UUID or the e-mail address of the unlinked
    ones, and records that somebody ``chose`` by id, in one API call: at most four queries. Raises FieldsChanged."""
    picked = set(chosen)
    queries: dict[str, tuple[ObjectMap, str, bool]] = {}
    strangers = [p for p in persons if not p.linked]
    addresses = sorted({address(p) for p in strangers} - {""})
    intents = list(CreateIntent.objects.filter(person_id__in=[p.id for p in strangers], external_id=False))
    for sobject, fields in context.maps.items():
        ids = [p.link.record_id for p in persons if p.linked and p.link and p.link.object == sobject]
        if ids:
            text = soql.select(list(fields.select), sobject, where=soql.in_("Id", ids))
            queries[f"linked{sobject}"] = (fields, text, True)
        wanted = []
        if addresses and fields.field("email"):
            wanted.append(soql.in_("Email", addresses))
        prefixed = sorted(pk for pk in picked if pk.startswith(PREFIXES[sobject]))
        if prefixed:
            wanted.append(soql.in_("Id", prefixed))
        # What was made for a person is theirs also when it was converted or deleted meanwhile.
        made = [_like(context, intent) for intent in intents if intent.object == sobject and intent.asked_at]
        if strangers and fields.external_id_field:
            made.append(soql.in_(fields.external_id_field, [str(p.uuid) for p in strangers]))
        if wanted or made:
            alive = [soql.equals("IsDeleted", False)]
            if sobject == "Lead" and "IsConverted" in fields.select:
                alive.append(soql.equals("IsConverted", False))
            where = soql.or_(soql.and_(*alive, soql.or_(*wanted)) if wanted else None, *made)
            queries[f"free{sobject}"] = (fields, soql.select(list(fields.select), sobject, where=where), True)
    if not queries:
        return Found(Reading(next_sequence(), context.now()), {})
    context.checkpoint()
    sequence = next_sequence()
    answer = context.org.composite(
        [Subrequest("GET", soql.query_path(text, deleted), name) for name, (_, text, deleted) in queries.items()],
        safe=True,
    )
    context.checkpoint()
    found = Found(Reading(sequence, answer.asked_at), {})
    candidates: list[RemoteRecord] = []
    for name, (fields, _, _) in queries.items():
        response = answer[name]
        if (error := response.error()) is not None:
            if is_about_fields(error):
                raise FieldsChanged
            raise Refused(error.message, code=error.code, http_status=response.status, fields=error.fields)
        rows = all_rows(context, response.body)
        if name.startswith("linked"):
            found.rows[fields.object] = rows
        else:
            records = [parse(fields, row) for row in rows]
            candidates += without_former(context, records)
            found.spent |= {r.external_id for r in records if r.is_converted and r not in candidates}
    found.chosen = {record.id: record for record in candidates if record.id in picked}
    _sort_in(found, candidates)
    for intent in intents:
        ours = [r for r in candidates if may_be_of(context, intent, r)]
        same = [r for r in ours if is_what_was_sent(r, intent.values_sent)]
        found.by_intent[intent.person_id] = same
    found.owners = owners(context, [record.id for record in candidates])
    return found


def _like(context: Context, intent: CreateIntent) -> str:
    """The condition for a lead that the sync user has made, since then, with the address that was sent or, without one,
    the name and company."""
    sent = intent.values_sent
    names = {"FirstName": "first_name", "LastName": "last_name", "Company": "company"}
    if askable(sent.get("email")) and context.maps[intent.object].field("email"):
        names = {"Email": "email"}
    return soql.and_(
        *(soql.equals(name, sent[key]) for name, key in names.items() if askable(sent.get(key))),
        f"CreatedDate >= {soql.literal(intent.asked_at)}",
        soql.equals("CreatedById", context.sync_user.user_id) if context.sync_user.user_id else None,
    )


def _sort_in(found: Found, candidates: Iterable[RemoteRecord]) -> None:
    for record in sorted(candidates, key=lambda record: not record.gone):
        if record.external_id:
            found.by_uuid[record.external_id] = record
        if record.gone:
            continue
        email = str(record.values.get("email") or "").lower()
        if email:
            found.by_email.setdefault(email, []).append(record)
