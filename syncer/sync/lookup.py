"""Finds the records of persons: the linked ones by id, and for the others what may be theirs already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncer.models import CreateIntent, SalesforceRecord
from syncer.salesforce import soql
from syncer.salesforce.client import Subrequest
from syncer.salesforce.errors import Refused
from syncer.sync.errors import FieldsChanged
from syncer.sync.failures import is_about_fields
from syncer.sync.fields import ObjectMap
from syncer.sync.matching import is_what_was_sent
from syncer.sync.remote import Reading, RemoteRecord, parse
from syncer.sync.state import PersonState
from syncer.sync.work import Work, next_sequence


@dataclass(slots=True)
class Found:
    """The answer to one Composite read: rows of linked records by object, and candidates for unlinked persons."""

    reading: Reading
    rows: dict[str, list[dict[str, Any]]]
    by_uuid: dict[str, RemoteRecord] = field(default_factory=dict)
    by_email: dict[str, list[RemoteRecord]] = field(default_factory=dict)
    by_intent: dict[int, list[RemoteRecord]] = field(default_factory=dict)  # person → leads like the one it sent
    owners: Mapping[str, tuple[int, str]] = field(default_factory=dict)  # record id → person linked to it


def find(work: Work, persons: Sequence[PersonState]) -> Found:
    """Read the linked records of ``persons``, and what Salesforce has under the UUID or the e-mail address of the
    unlinked ones, in one API call: at most four queries. Raises FieldsChanged."""
    queries: dict[str, tuple[ObjectMap, str, bool]] = {}
    strangers = [p for p in persons if not p.linked]
    addresses = sorted({address(p) for p in strangers} - {""})
    intents = list(CreateIntent.objects.filter(person_id__in=[p.id for p in strangers], external_id=False))
    for sobject, fields in work.maps.items():
        ids = [p.link.record_id for p in persons if p.linked and p.link and p.link.object == sobject]
        if ids:
            text = soql.select(list(fields.select), sobject, where=soql.in_("Id", ids))
            queries[f"linked{sobject}"] = (fields, text, True)
        wanted = []
        if addresses and fields.field("email"):
            wanted.append(soql.in_("Email", addresses))
        if strangers and fields.external_id_field:
            wanted.append(soql.in_(fields.external_id_field, [str(p.uuid) for p in strangers]))
        wanted += [_like(work, intent) for intent in intents if intent.object == sobject and intent.asked_at]
        if wanted:
            where = soql.or_(*wanted)
            if sobject == "Lead" and "IsConverted" in fields.select:
                where = soql.and_(where, soql.equals("IsConverted", False))
            queries[f"free{sobject}"] = (fields, soql.select(list(fields.select), sobject, where=where), False)
    if not queries:
        return Found(Reading(next_sequence(), work.now()), {})
    work.checkpoint()
    sequence = next_sequence()
    answer = work.org.composite(
        [Subrequest("GET", soql.query_path(text, deleted), name) for name, (_, text, deleted) in queries.items()],
        safe=True,
    )
    work.checkpoint()
    found = Found(Reading(sequence, answer.asked_at), {})
    candidates: list[RemoteRecord] = []
    for name, (fields, _, _) in queries.items():
        response = answer[name]
        if (error := response.error()) is not None:
            if is_about_fields(error):
                raise FieldsChanged
            raise Refused(error.message, code=error.code, http_status=response.status, fields=error.fields)
        rows = list(response.body["records"])
        next_url = response.body.get("nextRecordsUrl")
        while next_url:  # an address that more than 2,000 records share
            page = work.org.query_more(next_url)
            rows += page.records
            next_url = page.next_url
        if name.startswith("linked"):
            found.rows[fields.object] = rows
        else:
            candidates += [parse(fields, row) for row in rows]
    _sort_in(found, candidates)
    for intent in intents:
        same = [r for r in candidates if r.object == intent.object and is_what_was_sent(r, intent.values_sent)]
        found.by_intent[intent.person_id] = same
    found.owners = owners(work, [record.id for record in candidates])
    return found


def _like(work: Work, intent: CreateIntent) -> str:
    """The condition for a lead that the sync user has made, since then, with the name and company that were sent."""
    sent = intent.values_sent
    names = {"FirstName": "first_name", "LastName": "last_name", "Company": "company"}
    return soql.and_(
        *(soql.equals(name, sent[key]) for name, key in names.items() if sent.get(key)),
        f"CreatedDate >= {soql.literal(intent.asked_at)}",
        soql.equals("CreatedById", work.sync_user.user_id) if work.sync_user.user_id else None,
    )


def owners(work: Work, record_ids: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Which persons records are linked with: record id → (person id, name)."""
    rows = SalesforceRecord.objects.filter(organisation=work.organisation, record_id__in=list(record_ids)).values_list(
        "record_id", "person_id", "person__first_name", "person__last_name"
    )
    return {record: (person, f"{first} {last}".strip()) for record, person, first, last in rows}


def _sort_in(found: Found, candidates: Iterable[RemoteRecord]) -> None:
    for record in candidates:
        if record.external_id:
            found.by_uuid[record.external_id] = record
        email = str(record.values.get("email") or "").lower()
        if email:
            found.by_email.setdefault(email, []).append(record)


def address(person: PersonState) -> str:
    return str(person.values["email"]).strip().lower()
