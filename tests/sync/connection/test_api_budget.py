"""A share of the day's API calls is left for others: cycles stop at 80 percent, actions on persons at 95."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from syncer import schedule
from syncer.admin.dashboard.status import status
from syncer.models import Person, SyncCursor, SyncRun
from syncer.sync.errors import CannotSync, ReserveReached
from syncer.sync.outcomes import Result
from syncer.sync.plan import Plan

pytestmark = pytest.mark.django_db

#: So many that a few calls more or less are less than a percent.
CALLS = 600


@pytest.fixture
def used(sandbox) -> Callable[[int], None]:
    """Lets the other apps have used so many percent of the calls, and something more."""
    for _ in range(CALLS):
        sandbox.sales.limits()

    def set_percent(percent: int) -> None:
        daily = sandbox.sales.limits()["DailyApiRequests"]
        calls = daily["Max"] - daily["Remaining"]
        sandbox.control("POST", "limits", daily=calls * 100 // percent)

    return set_percent


def refused(cycle) -> SyncRun:
    with pytest.raises(ReserveReached):
        cycle()
    return SyncRun.objects.latest("pk")


def test_a_cycle_takes_what_its_one_call_brings_and_stops(sandbox, cycle, sync_user, sync_person, used):
    there, here = sandbox.lead(LastName="There"), sandbox.lead(LastName="Here")
    cycle()
    sandbox.edit(there, Title="Buyer")
    Person.objects.filter(sfdc_id=here).update(title="Seller")
    used(81)
    sandbox.clear_requests()
    run = refused(cycle)
    assert sandbox.api_calls == run.api_calls == 1
    assert Person.objects.get(sfdc_id=there).title == "Buyer"
    assert sandbox.read(here)["Title"] is None
    assert (run.status, run.error_code) == ("failed", "API_RESERVE")
    assert run.error.startswith("Cycles stop at 80 % of the organisation's API calls of 24 hours")
    assert "All apps together have used" in run.notes[0]
    # It is said, and nothing else is stopped.
    sync_user.refresh_from_db()
    assert sync_user.state == "ready"
    schedule.beat()
    assert status().line.startswith("The last cycle stopped at the reserve of API calls")
    assert status().more == run.error
    assert sync_person(Person.objects.get(sfdc_id=here)).result is Result.UPDATED
    assert sandbox.read(here)["Title"] == "Seller"


def test_it_goes_on_by_itself_when_the_use_has_fallen(sandbox, cycle, used):
    lead = sandbox.lead()
    cycle()
    Person.objects.update(title="Buyer")
    used(81)
    for _ in range(2):
        assert refused(cycle).api_calls == 1
    sandbox.time.pass_(86_400)
    run = cycle()
    assert (run.status, run.notes) == ("completed", [])
    assert sandbox.read(lead)["Title"] == "Buyer"


def test_a_cycle_with_nothing_left_to_do_completes(sandbox, cycle, used):
    sandbox.lead()
    cycle()
    used(81)
    run = cycle()
    assert (run.status, run.api_calls) == ("completed", 1)
    assert "All apps together have used" in run.notes[0]


def test_a_long_read_stops_between_two_pages_and_goes_on_there(sandbox, cycle, used):
    sandbox.control("POST", "reset", leads=2500, contacts=0, seed=1)
    used(81)
    refused(cycle)
    assert Person.objects.count() == 2000
    assert SyncCursor.objects.get(object="Lead").resume_id
    used(50)
    cycle()
    assert Person.objects.count() == 2500


def test_a_dry_run_keeps_the_reserve_too(sandbox, cycle, used):
    sandbox.control("POST", "reset", leads=2500, contacts=0, seed=1)
    used(81)
    with pytest.raises(ReserveReached):
        cycle(plan=Plan())


def test_the_share_is_a_setting(sandbox, cycle, sync_user, used):
    lead = sandbox.lead()
    cycle()
    Person.objects.update(title="Buyer")
    sync_user.cycle_share = 90
    sync_user.save()
    used(81)
    assert cycle().status == "completed"
    assert sandbox.read(lead)["Title"] == "Buyer"


def test_a_refused_lead_is_not_made_by_a_cycle_at_the_reserve(sandbox, cycle, sync_person, used):
    sandbox.rule("No Holand", "Country = 'Holand'", "Country is spelt wrong.", field="Country")
    person = Person.objects.create(last_name="Ode", company="Acme", country="Holand")
    assert not sync_person(person).ok
    Person.objects.update(country="Netherlands")
    used(81)
    refused(cycle)
    assert sandbox.count() == 0
    used(50)
    cycle()
    assert sandbox.count() == 1


def test_an_action_is_refused_at_95_percent_before_anything_is_written(sandbox, cycle, sync_user, sync_person, used):
    """What the last call told was low: the action's first look at Salesforce tells."""
    lead = sandbox.lead()
    cycle()
    Person.objects.update(title="Buyer")
    used(96)
    with pytest.raises(CannotSync, match="Actions on persons stop at 95 %"):
        sync_person(Person.objects.get())
    assert sandbox.read(lead)["Title"] is None
    assert SyncRun.objects.latest("pk").error_code == "API_RESERVE"
    # Now it is known: one cheap call asks whether it is still so.
    sandbox.clear_requests()
    with pytest.raises(ReserveReached):
        sync_person(Person.objects.get())
    requests = sandbox.control("GET", "requests")["requests"]
    assert [name.rpartition("/")[2] for name in requests if "/services/data" in name] == ["limits"]
    sync_user.refresh_from_db()
    assert sync_user.state == "ready"
    used(90)
    assert sync_person(Person.objects.get()).result is Result.UPDATED
    assert sandbox.read(lead)["Title"] == "Buyer"


def test_the_limit_itself_still_pauses_the_sync(sandbox, cycle, sync_user, used):
    cycle()
    used(101)
    with pytest.raises(CannotSync, match="limit"):
        cycle()
    sync_user.refresh_from_db()
    assert sync_user.state == "limited"


def test_a_pause_that_is_over_ends_although_the_reserve_is_reached(sandbox, cycle, sync_user, used):
    sandbox.lead()
    cycle()
    sync_user.set_state("limited", "TotalRequests Limit exceeded.", sandbox.time())
    Person.objects.update(title="Buyer")
    used(81)
    refused(cycle)
    sync_user.refresh_from_db()
    assert sync_user.state == "ready"
