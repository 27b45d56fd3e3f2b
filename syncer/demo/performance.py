"""The demo from its first step to its last."""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.core.management import call_command
from rich.console import Console

from syncer.demo import account
from syncer.demo.preparation import CALLERS_OWN, HOST, read_settings, short
from syncer.demo.pulse import Pulse
from syncer.demo.supervisor import Service, Supervisor
from syncer.models import SyncUser

SYNC_USER = "Sandbox"
LEASE_HELD = 75  # runsync's exit code when another cycle is under way


@dataclass(kw_only=True)
class Performance:
    """One run of the demo, as `manage.py demo` was asked for it."""

    directory: Path
    port: int
    sandbox_port: int
    leads: int
    contacts: int
    seed: int
    console: Console
    supervisor: Supervisor = field(default_factory=Supervisor)

    def run(self) -> None:
        """1. sandbox and database, 2. sync user, 3. first sync, 4. web server and worker, 5. until somebody ends it.

        Nothing that was started lives afterwards. Raises `CannotStart` when a process does not become ready, and
        SystemExit when a command refuses, which has said why.
        """
        (self.directory / "logs").mkdir(exist_ok=True)
        with suppress(KeyboardInterrupt), self.supervisor:
            try:
                sandbox = self._start_sandbox()
                password = self._prepare_database()
                credentials = self._wait_for(sandbox)
                self._connect(credentials)
                self._first_sync()
                self._serve()
                self._show(password, credentials["url"])
                self.supervisor.watch(lambda text: self._say(text, style="bold yellow"))
            finally:
                self._say("Ending everything …")

    def _start(self, service: Service) -> Service:
        self.supervisor.services.append(service)
        return service

    def _start_sandbox(self) -> Service:
        where = ("--host", HOST, "--port", self.sandbox_port, "--db", self.directory / "sandbox.sqlite3")
        records = ("--leads", self.leads, "--contacts", self.contacts, "--seed", self.seed)
        return self._start(Service("The sandbox", _python("-m", "sandbox", *where, *records), self._log("sandbox")))

    def _prepare_database(self) -> str:
        with self._step("Preparing the database", "Database ready"):
            call_command("migrate", interactive=False, verbosity=0)
            # All files anew: one whose copying was interrupted would be taken for up to date.
            call_command("collectstatic", interactive=False, clear=True, verbosity=0)
            return account.set_up()

    def _wait_for(self, sandbox: Service) -> dict[str, str]:
        """Return the JSON line that the sandbox prints once it is ready: its address and how to sign in."""

        def line() -> str:
            lines = sandbox.written().splitlines(keepends=True)
            return next((line for line in lines if line.startswith("{") and line.endswith("\n")), "")

        counts = f"{self.leads:,} leads and {self.contacts:,} contacts"
        with self._step(f"Starting the sandbox, a local Salesforce with {counts}", "Sandbox Salesforce ready"):
            sandbox.wait_until(lambda: bool(line()), seconds=120)
        credentials: dict[str, str] = json.loads(line())
        return credentials

    def _connect(self, credentials: dict[str, str]) -> None:
        """Create the sync user, or lead the one of an earlier run to where the sandbox is now."""
        url = credentials["url"]
        if SyncUser.objects.filter(name=SYNC_USER, login_url=url).exists():
            return
        for name in ("client_id", "client_secret"):
            os.environ[f"SALESFORCE_{name.upper()}"] = credentials[name]
        call_command("add_sync_user", SYNC_USER, method="client-credentials", login_url=url)

    def _first_sync(self) -> None:
        self._say("First sync:")
        try:
            call_command("runsync")
        except SystemExit as refusal:
            if self.supervisor.stop_asked_at is not None:
                raise KeyboardInterrupt from None
            if refusal.code != LEASE_HELD:  # else the background worker takes over when the other one has ended
                raise
        finally:
            self.supervisor.listen()  # runsync leaves its own answer to SIGTERM behind

    def _serve(self) -> None:
        cluster = _python("manage.py", "qcluster")
        where = ("--bind", f"{HOST}:{self.port}", "--no-control-socket", "--access-logfile", "-")
        gunicorn = _python("-m", "gunicorn", "marketo.wsgi", *where, "--workers", 1, "--threads", 4)
        with self._step("Starting the web server and the background worker", "Web server ready"):
            self._start(Service("The background worker", cluster, self._log("worker"), Pulse().look))
            web = self._start(Service("The web server", gunicorn, self._log("web")))
            web.wait_until(self._answers, seconds=60)

    def _answers(self) -> bool:
        """Say whether the log-in page is there."""
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection(HOST, self.port, timeout=5)) as connection,
        ):
            connection.request("GET", "/admin/login/")
            return connection.getresponse().status == http.HTTPStatus.OK
        return False

    def _show(self, password: str, sandbox_url: str) -> None:
        env = self.directory / "env"
        given = [name for name in sorted(CALLERS_OWN) if os.environ.get(name) != read_settings(env).get(name)]
        hint = f"  (with the same {' and '.join(given)})" if given else ""
        self._say("The demo is running", style="bold green")
        self._say(f"  Log in: http://{HOST}:{self.port}/admin/")
        self._say(f"  User: {account.USERNAME}")
        self._say(f"  Password: {password}")
        self._say(f"  Salesforce: {sandbox_url}/  (change a lead there, then sync)")
        self._say(f"  Sync now: ENV_FILE={short(env)} {short(Path(sys.executable))} manage.py runsync{hint}")
        self._say(f"Ctrl-C ends all of it. What happens is logged in {short(self.directory / 'logs')}.")

    def _log(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"

    @contextmanager
    def _step(self, doing: str, done: str) -> Iterator[None]:
        """Show what is being done; then that it is done, unless it failed."""
        with self.console.status(f"{doing} …"):
            yield
        self._say(f"{done}.")

    def _say(self, text: str, style: str = "") -> None:
        self.console.print(text, style=style)


def _python(*arguments: object) -> list[str]:
    return [sys.executable, *map(str, arguments)]
