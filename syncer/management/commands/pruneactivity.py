"""``manage.py pruneactivity``: remove what is older than it has to be kept."""

from __future__ import annotations

import argparse
import signal
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from syncer.management.progress import display_for
from syncer.models import ActivityType
from syncer.sync.upkeep.retention import KEPT, OTHERS, UNDO_DAYS, VALUES, Keep, prune


def _names(kinds: tuple[ActivityType, ...]) -> str:
    return ", ".join(str(kind.label) for kind in kinds)


class Command(BaseCommand):
    help = (
        "Remove old entries of the activity log, and what belongs to them. Value and sync entries "
        f"({_names(VALUES)}) are kept for --values-days; {_names(OTHERS)} and the overwritten values of conflicts for "
        f"--other-months; {_names(KEPT)} is never removed. Undo images are kept for {UNDO_DAYS} days, and so are runs "
        "that nothing refers to any more. The background worker does the same every day with the defaults. It may be "
        "stopped at any time; what was removed stays removed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Remove nothing; say what would be removed.")
        parser.add_argument(
            "--values-days", type=_at_least_one, default=Keep().values_days, help="Default: %(default)s days."
        )
        parser.add_argument(
            "--other-months", type=_at_least_one, default=Keep().other_months, help="Default: %(default)s months."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        keep = Keep(options["values_days"], options["other_months"])
        done: dict[str, int] = {}
        with display_for(self.stderr, quiet=options["verbosity"] == 0) as display:

            def tell(what: str, count: int) -> None:
                done[what] = count
                display.progress(f"Counting {what}" if options["dry_run"] else f"Removing {what}", count, None)

            try:
                done = prune(timezone.now(), keep, dry_run=options["dry_run"], tell=tell)
                stopped = False
            except KeyboardInterrupt:
                stopped = True
        counts = ", ".join(f"{count:,} {what}" for what, count in done.items() if count) or "nothing"
        self.stdout.write(f"Would remove: {counts}." if options["dry_run"] else f"Removed: {counts}.")
        if stopped:
            self.stderr.write("Stopped before the end; the next run goes on from here.")
            sys.exit(1)


def _at_least_one(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1200):
        raise argparse.ArgumentTypeError("a whole number from 1 to 1200")
    return int(text)
