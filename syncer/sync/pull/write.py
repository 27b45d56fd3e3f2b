"""Writes what was merged into the database: a batch in one transaction, one statement per table.

A person that was edited, locked or taken by another worker since it was loaded is not written: its record comes back
to the caller, which loads the person again and merges anew. So an edit made meanwhile is never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError

from syncer.models import ActivityType
from syncer.salesforce.kinds import BadValue
from syncer.sync.context import Context, next_sequence
from syncer.sync.fields.object_map import ObjectMap, received_columns
from syncer.sync.identity.candidates import Outdated, check_still_theirs
from syncer.sync.merge import Outcome, Value
from syncer.sync.persons.merged import Applied, Merged
from syncer.sync.persons.person_state import Link
from syncer.sync.persons.record import Reading
from syncer.sync.store import former_ids, intents, links, outbox, persons
from syncer.sync.store.activity import Journal, shown
from syncer.sync.store.former_ids import FormerRow
from syncer.sync.store.links import LinkRow
from syncer.sync.store.locking import lock, read_since
from syncer.sync.store.transactions import repeated, write_transaction
from syncer.sync.store.value_errors import is_race

Also = Callable[[Sequence[Merged]], None]


def write_merged(
    context: Context, fields: ObjectMap, reading: Reading, merged: Sequence[Merged], *, also: Also | None = None
) -> Applied:
    """Write persons, links, log and outbox for merged records; ``also`` runs in the same transaction, with those
    that are written. When one of the records, or of the persons, got another link meanwhile, or a record became
    another one, one by one."""
    try:
        return _write_batch(context, fields, reading, merged, also)
    except (IntegrityError, Outdated) as error:
        if isinstance(error, IntegrityError) and not is_race(error):
            raise
        if len(merged) == 1:
            return Applied([], set(), list(merged), [])
    single = [write_merged(context, fields, reading, [m], also=also) for m in merged]
    return Applied(
        [m for one in single for m in one.written],
        {pk for one in single for pk in one.changed},
        [m for one in single for m in one.again],
        [m for one in single for m in one.stale],
    )


@repeated
def _write_batch(
    context: Context, fields: ObjectMap, reading: Reading, merged: Sequence[Merged], also: Also | None
) -> Applied:
    journal = Journal(context)
    former = {m.person.id: row for m in merged if (row := _former_row(m)) is not None}
    sequence = next_sequence() if former else 0
    with write_transaction(context):
        free = lock(context, {m.person.id: m.person.revision for m in merged})
        newer = read_since(free, reading.sequence)
        ready = [m for m in merged if m.person.id in free and m.person.id not in newer]
        changed, written = _write_persons(context, fields, ready, journal)
        links.write(context, [_link_row(context, m, reading, m.person.id in written) for m in ready])
        anew = [m.record.id for m in ready if _is_linked_anew(m)]
        check_still_theirs(context, anew, reading)
        former_ids.remove(context, anew)
        intents.forget(m.person.id for m in ready if not m.person.linked)
        former_ids.write(context, [former[m.person.id] for m in ready if m.person.id in former], sequence)
        for m in ready:
            _log_link(m, journal)
        _write_outbox(ready)
        journal.write()
        if also is not None:
            also(ready)
    context.conflicts += journal.conflict_count
    return Applied(
        ready,
        changed,
        again=[m for m in merged if m.person.id not in free],
        stale=[m for m in merged if m.person.id in newer],
    )


# -- persons ----------------------------------------------------------------------------------------------------------


def _write_persons(
    context: Context, fields: ObjectMap, ready: Sequence[Merged], journal: Journal
) -> tuple[set[int], set[int]]:
    """Write the values received, and the link's columns. Return who got new values, and who was written at all."""
    writes: list[persons.Write] = []
    changed: set[int] = set()
    for m in ready:
        person = m.person
        columns, received = _storable(m, fields, journal)
        if received:
            changed.add(person.id)
        _log_values(m, received, journal)
        link = {"sfdc_type": m.record.object, "sfdc_id": m.record.id, "sfdc_is_deleted": False}
        if columns or (person.sfdc_type, person.sfdc_id, person.sfdc_is_deleted) != tuple(link.values()):
            writes.append((person, columns | link, context.now() if received else person.updated_at))
    if writes:
        persons.update(writes)
    return changed, {person.id for person, _, _ in writes}


def _storable(m: Merged, fields: ObjectMap, journal: Journal) -> tuple[dict[str, Any], dict[str, Value]]:
    """The columns to write and the values received; a value that can't be stored here is left out and logged."""
    received = m.merge.received
    try:
        return received_columns(m.person.values, fields, received), received
    except BadValue:
        pass
    kept: dict[str, Value] = {}
    for name, value in received.items():
        try:
            received_columns(m.person.values, fields, {name: value})
        except BadValue as error:
            journal.not_stored(m.person.id, m.person.name, name, value, error)
        else:
            kept[name] = value
    return received_columns(m.person.values, fields, kept), kept


def _log_values(m: Merged, received: dict[str, Value], journal: Journal) -> None:
    """What came, what lost, and what was sent before without an answer and is found there now."""
    person = m.person
    for decision in m.merge.decisions:
        if decision.outcome is Outcome.RECEIVE and decision.field in received:
            journal.received(person.id, person.name, decision, m.record.editor_name)
            if decision.field in m.record.made_storable:
                journal.made_storable(person.id, person.name, decision.field, decision.there)
    for decision in m.merge.conflicts:
        journal.conflict(person.id, person.name, decision)
    for decision in m.merge.decisions:
        # What is sent over it says so then.
        if decision.field in m.found_sent and decision.outcome is not Outcome.SEND and not decision.waits:
            journal.doubt(person.id, person.name, decision.field, person.in_doubt[decision.field])


# -- links ------------------------------------------------------------------------------------------------------------


def _link_row(context: Context, m: Merged, reading: Reading, written: bool) -> LinkRow:
    """The link of a merged record as it is to be stored. ``written``: the person was, which has raised its revision."""
    link, record, now = m.person.link, m.record, context.now()
    same_record = link is not None and link.record_id == record.id
    of_another = link is not None and not m.partial and (link.weak_base or not same_record)
    base = m.merge.base_after_reading(link.base if link else {}, of_another=of_another)
    sent_at: datetime | None = now if m.created else link.sent_at if link else None
    received_at = now if m.merge.received or not same_record else (link.received_at if link else None)
    if m.partial and link is not None:
        return _partial_row(m, link, reading, base, received_at)
    owner_id, owner_name, owner_email = _owner(m)
    return LinkRow(
        person_id=m.person.id,
        object=record.object,
        record_id=record.id,
        base=base,
        system_modstamp=record.stamp,
        read_at=reading.asked_at,
        read_sequence=reading.sequence,
        owner_id=owner_id,
        owner_name=owner_name,
        owner_email=owner_email,
        account_id=record.account_id,
        received_at=received_at,
        sent_at=sent_at,
        undecided=None if m.undecided is None else m.undecided + written,
        awaits_sending=m.merge.waits,
    )


def _owner(m: Merged) -> tuple[str, str, str]:
    """Whose the record is. Every record has an owner: one that is not told is not known, and stays who it was."""
    link, record = m.person.link, m.record
    if link is not None and link.record_id == record.id and not record.owner_id:
        return link.owner_id, link.owner_name, link.owner_email
    return record.owner


def _partial_row(
    m: Merged, link: Link, reading: Reading, base: dict[str, Value], received_at: datetime | None
) -> LinkRow:
    """Only some fields were read: of the record's state as a whole, what was known stays."""
    return LinkRow(
        person_id=m.person.id,
        object=m.record.object,
        record_id=m.record.id,
        base=base,
        system_modstamp=link.system_modstamp,
        read_at=link.read_at,
        read_sequence=reading.sequence,
        owner_id=link.owner_id,
        owner_name=link.owner_name,
        owner_email=link.owner_email,
        account_id=m.record.account_id or link.account_id,
        received_at=received_at,
        sent_at=link.sent_at,
        weak_base=link.weak_base,
        # The whole record has to be read again if it was undecided, or is now.
        undecided=m.undecided if link.undecided is None else link.undecided,
        awaits_sending=m.merge.waits or link.awaits_sending,
    )


def _is_linked_anew(m: Merged) -> bool:
    return m.person.link is None or m.person.link.record_id != m.record.id


def _former_row(m: Merged) -> FormerRow | None:
    """The id that a re-linked person had before."""
    link = m.person.link or m.person.left
    if link is None or m.partial or link.record_id == m.record.id:
        return None
    reason = "deleted" if m.person.left else m.link_reason
    return FormerRow(m.person.id, link.object, link.record_id, reason, link.organisation)


def _log_link(m: Merged, journal: Journal) -> None:
    """Say that a person was linked, came back or changed owner."""
    person, record, link = m.person, m.record, m.person.link
    where = f"{record.object} {record.id}"
    if m.link_reason:
        message = f"Linked to {where}: {m.link_reason}"
        journal.entry(person.id, person.name, ActivityType.LINK, message, detail={"id": record.id})
    if link is None or link.record_id != record.id:
        return
    if link.hidden_since is not None:
        journal.entry(
            person.id,
            person.name,
            ActivityType.VISIBLE_AGAIN,
            f"{where} is visible to the sync user again.",
            actor="Salesforce",
            detail={"id": record.id, "hidden_since": link.hidden_since.isoformat()},
        )
    if m.partial:
        return
    if person.sfdc_is_deleted:
        journal.entry(
            person.id,
            person.name,
            ActivityType.UNDELETED_IN_SFDC,
            f"{where} is back.",
            actor=record.editor_name,
            detail={"id": record.id, "object": record.object},
        )
    if link.owner_id and record.owner_id and link.owner_id != record.owner_id:
        journal.entry(
            person.id,
            person.name,
            ActivityType.CHANGE_OWNER,
            f"Owner: {shown(link.owner_name or link.owner_id)} → {shown(record.owner_name or record.owner_id)}",
            actor=record.editor_name,
            detail={"old": link.owner_id, "new": record.owner_id, "source": "Salesforce"},
        )


# -- outbox -----------------------------------------------------------------------------------------------------------


def _write_outbox(ready: Sequence[Merged]) -> None:
    """What is still to be sent waits in the outbox; a row of a person with nothing left to send goes."""
    waiting = [m for m in ready if m.merge.to_send or m.merge.waits]
    for changed in (True, False):
        # What was refused is tried again when the record has changed, not whenever it is read.
        rows = [(m.person.id, m.person.revision) for m in waiting if m.record_has_changed is changed]
        outbox.put_in(rows, anew=changed)
    outbox.settle(
        (m.person.id, m.person.revision)
        for m in ready
        if m.person.pending and not (m.merge.to_send or m.keeps_waiting or m.partial)
    )
