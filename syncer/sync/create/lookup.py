"""Finds the records of persons: the linked ones by id, and for the others what may be theirs already."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncer.models import CreateIntent
from syncer.salesforce import soql
from syncer.salesforce.client import Subrequest
from syncer.salesforce.errors import Refused
from syncer.salesforce.ids import object_of, to_18
from syncer.sync.connection.pages import Rows, all_rows, first_page
from syncer.sync.context import Context
from syncer.sync.errors import FieldsChanged
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.identity.candidates import Found, address, askable, former_ids, intents_of, owners
from syncer.sync.identity.decide import is_what_was_sent, may_be_of, without_former
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading, RemoteRecord, parse_all
from syncer.sync.pull.rest_of_rows import complete


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Whose records are looked for, and by what."""

    linked: Sequence[PersonState]
    strangers: Sequence[PersonState]
    chosen: Collection[str]  # record ids
    lost: Sequence[CreateIntent]  # creates without an external id, whose answer was lost


def find(context: Context, persons: Sequence[PersonState], chosen: Iterable[str] = ()) -> Found:
    """Read the linked records of ``persons``, what Salesforce has under the UUID or the e-mail address of the unlinked
    ones, and records that somebody ``chose`` by id, in one API call: at most four queries; and one more where a lead
    under such a UUID was converted. Raises FieldsChanged."""
    strangers = [p for p in persons if not p.linked]
    intents = intents_of(strangers)
    lost = [intent for intent in intents.values() if not intent.external_id]
    wanted = _Wanted([p for p in persons if p.linked], strangers, set(chosen), lost)
    queries = {name: text for fields in context.maps.values() for name, text in _queries(context, fields, wanted)}
    if not queries:
        return Found(context.no_reading(), intents=intents)
    answer, reading = context.ask(
        [Subrequest("GET", soql.query_path(text, deleted=True), name) for name, text in queries.items()]
    )
    found = Found(reading, intents=intents)
    for sobject in context.maps:
        if f"linked{sobject}" in queries:
            rows = all_rows(context, first_page(answer, f"linked{sobject}"))
            found.rows[sobject] = rows
            found.incomplete = found.incomplete or bool(rows.nameless)
    records = [
        record
        for sobject, fields in context.maps.items()
        if f"free{sobject}" in queries
        for record in _readable(
            context,
            fields,
            found,
            all_rows(context, first_page(answer, f"free{sobject}")),
            strangers,
            lost={intent.person_id for intent in lost},
        )
    ]
    _sort_in(context, found, records, wanted)
    return found


def _readable(
    context: Context,
    fields: ObjectMap,
    found: Found,
    rows: Rows,
    persons: Iterable[PersonState],
    *,
    lost: Container[int] = (),
) -> list[RemoteRecord]:
    """The records in an answer. Of rows that can't be read it is kept whose they may be: of these persons. ``lost``:
    whose answer to a create was lost."""
    persons = list(persons)
    records, bad = parse_all(fields, complete(context, fields, rows))
    if rows.nameless:
        message = f"A {fields.object} came without a readable Id."
        found.unreadable |= {person.id: message for person in persons}
    by_id = {row["Id"]: row for row in rows}
    for error in bad:
        message = f"{fields.object} {error.record_id} {error}."
        theirs = [p.id for p in persons if p.id in lost or _may_be(fields, by_id[error.record_id], p)]
        found.unreadable |= dict.fromkeys(theirs, message)
    return records


def _may_be(fields: ObjectMap, row: Mapping[str, Any], person: PersonState) -> bool:
    """Whether a row may be a person's, by what can be read of it."""
    email = row.get("Email")
    known = [
        text.strip().lower() for text in (email, fields.external_id(row)) if isinstance(text, str) and text.strip()
    ]
    return not known or address(person) in known or str(person.uuid) in known


def _queries(context: Context, fields: ObjectMap, wanted: _Wanted) -> Iterable[tuple[str, str]]:
    """The queries for one object, with their names: records of linked persons, and what may be the strangers'."""
    ids = [p.link.record_id for p in wanted.linked if p.link and p.link.object == fields.object]
    if ids:
        yield f"linked{fields.object}", soql.select(list(fields.select), fields.object, where=soql.in_("Id", ids))
    if free := soql.or_(_alive(fields, wanted), *_made(context, fields, wanted)):
        yield f"free{fields.object}", soql.select(list(fields.select), fields.object, where=free)


def _alive(fields: ObjectMap, wanted: _Wanted) -> str | None:
    """The condition for live records with the strangers' addresses, and those that were chosen by id."""
    addresses = sorted({address(p) for p in wanted.strangers} - {""}) if fields.field("email") else []
    chosen = sorted(pk for pk in wanted.chosen if object_of(pk) == fields.object)
    if not addresses and not chosen:
        return None
    named = [soql.in_(name, values) for name, values in (("Email", addresses), ("Id", chosen)) if values]
    return soql.and_(soql.equals("IsDeleted", False), fields.live, soql.or_(*named))


def _made(context: Context, fields: ObjectMap, wanted: _Wanted) -> Iterator[str]:
    """The conditions for what was made for a stranger: it is theirs also when converted or deleted meanwhile."""
    for intent in wanted.lost:
        if intent.object == fields.object and intent.asked_at:
            yield _like(context, intent)
    if wanted.strangers and fields.external_id_field:
        yield soql.in_(fields.external_id_field, [str(p.uuid) for p in wanted.strangers])


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


def under_uuids(
    context: Context, fields: ObjectMap, persons: Iterable[PersonState], rows: Rows, reading: Reading
) -> Found:
    """What stands under the UUIDs of these persons, of an answer to a query for them."""
    found = Found(reading)
    persons = list(persons)
    candidates = _by_uuid(context, found, _readable(context, fields, found, rows, persons), persons)
    left = _left(persons)
    found.owners = owners(context, [record.id for record in candidates if record.id not in left])
    return found


def _by_uuid(
    context: Context, found: Found, records: Sequence[RemoteRecord], persons: Iterable[PersonState]
) -> list[RemoteRecord]:
    """Sort records in by the UUIDs that they carry. Return the candidates: a record that is gone and was somebody's
    before, or in whose place another one is made for one of these ``persons``, is nobody's; the external id of a
    converted one is spent. A living record goes before one that is gone."""
    former = former_ids(context, [record.id for record in records if record.gone]) | _left(persons)
    candidates = without_former(records, former)
    found.spent = {r.external_id for r in records if r.is_converted and r.id in former}
    for record in sorted(candidates, key=lambda record: not record.gone):
        if record.external_id:
            found.by_uuid[record.external_id] = record
    converted = [r for r in found.by_uuid.values() if r.is_converted and not r.is_deleted]
    found.unseen = _with_unseen_contacts(context, converted) if converted else set()
    return candidates


def _left(persons: Iterable[PersonState]) -> set[str]:
    """The deleted records in whose place others are made."""
    return {person.left.record_id for person in persons if person.left is not None}


def _with_unseen_contacts(context: Context, leads: Sequence[RemoteRecord]) -> set[str]:
    """The converted leads whose contacts the sync user does not see."""
    contacts = {lead.contact_id for lead in leads if lead.contact_id}
    text = soql.select(["Id"], "Contact", where=soql.in_("Id", sorted(contacts))) if contacts else ""
    try:
        rows = all_rows(context, context.query(text, deleted=True)[0]) if text else []
    except (Refused, FieldsChanged):  # not even the object
        rows = []
    seen = {to_18(row["Id"]) for row in rows}
    return {lead.id for lead in leads if lead.contact_id not in seen}


def _sort_in(context: Context, found: Found, records: Sequence[RemoteRecord], wanted: _Wanted) -> None:
    """What the records are to the strangers, ready to be looked up."""
    candidates = _by_uuid(context, found, records, wanted.strangers)
    found.chosen = {record.id: record for record in candidates if record.id in wanted.chosen}
    for record in candidates:
        if record.email and not record.gone:
            found.by_email.setdefault(record.email.lower(), []).append(record)
    for intent in wanted.lost:
        found.by_intent[intent.person_id] = [
            record
            for record in candidates
            if may_be_of(context.sync_user.user_id, intent, record) and is_what_was_sent(record, intent.values_sent)
        ]
    left = _left(wanted.strangers)  # undeleted right now: its person's
    found.owners = owners(context, [record.id for record in candidates if record.id not in left])
