"""How things are: one line, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from syncer import schedule
from syncer.admin.state.why import cannot_write
from syncer.admin.ui.display import ago_text, short, span, until_text
from syncer.models import PendingChange, PendingState, RunKind, RunStatus, SyncRun, SyncUser, SyncUserState, moments
from syncer.sync.connection import installation
from syncer.sync.outcomes import Code

#: A running cycle renews its heartbeat at least at every call to Salesforce.
ALIVE = timedelta(minutes=3)

#: A worker that has just been started reports within this time, for the first time.
STARTING = timedelta(minutes=2)

START_WORKER = "Start it with “manage.py qcluster” and keep it running with your service manager."


@dataclass(frozen=True, slots=True)
class Status:
    """``level``: good, busy, wait, bad, off. ``do`` is a page that helps, with the words of its link."""

    level: str
    line: str
    more: str = ""
    do: tuple[str, str] | None = None
    running: bool = False
    paused: bool = False
    stopped: bool = False
    connected: bool = True
    done: int = 0
    total: int | None = None
    phase: str = ""


def waiting_changes() -> QuerySet[PendingChange]:
    """The outbox rows of persons that have something to send, and were not refused."""
    return PendingChange.objects.filter(state=PendingState.PENDING)


def error_count() -> int:
    return PendingChange.objects.filter(state=PendingState.FAILED).count()


def status(now: datetime | None = None) -> Status:
    """What is first to be known about the sync, the worst thing first."""
    now = now or timezone.now()
    sync_user = SyncUser.objects.filter(is_active=True).first()
    if sync_user is None:
        return _not_connected()
    if copied_from := installation.other():
        line = f"Stopped: this database was copied from the installation {copied_from.identity}."
        return Status("bad", line, "Nothing is sent or received until somebody says which installation syncs.")
    found = _stopped(sync_user, now)
    if found is not None:
        return found
    running = SyncRun.objects.filter(
        moments.heard("heartbeat_at", now, ALIVE), kind=RunKind.CYCLE, status=RunStatus.RUNNING
    ).first()
    if running is not None:
        return _running(running, now)
    last = SyncRun.objects.filter(kind=RunKind.CYCLE, finished_at__isnull=False).first()
    when = schedule.next_run() or now
    if schedule.worker_is_silent():
        return _silent(sync_user, last, now)
    if last is None:
        return Status("wait", f"Connected to {_name(sync_user)}. The first cycle starts {until_text(when, now)}.")
    found = _after(last, when, now)
    return _receiving(found, sync_user) if found.level == "good" else found


def _receiving(found: Status, sync_user: SyncUser) -> Status:
    """All is well, but perhaps nothing goes out, although the connection is two-way."""
    if not (sync_user.writes_stopped or sync_user.restored_at):
        return found
    line = f"Receiving only: {cannot_write(sync_user)}. {waiting_changes().count():,} waiting."
    return replace(found, level="wait", line=line, more=found.line)


def _name(sync_user: SyncUser) -> str:
    return sync_user.organisation_name or sync_user.name


def _not_connected() -> Status:
    return Status(
        "off",
        "Not connected to Salesforce yet.",
        "Use a Salesforce user of its own, not a colleague's. The command “manage.py add_sync_user” tests the sign-in "
        "before it saves.",
        (reverse("admin:syncer_syncuser_add"), "Add a connection"),
        connected=False,
    )


def _stopped(sync_user: SyncUser, now: datetime) -> Status | None:
    page = reverse("admin:syncer_syncuser_change", args=[sync_user.pk])
    since = short(sync_user.state_since)
    if sync_user.state == SyncUserState.REFUSED:
        return Status(
            "bad",
            f"Stopped: Salesforce refused the sign-in at {since}.",
            f"{sync_user.state_reason} We did not try again, so that the user is not locked. "
            "Try again tries the sign-in once.".strip(),
            (page, "Fix the connection"),
            stopped=True,
        )
    limited_until = sync_user.limited_until(now)
    if limited_until or (sync_user.state == SyncUserState.LIMITED and sync_user.paused_until is None):
        until = f" The sync goes on {until_text(limited_until, now)}." if limited_until else ""
        line = f"Out of API calls since {since}.{until}"
        return Status("wait", line, sync_user.state_reason, (page, "Connection"), stopped=True)
    if sync_user.state == SyncUserState.PAUSED:
        by = sync_user.state_reason.rstrip(".") or "Paused"
        return Status(
            "wait",
            f"{by} since {since}. Edits are kept: {waiting_changes().count():,} waiting.",
            "Only the scheduled cycles are paused; Sync Person to SFDC and Sync now keep working.",
            paused=True,
            stopped=True,
        )
    return None


def _running(run: SyncRun, now: datetime) -> Status:
    step: dict[str, Any] = run.phases[-1] if run.phases else {}
    done, total = int(step.get("done") or 0), step.get("total")
    of = f", {done:,} of {total:,}" if total and total > 1 else f", {done:,} so far" if done else ""
    phase = run.phase or "Starting"
    return Status(
        "busy",
        f"A cycle is running: {phase[:1].lower() + phase[1:]}{of}.",
        f"Started {ago_text(run.started_at, now)}.",
        running=True,
        done=done,
        total=total,
        phase=phase,
    )


def _silent(sync_user: SyncUser, last: SyncRun | None, now: datetime) -> Status:
    beat = schedule.last_beat()
    if beat is not None:
        line = f"The background worker has been silent for {span(now - beat)}. Nothing syncs until it runs."
        return Status("bad", line, START_WORKER)
    if now - max(sync_user.created_at, last.started_at if last else sync_user.created_at) < STARTING:
        return Status("wait", "The background worker is starting.", "It reports within a minute of its start.")
    line = "The background worker has not reported yet. Nothing syncs by itself until it runs."
    return Status("bad", line, START_WORKER)


def _after(last: SyncRun, when: datetime, now: datetime) -> Status:
    upcoming = until_text(when, now)
    run_page = reverse("admin:syncer_syncrun_change", args=[last.pk])
    finished = ago_text(last.finished_at or last.started_at, now)
    if last.status == RunStatus.COMPLETED:
        errors = error_count()
        line = f"Last cycle finished {finished}, next {upcoming}."
        if errors:
            noun = "person" if errors == 1 else "persons"
            return Status("good", f"In sync, except {errors:,} {noun} with a sync error. {line}")
        return Status("good", f"In sync. {line}")
    if last.error_code == Code.API_RESERVE:
        line = f"The last cycle stopped at the reserve of API calls {finished}. Next try {upcoming}."
        return Status("wait", line, last.error, (run_page, "View the run"))
    word = "was interrupted" if last.status == RunStatus.INTERRUPTED else "could not complete"
    return Status(
        "bad", f"The last cycle {word} {finished}. Next try {upcoming}.", last.error, (run_page, "View the run")
    )
