"""The demo's supervisor, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from syncer.demo import groups, supervisor
from syncer.demo.interrupts import Interrupts, Stopped
from syncer.demo.supervisor import Service, StartFailed, Supervisor

PROJECT = Path(__file__).resolve().parents[2]

# A process that starts a child and says so: like a web server with its worker.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
# The same, deaf to SIGTERM: like a background worker that hangs.
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + PARENT


def eventually(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Stage:
    """A supervisor with what it said, and services that write their child's process id to their log."""

    def __init__(self, directory: Path) -> None:
        self.said: list[str] = []
        self.interrupts = Interrupts()
        self.directory = directory
        self.interrupts.__enter__()
        self.supervisor = Supervisor(
            self.interrupts, environment=dict(os.environ), directory=PROJECT, say=self.said.append
        )

    def service(self, code: str = PARENT, name: str = "The service") -> Service:
        return Service(name, [sys.executable, "-c", code], self.directory / f"{name}.log")

    def pids(self, service: Service) -> list[int]:
        return [int(line) for line in service.log.read_text().split()] if service.log.exists() else []

    def start(self, code: str = PARENT, name: str = "The service") -> tuple[Service, int]:
        """Start a service; returns it and the id of its child."""
        service = self.service(code, name)
        self.supervisor.start(service)
        self.supervisor.wait_until(lambda: bool(self.pids(service)), service, seconds=15)
        return service, self.pids(service)[0]

    def later(self, action: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=action)
        thread.start()
        return thread

    def stop_when(self, condition: Callable[[], bool]) -> threading.Thread:
        """Send this process SIGTERM as soon as the condition holds (or never will)."""

        def wait_and_stop() -> None:
            try:
                eventually(condition)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        return self.later(wait_and_stop)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.supervisor.end_all()
    stage.interrupts.__exit__(None, None, None)


def test_ending_all_ends_the_children_of_children(stage: Stage) -> None:
    _, one = stage.start(name="One")
    _, two = stage.start(name="Two")
    stage.supervisor.end_all()
    assert not alive(one)
    assert not alive(two)


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "GRACE", 0.5)
    _, child = stage.start(DEAF)
    stage.supervisor.end_all()
    assert not alive(child)


def test_a_service_that_ends_is_reported_and_started_again(stage: Stage) -> None:
    service, child = stage.start()
    group = os.getpgid(child)
    os.kill(group, signal.SIGKILL)
    thread = stage.stop_when(lambda: len(stage.pids(service)) == 2)
    stage.supervisor.watch()
    thread.join()
    assert len(stage.pids(service)) == 2
    assert alive(stage.pids(service)[1])
    assert stage.said == [f"The service was ended by signal 9. Starting it again in 1 s; its log is {service.log}."]
    # What the first one left behind is gone: a killed background worker's children would go on taking tasks.
    assert not alive(child)


def test_a_service_that_fails_its_check_is_ended_with_its_children_and_started_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "HANGING_GRACE", 0.5)
    monkeypatch.setattr(supervisor, "LOOK_EVERY", 0.1)
    hanging: set[int] = set()
    plain = stage.service(DEAF)
    service = Service(plain.name, plain.arguments, plain.log, check=lambda pid: "hangs" if pid in hanging else "")
    stage.supervisor.start(service)
    stage.supervisor.wait_until(lambda: bool(stage.pids(service)), service, seconds=15)
    child = stage.pids(service)[0]
    hanging.add(os.getpgid(child))
    thread = stage.stop_when(lambda: len(stage.pids(service)) == 2)
    stage.supervisor.watch()
    thread.join()
    assert stage.said == [f"The service hangs. Starting it again in 1 s; its log is {service.log}."]
    assert not alive(child)
    assert alive(stage.pids(service)[1])


def test_exit_code_0_is_no_reason_to_stay_down_and_the_wait_grows(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.1)
    service = stage.service("print(1, flush=True)")
    started = time.monotonic()
    stage.supervisor.start(service)
    thread = stage.stop_when(lambda: len(stage.said) == 4)
    stage.supervisor.watch()
    thread.join()
    assert all("ended with exit code 0. Starting it again" in line for line in stage.said)
    assert time.monotonic() - started > 0.1 + 0.2 + 0.4


def test_a_service_that_fails_to_start_is_told_with_the_end_of_its_log(stage: Stage) -> None:
    service = stage.service("import sys; sys.exit('no such table: person')")
    stage.supervisor.start(service)
    with pytest.raises(StartFailed, match="The service ended with exit code 1 while starting") as caught:
        stage.supervisor.wait_until(lambda: False, service, seconds=15)
    assert caught.value.log == "no such table: person"


def test_a_service_that_is_never_ready_is_given_up(stage: Stage) -> None:
    service, _ = stage.start()
    with pytest.raises(StartFailed, match="was not ready after 0 seconds"):
        stage.supervisor.wait_until(lambda: False, service, seconds=0.2)


def test_a_step_returns_its_exit_code_and_sees_what_it_is_given(stage: Stage) -> None:
    code = "import os, sys; sys.exit(int(os.environ['GIVEN']))"
    assert stage.supervisor.run([sys.executable, "-c", code], GIVEN="7") == 7


def test_a_stop_during_a_step_ends_the_step(stage: Stage) -> None:
    marker = stage.directory / "pid"
    code = f"import os, pathlib, time; pathlib.Path({str(marker)!r}).write_text(str(os.getpid())); time.sleep(600)"
    thread = stage.stop_when(lambda: marker.exists() and bool(marker.read_text()))
    with pytest.raises(Stopped):
        stage.supervisor.run([sys.executable, "-c", code])
    thread.join()
    assert not alive(int(marker.read_text()))


def test_a_second_ctrl_c_does_not_wait_for_the_grace(stage: Stage) -> None:
    _, child = stage.start(DEAF)
    os.kill(os.getpid(), signal.SIGINT)
    stage.interrupts.wait(None)
    stage.interrupts._first_request -= 2  # the first one was two seconds ago
    os.kill(os.getpid(), signal.SIGINT)
    started = time.monotonic()
    stage.supervisor.end_all()
    assert time.monotonic() - started < supervisor.GRACE / 2
    assert not alive(child)


def test_one_request_that_arrives_twice_is_not_impatience(stage: Stage) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    assert not stage.interrupts.impatient


DEMO = """
import os, sys
from pathlib import Path
from syncer.demo.interrupts import Interrupts
from syncer.demo.supervisor import Service, Supervisor
log = Path(sys.argv[1])
with Interrupts() as interrupts:
    supervisor = Supervisor(interrupts, environment=dict(os.environ), directory=Path.cwd(), say=print)
    supervisor.start(Service("The service", [sys.executable, "-c", sys.argv[2]], log))
    try:
        supervisor.watch()
    finally:
        supervisor.end_all()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_outlives_the_demo_however_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log"
    demo = subprocess.Popen([sys.executable, "-c", DEMO, str(log), PARENT], cwd=PROJECT, start_new_session=True)
    try:
        eventually(lambda: log.exists() and bool(log.read_text().strip()))
        child = int(log.read_text())
        leader = os.getpgid(child)
        assert len(groups.living(leader)) == 2
        demo.send_signal(number)
        demo.wait(timeout=20)
        eventually(lambda: not groups.living(leader))
        assert not alive(child)
    finally:
        demo.kill()
        demo.wait()
