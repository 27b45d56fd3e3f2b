"""``manage.py resumesync``: go on with the scheduled cycles, and if asked with everything."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from syncer import schedule
from syncer.models import SyncUser
from syncer.sync.connection import installation


class Command(BaseCommand):
    help = "Resume the scheduled cycles, after a pause, a refused sign-in or a used-up API limit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--everything", action="store_true", help="Allow again, too, what writes to Salesforce.")

        parser.add_argument(
            "--this-installation",
            action="store_true",
            help="The database was copied from another installation, and this one is to sync from now on. Stop the "
            "other one first.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        taken_over = options["this_installation"] and installation.take_over()
        if taken_over:
            schedule.run_at_once()
            self.stdout.write("This installation syncs from now on.")
        elif stored := installation.other():
            self.stderr.write(installation.refusal(stored))
            sys.exit(1)
        allowed = options["everything"] and schedule.allow_writing()
        resumed = schedule.resume()
        if allowed:
            self.stdout.write("Writing to Salesforce is allowed again; what waits goes out with the next cycle.")
        if resumed:
            self.stdout.write("The next cycle starts within 30 seconds.")
        if not (resumed or allowed or taken_over):
            self.stdout.write("The sync is not paused.")
        if SyncUser.objects.filter(is_active=True, writes_stopped=True).exists():
            self.stdout.write(
                "Everything that writes to Salesforce is still stopped: `manage.py resumesync --everything`."
            )
