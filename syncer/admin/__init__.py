"""The admin: what people see and press.

Rooms: ``ui`` (how things look), ``state`` (what is said of a person's sync), then one for each page that people open:
``dashboard``, ``persons``, ``actions``, ``log``, ``connections``, ``mappings``, and ``runs``.
"""

from __future__ import annotations

from django.contrib import admin

from syncer.admin.site import SyncAdminSite

# ``django.contrib.admin.site`` is made when applications are searched for their admin, and this application is the
# first of them: so far nothing is registered with it, and it can still become ours.
if not isinstance(getattr(admin.site, "_wrapped", None), SyncAdminSite):
    admin.site._wrapped = SyncAdminSite()  # type: ignore[attr-defined]

# Importing these registers their pages.
from syncer.admin import runs
from syncer.admin.connections import admin as connections
from syncer.admin.log import admin as log
from syncer.admin.log import conflicts
from syncer.admin.mappings import admin as mappings
from syncer.admin.persons import admin as persons

__all__ = ["conflicts", "connections", "log", "mappings", "persons", "runs"]
