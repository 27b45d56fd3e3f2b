"""The admin: what people see and press."""

from __future__ import annotations

from django.contrib import admin

from syncer.admin.site import SyncAdminSite

# ``django.contrib.admin.site`` is made when applications are searched for their admin, and this application is the
# first of them: so far nothing is registered with it, and it can still become ours.
if not isinstance(getattr(admin.site, "_wrapped", None), SyncAdminSite):
    admin.site._wrapped = SyncAdminSite()  # type: ignore[attr-defined]

from syncer.admin import activity, conflicts, mappings, persons, runs, sync_users  # noqa: E402

__all__ = ["activity", "conflicts", "mappings", "persons", "runs", "sync_users"]
