"""Receiving: pages of changed records become persons, links and log entries, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Min

from syncer.models import CreateIntent, SalesforceRecord, SyncCursor
from syncer.salesforce import soql
from syncer.salesforce.client import Page
from syncer.salesforce.errors import Action, Refused, policy_for
from syncer.salesforce.ids import to_18
from syncer.sync import life, matching, runs, state
from syncer.sync.apply import Merged, apply, lock, received_columns
from syncer.sync.errors import FieldsChanged
from syncer.sync.fields import ObjectMap
from syncer.sync.merge import Merge, merge
from syncer.sync.newcomers import create_persons
from syncer.sync.remote import OVERLAP, Reading, RemoteRecord, already_merged, parse, parse_stamp
from syncer.sync.state import PersonState
from syncer.sync.work import Work, next_sequence

#: Merging again a person that was edited meanwhile: tries before its record is left to the next cycle.
TRIES = 5
#: Record ids in one condition, so that a query stays well below SOQL's 100,000 characters.
IDS_A_QUERY = 500


@dataclass(frozen=True, slots=True)
class ChangeQuery:
    """What is asked for to receive an object's changes, and whether deleted records are asked for, too."""

    soql: str
    deleted: bool


def cursor_for(work: Work, sobject: str) -> SyncCursor:
    known = SyncCursor.objects.filter(sync_user=work.sync_user, object=sobject).first()
    return known or SyncCursor(sync_user=work.sync_user, object=sobject)


def change_query(fields: ObjectMap, cursor: SyncCursor, *, full: bool = False) -> ChangeQuery:
    """The query for what changed since the cursor; a read that was broken off goes on behind its last row.

    The first read leaves out what never becomes a person. Later ones ask for deleted and converted records, too; so
    does the first one for what changed since the first persons have had records.
    ``full``: everything, whenever it changed, from the beginning.
    """
    conditions = []
    first = cursor.read_to is None
    if cursor.resume_stamp is not None and not full:
        conditions.append(soql.changed_since(None, (cursor.resume_stamp, cursor.resume_id)))
    elif cursor.read_to is not None and not full:
        conditions.append(soql.changed_since(cursor.read_to - OVERLAP, None))
    known_since = _first_known(cursor) if first else None
    if first:
        alive = ["IsConverted = false"] if fields.object == "Lead" and "IsConverted" in fields.select else []
        if known_since is not None:
            alive.append("IsDeleted = false")
        changed = soql.changed_since(known_since - OVERLAP) if known_since else None
        conditions.append(soql.or_(soql.and_(*alive), changed))
    where = soql.and_(*conditions) or None
    text = soql.select(list(fields.select), fields.object, where=where, order_by=["SystemModstamp", "Id"])
    return ChangeQuery(text, deleted=not first or known_since is not None)


def _first_known(cursor: SyncCursor) -> datetime | None:
    """Since when records have persons here although their object was not read to the end yet: a read that was broken
    off has made some, and leads have been made for others."""
    intents = CreateIntent.objects.filter(person__sfdc_type="").aggregate(first=Min("asked_at"))
    links = SalesforceRecord.objects.filter(object=cursor.object).aggregate(first=Min("read_at"))
    return min((at for at in (cursor.reading_since, intents["first"], links["first"]) if at), default=None)


def receive(work: Work, sobject: str, first: Page, sequence: int) -> None:
    """Merge the pages of a read that has begun with ``first``, and move the cursor with each of them.

    All pages count as read when the first one was: which rows they hold was settled then, and perhaps their values.
    """
    cursor = cursor_for(work, sobject)
    if cursor.reading_since is None or work.full:
        cursor.reading_since = first.asked_at
    reading = Reading(sequence, first.asked_at)
    done = 0
    for page in pages(work, first):
        postponed = receive_records(work, sobject, page.records, reading)
        _move(work, cursor, page.records, postponed)
        done += len(page.records)
        runs.report(work, f"Receiving {sobject}s", done, max(done, page.total))
        if page.next_url:
            work.next_batch()
    cursor.read_to, cursor.reading_since = cursor.reading_since, None
    cursor.resume_stamp, cursor.resume_id = None, ""
    cursor.postponed = read_again(work, sobject, _not_read_yet(work, cursor, sequence))
    _store(work, cursor)
    if work.full:
        _ask_for_unseen(work, cursor, sequence)


def all_rows(work: Work, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of an answer to a query, its further pages included: wide records come in short pages."""
    rows, next_url = list(body["records"]), body.get("nextRecordsUrl")
    while next_url:
        page = work.org.query_more(next_url)
        rows += page.records
        next_url = page.next_url
    return rows


@contextmanager
def field_errors() -> Iterator[None]:
    """A query refused for one of its fields raises FieldsChanged: access was taken away, or the field is gone."""
    try:
        yield
    except Refused as error:
        if policy_for(error.code).action is Action.REFRESH_FIELDS:
            raise FieldsChanged from error
        raise


def pages(work: Work, first: Page) -> Iterator[Page]:
    page = first
    yield page
    while page.next_url:
        work.checkpoint()
        with field_errors():
            page = work.org.query_more(page.next_url)
        work.checkpoint()
        yield page


def _move(work: Work, cursor: SyncCursor, rows: Sequence[dict[str, Any]], postponed: Sequence[str]) -> None:
    """Store how far the read has come, and which records it had to leave."""
    if rows:
        cursor.resume_stamp, cursor.resume_id = parse_stamp(rows[-1]["SystemModstamp"]), rows[-1]["Id"]
    cursor.postponed = list(dict.fromkeys([*cursor.postponed, *postponed]))
    _store(work, cursor)


def _not_read_yet(work: Work, cursor: SyncCursor, sequence: int) -> list[str]:
    """The postponed records that this very read has not merged after all."""
    waiting = list(cursor.postponed)
    if work.plan is not None:
        moved = [pk for pk, person in work.plan.moved.items() if not work.plan.is_decided(person.id)]
        waiting += moved if cursor.object == "Contact" else []
    read = SalesforceRecord.objects.filter(
        organisation=work.organisation, record_id__in=waiting, weak_base=False, read_sequence=sequence
    )
    done = set(read.values_list("record_id", flat=True))
    return [record_id for record_id in waiting if record_id not in done]


def _store(work: Work, cursor: SyncCursor) -> None:
    if work.plan is None:
        work.store(cursor)


def read_again(work: Work, sobject: str, ids: Sequence[str]) -> list[str]:
    """Read records that could not be merged in their turn; gives those that still can't, for the next cycle."""
    left: list[str] = []
    for start in range(0, len(ids), IDS_A_QUERY):
        left += _take_by_id(work, sobject, ids[start : start + IDS_A_QUERY])[0]
    return left


def _take_by_id(work: Work, sobject: str, ids: Sequence[str]) -> tuple[list[str], int]:
    """Merge these records, and hide those that are not answered; gives the ids of those that can't be merged now, and
    how many were hidden."""
    rows, reading = ask_for(work, sobject, ids)
    left = receive_records(work, sobject, rows, reading)
    missing = set(ids) - {to_18(row["Id"]) for row in rows}
    if not missing:
        return left, 0
    return left, life.hide(work, reading, [p.id for p in state.by_record_ids(work.organisation, missing).values()])


def ask_for(work: Work, sobject: str, ids: Sequence[str]) -> tuple[list[dict[str, Any]], Reading]:
    """Read records by id, deleted ones included. What is not answered is not visible, or was deleted for good."""
    fields = work.maps[sobject]
    text = soql.select(list(fields.select), sobject, where=soql.in_("Id", list(ids)))
    work.checkpoint()
    sequence = next_sequence()
    with field_errors():
        first = work.org.query(text, deleted=True)
    work.checkpoint()
    rows = [row for page in pages(work, first) for row in page.records]  # wide records come in short pages
    return rows, Reading(sequence, first.asked_at)


def _ask_for_unseen(work: Work, cursor: SyncCursor, sequence: int) -> None:
    """After everything was read: the linked records that were not there are asked for by id, and those not answered
    are hidden. Persons that are hidden already cost nothing."""
    sobject = cursor.object
    after = hidden = 0
    links = SalesforceRecord.objects.filter(
        organisation=work.organisation,
        object=sobject,
        hidden_since__isnull=True,
        person__sfdc_is_deleted=False,
        read_sequence__lt=sequence,
    ).order_by("person_id")
    while batch := list(links.filter(person_id__gt=after).values_list("person_id", "record_id")[:IDS_A_QUERY]):
        after = batch[-1][0]
        unseen = [record_id for pk, record_id in batch if work.plan is None or pk not in work.plan.seen]
        if not unseen:
            continue
        left, found = _take_by_id(work, sobject, unseen)
        hidden += found
        cursor.postponed += left
        _store(work, cursor)
        work.next_batch()
    if hidden:
        work.note(f"{hidden} {sobject} records are no longer visible to the sync user.")


def receive_records(
    work: Work, sobject: str, rows: Sequence[dict[str, Any]], reading: Reading, *, by_value: bool = False
) -> list[str]:
    """Merge one page of records; gives the ids of those that could not be merged now and have to be read again.

    ``by_value``: also records whose stamp says that they were merged before.
    """
    fields = work.maps[sobject]
    work.received["unchanged"] += len(rows)
    records = [parse(fields, row) for row in (rows if by_value or work.full else _not_merged_yet(work, rows))]
    stale: list[str] = []
    for _ in range(TRIES):
        if not records:
            break
        records = _merge_once(work, fields, reading, records, stale)
    work.converting |= {record.contact_id for record in records if record.is_converted}
    return [*stale, *(record.id for record in records)]


def _not_merged_yet(work: Work, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows whose state was not merged before, recognised by id and stamp, without loading a person.

    When everything is re-checked the stamps are not trusted (``Work.full``): a formula changes without moving one.
    """
    links = {
        link["record_id"]: link
        for link in SalesforceRecord.objects.filter(
            organisation=work.organisation, record_id__in=[row["Id"] for row in rows], weak_base=False
        ).values("record_id", "system_modstamp", "read_at", "hidden_since", "person__sfdc_is_deleted")
    }
    fresh = []
    for row in rows:
        link = links.get(row["Id"])
        known = link is not None and link["hidden_since"] is None
        if link is not None and known and bool(row.get("IsDeleted")) == link["person__sfdc_is_deleted"]:
            stamp = parse_stamp(row["SystemModstamp"])
            if row.get("IsDeleted") or already_merged(link["system_modstamp"], link["read_at"], stamp):
                continue
        fresh.append(row)
    return fresh


def _merge_once(
    work: Work, fields: ObjectMap, reading: Reading, records: list[RemoteRecord], stale: list[str]
) -> list[RemoteRecord]:
    """Merge records with the persons as they are now; gives those whose person was busy or edited meanwhile.

    ``stale`` takes the ids of records that a newer request has read or sent.
    """
    linked = state.by_record_ids(work.organisation, [record.id for record in records])
    if work.plan is not None:
        linked = {r.id: work.plan.moved[r.id] for r in records if r.id in work.plan.moved} | linked
        work.plan.seen.update(person.id for person in linked.values() if work.full)
    again: list[RemoteRecord] = []
    gone = [(linked[r.id], r) for r in records if r.gone and r.id in linked]
    if gone:
        gone, again = _last_values(work, fields, reading, gone)
        again += life.follow(work, reading, gone)
    strangers = [r for r in records if r.id not in linked]
    if early := {r.id for r in strangers if r.id in work.converting}:
        stale += early  # it gets no person of its own: the lead's person becomes it when it is free
        strangers = [r for r in strangers if r.id not in early]
        records = [r for r in records if r.id not in early]
    matches = matching.match(work, strangers) if strangers else {}
    if asked_more := _asked_more(work, matches):
        stale += asked_more
        records = [r for r in records if r.id not in asked_more]
    if work.plan is None:
        work.gone += [became for r in strangers if r.id not in matches and (became := r.became())]
    records = [r for r in records if not r.gone or r.id in matches]
    unmatched = [r for r in records if r.id not in linked and r.id not in matches]
    hidden = matching.buried(work, unmatched) if unmatched else set()

    merged: list[Merged] = []
    for record in records:
        if (person := linked.get(record.id)) is not None:
            merged.append(merge_with(work, fields, person, record))
        elif (match := matches.get(record.id)) is not None:
            merged.append(merge_with(work, fields, match.person, record, link_reason=match.reason))

    applied = apply(work, fields, reading, [m for m in merged if not _is_known(m)])
    if work.full:
        _mark_seen(work, reading, [m.person for m in merged if _is_known(m)])
    again += [m.remote for m in applied.again]
    if work.plan is None:  # a lead of ours that is converted or deleted already: followed now that it has its person
        again += [m.remote for m in applied.written if m.remote.gone]
    stale += [m.remote.id for m in applied.stale]
    created, busy = create_persons(work, fields, reading, [r for r in unmatched if r.id not in hidden])
    again += busy
    work.received["updated"] += len(applied.changed)
    work.received["created"] += created
    work.received["unchanged"] -= len(applied.changed) + created
    return again


def _asked_more(work: Work, matches: Mapping[str, matching.Match]) -> set[str]:
    """Leads of lost answers whose persons are to become members of a campaign: the repetition of the create, at the
    end of the cycle, links them and does the rest, too."""
    if not work.sending or work.plan is not None:
        return set()
    return {
        record_id
        for record_id, match in matches.items()
        if match.made and match.person.sent_to_create is not None and match.person.asked.get("campaign")
    }


def merge_with(
    work: Work,
    fields: ObjectMap,
    person: PersonState,
    record: RemoteRecord,
    *,
    link_reason: str = "",
    filling: bool = False,
    sending: bool | None = None,
) -> Merged:
    """Decide every field of a record and its person. A value here that can't be sent takes no part: it waits.

    ``filling``: ``fields`` are new ones that were read for all records; that only receives. ``sending``: decide as if
    something could, or could not, be sent now.
    """
    here, bad = fields.here(person.values)
    if filling:
        # A value of an earlier type of the field: like any other that was never agreed on, it makes room and is logged.
        here |= {name: str(error.value) for name, error in bad.items()}
        bad = {}
    link = person.link
    decided: Merge = merge(
        [rule for rule in fields.rules if rule.field not in bad],
        link.base if link else matching.base_of_create(person, record, here),
        here,
        record.values,
        weak=link is not None and (link.weak_base or link.record_id != record.id),
        sending=work.sending if sending is None else sending,
        first_contact_sends=not filling,
    )
    waits = bool(bad) or decided.waits
    return Merged(person, record, decided, link_reason=link_reason, keeps_waiting=waits, partial=filling)


def _last_values(
    work: Work, fields: ObjectMap, reading: Reading, gone: Sequence[life.Pair]
) -> tuple[list[life.Pair], list[RemoteRecord]]:
    """Merge what was last entered on converted leads, before their persons become contacts: a conversion copies only
    some fields. Gives the pairs as they are then, and the records whose person was busy.

    Nothing is ever sent to the lead again. So a conflict is decided and logged now, also while nothing is sent: its
    value would be on no record that is read later. A dry run tells only what is sent.
    """
    sending = work.sending or work.plan is None
    pairs = {r.id: (p, r) for p, r in gone}
    converted = [
        merge_with(work, fields, p, r, sending=sending)
        for p, r in gone
        if r.is_converted and not r.is_deleted and p.link and p.link.object == r.object and not p.link.weak_base
    ]
    if not converted:
        return list(gone), []
    applied = apply(work, fields, reading, converted)
    if work.plan is not None:
        after = {m.person.id: _as_merged(fields, m) for m in applied.written}
    else:
        after = state.by_ids(m.person.id for m in applied.written)
    busy = [m.remote for m in (*applied.again, *applied.stale)]
    for m in applied.written:
        pairs[m.remote.id] = (after[m.person.id], m.remote)
    for record in busy:
        pairs.pop(record.id)
    return list(pairs.values()), busy


def _as_merged(fields: ObjectMap, m: Merged) -> PersonState:
    """The person as a run would leave it, for a dry run to go on with."""
    columns = received_columns(m.person.values, fields, m.merge.received)
    link = replace(m.person.link, base=m.merge.base_after_reading(m.person.link.base)) if m.person.link else None
    return replace(m.person, values={**m.person.values, **columns}, link=link)


def _is_known(m: Merged) -> bool:
    """The very state that was merged last, read again because it was too fresh then: nothing to write."""
    link = m.person.link
    return (
        link is not None
        and not link.weak_base
        and link.hidden_since is None
        and link.record_id == m.remote.id
        and link.system_modstamp == m.remote.stamp
        and not m.person.sfdc_is_deleted
        and not m.merge.received
        # What is to be sent waits already, or was refused and waits for a change: this is none.
        and bool(m.merge.to_send or m.keeps_waiting) == bool(m.person.pending)
        and m.merge.base_after_reading(link.base) == link.base
        and (link.owner_id, link.owner_name, link.owner_email, link.account_id)
        == (m.remote.owner_id, m.remote.owner_name, m.remote.owner_email, m.remote.account_id)
    )


def _mark_seen(work: Work, reading: Reading, persons: Sequence[PersonState]) -> None:
    """What a complete read found as it was: it is there, and was compared."""
    if work.plan is not None or not persons:
        return
    with transaction.atomic():
        work.fence()
        free = lock(work, {person.id: person.revision for person in persons})
        SalesforceRecord.objects.filter(person_id__in=free, read_sequence__lt=reading.sequence).update(
            read_sequence=reading.sequence, read_at=reading.asked_at, agreed_at=work.now()
        )
