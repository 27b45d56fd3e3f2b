"""Writes what was merged into the database: a batch in one transaction, one statement per table.

A person that was edited, locked or taken by another worker since it was loaded is not written: its record comes back
to the caller, which loads the person again and merges anew. So an edit made meanwhile is never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.db.models import Q
from django.db.models.functions import Now

from syncer.models import ActivityType, CreateIntent, FormerId, PendingChange, Person, SalesforceRecord
from syncer.models.triggers import agreeing_writes
from syncer.salesforce.values import BadValue
from syncer.sync.context import Context
from syncer.sync.fields.object_map import PERSON_COLUMNS, ObjectMap
from syncer.sync.merge import Merge, Outcome, Value
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading, RemoteRecord
from syncer.sync.store import bulk_sql
from syncer.sync.store.activity import Journal, shown
from syncer.sync.store.locking import lock, read_since

RECORD_COLUMNS = [
    "person_id",
    "organisation",
    "object",
    "record_id",
    "base",
    "weak_base",
    "system_modstamp",
    "read_at",
    "read_sequence",
    "owner_id",
    "owner_name",
    "owner_email",
    "account_id",
    "merged_into",
    "received_at",
    "sent_at",
    "agreed_at",
]
#: The columns of a link, in the order of RECORD_COLUMNS, replaced when the person has one already. A record that was
#: read is visible.
UPSERT_RECORD = "(person_id) DO UPDATE SET hidden_since = NULL, " + ", ".join(
    f"{name} = excluded.{name}" for name in RECORD_COLUMNS if name != "person_id"
)


@dataclass(frozen=True, slots=True)
class Merged:
    """A record merged with a person. ``link_reason`` is said when the two had not been linked before."""

    person: PersonState
    remote: RemoteRecord
    merge: Merge
    link_reason: str = ""
    partial: bool = False  # only some fields were read: they say nothing of the record's state as a whole
    created: bool = False  # this worker has just made the record with the person's values
    keeps_waiting: bool = False  # a value here can't be sent as it is: the push has to say so


@dataclass(frozen=True, slots=True)
class Applied:
    written: list[Merged]
    changed: set[int]  # ids of persons whose values changed here
    again: list[Merged]  # the person was edited, locked or busy meanwhile: merge again
    stale: list[Merged]  # the record was sent or read by a newer request than this one: read again


def apply(
    context: Context,
    fields: ObjectMap,
    reading: Reading,
    merged: Sequence[Merged],
    *,
    also: Callable[[Sequence[Merged]], None] | None = None,
) -> Applied:
    """Write persons, links, log and outbox for merged records; ``also`` runs in the same transaction, with those
    that are written."""
    if context.plan is not None:
        for m in merged:
            context.plan.add_merge(
                m.person.id,
                m.person.name,
                m.remote.object,
                m.remote.id,
                m.merge,
                link_reason=m.link_reason,
                partial=m.partial,
            )
        return Applied(list(merged), {m.person.id for m in merged if m.merge.received}, [], [])
    try:
        return _apply(context, fields, reading, merged, also)
    except IntegrityError:  # somebody has linked one of the records, or given one of the persons a link, meanwhile
        if len(merged) == 1:
            return Applied([], set(), list(merged), [])
    single = [apply(context, fields, reading, [m], also=also) for m in merged]
    return Applied(
        [m for one in single for m in one.written],
        {pk for one in single for pk in one.changed},
        [m for one in single for m in one.again],
        [m for one in single for m in one.stale],
    )


def _apply(
    context: Context,
    fields: ObjectMap,
    reading: Reading,
    merged: Sequence[Merged],
    also: Callable[[Sequence[Merged]], None] | None,
) -> Applied:
    journal = Journal(context)
    with agreeing_writes():
        context.fence()
        free = lock(context, {m.person.id: m.person.revision for m in merged})
        newer = read_since(free, reading.sequence)
        ready = [m for m in merged if m.person.id in free and m.person.id not in newer]
        changed = _write_persons(ready, fields, journal, context)
        _write_links(ready, reading, context)
        _log_links(ready, journal, context)
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


def received_columns(person_values: Any, fields: ObjectMap, received: dict[str, Value]) -> dict[str, Any]:
    """What to write on a person for values received: columns by name and, if any custom field changed, ``custom``.

    Raises ``BadValue`` when a column can't hold a value.
    """
    columns: dict[str, Any] = {}
    custom: dict[str, Any] | None = None
    for name, value in received.items():
        field = fields.field(name)
        if field is None:
            continue
        if field.is_column:
            columns[name] = field.to_column(value)
            continue
        custom = dict(person_values["custom"]) if custom is None else custom
        if value is None:
            custom.pop(name, None)
        else:
            custom[name] = value
    if custom is not None:
        columns["custom"] = custom
    return columns


def _write_persons(ready: Sequence[Merged], fields: ObjectMap, journal: Journal, context: Context) -> set[int]:
    """Write the values received, and the link's columns, in one statement for all; gives who got new values."""
    writes: list[tuple[PersonState, dict[str, Any]]] = []
    changed: set[int] = set()
    for m in ready:
        person = m.person
        received = dict(m.merge.received)
        try:
            columns = received_columns(person.values, fields, received)
        except BadValue:
            columns, received = _column_by_column(m, fields, received, journal)
        if received:
            changed.add(person.id)
            for decision in m.merge.decisions:
                if decision.outcome is Outcome.RECEIVE and decision.field in received:
                    journal.received(person.id, person.name, decision, _editor(m))
        for decision in m.merge.conflicts:
            journal.conflict(person.id, person.name, decision)
        for decision in m.merge.decisions:
            if decision.field in person.in_doubt and decision.outcome is Outcome.AGREE:
                sent = person.in_doubt[decision.field]
                if decision.base != decision.there == sent:
                    journal.doubt(person.id, person.name, decision.field, sent)
        link = {"sfdc_type": m.remote.object, "sfdc_id": m.remote.id, "sfdc_is_deleted": False}
        if columns or (person.sfdc_type, person.sfdc_id, person.sfdc_is_deleted) != tuple(link.values()):
            writes.append((person, columns | link))
    if writes:
        names = sorted({name for _, columns in writes for name in columns})
        rows = []
        for person, columns in writes:
            present = {
                **person.values,
                "sfdc_type": person.sfdc_type,
                "sfdc_id": person.sfdc_id,
                "sfdc_is_deleted": person.sfdc_is_deleted,
            }
            updated = context.now() if person.id in changed else person.updated_at
            rows.append([person.id, person.revision, *(columns.get(n, present[n]) for n in names), updated])
        bulk_sql.update(Person, [*names, "updated_at"], rows, keys=("id", "revision"))
    return changed


def _column_by_column(
    m: Merged, fields: ObjectMap, received: dict[str, Value], journal: Journal
) -> tuple[dict[str, Any], dict[str, Value]]:
    """One value can't be stored here: keep the others, and say which and why."""
    kept: dict[str, Value] = {}
    for name, value in received.items():
        try:
            received_columns(m.person.values, fields, {name: value})
        except BadValue as error:
            journal.entry(
                m.person.id,
                m.person.name,
                ActivityType.SYNC_FAILED,
                str(error),
                field=name,
                code="VALUE_NOT_STORED",
                failed=True,
                detail={"value": value, "source": "Salesforce"},
            )
        else:
            kept[name] = value
    return received_columns(m.person.values, fields, kept), kept


def _write_links(ready: Sequence[Merged], reading: Reading, context: Context) -> None:
    rows = [link_row(m, reading, context) for m in ready]
    bulk_sql.insert(SalesforceRecord, RECORD_COLUMNS, rows, conflict=UPSERT_RECORD)


def link_row(m: Merged, reading: Reading, context: Context) -> list[Any]:
    """The link of a merged record as it is to be stored, in the order of RECORD_COLUMNS."""
    link, remote, now = m.person.link, m.remote, context.now()
    same_record = link is not None and link.record_id == remote.id
    of_another = link is not None and not m.partial and (link.weak_base or not same_record)
    base = m.merge.base_after_reading(link.base if link else {}, of_another=of_another)
    sent_at: datetime | None = now if m.created else link.sent_at if link else None
    received_at = now if m.merge.received or not same_record else (link.received_at if link else None)
    state = [remote.stamp, reading.asked_at, reading.sequence, remote.owner_id, remote.owner_name, remote.owner_email]
    account_id = remote.account_id
    if m.partial and link is not None:
        owner = [link.owner_id, link.owner_name, link.owner_email]
        state = [link.system_modstamp, link.read_at, reading.sequence, *owner]
        account_id = remote.account_id or link.account_id
    weak = m.partial and link is not None and link.weak_base
    return [
        m.person.id,
        context.organisation,
        remote.object,
        remote.id,
        base,
        weak,
        *state,
        account_id,
        "",
        received_at,
        sent_at,
        now,
    ]


def _log_links(ready: Sequence[Merged], journal: Journal, context: Context) -> None:
    """Say which persons were linked, came back or changed owner; keep the id that a re-linked person had before."""
    former = []
    CreateIntent.objects.filter(person_id__in=[m.person.id for m in ready if not m.person.linked]).delete()
    for m in ready:
        person, remote, link = m.person, m.remote, m.person.link
        where = f"{remote.object} {remote.id}"
        if m.link_reason:
            journal.entry(
                person.id,
                person.name,
                ActivityType.LINK,
                f"Linked to {where}: {m.link_reason}",
                detail={"id": remote.id},
            )
        if link is not None and link.hidden_since is not None and link.record_id == remote.id:
            journal.entry(
                person.id,
                person.name,
                ActivityType.VISIBLE_AGAIN,
                f"{where} is visible to the sync user again.",
                actor="Salesforce",
                detail={"id": remote.id, "hidden_since": link.hidden_since.isoformat()},
            )
        if link is None or m.partial:
            continue
        if link.record_id != remote.id:
            former.append(
                [person.id, link.organisation, link.object, link.record_id, m.link_reason[:40], context.now()]
            )
        elif person.sfdc_is_deleted:
            journal.entry(
                person.id,
                person.name,
                ActivityType.UNDELETED_IN_SFDC,
                f"{where} is back.",
                actor=_editor(m),
                detail={"id": remote.id, "object": remote.object},
            )
        if link.record_id == remote.id and link.owner_id and remote.owner_id and link.owner_id != remote.owner_id:
            journal.entry(
                person.id,
                person.name,
                ActivityType.CHANGE_OWNER,
                f"Owner: {shown(link.owner_name or link.owner_id)} → {shown(remote.owner_name or remote.owner_id)}",
                actor=_editor(m),
                detail={"old": link.owner_id, "new": remote.owner_id, "source": "Salesforce"},
            )
    bulk_sql.insert(
        FormerId,
        ["person_id", "organisation", "object", "record_id", "reason", "since"],
        former,
        conflict="(organisation, object, record_id) DO UPDATE SET person_id = excluded.person_id",
    )


def _write_outbox(ready: Sequence[Merged]) -> None:
    """What is still to be sent waits in the outbox; a row of a person with nothing left to send goes."""
    waiting = [m for m in ready if m.merge.to_send or m.merge.waits_anew]
    settled = [
        m.person.id
        for m in ready
        if m.person.pending and not m.person.claim and not (m.merge.to_send or m.keeps_waiting or m.partial)
    ]
    anew = (
        ", next_attempt = NULL, attempts = 0, held = '{}', "
        "state = CASE syncer_pendingchange.state WHEN 'failed' THEN 'pending' ELSE syncer_pendingchange.state END"
    )
    # What was refused is tried again when the record has changed, not whenever it is read.
    for changed, also in ((True, anew), (False, "")):
        bulk_sql.insert(
            PendingChange,
            ["person_id", "revision"],
            [[m.person.id, m.person.revision] for m in waiting if _has_changed(m) is changed],
            conflict=f"(person_id) DO UPDATE SET revision = excluded.revision{also}",
        )
    if settled:
        PendingChange.objects.filter(Q(claim="") | Q(claimed_until__lt=Now()), person_id__in=settled).delete()


def _has_changed(m: Merged) -> bool:
    """The record is not as it was last agreed. When the stamp of that state is not known, its values tell."""
    link = m.person.link
    if link is None or link.record_id != m.remote.id or link.weak_base:
        return True
    if link.system_modstamp is not None and link.system_modstamp != m.remote.stamp:
        return True
    return any(not d.has_base or d.there != d.base for d in m.merge.decisions)


def _editor(m: Merged) -> str:
    return f"Salesforce: {m.remote.editor}" if m.remote.editor else "Salesforce"


def new_person_values(fields: ObjectMap, remote: RemoteRecord) -> tuple[dict[str, Any], dict[str, BadValue]]:
    """The columns of a person made from a record, and the values that could not be stored."""
    empty: dict[str, Any] = {name: (None if field.null else "") for name, field in PERSON_COLUMNS.items()}
    columns: dict[str, Any] = empty | {"custom": {}}
    bad: dict[str, BadValue] = {}
    for field in fields.fields:
        if not field.rule.receive or (value := remote.values.get(field.person_field)) is None:
            continue
        try:
            columns |= received_columns(columns, fields, {field.person_field: value})
        except BadValue as error:
            bad[field.person_field] = error
    return columns, bad
