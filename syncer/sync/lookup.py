"""Finds the records of persons: the linked ones by id, and for the others what may be theirs already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncer.models import CreateIntent, SalesforceRecord
from syncer.salesforce import soql
from syncer.salesforce.client import Subrequest
from syncer.salesforce.errors import Refused, SalesforceError
from syncer.sync import matching
from syncer.sync.errors import FieldsChanged
from syncer.sync.failures import is_about_fields
from syncer.sync.fields import ObjectMap
from syncer.sync.pull import all_rows
from syncer.sync.remote import Reading, RemoteRecord, parse
from syncer.sync.state import PersonState
from syncer.sync.work import Work, next_sequence

#: How the ids of an object's records begin.
PREFIXES = {"Lead": "00Q", "Contact": "003"}


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


def find(work: Work, persons: Sequence[PersonState], chosen: Iterable[str] = ()) -> Found:
    """Read the linked records of ``persons``, what Salesforce has under the UUID or the e-mail address of the unlinked
    ones, and records that somebody ``chose`` by id, in one API call: at most four queries. Raises FieldsChanged."""
    picked = set(chosen)
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
        prefixed = sorted(pk for pk in picked if pk.startswith(PREFIXES[sobject]))
        if prefixed:
            wanted.append(soql.in_("Id", prefixed))
        # What was made for a person is theirs also when it was converted or deleted meanwhile.
        made = [_like(work, intent) for intent in intents if intent.object == sobject and intent.asked_at]
        if strangers and fields.external_id_field:
            made.append(soql.in_(fields.external_id_field, [str(p.uuid) for p in strangers]))
        if wanted or made:
            alive = [soql.equals("IsDeleted", False)]
            if sobject == "Lead" and "IsConverted" in fields.select:
                alive.append(soql.equals("IsConverted", False))
            where = soql.or_(soql.and_(*alive, soql.or_(*wanted)) if wanted else None, *made)
            queries[f"free{sobject}"] = (fields, soql.select(list(fields.select), sobject, where=where), True)
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
        rows = all_rows(work, response.body)
        if name.startswith("linked"):
            found.rows[fields.object] = rows
        else:
            records = [parse(fields, row) for row in rows]
            candidates += matching.without_former(work, records)
            found.spent |= {r.external_id for r in records if r.is_converted and r not in candidates}
    found.chosen = {record.id: record for record in candidates if record.id in picked}
    _sort_in(found, candidates)
    for intent in intents:
        ours = [r for r in candidates if matching.may_be_of(work, intent, r)]
        same = [r for r in ours if matching.is_what_was_sent(r, intent.values_sent)]
        found.by_intent[intent.person_id] = same
    found.owners = owners(work, [record.id for record in candidates])
    return found


def _like(work: Work, intent: CreateIntent) -> str:
    """The condition for a lead that the sync user has made, since then, with the address that was sent or, without one,
    the name and company."""
    sent = intent.values_sent
    names = {"FirstName": "first_name", "LastName": "last_name", "Company": "company"}
    if _askable(sent.get("email")) and work.maps[intent.object].field("email"):
        names = {"Email": "email"}
    return soql.and_(
        *(soql.equals(name, sent[key]) for name, key in names.items() if _askable(sent.get(key))),
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
    for record in sorted(candidates, key=lambda record: not record.gone):
        if record.external_id:
            found.by_uuid[record.external_id] = record
        if record.gone:
            continue
        email = str(record.values.get("email") or "").lower()
        if email:
            found.by_email.setdefault(email, []).append(record)


def address(person: PersonState) -> str:
    text = str(person.values["email"]).strip().lower()
    return text if _askable(text) else ""


def _askable(value: Any) -> bool:
    """A value that there is, and that a query can carry: no SOQL has a NUL, and SQLite keeps one."""
    return bool(value) and "\0" not in str(value)


#: Fields by which somebody recognises a record in a list of them.
SHOWN = {
    "Lead": ("Id", "FirstName", "LastName", "Email", "Phone", "Company"),
    "Contact": ("Id", "FirstName", "LastName", "Email", "Phone", "Account.Name"),
}
#: Records shown to choose from, of each object, for all the persons of one call.
MOST_SIMILAR = 200


def similar(
    work: Work, persons: Mapping[int, tuple[Mapping[str, Any], Sequence[str]]]
) -> dict[int, list[dict[str, Any]]]:
    """What a duplicate rule may have found for persons: values that were refused, and the ids that the answer names.

    The answer to a collection names none, so records with the same e-mail address, telephone number or full name are
    looked for. One API call; what can't be read is left out: it only helps to decide.
    """
    if not persons:
        return {}
    ids = {record_id for _, named in persons.values() for record_id in named}
    requests = []
    for sobject, prefix in PREFIXES.items():
        known = [path for path in SHOWN[sobject] if path in work.maps[sobject].select]
        wanted = [soql.in_("Id", group)] if (group := sorted(pk for pk in ids if pk.startswith(prefix))) else []
        wanted += [c for values, named in persons.values() if not named and (c := _looks_like(known, values))]
        if wanted:
            where = soql.or_(*wanted)
            if sobject == "Lead" and "IsConverted" in work.maps[sobject].select:
                where = soql.and_(where, soql.equals("IsConverted", False))
            text = soql.select(known, sobject, where=where, limit=MOST_SIMILAR)
            requests.append(Subrequest("GET", soql.query_path(text), sobject))
    if not requests:
        return {}
    try:
        answer = work.org.composite(requests, safe=True)
    except SalesforceError:
        return {}
    rows = [
        (r.reference, row) for r in requests if answer[r.reference].ok for row in answer[r.reference].body["records"]
    ]
    owned = owners(work, [row["Id"] for _, row in rows])
    found: dict[int, list[dict[str, Any]]] = {}
    for sobject, row in rows:
        shown = {
            "id": row["Id"],
            "object": sobject,
            "name": " ".join(part for name in ("FirstName", "LastName") if (part := row.get(name))),
            "email": row.get("Email") or "",
            "company": row.get("Company") or (row.get("Account") or {}).get("Name") or "",
            "person": owned.get(row["Id"], (None, ""))[0],
        }
        for person_id, (values, named) in persons.items():
            if row["Id"] in named or (not named and _is_like(row, values)):
                found.setdefault(person_id, []).append(shown)
    return found


#: What makes two records look alike: all the fields of one of these groups are equal.
ALIKE = ({"Email": "email"}, {"Phone": "phone"}, {"FirstName": "first_name", "LastName": "last_name"})


def _looks_like(known: Sequence[str], values: Mapping[str, Any]) -> str | None:
    conditions = [
        soql.and_(*(soql.equals(name, values[key]) for name, key in group.items()))
        for group in ALIKE
        if all(name in known and _askable(values.get(key)) for name, key in group.items())
    ]
    return soql.or_(*conditions) if conditions else None


def _is_like(row: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return any(
        all(
            values.get(key) and str(row.get(name) or "").lower() == str(values[key]).lower()
            for name, key in group.items()
        )
        for group in ALIKE
    )
