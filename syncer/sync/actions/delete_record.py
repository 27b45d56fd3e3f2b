"""*Delete from SFDC*: deletes the records of persons there; the persons stay here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from syncer.models import ActivityType
from syncer.salesforce import writing
from syncer.salesforce.rows import RowResult
from syncer.sync.actions import checks, repeatable
from syncer.sync.actions.receive import Received, receive
from syncer.sync.actions.spec import ActionSpec, Asked
from syncer.sync.context import Context
from syncer.sync.create.lookup import find
from syncer.sync.options import Action, Ask, SyncOptions
from syncer.sync.outcomes import Code, Outcomes, PersonOutcome, Result, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import links, outbox, persons
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import PATIENT_TRIES, lock_as_they_are, retry_busy
from syncer.sync.store.transactions import repeated, write_transaction

#: What Salesforce answers for a record that is deleted already.
ALREADY_DELETED = frozenset({"ENTITY_IS_DELETED"})


def delete_seen(context: Context, people: Sequence[PersonState], asked: Asked) -> Iterator[Outcomes]:
    """Delete the records that somebody has seen on the page: a lead that was converted since is another one now, and
    deleting it would part the person from its contact."""
    if not people:
        return
    received = receive(context, people, find(context, people))
    now = person_state.by_ids(p.id for p in people)
    kept = {p.id: why for p in people if (why := _kept(p, now.get(p.id), received)) is not None}
    yield kept
    yield delete(context, [now[p.id] for p in people if p.id not in kept])


def _kept(person: PersonState, now: PersonState | None, received: Received) -> PersonOutcome | None:
    """Why the record that was seen is not deleted."""
    seen = f"{person.sfdc_type} {person.sfdc_id}"
    if now is None or now.sfdc_id != person.sfdc_id:
        became = f" It is {now.sfdc_type} {now.sfdc_id} now." if now is not None else ""
        message = f"{seen} was converted or merged in Salesforce meanwhile.{became} Nothing was deleted."
        return outcome(person, Result.REFUSED, message, Code.RECORD_CHANGED)
    if person.id in received.deleted:
        return outcome(person, Result.UNCHANGED, f"{seen} is deleted already.")
    told = received.outcomes.get(person.id)
    return told if told is not None and not told.ok else None


def delete(context: Context, people: Sequence[PersonState]) -> dict[int, PersonOutcome]:
    """Delete the records of linked persons in Salesforce. One API call for up to 200 persons."""
    linked = [p for p in people if p.link is not None]
    if not linked:
        return {}
    answered = repeatable.repeatable(context, [writing.delete("delete", [p.link.record_id for p in linked if p.link])])
    if answered is None:
        return repeatable.unknown(linked)
    answer, reading = answered  # what was read before still shows the records
    journal = Journal(context)
    results = list(zip(linked, writing.results(answer["delete"]), strict=True))
    outcomes = {person.id: _told(journal, person, result) for person, result in results}
    with write_transaction(context):
        journal.write()
    deleted = [person.id for person, _ in results if outcomes[person.id].ok]
    # What is busy for too long the next cycle finds out.
    retry_busy(deleted, partial(_mark, context, reading.sequence), tries=PATIENT_TRIES, pause=context.pause)
    return outcomes


@repeated
def _mark(context: Context, sequence: int, person_ids: Sequence[int], attempt: int) -> list[int]:
    """Their records are deleted. Return who is busy."""
    with write_transaction(context):
        free = lock_as_they_are(context, person_ids)
        persons.mark_deleted(context, free)
        outbox.forget(free)
        links.mark_deleted(free, sequence)
    return [pk for pk in person_ids if pk not in free]


def _told(journal: Journal, person: PersonState, result: RowResult) -> PersonOutcome:
    if not result.success and result.errors[0].code not in ALREADY_DELETED:
        sent = {"Id": person.sfdc_id}
        return repeatable.refused(journal, person, ActivityType.DELETE_FROM_SFDC, result.errors[0], sent)
    message = f"{person.sfdc_type} {person.sfdc_id} was deleted in Salesforce. The person stays here."
    journal.entry(person.id, person.name, ActivityType.DELETE_FROM_SFDC, message, detail={"id": person.sfdc_id})
    return outcome(person, Result.UPDATED, message)


def not_deleted_yet(context: Context, person: PersonState, options: SyncOptions) -> PersonOutcome | None:
    if not person.sfdc_is_deleted:
        return None
    return outcome(person, Result.UNCHANGED, f"{person.sfdc_type} {person.sfdc_id} is deleted already.")


SPEC = ActionSpec(
    action=Action.DELETE,
    name="delete_from_sfdc",
    title="Delete from SFDC",
    carry_out=delete_seen,
    permission="syncer.delete_from_sfdc",
    asks=frozenset({Ask.NUMBER_OF_RECORDS}),
    needs=frozenset({Ask.NUMBER_OF_RECORDS}),
    refusals=(checks.linked_to("to delete"), checks.writing, checks.well_formed_ids, not_deleted_yet, checks.visible),
    needs_record=True,
)
