"""The first line of the dashboard is the truth about the sync."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from syncer import schedule
from syncer.admin.dashboard.status import status
from syncer.models import ApiUsage, Heartbeat, PendingChange, Person, SyncRun, SyncUser, SyncUserState
from tests.admin.pages import form_data, words


@pytest.fixture
def worker(db: None) -> None:
    """A background worker that has just reported."""
    schedule.beat()


@pytest.fixture
def due(db: None) -> None:
    """The next cycle is in three minutes."""
    schedule.ensure()
    Schedule.objects.filter(name=schedule.CYCLE).update(next_run=timezone.now() + timedelta(minutes=3, seconds=5))


def finished_run(sync_user: SyncUser, **values: Any) -> SyncRun:
    at = timezone.now() - timedelta(minutes=2, seconds=5)
    return SyncRun.objects.create(
        sync_user=sync_user,
        **{"status": "completed", "started_at": at, "finished_at": at, "trigger": "schedule"} | values,
    )


def test_not_connected_yet(admin: Client) -> None:
    page = words(admin.get(reverse("admin:index")))
    assert "Not connected to Salesforce yet." in page
    assert "Add a connection" in page
    assert "Sync now" not in page


def test_a_worker_that_was_just_started_is_not_missed_yet(sync_user: SyncUser, due: None) -> None:
    assert (status().level, status().line) == ("wait", "The background worker is starting.")
    long_ago = timezone.now() - timedelta(minutes=10)
    SyncUser.objects.update(created_at=long_ago)
    assert status().level == "bad"
    finished_run(sync_user, started_at=timezone.now() - timedelta(minutes=1))
    assert status().line == "The background worker is starting."


def test_the_worker_does_not_run(sync_user: SyncUser, due: None) -> None:
    SyncUser.objects.update(created_at=timezone.now() - timedelta(minutes=10))
    assert status().line == "The background worker has not reported yet. Nothing syncs by itself until it runs."
    assert "qcluster" in status().more


def test_the_worker_is_silent(sync_user: SyncUser, worker: None, due: None) -> None:
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=12, seconds=5))
    assert status().line == "The background worker has been silent for 12 min. Nothing syncs until it runs."


def test_before_the_first_cycle(sync_user: SyncUser, worker: None, due: None) -> None:
    assert status().line == "Connected to Acme Corp. The first cycle starts in 3 min."


def test_in_sync(sync_user: SyncUser, worker: None, due: None) -> None:
    finished_run(sync_user)
    assert status().line == "In sync. Last cycle finished 2 min ago, next in 3 min."


def test_in_sync_except_for_some(sync_user: SyncUser, worker: None, due: None, person: Person) -> None:
    finished_run(sync_user)
    PendingChange.objects.create(person=person, state="failed", revision=1, error_code="REQUIRED_FIELD_MISSING")
    assert status().line.startswith("In sync, except 1 person with a sync error.")


def test_the_last_cycle_failed(sync_user: SyncUser, worker: None, due: None) -> None:
    run = finished_run(sync_user, status="failed", error="Could not reach acme.my.salesforce.com.")
    found = status()
    assert found.line == "The last cycle could not complete 2 min ago. Next try in 3 min."
    assert found.more == "Could not reach acme.my.salesforce.com."
    assert found.do == (reverse("admin:syncer_syncrun_change", args=[run.pk]), "View the run")


def test_a_running_cycle(sync_user: SyncUser, worker: None, due: None) -> None:
    SyncRun.objects.create(
        sync_user=sync_user, phase="Reading changes", phases=[{"name": "x", "done": 40, "total": 90}]
    )
    found = status()
    assert (found.level, found.running) == ("busy", True)
    assert found.line == "A cycle is running: reading changes, 40 of 90."


def test_a_run_that_died_does_not_look_as_if_it_went_on(sync_user: SyncUser, worker: None, due: None) -> None:
    old = timezone.now() - timedelta(hours=1)
    SyncRun.objects.create(sync_user=sync_user, started_at=old, heartbeat_at=old)
    assert not status().running


def test_refused_by_salesforce(sync_user: SyncUser, worker: None, due: None) -> None:
    sync_user.set_state(SyncUserState.REFUSED, "invalid_grant: no Run-As user.")
    found = status()
    assert found.line.startswith("Stopped: Salesforce refused the sign-in at ")
    assert found.more.startswith("invalid_grant: no Run-As user. We did not try again")
    assert found.do is not None
    assert found.stopped


def test_a_refused_sign_in_can_be_tried_again(admin: Client, sync_user: SyncUser) -> None:
    sync_user.set_state(SyncUserState.REFUSED, "invalid_grant")
    page = words(admin.get(reverse("admin:index")))
    assert "Try again tries the sign-in once." in page
    assert "the sign-in is tried once, within half a minute" in words(
        admin.post(reverse("admin:sync_resume"), follow=True)
    )
    sync_user.refresh_from_db()
    assert sync_user.state == SyncUserState.READY


def test_a_cycle_that_stopped_at_the_reserve_is_no_alarm(sync_user: SyncUser, worker: None, due: None) -> None:
    finished_run(sync_user, status="failed", error_code="API_RESERVE", error="Cycles stop at 80 %.")
    found = status()
    assert (found.level, found.more) == ("wait", "Cycles stop at 80 %.")
    assert "stopped at the reserve of API calls 2 min ago. Next try in 3 min." in found.line


def test_the_api_calls_are_told_with_the_place_where_cycles_stop(admin: Client, sync_user: SyncUser) -> None:
    ApiUsage.objects.create(sync_user=sync_user, hour=timezone.now(), calls=612, org_used=41_300, org_limit=115_000)
    page = words(admin.get(reverse("admin:index")))
    assert "API calls, 24 h: We used 612; all apps 41,300 of 115,000; cycles stop at 92,000" in page


def test_out_of_api_calls(sync_user: SyncUser, worker: None, due: None) -> None:
    until = timezone.now() + timedelta(minutes=40, seconds=5)
    sync_user.set_state(SyncUserState.LIMITED, "TotalRequests Limit exceeded.", until)
    assert "Out of API calls" in status().line
    assert "in 40 min" in status().line


def test_pausing_and_resuming(admin: Client, sync_user: SyncUser, worker: None, due: None, person: Person) -> None:
    Person.objects.filter(pk=person.pk).update(title="CFO")
    page = words(admin.post(reverse("admin:sync_pause"), follow=True))
    assert "Paused by eva since" in page
    assert "Edits are kept: 1 waiting." in page
    assert "Resume" in page
    assert schedule.next_run() is None
    connection = words(admin.get(reverse("admin:syncer_syncuser_change", args=[sync_user.pk])))
    assert "Paused by eva." in connection
    assert "Since just now" in connection
    assert "Resumed" in words(admin.post(reverse("admin:sync_resume"), follow=True))
    assert schedule.next_run() is not None
    history = words(admin.get(reverse("admin:syncer_syncuser_history", args=[sync_user.pk])))
    assert history.index("Paused the sync.") > 0
    assert history.index("Resumed the sync.") > 0
    assert "nothing to resume" in words(admin.post(reverse("admin:sync_resume"), follow=True))


def test_stopping_everything_that_writes(
    admin: Client, sync_user: SyncUser, worker: None, due: None, person: Person
) -> None:
    finished_run(sync_user)
    Person.objects.filter(pk=person.pk).update(title="CFO")
    assert "Stop all writing" in words(admin.get(reverse("admin:index")))
    page = words(admin.post(reverse("admin:sync_stop_writing"), follow=True))
    assert "Everything that writes to Salesforce is stopped, by eva just now" in page
    assert "Receiving only: everything that writes to Salesforce is stopped. 1 waiting." in page
    assert "Allow writing again" in page
    assert "Stop all writing" not in page
    connection = reverse("admin:syncer_syncuser_change", args=[sync_user.pk])
    assert "Stopped Allow it again on the dashboard." in words(admin.get(connection))
    assert "nothing to stop" in words(admin.post(reverse("admin:sync_stop_writing"), follow=True))
    page = words(admin.post(reverse("admin:sync_allow_writing"), follow=True))
    assert "what waits goes out with the next cycle" in page
    assert "In sync." in page
    history = words(admin.get(reverse("admin:syncer_syncuser_history", args=[sync_user.pk])))
    assert history.index("Stopped everything that writes to Salesforce.") > 0
    assert history.index("Allowed writing to Salesforce again.") > 0


def test_a_connections_page_that_was_open_does_not_turn_the_switch_back(admin: Client, sync_user: SyncUser) -> None:
    url = reverse("admin:syncer_syncuser_change", args=[sync_user.pk])
    data = form_data(admin.get(url))
    admin.post(reverse("admin:sync_stop_writing"))
    admin.post(url, data | {"default_company": "Unknown"})
    sync_user.refresh_from_db()
    assert (sync_user.default_company, sync_user.writes_stopped) == ("Unknown", True)


def test_sync_now_wakes_a_worker_for_one_cycle(admin: Client, sync_user: SyncUser, worker: None, due: None) -> None:
    page = words(admin.post(reverse("admin:sync_now"), follow=True))
    assert "A cycle is asked for" in page
    task = OrmQ.objects.get().task
    assert (task["func"], task["args"]) == ("syncer.tasks.run_cycle", ("manual", "eva"))


def test_sync_now_without_a_connection_or_while_one_runs(admin: Client, db: None) -> None:
    assert "There is no Salesforce connection" in words(admin.post(reverse("admin:sync_now"), follow=True))


def test_sync_now_while_a_cycle_runs(admin: Client, sync_user: SyncUser) -> None:
    SyncRun.objects.create(sync_user=sync_user)
    assert "running already" in words(admin.post(reverse("admin:sync_now"), follow=True))
    assert not OrmQ.objects.exists()


def test_the_figures_and_the_reasons(
    admin: Client, sync_user: SyncUser, worker: None, due: None, person: Person
) -> None:
    PendingChange.objects.create(
        person=person,
        state="failed",
        revision=1,
        error_code="FIELD_CUSTOM_VALIDATION_EXCEPTION",
        error_message="Phone needed",
    )
    finished_run(sync_user, counters={"received": {"updated": 12}, "sent": {"created": 3, "failed": 1}}, api_calls=4)
    response = admin.get(reverse("admin:index"))
    page = words(response)
    assert "Sync errors 1" in page
    assert "Waiting to send 0 nothing waits" in page
    assert "A validation rule of your Salesforce refused this." in page
    assert "“Phone needed”" in page
    assert "12 updated 3 new 1 0 4" in page
    view = "/admin/syncer/person/?state=error&amp;reason=FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert view in response.content.decode()


def test_those_who_failed_for_one_reason_are_tried_again(
    admin: Client, staff: Callable[..., Client], sync_user: SyncUser, worker: None, due: None, person: Person
) -> None:
    finished_run(sync_user)
    other = Person.objects.create(last_name="Ode")
    for one, code in ((person, "REQUIRED_FIELD_MISSING"), (other, "STRING_TOO_LONG")):
        PendingChange.objects.create(person=one, state="failed", revision=1, attempts=3, error_code=code)
    url = reverse("admin:sync_retry")
    assert "Retry 1 persons with STRING_TOO_LONG" in words(admin.get(reverse("admin:index")))
    viewer = staff("view_person")
    assert "Retry 1" not in words(viewer.get(reverse("admin:index")))
    assert viewer.post(url, {"code": "STRING_TOO_LONG"}).status_code == 403
    assert admin.get(url).status_code == 405
    assert "Nobody has this error any more." in words(admin.post(url, {"code": ""}, follow=True))
    assert PendingChange.objects.filter(state="failed").count() == 2
    page = words(admin.post(url, {"code": "STRING_TOO_LONG"}, follow=True))
    assert "1 person is tried again with the next cycle" in page
    assert [row.person_id for row in PendingChange.objects.filter(state="pending")] == [other.pk]
    when = schedule.next_run()
    assert when is not None
    assert when <= timezone.now()
    schedule.pause()
    page = words(admin.post(url, {"code": "REQUIRED_FIELD_MISSING"}, follow=True))
    assert "1 person is tried again as soon as the sync goes on." in page


def test_the_line_as_json(admin: Client, sync_user: SyncUser, worker: None, due: None) -> None:
    finished_run(sync_user)
    answer = admin.get(reverse("admin:sync_status")).json()
    assert (answer["level"], answer["running"]) == ("good", False)
    assert answer["line"].startswith("In sync.")
