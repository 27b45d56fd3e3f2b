"""*Delete selected persons*: asks for all of them together, naming the first ones, and deletes those it asked about.

Django's own action writes out each person, and whatever goes with it, before it asks and once more before it deletes.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from syncer.admin.actions import selection
from syncer.admin.actions.run import MOST
from syncer.models import Person
from syncer.sync.store import persons

#: Persons that the page names.
NAMED = 20


@admin.action(description="Delete selected persons", permissions=["delete"])
def delete_selected(model_admin: Any, request: HttpRequest, selected: QuerySet[Person]) -> HttpResponse | None:
    """Ask whether the persons selected in the list are to be deleted."""
    ids = list(selected.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    if len(ids) > MOST:
        messages.error(request, f"Select at most {MOST:,} persons at a time. Nothing was deleted.")
        return None
    context = {
        **admin.site.each_context(request),
        "title": "Delete persons",
        "opts": Person._meta,
        "count": len(ids),
        "named": Person.objects.filter(pk__in=ids[:NAMED]).order_by("pk"),
        "more": max(len(ids) - NAMED, 0),
        "url": reverse("admin:syncer_person_delete_selected", args=[selection.keep(request, ids)]),
    }
    return TemplateResponse(request, "syncer/delete_persons.html", context)


@require_POST
def deleted(request: HttpRequest, name: str) -> HttpResponse:
    """Delete the persons of a selection that is still known."""
    if not request.user.has_perm("syncer.delete_person"):
        raise PermissionDenied
    back = HttpResponseRedirect(reverse("admin:syncer_person_changelist"))
    ids = selection.find(request, name)
    if ids is None:
        messages.warning(request, "That selection was used or is no longer known. Select the persons again.")
        return back
    selection.forget(request, name)
    with transaction.atomic():
        found = Person.objects.filter(pk__in=ids)
        LogEntry.objects.log_actions(user_id=request.user.pk or 0, queryset=found, action_flag=DELETION)
        count = persons.delete_here(ids)
    messages.success(request, f"Deleted {count:,} person{'' if count == 1 else 's'} here.")
    return back
