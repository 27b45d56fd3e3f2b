"""Fills fields that became visible or mapped for all existing records, without anyone asking. It only receives."""

from __future__ import annotations

from collections.abc import Sequence

from syncer.models import Backfill, SalesforceRecord
from syncer.salesforce import soql
from syncer.salesforce.client import Page
from syncer.sync.connection import runs
from syncer.sync.connection.pages import field_errors, pages
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.persons.record import Reading, RemoteRecord, parse_all
from syncer.sync.pull.records import Left, merge_with
from syncer.sync.pull.rest_of_rows import complete
from syncer.sync.store.locking import retry_busy
from syncer.sync.store.value_errors import in_halves

#: Records that are read again because rows of a backfill had no Id.
MOST_WITHOUT = 500


def fill(context: Context, sobject: str) -> None:
    """Go through all records of an object for the fields that were never received; goes on where it was broken off."""
    job = _job(context, sobject)
    if job is None:
        return
    fields = context.maps[sobject].only(job.fields)
    if fields.fields:
        _read_all(context, fields, job)
    context.store.finish_backfill(context, job, fields)


def _job(context: Context, sobject: str) -> Backfill | None:
    """The open backfill, or a new one if there is something to fill."""
    context.store.unfill(context, sobject)
    job = Backfill.objects.filter(sync_user=context.sync_user, object=sobject, finished_at__isnull=True).first()
    if job is not None:
        return job
    mappings = context.sync_user.mappings.filter(object=sobject, filled=False)
    receiving = {f.salesforce_field for f in context.maps[sobject].fields if f.rule.receive}
    missing = sorted(receiving & set(mappings.values_list("salesforce_field", flat=True)))
    if not missing:
        return None
    job = Backfill(sync_user=context.sync_user, object=sobject, fields=missing, started_at=context.now())
    context.store.store_backfill(context, job)
    return job


def _read_all(context: Context, fields: ObjectMap, job: Backfill) -> None:
    def ask_anew() -> tuple[Page, Reading]:
        where = f"Id > {soql.literal(job.position)}" if job.position else None
        with field_errors():
            return context.query(soql.select(list(fields.select), fields.object, where=where, order_by=["Id"]))

    context.next_batch()
    done = nameless = 0
    for page, reading in pages(context, *ask_anew(), ask_anew):
        _take_page(context, fields, reading, page, job)
        done += len(page.records)
        nameless += len(page.nameless)
        runs.report(context, f"Filling in new {fields.object} fields", done, max(done, page.total))
        if page.next_url:
            context.next_batch()
    if nameless:
        _read_without(context, fields, reading)


def _read_without(context: Context, fields: ObjectMap, reading: Reading) -> None:
    """Rows came without a readable Id: the records that have not got these fields are read whole, by their ids."""
    links = SalesforceRecord.objects.filter(
        organisation=context.organisation, object=fields.object, hidden_since=None, person__sfdc_is_deleted=False
    ).exclude(base__has_keys=[f.person_field for f in fields.fields if f.rule.receive])
    ids = links.order_by("person_id").values_list("record_id", flat=True)[:MOST_WITHOUT]
    context.store.postpone(context, fields.object, ids, reading)


def _take_page(context: Context, fields: ObjectMap, reading: Reading, page: Page, job: Backfill) -> None:
    """Merge the new fields of a page of records, and keep how far the backfill has come."""
    left = Left()

    def take(records: Sequence[RemoteRecord]) -> list[RemoteRecord]:
        persons = context.store.by_record_ids(context, [record.id for record in records])
        pairs = [(persons[record.id], record) for record in records if record.id in persons]
        # What was hidden may have changed in any field meanwhile: it is read whole.
        hidden = {record.id for person, record in pairs if person.link and person.link.hidden_since}
        merged = [
            merge_with(context, fields, person, record, filling=True)
            for person, record in pairs
            if not person.sfdc_is_deleted and record.id not in hidden
        ]
        applied = context.store.apply(context, fields, reading, merged)
        context.received["updated"] += len(applied.changed)
        left.later.extend([*hidden, *(m.record.id for m in applied.stale)])
        return [m.record for m in applied.again]

    def blame(record: RemoteRecord, error: Exception) -> None:
        left.blame(fields.object, record.id, error)

    records, bad = parse_all(fields, complete(context, fields, page.records))
    left.take(fields.object, bad)
    busy = retry_busy(records, lambda some, attempt: in_halves(some, take, blame))
    context.store.postpone(context, fields.object, [*left.later, *(record.id for record in busy)], reading)
    if left.at_fault:
        context.store.set_aside(context, fields.object, left.at_fault)
    job.records += len(records)
    job.position = page.records[-1]["Id"] if page.records else job.position
    context.store.store_backfill(context, job)
