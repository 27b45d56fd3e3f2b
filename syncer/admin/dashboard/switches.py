"""The switches of the dashboard: pause, stop everything that writes, which installation syncs. Who did it is kept."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from syncer import schedule
from syncer.admin.ui import display
from syncer.models import SyncUser, SyncUserState
from syncer.sync.connection import installation

PAUSE = "syncer.pause_sync"
ADMINISTER = "syncer.change_syncuser"
STOPPED_WRITING = "Stopped everything that writes to Salesforce."


@dataclass(frozen=True, slots=True)
class WritingStopped:
    """Who stopped everything that writes, and when; empty when it was a command."""

    by: str
    since: SafeString | str


def writing_stopped(sync_user: SyncUser) -> WritingStopped | None:
    if not sync_user.writes_stopped:
        return None
    kind = ContentType.objects.get_for_model(SyncUser)
    history = LogEntry.objects.filter(content_type=kind, object_id=str(sync_user.pk), change_message=STOPPED_WRITING)
    last = history.select_related("user").order_by("-pk").first()
    return WritingStopped(str(last.user), display.ago(last.action_time)) if last else WritingStopped("", "")


@require_POST
def pause(request: HttpRequest) -> HttpResponse:
    """Stop the scheduled cycles; what is asked for by hand keeps working."""
    require_permission(request, PAUSE)
    if schedule.pause(request.user.get_username()):
        record(request, "Paused the sync.")
        messages.success(request, "Paused: no cycle starts by itself. Edits are kept and sent after Resume.")
    else:
        messages.info(request, "There was nothing to pause.")
    return HttpResponseRedirect(reverse("admin:index"))


@require_POST
def resume(request: HttpRequest) -> HttpResponse:
    """Go on, also after a refused sign-in or a used-up limit."""
    require_permission(request, PAUSE)
    refused = SyncUser.objects.filter(is_active=True, state=SyncUserState.REFUSED).exists()
    if not schedule.resume():
        messages.info(request, "There was nothing to resume.")
    elif refused:
        record(request, "Resumed the sync after a refused sign-in.")
        messages.success(
            request,
            "Resumed: the sign-in is tried once, within half a minute. If Salesforce refuses it again, the sync stops "
            "again, so that the user is not locked.",
        )
    else:
        record(request, "Resumed the sync.")
        messages.success(request, "Resumed: the next cycle starts within half a minute.")
    return HttpResponseRedirect(reverse("admin:index"))


@require_POST
def stop_writing(request: HttpRequest) -> HttpResponse:
    """Nothing is written to Salesforce from now on, by nobody; receiving goes on."""
    require_permission(request, PAUSE)
    if schedule.stop_writing():
        record(request, STOPPED_WRITING)
        messages.success(request, "Nothing is written to Salesforce any more. Receiving goes on, and edits are kept.")
    else:
        messages.info(request, "There was nothing to stop.")
    return HttpResponseRedirect(reverse("admin:index"))


@require_POST
def allow_writing(request: HttpRequest) -> HttpResponse:
    require_permission(request, PAUSE)
    if schedule.allow_writing():
        record(request, "Allowed writing to Salesforce again.")
        messages.success(request, "Writing is allowed again: what waits goes out with the next cycle.")
    else:
        messages.info(request, "Writing was not stopped.")
    return HttpResponseRedirect(reverse("admin:index"))


@require_POST
def this_installation(request: HttpRequest) -> HttpResponse:
    """The database was copied, and this installation is the one that syncs."""
    require_permission(request, ADMINISTER)
    stored = installation.other()
    if stored is not None and installation.take_over():
        record(request, f"Said that this installation syncs, no longer {stored.identity}.")
        schedule.run_at_once()
        messages.success(request, "This installation syncs from now on: the next cycle starts within half a minute.")
    else:
        messages.info(request, "This database belongs to this installation.")
    return HttpResponseRedirect(reverse("admin:index"))


def record(request: HttpRequest, what: str) -> None:
    """Keep in the connection's history who did it."""
    active = SyncUser.objects.filter(is_active=True)
    LogEntry.objects.log_actions(
        user_id=request.user.pk or 0, queryset=active, action_flag=CHANGE, change_message=what, single_object=True
    )


def require_permission(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied
