"""``manage.py pausesync``: stop the scheduled cycles, and if asked everything that writes to Salesforce."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from syncer import schedule


class Command(BaseCommand):
    help = "Pause the scheduled cycles. Edits are kept and wait; Sync Person to SFDC and runsync keep working."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--everything",
            action="store_true",
            help="Stop everything that writes to Salesforce, too: at once, for everybody, also in a cycle that runs. "
            "After a plain resumesync the cycles receive and send nothing, until `resumesync --everything`.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stopped = options["everything"] and schedule.stop_writing()
        paused = schedule.pause(getpass.getuser())
        again = "`manage.py resumesync --everything`" if options["everything"] else "`manage.py resumesync`"
        if stopped:
            self.stdout.write("Nothing is written to Salesforce any more.")
        if paused:
            self.stdout.write(f"Paused. Go on with {again}.")
        if not paused and not stopped:
            self.stdout.write("There is nothing to pause.")
