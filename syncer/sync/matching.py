"""Which person an incoming record belongs to when none is linked to it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models.functions import Lower

from syncer.models import CreateIntent, Person, Tombstone
from syncer.sync import state
from syncer.sync.remote import RemoteRecord
from syncer.sync.state import PersonState
from syncer.sync.work import Work


@dataclass(frozen=True, slots=True)
class Match:
    person: PersonState
    reason: str


def match(work: Work, records: Sequence[RemoteRecord]) -> dict[str, Match]:
    """The persons that records without one belong to, by record id: by external id, as the survivor of a merge, by an
    open create, then by e-mail address.

    By e-mail only where the last names agree or one of them is empty (``info@`` would join strangers); of several
    persons the most recently changed one. A person is given to one record only, the first one. One query each.
    """
    found: dict[str, Match] = {}
    taken: set[int] = set()
    by_uuid = _by_uuid(records)
    for record in records:
        person = by_uuid.get(record.external_id)
        if person is not None and not person.linked and person.id not in taken:
            found[record.id] = Match(person, "its external id is this person's UUID.")
            taken.add(person.id)
    for record_id, person in _losers(work, [r for r in records if r.id not in found]).items():
        if person.id not in taken:
            found[record_id] = Match(person, "this person's record was merged into it.")
            taken.add(person.id)
    for record_id, person in _by_intent([r for r in records if r.id not in found]).items():
        if person.id not in taken:
            found[record_id] = Match(person, "it was made for this person; the answer had been lost.")
            taken.add(person.id)
    by_email = _by_email([r for r in records if r.id not in found])
    for record in records:
        if record.id in found:
            continue
        for person in by_email.get(_email(record), ()):
            if person.id not in taken and _names_agree(person, record):
                found[record.id] = Match(person, f"same e-mail address, {record.values.get('email')}.")
                taken.add(person.id)
                break
    return found


def buried(work: Work, records: Sequence[RemoteRecord]) -> set[str]:
    """Records that must not make a person: theirs was deleted here, and they have not changed since."""
    ids = [record.id for record in records]
    stamps = {record.id: record.stamp for record in records}
    gone = set()
    for record_id, stamp in Tombstone.objects.filter(organisation=work.organisation, record_id__in=ids).values_list(
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
    return {wanted[p.uuid]: p for p in state.load(Person.objects.filter(uuid__in=list(wanted)))}


def _losers(work: Work, records: Sequence[RemoteRecord]) -> dict[str, PersonState]:
    """Persons whose record was merged into one of these, which nobody here was linked to."""
    persons = Person.objects.filter(
        record__organisation=work.organisation,
        record__merged_into__in=[record.id for record in records],
        sfdc_is_deleted=True,
    )
    return {person.link.merged_into: person for person in state.load(persons) if person.link}


def _by_intent(records: Sequence[RemoteRecord]) -> dict[str, PersonState]:
    """Persons whose lead is being made without an external id, or was, with an unknown outcome."""
    intents = list(CreateIntent.objects.filter(external_id=False, person__sfdc_type=""))
    if not intents:
        return {}
    persons = state.by_ids(intent.person_id for intent in intents)
    found: dict[str, PersonState] = {}
    for record in records:
        for intent in intents:
            if (
                record.object == intent.object
                and intent.person_id in persons
                and is_what_was_sent(record, intent.values_sent)
            ):
                found.setdefault(record.id, persons[intent.person_id])
    return found


def is_what_was_sent(record: RemoteRecord, sent: Mapping[str, Any]) -> bool:
    """The same e-mail address or, for persons without one, the same name and company."""
    keys = ["email"] if sent.get("email") else ["first_name", "last_name", "company"]
    return all(str(sent.get(key) or "").lower() == str(record.values.get(key) or "").lower() for key in keys)


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
    for person in state.load(persons):
        found.setdefault(person.values["email"].strip().lower(), []).append(person)
    return found


def _email(record: RemoteRecord) -> str:
    return str(record.values.get("email") or "").lower()


def _names_agree(person: PersonState, record: RemoteRecord) -> bool:
    here = person.values["last_name"].strip().lower()
    there = str(record.values.get("last_name") or "").lower()
    return not here or not there or here == there
