"""Both sides in one process with one clock, and the places where a history switches: HTTP calls and transactions.

A crash takes an image of the database at that instant, lets the run unwind while the transport refuses every call,
and puts the image back, so that no ``finally`` which a killed process would not have run leaves a trace.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import requests
import time_machine
from django.conf import settings
from django.db import connection, connections
from requests.adapters import BaseAdapter

from sandbox.inprocess import InProcessAdapter
from sandbox.soql.cursors import BATCH
from syncer.models import SyncUser
from syncer.sync.actions.run_action import sync_persons
from syncer.sync.context import Progress, Surroundings, no_progress
from syncer.sync.cycle import CycleOptions, run_cycle
from syncer.sync.errors import CannotSync
from tests.simulation.journal import Journal
from tests.support.salesforce import ORIGIN, Sandbox, Time

#: The kinds of places, and how likely something happens at each.
PLACES = {"before call": 0.25, "after call": 0.25, "transaction": 0.04, "statement": 0.015, "pause": 0.3}


class Killed(BaseException):
    """The process ended here. ``level`` is the run that it was: a cycle, or an action inside of its time."""

    def __init__(self, level: int) -> None:
        self.level = level


@dataclass(slots=True)
class Crash:
    """Where a run is killed: at the so-manieth place of this kind."""

    place: str
    countdown: int


class _Transport(BaseAdapter):
    """Between the application and the organisation: every call is a place to switch."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._inner = InProcessAdapter(world.sandbox.org)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        world = self._world
        if world.dying:
            raise Killed(world.dying)
        world.pass_(world.chance.choice((0, 0, 0.2, 1, 4)))
        writes = _written(request)
        world.writing = bool(writes)
        world.switch("before call")
        # What a request that writes reads along is not followed through pages: it has to come in one.
        world.sandbox.org.settings.page_records = BATCH if writes else world.page
        hits = {fault.number: fault.hits for fault in world.sandbox.org.faults.planned}
        try:
            response = self._inner.send(request, *args, **options)
        except requests.RequestException:
            world.lost(writes)
            raise
        finally:
            for fault in world.sandbox.org.faults.planned:
                for _ in range(fault.hits - hits.get(fault.number, 0)):
                    world.struck(fault.kind)
        world.writing = False
        world.answered = writes
        world.switch("after call")
        world.answered = {}
        return response

    def close(self) -> None:
        """Nothing is open."""


def _written(request: requests.PreparedRequest) -> dict[str, set[str]]:
    """The records that a request changes, with the fields; creates appear under an empty id."""
    body: Any = request.body or b""
    found: dict[str, set[str]] = {}
    if not (request.url or "").endswith("/composite"):
        return found
    for part in json.loads(body)["compositeRequest"]:
        for row in (part.get("body") or {}).get("records", ()):
            found.setdefault(str(row.get("Id") or ""), set()).update(row)
    return found


class World:
    """``switch`` is called at each place; ``inject`` (set by the history) then may do something in between."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.time = Time()
        self.skew = timedelta()  # how far this side's clock is off
        self.sandbox = Sandbox(self.time)
        self.journal = Journal()
        self.inject: Callable[[str], None] = lambda place: None
        self.page = BATCH  # records in one page of an answer to the application
        self.dying = 0
        self.depth = 0
        self.phase = ""
        self.writing = False
        self.answered: dict[str, set[str]] = {}
        self._aside = 0
        self._crashes: list[Crash | None] = []
        self._image: sqlite3.Connection | None = None
        self._clock: Any = None

    # -- time -----------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The time of this side's clock."""
        return self.time() + self.skew

    def pass_(self, seconds: float) -> None:
        self.time.pass_(seconds)
        self.show_time()

    def show_time(self) -> None:
        if self._clock is not None:
            self._clock.move_to(self.now())

    # -- the application ------------------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[World]:
        """The database empty, its clock and Python's those of the history, every place hooked."""
        with ExitStack() as stack:
            self._clock = stack.enter_context(time_machine.travel(self.now(), tick=False))
            # It can't be taken away again, so what comes after gets the real time from Python.
            connection.connection.create_function("strftime", 2, _strftime(self.now))
            stack.callback(
                connection.connection.create_function, "strftime", 2, _strftime(lambda: datetime.now(tz=UTC))
            )
            self._chance = random.Random(self.seed)
            real = connections["default"]
            self._plain_set_autocommit = real.set_autocommit
            stack.enter_context(mock.patch.object(real, "set_autocommit", self._set_autocommit))
            stack.enter_context(connection.execute_wrapper(self._statement))
            with self.aside():
                self.sync_user = SyncUser(
                    name="Sandbox", method="client-credentials", login_url=ORIGIN, api_version="62.0"
                )
                self.sync_user.set_secrets({"client_id": "sandbox-client", "client_secret": "sandbox-secret"})
                # add_sync_user asks for it when the connection is made.
                self.sync_user.organisation_id = self._organisation()
                self.sync_user.save()
            yield self

    def _organisation(self) -> str:
        return str(self.sandbox.sales.query("SELECT Id FROM Organization")["records"][0]["Id"])

    def cycle(self, crash: Crash | None = None, **options: Any) -> Any:
        """One cycle; its run, the reason why there was none, or None when it was killed."""
        return self._run(
            crash,
            lambda: run_cycle(
                trigger="simulation",
                options=CycleOptions(**options),
                around=self._surroundings(self._progress),
            ),
        )

    def sync(self, ids: list[int], crash: Crash | None = None, **options: Any) -> Any:
        return self._run(
            crash,
            lambda: sync_persons(ids, actor="Eva", around=self._surroundings(), **options),
        )

    def _surroundings(self, progress: Progress = no_progress) -> Surroundings:
        """Sessions, time and chance as the application is handed them."""
        return Surroundings(
            self.open_session,
            now=self.now,
            pause=self.pause,
            monotonic=lambda: self.time().timestamp(),
            random=self._chance,
            progress=progress,
        )

    def _run(self, crash: Crash | None, call: Callable[[], Any]) -> Any:
        outer = self.phase
        self.depth += 1
        level = self.depth
        self._crashes.append(crash)
        self.phase = "Signing in" if level == 1 else "Sync Person"
        try:
            return call()
        except CannotSync as error:
            return error
        except Killed as killed:
            if killed.level != level:
                raise
            self._put_back()
            return None
        finally:
            self.depth -= 1
            self._crashes.pop()
            self.phase = outer

    def open_session(self, login_url: str) -> requests.Session:
        session = requests.Session()
        for prefix in ("http://", "https://"):
            session.mount(prefix, _Transport(self))
        return session

    def pause(self, seconds: float) -> None:
        if self.dying:
            return
        self.pass_(seconds)
        self.switch("pause")

    def _progress(self, phase: str, done: int, total: int | None) -> None:
        self.phase = phase.split(" did not")[0].rstrip("s")

    # -- places ---------------------------------------------------------------------------------------------------

    def switch(self, place: str) -> None:
        """Something else may happen here, or the process ends here."""
        if self._aside or self.dying or not self.depth:
            return
        crash = self._crashes[-1]
        if crash is not None and crash.place == place:
            crash.countdown -= 1
            if crash.countdown == 0:
                self._kill(place)
        if self.chance.random() < PLACES[place]:
            phase, writing, answered = self.phase, self.writing, self.answered
            self.inject(place)
            self.phase, self.writing, self.answered = phase, writing, answered

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What the history itself does with the database is no place to switch."""
        self._aside += 1
        try:
            yield
        finally:
            self._aside -= 1

    def _statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not connection.in_atomic_block:
            self.switch("statement")
        return execute(sql, params, many, context)

    def _set_autocommit(self, autocommit: bool, **options: Any) -> None:
        if not autocommit:
            self.switch("transaction")
        self._plain_set_autocommit(autocommit, **options)
        if autocommit:
            self.switch("transaction")

    def struck(self, what: str) -> None:
        self.journal.faults += 1
        self.journal.coverage[what, self.phase] += 1
        self.journal.tell(f"fault: {what} while {self.phase} (level {self.depth})")

    def lost(self, writes: dict[str, set[str]]) -> None:
        for record_id, names in writes.items():
            self.journal.in_doubt.setdefault(record_id, set()).update(names)

    def _kill(self, place: str) -> None:
        self.struck(f"killed at {place}")
        if place == "after call":
            self.lost(self.answered)
        self._image, self._beside = image(), _files_beside()
        self.dying = self.depth
        raise Killed(self.depth)

    def _put_back(self) -> None:
        assert self._image is not None
        restore(self._image)
        # What is kept beside the database is of that instant, too: a crash brings no backup back.
        for path in _files_beside().keys() - self._beside.keys():
            path.unlink()
        for path, text in self._beside.items():
            path.write_text(text)
        self._image, self.dying = None, 0


def _files_beside() -> dict[Path, str]:
    return {path: path.read_text() for path in Path(settings.STATE_DIR).glob("*.json")}


def _strftime(now: Callable[[], datetime]) -> Callable[[str, str], str]:
    """SQLite's function, by another clock."""

    def strftime(form: str, when: str) -> str:
        assert when.lower() == "now", "only the current time is asked for"
        at = now()
        return at.strftime(form.replace("%f", "%S.")) + f"{at.microsecond // 1000:03}"

    return strftime


def image() -> sqlite3.Connection:
    """A copy of the database as it is committed now."""
    copy = sqlite3.connect(":memory:")
    connection.connection.backup(copy)
    return copy


def restore(copy: sqlite3.Connection) -> None:
    copy.backup(connection.connection)
