"""*Sync Person to SFDC* and its sister actions: on selected persons and on one.

The views that act are POST views of their own, outside of any transaction: the engine commits its intents before it
asks Salesforce for anything, and holds no lock across a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from syncer.admin.actions import selection
from syncer.admin.actions.permissions import require
from syncer.admin.actions.progress import level_of, sentence_of
from syncer.models import Person, RunStatus, SyncRun
from syncer.sync.actions.run_action import carry_on, start_run
from syncer.sync.errors import CannotSync
from syncer.sync.options import Action, SyncOptions
from syncer.sync.store import run_persons
from syncer.tasks import NOT_QUEUED, go_on

#: Up to here the page answers with the outcomes; more persons are synced in the background.
AT_ONCE = 25
#: Persons of one background run.
MOST = 10_000
#: A page does not keep anybody waiting longer than this: the rest goes on in the background.
PATIENCE = timedelta(seconds=15)

#: What was chosen, as people read it: (name, value).
Asked = Sequence[tuple[str, str]]


def at_once_for_selected(request: HttpRequest, selected: QuerySet[Person], action: Action) -> HttpResponse | None:
    """The actions of the list that ask for nothing more."""
    require(request, action)
    ids = _ids(request, selected)
    return carry_out(request, ids, SyncOptions(action=action)) if ids else None


def choose_for_selected(request: HttpRequest, selected: QuerySet[Person], action: Action) -> HttpResponse | None:
    """The actions of the list that lead to a page with choices."""
    require(request, action)
    ids = _ids(request, selected)
    if not ids:
        return None
    return HttpResponseRedirect(
        reverse("admin:syncer_person_choose_selected", args=[selection.keep(request, ids), action])
    )


def _ids(request: HttpRequest, selected: QuerySet[Person]) -> list[int]:
    ids = list(selected.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    if len(ids) > MOST:
        messages.error(request, f"Select at most {MOST:,} persons at a time. Nothing was done.")
        return []
    return ids


def carry_out(request: HttpRequest, ids: Sequence[int], options: SyncOptions, asked: Asked = ()) -> HttpResponse | None:
    """Few persons: now, many: in the background. Leads to the run's page; None when it can't be done at all, with the
    reason among the messages."""
    try:
        run = start_run(ids, actor=request.user.get_username(), options=options, asked_in_words=asked)
        if len(ids) > AT_ONCE:
            _in_background(request, run)
        else:
            _now(request, run)
    except CannotSync as error:
        messages.error(request, error.message)
        return None
    return HttpResponseRedirect(reverse("admin:syncer_person_sync_run", args=[run.pk]))


def carry_out_for_one(request: HttpRequest, person: Person, options: SyncOptions, asked: Asked = ()) -> HttpResponse:
    """For one person: comes back to its page with the outcome."""
    page = HttpResponseRedirect(reverse("admin:syncer_person_change", args=[person.pk]))
    try:
        run = start_run([person.pk], actor=request.user.get_username(), options=options, asked_in_words=asked)
        _now(request, run)
    except CannotSync as error:
        messages.error(request, error.message)
        return page
    if run.status == RunStatus.RUNNING:
        return HttpResponseRedirect(reverse("admin:syncer_person_sync_run", args=[run.pk]))
    for outcome in run_persons.outcomes(run):
        messages.add_message(request, level_of(outcome), sentence_of(outcome))
    return page


def _now(request: HttpRequest, run: SyncRun) -> None:
    """In real time; what Salesforce is too slow for goes on in the background, as the same run."""
    if carry_on(run, budget=PATIENCE):
        _in_background(request, run)


def _in_background(request: HttpRequest, run: SyncRun) -> None:
    if not go_on(run):
        messages.warning(request, NOT_QUEUED)


@require_POST
def at_once_for_one(request: HttpRequest, person_id: int, action: Action) -> HttpResponse:
    """The buttons on a person's page: carry out and come back with the outcome."""
    require(request, action)
    return carry_out_for_one(request, get_object_or_404(Person, pk=person_id), SyncOptions(action=action))
