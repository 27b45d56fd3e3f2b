"""The store that writes: what is decided is done, in this database. The other one tells it (``plan``)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.db import transaction

from syncer.models import Backfill, Direction, FieldMapping, SyncCursor, triggers
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.persons import person_state
from syncer.sync.persons.merged import Applied, Merged, Pair, Question
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Became, Gap, Reading, RemoteRecord
from syncer.sync.pull import lifecycle, new_persons, questions, related_names, visibility, write
from syncer.sync.store import at_fault, claims, cursors, former_ids, intents, links, persons, postponed, tombstones
from syncer.sync.store.locking import lock
from syncer.sync.store.transactions import repeated, wait_briefly, write_transaction


class Database:
    """``context.Store`` says what each of these is for."""

    dry_run = False

    def __init__(self) -> None:
        self._became: list[Became] = []

    def begin(self, context: Context) -> None:
        """Triggers that are missing are put back; what earlier cycles left behind is let go."""
        if context.full:
            triggers.compare_everything()
        if triggers.repair():
            context.note(
                "Triggers of the database were missing. They are back, and every linked person is compared once."
            )
        claims.recover(cycles=True)
        intents.recover()

    @contextmanager
    def mappings(self) -> Iterator[None]:
        with transaction.atomic():
            wait_briefly()
            yield

    def by_record_ids(self, context: Context, record_ids: Iterable[str]) -> dict[str, PersonState]:
        return person_state.by_record_ids(context.organisation, record_ids)

    def apply(
        self,
        context: Context,
        fields: ObjectMap,
        reading: Reading,
        merged: Sequence[Merged],
        *,
        also: write.Also | None = None,
    ) -> Applied:
        return write.write_merged(context, fields, reading, merged, also=also)

    def as_applied(self, context: Context, fields: ObjectMap, merged: Sequence[Merged]) -> dict[int, PersonState]:
        return person_state.by_ids(m.person.id for m in merged)

    def new_persons(
        self, context: Context, fields: ObjectMap, reading: Reading, records: Sequence[RemoteRecord]
    ) -> tuple[int, list[RemoteRecord]]:
        return new_persons.create_persons(context, fields, reading, records)

    def follow(self, context: Context, reading: Reading, pairs: Sequence[Pair]) -> list[RemoteRecord]:
        return lifecycle.follow(context, reading, pairs)

    def hide(self, context: Context, reading: Reading, persons: Sequence[PersonState]) -> int:
        return visibility.write_hidden(context, reading, persons)

    @repeated
    def mark_compared(self, context: Context, reading: Reading, persons: Sequence[PersonState]) -> None:
        if not persons:
            return
        with write_transaction(context):
            free = lock(context, {person.id: person.revision for person in persons})
            links.mark_compared(context, free, reading)

    def not_compared(self, links: Sequence[tuple[int, str]]) -> list[str]:
        return [record_id for _, record_id in links]

    def became(self, gone: Iterable[Became]) -> None:
        self._became += gone

    def wait_for_somebody(self, context: Context, asked: Sequence[Question]) -> None:
        questions.keep(context, asked)

    @repeated
    def bury(self, context: Context, reading: Reading, records: Sequence[RemoteRecord]) -> None:
        if records:
            with write_transaction(context):
                tombstones.bury(context, records, reading)

    def keep_former_ids(self, context: Context, gone: Iterable[Became] = ()) -> None:
        self._became = former_ids.learn(context, [*self._became, *gone])

    def set_aside(self, context: Context, sobject: str, reasons: Mapping[str, str]) -> None:
        at_fault.set_aside(context, sobject, reasons)

    def set_gap_aside(self, context: Context, sobject: str, gap: Gap) -> None:
        at_fault.add_gap(context, sobject, gap)

    def taken_in(self, context: Context, sobject: str, record_ids: Collection[str]) -> None:
        at_fault.remove(context, sobject, record_ids)

    def store_cursor(self, context: Context, cursor: SyncCursor) -> None:
        cursors.store(context, cursor)

    def postpone(self, context: Context, sobject: str, record_ids: Iterable[str], reading: Reading) -> None:
        postponed.postpone(context, sobject, record_ids, reading)

    def forget_cursor(self, context: Context, sobject: str) -> None:
        cursors.forget(context.sync_user, sobject)

    def refill(self, context: Context, sobject: str, salesforce_field: str) -> None:
        FieldMapping.objects.filter(
            sync_user=context.sync_user, object=sobject, salesforce_field=salesforce_field
        ).update(filled=False)

    def unfill(self, context: Context, sobject: str) -> None:
        mappings = context.sync_user.mappings.filter(object=sobject)
        (mappings.filter(enabled=False) | mappings.filter(direction=Direction.SEND)).update(filled=False)

    def to_read(self, sobject: str) -> list[str]:
        """They are postponed."""
        return []

    def were_read(self, context: Context, sobject: str, record_ids: Iterable[str], reading: Reading) -> None:
        postponed.settle(context, sobject, record_ids, reading)

    def is_decided(self, person_id: int) -> bool:
        """What was decided is agreed now: looking again costs nothing."""
        return False

    def rename_owners(self, context: Context, rows: Collection[tuple[str, str, str]], reading: Reading) -> int:
        return related_names.write_owners(context, rows, reading)

    def store_backfill(self, context: Context, job: Backfill) -> None:
        context.fence()
        job.save()

    def finish_backfill(self, context: Context, job: Backfill, fields: ObjectMap) -> None:
        filled = [f.salesforce_field for f in fields.fields]
        context.sync_user.mappings.filter(object=job.object, salesforce_field__in=filled).update(filled=True)
        job.finished_at = context.now()
        job.save()

    def give_new_uuids(self, context: Context, people: Sequence[PersonState]) -> list[PersonState]:
        given = persons.give_new_uuids(context, [p.id for p in people])
        return list(person_state.by_ids(given).values())

    def mark_unknown(self, person_ids: Iterable[int]) -> None:
        intents.mark_unknown(person_ids)
