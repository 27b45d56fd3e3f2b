"""Why a person is in the state that it is in: one sentence, always."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from syncer import schedule
from syncer.admin.display import ago_text, full, until_text
from syncer.admin.states import SyncState, pending_of, record_of, state_of
from syncer.models import (
    ActivityLogEntry,
    ActivityType,
    IntentState,
    PendingChange,
    PendingState,
    Person,
    SyncMode,
    SyncUser,
)
from syncer.salesforce.policies import Explanation, explain
from syncer.salesforce.rows import RowError

#: Outcomes that wait for somebody, by code: what is to be decided, and how.
DECISIONS = {
    "SEVERAL_MATCHES": (
        "The application never picks one of several records, nor one under another name. Merge the records in "
        "Salesforce, or correct the e-mail address or last name on one side so that exactly one agrees; then run Sync "
        "Person to SFDC again."
    ),
    "MATCH_IS_TAKEN": (
        "Open that person. If both are the same one, delete one of them here; otherwise correct one e-mail address."
    ),
    "DELETED_IN_SFDC": (
        "Nothing is made anew by itself. Undelete the record in Salesforce and the sync goes on; edits made here are "
        "kept until then."
    ),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Salesforce's last refusal: its own words and code, the values sent, and what to do."""

    code: str
    words: str
    cause: str
    remedy: str
    fields: tuple[str, ...]
    sent: tuple[tuple[str, Any], ...]
    attempts: int
    next_attempt: datetime | None


def why(person: Person, sync_user: SyncUser | None, now: datetime | None = None) -> str:
    now = now or timezone.now()
    state = state_of(person)
    if state is SyncState.DELETED:
        return _deleted(person)
    if state is SyncState.ERROR:
        return _error(person, now)
    if state is SyncState.NOT_IN_SALESFORCE:
        return _not_in_salesforce(person, sync_user)
    if state is SyncState.WAITING:
        return _waiting(person, sync_user, now)
    record = record_of(person)
    return f"Both sides agree, as of {ago_text(record.agreed_at, now)}." if record else "Both sides agree."


def refusal_of(person: Person) -> Refusal | None:
    pending = pending_of(person)
    if pending is None or not pending.error_code:
        return None
    detail = pending.error_detail if isinstance(pending.error_detail, dict) else {}
    errors = detail.get("errors") or [{}]
    fields = tuple(str(name) for name in errors[0].get("fields") or ())
    values = detail.get("values") or {}
    general = in_general(pending.error_code, pending.error_message)
    return Refusal(
        code=pending.error_code,
        words=pending.error_message,
        cause=str(detail.get("cause") or general.cause),
        remedy=str(detail.get("remedy") or general.remedy),
        fields=fields,
        sent=tuple((name, value) for name, value in values.items() if not fields or name in fields),
        attempts=pending.attempts,
        next_attempt=pending.next_attempt,
    )


def decision_needed(code: str) -> str:
    """What somebody has to decide before this can go on; empty for outcomes that need nobody."""
    return DECISIONS.get(code, "")


def in_general(code: str, words: str) -> Explanation:
    """Cause and remedy of an error, when the fields and values of the single case are not to be named."""
    if decide := decision_needed(code):
        return Explanation("Somebody has to decide which record in Salesforce is this person.", decide)
    return explain(RowError(code, words), {})


def _deleted(person: Person) -> str:
    entries = ActivityLogEntry.objects.filter(person_id=person.pk, type=ActivityType.DELETED_IN_SFDC)
    at = entries.order_by("-id").values_list("at", flat=True).first()
    when = f" on {full(at)}" if at else ""
    return f"Deleted in Salesforce{when}. Changes stay here only."


def _error(person: Person, now: datetime) -> str:
    pending = pending_of(person)
    if pending and decision_needed(pending.error_code):
        return "Needs a decision. Nothing is tried again until the person changes or somebody presses the button."
    where = "the last change" if person.sfdc_type else "the new lead"
    tries = f", after {pending.attempts} tries" if pending and pending.attempts > 1 else ""
    sentence = f"Salesforce refused {where}{tries}."
    if pending and pending.next_attempt:
        return f"{sentence} Next try {until_text(pending.next_attempt, now)}."
    return f"{sentence} It is tried again when the person, its record or its mapping changes."


def _not_in_salesforce(person: Person, sync_user: SyncUser | None) -> str:
    intent = getattr(person, "create_intent", None)
    if intent is not None and intent.state == IntentState.UNKNOWN:
        return (
            "Outcome unknown: the connection broke while the lead was being created. It is looked for in Salesforce "
            "before anything is tried again."
        )
    if sync_user is None:
        return "Not in Salesforce: there is no Salesforce connection yet."
    if sync_user.writes_stopped:
        return "Not in Salesforce: everything that writes to Salesforce is stopped."
    missing = [
        name
        for name, value, default in (
            ("Last name", person.last_name, sync_user.default_last_name),
            ("Company", person.company, sync_user.default_company),
        )
        if not value and not default
    ]
    if missing:
        verb = "is empty and Salesforce requires it" if len(missing) == 1 else "are empty and Salesforce requires them"
        return f"Not in Salesforce: {' and '.join(missing)} {verb}."
    if sync_user.create_leads and sync_user.mode == SyncMode.TWO_WAY:
        return "Not in Salesforce yet: the next cycle makes its lead."
    return "Not in Salesforce: nobody ran Sync Person to SFDC yet."


def _waiting(person: Person, sync_user: SyncUser | None, now: datetime) -> str:
    pending = pending_of(person)
    assert pending is not None  # noqa: S101 - that is what the state says
    changed = f"Waiting: changed {ago_text(pending.since, now)}"
    if pending.state == PendingState.IN_FLIGHT:
        return "Being sent right now."
    if sync_user is None:
        return f"{changed}; there is no Salesforce connection."
    if sync_user.writes_stopped:
        return f"{changed}; everything that writes to Salesforce is stopped, so it stays here until that is allowed."
    if not person.sfdc_type:
        return f"{changed}; the lead is tried again, {_goes_out(pending, now)}."
    if sync_user.mode == SyncMode.RECEIVE_ONLY:
        return f"{changed}; the connection receives only, so it stays here."
    return f"{changed}, {_goes_out(pending, now)}."


def _goes_out(pending: PendingChange, now: datetime) -> str:
    when = schedule.next_run()
    if when is None:
        return "and kept: the sync is paused"
    if pending.next_attempt is not None:
        when = max(when, pending.next_attempt)
    return f"goes out {until_text(when, now)}" if when > now else "goes out with the next cycle"
