"""The demo's supervisor, with real processes."""

from __future__ import annotations

import contextlib
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

from syncer.demo import supervisor
from syncer.demo.preparation import CannotStart
from syncer.demo.supervisor import Service, Supervisor

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
# A process whose child has left a child of its own behind: nobody in the service is its parent any more.
GRANDPARENT = """
import subprocess, sys, time
code = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True)"
subprocess.run([sys.executable, "-c", code], check=True)
time.sleep(600)
"""


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


def living(group: int) -> list[int]:
    """The live processes of a group."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(pid) == group and alive(pid):
                found.append(pid)
    return found


class Stage:
    """A supervisor with what it said, and services that write their child's process id to their log."""

    def __init__(self, directory: Path) -> None:
        self.said: list[str] = []
        self.directory = directory
        self.supervisor = Supervisor()

    def service(self, code: str = PARENT, name: str = "The service", check: set[int] | None = None) -> Service:
        """Start a service; its check says that it hangs as soon as its id is in the set."""
        arguments = [sys.executable, "-c", code]
        hanging = check if check is not None else set()
        service = Service(name, arguments, self.log(name), lambda pid: "hangs" if pid in hanging else "")
        self.supervisor.services.append(service)
        return service

    def log(self, name: str = "The service") -> Path:
        return self.directory / f"{name}.log"

    def pids(self, name: str = "The service") -> list[int]:
        return [int(line) for line in self.log(name).read_text().split()]

    def start(self, code: str = PARENT, name: str = "The service", check: set[int] | None = None) -> int:
        """Start a service; returns the id of its child."""
        self.service(code, name, check).wait_until(lambda: bool(self.pids(name)), seconds=15)
        return self.pids(name)[0]

    def watch_until(self, condition: Callable[[], bool]) -> None:
        """Watch, and send this process SIGTERM as soon as the condition holds (or never will)."""

        def wait_and_stop() -> None:
            try:
                eventually(condition)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=wait_and_stop)
        with contextlib.suppress(KeyboardInterrupt):
            thread.start()
            self.supervisor.watch(self.said.append)
        thread.join()
        assert condition()

    def end_all(self) -> float:
        """End all as when the demo ends; returns how long it took."""
        started = time.monotonic()
        self.supervisor.__exit__()
        return time.monotonic() - started


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(supervisor, "LOOK_EVERY", 0.05)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    stage = Stage(tmp_path)
    with stage.supervisor:
        yield stage
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_ending_all_ends_the_children_of_children(stage: Stage) -> None:
    one, two = stage.start(name="One"), stage.start(name="Two")
    stage.end_all()
    assert not alive(one)
    assert not alive(two)


def test_ending_all_ends_those_whose_parents_are_gone(stage: Stage) -> None:
    orphan = stage.start(GRANDPARENT)
    stage.end_all()
    assert not alive(orphan)


def test_the_last_one_started_is_the_first_to_be_ended_also_after_a_restart(stage: Stage) -> None:
    last_words = """
import pathlib, signal, sys, time
def end(number, frame):
    pathlib.Path({0!r}).open("a").write(sys.argv[0] + "{1} "); sys.exit()
signal.signal(signal.SIGTERM, end)
print(1, flush=True)
time.sleep(600)
"""
    words = stage.directory / "words"
    for name in ("sandbox", "web"):
        stage.start(last_words.format(str(words), name), name)
    leader = psutil.Process(stage.supervisor.services[0]._leash.pid)
    leader.children()[0].kill()
    stage.watch_until(lambda: len(stage.pids("sandbox")) == 2)
    stage.end_all()
    assert words.read_text() == "-cweb -csandbox "


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "GRACE", 0.5)
    child = stage.start(DEAF)
    assert stage.end_all() >= 0.5
    assert not alive(child)


@pytest.mark.parametrize("victim", ["the process", "its leash"])
def test_a_service_that_ends_is_reported_and_started_again(stage: Stage, victim: str) -> None:
    child = stage.start()
    os.kill(psutil.Process(child).ppid() if victim == "the process" else os.getpgid(child), signal.SIGKILL)
    stage.watch_until(lambda: len(stage.pids()) == 2)
    assert alive(stage.pids()[1])
    assert stage.said == [f"The service was ended by signal 9. Starting it again in 1 s; its log is {stage.log()}."]
    # What the first one left behind is gone: a killed background worker's children would go on taking tasks.
    assert not alive(child)


def test_a_service_that_fails_its_check_is_ended_with_its_children_and_started_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "GRACE", 0.5)  # the first one is given none
    hanging: set[int] = set()
    child = stage.start(DEAF, check=hanging)
    hanging.add(os.getpgid(child))
    stage.watch_until(lambda: len(stage.pids()) == 2)
    assert stage.said == [f"The service hangs. Starting it again in 1 s; its log is {stage.log()}."]
    assert not alive(child)
    assert alive(stage.pids()[1])


def test_exit_code_0_is_no_reason_to_stay_down_and_the_wait_grows(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY", 0.1)
    started = time.monotonic()
    stage.service("print(1, flush=True)")
    stage.watch_until(lambda: len(stage.said) == 4)
    assert all("ended with exit code 0. Starting it again" in line for line in stage.said)
    assert time.monotonic() - started > 0.1 + 0.2 + 0.4


def test_a_service_that_fails_to_start_is_told_with_the_end_of_its_log(stage: Stage) -> None:
    stage.log().write_text("of an earlier demo\n")
    service = stage.service("import sys; sys.exit('no such table: person')")
    with pytest.raises(CannotStart) as caught:
        service.wait_until(lambda: False, seconds=15)
    assert str(caught.value) == "The service ended with exit code 1 while starting.\n  no such table: person"


def test_a_service_that_is_never_ready_is_given_up(stage: Stage) -> None:
    service = stage.service()
    with pytest.raises(CannotStart, match="was not ready after 0 seconds"):
        service.wait_until(lambda: False, seconds=0.2)


def test_a_second_ctrl_c_does_not_wait_for_the_grace(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "IMPATIENT_AFTER", 0.2)
    children = [stage.start(DEAF, name) for name in ("One", "Two")]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    second = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    second.start()
    assert stage.end_all() < supervisor.GRACE / 2
    second.join()
    assert not any(alive(child) for child in children)


def test_one_request_that_arrives_twice_is_not_impatience(stage: Stage) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)


DEMO = """
import sys
from pathlib import Path
from syncer.demo.supervisor import Service, Supervisor
with Supervisor() as supervisor:
    supervisor.services.append(Service("The service", [sys.executable, "-c", sys.argv[2]], Path(sys.argv[1])))
    supervisor.watch(print)
"""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A demo with one service, and the id of the service's child."""
    log = tmp_path / "log"
    process = subprocess.Popen(
        [sys.executable, "-c", DEMO, str(log), PARENT],
        cwd=PROJECT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stderr=subprocess.DEVNULL,  # the traceback of KeyboardInterrupt
        start_new_session=True,
    )
    try:
        eventually(lambda: log.exists() and bool(log.read_text().strip()))
        yield process, int(log.read_text())
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_outlives_the_demo_however_it_ends(
    demo: tuple[subprocess.Popen[bytes], int], number: signal.Signals
) -> None:
    process, child = demo
    group = os.getpgid(child)
    assert len(living(group)) == 3  # with the leash
    process.send_signal(number)
    process.wait(timeout=20)
    eventually(lambda: not living(group))
    assert not alive(child)


def test_nothing_is_left_when_the_demo_and_a_process_are_killed_together(
    demo: tuple[subprocess.Popen[bytes], int],
) -> None:
    process, child = demo
    group, parent = os.getpgid(child), psutil.Process(child).ppid()
    process.send_signal(signal.SIGKILL)
    os.kill(parent, signal.SIGKILL)
    process.wait(timeout=20)
    eventually(lambda: not living(group))
    assert not alive(child)
