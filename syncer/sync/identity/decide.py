"""Persons that are not in Salesforce yet: which record there is theirs, and which one somebody has to choose."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncer.models import CreateIntent, IntentState, Person
from syncer.models.triggers import agreeing_writes
from syncer.salesforce.ids import to_18
from syncer.sync.context import Context
from syncer.sync.create import refusals
from syncer.sync.create.leads import unknown
from syncer.sync.create.lookup import Found
from syncer.sync.identity.similar import address
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import PersonOutcome, Result, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import RemoteRecord, names_agree
from syncer.sync.store import bulk_sql
from syncer.sync.store.intents import LATE_COMMIT

Link = tuple[PersonState, RemoteRecord, str]  # who, with what, and why


@dataclass(slots=True)
class Matched:
    """What was found for unlinked persons: records that are theirs, those to make a lead for, and refusals with the
    records that somebody may choose from."""

    links: dict[str, list[Link]] = field(default_factory=dict)  # by object
    to_create: list[PersonState] = field(default_factory=list)
    refused: dict[int, PersonOutcome] = field(default_factory=dict)
    candidates: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    told: dict[int, PersonOutcome] = field(default_factory=dict)  # answers that leave the person as it was

    def link(self, person: PersonState, record: RemoteRecord, reason: str) -> None:
        self.links.setdefault(record.object, []).append((person, record, reason))


def match(
    context: Context, strangers: Sequence[PersonState], found: Found, options: Mapping[int, SyncOptions]
) -> Matched:
    """Find the record of each person: the one that somebody chose; by UUID; by an open create; by e-mail address,
    Contacts before Leads.

    A record of another person makes nothing. Several free ones, or one under another last name, are a person's
    decision (``create_anyway`` is one).
    """
    matched = Matched()
    taken: set[str] = set()
    intents = {i.person_id: i for i in CreateIntent.objects.filter(person_id__in=[p.id for p in strangers])}
    for person in strangers:
        asked = options[person.id]
        if asked.link_to:
            _chosen(context, person, asked, found, matched)
            continue
        mine = found.by_uuid.get(str(person.uuid))
        if mine is not None and mine.id in found.owners:  # an upsert by it would write over that person's record
            matched.refused[person.id] = _taken(person, mine, "has this person's UUID as its external id", found)
            matched.candidates[person.id] = describe([mine], found)
            continue
        if mine is not None:
            matched.link(person, mine, "its external id is this person's UUID.")
            taken.add(mine.id)
            continue
        intent = intents.get(person.id)
        if intent is not None and not intent.external_id:
            made = [r for r in found.by_intent.get(person.id, []) if r.id not in found.owners and r.id not in taken]
            if len(made) == 1:
                matched.link(person, made[0], "it was made for this person; the answer had been lost.")
                taken.add(made[0].id)
                continue
            if _still_open(context, intent):
                matched.told[person.id] = unknown(person)
                continue
        if asked.create_anyway:
            matched.to_create.append(person)
        else:
            _by_email(person, asked, found, taken, matched)
    matched.to_create = _with_new_uuids(context, matched.to_create, found)
    return matched


def _chosen(context: Context, person: PersonState, asked: SyncOptions, found: Found, matched: Matched) -> None:
    """The record that somebody chose for this person."""
    record = found.chosen.get(to_18(asked.link_to))
    owner = found.owners.get(to_18(asked.link_to))
    if record is None or record.gone:
        message = f"{asked.link_to} is deleted, converted, or not visible to the sync user. Nothing was linked."
        matched.told[person.id] = outcome(person, Result.REFUSED, message, "CHOSEN_IS_GONE")
    elif owner is not None:
        message = f"{record.object} {record.id} belongs to person {owner[0]} ({owner[1]}). Nothing was linked."
        matched.told[person.id] = outcome(person, Result.REFUSED, message, "MATCH_IS_TAKEN")
    else:
        matched.link(person, record, f"chosen by {context.actor}.")


def _by_email(person: PersonState, asked: SyncOptions, found: Found, taken: set[str], matched: Matched) -> None:
    candidates = found.by_email.get(address(person), []) if address(person) else []
    for sobject in ("Contact", "Lead"):
        group = [record for record in candidates if record.object == sobject]
        if not group:
            continue
        if sobject == "Contact" and asked.to_queue:
            if asked.lead_for_contact:
                break
            matched.refused[person.id] = refusals.contact_and_queue(
                person, f"Contact {group[0].id} has the same e-mail address, and a contact"
            )
            matched.candidates[person.id] = describe(group, found)
            return
        free = [record for record in group if record.id not in found.owners and record.id not in taken]
        agreeing = [record for record in free if names_agree(person, record)]
        if len(agreeing) == 1:
            taken.add(agreeing[0].id)
            matched.link(person, agreeing[0], f"same e-mail address, {address(person)}.")
            return
        matched.candidates[person.id] = describe(group, found)
        if free:
            what = f"{len(free)} {sobject.lower()}s" if len(free) > 1 else f"{sobject} {free[0].id} under another name"
            matched.refused[person.id] = outcome(
                person,
                Result.NEEDS_DECISION,
                f"Salesforce has {what} with the address {address(person)}. Choose which one is this person.",
                "SEVERAL_MATCHES",
            )
        else:
            matched.refused[person.id] = _taken(person, group[0], "has the same e-mail address", found)
        return
    same = next((p for p in matched.to_create if address(p) and address(p) == address(person)), None)
    if same is None:
        matched.to_create.append(person)
        return
    message = f"Person {same.id} ({same.name}) of this selection has the same e-mail address and gets a lead."
    refused = outcome(person, Result.REFUSED, f"{message} Nothing was made for this one.", "MATCH_IS_TAKEN")
    matched.refused[person.id] = refused


def _taken(person: PersonState, record: RemoteRecord, why: str, found: Found) -> PersonOutcome:
    other, name = found.owners.get(record.id, (None, "another person of this selection"))
    label = f"person {other} ({name})" if other else name
    message = f"{record.object} {record.id} {why} and belongs to {label}. Nothing was made."
    return outcome(person, Result.REFUSED, message, "MATCH_IS_TAKEN")


def _with_new_uuids(context: Context, to_create: list[PersonState], found: Found) -> list[PersonState]:
    """Persons whose UUID is the external id of a lead that was converted get another one: Salesforce would take the
    create for an update of that lead, and refuse it for ever."""
    spent = [p for p in to_create if str(p.uuid) in found.spent]
    if not spent or context.plan is not None:
        return to_create
    with agreeing_writes():
        context.fence()
        bulk_sql.update(Person, ["uuid"], [[p.id, uuid.uuid4()] for p in spent], keys=("id",))
    now = person_state.by_ids(p.id for p in spent)
    return [now.get(p.id, p) for p in to_create]


def _still_open(context: Context, intent: CreateIntent) -> bool:
    """A create without external id may still come through, until Salesforce's clock says that it can't any more."""
    if intent.asked_at is None or context.org.org_time() > intent.asked_at + LATE_COMMIT:
        return False
    if context.plan is None:
        CreateIntent.objects.filter(pk=intent.pk).update(state=IntentState.UNKNOWN)
    return True


def describe(records: Iterable[RemoteRecord], found: Found) -> list[dict[str, Any]]:
    """Records to choose from, as they are stored with the refusal and shown on the person's page."""
    return [
        {
            "id": record.id,
            "object": record.object,
            "name": " ".join(str(record.values.get(n) or "") for n in ("first_name", "last_name")).strip(),
            "email": record.values.get("email") or "",
            "company": record.values.get("company") or "",
            "person": found.owners.get(record.id, (None, ""))[0],
        }
        for record in records
    ]
