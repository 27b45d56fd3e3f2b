"""Records that could not be taken in (``RecordAtFault``): every write of that table.

Only by a row here may a read pass a record that it could not take in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet

from syncer.models import ActivityType, RecordAtFault, SalesforceRecord
from syncer.salesforce.errors import one_line
from syncer.sync.context import Context
from syncer.sync.outcomes import Code
from syncer.sync.persons.record import Gap
from syncer.sync.store.activity import Journal

#: Before the second look; each further one is twice as far, up to LONGEST_WAIT. The first is the next cycle's.
FIRST_WAIT, LONGEST_WAIT = timedelta(hours=1), timedelta(hours=24)
#: Rows that one cycle looks at again, of each object.
LOOKS_A_CYCLE = 200


def set_aside(context: Context, sobject: str, reasons: Mapping[str, str]) -> None:
    """Keep records (id → why they can't be taken in), or that another look has found them so. What is new of a linked
    person is logged."""
    links = SalesforceRecord.objects.filter(organisation=context.organisation)
    journal = Journal(context)
    with transaction.atomic():
        context.fence()
        new = _add(context, sobject, reasons)
        linked = links.filter(record_id__in=new).values_list("record_id", "person_id")
        for record_id, person_id in linked:
            journal.entry(
                person_id,
                f"Person {person_id}",
                ActivityType.SYNC_FAILED,
                f"{sobject} {record_id} could not be taken in: {reasons[record_id]} It is looked at again.",
                code=Code.RECORD_AT_FAULT,
                detail={"id": record_id, "object": sobject, "source": "Salesforce"},
            )
        journal.write()


def _add(context: Context, sobject: str, reasons: Mapping[str, str]) -> set[str]:
    """Write the rows. Return the ids of those that are new."""
    known = {row.record_id: row for row in _rows(context, sobject).filter(record_id__in=list(reasons))}
    for record_id, row in known.items():
        _look_later(context, row, reasons[record_id])
    new = [
        RecordAtFault(
            sync_user=context.sync_user,
            object=sobject,
            record_id=record_id,
            reason=_kept(reason),
            since=context.now(),
            next_look=context.now(),
        )
        for record_id, reason in reasons.items()
        if record_id not in known
    ]
    RecordAtFault.objects.bulk_create(new)
    return {row.record_id for row in new}


def add_gap(context: Context, sobject: str, gap: Gap) -> None:
    """Keep where a row without a readable Id stood. A known gap that lies around it, or in it, is the same."""
    with transaction.atomic():
        context.fence()
        for row in _rows(context, sobject).filter(record_id=""):
            if _contains(row, gap) or _contains(gap, row):
                _look_later(context, row, row.reason)
                return
        RecordAtFault.objects.create(
            sync_user=context.sync_user,
            object=sobject,
            after=gap.after,
            until=gap.until,
            reason="It came without a readable Id.",
            since=context.now(),
            next_look=context.now(),
        )


def remove(context: Context, sobject: str, record_ids: Iterable[str]) -> None:
    """They were taken in, or are not there any more."""
    with transaction.atomic():
        context.fence()
        _rows(context, sobject).exclude(record_id="").filter(record_id__in=list(record_ids)).delete()


def look_later(context: Context, gap: RecordAtFault) -> None:
    """There is a row without an Id in it still."""
    with transaction.atomic():
        context.fence()
        _look_later(context, gap, gap.reason)


def close(context: Context, gap: RecordAtFault) -> None:
    """All of its rows have come with an Id."""
    with transaction.atomic():
        context.fence()
        RecordAtFault.objects.filter(pk=gap.pk).delete()


def known(context: Context, sobject: str) -> frozenset[str]:
    """The ids of all records of an object that wait here."""
    return frozenset(_rows(context, sobject).exclude(record_id="").values_list("record_id", flat=True))


def due(context: Context, sobject: str) -> Sequence[RecordAtFault]:
    """What is to be looked at again now. A moment further away than any wait is none: some clock was wrong."""
    now = context.now()
    rows = _rows(context, sobject).exclude(next_look__gt=now, next_look__lt=now + 2 * LONGEST_WAIT)
    return list(rows.order_by("next_look", "pk")[:LOOKS_A_CYCLE])


def count(context: Context, sobject: str) -> int:
    return _rows(context, sobject).count()


def _rows(context: Context, sobject: str) -> QuerySet[RecordAtFault]:
    return RecordAtFault.objects.filter(sync_user=context.sync_user, object=sobject)


def _look_later(context: Context, row: RecordAtFault, reason: str) -> None:
    wait = min(FIRST_WAIT * 2 ** min(row.looks, 10), LONGEST_WAIT)
    row.looks, row.reason, row.next_look = row.looks + 1, _kept(reason), context.now() + wait
    row.save(update_fields=["looks", "reason", "next_look"])


def _contains(outer: Gap | RecordAtFault, inner: Gap | RecordAtFault) -> bool:
    begins = outer.after is None or (inner.after is not None and outer.after <= inner.after)
    ends = outer.until is None or (inner.until is not None and inner.until <= outer.until)
    return begins and ends


def _kept(reason: str) -> str:
    return one_line(reason)[:500]
