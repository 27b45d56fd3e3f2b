"""*Delete from SFDC*: asks first, names the persons and records, and has their number typed."""

from __future__ import annotations

import hashlib

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.crypto import constant_time_compare

from syncer.admin.actions import selection
from syncer.admin.actions.run import carry_out, carry_out_for_one
from syncer.admin.actions.selection import Whom
from syncer.admin.state.why import cannot_write
from syncer.models import Person, SyncUser
from syncer.sync.actions.spec import ActionSpec
from syncer.sync.options import SyncOptions

#: Persons that the page names; the others are counted.
NAMED = 200


def delete_page(request: HttpRequest, spec: ActionSpec, whom: Whom, sync_user: SyncUser | None) -> HttpResponse:
    """GET asks; POST deletes, if the number is right and the records are still those that the page named."""
    persons = list(
        Person.objects.filter(pk__in=whom.ids, sfdc_is_deleted=False)
        .exclude(sfdc_type="")
        .only("first_name", "last_name", "email", "sfdc_type", "sfdc_id")
        .order_by("pk")
    )
    seen = _digest(persons)
    problem = ""
    if request.method == "POST" and persons:
        problem = _problem(request, len(persons), seen)
        if not problem:
            response = _delete(request, spec, whom, [person.pk for person in persons])
            if response is not None:
                return response
    context = {
        **admin.site.each_context(request),
        "title": spec.page_title,
        "opts": Person._meta,
        "whom": whom,
        "persons": persons[:NAMED],
        "count": len(persons),
        "more": max(0, len(persons) - NAMED),
        "left_alone": len(whom.ids) - len(persons),
        "seen": seen,
        "problem": problem,
        "stopped": cannot_write(sync_user) if sync_user else "there is no Salesforce connection",
        "instance_url": sync_user.instance_url.rstrip("/") if sync_user else "",
    }
    return TemplateResponse(request, "syncer/delete_from_sfdc.html", context)


def _problem(request: HttpRequest, count: int, seen: str) -> str:
    if not constant_time_compare(request.POST.get("seen", ""), seen):
        return "The records have changed since this page was shown. Look again; nothing was deleted."
    if request.POST.get("count", "").strip().replace(",", "") != str(count):
        return f"Type the number of records, {count:,}, to delete them. Nothing was deleted."
    return ""


def _delete(request: HttpRequest, spec: ActionSpec, whom: Whom, ids: list[int]) -> HttpResponse | None:
    options = SyncOptions(action=spec.action)
    if whom.person is not None:
        return carry_out_for_one(request, whom.person, options)
    response = carry_out(request, ids, options)
    if response is not None:
        selection.forget(request, whom.selected)
    return response


def _digest(persons: list[Person]) -> str:
    """Which records the page names: a later page about others is another one."""
    text = "\n".join(f"{person.pk} {person.sfdc_id}" for person in persons)
    return hashlib.sha256(text.encode()).hexdigest()
