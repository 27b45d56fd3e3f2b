"""Refused creates and open questions: kept with the person, with the records to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction

from syncer.models import ActivityType, CreateIntent, PendingChange
from syncer.models.triggers import agreeing_writes
from syncer.sync.context import Context
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import PersonOutcome, Result, outcome
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import outbox
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import lock
from syncer.sync.store.outbox import Failure


def deleted(person: PersonState) -> PersonOutcome:
    return outcome(
        person,
        Result.NEEDS_DECISION,
        f"{person.sfdc_type} {person.sfdc_id} was deleted in Salesforce. Changes stay here only.",
        "DELETED_IN_SFDC",
    )


def contact_and_queue(person: PersonState, contact: str) -> PersonOutcome:
    """Salesforce gives contacts to users only ("Queues", Salesforce Help)."""
    return outcome(
        person,
        Result.REFUSED,
        f"{contact} can't be owned by a queue. Nothing was done, and no lead was made beside it.",
        "CONTACT_AND_QUEUE",
    )


def keep(
    context: Context,
    refused: Sequence[PersonOutcome],
    persons: Sequence[PersonState],
    candidates: Mapping[int, Sequence[Mapping[str, Any]]],
    options: Mapping[int, SyncOptions],
) -> None:
    """Persons that wait for a decision are marked and logged, with the records to choose from (``candidates``, by
    person); they are not tried again until they change."""
    if not refused or context.plan is not None:
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
            failed=True,
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
        CreateIntent.objects.filter(person_id__in=ids).delete()
        _remember({pk: options[pk] for pk in free})
        journal.write()
    edited = [replace(failure, failed=False, retry_at=None) for failure in failures if failure.person_id not in free]
    if edited:  # in a transaction that holds no person: a user's save is not to wait for it, nor it for that one
        with transaction.atomic():
            outbox.fail(context.claim, edited)
            _remember({failure.person_id: options[failure.person_id] for failure in edited})


def _remember(options: Mapping[int, SyncOptions]) -> None:
    """How refused creates were asked for, so that they are tried again in the same way."""
    groups: dict[SyncOptions, list[int]] = {}
    for person_id, asked in options.items():
        groups.setdefault(asked, []).append(person_id)
    for asked, ids in groups.items():
        PendingChange.objects.filter(person_id__in=ids).update(options=asked.of_create())
