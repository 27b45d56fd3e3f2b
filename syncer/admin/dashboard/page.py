"""The dashboard: what the first page shows, and the buttons on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count, Min, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from syncer import schedule
from syncer.admin.dashboard.status import Status, error_count, status, waiting_changes
from syncer.admin.dashboard.switches import ADMINISTER, PAUSE, require_permission, writing_stopped
from syncer.admin.runs import RunRow, run_row
from syncer.admin.state.why import in_general
from syncer.admin.ui import display
from syncer.admin.ui.paginator import CappedPaginator
from syncer.models import (
    ApiUsage,
    Conflict,
    PendingChange,
    PendingState,
    Person,
    RunKind,
    SyncRun,
    SyncUser,
)
from syncer.sync.connection import installation
from syncer.sync.fields.automatic import collisions
from syncer.sync.store import outbox
from syncer.tasks import wake

RUN_CYCLE = "syncer.run_cycle"
SYNC_PERSON = "syncer.sync_person"
CYCLES = 8
REASONS = 6


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with what it counts and the list behind it."""

    label: str
    value: str
    note: str
    url: str
    kind: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Persons that fail for the same reason."""

    code: str
    count: int
    cause: str
    remedy: str
    words: str
    url: str


def dashboard_context(request: HttpRequest) -> dict[str, Any]:
    """What the page shows; each part only to those who may see what it is about."""
    user = request.user
    now = timezone.now()
    sees_persons = user.has_perm("syncer.view_person") or user.has_perm("syncer.change_person")
    sees_runs = user.has_perm("syncer.view_syncrun")
    sync_user = SyncUser.objects.filter(is_active=True).first()
    if schedule.worker_is_silent():
        schedule.ensure()  # perhaps it waits for a moment that a clock has put far ahead
    return {
        "title": "Dashboard",
        "subtitle": None,
        "status": status(now),
        "status_url": reverse("admin:sync_status"),
        "may_run": user.has_perm(RUN_CYCLE),
        "may_pause": user.has_perm(PAUSE),
        "may_take_over": user.has_perm(ADMINISTER),
        "copied_from": installation.other(),
        "writing_stopped": writing_stopped(sync_user) if sync_user else None,
        "sync_user": sync_user,
        "winners": _winners(sync_user),
        "colliding": _colliding(sync_user) if user.has_perm("syncer.view_fieldmapping") else [],
        "mappings_url": reverse("admin:syncer_fieldmapping_changelist"),
        "figures": _figures(request, now) if sees_persons else [],
        "reasons": _reasons() if sees_persons else [],
        "may_retry": user.has_perm(SYNC_PERSON),
        "runs": _cycles() if sees_runs else [],
        "sees_runs": sees_runs,
        "calls": _calls(sync_user, now) if sync_user else "",
        "runs_url": reverse("admin:syncer_syncrun_changelist"),
    }


def _winners(sync_user: SyncUser | None) -> str:
    if sync_user is None:
        return ""
    words = {"marketo": "Here", "salesforce": "Salesforce"}
    return f"leads {words[sync_user.lead_winner]}, contacts {words[sync_user.contact_winner]}"


def _colliding(sync_user: SyncUser | None) -> list[tuple[str, str]]:
    """Fields that do not have the place that they would have, with why: some of them, and how many more there are."""
    if sync_user is None:
        return []
    mappings = list(sync_user.mappings.defer("described"))
    told = collisions(mappings)
    found = [(f"{m.object}.{m.salesforce_field}", told[m.pk]) for m in mappings if m.pk in told]
    more = len(found) - REASONS
    return found if more <= 0 else [*found[:REASONS], (f"{more:,} more", "See the list of field mappings.")]


def _figures(request: HttpRequest, now: Any) -> list[Figure]:
    persons = reverse("admin:syncer_person_changelist")
    waiting, errors = waiting_changes().count(), error_count()
    oldest = waiting_changes().aggregate(oldest=Min("since"))["oldest"]
    overwritten = Conflict.objects.filter(at__gt=now - timedelta(hours=24)).count()
    figures = [
        Figure("Persons", f"{_person_count():,}", "", persons, "plain"),
        Figure(
            "Waiting to send",
            f"{waiting:,}",
            f"oldest {display.span(now - oldest)}" if oldest else "nothing waits",
            f"{persons}?state=waiting",
            "wait" if waiting else "plain",
        ),
        Figure(
            "Sync errors",
            f"{errors:,}",
            "need somebody" if errors else "none",
            f"{persons}?state=error",
            "bad" if errors else "plain",
        ),
    ]
    if request.user.has_perm("syncer.view_conflict"):
        url = reverse("admin:syncer_conflict_changelist")
        note = "values kept in the list" if overwritten else "none"
        figures.append(Figure("Overwritten, 24 h", f"{overwritten:,}", note, url, "plain"))
    return figures


def _person_count() -> int:
    return CappedPaginator(Person.objects.order_by("pk"), 50).count


def _reasons() -> list[Reason]:
    """The sync errors by reason, most frequent first."""
    failed = PendingChange.objects.filter(state=PendingState.FAILED)
    groups = list(failed.values("error_code").annotate(n=Count("pk"), one=Min("pk")).order_by("-n")[:REASONS])
    samples = PendingChange.objects.in_bulk([group["one"] for group in groups])
    persons = reverse("admin:syncer_person_changelist")
    found = []
    for group in groups:
        sample, code = samples[group["one"]], group["error_code"]
        explained = in_general(code, sample.error_message)
        found.append(
            Reason(
                code=code,
                count=group["n"],
                cause=explained.cause,
                remedy=explained.remedy,
                words=sample.error_message,
                url=f"{persons}?{urlencode({'state': 'error', 'reason': code})}",
            )
        )
    return found


def _cycles() -> list[RunRow]:
    return [run_row(run) for run in SyncRun.objects.filter(kind=RunKind.CYCLE)[:CYCLES]]


def _calls(sync_user: SyncUser, now: Any) -> str:
    """API calls of the last 24 hours: ours, what the organisation last told of all applications, and where we stop."""
    rows = ApiUsage.objects.filter(sync_user=sync_user, hour__gt=now - timedelta(hours=24))
    ours = rows.aggregate(n=Sum("calls"))["n"] or 0
    told = rows.filter(org_limit__isnull=False).order_by("-hour").first()
    text = f"We used {ours:,}"
    if told is None or told.org_limit is None:
        return text
    stop = -(-told.org_limit * sync_user.cycle_share // 100)
    return f"{text}; all apps {told.org_used:,} of {told.org_limit:,}; cycles stop at {stop:,}"


# -- buttons ----------------------------------------------------------------------------------------------------------


@require_GET
def status_json(request: HttpRequest) -> JsonResponse:
    """The status line for the script that keeps the page fresh."""
    found = status()
    return JsonResponse(
        {
            "level": found.level,
            "line": found.line,
            "more": found.more,
            "running": found.running,
            "done": found.done,
            "total": found.total,
        }
    )


@require_POST
def sync_now(request: HttpRequest) -> HttpResponse:
    """Wake a worker for one cycle."""
    require_permission(request, RUN_CYCLE)
    found = status()
    if not found.connected:
        messages.error(request, "There is no Salesforce connection yet, so there is nothing to sync with.")
    elif found.running:
        messages.info(request, "A cycle is running already.")
    elif wake("syncer.tasks.run_cycle", "manual", request.user.get_username()):
        messages.success(request, _queued(found))
    else:
        schedule.run_at_once()
        messages.warning(request, "A cycle is asked for. It starts when the queue of the background work answers.")
    return HttpResponseRedirect(reverse("admin:index"))


@require_POST
def retry(request: HttpRequest) -> HttpResponse:
    """Try again who failed for one reason, with the next cycle; that comes at once unless the sync is stopped."""
    require_permission(request, SYNC_PERSON)
    code = request.POST.get("code", "")
    count = outbox.retry(codes=[code]) if code else 0
    if not count:
        messages.info(request, "Nobody has this error any more.")
        return HttpResponseRedirect(reverse("admin:index"))
    persons = "1 person is" if count == 1 else f"{count:,} persons are"
    if status().stopped:
        messages.success(request, f"{persons} tried again as soon as the sync goes on.")
    else:
        schedule.run_at_once()
        messages.success(request, f"{persons} tried again with the next cycle, within half a minute.")
    return HttpResponseRedirect(reverse("admin:index"))


def _queued(found: Status) -> SafeString | str:
    if found.level == "bad":
        return "A cycle is asked for. It starts when the background worker runs and the connection works."
    return "A cycle is asked for; it starts within a few seconds."
