"""*Test connection*: signs in right now and shows what the sync user may see and do in Salesforce.

The test is a POST view outside of any transaction. Its result is kept in the session of whoever pressed the button, so
that the page can be reloaded without a second sign-in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from syncer.admin.ui import display
from syncer.models import SalesforceRecord, SyncUser
from syncer.salesforce.caller import Timing
from syncer.sync.connection.connect import connect, learn_organisation, one_line_errors
from syncer.sync.errors import CannotSync
from syncer.sync.outcomes import Code
from syncer.sync.upkeep.access_check import ConnectionReport, test_connection

SESSION_KEY = "connection_test"
PERMISSION = "syncer.change_syncuser"
#: From this share of the organisation's API calls on, the bar warns.
MUCH = 0.8


@dataclass(frozen=True, slots=True)
class FieldsRow:
    """What the sync user may do with the fields of one object."""

    object: str
    seen: int
    edited: int


@require_POST
def test(request: HttpRequest, sync_user_id: int) -> HttpResponse:
    """The button."""
    _require_permission(request)
    return run_test(request, get_object_or_404(SyncUser, pk=sync_user_id))


def run_test(request: HttpRequest, sync_user: SyncUser) -> HttpResponse:
    """Test the connection, keep what came of it, and lead to the page that shows it. Never inside a transaction."""
    kept: dict[str, Any] = {"sync_user": sync_user.pk, "at": timezone.now().isoformat()}
    try:
        report = test_connection(sync_user)
        _learn(sync_user, report)
        request.session[SESSION_KEY] = kept | {"report": asdict(report)}
    except CannotSync as error:
        request.session[SESSION_KEY] = kept | {"error": error.message, "code": error.code}
    return HttpResponseRedirect(reverse("admin:syncer_syncuser_test_result", args=[sync_user.pk]))


def _learn(sync_user: SyncUser, report: ConnectionReport) -> None:
    """A new connection remembers which organisation it leads to, unless the persons here belong to another one."""
    if sync_user.organisation_id:
        return
    other = SalesforceRecord.objects.exclude(organisation=report.organisation_id).first()
    if other is not None:
        raise CannotSync(
            f"This is organisation {report.organisation_id} ({report.organisation_name}), but the persons here are "
            f"linked with {other.organisation}. Nothing was read or written.",
            Code.WRONG_ORGANISATION,
        )
    org = connect(sync_user, timing=Timing(attempts=2))
    with one_line_errors(sync_user, org):
        learn_organisation(sync_user, org)


@require_GET
def result(request: HttpRequest, sync_user_id: int) -> HttpResponse:
    """The page with the last test that this person made of this connection."""
    _require_permission(request)
    sync_user = get_object_or_404(SyncUser, pk=sync_user_id)
    kept = request.session.get(SESSION_KEY)
    page = reverse("admin:syncer_syncuser_change", args=[sync_user.pk])
    if not isinstance(kept, dict) or kept.get("sync_user") != sync_user.pk:
        return HttpResponseRedirect(page)
    report = kept.get("report")
    context = {
        **admin.site.each_context(request),
        "title": "Connection test",
        "opts": SyncUser._meta,
        "sync_user": sync_user,
        "connection_url": page,
        "test_url": reverse("admin:syncer_syncuser_test", args=[sync_user.pk]),
        "mappings_url": (
            reverse("admin:syncer_fieldmapping_changelist") if request.user.has_perm("syncer.view_fieldmapping") else ""
        ),
        "at": display.ago(datetime.fromisoformat(kept["at"])),
        "error": kept.get("error", ""),
        "code": kept.get("code", ""),
        "report": report,
        "kind": _kind(report) if report else "",
        "usage": _usage(report) if report else None,
        "fields": [FieldsRow(name, *counts) for name, counts in report["fields"].items()] if report else [],
    }
    return TemplateResponse(request, "syncer/connection_test.html", context)


def _kind(report: dict[str, Any]) -> str:
    """Which sort of organisation: nobody should take production for a sandbox."""
    where = "sandbox" if report["is_sandbox"] else "production"
    edition = report["organisation_type"]
    return f"{edition}, {where}" if edition else where.capitalize()


def _usage(report: dict[str, Any]) -> dict[str, Any] | None:
    """API calls of the organisation, as it told them with its last answer."""
    used, limit = report["api_used"], report["api_limit"]
    if used is None or not limit:
        return None
    return {
        "used": used,
        "limit": limit,
        "text": f"{used:,} of {limit:,}",
        "percent": round(100 * used / limit),
        "level": "bad" if used >= limit else "wait" if used >= MUCH * limit else "good",
    }


def _require_permission(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
