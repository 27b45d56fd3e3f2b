"""*Sync Person to SFDC* and *Refresh from Salesforce*: on selected persons, on one, and the page with the outcomes.

The views that act are POST views of their own, outside of any transaction: the engine commits its intents before it
asks Salesforce for anything, and holds no lock across a call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from django_q.tasks import async_task

from syncer.admin.explain import decision_needed
from syncer.admin.words import run_title
from syncer.models import Person, RunKind, RunStatus, SyncRun
from syncer.sync.connect import active_sync_user
from syncer.sync.errors import CannotSync
from syncer.sync.options import SYNC, Action, SyncOptions
from syncer.sync.outcomes import GOOD, PersonOutcome, Result
from syncer.sync.person import sync_persons

#: Up to here the page answers with the outcomes; more persons are synced in the background.
AT_ONCE = 25
#: Persons of one background run.
MOST = 10_000
#: A run that has not moved for so long has died.
SILENCE = timedelta(minutes=5)
PERMISSION = "syncer.sync_person"

KINDS = {Result.FAILED: "bad", Result.REFUSED: "bad", Result.UNCHANGED: "off"}
WAITS = "wait"


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One person's outcome as the page shows it."""

    name: str
    result: str
    kind: str
    message: str
    code: str
    remedy: str
    person_url: str
    log_url: str


# -- what acts --------------------------------------------------------------------------------------------------------


def sync_selected(request: HttpRequest, selected: QuerySet[Person], options: SyncOptions = SYNC) -> HttpResponse | None:
    """The actions of the list. Few persons: now; many: in the background. Both lead to the run's page."""
    _require_permission(request)
    ids = list(selected.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    if len(ids) > MOST:
        messages.error(request, f"Select at most {MOST:,} persons at a time. Nothing was done.")
        return None
    try:
        run = _start(request, len(ids), options)
        if len(ids) > AT_ONCE:
            async_task("syncer.tasks.sync_persons_task", run.pk, ids, request.user.get_username(), options.to_dict())
        else:
            _sync_now(request, run, ids, options)
    except CannotSync as error:
        messages.error(request, error.message)
        return None
    return HttpResponseRedirect(reverse("admin:syncer_person_sync_run", args=[run.pk]))


@require_POST
def sync_one(request: HttpRequest, person_id: int) -> HttpResponse:
    """The button on a person's page: syncs and comes back with the outcome."""
    return _one(request, person_id)


@require_POST
def refresh_one(request: HttpRequest, person_id: int) -> HttpResponse:
    """*Refresh from Salesforce*: receives what changed there, sends nothing."""
    return _one(request, person_id, SyncOptions(action=Action.REFRESH))


def _one(request: HttpRequest, person_id: int, options: SyncOptions = SYNC) -> HttpResponse:
    _require_permission(request)
    person = get_object_or_404(Person, pk=person_id)
    try:
        run = _start(request, 1, options)
        outcomes = _sync_now(request, run, [person.pk], options)
    except CannotSync as error:
        messages.error(request, error.message)
    else:
        for outcome in outcomes:
            messages.add_message(request, _level(outcome), _sentence(outcome))
    return HttpResponseRedirect(reverse("admin:syncer_person_change", args=[person.pk]))


def _start(request: HttpRequest, count: int, options: SyncOptions) -> SyncRun:
    return SyncRun.objects.create(
        sync_user=active_sync_user(),
        kind=RunKind.PERSONS,
        trigger=request.user.get_username()[:150],
        options={"persons": count, **options.to_dict()},
    )


def _sync_now(request: HttpRequest, run: SyncRun, ids: Sequence[int], options: SyncOptions) -> list[PersonOutcome]:
    return sync_persons(ids, actor=request.user.get_username(), source="admin", run=run, options=options)


def _level(outcome: PersonOutcome) -> int:
    if outcome.ok:
        return messages.SUCCESS
    return messages.ERROR if KINDS.get(outcome.result) == "bad" else messages.WARNING


def _sentence(outcome: PersonOutcome) -> str:
    parts = [f"{outcome.result}: {outcome.message}", outcome.remedy or decision_needed(outcome.code)]
    return " ".join(part for part in parts if part)


# -- what shows -------------------------------------------------------------------------------------------------------


@require_GET
def progress_page(request: HttpRequest, run_id: int) -> HttpResponse:
    """What became of each person so far. While the run goes on, a script or (without one) a reload keeps it fresh."""
    _require_permission(request)
    run = _run(run_id)
    rows = outcome_rows(run)
    progress = _progress(run)
    context = {
        **admin.site.each_context(request),
        "title": run_title(run),
        "opts": Person._meta,
        "run": run,
        "rows": rows,
        "progress": progress,
        "progress_url": reverse("admin:syncer_person_sync_progress", args=[run.pk]),
        "summary": _summary(rows),
        "needs_look": [row for row in rows if row.kind in ("bad", WAITS)],
    }
    return TemplateResponse(request, "syncer/sync_run.html", context)


@require_GET
def progress_json(request: HttpRequest, run_id: int) -> JsonResponse:
    _require_permission(request)
    return JsonResponse(_progress(_run(run_id)))


def _run(run_id: int) -> SyncRun:
    run = SyncRun.objects.filter(pk=run_id, kind=RunKind.PERSONS).first()
    if run is None:
        raise Http404
    return run


def _progress(run: SyncRun) -> dict[str, Any]:
    total = int(run.options.get("persons") or 0)
    done = len(run.options.get("outcomes") or [])
    running = run.status == RunStatus.RUNNING
    silent = running and timezone.now() - run.heartbeat_at > SILENCE
    if run.status == RunStatus.FAILED:
        text = run.error
    elif run.status == RunStatus.INTERRUPTED:
        text = f"Interrupted after {done:,} of {total:,} persons. Run the action again for the others."
    elif silent:
        silence = f"{SILENCE.seconds // 60} minutes"
        text = f"No progress for {silence}, {done:,} of {total:,} done. Is the background worker running?"
    elif running and not run.phases:
        text = "Waiting for the background worker to take it."
    elif running:
        text = f"{done:,} of {total:,} persons done."
    else:
        text = f"Finished: {done:,} {'person' if done == 1 else 'persons'}."
    return {"running": running, "silent": silent, "done": done, "total": total, "text": text}


def outcome_rows(run: SyncRun) -> list[OutcomeRow]:
    return [_row(outcome) for outcome in run.options.get("outcomes") or []]


def _row(outcome: Mapping[str, Any]) -> OutcomeRow:
    result = str(outcome.get("result", ""))
    kind = "good" if result in GOOD else WAITS
    person_id = outcome.get("person_id")
    return OutcomeRow(
        name=str(outcome.get("name", "")),
        result=result,
        kind=KINDS.get(Result(result), kind) if result in set(Result) else kind,
        message=str(outcome.get("message", "")),
        code=str(outcome.get("code", "")),
        remedy=str(outcome.get("remedy") or decision_needed(str(outcome.get("code", "")))),
        person_url=reverse("admin:syncer_person_change", args=[person_id]),
        log_url=f"{reverse('admin:syncer_activitylogentry_changelist')}?q={person_id}",
    )


def _summary(rows: Sequence[OutcomeRow]) -> list[tuple[str, str, int]]:
    """Result, its colour and how many, in the order of first appearance."""
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[row.result, row.kind] = counts.get((row.result, row.kind), 0) + 1
    return [(result, kind, count) for (result, kind), count in counts.items()]


def _require_permission(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
