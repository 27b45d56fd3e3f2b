"""A lead beside a contact: contacts can't go to a lead queue, so the queue gets a lead of a second person.

Marketo makes that duplicate silently; here an operator asks for it (``SyncOptions.lead_for_contact``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from django.db.models import Q
from django.db.models.functions import Lower

from syncer.models import ActivityType, Person, SfdcType
from syncer.sync.context import Context
from syncer.sync.identity.candidates import address
from syncer.sync.options import Action, SyncOptions
from syncer.sync.outcomes import PersonOutcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import persons
from syncer.sync.store.activity import Journal
from syncer.sync.store.transactions import repeated, write_transaction

#: ``batch.act_on``, which is above this.
ActOnBatch = Callable[[Context, Iterable[int], SyncOptions], dict[int, PersonOutcome]]


def is_contact_for_queue(person: PersonState, options: SyncOptions) -> bool:
    """Whether the person has a contact and a lead queue is asked for, which can't own it."""
    return person.linked and person.sfdc_type == "Contact" and options.to_queue and not person.sfdc_is_deleted


def leads_beside(
    context: Context, contacts: Sequence[PersonState], options: SyncOptions, act_on: ActOnBatch
) -> dict[int, PersonOutcome]:
    """Give a lead to the queue for each contact's person; the outcome is told of the contact's person.

    The lead belongs to a person of its own, with the same values, which is created like any other and so at most once.
    One that is there already, of an earlier try, is taken.
    """
    if not contacts or not context.may_send:
        return {}
    twins = _twins(context, contacts)
    made = replace(options, action=Action.SYNC, create_anyway=True, lead_for_contact=False)
    inner = replace(context, claim=f"{context.claim}-beside"[:40])
    told = act_on(inner, sorted(twins.values()), made)
    return {
        person.id: replace(
            told[twins[person.id]],
            person_id=person.id,
            name=person.name,
            message=f"{told[twins[person.id]].message} It is person {twins[person.id]}, beside the contact.",
        )
        for person in contacts
        if twins.get(person.id) in told
    }


@repeated
def _twins(context: Context, contacts: Sequence[PersonState]) -> dict[int, int]:
    """The second person of each contact's person, made where there is none."""
    addresses = {address(person) for person in contacts} - {""}
    unaddressed = {person.values["last_name"].lower() for person in contacts if not address(person)}
    others = (
        Person.objects.annotate(address=Lower("email"), surname=Lower("last_name"))
        .filter(Q(address__in=addresses) | Q(email="", surname__in=unaddressed))
        .filter(sfdc_type__in=[SfdcType.NONE, SfdcType.LEAD], sfdc_is_deleted=False)
        .order_by("id")
    )
    there: dict[tuple[str, ...], int] = {}
    for other in person_state.load(others):
        there.setdefault(_known_by(other), other.id)
    found: dict[int, int] = {}
    new: list[PersonState] = []
    for person in contacts:
        known = there.get(_known_by(person))
        if known is not None:
            found[person.id] = known
            continue
        new.append(person)
    journal = Journal(context)
    with write_transaction(context):
        for person, twin_id in zip(new, persons.copy(new), strict=True):
            found[person.id] = twin_id
            journal.entry(
                twin_id,
                person.name,
                ActivityType.NEW_PERSON,
                f"Made beside person {person.id}, whose {person.sfdc_type} {person.sfdc_id} can't be owned by a queue.",
                detail={"source": "Sync Person to SFDC", "person": person.id},
            )
        journal.write()
    return found


def _known_by(person: PersonState) -> tuple[str, ...]:
    """By what the second person is found again: address and last name or, without an address, the whole name and the
    company."""
    names = ["last_name"] if address(person) else ["last_name", "first_name", "company"]
    return (address(person), *(person.values[name].strip().lower() for name in names))
