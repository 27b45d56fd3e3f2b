"""The demo tells a worker that does its work from one that only looks alive. Time and processes are handed in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from syncer import schedule
from syncer.demo import pulse
from syncer.demo.pulse import ANSWER, ASK_AFTER, START, Pulse
from syncer.models import Heartbeat, RunKind, SyncLease, SyncRun, SyncUser

pytestmark = pytest.mark.django_db


class Cluster:
    """A cluster as the pulse sees it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.beats = 0
        self.pulse = Pulse(clock=lambda: self.now)

    def beat(self) -> None:
        self.beats += 1
        Heartbeat.objects.update_or_create(
            name="worker", defaults={"at": timezone.now() + timedelta(seconds=self.beats)}
        )

    def after(self, seconds: float, main: int = 100) -> str:
        self.now += seconds
        return self.pulse.look(main)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(pulse, "async_task", lambda *args, **kwargs: setattr(made, "asked", made.asked + 1))
    # The test's transaction is on this connection.
    monkeypatch.setattr(connection, "close", lambda: None)
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
    cluster.beat()  # of an earlier cluster
    assert cluster.after(0) == ""
    assert cluster.asked == 1
    assert cluster.after(START - 1) == ""
    assert cluster.after(2) == "is there but takes no tasks"
    assert cluster.after(1, main=101) == ""
    assert cluster.asked == 2
    assert cluster.after(START - 1, main=101) == ""


def test_a_cluster_that_answers_is_well_and_asked_again(running: Cluster) -> None:
    for count in range(2, 12):
        assert running.after(ASK_AFTER - 1) == ""
        assert running.asked == count - 1
        assert running.after(1) == ""
        assert running.asked == count
        assert running.after(ANSWER) == ""
        assert running.asked == count
        running.beat()
        assert running.after(0) == ""


def test_a_cluster_that_does_not_answer_any_more_takes_no_tasks(running: Cluster) -> None:
    assert running.after(ASK_AFTER) == ""
    assert running.after(ANSWER) == ""
    assert running.after(1) == "is there but takes no tasks"


def test_a_late_look_is_not_taken_for_silence(running: Cluster) -> None:
    """Nobody has been asked meanwhile."""
    assert running.after(3600) == ""
    assert running.after(ANSWER) == ""
    assert running.after(1) == "is there but takes no tasks"


def test_a_busy_cluster_may_be_silent_for_longer(running: Cluster) -> None:
    user = SyncUser.objects.create(name="Sandbox", login_url="http://127.0.0.1:8900")
    lease = SyncLease.objects.create(sync_user=user, expires_at=timezone.now() + timedelta(seconds=100))
    assert running.after(ASK_AFTER) == ""
    assert running.after(ANSWER + 1) == ""
    SyncLease.objects.filter(pk=lease.pk).update(expires_at=None)
    action = SyncRun.objects.create(sync_user=user, kind=RunKind.PERSONS)
    assert running.after(1) == ""
    SyncRun.objects.filter(pk=action.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert running.after(1) == "is there but takes no tasks"


def test_a_database_that_is_away_says_nothing_about_the_worker(
    running: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise DatabaseError("away")

    assert running.after(ASK_AFTER) == ""
    with monkeypatch.context() as patched:
        patched.setattr(schedule, "last_beat", away)
        assert running.after(ANSWER + 1) == ""
    assert running.after(1) == ""
    assert running.after(ANSWER + 1) == "", "it is given as much time as at the start"
    assert running.after(START - ANSWER) == "is there but takes no tasks"
