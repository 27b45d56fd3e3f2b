"""The whole demo, as `make demo` runs it: a few records, other ports, a folder of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from syncer.demo.preparation import read_settings
from tests.reliability.waiting import eventually

PROJECT = Path(__file__).resolve().parents[2]
LEADS, CONTACTS = 20, 5


def free_ports(count: int) -> list[int]:
    with closing(socket.socket()) as one, closing(socket.socket()) as two:
        sockets = [one, two][:count]
        for number in sockets:
            number.bind(("127.0.0.1", 0))
        return [number.getsockname()[1] for number in sockets]


class Demo:
    """A running demo, read up to the line that says it is complete (or an earlier one)."""

    def __init__(self, directory: Path, *, leads: int = LEADS, until: str = "Ctrl-C ends all of it") -> None:
        self.port, self.sandbox_port = free_ports(2)
        known = read_settings(PROJECT / ".env.example")
        environment = {name: value for name, value in os.environ.items() if name not in known}
        environment |= {"DJANGO_SETTINGS_MODULE": "marketo.settings", "ENV_FILE": str(directory / "env")}
        subprocess.run(
            [sys.executable, "-m", "marketo.dotenv", "--demo", str(directory)], cwd=PROJECT, check=True, env=environment
        )
        arguments = ["--directory", str(directory), "--port", str(self.port), "--sandbox-port", str(self.sandbox_port)]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "manage.py", "demo", *arguments),
                *("--leads", str(leads), "--contacts", str(CONTACTS)),
            ],
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        self.output = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if line.startswith(until):
                break
        else:
            self.process.communicate(timeout=30)
            pytest.fail("The demo did not get going:\n" + self.output)
        self.descendants = psutil.Process(self.process.pid).children(recursive=True)

    @property
    def password(self) -> str:
        found = re.search(r"Password: (\S+)", self.output)
        assert found, self.output
        return found[1]

    def end(self, number: signal.Signals) -> None:
        """Send the signal and wait; at the end nothing of the demo is left."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=60)
        self.output += rest
        _, alive = psutil.wait_procs(self.descendants, timeout=10)
        assert alive == []


@contextmanager
def running(directory: Path) -> Iterator[Demo]:
    demo = Demo(directory)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.end(signal.SIGTERM)


def persons(directory: Path) -> int:
    with closing(sqlite3.connect(directory / "db.sqlite3")) as database:
        count: int = database.execute("SELECT count(*) FROM syncer_person").fetchone()[0]
        return count


def can_log_in(demo: Demo) -> bool:
    address = f"http://127.0.0.1:{demo.port}/admin/login/"
    with requests.Session() as browser:
        browser.trust_env = False
        browser.get(address, timeout=10)
        form = {"username": "admin", "password": demo.password, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        return browser.post(address, form, allow_redirects=False, timeout=10).status_code == 302


@pytest.mark.skipif(bool(os.environ.get("TEST_DATABASE_URL")), reason="the demo has a database of its own")
def test_the_demo_from_nothing_to_a_second_start(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    with running(directory) as demo:
        assert persons(directory) == LEADS + CONTACTS
        assert can_log_in(demo)
        first_password = demo.password
        demo.end(signal.SIGINT)
    assert demo.process.returncode == 0
    with running(directory) as demo:
        assert persons(directory) == LEADS + CONTACTS
        assert demo.password != first_password
        assert can_log_in(demo)
        demo.end(signal.SIGTERM)
    assert demo.process.returncode == 0


@pytest.mark.skipif(bool(os.environ.get("TEST_DATABASE_URL")), reason="the demo has a database of its own")
def test_a_cluster_whose_idle_workers_were_killed_is_replaced(tmp_path: Path) -> None:
    """Its replacements wait for a lock that nobody holds any more, and it ignores SIGTERM."""
    with running(tmp_path) as demo:
        [leash] = [p for p in psutil.Process(demo.process.pid).children() if "qcluster" in p.cmdline()]
        [cluster] = leash.children()
        eventually(lambda: heartbeat(tmp_path), "the cluster answers", 60)
        workers = eventually(lambda: idle_workers(cluster), "the cluster is complete", 60)
        for worker in workers:
            worker.kill()
        assert demo.process.stdout is not None
        told = demo.process.stdout.readline()
        assert told.startswith("The background worker is there but takes no tasks")
        assert not any(lives(process) for process in [cluster, *workers])
        killed_at = int(time.time())
        eventually(lambda: heartbeat(tmp_path) >= killed_at, "the new cluster answers", 60)
        demo.descendants = psutil.Process(demo.process.pid).children(recursive=True)
        demo.end(signal.SIGINT)


@pytest.mark.skipif(bool(os.environ.get("TEST_DATABASE_URL")), reason="the demo has a database of its own")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_nothing_is_left_of_a_demo_that_ends_in_its_first_sync(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    demo = Demo(tmp_path, leads=1000, until="Receiving Leads")
    demo.end(number)
    assert demo.process.returncode == code
    assert "Web server ready" not in demo.output
    assert persons(tmp_path) < 1000 + CONTACTS


@pytest.mark.skipif(bool(os.environ.get("TEST_DATABASE_URL")), reason="the demo has a database of its own")
def test_nothing_is_left_of_a_complete_demo_that_was_killed(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        assert len(demo.descendants) >= 7  # three leashes, and more than one process of web server and worker
        demo.end(signal.SIGKILL)


def idle_workers(cluster: psutil.Process) -> list[psutil.Process]:
    """The two workers, the oldest processes under the sentinel, once the cluster is complete."""
    below = [process for process in cluster.children(recursive=True) if process.ppid() != cluster.pid]
    return sorted(below, key=lambda process: process.create_time())[:2] if len(below) == 4 else []


def lives(process: psutil.Process) -> bool:
    try:
        status: str = process.status()
    except psutil.NoSuchProcess:
        return False
    return status != psutil.STATUS_ZOMBIE


def heartbeat(directory: Path) -> float:
    with closing(sqlite3.connect(directory / "db.sqlite3")) as database:
        row = database.execute("SELECT unixepoch(at) FROM syncer_heartbeat").fetchone()
        return float(row[0]) if row else 0.0


def test_a_port_in_use_is_one_line_and_starts_nothing(tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = subprocess.run(
            [sys.executable, "manage.py", "demo", "--directory", str(tmp_path), "--port", str(taken.getsockname()[1])],
            cwd=PROJECT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "marketo.settings"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "in use by another program" in result.stderr
    assert not (tmp_path / "db.sqlite3").exists()
