"""Updates that were refused because the record is not what it was: one reading finds out, and no error is left over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncer.salesforce.errors import Recovery
from syncer.salesforce.rows import RowError
from syncer.sync.connection.pages import IDS_A_QUERY
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.outcomes import Code, PersonOutcome, Result, outcome
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.pull import records, visibility
from syncer.sync.push.after_update import record
from syncer.sync.push.failures import needs_fresh_fields, recovery
from syncer.sync.push.sending import Sent
from syncer.sync.store import outbox
from syncer.sync.store.locking import lock_as_they_are
from syncer.sync.store.transactions import repeated, write_transaction


def may_be_gone(context: Context, errors: Sequence[RowError], unseen: bool) -> bool:
    """Refused because the record is not what it was, or refused and not shown by the reading before (``unseen``)."""
    if needs_fresh_fields(context, errors):
        return False
    return bool(errors) and (unseen or any(recovery(context, error) is Recovery.GONE for error in errors))


def find_out(context: Context, fields: ObjectMap, missing: Sequence[Sent]) -> dict[int, PersonOutcome]:
    """Read the records of refused updates by id: what was deleted, merged or converted is followed, what is not
    answered is hidden. Only where the record is plainly there the refusal stands."""
    if not missing:
        return {}
    by_record = {s.sending.person.link.record_id: s for s in missing if s.sending.person.link}
    rows: list[dict[str, Any]] = []
    ids = list(by_record)
    for start in range(0, len(ids), IDS_A_QUERY):
        part = ids[start : start + IDS_A_QUERY]
        found, reading = visibility.ask_for(context, fields.object, part)
        records.receive_records(context, fields.object, found, reading, by_value=True)
        answered = {row["Id"] for row in found}
        if not found.nameless:  # otherwise it may be any of those that are missing
            visibility.hide(context, reading, [by_record[i].sending.person.id for i in part if i not in answered])
        rows += found
    alive = {row["Id"] for row in rows if not row.get("IsDeleted") and not row.get("IsConverted")}
    after = person_state.by_ids(s.sending.person.id for s in missing)
    _go_on(context, [s.sending.person.id for i, s in by_record.items() if i not in alive])
    outcomes = {s.sending.person.id: _fate(s, after) for i, s in by_record.items() if i not in alive}
    standing = [
        replace(s, sending=replace(s.sending, person=after[s.sending.person.id]))
        for i, s in by_record.items()
        if i in alive and s.sending.person.id in after
    ]
    return outcomes | record(context, fields, context.no_reading(), standing)


@repeated
def _go_on(context: Context, person_ids: Iterable[int]) -> None:
    """Whoever is busy is sent by the next cycle, as after a lost answer."""
    with write_transaction(context):
        outbox.go_on(lock_as_they_are(context, person_ids))


def _fate(s: Sent, after: Mapping[int, PersonState]) -> PersonOutcome:
    """What has become of a person whose record is not what it was."""
    before = s.sending.person
    now = after.get(before.id)
    where = f"{before.sfdc_type} {before.sfdc_id}"
    if now is None:
        return outcome(before, Result.REFUSED, f"{where} was merged into another record, and so was this person.")
    if now.sfdc_is_deleted:
        message = f"{where} was deleted in Salesforce. Changes stay here only."
        return outcome(now, Result.NEEDS_DECISION, message, Code.DELETED_IN_SFDC)
    if now.link is not None and now.link.hidden_since is not None:
        message = f"{where} is no longer visible to the sync user. Nothing was changed."
        return outcome(now, Result.REFUSED, message, Code.NOT_VISIBLE)
    message = f"{where} has just become another record in Salesforce; the next cycle goes on with that one."
    return outcome(now, Result.BUSY, message, Code.BUSY)
