"""Why a person is in the state that it is in: one sentence, always."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from syncer import schedule
from syncer.admin.state.person_state import SyncState, pending_of, record_of, state_of
from syncer.admin.ui.display import ago_text, full, until_text
from syncer.admin.ui.words import field_label
from syncer.models import (
    ActivityLogEntry,
    ActivityType,
    IntentState,
    PendingChange,
    Person,
    SyncMode,
    SyncUser,
    SyncUserState,
    moments,
)
from syncer.salesforce.policies import Explanation, explain
from syncer.salesforce.rows import RowError
from syncer.sync.outcomes import Code
from syncer.sync.store import claims

#: Outcomes that wait for somebody, by code: what is to be decided, and how.
DECISIONS: dict[str, str] = {
    Code.AMBIGUOUS: (
        "No cycle links a person whose e-mail address is not theirs alone. Say which record is this person, or correct "
        "one of the addresses: then the question closes by itself."
    ),
    Code.SEVERAL_MATCHES: (
        "The application never picks one of several records, nor one under another name. Choose which one is this "
        "person, or merge them in Salesforce and run Sync Person to SFDC again."
    ),
    Code.MATCH_IS_TAKEN: (
        "If both are the same person, merge them here; otherwise correct one e-mail address, or create a new lead "
        "anyway."
    ),
    Code.HELD_UNSEEN: (
        "Share that record (of a converted lead, its contact) with the sync user and run Sync Person to SFDC again, or "
        "create a new lead anyway: the person gets a new UUID, and the hidden record stays as it is."
    ),
    Code.DELETED_IN_SFDC: (
        "Nothing is made anew by itself. Undelete the record in Salesforce and the sync goes on, or create a new lead; "
        "edits made here are kept until then."
    ),
    Code.CONTACT_AND_QUEUE: (
        "Choose a user as owner, or tick that a lead is made beside the contact; that lead then goes to the queue."
    ),
}
#: Of these, the ones in which somebody has to choose a record.
WHICH_RECORD = frozenset({Code.AMBIGUOUS, Code.SEVERAL_MATCHES, Code.MATCH_IS_TAKEN})


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
    if state is SyncState.HIDDEN:
        return _hidden(person)
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
        next_attempt=_next_attempt(pending, timezone.now()),
    )


def _next_attempt(pending: PendingChange, now: datetime) -> datetime | None:
    """When it is tried again; None: with the next cycle, or not by itself."""
    return pending.next_attempt if moments.is_ahead(pending.next_attempt, now, moments.NEXT_TRY) else None


def decision_needed(code: str) -> str:
    """What somebody has to decide before this can go on; empty for outcomes that need nobody."""
    return DECISIONS.get(code, "")


def in_general(code: str, words: str) -> Explanation:
    """Cause and remedy of an error, when the fields and values of the single case are not to be named."""
    if decide := decision_needed(code):
        cause = "Somebody has to decide which record in Salesforce is this person." if code in WHICH_RECORD else ""
        return Explanation(cause, decide)
    return explain(RowError(code, words), {})


def deleted_at(person: Person) -> datetime | None:
    """When the person's record was deleted in Salesforce, as the log has it."""
    entries = ActivityLogEntry.objects.filter(person_id=person.pk, type=ActivityType.DELETED_IN_SFDC)
    return entries.order_by("-id").values_list("at", flat=True).first()


def _deleted(person: Person) -> str:
    at = deleted_at(person)
    when = f" on {full(at)}" if at else ""
    return f"Deleted in Salesforce{when}. Changes stay here only."


def _hidden(person: Person) -> str:
    record = record_of(person)
    since = f" since {full(record.hidden_since)}" if record and record.hidden_since else ""
    return (
        f"No longer visible to the sync user{since}, and not deleted: sharing, a territory or the record filter leaves "
        "it out. Nothing is blanked, sent or made anew; the sync goes on when it shows again."
    )


def held_fields(pending: PendingChange) -> str:
    """The fields that wait while the others went out, as people read them."""
    return ", ".join(field_label(name) for name in sorted(pending.held))


def _error(person: Person, now: datetime) -> str:
    pending = pending_of(person)
    if pending and decision_needed(pending.error_code):
        return "Needs a decision. Nothing is tried again until the person changes or somebody presses the button."
    where = "the last change" if person.sfdc_type else "the new lead"
    tries = f", after {pending.attempts} tries" if pending and pending.attempts > 1 else ""
    sentence = f"Salesforce refused {where}{tries}."
    if pending and pending.held:
        sentence += f" Held here: {held_fields(pending)}; the rest was sent."
    if pending and pending.next_attempt:
        return f"{sentence} Next try {until_text(_next_attempt(pending, now) or now, now)}."
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
    if stopped := cannot_write(sync_user):
        return f"Not in Salesforce: {stopped}, so no lead is made."
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
    if sync_user.create_leads:
        return "Not in Salesforce yet: the next cycle makes its lead."
    return "Not in Salesforce: nobody ran Sync Person to SFDC yet."


def cannot_write(sync_user: SyncUser) -> str:
    """Why nothing may be written to Salesforce at all; empty when it may."""
    if sync_user.writes_stopped:
        return "everything that writes to Salesforce is stopped"
    if sync_user.restored_at is not None:
        return "the database was restored from a backup, and everything is read first"
    if sync_user.mode == SyncMode.RECEIVE_ONLY:
        return "the connection receives only"
    return ""


def _waiting(person: Person, sync_user: SyncUser | None, now: datetime) -> str:
    pending = pending_of(person)
    assert pending is not None  # that is what the state says
    changed = f"Waiting: changed {ago_text(pending.since, now)}"
    if claims.is_held(person.pk):
        return "Being sent right now."
    if sync_user is None:
        return f"{changed}; there is no Salesforce connection."
    if stopped := cannot_write(sync_user):
        return f"{changed}; {stopped}, so it stays here."
    if sync_user.state == SyncUserState.REFUSED:
        return f"{changed}, and kept: Salesforce refused the sign-in, and it has to be corrected first."
    if limited_until := sync_user.limited_until(now):
        return f"{changed}, and kept: out of API calls, the sync goes on {until_text(limited_until, now)}."
    if not person.sfdc_type:
        return f"{changed}; the lead is tried again, {_goes_out(pending, now)}."
    return f"{changed}, {_goes_out(pending, now)}."


def _goes_out(pending: PendingChange, now: datetime) -> str:
    when = schedule.next_run()
    if when is None:
        return "and kept: the sync is paused"
    when = max(when, _next_attempt(pending, now) or when)
    return f"goes out {until_text(when, now)}" if when > now else "goes out with the next cycle"
