"""A sandbox organisation, a database and processes between them, for tests that kill."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

from marketo.dotenv import new_field_encryption_key, new_secret_key
from syncer.demo.preparation import read_settings
from tests.reliability import database

PROJECT = Path(__file__).resolve().parents[2]
SYNC_USER = "sync@example.com"
#: Fields that both sides edit, by the name that each side has for them; Lead and Contact share these.
FIELDS = {"title": "Title", "phone": "Phone", "description": "Description", "fax": "Fax"}
WAYS = ("save", "update", "bulk_update", "sql")


class There:
    """Salesforce as a salesperson sees it, through its REST API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        answer = self.session.post(
            f"{url}/services/oauth2/token",
            data={
                "grant_type": "password",
                "client_id": "sandbox-client",
                "client_secret": "sandbox-secret",
                "username": "sales@example.com",
                "password": "sandboxtoken",
            },
            timeout=10,
        )
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        self.session.headers["Sforce-Auto-Assign"] = "FALSE"

    def query(self, soql: str) -> list[dict[str, Any]]:
        answer = self.session.get(f"{self.url}/services/data/v62.0/query", params={"q": soql}, timeout=10)
        assert answer.ok, answer.text
        page = answer.json()
        assert page["done"], "a test's organisation fits on one page"
        records: list[dict[str, Any]] = page["records"]
        return records

    def edit(self, record_id: str, **values: str) -> None:
        path = f"sobjects/{'Lead' if record_id.startswith('00Q') else 'Contact'}/{record_id}"
        answer = self.session.patch(f"{self.url}/services/data/v62.0/{path}", json=values, timeout=10)
        assert answer.ok, answer.text

    def control(self, method: str, path: str, **body: Any) -> Any:
        answer = self.session.request(method, f"{self.url}/sandbox/{path}", json=body or None, timeout=10)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def values(self) -> dict[str, dict[str, str]]:
        """The fields of FIELDS of every record, by record id and under the names that they have here."""
        names = ", ".join(FIELDS.values())
        rows = [row for name in ("Lead", "Contact") for row in self.query(f"SELECT Id, {names} FROM {name}")]  # noqa: S608
        return {row["Id"]: {here: row[there] or "" for here, there in FIELDS.items()} for row in rows}


class Here:
    """This side as another process sees it: calls the functions of `tests.reliability.here` there."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, name: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"{name} failed in the other process; see its traceback on stderr"
        return json.loads(line)


class World:
    """Both sides, and `manage.py` between them in processes of its own."""

    def __init__(self, url: str, environment: dict[str, str], here: Here) -> None:
        self.there = There(url)
        self.here = here
        self.environment = environment

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `manage.py` with these arguments, the leader of a group of its own."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `manage.py` with these arguments to its end."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def sync(self, *arguments: str) -> str:
        """Run `runsync` undisturbed; gives what it printed."""
        result = self.manage("runsync", *arguments)
        assert result.returncode == 0, result.stdout
        return result.stdout

    def kill_during_sync(self, after: float, *arguments: str) -> bool:
        """Run `runsync` and kill it so many seconds after it began to work; gives whether it still lived then.

        What it holds is made to run out afterwards, as two minutes would do.
        """
        process = self.start("runsync", *arguments)
        assert process.stdout is not None
        assert process.stdout.readline(), "runsync says where it is"
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL), rest
        self.here("let_time_run_out")
        return process.returncode != 0


class Editors:
    """Two people who work at the same time as the sync: one here, one in Salesforce. Each value is new.

    ``last`` is the independent record of what was entered: by record and field, the last value of each side.
    """

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.seed = seed
        self.last: dict[tuple[str, str], dict[str, str]] = {}
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._lock = threading.Lock()

    @contextmanager
    def at_work(self, pairs: dict[str, int]) -> Iterator[None]:
        """While entered, once, both edit these pairs of record and person."""
        with opened_here(self.world.environment) as here:

            def edit_here(chance: random.Random, record_id: str, field: str, value: str) -> None:
                here("edit", person=pairs[record_id], field=field, value=value, way=chance.choice(WAYS))

            def edit_there(chance: random.Random, record_id: str, field: str, value: str) -> None:
                self.world.there.edit(record_id, **{FIELDS[field]: value})

            threads = [
                threading.Thread(target=self._work, args=(side, write, sorted(pairs)))
                for side, write in (("here", edit_here), ("there", edit_there))
            ]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                self._stop.set()
                for thread in threads:
                    thread.join()
        if self._errors:
            raise self._errors[0]

    def _work(self, side: str, write: Callable[[random.Random, str, str, str], None], records: list[str]) -> None:
        chance = random.Random(f"{self.seed} {side}")
        number = 0
        try:
            while not self._stop.wait(chance.uniform(0.02, 0.1)):
                number += 1
                record_id, field = chance.choice(records), chance.choice(sorted(FIELDS))
                value = f"{side} {self.seed} {number}"
                write(chance, record_id, field, value)
                with self._lock:
                    self.last.setdefault((record_id, field), {})[side] = value
        except BaseException as error:
            self._errors.append(error)


@contextmanager
def world(directory: Path, *, leads: int, contacts: int, latency_ms: int = 10) -> Iterator[World]:
    """A new organisation with so many records, a migrated database, and a sync user; nothing synced yet.

    Each answer takes ``latency_ms``, so that a call is a moment that can be hit.
    """
    with ExitStack() as stack:
        url = stack.enter_context(database.fresh(directory))
        known = read_settings(PROJECT / ".env.example")
        environment = {
            **{name: value for name, value in os.environ.items() if name not in known},
            "DJANGO_SETTINGS_MODULE": "marketo.settings",
            "ENV_FILE": "",
            "DATABASE_URL": url,
            "REDIS_URL": os.environ.get("TEST_REDIS_URL", ""),
            "CACHE_DIR": str(directory / "cache"),
            "STATE_DIR": str(directory / "state"),
            "SECRET_KEY": new_secret_key(),
            "FIELD_ENCRYPTION_KEY": new_field_encryption_key(),
            "PLAIN_HTTP_ON_LOOPBACK": "true",
            "SALESFORCE_CLIENT_ID": "sandbox-client",
            "SALESFORCE_CLIENT_SECRET": "sandbox-secret",
            "LOG_LEVEL": "ERROR",
            "Q_CLUSTER_NAME": f"test-{secrets.token_hex(8)}",  # on Redis, other runs' clusters would take its tasks
        }
        sandbox = stack.enter_context(
            _process(
                [
                    *(sys.executable, "-m", "sandbox", "--port", "0"),
                    *("--leads", str(leads), "--contacts", str(contacts), "--latency-ms", str(latency_ms)),
                ],
                environment,
            )
        )
        migrated = subprocess.Popen(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=PROJECT, env=environment
        )
        assert sandbox.stdout is not None
        address = json.loads(sandbox.stdout.readline())["url"]
        assert migrated.wait(60) == 0
        here = stack.enter_context(opened_here(environment))
        made = World(address, environment, here)
        added = made.manage("add_sync_user", "Sandbox", "--method", "client-credentials", "--login-url", address)
        assert added.returncode == 0, added.stdout
        yield made


@contextmanager
def opened_here(environment: dict[str, str]) -> Iterator[Here]:
    """A process of its own on this side, with a database connection of its own."""
    with _process([sys.executable, "-m", "tests.reliability.here"], environment) as process:
        yield Here(process)


@contextmanager
def _process(arguments: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        arguments,
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # it holds nothing that must be kept
