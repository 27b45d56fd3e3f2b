"""A page of records: merged with its persons, followed where records are gone, made persons where nobody knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction

from syncer.models import SalesforceRecord
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.identity import candidates
from syncer.sync.merge import Merge, merge
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading, RemoteRecord, already_merged, parse, parse_stamp
from syncer.sync.pull import lifecycle
from syncer.sync.pull.new_persons import create_persons
from syncer.sync.pull.write import Merged, apply, received_columns
from syncer.sync.store.locking import lock

#: Merging again a person that was edited meanwhile: tries before its record is left to the next cycle.
TRIES = 5


def receive_records(
    context: Context, sobject: str, rows: Sequence[dict[str, Any]], reading: Reading, *, by_value: bool = False
) -> list[str]:
    """Merge one page of records; gives the ids of those that could not be merged now and have to be read again.

    ``by_value``: also records whose stamp says that they were merged before.
    """
    fields = context.maps[sobject]
    context.received["unchanged"] += len(rows)
    records = [parse(fields, row) for row in (rows if by_value or context.full else _not_merged_yet(context, rows))]
    stale: list[str] = []
    for _ in range(TRIES):
        if not records:
            break
        records = _merge_once(context, fields, reading, records, stale)
    context.converting |= {record.contact_id for record in records if record.is_converted}
    return [*stale, *(record.id for record in records)]


def _not_merged_yet(context: Context, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows whose state was not merged before, recognised by id and stamp, without loading a person.

    When everything is re-checked the stamps are not trusted (``Context.full``): a formula changes without moving one.
    """
    links = {
        link["record_id"]: link
        for link in SalesforceRecord.objects.filter(
            organisation=context.organisation, record_id__in=[row["Id"] for row in rows], weak_base=False
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
    context: Context, fields: ObjectMap, reading: Reading, records: list[RemoteRecord], stale: list[str]
) -> list[RemoteRecord]:
    """Merge records with the persons as they are now; gives those whose person was busy or edited meanwhile.

    ``stale`` takes the ids of records that a newer request has read or sent.
    """
    linked = person_state.by_record_ids(context.organisation, [record.id for record in records])
    if context.plan is not None:
        linked = {r.id: context.plan.moved[r.id] for r in records if r.id in context.plan.moved} | linked
        context.plan.seen.update(person.id for person in linked.values() if context.full)
    again: list[RemoteRecord] = []
    gone = [(linked[r.id], r) for r in records if r.gone and r.id in linked]
    if gone:
        gone, again = _last_values(context, fields, reading, gone)
        again += lifecycle.follow(context, reading, gone)
    strangers = [r for r in records if r.id not in linked]
    if early := {r.id for r in strangers if r.id in context.converting}:
        stale += early  # it gets no person of its own: the lead's person becomes it when it is free
        strangers = [r for r in strangers if r.id not in early]
        records = [r for r in records if r.id not in early]
    matches = candidates.match(context, strangers) if strangers else {}
    if asked_more := _asked_more(context, matches):
        stale += asked_more
        records = [r for r in records if r.id not in asked_more]
    if context.plan is None:
        context.gone += [became for r in strangers if r.id not in matches and (became := r.became())]
    records = [r for r in records if not r.gone or r.id in matches]
    unmatched = [r for r in records if r.id not in linked and r.id not in matches]
    hidden = candidates.buried(context, unmatched) if unmatched else set()

    merged: list[Merged] = []
    for record in records:
        if (person := linked.get(record.id)) is not None:
            merged.append(merge_with(context, fields, person, record))
        elif (match := matches.get(record.id)) is not None:
            merged.append(merge_with(context, fields, match.person, record, link_reason=match.reason))

    applied = apply(context, fields, reading, [m for m in merged if not _is_known(m)])
    if context.full:
        _mark_seen(context, reading, [m.person for m in merged if _is_known(m)])
    again += [m.remote for m in applied.again]
    if context.plan is None:  # a lead of ours that is converted or deleted already: followed now that it has its person
        again += [m.remote for m in applied.written if m.remote.gone]
    stale += [m.remote.id for m in applied.stale]
    created, busy = create_persons(context, fields, reading, [r for r in unmatched if r.id not in hidden])
    again += busy
    context.received["updated"] += len(applied.changed)
    context.received["created"] += created
    context.received["unchanged"] -= len(applied.changed) + created
    return again


def _asked_more(context: Context, matches: Mapping[str, candidates.Match]) -> set[str]:
    """Leads of lost answers whose persons are to become members of a campaign: the repetition of the create, at the
    end of the cycle, links them and does the rest, too."""
    if not context.sending or context.plan is not None:
        return set()
    return {
        record_id
        for record_id, match in matches.items()
        if match.made and match.person.sent_to_create is not None and match.person.asked.get("campaign")
    }


def merge_with(
    context: Context,
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
        link.base if link else candidates.base_of_create(person, record, here),
        here,
        record.values,
        weak=link is not None and (link.weak_base or link.record_id != record.id),
        sending=context.sending if sending is None else sending,
        first_contact_sends=not filling,
    )
    waits = bool(bad) or decided.waits
    return Merged(person, record, decided, link_reason=link_reason, keeps_waiting=waits, partial=filling)


def _last_values(
    context: Context, fields: ObjectMap, reading: Reading, gone: Sequence[lifecycle.Pair]
) -> tuple[list[lifecycle.Pair], list[RemoteRecord]]:
    """Merge what was last entered on converted leads, before their persons become contacts: a conversion copies only
    some fields. Gives the pairs as they are then, and the records whose person was busy.

    Nothing is ever sent to the lead again. So a conflict is decided and logged now, also while nothing is sent: its
    value would be on no record that is read later. A dry run tells only what is sent.
    """
    sending = context.sending or context.plan is None
    pairs = {r.id: (p, r) for p, r in gone}
    converted = [
        merge_with(context, fields, p, r, sending=sending)
        for p, r in gone
        if r.is_converted and not r.is_deleted and p.link and p.link.object == r.object and not p.link.weak_base
    ]
    if not converted:
        return list(gone), []
    applied = apply(context, fields, reading, converted)
    if context.plan is not None:
        after = {m.person.id: _as_merged(fields, m) for m in applied.written}
    else:
        after = person_state.by_ids(m.person.id for m in applied.written)
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


def _mark_seen(context: Context, reading: Reading, persons: Sequence[PersonState]) -> None:
    """What a complete read found as it was: it is there, and was compared."""
    if context.plan is not None or not persons:
        return
    with transaction.atomic():
        context.fence()
        free = lock(context, {person.id: person.revision for person in persons})
        SalesforceRecord.objects.filter(person_id__in=free, read_sequence__lt=reading.sequence).update(
            read_sequence=reading.sequence, read_at=reading.asked_at, agreed_at=context.now()
        )
