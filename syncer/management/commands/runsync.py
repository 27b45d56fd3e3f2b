"""``manage.py runsync``: one cycle in the foreground, or *Sync Person to SFDC* for persons by id."""

from __future__ import annotations

import getpass
import json
import signal
import sys
import time
from argparse import ArgumentParser
from dataclasses import asdict, replace
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from syncer import schedule
from syncer.management.persons import person_ids
from syncer.management.progress import Display, display_for, quiet_logs
from syncer.models import SyncRun
from syncer.salesforce.codes import EdgeCode
from syncer.sync.actions.run_action import carry_on, start_run
from syncer.sync.context import REAL_WORLD
from syncer.sync.cycle import CycleOptions, run_cycle
from syncer.sync.errors import CannotSync, LeaseHeld
from syncer.sync.fields.synced_objects import OBJECTS
from syncer.sync.outcomes import Code, PersonOutcome
from syncer.sync.plan import Plan, Planned
from syncer.sync.store import run_persons
from syncer.sync.store.activity import shown

#: Errors that no waiting mends.
STOPS_WATCHING = frozenset(
    {
        Code.NO_SYNC_USER,
        EdgeCode.SIGN_IN_REFUSED,
        EdgeCode.CONFIGURATION,
        Code.WRONG_ORGANISATION,
        Code.SECRETS_UNREADABLE,
        Code.COPIED_DATABASE,
    }
)
COMPLETED, NOT_COMPLETED, RECORDS_FAILED, HELD = 0, 1, 3, 75


class Command(BaseCommand):
    help = (
        "Run one sync cycle with Salesforce in the foreground. Exit codes: 0 it completed (failures of single records "
        "are in the summary and in the activity log); 3 it completed with such failures and --fail-on-errors was "
        "given; 1 it could not complete; 75 another cycle is running."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--full", action="store_true", help="Read everything again and compare it by value.")
        parser.add_argument("--object", choices=OBJECTS, help="Only this object.")
        parser.add_argument(
            "--person",
            metavar="ID",
            action="append",
            default=[],
            help="Sync Person to SFDC for this person (number or UUID) instead of a cycle; may be repeated.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Write nothing on either side; print what a cycle would do now."
        )
        parser.add_argument(
            "--watch", action="store_true", help="Keep cycling, with the wait of SYNC_INTERVAL_MINUTES, until Ctrl-C."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON summary on stdout; all else on stderr.")
        parser.add_argument("--fail-on-errors", action="store_true", help="Exit with 3 when a record failed.")

    def handle(self, *args: Any, **options: Any) -> None:
        # SIGTERM ends like Ctrl-C: what was done is committed, the lease and the claims are given back.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        quiet_logs(options["verbosity"])
        self._json = bool(options["json"])
        try:
            with display_for(self.stderr if self._json else self.stdout, quiet=options["verbosity"] == 0) as display:
                if options["person"]:
                    code = self._persons(options, display)
                elif options["watch"]:
                    code = self._watch(options, display)
                else:
                    code = self._cycle(options, display)
        except LeaseHeld as error:
            code = self._refuse(error, HELD)
        except CannotSync as error:
            code = self._refuse(error, NOT_COMPLETED)
        except KeyboardInterrupt:
            self.stderr.write("Stopped. What was done is kept; the next cycle goes on from there.")
            code = NOT_COMPLETED
        if code:
            sys.exit(code)

    def _watch(self, options: dict[str, Any], display: Display) -> int:
        """Cycle after cycle. What can't be done now is told, and tried again after the wait; a stopped connection
        ends it."""
        while True:
            try:
                self._cycle(options, display)
            except LeaseHeld as error:
                self.stderr.write(error.message)
            except CannotSync as error:
                if error.code in STOPS_WATCHING:
                    raise
                self.stderr.write(error.message)
            time.sleep(settings.SYNC_INTERVAL_MINUTES * 60)

    def _cycle(self, options: dict[str, Any], display: Display) -> int:
        objects = (options["object"],) if options["object"] else OBJECTS
        plan = Plan(tell=self._tell_planned) if options["dry_run"] else None
        run = run_cycle(
            trigger=f"runsync by {_user()}",
            options=CycleOptions(objects=objects, full=options["full"], plan=plan),
            around=replace(REAL_WORLD, progress=display.progress),
        )
        display.close()
        if plan is not None:
            self._tell_plan(plan, run)
            return COMPLETED
        schedule.run_after_the_wait()
        self._tell(run)
        failed = sum(run.counters[way]["failed"] for way in ("received", "sent"))
        return RECORDS_FAILED if failed and options["fail_on_errors"] else COMPLETED

    def _persons(self, options: dict[str, Any], display: Display) -> int:
        ids = person_ids(options["person"])
        run = start_run(ids, actor=f"runsync by {_user()}")
        carry_on(run, around=replace(REAL_WORLD, progress=display.progress))
        display.close()
        outcomes = run_persons.outcomes(run)
        self._tell(run, outcomes)
        return RECORDS_FAILED if options["fail_on_errors"] and not all(o.ok for o in outcomes) else COMPLETED

    def _tell(self, run: SyncRun, outcomes: list[PersonOutcome] | None = None) -> None:
        summary: dict[str, Any] = {
            "run": run.pk,
            "status": run.status,
            **run.counters,
            "conflicts": run.conflict_count,
            "api_calls": run.api_calls,
            "seconds": round(run.seconds or 0.0, 3),
            "notes": run.notes,
        }
        if outcomes is not None:
            summary["persons"] = [
                {
                    "person": o.person_id,
                    "name": o.name,
                    "result": o.result.value,
                    "message": o.message,
                    "code": o.code,
                    "sfdc_type": o.sfdc_type,
                    "sfdc_id": o.sfdc_id,
                }
                for o in outcomes
            ]
        if self._json:
            self.stdout.write(json.dumps(summary))
            return
        for o in outcomes or ():
            code = f" ({o.code})" if o.code else ""
            self.stdout.write(f"{o.name} (person {o.person_id}): {o.result}. {o.message}{code}")
        self._tell_notes(run)
        received, sent = (_counts(run.counters[way]) for way in ("received", "sent"))
        self.stdout.write(
            f"Run {run.pk} completed in {summary['seconds']} s. Received: {received}. Sent: {sent}. "
            f"Overwritten: {run.conflict_count}. API calls: {run.api_calls}."
        )

    def _tell_notes(self, run: SyncRun) -> None:
        for note in run.notes:
            self.stdout.write(f"Note: {note}")

    def _tell_planned(self, planned: Planned) -> None:
        """One line for a person, one for each of its values; nothing is kept."""
        if self._json:
            self.stderr.write(json.dumps(asdict(planned)))
            return
        where = " ".join(part for part in (planned.object, planned.record_id) if part)
        person = f" (person {planned.person_id})" if planned.person_id else ""
        why = f": {planned.why}" if planned.why else ""
        self.stdout.write(f"{planned.action.capitalize()}: {planned.name}{person}, {where or 'not in Salesforce'}{why}")
        for f in planned.fields:
            way = "receive" if f.side == "here" else "send"
            self.stdout.write(f"  {way} {f.field}: {shown(f.old)} → {shown(f.new)} ({f.why})")

    def _tell_plan(self, plan: Plan, run: SyncRun) -> None:
        if self._json:
            summary = {
                "run": run.pk,
                "status": run.status,
                "plan": dict(plan.counts),
                "api_calls": run.api_calls,
                "notes": run.notes,
            }
            self.stdout.write(json.dumps(summary))
            return
        self._tell_notes(run)
        counts = ", ".join(f"{count} × {name}" for name, count in plan.counts.items() if count)
        self.stdout.write(f"Nothing was written. A cycle would do this: {counts or 'nothing'}.")

    def _refuse(self, error: CannotSync, code: int) -> int:
        self.stderr.write(error.message)
        if self._json:
            self.stdout.write(json.dumps({"run": None, "status": "failed", "code": error.code, "error": error.message}))
        return code


def _counts(counters: dict[str, int]) -> str:
    words = {"created": "new", "updated": "updated", "unchanged": "no change", "failed": "failed"}
    return ", ".join(f"{counters[key]} {word}" for key, word in words.items() if counters[key]) or "nothing"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown user"
