"""The pages of the actions that ask for more: *Sync Person to SFDC with options*, *Change owner*, *Add to campaign*.

For persons selected in the list, and for one from its own page. GET shows, POST acts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Max, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from syncer.admin.actions import selection
from syncer.admin.actions.delete import delete_page
from syncer.admin.actions.form import ChoicesForm, directory
from syncer.admin.actions.permissions import require
from syncer.admin.actions.run import AT_ONCE, Asked, carry_out, carry_out_for_one
from syncer.admin.actions.selection import Whom
from syncer.admin.state.create_guarantee import guarantee
from syncer.admin.state.person_state import pending_of
from syncer.admin.state.why import cannot_write
from syncer.models import ActivityLogEntry, ActivityType, Person, RunKind, SyncRun, SyncUser
from syncer.sync.actions.registry import SPECS
from syncer.sync.actions.spec import ActionSpec
from syncer.sync.errors import CannotSync
from syncer.sync.options import Action, Ask, SyncOptions
from syncer.sync.upkeep.choices import Directory

#: Persons whose record was deleted there that the page names, with the day.
NAMED = 20


@dataclass(frozen=True, slots=True)
class Selected:
    """How many persons there are, by what they are in Salesforce."""

    total: int
    leads: int
    contacts: int
    deleted: int
    hidden: int
    absent: int

    @property
    def lines(self) -> list[tuple[str, int]]:
        named = (
            ("Leads", self.leads),
            ("Contacts", self.contacts),
            ("Not in Salesforce", self.absent),
            ("Deleted in Salesforce", self.deleted),
            ("No longer visible", self.hidden),
        )
        return [line for line in named if line[1]]


@require_http_methods(["GET", "HEAD", "POST"])
def for_selected(request: HttpRequest, name: str, action: str) -> HttpResponse:
    spec = _spec(action)
    require(request, spec.action)
    ids = selection.find(request, name)
    if ids is None:
        messages.warning(request, "That selection was used or is no longer known. Select the persons again.")
        return HttpResponseRedirect(reverse("admin:syncer_person_changelist"))
    return _page(request, spec, Whom(ids, selected=name))


@require_http_methods(["GET", "HEAD", "POST"])
def for_one(request: HttpRequest, person_id: int, action: str) -> HttpResponse:
    spec = _spec(action)
    require(request, spec.action)
    person = get_object_or_404(Person.objects.select_related("record", "pending"), pk=person_id)
    return _page(request, spec, Whom([person.pk], person=person))


def _spec(text: str) -> ActionSpec:
    if text not in set(Action) or not SPECS[Action(text)].has_page:
        raise Http404
    return SPECS[Action(text)]


def _page(request: HttpRequest, spec: ActionSpec, whom: Whom) -> HttpResponse:
    sync_user = SyncUser.objects.filter(is_active=True).first()
    if Ask.NUMBER_OF_RECORDS in spec.asks:
        return delete_page(request, spec, whom, sync_user)
    selected = count(whom.ids)
    found, unread = _directory(sync_user)
    form = ChoicesForm(
        request.POST if request.method == "POST" else None,
        initial=_initial(request, whom),
        spec=spec,
        found=found,
        contacts=selected.contacts + selected.absent,  # who is not there yet may turn out to be a contact
        deleted=selected.deleted,
    )
    if request.method == "POST" and form.is_valid():
        response = _carry_out(request, whom, form.options(), form.asked())
        if response is not None:
            return response
    context = {
        **admin.site.each_context(request),
        "title": spec.page_title,
        "opts": Person._meta,
        "spec": spec,
        "whom": whom,
        "selected": selected,
        "at_once": AT_ONCE,
        "form": form,
        "unread": unread,
        "missing": found.missing if found else [],
        "stopped": cannot_write(sync_user) if sync_user else "there is no Salesforce connection",
        "can_choose": spec.at_once or found is not None,
        **_about_new_leads(spec, whom, selected, sync_user),
    }
    return TemplateResponse(request, "syncer/choose.html", context)


def _directory(sync_user: SyncUser | None) -> tuple[Directory | None, str]:
    """Whom and what Salesforce offers, or why that can't be told."""
    try:
        return (directory(sync_user) if sync_user else None), ""
    except CannotSync as error:
        return None, error.message


def _about_new_leads(spec: ActionSpec, whom: Whom, selected: Selected, sync_user: SyncUser | None) -> dict[str, Any]:
    """What holds for new leads, and whose record was deleted: for the action that makes them anew."""
    if Ask.RECREATE_DELETED not in spec.asks:
        return {}
    return {
        "sync_user": sync_user,
        "guarantee": guarantee(sync_user) if sync_user else None,
        "deleted": _deleted(whom.ids) if selected.deleted else [],
        "deleted_more": max(0, selected.deleted - NAMED),
    }


def _carry_out(request: HttpRequest, whom: Whom, options: SyncOptions, asked: Asked) -> HttpResponse | None:
    """Carry out for these persons; None (the page comes again) when it can't be done at all."""
    if whom.person is not None:
        return carry_out_for_one(request, whom.person, options, asked)
    response = carry_out(request, whom.ids, options, asked)
    if response is not None:
        selection.forget(request, whom.selected)
    return response


def count(ids: Sequence[int]) -> Selected:
    there = Q(sfdc_is_deleted=False)
    hidden = there & Q(record__hidden_since__isnull=False)
    seen = there & Q(record__hidden_since__isnull=True)
    return Selected(
        **Person.objects.filter(pk__in=ids).aggregate(
            total=Count("pk"),
            leads=Count("pk", filter=seen & Q(sfdc_type="Lead")),
            contacts=Count("pk", filter=seen & Q(sfdc_type="Contact")),
            deleted=Count("pk", filter=Q(sfdc_is_deleted=True)),
            hidden=Count("pk", filter=hidden),
            absent=Count("pk", filter=seen & Q(sfdc_type="")),
        )
    )


def _deleted(ids: Sequence[int]) -> list[tuple[Person, datetime | None]]:
    """Persons whose record was deleted there, and when, as the log has it."""
    persons = list(Person.objects.filter(pk__in=ids, sfdc_is_deleted=True).order_by("pk")[:NAMED])
    entries = ActivityLogEntry.objects.filter(
        person_id__in=[person.pk for person in persons], type=ActivityType.DELETED_IN_SFDC
    )
    when = dict(entries.values_list("person_id").annotate(last=Max("at")))
    return [(person, when.get(person.pk)) for person in persons]


def _initial(request: HttpRequest, whom: Whom) -> dict[str, Any]:
    """The choices of an earlier run (``like``), or those that the person's refused create was asked for with.
    ``beside`` ticks the lead beside a contact."""
    like = request.GET.get("like", "")
    run = (
        SyncRun.objects.filter(pk=int(like), kind=RunKind.PERSONS).first()
        if like.isdecimal() and len(like) < 19
        else None
    )
    pending = pending_of(whom.person) if whom.person is not None else None
    earlier = run.asked if run is not None else pending.options if pending is not None else {}
    names = ("owner", "campaign", "member_status")
    return {name: earlier.get(name, "") for name in names} | {"lead_for_contact": "beside" in request.GET}
