"""Tells a background worker that does its work from one that only looks alive.

A worker that is killed while it waits for tasks takes the queue's lock with it: its replacement and all others then
wait for ever, while the cluster goes on reporting that it is well. Only a task that comes back proves the opposite, so
a heartbeat is asked for again and again, beside the one that the schedule asks for each minute. A busy cluster answers
late: while a cycle holds its lease, or an action on persons reports its progress, the verdict waits. That costs
nothing: the lease of a killed cycle keeps the next one out for just as long.

All times are seconds of this machine's monotonic clock, so that neither a corrected clock nor a laptop's sleep is taken
for silence.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.utils import timezone
from django_q.tasks import async_task

from syncer import schedule
from syncer.models import RunKind, RunStatus, SyncLease, SyncRun, moments

#: From the start to the first answer: all processes of the cluster have to come up.
START = 60.0
#: From an answer to the next question.
ASK_AFTER = 10.0
#: An idle cluster answers within a second, and at the latest when SQLite stops waiting for a lock (20 s).
ANSWER = 25.0
#: An action on persons that has not reported for so long is dead. Longer than any one call to Salesforce takes.
ACTION_ALIVE = timedelta(seconds=120)

logger = logging.getLogger(__name__)


class Pulse:
    """Watches one cluster after the other; `look` says what is wrong with the present one, empty when nothing is."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        logging.getLogger("django-q").setLevel(logging.WARNING)  # it tells of each queued task, here on the screen
        self._clock = clock
        self._cluster = 0
        self._beat: datetime | None = None
        self._ask_at = self._deadline = 0.0  # the latter is set while an answer is awaited

    def look(self, cluster: int) -> str:
        """Look once at the cluster whose main process this is. Takes milliseconds, and holds no transaction."""
        try:
            return self._look(cluster, self._clock())
        except Exception as error:
            # The database or Redis is away. That says nothing about the worker; afterwards everything begins anew.
            logger.debug("The worker can't be looked at: %s", error)
            self._cluster = 0
            return ""
        finally:
            with contextlib.suppress(DatabaseError):
                connection.close()

    def _look(self, cluster: int, now: float) -> str:
        beat = schedule.last_beat()
        if cluster != self._cluster:
            self._ask(now + START)  # the beat that is found now is of an earlier cluster
            self._cluster, self._beat = cluster, beat
        elif beat != self._beat:
            self._beat, self._ask_at, self._deadline = beat, now + ASK_AFTER, 0.0
        elif not self._deadline:
            if now >= self._ask_at:
                self._ask(now + ANSWER)
        elif now > self._deadline and not _busy():
            return "is there but takes no tasks"
        return ""

    def _ask(self, deadline: float) -> None:
        """Queue a heartbeat; the answer is seen in the database."""
        async_task("syncer.tasks.heartbeat", group=schedule.HEARTBEAT)
        self._deadline = deadline


def _busy() -> bool:
    """Say whether a cycle or an action on persons is under way, or died a moment ago."""
    if SyncLease.objects.filter(moments.ahead("expires_at", Now(), moments.LEASE)).exists():
        return True
    actions = SyncRun.objects.exclude(kind=RunKind.CYCLE).filter(status=RunStatus.RUNNING)
    return actions.filter(moments.heard("heartbeat_at", timezone.now(), ACTION_ALIVE)).exists()
