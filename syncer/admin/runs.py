"""Runs: the cycles and the actions on persons, each with its phases, counters and failures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from syncer.admin.actions.progress import summary
from syncer.admin.ui import display
from syncer.admin.ui.base import ReadOnlyAdmin
from syncer.admin.ui.words import run_title, trigger_label
from syncer.models import ActivityLogEntry, ActivityStatus, RunKind, RunStatus, SyncRun
from syncer.sync.actions.registry import SPECS
from syncer.sync.fields.synced_objects import OBJECTS

KINDS = {
    RunStatus.RUNNING: "info",
    RunStatus.COMPLETED: "good",
    RunStatus.FAILED: "bad",
    RunStatus.INTERRUPTED: "wait",
}
#: Failures listed on a run's page; all of them are in the activity log.
FAILURES = 100
COUNTERS = (("created", "New"), ("updated", "Updated"), ("unchanged", "No change"), ("failed", "Failed"))


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in a list."""

    url: str
    title: str
    started: SafeString
    chip: SafeString
    trigger: str
    received: str
    sent: str
    failed: int
    conflicts: int
    calls: int
    took: str


@dataclass(frozen=True, slots=True)
class PhaseRow:
    name: str
    started: SafeString
    took: str
    done: str


@dataclass(frozen=True, slots=True)
class CounterRow:
    name: str
    cells: tuple[int, ...]


def run_row(run: SyncRun) -> RunRow:
    return RunRow(
        url=reverse("admin:syncer_syncrun_change", args=[run.pk]),
        title=f"{run_title(run)} {run.pk}",
        started=display.ago(run.started_at),
        chip=status_chip(run),
        trigger=trigger_label(run.trigger),
        received=_changed(run, "received"),
        sent=_changed(run, "sent"),
        failed=failed_count(run),
        conflicts=run.conflict_count,
        calls=run.api_calls,
        took=display.duration(run.seconds),
    )


def status_chip(run: SyncRun) -> SafeString:
    status = RunStatus(run.status)
    return display.chip(status.label, KINDS[status])


def counted(run: SyncRun, direction: str) -> dict[str, int]:
    found = (run.counters or {}).get(direction) or {}
    return {key: int(found.get(key) or 0) for key, _ in COUNTERS}


def failed_count(run: SyncRun) -> int:
    return counted(run, "received")["failed"] + counted(run, "sent")["failed"]


class KindFilter(admin.SimpleListFilter):
    """By what a run did; actions on persons by which action."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kinds = [(kind.value, str(kind.label)) for kind in RunKind if kind != RunKind.PERSONS]
        return kinds + [(spec.action.value, spec.title) for spec in SPECS.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SyncRun]) -> QuerySet[SyncRun]:
        chosen = self.value()
        if chosen in SPECS:
            return queryset.filter(kind=RunKind.PERSONS, action=chosen)
        return queryset.filter(kind=chosen) if chosen else queryset


def _changed(run: SyncRun, direction: str) -> str:
    counts = counted(run, direction)
    parts = [f"{counts[key]:,} {word}" for key, word in (("created", "new"), ("updated", "updated")) if counts[key]]
    return ", ".join(parts) or "–"


@admin.register(SyncRun)
class RunAdmin(ReadOnlyAdmin):
    list_display = (
        "started",
        "what",
        "outcome",
        "by",
        "received",
        "sent",
        "failed",
        "conflict_count",
        "api_calls",
        "took",
    )
    list_display_links = ("started",)
    list_filter = (KindFilter, "status")
    ordering = ("-id",)
    sortable_by = ()
    change_form_template = "syncer/run.html"

    @admin.display(description="started")
    def started(self, run: SyncRun) -> SafeString:
        return display.ago(run.started_at)

    @admin.display(description="kind")
    def what(self, run: SyncRun) -> str:
        return run_title(run)

    @admin.display(description="status")
    def outcome(self, run: SyncRun) -> SafeString:
        return status_chip(run)

    @admin.display(description="started by")
    def by(self, run: SyncRun) -> str:
        return trigger_label(run.trigger)

    @admin.display(description="received")
    def received(self, run: SyncRun) -> str:
        return _changed(run, "received")

    @admin.display(description="sent")
    def sent(self, run: SyncRun) -> str:
        return _changed(run, "sent")

    @admin.display(description="failed")
    def failed(self, run: SyncRun) -> int:
        return failed_count(run)

    @admin.display(description="took")
    def took(self, run: SyncRun) -> str:
        return display.duration(run.seconds)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        context = page(request, run) if run is not None else {}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))


def page(request: HttpRequest, run: SyncRun) -> dict[str, Any]:
    """What a run's page shows."""
    sees_log = request.user.has_perm("syncer.view_activitylogentry")
    failures = run.entries.filter(status=ActivityStatus.FAILED).order_by("id") if sees_log else run.entries.none()
    return {
        "title": f"{run_title(run)} {run.pk}",
        "subtitle": None,
        "run": run,
        "row": run_row(run),
        "started": display.moment(run.started_at),
        "finished": display.moment(run.finished_at),
        "how": how(run),
        "phases": phases(run),
        "counter_names": [word for _, word in COUNTERS],
        "counters": [
            CounterRow(name, tuple(counted(run, direction).values()))
            for direction, name in (("received", "Received from Salesforce"), ("sent", "Sent to Salesforce"))
        ],
        "failures": [failure(entry) for entry in failures[:FAILURES]],
        "most_failures": FAILURES,
        "sees_log": sees_log,
        "log_url": f"{reverse('admin:syncer_activitylogentry_changelist')}?run__id__exact={run.pk}",
        "outcomes_url": (
            reverse("admin:syncer_person_sync_run", args=[run.pk])
            if run.kind == RunKind.PERSONS and request.user.has_perm("syncer.sync_person")
            else ""
        ),
    }


def how(run: SyncRun) -> list[tuple[str, str]]:
    """How it was asked for, and what came of the persons, as far as there is something to say."""
    told = [(str(name), str(value)) for name, value in run.asked_in_words]
    if run.kind == RunKind.PERSONS:
        results = ", ".join(f"{count:,} {result.lower()}" for result, _, count in summary(run))
        told.append(("Persons", f"{run.person_count:,}{f': {results}' if results else ''}"))
    if run.sobjects and set(run.sobjects) != set(OBJECTS):
        told.append(("Only", ", ".join(run.sobjects)))
    if run.full:
        told.append(("Re-check everything", "Yes"))
    if run.unfinished:
        told.append(("Out of time", "The next cycle goes on from there"))
    return told


def phases(run: SyncRun) -> list[PhaseRow]:
    rows = []
    for phase in run.phases or []:
        started, finished = _moment(phase.get("started")), _moment(phase.get("finished"))
        done, total = phase.get("done"), phase.get("total")
        took = display.duration((finished - started).total_seconds()) if started and finished else "–"
        count = f"{done:,} of {total:,}" if done is not None and total else f"{done:,}" if done else "–"
        rows.append(PhaseRow(str(phase.get("name", "")), display.moment(started), took, count))
    return rows


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None


def failure(entry: ActivityLogEntry) -> dict[str, Any]:
    detail = entry.detail if isinstance(entry.detail, dict) else {}
    return {
        "name": entry.person_name,
        "url": reverse("admin:syncer_activitylogentry_change", args=[entry.pk]),
        "code": entry.code,
        "words": entry.summary,
        "field": entry.field,
        "remedy": detail.get("remedy", ""),
    }
