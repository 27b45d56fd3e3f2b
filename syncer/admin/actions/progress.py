"""How far an action on persons is, what became of each, and the button that stops it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from syncer.admin.actions import selection
from syncer.admin.actions.permissions import require, require_any_action
from syncer.admin.state.why import decision_needed
from syncer.admin.ui.words import run_title
from syncer.models import Person, RunKind, RunStatus, SyncRun
from syncer.sync.options import Action
from syncer.sync.outcomes import GOOD, PersonOutcome, Result

#: A run that has not moved for so long has died.
SILENCE = timedelta(minutes=5)
#: Outcomes that the page lists; those that somebody has to look at come first.
SHOWN = 500
STOPPED = "STOPPED"
CONTACT_AND_QUEUE = "CONTACT_AND_QUEUE"

KINDS = {Result.FAILED: "bad", Result.REFUSED: "bad", Result.UNCHANGED: "off"}
WAITS = "wait"
URGENCY = {"bad": 0, WAITS: 1}


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


@require_GET
def progress_page(request: HttpRequest, run_id: int) -> HttpResponse:
    """What became of each person so far. While the run goes on, a script or (without one) a reload keeps it fresh."""
    require_any_action(request)
    run = _run(run_id)
    rows = outcome_rows(run)
    progress = _progress(run)
    context = {
        **admin.site.each_context(request),
        "title": run_title(run),
        "opts": Person._meta,
        "run": run,
        "asked": run.options.get("asked") or [],
        "rows": sorted(rows, key=lambda row: URGENCY.get(row.kind, 2))[:SHOWN] if len(rows) > SHOWN else rows,
        "not_shown": max(0, len(rows) - SHOWN),
        "log_url": f"{reverse('admin:syncer_activitylogentry_changelist')}?run__id__exact={run.pk}",
        "progress": progress,
        "progress_url": reverse("admin:syncer_person_sync_progress", args=[run.pk]),
        "stop_url": reverse("admin:syncer_person_sync_stop", args=[run.pk]) if progress["running"] else "",
        "summary": _summary(rows),
        "beside": len(_to_queue(run)),
        "beside_url": reverse("admin:syncer_person_sync_beside", args=[run.pk]),
    }
    return TemplateResponse(request, "syncer/sync_run.html", context)


@require_POST
def beside(request: HttpRequest, run_id: int) -> HttpResponse:
    """The page of the same action again, for the contacts that could not go to the queue, with the lead ticked."""
    run = _run(run_id)
    action = Action(run.options.get("action", Action.SYNC))
    require(request, action)
    name = selection.keep(request, _to_queue(run))
    url = reverse("admin:syncer_person_choose_selected", args=[name, action])
    return HttpResponseRedirect(f"{url}?like={run.pk}&beside=1")


def _to_queue(run: SyncRun) -> list[int]:
    outcomes = run.options.get("outcomes") or []
    return [int(one["person_id"]) for one in outcomes if one.get("code") == CONTACT_AND_QUEUE]


@require_GET
def progress_json(request: HttpRequest, run_id: int) -> JsonResponse:
    require_any_action(request)
    return JsonResponse(_progress(_run(run_id)))


@require_POST
def stop(request: HttpRequest, run_id: int) -> HttpResponse:
    """The button *Stop*: the run ends at the end of the batch that it is in; what was done stays done."""
    require_any_action(request)
    who = request.user.get_username()
    stopped = SyncRun.objects.filter(pk=_run(run_id).pk, status=RunStatus.RUNNING).update(
        status=RunStatus.INTERRUPTED,
        error_code=STOPPED,
        error=f"Stopped by {who}.",
        finished_at=timezone.now(),
    )
    if not stopped:
        messages.info(request, "It had ended already.")
    return HttpResponseRedirect(reverse("admin:syncer_person_sync_run", args=[run_id]))


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
    elif run.error_code == STOPPED:
        text = f"{run.error} {done:,} of {total:,} persons were done, and a batch under way is still finished."
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


def kind_of(result: str) -> str:
    """The colour of a result."""
    if result in set(Result) and (kind := KINDS.get(Result(result))):
        return kind
    return "good" if result in GOOD else WAITS


def level_of(outcome: PersonOutcome) -> int:
    """How loud one person's outcome is told."""
    if outcome.ok:
        return messages.SUCCESS
    return messages.ERROR if kind_of(outcome.result) == "bad" else messages.WARNING


def sentence_of(outcome: PersonOutcome) -> str:
    said = outcome.message.startswith(outcome.result)  # "Created: Lead …"
    parts = [
        outcome.message if said else f"{outcome.result}: {outcome.message}",
        outcome.remedy or decision_needed(outcome.code),
    ]
    return " ".join(part for part in parts if part)


def _row(outcome: Mapping[str, Any]) -> OutcomeRow:
    result, code = str(outcome.get("result", "")), str(outcome.get("code", ""))
    person_id = outcome.get("person_id")
    return OutcomeRow(
        name=str(outcome.get("name", "")),
        result=result,
        kind=kind_of(result),
        message=str(outcome.get("message", "")),
        code=code,
        remedy=str(outcome.get("remedy") or decision_needed(code)),
        person_url=reverse("admin:syncer_person_change", args=[person_id]),
        log_url=f"{reverse('admin:syncer_activitylogentry_changelist')}?q={person_id}",
    )


def _summary(rows: Sequence[OutcomeRow]) -> list[tuple[str, str, int]]:
    """Result, its colour and how many, in the order of first appearance."""
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[row.result, row.kind] = counts.get((row.result, row.kind), 0) + 1
    return [(result, kind, count) for (result, kind), count in counts.items()]
