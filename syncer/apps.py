"""The application's configuration: what is done around each migration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.migrations.operations.fields import FieldOperation
from django.db.models.signals import post_migrate, pre_migrate


class SyncerConfig(AppConfig):
    name = "syncer"
    verbose_name = "Salesforce sync"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        pre_migrate.connect(_before_migrate, sender=self)
        post_migrate.connect(_after_migrate, sender=self)


def _before_migrate(using: str, plan: Sequence[Any], **kwargs: Any) -> None:
    """Remove the triggers before columns of a table change that they name: no column of it can go, and SQLite can't
    even rebuild it. Should the migration fail, the next one or the next cycle puts them back."""
    from syncer.models import triggers

    changed = (
        operation for migration, _ in plan if migration.app_label == "syncer" for operation in migration.operations
    )
    named = {model._meta.model_name for model in triggers.NAMED}
    if any(isinstance(operation, FieldOperation) and operation.model_name_lower in named for operation in changed):
        triggers.uninstall(connections[using])


def _after_migrate(using: str, **kwargs: Any) -> None:
    """Install the triggers, the schedules and the roles, as far as their tables are there. Edits that were made while
    triggers were missing are found by value, with the next cycle."""
    from syncer import roles, schedule
    from syncer.models import triggers

    connection = connections[using]
    tables = set(connection.introspection.table_names())
    if triggers.can_be_installed(connection):
        triggers.repair(connection)
    if "django_q_schedule" in tables:
        schedule.ensure()
    if "auth_group" in tables:
        roles.ensure()
