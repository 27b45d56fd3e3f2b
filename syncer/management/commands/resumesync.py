"""``manage.py resumesync``: go on with the scheduled cycles, and if asked with everything."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from syncer import schedule
from syncer.models import SyncUser
from syncer.sync.connection import installation, lease


class Command(BaseCommand):
    help = "Resume the scheduled cycles, after a pause, a refused sign-in or a used-up API limit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--everything", action="store_true", help="Allow again, too, what writes to Salesforce.")
        parser.add_argument(
            "--break-lease",
            action="store_true",
            help="A cycle is said to be running, and nobody is at it: let the next one begin. Whatever that one should "
            "still write is refused.",
        )
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
        broken = lease.break_lease() if options["break_lease"] else []
        allowed = options["everything"] and schedule.allow_writing()
        resumed = schedule.resume()
        if allowed:
            self.stdout.write("Writing to Salesforce is allowed again; what waits goes out with the next cycle.")
        if resumed:
            self.stdout.write("The next cycle starts within 30 seconds.")
        for holder in broken:
            self.stdout.write(f"The lease of {holder or 'a cycle'} is broken: the next cycle begins with its turn.")
        if options["break_lease"] and not broken:
            self.stdout.write("No cycle holds a lease.")
        if not (resumed or allowed or taken_over or options["break_lease"]):
            self.stdout.write("The sync is not paused.")
        if SyncUser.objects.filter(is_active=True, writes_stopped=True).exists():
            self.stdout.write(
                "Everything that writes to Salesforce is still stopped: `manage.py resumesync --everything`."
            )
