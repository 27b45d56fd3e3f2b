"""Refused creates and open questions: kept with the person, with the records to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncer.models import ActivityType
from syncer.sync.context import Context
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import PersonOutcome
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import intents, outbox
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import PATIENT_TRIES, lock_as_they_are, retry_busy
from syncer.sync.store.outbox import Failure
from syncer.sync.store.transactions import repeated, write_transaction


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
    tried. No lead of theirs was found: there is nothing left to find out, and nobody asks again in every cycle. Of a
    person who is being edited all the time the next cycle finds it out again. Who has a deleted record stays as before:
    nothing can be sent to it, and only somebody asks for a new one."""
    unsent = [failure for failure in failures if persons[failure.person_id].left is None]

    @repeated
    def write(remaining: Sequence[Failure], attempt: int) -> list[Failure]:
        with write_transaction(context):
            now = lock_as_they_are(context, [failure.person_id for failure in remaining])
            edited = {pk for pk, revision in now.items() if revision != persons[pk].revision}
            known = [failure for failure in unsent if failure.person_id in now]
            outbox.fail(replace(f, failed=False, retry_at=None) if f.person_id in edited else f for f in known)
            outbox.remember_options({pk: options[pk].of_create() for pk in now})
            intents.forget(now.keys() - edited)
            intents.take_back(context, [failure.person_id for failure in remaining])
            if not attempt:
                journal.write()
        return [failure for failure in remaining if failure.person_id not in now]

    retry_busy(failures, write, tries=PATIENT_TRIES, pause=context.pause)
