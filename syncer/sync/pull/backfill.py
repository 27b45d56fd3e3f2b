"""Fills fields that became visible or mapped for all existing records, without anyone asking. It only receives."""

from __future__ import annotations

from syncer.models import Backfill, Direction
from syncer.salesforce import soql
from syncer.sync.connection import pages, runs
from syncer.sync.context import Context, next_sequence
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.persons import person_state
from syncer.sync.persons.record import Reading, parse
from syncer.sync.pull.records import TRIES, merge_with
from syncer.sync.pull.write import apply
from syncer.sync.store.cursors import postpone


def fill(context: Context, sobject: str) -> None:
    """Go through all records of an object for the fields that were never received; goes on where it was broken off."""
    job = _job(context, sobject)
    if job is None:
        return
    fields = context.maps[sobject].only(job.fields)
    if fields.fields:
        _read_all(context, fields, job)
    if context.plan is not None:
        return
    context.sync_user.mappings.filter(
        object=sobject, salesforce_field__in=[f.salesforce_field for f in fields.fields]
    ).update(filled=True)
    job.finished_at = context.now()
    job.save()


def _job(context: Context, sobject: str) -> Backfill | None:
    """The open backfill, or a new one if there is something to fill."""
    mappings = context.sync_user.mappings.filter(object=sobject)
    # What is switched off or only sent has to be received anew when that changes.
    if context.plan is None:
        (mappings.filter(enabled=False) | mappings.filter(direction=Direction.SEND)).update(filled=False)
    job = Backfill.objects.filter(sync_user=context.sync_user, object=sobject, finished_at__isnull=True).first()
    if job is not None:
        return job
    receiving = {f.salesforce_field for f in context.maps[sobject].fields if f.rule.receive}
    missing = sorted(receiving & set(mappings.filter(filled=False).values_list("salesforce_field", flat=True)))
    if not missing:
        return None
    job = Backfill(sync_user=context.sync_user, object=sobject, fields=missing, started_at=context.now())
    if context.plan is None:
        job.save()
    return job


def _read_all(context: Context, fields: ObjectMap, job: Backfill) -> None:
    where = f"Id > {soql.literal(job.position)}" if job.position else None
    text = soql.select(list(fields.select), fields.object, where=where, order_by=["Id"])
    context.next_batch()
    context.checkpoint()
    sequence = next_sequence()
    with pages.field_errors():
        first = context.org.query(text)
    context.checkpoint()
    reading = Reading(sequence, first.asked_at)
    done = 0
    for page in pages.pages(context, first):
        records = [parse(fields, row) for row in page.records]
        left = records
        for _ in range(TRIES):
            persons = person_state.by_record_ids(context.organisation, [record.id for record in left])
            # What was hidden may have changed in any field meanwhile: it is read whole.
            hidden = [r.id for r in left if r.id in persons and (link := persons[r.id].link) and link.hidden_since]
            merged = [
                merge_with(context, fields, persons[record.id], record, filling=True)
                for record in left
                if record.id in persons and not persons[record.id].sfdc_is_deleted and record.id not in hidden
            ]
            postpone(context, fields.object, hidden)
            applied = apply(context, fields, reading, merged)
            context.received["updated"] += len(applied.changed)
            left = [m.remote for m in applied.again]
            postpone(context, fields.object, [m.remote.id for m in applied.stale])
            if not left:
                break
        postpone(context, fields.object, [record.id for record in left])
        done += len(records)
        job.records += len(records)
        job.position = records[-1].id if records else job.position
        if context.plan is None:
            context.fence()
            job.save()
        runs.report(context, f"Filling in new {fields.object} fields", done, max(done, page.total))
        if page.next_url:
            context.next_batch()
