"""The demo from its first step to its last."""

from __future__ import annotations

import http.client
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.db import connections

from syncer.demo import account, supervisor
from syncer.demo.interrupts import Interrupts, Stopped
from syncer.demo.preparation import CALLERS_OWN, HOST, read_settings
from syncer.demo.pulse import Pulse
from syncer.demo.screen import Screen
from syncer.demo.supervisor import Service, StartFailed, Supervisor
from syncer.models import SyncUser

SYNC_USER = "Sandbox"
LEASE_HELD = 75  # runsync's exit code when another cycle is under way


@dataclass(frozen=True)
class Options:
    """What `manage.py demo` was asked for."""

    project: Path  # the folder of manage.py
    directory: Path
    port: int
    sandbox_port: int
    leads: int
    contacts: int
    seed: int


class Performance:
    """One run of the demo; `run` returns when it has been ended and nothing it started lives."""

    def __init__(
        self, options: Options, *, interrupts: Interrupts, environment: dict[str, str], screen: Screen
    ) -> None:
        self._options = options
        self._interrupts = interrupts
        self._environment = environment
        self._screen = screen
        self._python = [sys.executable]
        self._manage = [sys.executable, str(options.project / "manage.py")]
        logs = options.directory / "logs"
        logs.mkdir(exist_ok=True)
        self._logs = logs
        self._sandbox_out = logs / "sandbox.out"
        self._supervisor = Supervisor(
            interrupts, environment=environment, directory=options.project, say=screen.warning
        )

    def run(self) -> None:
        """1. sandbox and database, 2. sync user, 3. first sync, 4. web server and worker, 5. until somebody ends it.

        Raises `StartFailed` when one of the first four does not work out.
        """
        try:
            sandbox = self._sandbox()
            self._supervisor.start(sandbox)
            password = self._prepare_database()
            credentials = self._wait_for_sandbox(sandbox)
            self._connect(credentials)
            self._first_sync()
            self._serve()
            self._show(password, str(credentials["url"]))
            self._supervisor.watch()
        except Stopped:
            pass
        finally:
            with self._screen.step("Ending everything", "Ended"):
                self._supervisor.end_all()

    def _sandbox(self) -> Service:
        options = self._options
        database = options.directory / "sandbox.sqlite3"
        return Service(
            name="The sandbox",
            arguments=[
                *self._python, "-m", "sandbox",
                "--host", HOST, "--port", str(options.sandbox_port), "--db", str(database),
                "--leads", str(options.leads), "--contacts", str(options.contacts), "--seed", str(options.seed),
            ],
            log=self._logs / "sandbox.log",
            out=self._sandbox_out,
        )  # fmt: skip

    def _prepare_database(self) -> str:
        with self._screen.step("Preparing the database", "Database ready"):
            call_command("migrate", interactive=False, verbosity=0)
            self._interrupts.raise_if_stopped()
            call_command("collectstatic", interactive=False, verbosity=0)
            self._interrupts.raise_if_stopped()
            return account.set_up()

    def _wait_for_sandbox(self, sandbox: Service) -> dict[str, object]:
        counts = f"{self._options.leads:,} leads and {self._options.contacts:,} contacts"
        with self._screen.step(f"Starting the sandbox, a local Salesforce with {counts}", "Sandbox Salesforce ready"):
            self._supervisor.wait_until(lambda: bool(self._sandbox_says()), sandbox, seconds=120)
        line = self._sandbox_says()
        try:
            credentials = json.loads(line)
            return {name: credentials[name] for name in ("url", "client_id", "client_secret")}
        except (ValueError, KeyError, TypeError):
            raise StartFailed("The sandbox's first line is not the JSON that was expected.", line[:500]) from None

    def _sandbox_says(self) -> str:
        """The line that the sandbox prints once it is ready; empty until it is complete."""
        line, end, _ = self._sandbox_out.read_text(encoding="utf-8", errors="replace").partition("\n")
        return line if end else ""

    def _connect(self, credentials: dict[str, object]) -> None:
        """Create the sync user, or lead the one of an earlier run to where the sandbox is now."""
        url = str(credentials["url"]).rstrip("/")
        known = SyncUser.objects.filter(name=SYNC_USER, login_url=url).exists()
        connections.close_all()
        if known:
            self._screen.done("Sync user ready")
            return
        code = self._supervisor.run(
            [*self._manage, "add_sync_user", SYNC_USER, "--method", "client-credentials", "--login-url", url],
            SALESFORCE_CLIENT_ID=str(credentials["client_id"]),
            SALESFORCE_CLIENT_SECRET=str(credentials["client_secret"]),
        )
        if code != 0:
            raise StartFailed(f"The sync user could not be added (exit code {code}).")

    def _first_sync(self) -> None:
        self._screen.line("First sync:")
        code = self._supervisor.run([*self._manage, "runsync"])
        if code == LEASE_HELD:
            self._screen.warning("An earlier cycle has not ended yet; the background worker takes over when it has.")
        elif code != 0:
            raise StartFailed(f"The first sync could not complete (exit code {code}).")

    def _serve(self) -> None:
        web = Service(
            name="The web server",
            arguments=[
                *self._python, "-m", "gunicorn", "marketo.wsgi", "--bind", f"{HOST}:{self._options.port}",
                "--workers", "1", "--threads", "4", "--no-control-socket", "--access-logfile", "-",
            ],
            log=self._logs / "web.log",
        )  # fmt: skip
        worker = Service(
            name="The background worker",
            arguments=[*self._manage, "qcluster"],
            log=self._logs / "worker.log",
            check=Pulse().look,
        )
        with self._screen.step("Starting the web server and the background worker", "Web server ready"):
            self._supervisor.start(worker)
            self._supervisor.start(web)
            self._supervisor.wait_until(lambda: self._answers(web), web, seconds=60)

    def _answers(self, web: Service) -> bool:
        """Whether the log-in page is there. Raises `StartFailed` when the page fails: waiting won't mend that."""
        connection = http.client.HTTPConnection(HOST, self._options.port, timeout=5)
        try:
            connection.request("GET", "/admin/login/")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        if status >= http.HTTPStatus.BAD_REQUEST:
            raise StartFailed(f"{web.name} answers with an error ({status}).", supervisor.tail(web.log))
        return status == http.HTTPStatus.OK

    def _show(self, password: str, sandbox_url: str) -> None:
        self._screen.box(
            "The demo is running",
            [
                ("Log in", f"http://{HOST}:{self._options.port}/admin/"),
                ("User", account.USERNAME),
                ("Password", password),
                ("Salesforce", f"{sandbox_url.rstrip('/')}/  (change a lead there, then sync)"),
                ("Sync now", self._sync_command()),
            ],
            f"Ctrl-C ends all of it. What happens is logged in {self._short(self._logs)}.",
        )

    def _sync_command(self) -> str:
        """What to type in another window. The demo's settings are found by themselves where there are no others."""
        options = self._options
        command = f"{self._short(Path(sys.executable))} manage.py runsync"
        own = read_settings(options.directory / "env")
        if given := [name for name in sorted(CALLERS_OWN) if self._environment.get(name) != own.get(name)]:
            command += f"  (with the same {' and '.join(given)})"
        if options.directory == options.project / ".demo" and not (options.project / ".env").exists():
            return command
        return f"ENV_FILE={self._short(options.directory)}/env {command}"

    def _short(self, path: Path) -> Path:
        return supervisor.seen_from(self._options.project, path)
