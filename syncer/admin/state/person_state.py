"""The sync state of a person, as a chip and as a condition, always from the same facts."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet, TextChoices
from django.utils.safestring import SafeString

from syncer.admin.ui.display import chip
from syncer.models import PendingChange, PendingState, Person, SalesforceRecord


class SyncState(TextChoices):
    IN_SYNC = "in-sync", "In sync"
    WAITING = "waiting", "Waiting to send"
    ERROR = "error", "Sync error"
    NOT_IN_SALESFORCE = "not-in-salesforce", "Not in Salesforce"
    DELETED = "deleted", "Deleted in Salesforce"
    HIDDEN = "no-longer-visible", "No longer visible"


KINDS = {
    SyncState.IN_SYNC: "good",
    SyncState.WAITING: "wait",
    SyncState.ERROR: "bad",
    SyncState.NOT_IN_SALESFORCE: "off",
    SyncState.DELETED: "gone",
    SyncState.HIDDEN: "wait",
}

#: Neither deleted there nor hidden from the sync user: what has no link has no ``hidden_since`` either.
_HERE = Q(sfdc_is_deleted=False, record__hidden_since__isnull=True)
_FAILED = Q(pending__state=PendingState.FAILED)
_NOTHING_WAITS = Q(pending__isnull=True)

CONDITIONS: dict[str, Q] = {
    SyncState.IN_SYNC: _HERE & ~Q(sfdc_type="") & _NOTHING_WAITS,
    SyncState.WAITING: _HERE & Q(pending__state=PendingState.PENDING),
    SyncState.ERROR: _HERE & _FAILED,
    SyncState.NOT_IN_SALESFORCE: _HERE & Q(sfdc_type="") & _NOTHING_WAITS,
    SyncState.DELETED: Q(sfdc_is_deleted=True),
    # By the few hidden records, through their index, not by looking at each person's record.
    SyncState.HIDDEN: Q(
        sfdc_is_deleted=False,
        pk__in=SalesforceRecord.objects.filter(hidden_since__isnull=False).values("person_id"),
    ),
}


def pending_of(person: Person) -> PendingChange | None:
    """The person's outbox row; no query when it was selected with the person."""
    return getattr(person, "pending", None)


def record_of(person: Person) -> SalesforceRecord | None:
    """The person's link; no query when it was selected with the person."""
    return getattr(person, "record", None)


def state_of(person: Person) -> SyncState:
    pending = pending_of(person)
    if person.sfdc_is_deleted:
        return SyncState.DELETED
    record = record_of(person)
    if record is not None and record.hidden_since is not None:
        return SyncState.HIDDEN
    if pending is not None and pending.state == PendingState.FAILED:
        return SyncState.ERROR
    if pending is not None:
        return SyncState.WAITING
    return SyncState.IN_SYNC if person.sfdc_type else SyncState.NOT_IN_SALESFORCE


def in_state(persons: QuerySet[Person], state: str) -> QuerySet[Person]:
    """The persons in a state."""
    return persons.filter(CONDITIONS[state])


def state_chip(person: Person) -> SafeString:
    state = state_of(person)
    return chip(state.label, KINDS[state])


def last_synced(person: Person) -> datetime | None:
    """When something last went either way, or both sides were last found equal."""
    record = record_of(person)
    if record is None:
        return None
    return max(when for when in (record.received_at, record.sent_at, record.agreed_at) if when is not None)
