"""*Delete from SFDC*: deletes the records of persons there; the persons stay here."""

from __future__ import annotations

from collections.abc import Sequence

from syncer.models import ActivityType, FormerId, PendingChange, Person, SalesforceRecord
from syncer.models.triggers import agreeing_writes
from syncer.salesforce import writing
from syncer.sync.actions import repeatable
from syncer.sync.context import Context, next_sequence
from syncer.sync.outcomes import PersonOutcome, Result, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import bulk_sql
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import lock

#: What Salesforce answers for a record that is deleted already.
GONE = frozenset({"ENTITY_IS_DELETED"})


def delete(context: Context, persons: Sequence[PersonState]) -> dict[int, PersonOutcome]:
    """Delete the records of linked persons in Salesforce. One API call for up to 200 persons."""
    linked = [p for p in persons if p.link is not None]
    if not linked:
        return {}
    sequence = next_sequence()  # what was read before still shows the records
    answer = repeatable.repeatable(context, [writing.delete("delete", [p.link.record_id for p in linked if p.link])])
    if answer is None:
        return {p.id: repeatable.unknown(p) for p in linked}
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
        list(Person.objects.filter(id__in=ids).order_by("id").select_for_update(of=("self",)).values_list("id"))
        Person.objects.filter(id__in=ids).update(sfdc_is_deleted=True, updated_at=context.now())
        PendingChange.objects.filter(person_id__in=ids).delete()
        SalesforceRecord.objects.filter(person_id__in=ids).update(system_modstamp=None, read_sequence=sequence)
        journal.write()
    return outcomes


def forget_record(context: Context, persons: Sequence[PersonState]) -> dict[int, PersonState]:
    """Persons whose record was deleted there become persons who are not in Salesforce; the old id still finds them.

    Gives those that are free now, by id; one that is being edited is left out.
    """
    with agreeing_writes():
        context.fence()
        free = lock(context, {p.id: p.revision for p in persons})
        bulk_sql.insert(
            FormerId,
            ["person_id", "organisation", "object", "record_id", "reason", "since"],
            [
                [p.id, p.link.organisation, p.link.object, p.link.record_id, "deleted", context.now()]
                for p in persons
                if p.id in free and p.link
            ],
            conflict="(organisation, object, record_id) DO UPDATE SET person_id = excluded.person_id",
        )
        SalesforceRecord.objects.filter(person_id__in=free).delete()
        Person.objects.filter(id__in=free).update(sfdc_type="", sfdc_id="", sfdc_is_deleted=False)
    return person_state.by_ids(free)
