"""Who and what may belong together, loaded: one query each. What it means is decided in ``decide``."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models.functions import Lower

from syncer.models import CreateIntent, FormerId, Person, SalesforceRecord, Tombstone
from syncer.models.expressions import NoText
from syncer.salesforce import soql
from syncer.salesforce.client import Subrequest
from syncer.sync.connection.pages import all_rows, first_page
from syncer.sync.context import Context
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading, RemoteRecord, related_text
from syncer.sync.store.intents import may_still_come_through

#: Fields by which somebody recognises a record in a list of them.
SHOWN = {
    "Lead": ("Id", "FirstName", "LastName", "Email", "Phone", "Company"),
    "Contact": ("Id", "FirstName", "LastName", "Email", "Phone", "Account.Name"),
}
#: E-mail addresses in one condition: some 20,000 characters of it.
ADDRESSES_A_CALL = 200
#: Records that one such query brings. Of fewer addresses there are fewer; one that so many have is nobody's.
MOST_RECORDS = 2000


@dataclass(slots=True)
class SameAddress:
    """Who has an e-mail address, here and in Salesforce."""

    persons: int = 0  # here, whoever they are
    unlinked: list[PersonState] = field(default_factory=list)
    deleted: list[PersonState] = field(default_factory=list)  # whose record was deleted in Salesforce
    records: list[dict[str, Any]] = field(default_factory=list)  # in Salesforce, as they are shown to choose from

    @property
    def the_only_one(self) -> PersonState | None:
        """The one person who has it, if a record may be found for them."""
        found = [*self.unlinked, *self.deleted]
        return found[0] if self.persons == 1 == len(found) else None


@dataclass(frozen=True, slots=True)
class PersonCandidates:
    """The persons that a page of records may belong to."""

    linked: Mapping[str, PersonState]  # by record id
    by_uuid: Mapping[str, PersonState] = field(default_factory=dict)  # by the external id that carries it
    intents: Sequence[tuple[CreateIntent, PersonState]] = ()  # whose lead is made without an external id, or was
    losers: Mapping[str, PersonState] = field(default_factory=dict)  # whose record was merged into it, by record id
    by_email: Mapping[str, SameAddress] = field(default_factory=dict)  # by address, in small letters
    creating: frozenset[int] = frozenset()  # of these, whose create may still come through
    former: frozenset[str] = frozenset()  # ids that were somebody's before
    tombstones: Mapping[str, datetime | None] = field(default_factory=dict)  # record id → its stamp when it was buried
    outdated: frozenset[str] = frozenset()  # ids of rows that are older than what is known of them


@dataclass(slots=True)
class Found:
    """The records of persons as one Composite read answered them: rows of linked ones by object, and for the unlinked
    what may be theirs already."""

    reading: Reading
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    by_uuid: dict[str, RemoteRecord] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)  # external ids of converted leads that were persons' records
    unseen: set[str] = field(default_factory=set)  # converted leads whose contacts the sync user does not see
    by_email: dict[str, list[RemoteRecord]] = field(default_factory=dict)
    by_intent: dict[int, list[RemoteRecord]] = field(default_factory=dict)  # person → leads like the one it sent
    intents: Mapping[int, CreateIntent] = field(default_factory=dict)  # person → its create under way
    chosen: dict[str, RemoteRecord] = field(default_factory=dict)  # what somebody chose by its id
    owners: Mapping[str, tuple[int, str]] = field(default_factory=dict)  # record id → the person linked to it
    incomplete: bool = False  # a row without a readable Id came: what is missing may be there
    unreadable: dict[int, str] = field(default_factory=dict)  # unlinked person → why its record may be one that came


class Outdated(Exception):
    """A record has become another one, or its person was deleted, since it was read: it is nobody's as it was."""


def persons_for(context: Context, records: Sequence[RemoteRecord], reading: Reading) -> PersonCandidates:
    """Load whom a page of records may belong to."""
    linked = context.store.by_record_ids(context, [record.id for record in records])
    strangers = [record for record in records if record.id not in linked]
    if not strangers:
        return PersonCandidates(linked)
    present = [record for record in strangers if not record.gone]
    by_email = _by_email(context, present)
    return PersonCandidates(
        linked=linked,
        by_uuid=_by_uuid(strangers),
        intents=_open_creates(),
        losers=_losers(context, present),
        by_email=by_email,
        creating=_creating(context, [person for same in by_email.values() for person in same.unlinked]),
        former=former_ids(context, [record.id for record in strangers if record.gone]),
        tombstones=_tombstones(context, present),
        outdated=_outdated(context, [record.id for record in strangers], reading),
    )


def check_still_theirs(context: Context, record_ids: Sequence[str], reading: Reading) -> None:
    """Raises Outdated when one of these records, with which persons have just been linked in this transaction, is not
    what was read. Before, another worker that gives such a link away might not have committed yet; a link is unique,
    so that now it has."""
    if record_ids and _outdated(context, record_ids, reading):
        raise Outdated


def _outdated(context: Context, record_ids: Collection[str], reading: Reading) -> frozenset[str]:
    """Which of these ids were somebody's, and given up (converted, merged, deleted here) by what was read or sent after
    this reading had begun: the rows may show them as they were before."""
    newer = {
        "organisation": context.organisation,
        "record_id__in": list(record_ids),
        "read_sequence__gt": reading.begun,
    }
    were = FormerId.objects.filter(**newer).values_list("record_id", flat=True)
    buried = Tombstone.objects.filter(**newer).values_list("record_id", flat=True)
    return frozenset({*were, *buried})


def former_ids(context: Context, record_ids: Iterable[str]) -> frozenset[str]:
    """Which of these records were somebody's before: a lead that was converted, or one that is made anew."""
    wanted = list(record_ids)
    if not wanted:
        return frozenset()
    known = FormerId.objects.filter(organisation=context.organisation, record_id__in=wanted)
    return frozenset(known.values_list("record_id", flat=True))


def owners(context: Context, record_ids: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Which persons records are linked with: record id → (person id, name)."""
    links = SalesforceRecord.objects.filter(organisation=context.organisation, record_id__in=list(record_ids))
    rows = links.values_list("record_id", "person_id", "person__first_name", "person__last_name")
    return {record: (person, f"{first} {last}".strip()) for record, person, first, last in rows}


def intents_of(persons: Iterable[PersonState]) -> dict[int, CreateIntent]:
    """The creates under way of these persons."""
    return {i.person_id: i for i in CreateIntent.objects.filter(person_id__in=[p.id for p in persons])}


def askable(value: Any) -> bool:
    """Whether there is a value, and one that a query can carry: no SOQL has a NUL, and SQLite keeps one."""
    return bool(value) and "\0" not in str(value)


def address(person: PersonState) -> str:
    """The e-mail address by which a person's record is looked for; empty without one."""
    text = str(person.values["email"]).strip().lower()
    return text if askable(text) else ""


def _by_uuid(records: Iterable[RemoteRecord]) -> dict[str, PersonState]:
    wanted = {}
    for record in records:
        try:
            wanted[uuid.UUID(record.external_id)] = record.external_id
        except ValueError:
            continue  # no external id, or one that is not ours
    if not wanted:
        return {}
    return {wanted[p.uuid]: p for p in person_state.load(Person.objects.filter(uuid__in=list(wanted)))}


def _open_creates() -> list[tuple[CreateIntent, PersonState]]:
    intents = list(CreateIntent.objects.filter(external_id=False))
    if not intents:
        return []
    persons = person_state.by_ids(intent.person_id for intent in intents)
    pairs = [(intent, persons[intent.person_id]) for intent in intents if intent.person_id in persons]
    return [(intent, person) for intent, person in pairs if not person.linked]


def _creating(context: Context, persons: Iterable[PersonState]) -> frozenset[int]:
    """Whose lead was asked for and may still be made."""
    asked = [person for person in persons if person.sent_to_create is not None]
    intents = intents_of(asked) if asked else {}
    return frozenset(pk for pk, intent in intents.items() if may_still_come_through(context, intent))


def _losers(context: Context, records: Iterable[RemoteRecord]) -> dict[str, PersonState]:
    """Persons whose record was merged into one of these; there hardly ever is one, so that is asked first."""
    merged = SalesforceRecord.objects.exclude(merged_into=NoText()).filter(
        merged_into__in=[record.id for record in records]
    )
    ids = [pk for pk, of in merged.values_list("person_id", "organisation") if of == context.organisation]
    persons = person_state.by_ids(ids).values() if ids else ()
    return {person.link.merged_into: person for person in persons if person.link and person.sfdc_is_deleted}


def _by_email(context: Context, records: Iterable[RemoteRecord]) -> dict[str, SameAddress]:
    """Who has the addresses of these records: persons here and, where one of them has no record, the records there. Of
    several, none is anybody's by its address alone."""
    found = _persons_with(record.email for record in records)
    wanted = [address for address, same in found.items() if same.unlinked or same.deleted]
    for start in range(0, len(wanted), ADDRESSES_A_CALL):
        for address, shown in _records_with(context, wanted[start : start + ADDRESSES_A_CALL]):
            if address in found:
                found[address].records.append(shown)
    return found


def _persons_with(addresses: Iterable[str]) -> dict[str, SameAddress]:
    """Who has these addresses here."""
    forms = {form for address in addresses for form in address_forms(address)}
    if not forms:
        return {}
    persons = Person.objects.annotate(address=Lower("email")).filter(address__in=forms)
    found: dict[str, SameAddress] = {}
    without: list[int] = []
    for pk, email, sfdc_type, is_deleted in persons.values_list("id", "email", "sfdc_type", "sfdc_is_deleted"):
        found.setdefault(email.strip().lower(), SameAddress()).persons += 1
        if not sfdc_type or is_deleted:
            without.append(pk)
    for person in person_state.by_ids(without).values():
        same = found[person.values["email"].strip().lower()]
        if not person.linked:
            same.unlinked.append(person)
        elif person.link is not None and not person.link.merged_into:
            same.deleted.append(person)
    return found


def unlinked_with(addresses: Iterable[str]) -> dict[str, set[int]]:
    """The ids of the persons here without a record who have these addresses, by address in small letters."""
    return {address: {p.id for p in same.unlinked} for address, same in _persons_with(addresses).items()}


def _records_with(context: Context, addresses: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records in Salesforce that are there under these addresses: the address of each, and what is shown of it.
    One call; more where very many records have one of them. Raises FieldsChanged, and what the edge raises."""
    queries = {
        sobject: soql.select(
            [path for path in SHOWN[sobject] if path in fields.asked],
            sobject,
            where=soql.and_(soql.in_("Email", list(addresses)), fields.live),
            limit=MOST_RECORDS,
        )
        for sobject, fields in context.maps.items()
        if fields.field("email") is not None
    }
    if not queries:
        return
    answer, _ = context.ask([Subrequest("GET", soql.query_path(text), name) for name, text in queries.items()])
    rows = {sobject: all_rows(context, first_page(answer, sobject)) for sobject in queries}
    if len(addresses) > 1 and any(len(of_object) >= MOST_RECORDS for of_object in rows.values()):
        middle = len(addresses) // 2
        yield from _records_with(context, addresses[:middle])
        yield from _records_with(context, addresses[middle:])
        return
    for sobject, of_object in rows.items():
        for row in of_object:
            yield str(row.get("Email") or "").lower(), shown_row(sobject, row)


def shown_row(sobject: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a query for ``SHOWN``, to choose from."""
    return {
        "id": row["Id"],
        "object": sobject,
        "name": " ".join(part for name in ("FirstName", "LastName") if (part := row.get(name))),
        "email": row.get("Email") or "",
        "company": row.get("Company") or related_text(row.get("Account"), "Name"),
    }


def address_forms(address: str) -> set[str]:
    """An address in the forms in which a database may have it in small letters: SQLite knows those of ASCII only."""
    small = address.strip().lower()
    return {small, "".join(letter if letter.isascii() else letter.upper() for letter in small)} - {""}


def _tombstones(context: Context, records: Iterable[RemoteRecord]) -> dict[str, datetime | None]:
    graves = Tombstone.objects.filter(organisation=context.organisation, record_id__in=[r.id for r in records])
    return dict(graves.values_list("record_id", "stamp"))
