"""The roles of people who log in: groups that every installation has.

*Viewer* sees everything but secrets. *Marketer* works with persons and runs the sync's actions. *Administrator* also
looks after connections, field mappings and people's access. Made after each migration when missing; what an
administrator changes on a group later is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db.models import Q

VIEWER, MARKETER, ADMINISTRATOR = "Viewer", "Marketer", "Administrator"

_SEEN = (
    "activitylogentry",
    "conflict",
    "fieldmapping",
    "pendingchange",
    "person",
    "salesforcerecord",
    "syncrun",
    "syncuser",
)
_VIEW = tuple(f"view_{model}" for model in _SEEN)
_MARKET = ("add_person", "change_person", "delete_person", "sync_person", "run_cycle")
_ADMINISTER = (
    "add_syncuser",
    "change_syncuser",
    "delete_syncuser",
    "change_fieldmapping",
    "add_fieldmapping",
    "pause_sync",
    "delete_from_sfdc",
)
_ACCESS = tuple(f"{verb}_{model}" for verb in ("view", "add", "change", "delete") for model in ("user", "group"))

ROLES: dict[str, tuple[str, ...]] = {
    VIEWER: _VIEW,
    MARKETER: _VIEW + _MARKET,
    ADMINISTRATOR: _VIEW + _MARKET + _ADMINISTER + _ACCESS,
}


def ensure() -> None:
    """Make the groups that are missing, with their permissions."""
    missing = set(ROLES) - set(Group.objects.filter(name__in=ROLES).values_list("name", flat=True))
    if not missing:
        return
    # The permissions are made by handlers of the same signal, which may come after this one.
    for label in ("syncer", "auth"):
        create_permissions(apps.get_app_config(label), verbosity=0)
    for name in sorted(missing):
        Group.objects.create(name=name).permissions.set(_permissions(ROLES[name]))


def _permissions(codenames: Iterable[str]) -> list[Permission]:
    labels = Q(content_type__app_label="syncer") | Q(content_type__app_label="auth")
    return list(Permission.objects.filter(labels, codename__in=list(codenames)))
