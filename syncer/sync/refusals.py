"""What an action refuses by itself, without asking Salesforce or because of what it found there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction

from syncer.models import ActivityType, CreateIntent, PendingChange
from syncer.models.triggers import agreeing_writes
from syncer.salesforce.ids import is_salesforce_id
from syncer.sync import outbox
from syncer.sync.apply import lock
from syncer.sync.failures import outcome
from syncer.sync.journal import Journal
from syncer.sync.options import Action, SyncOptions
from syncer.sync.outbox import Failure
from syncer.sync.outcomes import PersonOutcome, Result
from syncer.sync.state import PersonState
from syncer.sync.work import Work


def no_writing(work: Work) -> tuple[str, str] | None:
    """Why nothing may be written there, as a sentence and a code; None when it may."""
    if work.sending:
        return None
    return "The connection receives only, so nothing is made or changed in Salesforce.", "RECEIVE_ONLY"


def before_asking(work: Work, person: PersonState, options: SyncOptions) -> PersonOutcome | None:
    """The refusal of an action that can't be carried out for this person, whatever Salesforce says."""
    action = options.action
    if action is Action.REFRESH and not person.linked:
        return outcome(
            person,
            Result.REFUSED,
            "This person is not in Salesforce: there is nothing to refresh from.",
            "NOT_LINKED",
        )
    if action is Action.DELETE and not person.linked:
        return outcome(
            person, Result.REFUSED, "This person is not in Salesforce: there is nothing to delete.", "NOT_LINKED"
        )
    if action in (Action.OWNER, Action.CAMPAIGN, Action.DELETE) and (no := no_writing(work)) is not None:
        return outcome(person, Result.REFUSED, *no)
    for what, chosen in (
        ("a user or queue", options.owner),
        ("a campaign", options.campaign),
        ("a record", options.link_to),
    ):
        if chosen and not is_salesforce_id(chosen):
            return outcome(person, Result.REFUSED, f"“{chosen}” is not the id of {what}.", "MALFORMED_ID")
    if action is Action.OWNER and not options.owner:
        return outcome(person, Result.REFUSED, "No owner was chosen.", "NO_OWNER")
    if action is Action.CAMPAIGN and not options.campaign:
        return outcome(person, Result.REFUSED, "No campaign was chosen.", "NO_CAMPAIGN")
    if person.linked and person.sfdc_is_deleted and action is Action.DELETE:
        return outcome(person, Result.UNCHANGED, f"{person.sfdc_type} {person.sfdc_id} is deleted already.")
    if person.linked and person.sfdc_is_deleted and action in (Action.OWNER, Action.CAMPAIGN):
        return deleted(person)
    if person.link and person.link.hidden_since and action in (Action.OWNER, Action.CAMPAIGN, Action.DELETE):
        message = f"{person.sfdc_type} {person.sfdc_id} is no longer visible to the sync user. Nothing was changed."
        return outcome(person, Result.REFUSED, message, "NOT_VISIBLE")
    if person.linked and person.sfdc_type == "Contact" and options.to_queue and not person.sfdc_is_deleted:
        return contact_and_queue(person, f"Contact {person.sfdc_id}")
    return None


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


def busy(person: PersonState) -> PersonOutcome:
    """For a person in another worker's hands."""
    return outcome(person, Result.BUSY, "This person is being synced right now; try again in a moment.", "BUSY")


def keep(
    work: Work,
    refused: Sequence[PersonOutcome],
    persons: Sequence[PersonState],
    candidates: Mapping[int, Sequence[Mapping[str, Any]]],
    options: Mapping[int, SyncOptions],
) -> None:
    """Persons that wait for a decision are marked and logged, with the records to choose from (``candidates``, by
    person); they are not tried again until they change."""
    if not refused or work.plan is not None:
        return
    journal = Journal(work)
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
    mark(work, failures, {person.id: person for person in persons}, options, journal)


def mark(
    work: Work,
    failures: Sequence[Failure],
    persons: Mapping[int, PersonState],
    options: Mapping[int, SyncOptions],
    journal: Journal,
) -> None:
    """Persons (as they were when it was decided) whose create was refused, here or there. An edit made meanwhile is
    tried. No lead of theirs was found: there is nothing left to find out, and nobody asks again in every cycle."""
    ids = [failure.person_id for failure in failures]
    with agreeing_writes():
        work.fence()
        free = lock(work, {pk: persons[pk].revision for pk in ids})
        outbox.fail(work.claim, [failure for failure in failures if failure.person_id in free])
        CreateIntent.objects.filter(person_id__in=ids).delete()
        _remember({pk: options[pk] for pk in free})
        journal.write()
    edited = [replace(failure, failed=False, retry_at=None) for failure in failures if failure.person_id not in free]
    if edited:  # in a transaction that holds no person: a user's save is not to wait for it, nor it for that one
        with transaction.atomic():
            outbox.fail(work.claim, edited)
            _remember({failure.person_id: options[failure.person_id] for failure in edited})


def _remember(options: Mapping[int, SyncOptions]) -> None:
    """How refused creates were asked for, so that they are tried again in the same way."""
    groups: dict[SyncOptions, list[int]] = {}
    for person_id, asked in options.items():
        groups.setdefault(asked, []).append(person_id)
    for asked, ids in groups.items():
        PendingChange.objects.filter(person_id__in=ids).update(options=asked.of_create())
