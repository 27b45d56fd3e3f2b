"""``manage.py discover_fields``: read the field list from Salesforce now."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from syncer.management.progress import quiet_logs
from syncer.sync.connection.connect import active_sync_user
from syncer.sync.errors import CannotSync
from syncer.sync.upkeep.access_check import refresh_fields


class Command(BaseCommand):
    help = "Read the fields that the sync user can access, and bring the field mappings in line. Cycles do it, too."

    def handle(self, *args: Any, **options: Any) -> None:
        quiet_logs(options["verbosity"])
        try:
            changes = refresh_fields(active_sync_user(), actor="discover_fields")
        except CannotSync as error:
            self.stderr.write(error.message)
            sys.exit(1)
        for change in changes:
            for what, names in (("new", change.added), ("gone", change.hidden), ("changed", change.changed)):
                if names:
                    self.stdout.write(f"{change.object}: {what}: {', '.join(names)}.")
        if not changes:
            self.stdout.write("Nothing has changed.")
