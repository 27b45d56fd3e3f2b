"""What becomes of records in Salesforce: deleted, merged into another one, converted to a contact.

The person stays: it stops syncing, becomes the contact, or is merged with the survivor's person. The ids it had still
find it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.db import IntegrityError

from syncer.models import (
    ActivityLogEntry,
    ActivityType,
    Conflict,
    FormerId,
    PendingChange,
    Person,
    SalesforceRecord,
    SyncCursor,
)
from syncer.models.triggers import agreeing_writes, to_be_sent
from syncer.sync.context import Context
from syncer.sync.fields.object_map import PERSON_COLUMNS
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading, RemoteRecord
from syncer.sync.plan import Plan, Planned
from syncer.sync.store import bulk_sql
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import lock

Pair = tuple[PersonState, RemoteRecord]

UNSEEN = ", to a contact that the sync user can't see."


def follow(context: Context, reading: Reading, gone: Sequence[Pair]) -> list[RemoteRecord]:
    """Follow records that were deleted, merged away or converted; gives those whose person was busy meanwhile."""
    if context.plan is not None:
        _tell(context, context.plan, gone)
        return []
    deleted = [(p, r) for p, r in gone if r.is_deleted and not r.master_id]
    merged = [(p, r) for p, r in gone if r.is_deleted and r.master_id]
    converted = [(p, r) for p, r in gone if not r.is_deleted]
    again = _mark_deleted(context, reading, deleted)
    again += _merge_away(context, reading, merged)
    again += _convert(context, reading, converted)
    return again


def _tell(context: Context, plan: Plan, gone: Sequence[Pair]) -> None:
    """What a dry run says of it. The contact of a converted lead is decided when it is read."""
    owners = person_state.by_record_ids(context.organisation, [r.contact_id for _, r in gone if r.contact_id])
    for person, record in gone:
        if record.is_deleted and person.sfdc_is_deleted:
            continue
        action, why = "mark as deleted", ""
        if record.is_converted:
            action, why = "convert", f"now Contact {record.contact_id or 'not visible'}"
            if record.contact_id and record.contact_id not in owners and person.link is not None:
                link = replace(
                    person.link, object="Contact", record_id=record.contact_id, weak_base=True, system_modstamp=None
                )
                plan.moved[record.contact_id] = replace(
                    person, sfdc_type="Contact", sfdc_id=record.contact_id, link=link
                )
        elif record.master_id:
            action, why = "merge", f"merged into {record.master_id}"
        plan.add(Planned(action, person.id, person.name, record.object, record.id, why))


# -- deleted ----------------------------------------------------------------------------------------------------------


def _mark_deleted(context: Context, reading: Reading, gone: Sequence[Pair]) -> list[RemoteRecord]:
    """The persons of deleted records stay; syncing of them stops. A merged record, whose survivor nobody here knows,
    waits like this until the survivor is seen."""
    gone = [(p, r) for p, r in gone if not p.sfdc_is_deleted]
    if not gone:
        return []
    journal = Journal(context)
    with agreeing_writes():
        context.fence()
        free = lock(context, {p.id: p.revision for p, _ in gone})
        ready = [(p, r) for p, r in gone if p.id in free]
        ids = [p.id for p, _ in ready]
        Person.objects.filter(id__in=ids).update(sfdc_is_deleted=True, updated_at=context.now())
        PendingChange.objects.filter(person_id__in=ids).delete()
        links = SalesforceRecord.objects.filter(person_id__in=ids)
        links.update(read_sequence=reading.sequence, read_at=reading.asked_at, system_modstamp=None, hidden_since=None)
        for person, record in ready:
            if record.master_id:
                links.filter(person_id=person.id).update(merged_into=record.master_id)
            what = f"merged into {record.master_id}" if record.master_id else "deleted"
            journal.entry(
                person.id,
                person.name,
                ActivityType.DELETED_IN_SFDC,
                f"{record.object} {record.id} was {what} in Salesforce. Changes stay here only.",
                actor=_editor(record),
                detail={"id": record.id, "master_id": record.master_id},
            )
        journal.write()
    _count(context, len(ready))
    return [r for p, r in gone if p.id not in free]


# -- merged -----------------------------------------------------------------------------------------------------------


def _merge_away(context: Context, reading: Reading, merged: Sequence[Pair]) -> list[RemoteRecord]:
    """The loser's person is merged into the survivor's, following a chain of merges to its end."""
    again: list[RemoteRecord] = []
    unknown: list[Pair] = []
    for loser, record in merged:
        winner = _survivor(context, record.master_id)
        if winner is None or winner.id == loser.id:
            unknown.append((loser, record))
        elif not merge_people(
            context, winner, loser, record, f"{record.object} {record.id} was merged into {winner.sfdc_id}"
        ):
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


def merge_people(context: Context, winner: PersonState, loser: PersonState, record: RemoteRecord, reason: str) -> bool:
    """Merge two persons into one, in one transaction with the loser's removal; False if one of them is busy.

    The winner's values stay. Its blanks are filled from the loser in fields that do not sync with the winner's record;
    the scores are summed. Activities, conflicts and former ids move. The loser's values stay in the log.
    """
    journal = Journal(context)
    with agreeing_writes():
        context.fence()
        both = {winner.id: winner.revision, loser.id: loser.revision}
        if lock(context, both) != set(both):
            return False
        filled = _blanks_filled(context, winner, loser)
        if filled:
            Person.objects.filter(id=winner.id).update(**filled)
        scores = [p.values["person_score"] for p in (winner, loser) if p.values["person_score"] is not None]
        if len(scores) == 2 or (scores and winner.values["person_score"] is None):
            with to_be_sent():
                Person.objects.filter(id=winner.id).update(person_score=sum(scores), updated_at=context.now())
        for model in (ActivityLogEntry, Conflict):
            model.objects.filter(person_id=loser.id).update(person_id=winner.id)
        FormerId.objects.filter(person_id=loser.id).update(person_id=winner.id)
        _keep_former_ids(context, [(winner.id, record)], "converted" if record.is_converted else "merged")
        journal.entry(
            winner.id,
            winner.name,
            ActivityType.MERGE_PEOPLE,
            f"Merged with person {loser.id} ({loser.name}): {reason}.",
            actor=_editor(record),
            detail={
                "person": loser.id,
                "uuid": str(loser.uuid),
                "values": _filled(loser.values),
                "filled": sorted(filled),
            },
        )
        journal.write()
        Person.objects.filter(id=loser.id).delete()
    _count(context, 1)
    return True


def _blanks_filled(context: Context, winner: PersonState, loser: PersonState) -> dict[str, Any]:
    synced = (
        {f.person_field for f in context.maps[winner.sfdc_type].fields} if winner.sfdc_type in context.maps else set()
    )
    filled = {
        name: loser.values[name]
        for name in PERSON_COLUMNS
        if name not in synced
        and name != "person_score"
        and winner.values[name] in (None, "")
        and loser.values[name] not in (None, "")
    }
    mine, theirs = winner.values["custom"], loser.values["custom"]
    blanks = {key: value for key, value in theirs.items() if key not in synced and mine.get(key) is None}
    return filled | ({"custom": {**mine, **blanks}} if blanks else {})


# -- converted --------------------------------------------------------------------------------------------------------


def _convert(context: Context, reading: Reading, converted: Sequence[Pair]) -> list[RemoteRecord]:
    """The person of a converted lead becomes the contact; if that is another person's already, the two are merged.

    Of several leads that were converted to one contact, the first one's person becomes it, the others join.
    """
    again: list[RemoteRecord] = []
    left = list(converted)
    while left:
        owners = person_state.by_record_ids(context.organisation, [r.contact_id for _, r in left if r.contact_id])
        becoming: dict[str, Pair] = {}
        joining: list[Pair] = []
        for person, record in left:
            other = owners.get(record.contact_id)
            if other is not None and other.id != person.id:
                reason = f"Lead {record.id} was converted to Contact {record.contact_id}"
                if not merge_people(context, other, person, record, reason):
                    again.append(record)
            elif record.contact_id in becoming:
                joining.append((person, record))
            else:
                becoming[record.contact_id or record.id] = (person, record)
        again += _become_contacts(context, reading, list(becoming.values()))
        left = joining
    contacts = [r.contact_id for _, r in converted if r.contact_id]
    if contacts:
        # An existing contact whose fields were all filled was not touched: it has to be asked for.
        cursor, _ = SyncCursor.objects.get_or_create(sync_user=context.sync_user, object="Contact")
        cursor.postponed = list(dict.fromkeys([*cursor.postponed, *contacts]))
        cursor.save(update_fields=["postponed"])
    return again


def _become_contacts(context: Context, reading: Reading, pairs: Sequence[Pair]) -> list[RemoteRecord]:
    """Link persons with the contacts of their leads; gives the records of those that could not be now. What was agreed
    with a lead is a weak base: it decides nothing but what was edited here since, so that nothing is blanked and no old
    value is sent over the contact's."""
    if not pairs:
        return []
    try:
        return _link_to_contacts(context, reading, pairs)
    except IntegrityError:  # somebody has linked a contact meanwhile: the next try finds whose it is
        if len(pairs) == 1:
            return [pairs[0][1]]
    return [record for pair in pairs for record in _become_contacts(context, reading, [pair])]


def _link_to_contacts(context: Context, reading: Reading, pairs: Sequence[Pair]) -> list[RemoteRecord]:
    journal = Journal(context)
    with agreeing_writes():
        context.fence()
        free = lock(context, {p.id: p.revision for p, _ in pairs})
        ready = [(p, r) for p, r in pairs if p.id in free]
        seen = [(p, r) for p, r in ready if r.contact_id]
        bulk_sql.update(
            Person,
            ["sfdc_type", "sfdc_id", "sfdc_is_deleted", "updated_at"],
            [[p.id, "Contact", r.contact_id, False, context.now()] for p, r in seen],
            keys=("id",),
        )
        bulk_sql.update(
            SalesforceRecord,
            ["object", "record_id", "owner_id", "owner_name", "owner_email", "account_id"],
            [[p.id, "Contact", r.contact_id, "", "", "", ""] for p, r in seen],
            keys=("person_id",),
        )
        SalesforceRecord.objects.filter(person_id__in=[p.id for p, _ in ready]).update(
            weak_base=True,
            system_modstamp=None,
            read_sequence=reading.sequence,
            read_at=reading.asked_at,
            hidden_since=None,
        )
        _keep_former_ids(context, [(p.id, r) for p, r in seen], "converted")
        for person, record in ready:
            if record.contact_id or not (person.link and person.link.weak_base):
                now = f": now Contact {record.contact_id}." if record.contact_id else UNSEEN
                journal.entry(
                    person.id,
                    person.name,
                    ActivityType.CONVERT_LEAD,
                    f"Lead {record.id} was converted{now}",
                    actor=_editor(record),
                    detail={"lead": record.id, "contact": record.contact_id},
                )
        journal.write()
    _count(context, len(seen))
    return [r for p, r in pairs if p.id not in free]


def _keep_former_ids(context: Context, pairs: Sequence[tuple[int, RemoteRecord]], reason: str) -> None:
    bulk_sql.insert(
        FormerId,
        ["person_id", "organisation", "object", "record_id", "reason", "since"],
        [[person_id, context.organisation, r.object, r.id, reason, context.now()] for person_id, r in pairs],
        conflict="(organisation, object, record_id) DO UPDATE SET person_id = excluded.person_id, "
        "reason = excluded.reason, since = excluded.since",
    )


def _filled(values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", {})}


def _count(context: Context, updated: int) -> None:
    context.received["updated"] += updated
    context.received["unchanged"] -= updated


def _editor(record: RemoteRecord) -> str:
    return f"Salesforce: {record.editor}" if record.editor else "Salesforce"
