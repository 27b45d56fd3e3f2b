"""What the demo needs before anything is started: settings of its own, its folder for itself, free ports."""

from __future__ import annotations

import errno
import fcntl
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

HOST = "127.0.0.1"
# The caller may send the demo to another database and to Redis; every other setting is the demo's own.
CALLERS_OWN = {"DATABASE_URL", "REDIS_URL"}


class CannotStart(Exception):
    """Says in one line what is in the way and what to do. The end of a log may follow."""


def read_settings(path: Path) -> dict[str, str]:
    """The `NAME=value` lines of a file of settings."""
    pairs = re.findall(r"^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=[ \t]*(.*?)\s*$", path.read_text("utf-8"), re.MULTILINE)
    return dict(pairs)


def demo_environment(
    current: Mapping[str, str], *, demo_file: Path, loaded_file: Path | None, known: Mapping[str, str]
) -> dict[str, str]:
    """The environment of every process of the demo.

    `current` is the environment of this process, into which Django's settings have already read `loaded_file`. When
    that was another installation's file (`.env`), all it defines is taken out again: the demo must never reach that
    installation's database. `known` are the names that `.env.example` lists.
    """
    own = read_settings(demo_file)
    others = read_settings(loaded_file) if loaded_file is not None and loaded_file != demo_file else {}
    callers = CALLERS_OWN - others.keys()
    environment = own | {name: value for name, value in current.items() if name not in known or name in callers}
    if environment.get("DATABASE_URL") != own.get("DATABASE_URL"):
        environment["INSTALLATION_ID"] = ""  # the caller's database may have served the demo of another folder
    environment["ENV_FILE"] = str(demo_file)
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def short(path: Path) -> Path:
    """Return the path as one would type it beside manage.py."""
    return path.relative_to(settings.BASE_DIR) if path.is_relative_to(settings.BASE_DIR) else path


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold the folder's lock. The system lets go of it when this process ends, however that happens."""
    with (directory / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(
                f"A demo is already running in {directory}. End it first (Ctrl-C in its window)."
            ) from None
        yield


def require_free_port(port: int, *, purpose: str, option: str) -> None:
    """Raise `CannotStart` when another program listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            what = "is in use by another program" if error.errno == errno.EADDRINUSE else "may not be used by this user"
            raise CannotStart(
                f'Port {port}, for {purpose}, {what}. Choose another one: make demo ARGS="{option} {port + 1}"'
            ) from None
