"""Which installation a database belongs to: a copy of it (a restored backup, a test system) must not sync, too.

The installation's id is in its environment (INSTALLATION_ID), and in the database since the first connection. When the
two differ, nothing talks to Salesforce until a person says which installation is the active one. Without an id in the
environment nothing is checked.
"""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from syncer.models import Installation
from syncer.sync.errors import CannotSync
from syncer.sync.outcomes import Code


def other() -> Installation | None:
    """The installation that this database was copied from; None when it is this one's own."""
    if not settings.INSTALLATION_ID:
        return None
    return Installation.objects.exclude(identity=settings.INSTALLATION_ID).first()


def check() -> None:
    """Before anything talks to Salesforce. The first time, the database becomes this installation's. Raises
    CannotSync."""
    if not settings.INSTALLATION_ID:
        return
    stored, _ = Installation.objects.get_or_create(pk=1, defaults={"identity": settings.INSTALLATION_ID})
    if stored.identity != settings.INSTALLATION_ID:
        raise CannotSync(refusal(stored), Code.COPIED_DATABASE)


def refusal(stored: Installation) -> str:
    here = settings.INSTALLATION_ID
    return (
        f"This database belongs to the installation {stored.identity}, and this is {here}: two that sync would undo "
        "each other's work. Nothing was sent or received. If this one is to sync from now on, say so on the dashboard "
        "or with `manage.py resumesync --this-installation`."
    )


def take_over() -> bool:
    """A person said that this installation is the active one. False when it was already, or has no id."""
    if other() is None:
        return False
    Installation.objects.update_or_create(
        pk=1, defaults={"identity": settings.INSTALLATION_ID, "since": timezone.now()}
    )
    return True
