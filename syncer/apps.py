"""The application's configuration: what is put right after each migration."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


class SyncerConfig(AppConfig):
    name = "syncer"
    verbose_name = "Salesforce sync"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(_after_migrate, sender=self)


def _after_migrate(using: str, **kwargs: Any) -> None:
    """Install the triggers (a migration may have dropped them), the schedules and the roles."""
    from syncer import roles, schedule
    from syncer.models import triggers

    connection = connections[using]
    tables = set(connection.introspection.table_names())
    if triggers.PERSON in tables and triggers.WRITING in tables:
        triggers.install(connection)
    if "django_q_schedule" in tables:
        schedule.ensure()
    if "auth_group" in tables:
        roles.ensure()
