"""Who may run which action on persons."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from syncer.sync.options import Action

SYNC = "syncer.sync_person"
DELETE = "syncer.delete_from_sfdc"


def may(request: HttpRequest, action: Action) -> bool:
    return request.user.has_perm(DELETE if action is Action.DELETE else SYNC)


def require(request: HttpRequest, action: Action) -> None:
    if not may(request, action):
        raise PermissionDenied


def require_any_action(request: HttpRequest) -> None:
    """For what all actions share: how far a run is."""
    if not (request.user.has_perm(SYNC) or request.user.has_perm(DELETE)):
        raise PermissionDenied
