"""A clock that was days ahead: what it has stored as still to be waited for holds up nothing once it goes right."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.cluster import Cluster
from django_q.models import Schedule

from syncer import schedule, tasks
from syncer.models import (
    Claim,
    Heartbeat,
    PendingChange,
    Person,
    RunKind,
    RunStatus,
    SyncLease,
    SyncRun,
    SyncUserState,
    moments,
)
from syncer.sync.connection import lease, runs
from syncer.sync.errors import CannotSync, LeaseHeld, LeaseLost

pytestmark = pytest.mark.django_db

DAYS = timedelta(days=3)


@pytest.fixture
def kim(sandbox, cycle):
    sandbox.lead(City="A")
    cycle()
    return Person.objects.get()


def city(sandbox, person):
    return sandbox.read(person.sfdc_id)["City"]


def edit(person):
    Person.objects.filter(pk=person.pk).update(city="B")


# -- lease and claims, by the database's clock ------------------------------------------------------------------------


def hold(sync_user, ahead):
    SyncLease.objects.update_or_create(
        sync_user=sync_user, defaults={"holder": "another machine", "expires_at": timezone.now() + ahead}
    )


def test_a_lease_from_days_ahead_is_free(cycle, sync_user):
    hold(sync_user, DAYS)
    assert cycle().status == RunStatus.COMPLETED


def test_a_lease_that_may_be_held_is_respected(cycle, sync_user):
    hold(sync_user, 1.5 * moments.LEASE)
    with pytest.raises(LeaseHeld):
        cycle()


def test_a_claim_from_days_ahead_is_taken_over(sandbox, kim, sync_person):
    edit(kim)
    Claim.objects.create(person_id=kim.pk, token="persons-dead", until=timezone.now() + DAYS)
    assert sync_person(kim).ok
    assert city(sandbox, kim) == "B"


def test_a_claim_that_may_be_held_is_respected(sandbox, kim, cycle):
    edit(kim)
    Claim.objects.create(person_id=kim.pk, token="persons-alive", until=timezone.now() + 1.5 * moments.CLAIM)
    cycle()
    assert city(sandbox, kim) == "A"


def test_the_lease_is_broken_by_command(cycle, sync_user, capsys):
    held = lease.acquire(sync_user)
    call_command("resumesync", "--break-lease")
    assert "The lease of process" in capsys.readouterr().out
    assert cycle().status == RunStatus.COMPLETED
    with pytest.raises(LeaseLost):
        held.renew()
    call_command("resumesync", "--break-lease")
    assert "No cycle holds a lease." in capsys.readouterr().out


# -- tries and pauses, by the application's clock ---------------------------------------------------------------------


@pytest.mark.parametrize("state", ["pending", "failed"])
@pytest.mark.parametrize(("ahead", "sent"), [(DAYS, True), (timedelta(hours=24), False)])
def test_a_try_that_was_put_off_for_days_is_made(sandbox, kim, cycle, time, state, ahead, sent):
    edit(kim)
    PendingChange.objects.update(state=state, error_code="X", next_attempt=time() + ahead)
    cycle()
    assert city(sandbox, kim) == ("B" if sent else "A")


def test_a_pause_of_days_after_the_limit_is_over(cycle, sync_user, time):
    sync_user.set_state(SyncUserState.LIMITED, "used up", time() + DAYS)
    assert cycle().status == RunStatus.COMPLETED
    sync_user.set_state(SyncUserState.LIMITED, "used up", time() + 1.5 * moments.LIMIT_PAUSE)
    with pytest.raises(CannotSync, match="goes on at"):
        cycle()


# -- the queue --------------------------------------------------------------------------------------------------------


@pytest.fixture
def far_ahead(sync_user):
    """Everything is due in days, also the heartbeat, which puts the rest right."""
    schedule.ensure()
    Schedule.objects.update(next_run=timezone.now() + DAYS)
    Heartbeat.objects.update_or_create(name="worker", defaults={"at": timezone.now() + DAYS})


def soon():
    day = timedelta(days=1, minutes=1)
    return all(when <= timezone.now() + day for when in Schedule.objects.values_list("next_run", flat=True))


@pytest.mark.django_db(transaction=True)  # the command closes its connection: its processes have their own
def test_a_worker_that_starts_puts_the_schedules_right(far_ahead, monkeypatch):
    monkeypatch.setattr(Cluster, "start", lambda cluster: None)
    call_command("qcluster")
    assert soon()


def test_who_looks_at_the_dashboard_puts_the_schedules_right(far_ahead, admin_client: Client):
    assert schedule.worker_is_silent()
    admin_client.get(reverse("admin:index"))
    assert soon()


def test_a_run_whose_worker_was_heard_of_days_ahead_is_taken_over(sync_user):
    run = runs.create(sync_user, RunKind.PERSONS, "Eva", action="sync", person_count=1)
    SyncRun.objects.update(heartbeat_at=timezone.now() + DAYS, claim="persons-dead")
    tasks.take_over_dead_runs()
    run.refresh_from_db()
    assert run.claim == ""
