"""The sync's transactions: they wait for nobody, and begin anew when the database ends one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection

from syncer.models.triggers import agreeing_writes
from syncer.sync.context import Context
from syncer.sync.errors import DatabaseBusy, was_ended

P = ParamSpec("P")
T = TypeVar("T")

#: Milliseconds that a statement waits for a lock at most. Nothing of ours should have to wait for a user; should it all
#: the same, it gives up before PostgreSQL looks for deadlocks (``deadlock_timeout``, one second), and ends one.
LOCK_WAIT = 300
#: Tries of a transaction that the database ends for another one's sake.
TRANSACTION_TRIES = 10


@contextmanager
def write_transaction(context: Context) -> Iterator[None]:
    """A transaction in which the sync writes: behind the fence, and with values that both sides agree on (what has to
    be sent is written ``to_be_sent``). Whatever calls it is ``repeated``."""
    with agreeing_writes():
        wait_briefly()
        context.fence()
        yield


def wait_briefly() -> None:
    """In a transaction of ours: no statement of it waits for long. SQLite has one writer at a time."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_WAIT}ms"])


def repeated(write: Callable[P, T]) -> Callable[P, T]:
    """For a function that makes one transaction: it is called again as a whole when the database has ended that for
    another one's sake (a deadlock, a lock that did not come). Raises DatabaseBusy when that goes on.

    It only adds up what it has done after the transaction. Inside another transaction it is that one's turn.
    """

    @wraps(write)
    def again(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(TRANSACTION_TRIES):
            try:
                return write(*args, **kwargs)
            except OperationalError as error:
                if connection.in_atomic_block or not was_ended(error):
                    raise
                ended = error
        raise DatabaseBusy from ended

    return again
