"""Which person an incoming record belongs to when none is linked to it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models.functions import Lower

from syncer.models import CreateIntent, FormerId, Person, Tombstone
from syncer.salesforce.ids import to_18
from syncer.sync.context import Context
from syncer.sync.merge import Value
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import RemoteRecord, names_agree

#: Fields that a create fills with the connection's defaults.
DEFAULTED = ("last_name", "company")


@dataclass(frozen=True, slots=True)
class Match:
    person: PersonState
    reason: str
    made: bool = False  # for this person, by a create whose answer was lost


def match(context: Context, records: Sequence[RemoteRecord]) -> dict[str, Match]:
    """The persons that records without one belong to, by record id: by external id, by an open create, as the survivor
    of a merge, then by e-mail address.

    By e-mail only where the last names agree or one of them is empty (``info@`` would join strangers); of several
    persons the most recently changed one. A person is given to one record only, the first one. One query each.
    Records that are converted or deleted belong to the persons that they were made for only.
    """
    found = _made_for(context, records)
    records = [record for record in records if not record.gone]
    taken = {match.person.id for match in found.values()}
    for record_id, person in _losers(context, [r for r in records if r.id not in found]).items():
        if person.id not in taken:
            found[record_id] = Match(person, "this person's record was merged into it.")
            taken.add(person.id)
    by_email = _by_email([r for r in records if r.id not in found])
    for record in records:
        if record.id in found:
            continue
        for person in by_email.get(_email(record), ()):
            if person.id not in taken and names_agree(person, record):
                found[record.id] = Match(person, f"same e-mail address, {record.values.get('email')}.")
                taken.add(person.id)
                break
    return found


def _made_for(context: Context, records: Sequence[RemoteRecord]) -> dict[str, Match]:
    """The unlinked persons that records were made for, by external id or by an open create."""
    found: dict[str, Match] = {}
    taken: set[int] = set()
    records = without_former(context, records)
    by_uuid = _by_uuid(records)
    for record in sorted(records, key=lambda record: record.gone):
        person = by_uuid.get(record.external_id)
        if person is not None and not person.linked and person.id not in taken:
            found[record.id] = Match(person, "its external id is this person's UUID.", made=True)
            taken.add(person.id)
    for record_id, person in _by_intent(context, [r for r in records if r.id not in found]).items():
        if person.id not in taken:
            found[record_id] = Match(person, "it was made for this person; the answer had been lost.", made=True)
            taken.add(person.id)
    return found


def without_former(context: Context, records: Sequence[RemoteRecord]) -> list[RemoteRecord]:
    """The records without those that are gone and were somebody's before: a lead that was converted, or one that was
    deleted and is made anew."""
    gone = [record.id for record in records if record.gone]
    if not gone:
        return list(records)
    known = FormerId.objects.filter(organisation=context.organisation, record_id__in=gone)
    former = set(known.values_list("record_id", flat=True))
    return [record for record in records if record.id not in former]


def buried(context: Context, records: Sequence[RemoteRecord]) -> set[str]:
    """Records that must not make a person: theirs was deleted here, and they have not changed since."""
    ids = [record.id for record in records]
    stamps = {record.id: record.stamp for record in records}
    gone = set()
    for record_id, stamp in Tombstone.objects.filter(organisation=context.organisation, record_id__in=ids).values_list(
        "record_id", "stamp"
    ):
        if stamp is not None and stamps[record_id] <= stamp:
            gone.add(record_id)
    return gone


def _by_uuid(records: Sequence[RemoteRecord]) -> dict[str, PersonState]:
    wanted = {}
    for record in records:
        try:
            wanted[uuid.UUID(record.external_id)] = record.external_id
        except ValueError:
            continue  # no external id, or one that is not ours
    if not wanted:
        return {}
    return {wanted[p.uuid]: p for p in person_state.load(Person.objects.filter(uuid__in=list(wanted)))}


def _losers(context: Context, records: Sequence[RemoteRecord]) -> dict[str, PersonState]:
    """Persons whose record was merged into one of these, which nobody here was linked to."""
    persons = Person.objects.filter(
        record__organisation=context.organisation,
        record__merged_into__in=[record.id for record in records],
        sfdc_is_deleted=True,
    )
    return {person.link.merged_into: person for person in person_state.load(persons) if person.link}


def _by_intent(context: Context, records: Sequence[RemoteRecord]) -> dict[str, PersonState]:
    """Persons whose lead is being made without an external id, or was, with an unknown outcome."""
    intents = list(CreateIntent.objects.filter(external_id=False, person__sfdc_type=""))
    if not intents:
        return {}
    persons = person_state.by_ids(intent.person_id for intent in intents)
    found: dict[str, PersonState] = {}
    for record in records:
        for intent in intents:
            if (
                intent.person_id in persons
                and may_be_of(context, intent, record)
                and is_what_was_sent(record, intent.values_sent)
            ):
                found.setdefault(record.id, persons[intent.person_id])
    return found


def may_be_of(context: Context, intent: CreateIntent, record: RemoteRecord) -> bool:
    """The sync user has made this record, and not before the create was asked for: others have leads with the same
    address, too. Stamps are whole seconds."""
    if record.object != intent.object:
        return False
    if intent.asked_at and record.created_at and record.created_at < intent.asked_at.replace(microsecond=0):
        return False
    return not (record.created_by and context.sync_user.user_id) or record.created_by == to_18(
        context.sync_user.user_id
    )


def is_what_was_sent(record: RemoteRecord, sent: Mapping[str, Any]) -> bool:
    """The same e-mail address or, for persons without one, the same name and company."""
    keys = ["email"] if sent.get("email") else ["first_name", "last_name", "company"]
    return all(str(sent.get(key) or "").lower() == str(record.values.get(key) or "").lower() for key in keys)


def base_of_create(person: PersonState, record: RemoteRecord, here: Mapping[str, Value]) -> dict[str, Value]:
    """The base of a person and a record that nothing was agreed with before. For the person's own create, whose answer
    was lost, it is what was sent, so that an edit made here since then stands, also one that empties a field."""
    sent = person.sent_to_create
    if sent is None or not (record.external_id == str(person.uuid) or is_what_was_sent(record, sent)):
        return {}
    base = {}
    for name in record.values.keys() & here.keys():
        # An empty name or company was not emptied since: the connection's default was sent in its place.
        defaulted = here[name] is None and name in sent and name in DEFAULTED
        if not defaulted and (name in sent or here[name] is None):
            base[name] = sent.get(name)
    return base


def _by_email(records: Sequence[RemoteRecord]) -> dict[str, list[PersonState]]:
    addresses = {_email(record) for record in records} - {""}
    if not addresses:
        return {}
    persons = (
        Person.objects.annotate(address=Lower("email"))
        .filter(address__in=addresses, sfdc_type="")
        .order_by("-updated_at", "-id")
    )
    found: dict[str, list[PersonState]] = {}
    for person in person_state.load(persons):
        found.setdefault(person.values["email"].strip().lower(), []).append(person)
    return found


def _email(record: RemoteRecord) -> str:
    return str(record.values.get("email") or "").lower()
