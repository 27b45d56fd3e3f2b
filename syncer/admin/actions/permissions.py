"""Who may run which action on persons."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from syncer.sync.actions.registry import SPECS
from syncer.sync.options import Action


def may(request: HttpRequest, action: Action) -> bool:
    return request.user.has_perm(SPECS[action].permission)


def require(request: HttpRequest, action: Action) -> None:
    if not may(request, action):
        raise PermissionDenied


def require_any_action(request: HttpRequest) -> None:
    """For what all actions share: how far a run is."""
    if not any(may(request, action) for action in SPECS):
        raise PermissionDenied
