"""Links persons with the records that are theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from syncer.models import SyncCursor
from syncer.sync.context import Context
from syncer.sync.create import refusals
from syncer.sync.create.lookup import Found
from syncer.sync.identity.decide import Link
from syncer.sync.outcomes import PersonOutcome, Result, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.pull import lifecycle
from syncer.sync.pull.records import merge_with
from syncer.sync.pull.write import Merged, apply


def link(context: Context, links: Mapping[str, Sequence[Link]], found: Found) -> dict[int, PersonOutcome]:
    """Link persons with the records that are theirs, merged; gives the outcome of each."""
    outcomes: dict[int, PersonOutcome] = {}
    for sobject, group in links.items():
        fields = context.maps[sobject]
        merged = [merge_with(context, fields, person, record, link_reason=reason) for person, record, reason in group]
        applied = apply(context, fields, found.reading, merged)
        for m in applied.written:
            told = outcome(m.person, Result.LINKED, f"Linked to {sobject} {m.remote.id}: {m.link_reason}")
            received = tuple(m.merge.received)
            outcomes[m.person.id] = replace(told, sfdc_type=sobject, sfdc_id=m.remote.id, received=received)
        for person in _follow(context, [m for m in applied.written if m.remote.gone], found):
            became = replace(outcomes[person.id], sfdc_type=person.sfdc_type, sfdc_id=person.sfdc_id)
            outcomes[person.id] = refusals.deleted(person) if person.sfdc_is_deleted else became
        for m in (*applied.again, *applied.stale):
            outcomes[m.person.id] = outcome(m.person, Result.BUSY, "The person is being edited right now.", "BUSY")
    return outcomes


def _follow(context: Context, linked: Sequence[Merged], found: Found) -> list[PersonState]:
    """Leads that were converted or deleted before anybody here knew that they had been made: their persons go on as
    the contact, or as deleted. Gives the persons as they are then."""
    if not linked or context.plan is not None:
        return []
    persons = person_state.by_ids(m.person.id for m in linked)
    busy = lifecycle.follow(context, found.reading, [(persons[m.person.id], m.remote) for m in linked])
    if busy:  # the next cycle reads them again, and follows them
        cursor, _ = SyncCursor.objects.get_or_create(sync_user=context.sync_user, object=busy[0].object)
        cursor.postponed = list(dict.fromkeys([*cursor.postponed, *(record.id for record in busy)]))
        cursor.save(update_fields=["postponed"])
    return list(person_state.by_ids(persons).values())
