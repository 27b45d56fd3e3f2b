"""Redis is away: pages answer, nothing that was asked for is lost, and it begins when the queue is back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule

from syncer import schedule, tasks
from syncer.models import Person, RunStatus, SyncRun, SyncUser
from tests.admin.acting import select
from tests.admin.pages import words

AWAY = "redis://127.0.0.1:1/0"  # nobody listens there


@pytest.fixture
def redis_away(settings, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": AWAY}}
    monkeypatch.setattr(Conf, "ORM", None)
    monkeypatch.setattr(Conf, "REDIS", AWAY)
    return monkeypatch


def test_an_action_for_many_is_kept_and_begins_when_the_queue_is_back(
    admin: Client, sync_user: SyncUser, redis_away: pytest.MonkeyPatch
) -> None:
    people = [Person.objects.create(last_name=f"Berg {i}") for i in range(26)]
    page = words(select(admin, "refresh_person", *people))
    assert "The queue of the background work does not answer, so nothing has begun yet." in page
    run = SyncRun.objects.get()
    assert (run.status, run.persons.count()) == (RunStatus.RUNNING, 26)
    SyncRun.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=6))
    assert tasks.take_over_dead_runs() == []  # it is away still
    redis_away.undo()
    SyncRun.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=6))
    assert tasks.take_over_dead_runs() == [run.pk]
    task = OrmQ.objects.get().task
    assert (task["func"], task["args"]) == ("syncer.tasks.sync_persons_task", (run.pk,))


def test_a_cycle_that_is_asked_for_starts_when_the_queue_is_back(
    admin: Client, sync_user: SyncUser, redis_away: pytest.MonkeyPatch
) -> None:
    schedule.run_after_the_wait()
    page = words(admin.post(reverse("admin:sync_now"), follow=True))
    assert "It starts when the queue of the background work answers." in page
    assert Schedule.objects.get(name=schedule.CYCLE).next_run <= timezone.now()


def test_a_sandbox_is_reconnected_when_the_queue_is_back(
    admin: Client, sync_user: SyncUser, redis_away: pytest.MonkeyPatch
) -> None:
    SyncRun.objects.create(sync_user=sync_user, status="failed", error_code="WRONG_ORGANISATION")
    page = words(admin.post(reverse("admin:syncer_syncuser_reconnect", args=[sync_user.pk]), follow=True))
    assert "The queue of the background work does not answer" in page
    assert SyncRun.objects.get(kind="reconnect").status == RunStatus.RUNNING


def test_pages_that_keep_something_find_it_anew(
    admin: Client, sync_user: SyncUser, redis_away: pytest.MonkeyPatch
) -> None:
    for name in ("Berg", "Ode"):
        Person.objects.create(last_name=name, email="same@example.com")
    listed = admin.get(reverse("admin:syncer_person_changelist"), {"duplicates": "possible"})
    assert listed.status_code == 200
    assert "2 persons" in words(listed)
    assert admin.get(reverse("admin:index")).status_code == 200
