"""The ids that persons had in Salesforce before (``FormerId``): every write of that table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from syncer.models import FormerId, SalesforceRecord
from syncer.sync.context import Context, next_sequence
from syncer.sync.persons.record import Became
from syncer.sync.store import bulk_sql
from syncer.sync.store.locking import PATIENT_TRIES, lock_as_they_are, retry_busy
from syncer.sync.store.transactions import repeated, write_transaction


@dataclass(frozen=True, slots=True)
class FormerRow:
    """An id that still finds a person, and why it is not the person's record any more."""

    person_id: int
    object: str
    record_id: str
    reason: str
    organisation: str = ""  # empty: the connection's


def write(context: Context, rows: Iterable[FormerRow], sequence: int) -> None:
    """Keep ids that persons have just lost. ``sequence``: a place that was taken for it, before this transaction; what
    was asked for before may show such a record as it was."""
    newer = bulk_sql.greatest(f"{FormerId._meta.db_table}.read_sequence", "excluded.read_sequence")
    _insert(
        context,
        rows,
        "(organisation, object, record_id) DO UPDATE SET person_id = excluded.person_id, reason = excluded.reason, "
        f"since = excluded.since, read_sequence = {newer}",
        sequence,
    )


def move(loser_id: int, winner_id: int) -> None:
    """Two persons were merged: the ids of the one find the other."""
    FormerId.objects.filter(person_id=loser_id).update(person_id=winner_id)


def remove(context: Context, record_ids: Sequence[str]) -> None:
    """They are persons' records again, as after an undelete, and find these from now on."""
    if record_ids:
        FormerId.objects.filter(organisation=context.organisation, record_id__in=record_ids).delete()


def remove_rows(row_ids: Iterable[int]) -> None:
    """These are persons' records."""
    FormerId.objects.filter(pk__in=list(row_ids)).delete()


def learn(context: Context, gone: Iterable[Became]) -> list[Became]:
    """Keep ids for those whose survivor is a person's record, or was one; of the others nobody here is to be found.
    Return those whose person was busy."""
    busy: list[Became] = []
    remaining = list({one.id: one for one in gone}.values())
    sequence = next_sequence() if remaining else 0
    while remaining:  # a chain of merges is followed as far as it is known
        owners = _owners(context, {one.survivor for one in remaining})
        found = [one for one in remaining if one.survivor in owners]
        if not found:
            break
        keep = partial(_keep, context, owners, sequence)
        busy += retry_busy(found, keep, tries=PATIENT_TRIES, pause=context.pause)
        remaining = [one for one in remaining if one.survivor not in owners]
    return busy


@repeated
def _keep(
    context: Context, owners: Mapping[str, int], sequence: int, found: Sequence[Became], attempt: int
) -> list[Became]:
    """Return those whose person is busy, or was deleted meanwhile."""
    with write_transaction(context):
        free = lock_as_they_are(context, {owners[one.survivor] for one in found})
        rows = [
            FormerRow(owners[one.survivor], one.object, one.id, one.reason)
            for one in found
            if owners[one.survivor] in free
        ]
        _insert(context, rows, "(organisation, object, record_id) DO NOTHING", sequence)
    return [one for one in found if owners[one.survivor] not in free]


def _owners(context: Context, record_ids: Iterable[str]) -> dict[str, int]:
    """Whose these records are or, where they are nobody's any more, were."""
    here = {"organisation": context.organisation, "record_id__in": list(record_ids)}
    were = FormerId.objects.filter(**here).values_list("record_id", "person_id")
    are = SalesforceRecord.objects.filter(**here).values_list("record_id", "person_id")
    return dict(were) | dict(are)


def _insert(context: Context, rows: Iterable[FormerRow], conflict: str, sequence: int) -> None:
    now = context.now()
    bulk_sql.insert(
        FormerId,
        ["person_id", "organisation", "object", "record_id", "reason", "since", "read_sequence"],
        [
            [
                row.person_id,
                row.organisation or context.organisation,
                row.object,
                row.record_id,
                row.reason[:40],
                now,
                sequence,
            ]
            for row in rows
        ],
        conflict=conflict,
    )
