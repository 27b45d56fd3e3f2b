"""*Refresh field list*: reads what the sync user may see and edit now rather than with the next cycle."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from syncer.models import SyncUser
from syncer.sync.connection.connect import active_sync_user
from syncer.sync.errors import CannotSync
from syncer.sync.fields.synced_objects import OBJECTS
from syncer.sync.pull.describes import NAMED, SchemaChange
from syncer.sync.upkeep.access_check import refresh_fields

PERMISSION = "syncer.change_fieldmapping"


@require_POST
def refresh(request: HttpRequest) -> HttpResponse:
    """The button; says what changed. Outside of any transaction."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    try:
        sync_user = active_sync_user()
        changes = refresh_fields(sync_user, actor=request.user.get_username())
    except CannotSync as error:
        messages.error(request, error.message)
    else:
        for change in changes:
            messages.success(request, sentence(change))
        if not changes:
            messages.success(request, f"Nothing changed: {_counts(sync_user)}.")
    return HttpResponseRedirect(reverse("admin:syncer_fieldmapping_changelist"))


def sentence(change: SchemaChange) -> str:
    """What changed in the fields of one object."""
    parts = []
    if change.added:
        filled = "The next cycle fills them in for every record"
        parts.append(f"{_fields(change.added)} appeared. {filled}.")
    if change.hidden:
        parts.append(f"{_fields(change.hidden)} disappeared: kept here, not synced.")
    if change.changed:
        parts.append(f"{_fields(change.changed)} changed in type, label or access.")
    return f"{change.object}: {' '.join(parts)}"


def _fields(names: Sequence[str]) -> str:
    count = f"{len(names)} {'field' if len(names) == 1 else 'fields'}"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{count} ({', '.join(names[:NAMED])}{more})"


def _counts(sync_user: SyncUser) -> str:
    described = sync_user.described.filter(name__in=OBJECTS).order_by("-name").values_list("name", "description")
    return ", ".join(f"{name} has {len(about.get('fields', ()))} fields" for name, about in described)
