"""*Delete from SFDC*: deletes the records of persons there; the persons stay here."""

from __future__ import annotations

from collections.abc import Sequence

from syncer.models import ActivityType
from syncer.models.triggers import agreeing_writes
from syncer.salesforce import writing
from syncer.sync.actions import repeatable
from syncer.sync.context import Context
from syncer.sync.outcomes import PersonOutcome, Result, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import former_ids, links, outbox, persons
from syncer.sync.store.activity import Journal
from syncer.sync.store.former_ids import FormerRow
from syncer.sync.store.locking import lock, wait_for

#: What Salesforce answers for a record that is deleted already.
GONE = frozenset({"ENTITY_IS_DELETED"})


def delete(context: Context, people: Sequence[PersonState]) -> dict[int, PersonOutcome]:
    """Delete the records of linked persons in Salesforce. One API call for up to 200 persons."""
    linked = [p for p in people if p.link is not None]
    if not linked:
        return {}
    answered = repeatable.repeatable(context, [writing.delete("delete", [p.link.record_id for p in linked if p.link])])
    if answered is None:
        return {p.id: repeatable.unknown(p) for p in linked}
    answer, reading = answered  # what was read before still shows the records
    outcomes: dict[int, PersonOutcome] = {}
    journal = Journal(context)
    done = []
    for person, result in zip(linked, writing.results(answer["delete"]), strict=True):
        if not result.success and result.errors[0].code not in GONE:
            outcomes[person.id] = repeatable.refused(
                journal, person, ActivityType.DELETE_FROM_SFDC, result.errors[0], {"Id": person.sfdc_id}
            )
            continue
        done.append(person)
        message = f"{person.sfdc_type} {person.sfdc_id} was deleted in Salesforce. The person stays here."
        journal.entry(person.id, person.name, ActivityType.DELETE_FROM_SFDC, message, detail={"id": person.sfdc_id})
        outcomes[person.id] = outcome(person, Result.UPDATED, message)
    ids = [p.id for p in done]
    with agreeing_writes():
        context.fence()
        wait_for(ids)
        persons.mark_deleted(context, ids)
        outbox.forget(ids)
        links.mark_deleted(ids, reading.sequence)
        journal.write()
    return outcomes


def forget_record(context: Context, people: Sequence[PersonState]) -> dict[int, PersonState]:
    """Persons whose record was deleted there become persons who are not in Salesforce; the old id still finds them.

    Return those that are free now, by id; one that is being edited is left out.
    """
    with agreeing_writes():
        context.fence()
        free = lock(context, {p.id: p.revision for p in people})
        rows = [
            FormerRow(p.id, p.link.object, p.link.record_id, "deleted", p.link.organisation)
            for p in people
            if p.id in free and p.link
        ]
        former_ids.write(context, rows)
        links.forget(free)
        persons.unlink(free)
    return person_state.by_ids(free)
