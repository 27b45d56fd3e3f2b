"""``manage.py pausesync``: stop the scheduled cycles."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand

from syncer import schedule


class Command(BaseCommand):
    help = "Pause the scheduled cycles. Edits are kept and wait; Sync Person to SFDC and runsync keep working."

    def handle(self, *args: Any, **options: Any) -> None:
        paused = schedule.pause(getpass.getuser())
        self.stdout.write("Paused. Go on with `manage.py resumesync`." if paused else "There is nothing to pause.")
