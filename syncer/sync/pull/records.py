"""A page of records: sorted by what each one is (``identity.decide``), then acted on.

Records of linked persons are merged with them; those that are gone are followed; those that nobody knows make persons.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from syncer.models import SalesforceRecord
from syncer.sync.context import Context
from syncer.sync.errors import ManyAtFault
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.identity.candidates import persons_for
from syncer.sync.identity.decide import Sorted, base_of_create, sort_page
from syncer.sync.merge import Merge, Outcome, merge, same
from syncer.sync.persons.merged import Merged, Pair
from syncer.sync.persons.person_state import Link, PersonState
from syncer.sync.persons.record import BadRecord, Reading, RemoteRecord, Unsettled, already_merged, parse_all, stamp_of
from syncer.sync.pull.rest_of_rows import complete
from syncer.sync.store import at_fault
from syncer.sync.store.locking import retry_busy
from syncer.sync.store.value_errors import in_halves


@dataclass(slots=True)
class Taken:
    """What came of a page: how many persons got values, how many were made, and the records to be looked at again, at
    once or (by id) when they were read again."""

    updated: int = 0
    created: int = 0
    again: list[RemoteRecord] = field(default_factory=list)
    later: list[str] = field(default_factory=list)


#: Records of one page that may be at fault each by itself.
MOST_AT_FAULT = 20


@dataclass(slots=True)
class Left:
    """What could not be merged of a page: ``later``, the ids of records that have to be read again; and those that were
    set aside, each because of itself, with the reason."""

    later: list[str] = field(default_factory=list)
    at_fault: dict[str, str] = field(default_factory=dict)

    def take(self, sobject: str, bad: Iterable[BadRecord]) -> None:
        """Rows that are no records."""
        for row in bad:
            if isinstance(row, Unsettled):
                self.later.append(row.record_id)
            else:
                self.blame(sobject, row.record_id, row)

    def blame(self, sobject: str, record_id: str, error: Exception) -> None:
        """A record is at fault. Raises ManyAtFault when there are so many that it is not the records."""
        self.at_fault[record_id] = reason = what_is_wrong(error)
        if len(self.at_fault) > MOST_AT_FAULT:
            raise ManyAtFault(sobject, MOST_AT_FAULT, reason)


def receive_records(
    context: Context, sobject: str, rows: Sequence[dict[str, Any]], reading: Reading, *, by_value: bool = False
) -> Left:
    """Merge one page of records. Return what was left of it; what is at fault is set aside already.

    ``by_value``: also records whose stamp says that they were merged before. Raises ManyAtFault.
    """
    fields = context.maps[sobject]
    fresh = rows if by_value or context.full else _not_merged_yet(context, rows)
    left = Left()
    context.received["unchanged"] += len(rows)

    def take(records: Sequence[RemoteRecord]) -> list[RemoteRecord]:
        taken = _take(context, fields, reading, records)
        context.count_received(updated=taken.updated, created=taken.created)
        left.later.extend(taken.later)
        return taken.again

    def blame(record: RemoteRecord, error: Exception) -> None:
        left.blame(sobject, record.id, error)

    records, bad = parse_all(fields, complete(context, fields, fresh))
    left.take(sobject, bad)
    busy = retry_busy(records, lambda some, attempt: in_halves(some, take, blame))
    context.converting |= {record.contact_id for record in busy if record.is_converted}
    left.later += [record.id for record in busy]
    _settle_aside(context, sobject, rows, left)
    return left


def what_is_wrong(error: Exception) -> str:
    """Why a record can't be taken in, as a sentence."""
    if isinstance(error, BadRecord):
        return f"It {error}."
    first_line = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return f"A value of it can't be stored ({type(error).__name__}: {first_line})."


def _settle_aside(context: Context, sobject: str, rows: Sequence[dict[str, Any]], left: Left) -> None:
    """Keep what is at fault, and forget that about records that are not any more."""
    if left.at_fault:
        context.store.set_aside(context, sobject, left.at_fault)
    waiting = at_fault.known(context, sobject) if rows else frozenset()
    if mended := waiting & {row["Id"] for row in rows} - left.at_fault.keys() - set(left.later):
        context.store.taken_in(context, sobject, mended)


def _not_merged_yet(context: Context, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows whose state was not merged before, recognised by id and stamp, without loading a person.

    When everything is re-checked the stamps are not trusted (``Context.full``): a formula changes without moving one.
    """
    links = {
        link["record_id"]: link
        for link in SalesforceRecord.objects.filter(
            organisation=context.organisation,
            record_id__in=[row["Id"] for row in rows],
            weak_base=False,
            undecided__isnull=True,
        ).values("record_id", "system_modstamp", "read_at", "hidden_since", "person__sfdc_is_deleted")
    }
    fresh = []
    for row in rows:
        link = links.get(row["Id"])
        known = link is not None and link["hidden_since"] is None
        # A lead that was converted and is still somebody's record has not been followed, whatever was merged of it.
        follow = bool(row.get("IsConverted"))
        if link is not None and known and not follow and bool(row.get("IsDeleted")) == link["person__sfdc_is_deleted"]:
            stamp = stamp_of(row)
            if stamp is not None and (
                row.get("IsDeleted") or already_merged(link["system_modstamp"], link["read_at"], stamp)
            ):
                continue
        fresh.append(row)
    return fresh


def _take(context: Context, fields: ObjectMap, reading: Reading, records: Sequence[RemoteRecord]) -> Taken:
    """Sort records by what they are to the persons as they are now, and act on each kind."""
    page = sort_page(
        records,
        persons_for(context, records, reading),
        user_id=context.sync_user.user_id,
        converting=context.converting,
        creates_follow=context.may_send,
    )
    taken = Taken(again=list(page.unsettled), later=list(page.later))
    _follow(context, fields, reading, page.deleted_or_converted, taken)
    context.store.became(page.became)
    context.store.bury(context, reading, page.buried)
    _merge(context, fields, reading, page, taken)
    context.store.wait_for_somebody(context, page.questions)
    made, busy = context.store.new_persons(context, fields, reading, page.new)
    taken.created += made
    taken.again += busy
    return taken


def _merge(context: Context, fields: ObjectMap, reading: Reading, page: Sorted, taken: Taken) -> None:
    """Records of linked persons, and of those who are linked now."""
    merged = [merge_with(context, fields, person, record) for person, record in page.linked]
    merged += [merge_with(context, fields, m.person, m.record, link_reason=m.reason) for m in page.matched]
    applied = context.store.apply(context, fields, reading, [m for m in merged if not m.is_known])
    if context.full:
        context.store.mark_compared(context, reading, [m.person for m in merged if m.is_known])
    taken.updated += len(applied.changed)
    taken.again += [m.record for m in applied.again]
    # A lead of ours that is converted or deleted already is followed now that it has its person.
    taken.again += [m.record for m in applied.written if m.record.gone]
    taken.later += [m.record.id for m in applied.stale]


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
    person, found_sent = _as_if_answered(fields, person, record)
    link = person.link
    if link is not None:
        record = _with_known_owner(record, link)
    moved = _moved_out_of_sight(record, link)
    decided: Merge = merge(
        [rule for rule in fields.rules if rule.field not in bad],
        link.base if link else base_of_create(person, record, here),
        here,
        {**record.values, **dict.fromkeys(moved)},
        weak=link is not None and (link.weak_base or link.record_id != record.id),
        sending=context.may_send if sending is None else sending,
        first_contact_sends=not filling,
    )
    if moved:
        decided = _no_longer_theirs(decided, moved)
    waits = bool(bad) or decided.waits
    return Merged(
        person,
        record,
        decided,
        link_reason=link_reason,
        keeps_waiting=waits,
        partial=filling,
        found_sent=found_sent,
    )


def _as_if_answered(fields: ObjectMap, person: PersonState, record: RemoteRecord) -> tuple[PersonState, frozenset[str]]:
    """What was sent before without an answer, and is there now, is ours: it was agreed on by that, so that an edit made
    here since stands against no edit there. Return the person so, and these fields."""
    link = person.link
    if link is None or link.weak_base or link.record_id != record.id or not person.in_doubt:
        return person, frozenset()
    there = {
        rule.field: record.values[rule.field]
        for rule in fields.rules
        if rule.field in person.in_doubt
        and rule.field in record.values
        and same(rule, record.values[rule.field], person.in_doubt[rule.field])
        and not same(rule, record.values[rule.field], link.base.get(rule.field))
    }
    return replace(person, link=replace(link, base={**link.base, **there})), frozenset(there)


def _with_known_owner(record: RemoteRecord, link: Link) -> RemoteRecord:
    """What was known of an owner whom the sync user can't see any more."""
    if not record.owner_is_hidden or record.owner_id != link.owner_id:
        return record
    return replace(record, owner_name=link.owner_name, owner_email=link.owner_email)


def _moved_out_of_sight(record: RemoteRecord, link: Link | None) -> frozenset[str]:
    """The fields that are read from another account than before, which the sync user can't see. While it is the same
    account, what was read of it stands; of another one, nothing that stands here is known."""
    moved = link is not None and link.object == record.object and link.account_id not in ("", record.account_id)
    return record.out_of_sight if moved else frozenset()


def _no_longer_theirs(decided: Merge, moved: Collection[str]) -> Merge:
    """The old values are another account's: they go to the log, and nothing is agreed until the new ones are seen."""
    why = "It belongs to another account now, which the sync user can't see."
    return Merge(
        tuple(
            replace(d, reason=why, forget_base=True) if d.field in moved and d.outcome is not Outcome.LEAVE else d
            for d in decided.decisions
        )
    )


def _follow(context: Context, fields: ObjectMap, reading: Reading, pairs: Sequence[Pair], taken: Taken) -> None:
    """Records that were deleted, merged away or converted: what was last entered on them, then what they became."""
    if not pairs:
        return
    remaining = _last_values(context, fields, reading, pairs, taken)
    taken.again += context.store.follow(context, reading, remaining)


def _last_values(
    context: Context, fields: ObjectMap, reading: Reading, pairs: Sequence[Pair], taken: Taken
) -> list[Pair]:
    """Merge what was last entered on records that are gone, before their persons go on without them: a conversion
    copies only some fields, a merge those that somebody chose. Return the pairs as they are then, without those whose
    person was busy.

    Nothing is ever sent to such a record again. So a conflict is decided and logged now, also while nothing is sent:
    its value would be on no record that is read later.
    """
    last = [
        merge_with(context, fields, p, r, sending=True)
        for p, r in pairs
        if p.link and p.link.object == r.object and not p.link.weak_base and not (p.sfdc_is_deleted and r.is_deleted)
    ]
    if not last:
        return list(pairs)
    applied = context.store.apply(context, fields, reading, last)
    after = context.store.as_applied(context, fields, applied.written)
    busy = [m.record for m in (*applied.again, *applied.stale)]
    taken.again += busy
    now = {m.record.id: after[m.person.id] for m in applied.written}
    left_out = {record.id for record in busy}
    return [(now.get(record.id, person), record) for person, record in pairs if record.id not in left_out]
