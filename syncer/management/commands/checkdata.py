"""``manage.py checkdata``: whether all is in the database as it has to be."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand

from syncer.management.progress import display_for
from syncer.models import Person
from syncer.sync.upkeep.check_data import check

#: Examples that are named of each sentence.
NAMED = 5


class Command(BaseCommand):
    help = (
        "Check what has to be true of every person here (that each edit waits to be sent, that a link is the one that "
        "the person shows, ...) and put right what is not. Nothing is asked of Salesforce. The worker does it every "
        "day. It may be run at any time, and stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Put nothing right; the exit code is 1 when something is found."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        counts: Counter[str] = Counter()
        examples: dict[str, list[str]] = {}
        total = Person.objects.count()
        with display_for(self.stderr, quiet=options["verbosity"] == 0) as display:
            for found in check(
                mend=not options["dry_run"], tell=lambda done: display.progress("Checking persons", done, total)
            ):
                counts[found.sentence] += 1
                if counts[found.sentence] <= NAMED:
                    examples.setdefault(found.sentence, []).append(found.of)
        if not counts:
            self.stdout.write(f"All is as it has to be. Persons: {total:,}.")
            return
        for sentence, count in counts.items():
            more = ", …" if count > NAMED else ""
            self.stdout.write(f"Not so in {count:,} cases: {sentence} ({', '.join(examples[sentence])}{more})")
        if options["dry_run"]:
            self.stdout.write("Nothing was changed; without --dry-run it is put right.")
            sys.exit(1)
        self.stdout.write("Put right. What waits goes out with the next cycle.")
