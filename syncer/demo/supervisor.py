"""Starts processes, restarts those that end by themselves, and ends all of them together."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from syncer.demo import groups
from syncer.demo.guard import Guard
from syncer.demo.interrupts import Interrupts

GRACE = 10.0
FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
# A service that lived this long was well: the next restart comes after the first delay again.
WELL_AFTER = 60.0
# Seconds between two looks at services that have a check.
LOOK_EVERY = 1.0
# A background worker that hangs ignores SIGTERM; there is nothing to wait for.
HANGING_GRACE = 3.0


class StartFailed(Exception):
    """A process did not become ready. The message is one line; `log` holds the end of what it wrote."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True)
class Service:
    """A process that runs as long as the demo. `name` starts a sentence.

    `check` looks at the running process, by its id, and says in words that follow the name what makes a restart
    necessary; empty while all is well.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    out: Path | None = None  # where stdout goes, when not to the log
    check: Callable[[int], str] | None = None


@dataclass
class _Running:
    service: Service
    process: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)


@dataclass
class _Restart:
    service: Service
    at: float


class Supervisor:
    """Every process is the leader of its own group and is known to the guard, so that nothing outlives the demo."""

    def __init__(
        self, interrupts: Interrupts, *, environment: dict[str, str], directory: Path, say: Callable[[str], None]
    ) -> None:
        self._interrupts = interrupts
        self._environment = environment
        self._directory = directory
        self._say = say
        self._guard = Guard()
        self._running: list[_Running] = []
        self._restarts: list[_Restart] = []
        self._failures: dict[str, int] = {}

    def start(self, service: Service) -> None:
        """Start a service; what it writes is appended to its log."""
        with service.log.open("ab") as log:
            if service.out is None:
                process = self._spawn(service.arguments, stdout=log, stderr=log)
            else:
                with service.out.open("wb") as out:
                    process = self._spawn(service.arguments, stdout=out, stderr=log)
        self._running.append(_Running(service, process))

    def run(self, arguments: Sequence[str], **more_environment: str) -> int:
        """Run a step to its end on this terminal; returns its exit code. Raises `Stopped`."""
        process = self._spawn(arguments, environment={**self._environment, **more_environment})
        try:
            while process.poll() is None:
                self._interrupts.raise_if_stopped()
                self._interrupts.wait(None)
            self._interrupts.raise_if_stopped()
            return process.returncode
        finally:
            self._end(process)

    def wait_until(self, ready: Callable[[], bool], service: Service, *, seconds: float) -> None:
        """Wait for a service that was just started. Raises `StartFailed` when it ends or takes too long, `Stopped`."""
        running = next(running for running in self._running if running.service == service)
        deadline = time.monotonic() + seconds
        while not ready():
            self._interrupts.raise_if_stopped()
            code = running.process.poll()
            if code is not None:
                raise StartFailed(f"{service.name} ended with exit code {code} while starting.", tail(service.log))
            if time.monotonic() >= deadline:
                raise StartFailed(f"{service.name} was not ready after {seconds:.0f} seconds.", tail(service.log))
            self._interrupts.wait(0.1)

    def watch(self) -> None:
        """Restart what ends by itself and what fails its check, until an end is asked for."""
        while not self._interrupts.stop_requests:
            self._collect()
            self._check()
            now = time.monotonic()
            for restart in [restart for restart in self._restarts if restart.at <= now]:
                self._restarts.remove(restart)
                self.start(restart.service)
            self._interrupts.wait(self._until_next())

    def _until_next(self) -> float | None:
        """Seconds until there is something to do; None when only a signal can bring it."""
        waits = [max(0.0, restart.at - time.monotonic()) for restart in self._restarts]
        if any(running.service.check for running in self._running):
            waits.append(LOOK_EVERY)
        return min(waits, default=None)

    def end_all(self) -> None:
        """End every process, the last one started first: the worker finishes its work while the sandbox still is there.

        A Ctrl-C meanwhile kills what is left at once.
        """
        self._restarts.clear()
        while self._running:
            self._end(self._running[-1].process)
            self._running.pop()
        self._guard.close()

    def _spawn(
        self, arguments: Sequence[str], *, environment: dict[str, str] | None = None, **streams: object
    ) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
            list(arguments),
            cwd=self._directory,
            env=environment or self._environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **streams,
        )
        self._guard.watch(process.pid)
        return process

    def _collect(self) -> None:
        """Plan a restart for each service that has ended, after ending what it left behind."""
        for running in list(self._running):
            code = running.process.poll()
            if code is None:
                continue
            # The worker's main process can be gone, even with exit code 0, while its children go on taking tasks.
            self._end(running.process)
            self._start_again(running, f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}")

    def _check(self) -> None:
        """End what fails its check, and plan its restart."""
        for running in list(self._running):
            check = running.service.check
            if check is not None and (failing := check(running.process.pid)):
                self._end(running.process, HANGING_GRACE)
                self._start_again(running, failing)

    def _start_again(self, running: _Running, why: str) -> None:
        """Plan the restart of a service that has ended, and say so."""
        self._running.remove(running)
        name = running.service.name
        well = time.monotonic() - running.started >= WELL_AFTER
        failures = 0 if well else self._failures.get(name, 0)
        self._failures[name] = failures + 1
        delay = min(FIRST_DELAY * 2**failures, LONGEST_DELAY)
        self._restarts.append(_Restart(running.service, time.monotonic() + delay))
        log = seen_from(self._directory, running.service.log)
        self._say(f"{name} {why}. Starting it again in {delay:.0f} s; its log is {log}.")

    def _end(self, process: subprocess.Popen[bytes], grace: float | None = None) -> None:
        groups.end(
            process.pid,
            grace=GRACE if grace is None else grace,
            reap=process.poll,
            hurry=lambda: self._interrupts.impatient,
        )
        process.wait()
        self._guard.forget(process.pid)


def seen_from(directory: Path, path: Path) -> Path:
    """The path as one would type it in the directory."""
    return path.relative_to(directory) if path.is_relative_to(directory) else path


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    if not path.is_file():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
