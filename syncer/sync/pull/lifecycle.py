"""What becomes of records in Salesforce: deleted, merged into another one, converted to a contact.

The person stays: it stops syncing, becomes the contact, or is merged with the survivor's person. The ids it had still
find it.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError

from syncer.models import ActivityType, FormerId
from syncer.sync.context import Context, next_sequence
from syncer.sync.persons import person_state
from syncer.sync.persons.merged import Pair
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading, RemoteRecord
from syncer.sync.pull.merge_people import merge_people
from syncer.sync.store import former_ids, links, outbox, persons, postponed
from syncer.sync.store.activity import Journal
from syncer.sync.store.former_ids import FormerRow
from syncer.sync.store.locking import lock
from syncer.sync.store.transactions import repeated, write_transaction
from syncer.sync.store.value_errors import is_race

UNSEEN = ", to a contact that the sync user can't see."


def follow(context: Context, reading: Reading, pairs: Sequence[Pair]) -> list[RemoteRecord]:
    """Follow records that were deleted, merged away or converted. Return those whose person was busy meanwhile."""
    deleted = [(p, r) for p, r in pairs if r.is_deleted and not r.master_id]
    merged = [(p, r) for p, r in pairs if r.is_deleted and r.master_id]
    converted = [(p, r) for p, r in pairs if not r.is_deleted]
    again = _mark_deleted(context, reading, deleted)
    again += _merge_away(context, reading, merged)
    again += _convert(context, reading, converted)
    return again


# -- deleted ----------------------------------------------------------------------------------------------------------


@repeated
def _mark_deleted(context: Context, reading: Reading, pairs: Sequence[Pair]) -> list[RemoteRecord]:
    """The persons of deleted records stay; syncing of them stops. A merged record, whose survivor nobody here knows,
    waits like this until the survivor is seen."""
    pairs = [(p, r) for p, r in pairs if not p.sfdc_is_deleted]
    if not pairs:
        return []
    journal = Journal(context)
    with write_transaction(context):
        free = lock(context, {p.id: p.revision for p, _ in pairs})
        ready = [(p, r) for p, r in pairs if p.id in free]
        ids = [p.id for p, _ in ready]
        persons.mark_deleted(context, ids)
        outbox.forget(ids)
        links.mark_deleted(ids, reading.sequence, read_at=reading.asked_at)
        links.mark_merged({p.id: r.master_id for p, r in ready if r.master_id})
        for person, record in ready:
            what = f"merged into {record.master_id}" if record.master_id else "deleted"
            journal.entry(
                person.id,
                person.name,
                ActivityType.DELETED_IN_SFDC,
                f"{record.object} {record.id} was {what} in Salesforce. Changes stay here only.",
                actor=record.editor_name,
                detail={"id": record.id, "master_id": record.master_id},
            )
        journal.write()
    context.count_received(updated=len(ready))
    return [r for p, r in pairs if p.id not in free]


# -- merged -----------------------------------------------------------------------------------------------------------


def _merge_away(context: Context, reading: Reading, merged: Sequence[Pair]) -> list[RemoteRecord]:
    """The loser's person is merged into the survivor's, following a chain of merges to its end."""
    again: list[RemoteRecord] = []
    unknown: list[Pair] = []
    for loser, record in merged:
        winner = _survivor(context, record.master_id)
        if winner is None or winner.id == loser.id:
            unknown.append((loser, record))
        elif not _join(context, winner, loser, record, f"was merged into {winner.sfdc_id}"):
            again.append(record)
    return again + _mark_deleted(context, reading, unknown)


def _survivor(context: Context, record_id: str) -> PersonState | None:
    """The person of the last survivor of a chain of merges; None when nobody here is linked to it."""
    seen: set[str] = set()
    while record_id and record_id not in seen:
        seen.add(record_id)
        person = person_state.by_record_ids(context.organisation, [record_id]).get(record_id)
        if person is None:
            former = FormerId.objects.filter(organisation=context.organisation, record_id=record_id).first()
            return person_state.by_ids([former.person_id]).get(former.person_id) if former else None
        if not person.sfdc_is_deleted or not person.link or not person.link.merged_into:
            return person
        record_id = person.link.merged_into
    return None


def _join(context: Context, winner: PersonState, loser: PersonState, record: RemoteRecord, became: str) -> bool:
    """The loser's record lives on as the winner's: so do their persons. False if one of them is busy."""
    former = FormerRow(winner.id, record.object, record.id, "converted" if record.is_converted else "merged")
    reason = f"{record.object} {record.id} {became}"
    return merge_people(context, winner, loser, reason, former=former, actor=record.editor_name)


# -- converted --------------------------------------------------------------------------------------------------------


def _convert(context: Context, reading: Reading, converted: Sequence[Pair]) -> list[RemoteRecord]:
    """The person of a converted lead becomes the contact; if that is another person's already, the two are merged.

    Of several leads that were converted to one contact, the first one's person becomes it, the others join.
    """
    again: list[RemoteRecord] = []
    remaining = list(converted)
    while remaining:
        owners = person_state.by_record_ids(context.organisation, [r.contact_id for _, r in remaining if r.contact_id])
        becoming: dict[str, Pair] = {}
        joining: list[Pair] = []
        for person, record in remaining:
            other = owners.get(record.contact_id)
            if other is not None and other.id != person.id:
                if not _join(context, other, person, record, f"was converted to Contact {record.contact_id}"):
                    again.append(record)
            elif record.contact_id in becoming:
                joining.append((person, record))
            else:
                becoming[record.contact_id or record.id] = (person, record)
        again += _become_contacts(context, reading, list(becoming.values()))
        remaining = joining
    # An existing contact whose fields were all filled was not touched: it has to be asked for.
    postponed.postpone(context, "Contact", [r.contact_id for _, r in converted if r.contact_id], reading)
    return again


def _become_contacts(context: Context, reading: Reading, pairs: Sequence[Pair]) -> list[RemoteRecord]:
    """Link persons with the contacts of their leads. Return the records of those that could not be now. What was agreed
    with a lead is a weak base: it decides nothing but what was edited here since, so that nothing is blanked and no old
    value is sent over the contact's."""
    if not pairs:
        return []
    try:
        return _link_to_contacts(context, reading, pairs)
    except IntegrityError as error:
        if not is_race(error):
            raise
        # Somebody has linked a contact meanwhile: the next try finds whose it is.
        if len(pairs) == 1:
            return [pairs[0][1]]
    return [record for pair in pairs for record in _become_contacts(context, reading, [pair])]


@repeated
def _link_to_contacts(context: Context, reading: Reading, pairs: Sequence[Pair]) -> list[RemoteRecord]:
    journal, sequence = Journal(context), next_sequence()
    with write_transaction(context):
        free = lock(context, {p.id: p.revision for p, _ in pairs})
        ready = [(p, r) for p, r in pairs if p.id in free]
        seen = [(p, r) for p, r in ready if r.contact_id]
        contacts = {p.id: r.contact_id for p, r in seen}
        persons.become_contacts(context, contacts)
        links.become_contacts({p.id: r.stamp for p, r in ready}, contacts, reading)
        _keep_former_ids(context, [(p.id, r) for p, r in seen], "converted", sequence)
        for person, record in ready:
            if record.contact_id or not (person.link and person.link.weak_base):
                now = f": now Contact {record.contact_id}." if record.contact_id else UNSEEN
                journal.entry(
                    person.id,
                    person.name,
                    ActivityType.CONVERT_LEAD,
                    f"Lead {record.id} was converted{now}",
                    actor=record.editor_name,
                    detail={"lead": record.id, "contact": record.contact_id},
                )
        journal.write()
    context.count_received(updated=len(seen))
    return [r for p, r in pairs if p.id not in free]


def _keep_former_ids(context: Context, pairs: Sequence[tuple[int, RemoteRecord]], reason: str, sequence: int) -> None:
    former_ids.write(context, [FormerRow(person_id, r.object, r.id, reason) for person_id, r in pairs], sequence)
