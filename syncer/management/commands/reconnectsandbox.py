"""``manage.py reconnectsandbox``: link the persons with a sandbox that was refreshed."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from dataclasses import replace
from typing import Any

from django.core.management.base import BaseCommand

from syncer.management.progress import display_for, quiet_logs
from syncer.sync.connection.connect import active_sync_user
from syncer.sync.context import REAL_WORLD
from syncer.sync.errors import CannotSync
from syncer.sync.upkeep import reconnect_sandbox


class Command(BaseCommand):
    help = (
        "Reconnect to a refreshed Salesforce sandbox: it has a new organisation id, and its records have the ids that "
        "they had. Each pair is checked by id and e-mail address; those that agree are linked with the new "
        "organisation, the others are let go and found again by the usual matching. The connection receives only "
        "afterwards. It may be broken off and repeated."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="Don't ask.")

    def handle(self, *args: Any, **options: Any) -> None:
        quiet_logs(options["verbosity"])
        try:
            organisation = reconnect_sandbox.where_it_leads()
            self.stdout.write(f"The sign-in leads to the sandbox {organisation.name} ({organisation.id}).")
            if not options["yes"] and not self._confirmed():
                self.stderr.write("Nothing was changed. Say yes, or give --yes, to reconnect.")
                sys.exit(1)
            with display_for(self.stderr, quiet=options["verbosity"] == 0) as display:
                run = reconnect_sandbox.start_run(active_sync_user(), f"reconnectsandbox by {getpass.getuser()}")
                found = reconnect_sandbox.reconnect(run, around=replace(REAL_WORLD, progress=display.progress))
        except CannotSync as error:
            self.stderr.write(error.message)
            sys.exit(1)
        except KeyboardInterrupt:
            self.stderr.write("Stopped. What was checked is kept; run it again to go on.")
            sys.exit(1)
        self.stdout.write(f"Run {run.pk}: {found}")

    def _confirmed(self) -> bool:
        if not sys.stdin.isatty():
            return False
        self.stdout.write("The connection will receive only, and every pair is checked.")
        return input("Reconnect? [yes/no] ").strip().lower() == "yes"
