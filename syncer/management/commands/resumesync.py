"""``manage.py resumesync``: go on with the scheduled cycles."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from syncer import schedule


class Command(BaseCommand):
    help = "Resume the scheduled cycles, after a pause, a refused sign-in or a used-up API limit."

    def handle(self, *args: Any, **options: Any) -> None:
        resumed = schedule.resume()
        self.stdout.write("The next cycle starts within 30 seconds." if resumed else "The sync is not paused.")
