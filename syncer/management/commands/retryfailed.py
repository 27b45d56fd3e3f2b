"""``manage.py retryfailed``: have what Salesforce refused tried again."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from syncer.management.persons import person_ids
from syncer.models import PendingChange, PendingState
from syncer.sync.errors import CannotSync
from syncer.sync.store import outbox


class Command(BaseCommand):
    help = (
        "Put persons with a sync error back among those that wait, at once and as if they had not been tried yet. The "
        "next cycle tries them; this command runs none. Without options: all of them. Otherwise they are tried again "
        "when the person, its record in Salesforce, its mapping or the field list changes, and each night at 02:00; "
        "what only a person can decide is not. Exit codes: 0 done, also when nothing was waiting for it; 1 a person "
        "is unknown, and nothing was done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--code",
            action="append",
            default=[],
            help="Only with this reason (Salesforce's status code, as on the list of sync errors); may be repeated.",
        )
        parser.add_argument(
            "--person",
            metavar="ID",
            action="append",
            default=[],
            help="Only this person (number or UUID); may be repeated.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            persons = person_ids(options["person"]) if options["person"] else None
        except CannotSync as error:
            self.stderr.write(error.message)
            sys.exit(1)
        failed = PendingChange.objects.filter(state=PendingState.FAILED)
        if persons is not None:
            failed = failed.filter(person_id__in=persons)
        if options["code"]:
            failed = failed.filter(error_code__in=options["code"])
        reasons = failed.order_by("error_code").values_list("error_code", flat=True).distinct()
        put_back = {code: outbox.retry(persons, [code]) for code in list(reasons)}
        for code, count in put_back.items():
            self.stdout.write(f"{count:>7}  {code}")
        total = sum(put_back.values())
        tried = "The next cycle tries them." if total else "No sync error was found."
        self.stdout.write(f"{total} put back. {tried}")
