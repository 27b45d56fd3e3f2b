"""The demo tells a worker that does its work from one that only looks alive. Time and processes are handed in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from syncer import schedule
from syncer.demo import pulse
from syncer.demo.pulse import ANSWER, MISSING, SILENCE, START, Pulse
from syncer.models import RunKind, SyncLease, SyncRun, SyncUser

pytestmark = pytest.mark.django_db
LEADER = 100
WHOLE = frozenset(range(101, 106))  # sentinel, two workers, pusher, monitor


class Cluster:
    """A cluster as the pulse sees it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.members = WHOLE
        self.asked = 0
        self.beats = 0
        self.pulse = Pulse(clock=lambda: self.now)

    def beat(self) -> None:
        self.beats += 1
        schedule.Heartbeat.objects.update_or_create(
            name="worker", defaults={"at": timezone.now() + timedelta(seconds=self.beats)}
        )

    def after(self, seconds: float, leader: int = LEADER) -> str:
        self.now += seconds
        return self.pulse.look(leader)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(pulse, "_members", lambda leader: made.members)
    monkeypatch.setattr(pulse, "async_task", lambda *args, **kwargs: setattr(made, "asked", made.asked + 1))
    # The test's transaction is on this connection.
    monkeypatch.setattr(pulse.connection, "close", lambda: None)
    return made


@pytest.fixture
def running(cluster: Cluster) -> Cluster:
    """A cluster that has answered once."""
    cluster.beat()  # of an earlier cluster
    assert cluster.after(0) == ""
    cluster.beat()
    assert cluster.after(1) == ""
    return cluster


def test_each_new_cluster_is_asked_for_a_heartbeat_and_given_time_to_come_up(cluster: Cluster) -> None:
    cluster.members = frozenset()
    assert cluster.after(0) == ""
    assert cluster.asked == 1
    assert cluster.after(START - 1) == ""
    assert "has lost 5 of its 5 processes" in cluster.after(2)
    cluster.members = WHOLE
    assert cluster.after(1, leader=LEADER + 10) == ""
    assert cluster.asked == 2


def test_a_cluster_that_beats_each_minute_is_well(running: Cluster) -> None:
    for _ in range(10):
        assert running.after(SILENCE - 1) == ""
        running.beat()
    assert running.asked == 1


def test_a_cluster_that_does_not_beat_any_more_takes_no_tasks(running: Cluster) -> None:
    assert running.after(SILENCE - 1) == ""
    assert "takes no tasks (no heartbeat for 121 s)" in running.after(2)


def test_a_replaced_worker_is_asked_about_at_once(running: Cluster) -> None:
    running.members = WHOLE - {102} | {110}
    assert running.after(10) == ""
    assert running.asked == 2
    assert running.after(ANSWER - 1) == ""
    assert "takes no tasks" in running.after(2)


def test_a_replaced_worker_that_answers_is_well(running: Cluster) -> None:
    running.members = WHOLE - {102} | {110}
    assert running.after(10) == ""
    running.beat()
    assert running.after(ANSWER + 1) == ""


def test_a_process_that_stays_away_is_missed_soon(running: Cluster) -> None:
    running.members = WHOLE - {101}
    assert running.after(1) == ""
    assert "has lost 1 of its 5 processes" in running.after(MISSING + 1)


def test_a_busy_cluster_may_be_silent_for_longer(running: Cluster) -> None:
    user = SyncUser.objects.create(name="Sandbox", login_url="http://127.0.0.1:8900")
    lease = SyncLease.objects.create(sync_user=user, expires_at=timezone.now() + timedelta(seconds=100))
    assert running.after(SILENCE + 1) == ""
    SyncLease.objects.filter(pk=lease.pk).update(expires_at=None)
    action = SyncRun.objects.create(sync_user=user, kind=RunKind.PERSONS)
    assert running.after(1) == ""
    SyncRun.objects.filter(pk=action.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert "takes no tasks" in running.after(1)


def test_a_database_that_is_away_says_nothing_about_the_worker(
    running: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise DatabaseError("away")

    with monkeypatch.context() as patched:
        patched.setattr(schedule, "last_beat", away)
        assert running.after(SILENCE + 1) == ""
    assert running.after(1) == ""
    assert running.after(ANSWER + 1) == "", "it is given as much time as at the start"
