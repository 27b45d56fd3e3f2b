"""A whole installation in processes of its own, as somebody runs it: the sandbox organisation, the web server and the
background worker; and a Chromium in front of it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ROOT = Path(__file__).parents[2]
USER, PASSWORD = "eva", "correct horse battery"


@dataclass(frozen=True)
class Installation:
    """``url`` of the admin's server, ``organisation`` of the sandbox's; ``manage`` runs a command to its end."""

    url: str
    organisation: str
    environment: dict[str, str]

    def manage(self, *arguments: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    if not Path(CHROMIUM).exists():
        pytest.skip("There is no Chromium here (Debian: apt install chromium).")
    folder = tmp_path_factory.mktemp("installation")
    port = _free_port()
    environment = os.environ | {
        "ENV_FILE": "",
        "DEBUG": "false",
        "PLAIN_HTTP_ON_LOOPBACK": "true",
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FIELD_ENCRYPTION_KEY": "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
        "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
        "REDIS_URL": "",
        "CACHE_DIR": str(folder / "cache"),
        "STATE_DIR": str(folder / "state"),
        "STATIC_ROOT": str(folder / "static"),
        "LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "marketo.settings",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    with contextlib.ExitStack() as processes:
        sandbox = ["-m", "sandbox", "--port", "0", "--leads", "30", "--contacts", "6"]
        organisation = json.loads(
            processes.enter_context(_process(sandbox, environment, folder / "sandbox.log")).stdout.readline()
        )
        made = Installation(f"http://127.0.0.1:{port}", organisation["url"], environment)
        made.manage("migrate", "-v0")
        made.manage("collectstatic", "--noinput", "-v0")
        made.manage("createsuperuser", "--noinput", "--username", USER, "--email", "eva@example.com")
        web = [
            "-m",
            "gunicorn",
            "marketo.wsgi",
            "--bind",
            f"127.0.0.1:{port}",
            "--threads",
            "4",
            "--log-level",
            "error",
        ]
        processes.enter_context(_process(web, environment, folder / "web.log"))
        processes.enter_context(_process(["manage.py", "qcluster"], environment, folder / "worker.log"))
        _wait_for(made.url)
        made.manage(
            "add_sync_user",
            "Sandbox",
            "--login-url",
            organisation["url"],
            SALESFORCE_CLIENT_ID=organisation["client_id"],
            SALESFORCE_CLIENT_SECRET=organisation["client_secret"],
        )
        made.manage("runsync")
        yield made


@contextlib.contextmanager
def _process(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[Any]:
    """A process that leads a group of its own, so that its children end with it."""
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # nothing of it must be kept
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(f"{url}/admin/login/", timeout=5).close()  # noqa: S310 - loopback, made above
            return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture(scope="session")
def chromium(installation: Installation) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, installation: Installation) -> Iterator[Any]:
    """A page of somebody who is logged in. What the browser complains of fails the test."""
    context = chromium.new_context(
        base_url=installation.url, viewport={"width": 1440, "height": 900}, timezone_id="Asia/Tokyo"
    )
    context.set_default_timeout(20_000)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto("/admin/login/")
    opened.fill("#id_username", USER)
    opened.fill("#id_password", PASSWORD)
    opened.click("input[type=submit]")
    opened.wait_for_url("**/admin/")
    yield opened
    context.close()
    assert complaints == []
