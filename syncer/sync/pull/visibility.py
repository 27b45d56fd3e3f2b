"""Records read by their ids; those that Salesforce does not answer are no longer visible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from syncer.models import ActivityType, SalesforceRecord
from syncer.models.expressions import unindexed
from syncer.salesforce import soql
from syncer.sync.connection.pages import IDS_A_QUERY, Rows, all_rows, field_errors
from syncer.sync.context import Context
from syncer.sync.merge import merge
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading
from syncer.sync.pull.records import receive_records
from syncer.sync.store import links, outbox
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import lock
from syncer.sync.store.transactions import repeated, write_transaction


def take_by_id(context: Context, sobject: str, ids: Sequence[str]) -> int:
    """Read and merge these records, and hide those that are not answered; what can't be merged now is left to the next
    cycle. Return how many were hidden."""
    rows, reading = ask_for(context, sobject, ids)
    remaining = receive_records(context, sobject, rows, reading).later
    missing = set(ids) - {row["Id"] for row in rows}
    if missing and rows.nameless:  # it may be any of them
        context.store.set_aside(context, sobject, dict.fromkeys(missing, "It came without a readable Id."))
    context.store.postpone(context, sobject, remaining, reading)
    context.store.were_read(context, sobject, set(ids).difference(remaining), reading)
    if not missing or rows.nameless:
        return 0
    context.store.taken_in(context, sobject, missing)
    unseen = person_state.by_record_ids(context.organisation, missing).values()
    return hide(context, reading, [p.id for p in unseen])


def ask_for(context: Context, sobject: str, ids: Sequence[str]) -> tuple[Rows, Reading]:
    """Read records by id, deleted ones included. What is not answered is not visible, or was deleted for good."""
    fields = context.maps[sobject]
    with field_errors():
        first, reading = context.query(
            soql.select(list(fields.select), sobject, where=soql.in_("Id", list(ids))), deleted=True
        )
    return all_rows(context, first), reading


def ask_for_unseen(context: Context, sobject: str, sequence: int) -> None:
    """After everything was read: the linked records that were not there are asked for by id, and those not answered
    are hidden. Persons that are hidden already cost nothing."""
    after = hidden = 0
    unread = SalesforceRecord.objects.filter(
        unindexed("organisation", context.organisation),
        object=sobject,
        hidden_since__isnull=True,
        person__sfdc_is_deleted=False,
        read_sequence__lt=sequence,
    ).order_by("person_id")
    while batch := list(unread.filter(person_id__gt=after).values_list("person_id", "record_id")[:IDS_A_QUERY]):
        after = batch[-1][0]
        unseen = context.store.not_compared(batch)
        if not unseen:
            continue
        hidden += take_by_id(context, sobject, unseen)
        context.next_batch()
    if hidden:
        context.note(f"{hidden} {sobject} records are no longer visible to the sync user.")


def hide(context: Context, reading: Reading, person_ids: Iterable[int]) -> int:
    """Records that were asked for by id, deleted ones included, and not answered. Return how many were hidden by
    this."""
    return context.store.hide(context, reading, [p for p in person_state.by_ids(person_ids).values() if p.linked])


@repeated
def write_hidden(context: Context, reading: Reading, persons: Sequence[PersonState]) -> int:
    """Records that are not shared any more, or were deleted for good. Nothing is blanked, made anew or sent; edits made
    here wait until a read shows the record again. Return how many were hidden by this."""
    journal = Journal(context)
    with write_transaction(context):
        free = lock(context, {p.id: p.revision for p in persons})
        there = [p for p in persons if p.id in free and not p.sfdc_is_deleted]
        hidden = links.hide(context, [p.id for p in there], reading)
        # What waits only to be compared has nothing to wait for.
        outbox.settle((p.id, p.revision) for p in there if p.id in hidden and p.pending and not _was_edited(context, p))
        for person in there:
            if person.id in hidden:
                journal.entry(
                    person.id,
                    person.name,
                    ActivityType.NO_LONGER_VISIBLE,
                    f"Salesforce no longer shows {person.sfdc_type} {person.sfdc_id} to the sync user: it is not "
                    "shared any more, or was deleted for good. Nothing was changed; edits made here wait.",
                    actor="Salesforce",
                    detail={"id": person.sfdc_id, "object": person.sfdc_type},
                )
        journal.write()
    return len(hidden)


def _was_edited(context: Context, person: PersonState) -> bool:
    fields, link = context.maps.get(person.sfdc_type), person.link
    if fields is None or link is None:
        return True
    here, bad = fields.here(person.values)
    return bool(bad or merge(fields.rules, link.base, here, link.base, weak=link.weak_base).to_send)
