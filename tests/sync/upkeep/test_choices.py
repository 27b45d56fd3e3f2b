"""Users, queues and campaigns to choose from."""

from __future__ import annotations

import pytest

from syncer.models import ApiUsage, SyncUser
from syncer.sync.errors import CannotSync
from syncer.sync.upkeep.choices import CampaignChoice, read_directory
from tests.support.salesforce import Sandbox, Time

SYNC, SALES = ("Sync User", "sync@example.com"), ("Sally Sales", "sales@example.com")


def test_active_users_lead_queues_and_active_campaigns(sandbox: Sandbox, sync_user: SyncUser) -> None:
    sandbox.control(
        "POST", "users", username="ana@example.com", first_name="Ana", last_name="Ode", email="a@ode.example"
    )
    sandbox.control("POST", "users", username="gone@example.com", last_name="Gone", active=False)
    sandbox.control("POST", "queues", name="Partner Leads", objects=["Lead"])
    sandbox.control("POST", "queues", name="Support", objects=["Case"])
    plain = sandbox.control("POST", "campaigns", name="Newsletter")["id"]
    statuses = [{"label": "Invited"}, {"label": "Came", "responded": True}, {"label": "Asked", "default": True}]
    webinar = sandbox.control("POST", "campaigns", name="Autumn Webinar", statuses=statuses)["id"]
    sandbox.control("POST", "campaigns", name="Long ago", active=False)
    told = read_directory(sandbox.open_session)
    assert [(user.name, user.detail) for user in told.users] == [("Ana Ode", "a@ode.example"), SALES, SYNC]
    assert all(user.id.startswith("005") and len(user.id) == 18 for user in told.users)
    assert [queue.name for queue in told.queues] == ["New Leads", "Partner Leads"]
    assert told.campaigns == [
        CampaignChoice(webinar, "Autumn Webinar", ("Asked", "Invited", "Came")),
        CampaignChoice(plain, "Newsletter", ("Sent", "Responded")),
    ]
    assert told.missing == []


def test_one_call_that_is_booked(sandbox: Sandbox, sync_user: SyncUser) -> None:
    sandbox.clear_requests()
    read_directory(sandbox.open_session)
    assert sandbox.api_calls == 1
    assert [usage.calls for usage in ApiUsage.objects.all()] == [1]


def test_what_the_sync_user_may_not_see_is_said(sandbox: Sandbox, sync_user: SyncUser) -> None:
    sandbox.control("POST", "access", username="sync@example.com", object="Campaign", access="hidden")
    told = read_directory(sandbox.open_session)
    assert [user.name for user in told.users] == ["Sally Sales", "Sync User"]
    assert told.campaigns == []
    assert [text.partition(":")[0] for text in told.missing] == ["campaigns", "statuses"]
    assert "sObject type 'Campaign' is not supported" in told.missing[0]


def test_an_organisation_that_does_not_answer(sandbox: Sandbox, sync_user: SyncUser, time: Time) -> None:
    sandbox.fault("composite", "status", times=9, status=503)
    with pytest.raises(CannotSync, match="503"):
        read_directory(sandbox.open_session, pause=time.pass_)


def test_a_seeded_organisation_has_something_to_choose(sandbox: Sandbox, sync_user: SyncUser) -> None:
    sandbox.control("POST", "reset", leads=30, contacts=10)
    told = read_directory(sandbox.open_session)
    assert (len(told.users), len(told.queues), len(told.campaigns)) == (5, 3, 3)
    owners = {record["OwnerId"] for record in sandbox.sales.query("SELECT OwnerId FROM Lead")["records"]}
    assert owners & {queue.id for queue in told.queues}
    assert len(owners & {user.id for user in told.users}) > 1
