"""Tells a background worker that does its work from one that only looks alive.

A worker that is killed while it waits for tasks takes the queue's lock with it: its replacement and all others then
wait for ever, while the cluster goes on reporting that it is well. Only a task that comes back proves the opposite. So:

1. A heartbeat is asked for at the start and whenever a process of the cluster is gone; the schedule asks for one each
   minute anyway.
2. No answer within ANSWER seconds, or no heartbeat at all for SILENCE seconds: the cluster does not take tasks.
3. A busy cluster answers late. While a cycle holds its lease, or an action on persons reports its progress, the verdict
   waits. That costs nothing: the lease of a killed cycle keeps the next one out for just as long.

Whether the processes are all there is looked at as well. All times are this machine's monotonic clock, so that neither
a corrected clock nor a laptop's sleep is taken for silence.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import psutil
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.utils import timezone
from django_q.tasks import async_task

from syncer import schedule
from syncer.models import RunKind, RunStatus, SyncLease, SyncRun

#: Beside its workers a cluster has a sentinel, a pusher and a monitor.
HELPERS = 3
#: From the start to the first answer: all processes have to come up.
START = 60.0
#: An idle cluster answers within a second.
ANSWER = 15.0
#: The scheduler looks every 30 seconds for what is due each minute.
SILENCE = 120.0
#: A process that is missing for so long is not coming back: the sentinel replaces it within a second.
MISSING = 5.0
#: An action on persons that has not reported for so long is dead. Longer than any one call to Salesforce takes.
ACTION_ALIVE = timedelta(seconds=120)

logger = logging.getLogger(__name__)


class Pulse:
    """Watches one cluster after the other; `look` says what is wrong with the present one, empty when nothing is."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        logging.getLogger("django-q").setLevel(logging.WARNING)  # it tells of each queued task, here on the screen
        self._clock = clock
        self._whole = settings.Q_CLUSTER["workers"] + HELPERS
        self._begin(0)

    def look(self, leader: int) -> str:
        """Look once at the cluster whose main process is `leader`. Takes milliseconds, and holds no transaction."""
        if leader != self._leader:
            self._begin(leader)
        try:
            self._listen()
            self._count(_members(leader))
            return self._verdict()
        except Exception as error:
            # The database or Redis is away. That says nothing about the worker; afterwards everything begins anew.
            logger.debug("The worker can't be looked at: %s", error)
            self._begin(leader)
            return ""
        finally:
            with contextlib.suppress(DatabaseError):
                connection.close()

    def _begin(self, leader: int) -> None:
        self._leader = leader
        self._members: frozenset[int] | None = None  # not looked at yet
        self._whole_at = self._heard_at = self._clock()
        self._may_be_missing = self._may_wait = START
        self._asked_at: float | None = None
        self._beat: datetime | None = None

    def _listen(self) -> None:
        """Notice a heartbeat. The one that is found at the first look is of an earlier cluster."""
        beat = schedule.last_beat()
        if beat == self._beat:
            return
        if self._members is not None:
            self._asked_at, self._may_wait = None, ANSWER
        self._beat, self._heard_at = beat, self._clock()

    def _count(self, members: frozenset[int]) -> None:
        """Notice a process that is gone, and ask whether the others still take tasks."""
        if self._members is None or self._members - members:
            self._ask()
        self._members = members
        if len(members) >= self._whole:
            self._whole_at, self._may_be_missing = self._clock(), MISSING

    def _ask(self) -> None:
        """Queue a heartbeat beside the scheduled ones; the answer is seen in the database."""
        async_task("syncer.tasks.heartbeat", group=schedule.HEARTBEAT)
        if self._asked_at is None:
            self._asked_at = self._clock()

    def _verdict(self) -> str:
        now = self._clock()
        missing = self._whole - len(self._members or ())
        if missing > 0 and now - self._whole_at > self._may_be_missing:
            return f"has lost {missing} of its {self._whole} processes"
        waited = now - self._asked_at if self._asked_at is not None else 0.0
        silent = now - self._heard_at
        if (waited > self._may_wait or silent > SILENCE) and not _busy():
            return f"is there but takes no tasks (no heartbeat for {silent:.0f} s)"
        return ""


def _members(leader: int) -> frozenset[int]:
    """The live processes under the cluster's main process: sentinel, workers, pusher, monitor."""
    try:
        below = psutil.Process(leader).children(recursive=True)
        return frozenset(p.pid for p in below if p.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return frozenset()


def _busy() -> bool:
    """A cycle or an action on persons is under way, or died a moment ago."""
    if SyncLease.objects.filter(expires_at__gte=Now()).exists():
        return True
    actions = SyncRun.objects.exclude(kind=RunKind.CYCLE).filter(status=RunStatus.RUNNING)
    return actions.filter(heartbeat_at__gte=timezone.now() - ACTION_ALIVE).exists()
