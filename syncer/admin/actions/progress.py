"""How far an action on persons is, what became of each, and the button that stops it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.db.models import Case, Count, Min, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from syncer.admin.actions import selection
from syncer.admin.actions.permissions import require, require_any_action
from syncer.admin.state.why import decision_needed
from syncer.admin.ui.words import run_title
from syncer.models import Person, RunKind, RunPerson, RunStatus, SyncRun
from syncer.sync.connection import runs
from syncer.sync.options import Action
from syncer.sync.outcomes import GOOD, Code, PersonOutcome, Result
from syncer.sync.store import run_persons

#: Outcomes that the page lists; those that somebody has to look at come first.
SHOWN = 500

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
    progress = _progress(run)
    context = {
        **admin.site.each_context(request),
        "title": run_title(run),
        "opts": Person._meta,
        "run": run,
        "asked": run.asked_in_words,
        "rows": outcome_rows(run, progress["done"]),
        "not_shown": max(0, progress["done"] - SHOWN),
        "log_url": f"{reverse('admin:syncer_activitylogentry_changelist')}?run__id__exact={run.pk}",
        "progress": progress,
        "progress_url": reverse("admin:syncer_person_sync_progress", args=[run.pk]),
        "stop_url": reverse("admin:syncer_person_sync_stop", args=[run.pk]) if progress["running"] else "",
        "summary": summary(run),
        "beside": _to_queue(run).count(),
        "beside_url": reverse("admin:syncer_person_sync_beside", args=[run.pk]),
    }
    return TemplateResponse(request, "syncer/sync_run.html", context)


@require_POST
def beside(request: HttpRequest, run_id: int) -> HttpResponse:
    """The page of the same action again, for the contacts that could not go to the queue, with the lead ticked."""
    run = _run(run_id)
    action = Action(run.action)
    require(request, action)
    name = selection.keep(request, list(_to_queue(run).values_list("person_id", flat=True)))
    url = reverse("admin:syncer_person_choose_selected", args=[name, action])
    return HttpResponseRedirect(f"{url}?like={run.pk}&beside=1")


def _to_queue(run: SyncRun) -> QuerySet[RunPerson]:
    return run.persons.filter(code=Code.CONTACT_AND_QUEUE).order_by("position")


@require_GET
def progress_json(request: HttpRequest, run_id: int) -> JsonResponse:
    require_any_action(request)
    return JsonResponse(_progress(_run(run_id)))


@require_POST
def stop(request: HttpRequest, run_id: int) -> HttpResponse:
    """The button *Stop*: the run ends at the end of the batch that it is in; what was done stays done."""
    require_any_action(request)
    if not runs.stop(_run(run_id), request.user.get_username()):
        messages.info(request, "It had ended already.")
    return HttpResponseRedirect(reverse("admin:syncer_person_sync_run", args=[run_id]))


def _run(run_id: int) -> SyncRun:
    run = SyncRun.objects.filter(pk=run_id, kind=RunKind.PERSONS).first()
    if run is None:
        raise Http404
    return run


def _progress(run: SyncRun) -> dict[str, Any]:
    total, done = run.person_count, run_persons.done_count(run)
    running = run.status == RunStatus.RUNNING
    silent = running and abs(timezone.now() - run.heartbeat_at) > runs.DEAD_AFTER
    text = _under_way(run, done, silent=silent) if running else _ended(run, done)
    return {"running": running, "silent": silent, "done": done, "total": total, "text": text}


def _under_way(run: SyncRun, done: int, *, silent: bool) -> str:
    total = run.person_count
    if silent:
        silence = f"{runs.DEAD_AFTER.seconds // 60} minutes"
        return f"No progress for {silence}, {done:,} of {total:,} done. Is the background worker running?"
    if not run.phases:
        return "Waiting for the background worker to take it."
    return f"{done:,} of {total:,} persons done."


def _ended(run: SyncRun, done: int) -> str:
    total = run.person_count
    if run.status == RunStatus.FAILED:
        return run.error
    if run.error_code == Code.STOPPED and done == total:
        return f"{run.error} Everybody had been done."
    if run.error_code == Code.STOPPED:
        return f"{run.error} {done:,} of {total:,} persons were done, and a batch under way is still finished."
    if run.status == RunStatus.INTERRUPTED:
        return f"Interrupted after {done:,} of {total:,} persons. Run the action again for the others."
    return f"Finished: {done:,} {'person' if done == 1 else 'persons'}."


def outcome_rows(run: SyncRun, done: int) -> list[OutcomeRow]:
    """In the order that was asked for; of very many, the first of those that somebody has to look at, then others."""
    rows = run.persons.filter(result__gt="").order_by("position")
    if done > SHOWN:
        urgency = (When(result=result.value, then=URGENCY.get(kind_of(result), 2)) for result in Result)
        rows = rows.order_by(Case(*urgency, default=1), "position")
    return [_row(row) for row in rows[:SHOWN]]


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


def _row(row: RunPerson) -> OutcomeRow:
    return OutcomeRow(
        name=row.name,
        result=row.result,
        kind=kind_of(row.result),
        message=row.message,
        code=row.code,
        remedy=row.remedy or decision_needed(row.code),
        person_url=reverse("admin:syncer_person_change", args=[row.person_id]),
        log_url=f"{reverse('admin:syncer_activitylogentry_changelist')}?q={row.person_id}",
    )


def summary(run: SyncRun) -> list[tuple[str, str, int]]:
    """Result, its colour and how many, in the order of first appearance."""
    counts = run.persons.filter(result__gt="").values("result").annotate(n=Count("pk"), first=Min("position"))
    return [(one["result"], kind_of(one["result"]), one["n"]) for one in counts.order_by("first")]
