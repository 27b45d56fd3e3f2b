"""Refused creates and open questions: kept with the person, with the records to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction

from syncer.models import ActivityType
from syncer.models.triggers import agreeing_writes
from syncer.sync.context import Context
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import PersonOutcome
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import intents, outbox
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import lock
from syncer.sync.store.outbox import Failure


def keep(
    context: Context,
    refused: Sequence[PersonOutcome],
    persons: Sequence[PersonState],
    candidates: Mapping[int, Sequence[Mapping[str, Any]]],
    options: Mapping[int, SyncOptions],
) -> None:
    """Persons that wait for a decision are marked and logged, with the records to choose from (``candidates``, by
    person); they are not tried again until they change."""
    if not refused:
        return
    journal = Journal(context)
    failures = []
    for told in refused:
        detail = {"candidates": list(candidates.get(told.person_id, ()))}
        journal.entry(
            told.person_id,
            told.name,
            ActivityType.SYNC_PERSON,
            told.message,
            code=told.code,
            detail=detail,
        )
        failures.append(Failure(told.person_id, told.code, told.message, detail, failed=True, retry_at=None))
    mark(context, failures, {person.id: person for person in persons}, options, journal)


def mark(
    context: Context,
    failures: Sequence[Failure],
    persons: Mapping[int, PersonState],
    options: Mapping[int, SyncOptions],
    journal: Journal,
) -> None:
    """Persons (as they were when it was decided) whose create was refused, here or there. An edit made meanwhile is
    tried. No lead of theirs was found: there is nothing left to find out, and nobody asks again in every cycle."""
    ids = [failure.person_id for failure in failures]
    with agreeing_writes():
        context.fence()
        free = lock(context, {pk: persons[pk].revision for pk in ids})
        outbox.fail(context.claim, [failure for failure in failures if failure.person_id in free])
        intents.forget(free)
        intents.take_back(context, ids)
        outbox.remember_options({pk: options[pk].of_create() for pk in free})
        journal.write()
    edited = [replace(failure, failed=False, retry_at=None) for failure in failures if failure.person_id not in free]
    if edited:  # in a transaction that holds no person: a user's save is not to wait for it, nor it for that one
        with transaction.atomic():
            outbox.fail(context.claim, edited)
            outbox.remember_options({f.person_id: options[f.person_id].of_create() for f in edited})
