"""docs/behaviour.md 1: the cycle."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_q.models import Schedule

from syncer import schedule, tasks
from syncer.models import ActivityLogEntry, Person, SalesforceRecord, SyncLease, SyncRun, SyncUser, triggers
from syncer.sync.connection.lease import acquire
from syncer.sync.errors import LeaseHeld, LeaseLost
from tests.scenarios.sides import meanwhile

pytestmark = pytest.mark.django_db


# -- 1.1 --------------------------------------------------------------------------------------------------------------


def test_1_1_it_syncs_and_waits_five_minutes_after_it_has_finished(salesforce, here, time):
    salesforce.lead(LastName="Ode")
    with meanwhile("Finishing", lambda: time.pass_(240)):
        tasks.run_cycle()
    assert here.names() == {"Ode"}
    assert schedule.next_run() == time() + timedelta(minutes=5)


def test_1_1_it_syncs_again_although_a_cycle_failed(salesforce, here, time):
    salesforce.fault("/composite", "status", status=503, times=500)
    assert tasks.run_cycle()["status"] == "failed"
    assert schedule.next_run() == time() + timedelta(minutes=5)


def test_1_1_the_wait_is_a_setting(here, time, settings):
    settings.SYNC_INTERVAL_MINUTES = 20
    tasks.run_cycle()
    assert schedule.next_run() == time() + timedelta(minutes=20)


def test_1_1_the_application_creates_the_schedule_by_itself(db):
    assert Schedule.objects.get(name=schedule.CYCLE).func == "syncer.tasks.run_cycle"


@pytest.mark.parametrize("damage", [{"func": "os.getcwd"}, {"repeats": 0}, {"next_run": None}])
def test_1_1_and_heals_it_by_itself(here, damage):
    Schedule.objects.filter(name=schedule.CYCLE).update(**damage)
    tasks.heartbeat()
    healed = Schedule.objects.get(name=schedule.CYCLE)
    assert (healed.func, healed.repeats) == ("syncer.tasks.run_cycle", -1)
    assert healed.next_run is not None


def test_1_1_it_can_be_paused_and_resumed_from_the_admin(salesforce, here, eva, time):
    eva.post(reverse("admin:sync_pause"))
    salesforce.lead(LastName="Ode")
    assert tasks.run_cycle()["status"] == "paused"
    assert (schedule.next_run(), here.names()) == (None, set())
    eva.post(reverse("admin:sync_resume"))
    assert schedule.next_run() == time()
    tasks.run_cycle()
    assert here.names() == {"Ode"}


def test_1_1_a_cycle_in_the_background_stops_after_ten_minutes_and_goes_on_at_once(salesforce, here, time):
    salesforce.control("POST", "reset", leads=2100, contacts=0, seed=1)
    with meanwhile("Receiving Leads", lambda: time.pass_(601)):
        tasks.run_cycle()
    assert Person.objects.count() == 2000  # the page that it was at
    assert schedule.next_run() == time()
    tasks.run_cycle()
    assert Person.objects.count() == 2100
    assert schedule.next_run() == time() + timedelta(minutes=5)


# -- 1.2 --------------------------------------------------------------------------------------------------------------


def test_1_2_exactly_one_cycle_runs_at_a_time_whatever_starts_it(salesforce, cycle, runsync, eva):
    seen = {}

    def start_more() -> None:
        seen["schedule"] = tasks.run_cycle()["status"]
        seen["command"] = runsync().code
        seen["button"] = tasks.run_cycle("manual", "eva")["status"]

    with meanwhile("Reading changes", start_more):
        assert cycle().status == "completed"
    assert seen == {"schedule": "failed", "command": 75, "button": "failed"}
    assert SyncRun.objects.count() == 1


def test_1_2_a_cycle_holds_a_lease_that_it_renews(salesforce, here, cycle):
    salesforce.lead()

    def shorten() -> None:
        SyncLease.objects.update(expires_at=None)

    held = []
    with (
        meanwhile("Receiving Leads", shorten),
        meanwhile("Finishing", lambda: held.append(SyncLease.objects.get().expires_at)),
    ):
        cycle()
    assert held != [None]
    assert SyncLease.objects.get().expires_at is None  # given back


def test_1_2_a_cycle_that_died_loses_it_and_the_next_one_takes_over_within_one_lease_time(sync_user, here, cycle):
    acquire(sync_user)  # and never a word again
    with pytest.raises(LeaseHeld):
        cycle()
    here.let_the_lease_run_out()
    assert cycle().status == "completed"


def test_1_2_a_cycle_that_lost_its_lease_writes_nothing_more(salesforce, sync_user, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer")

    def take_over() -> None:
        here.let_the_lease_run_out()
        acquire(sync_user)

    with meanwhile("Receiving Contacts", take_over), pytest.raises(LeaseLost):
        cycle()
    assert salesforce.read(lead)["Title"] == "Buyer"
    here.let_the_lease_run_out()
    cycle()
    assert salesforce.read(lead)["Title"] == "Head Buyer"


# -- 1.3 --------------------------------------------------------------------------------------------------------------


def test_1_3_the_phases_are_in_order(in_sync, here, cycle):
    _, kim = in_sync()
    here.edit(kim, title="Buyer")
    phases = [phase["name"] for phase in cycle().phases]
    # Users and accounts are followed, too, while the organisation's own are fresh.
    assert [name for name in phases if not name.startswith("Following")] == [
        "Signing in",
        "Reading changes",
        "Receiving Leads",
        "Receiving Contacts",
        "Sending",
        "Finishing",
    ]


def test_1_3_in_the_end_there_are_counters_and_the_time_of_the_next_run(salesforce, here, time):
    salesforce.lead()
    number = tasks.run_cycle()["run"]
    run = SyncRun.objects.get(pk=number)
    assert run.counters["received"] == {"created": 1, "updated": 0, "unchanged": 0, "failed": 0}
    assert (run.finished_at, schedule.next_run()) == (time(), time() + timedelta(minutes=5))


def test_1_3_a_session_that_is_still_valid_is_reused(salesforce, cycle):
    cycle()
    salesforce.clear_requests()
    cycle()
    assert salesforce.sign_ins() == 0


def test_1_3_the_schema_is_refreshed_only_when_something_changed(salesforce, sync_user, cycle):
    def last_described() -> list:
        return list(sync_user.described.order_by("name").values_list("name", "described_at"))

    cycle()
    before = last_described()
    cycle()
    assert last_described() == before
    salesforce.field("Tier__c", "Text", length=20)
    cycle()
    assert last_described() != before


def test_1_3_each_phase_streams(salesforce, cycle):
    """A page of 2,000 records is written before the next one is asked for."""
    salesforce.control("POST", "reset", leads=2100, contacts=0, seed=1)
    written = []
    with meanwhile("Receiving Leads", lambda: written.append(Person.objects.count())):
        cycle()
    assert written == [2000]
    assert Person.objects.count() == 2100


def test_1_3_up_to_600_records_are_sent_in_one_request(salesforce, here, cycle):
    salesforce.control("POST", "reset", leads=600, contacts=0, seed=1)
    cycle()
    Person.objects.update(title="Buyer")
    run = cycle()
    assert run.counters["sent"]["updated"] == 600
    assert run.api_calls == 2  # the first one reads


# -- 1.4 --------------------------------------------------------------------------------------------------------------


def test_1_4_a_quiet_cycle_costs_one_api_call(salesforce, in_sync, cycle, quiet):
    in_sync()
    quiet()
    salesforce.clear_requests()
    run = cycle()
    assert run.counters["received"] == run.counters["sent"] == dict.fromkeys(run.counters["sent"], 0)
    assert salesforce.requests() == {"POST /services/data/v62.0/composite": 1}
    assert salesforce.api_calls == run.api_calls == 1


def test_1_4_and_work_that_does_not_depend_on_how_many_persons_there_are(salesforce, in_sync, cycle, quiet):
    def statements() -> int:
        quiet()
        with CaptureQueriesContext(connection) as queries:
            cycle()
        return len(queries)

    in_sync()
    with_one_person = statements()
    salesforce.leads(100)
    cycle()
    assert Person.objects.count() == 101
    assert statements() == with_one_person


# -- 1.5 --------------------------------------------------------------------------------------------------------------


def test_1_5_runsync_runs_one_cycle_in_the_foreground(salesforce, here, runsync):
    salesforce.lead(LastName="Ode")
    printed = runsync()
    assert (printed.code, printed.err) == (0, "")
    assert here.names() == {"Ode"}
    assert SyncRun.objects.get().status == "completed"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_1_5_with_a_live_progress_display_on_a_terminal(salesforce, runsync, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    runsync(stdout=terminal)
    assert "\x1b[" in terminal.getvalue()
    assert "✓ Receiving Leads" in terminal.getvalue()


def test_1_5_and_plain_lines_otherwise(salesforce, runsync):
    salesforce.lead()
    out = runsync().out
    assert "\x1b" not in out
    assert "Receiving Leads" in out.splitlines()[2]
    assert "Received: 1 new. Sent: nothing." in out.splitlines()[-1]


def test_1_5_object_syncs_only_that_object(salesforce, here, runsync):
    salesforce.lead(LastName="Lead")
    salesforce.contact(LastName="Contact")
    runsync("--object", "Contact")
    assert here.names() == {"Contact"}


def test_1_5_person_can_be_repeated(salesforce, here, runsync):
    kim, alex, other = (here.add(last_name=name) for name in ("Kim", "Alex", "Other"))
    printed = runsync("--person", str(kim.pk), "--person", str(alex.uuid))
    assert printed.code == 0
    assert "Kim (person" in printed.out
    assert [here.again(p).sfdc_type for p in (kim, alex, other)] == ["Lead", "Lead", ""]


def test_1_5_watch_keeps_cycling_with_the_wait(salesforce, here, runsync, time, monkeypatch):
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        time.pass_(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt
        salesforce.lead(LastName="Came while it waited")

    monkeypatch.setattr("time.sleep", sleep)
    printed = runsync("--watch")
    assert waits == [300, 300]
    assert here.names() == {"Came while it waited"}
    assert "Stopped." in printed.err


def test_1_5_json_prints_one_summary_on_stdout_and_all_else_on_stderr(salesforce, in_sync, here, runsync):
    lead, kim = in_sync(Title="Buyer")
    salesforce.lead(LastName="New")
    salesforce.edit(lead, Title="Theirs")
    here.edit(kim, title="Ours")
    printed = runsync("--json")
    summary = printed.json
    assert summary | {"seconds": 0} == {
        "run": SyncRun.objects.latest("pk").pk,
        "status": "completed",
        "received": {"created": 1, "updated": 0, "unchanged": 1, "failed": 0},
        "sent": {"created": 0, "updated": 1, "unchanged": 0, "failed": 0},
        "conflicts": 1,
        "api_calls": 2,
        "seconds": 0,
        "notes": [],
    }
    assert "Receiving Leads" in printed.err


def refused(salesforce, in_sync, here) -> None:
    """One person whose change Salesforce does not accept."""
    _, kim = in_sync()
    salesforce.rule("No Holand", "Country = 'Holand'", "Spelt wrong.", field="Country")
    here.edit(kim, country="Holand")


def test_1_5_exit_code_0_it_completed_and_record_failures_are_in_summary_and_log(salesforce, in_sync, here, runsync):
    refused(salesforce, in_sync, here)
    printed = runsync("--json")
    assert printed.code == 0
    assert printed.json["sent"]["failed"] == 1
    assert ActivityLogEntry.objects.get(type="Sync failed").code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"


def test_1_5_exit_code_3_it_completed_with_record_failures_and_fail_on_errors(salesforce, in_sync, here, runsync):
    refused(salesforce, in_sync, here)
    assert runsync("--fail-on-errors").code == 3
    assert SyncRun.objects.latest("pk").status == "completed"
    assert runsync("--fail-on-errors").code == 0  # it is not tried again, so nothing failed


def sign_in(salesforce, sync_user) -> None:
    sync_user.set_secrets({"client_id": "sandbox-client", "client_secret": "wrong"})
    sync_user.save()


def network(salesforce, sync_user) -> None:
    SyncUser.objects.update(login_url="http://127.0.0.1:1")


def api_limit(salesforce, sync_user) -> None:
    salesforce.control("POST", "limits", daily=0)


def configuration(salesforce, sync_user) -> None:
    sync_user.delete()


@pytest.mark.parametrize(
    ("because_of", "says"),
    [
        (sign_in, "Salesforce refused the sign-in"),
        (network, "127.0.0.1"),
        (api_limit, "daily API limit is used up"),
        (configuration, "add_sync_user"),
    ],
)
def test_1_5_exit_code_1_it_could_not_complete_with_one_clear_line_on_stderr(
    salesforce, sync_user, runsync, because_of, says
):
    because_of(salesforce, sync_user)
    printed = runsync()
    assert printed.code == 1
    [line] = printed.err.splitlines()
    assert says in line


def test_1_5_exit_code_75_another_cycle_holds_the_lease(sync_user, runsync):
    acquire(sync_user)
    printed = runsync("--json")
    assert printed.code == 75
    assert "Another cycle is running" in printed.err
    assert json.loads(printed.out)["status"] == "failed"


# -- 1.6 --------------------------------------------------------------------------------------------------------------


def something_of_everything(salesforce, here, cycle) -> None:
    """Waiting: a new person, an update each way, a link, a conflict and two records that were merged."""
    kim, alex, gone = (salesforce.lead(LastName=name, Title="Buyer") for name in ("Kim", "Alex", "Double"))
    cycle()
    salesforce.lead(LastName="New")
    salesforce.edit(kim, Phone="2")
    here.edit(here.person(kim), title="Head Buyer")
    salesforce.edit(alex, Title="Theirs")
    here.edit(here.person(alex), title="Ours")
    here.add(last_name="Berg", email="berg@example.com", city="Ghent")
    salesforce.lead(LastName="Berg", Email="berg@example.com")
    salesforce.merge(kim, gone)


def both_sides(salesforce) -> list:
    there = salesforce.sales.query_all("SELECT Id, Title, Phone, City, SystemModstamp FROM Lead ORDER BY Id")
    kept = (Person, SalesforceRecord, ActivityLogEntry)
    return [there["records"], *(list(model._default_manager.order_by("pk").values()) for model in kept)]


def test_1_6_a_dry_run_writes_nothing_on_either_side(salesforce, here, cycle, runsync):
    something_of_everything(salesforce, here, cycle)
    before = both_sides(salesforce)
    assert "Nothing was written." in runsync("--dry-run").out
    assert both_sides(salesforce) == before
    cycle()
    assert both_sides(salesforce) != before


def test_1_6_it_prints_what_would_be_created_updated_linked_and_merged(salesforce, here, cycle, runsync):
    something_of_everything(salesforce, here, cycle)
    printed = runsync("--dry-run").out
    for line in ("New person: New", "Update: Kim", "Update: Alex", "Link: Berg", "Merge: Double"):
        assert line in printed


def test_1_6_which_fields_would_change_from_what_to_what_and_why(salesforce, here, cycle, runsync):
    something_of_everything(salesforce, here, cycle)
    printed = runsync("--dry-run").out
    assert "receive phone: (empty) → “2” (Only changed in Salesforce.)" in printed
    assert "send title: “Buyer” → “Head Buyer” (Only changed here.)" in printed
    assert "send city: (empty) → “Ghent” (Empty in Salesforce.)" in printed


def test_1_6_and_which_conflicts_would_be_settled_how(salesforce, here, cycle, runsync):
    something_of_everything(salesforce, here, cycle)
    printed = runsync("--dry-run").out
    assert "send title: “Theirs” → “Ours” (Both changed: this database wins.)" in printed
    assert "1 × overwritten" in printed


def test_1_6_its_run_is_kept_as_a_preview_and_made_api_calls(salesforce, in_sync, runsync):
    lead, _ = in_sync()
    salesforce.edit(lead, Title="Buyer")
    runsync("--dry-run")
    run = SyncRun.objects.latest("pk")
    assert (run.get_kind_display(), run.status) == ("Preview", "completed")
    assert run.api_calls > 0


def test_1_6_it_takes_the_lease_like_a_cycle(sync_user, runsync):
    acquire(sync_user)
    assert runsync("--dry-run").code == 75


# -- 1.7 --------------------------------------------------------------------------------------------------------------


def test_1_7_full_repairs_formula_fields(salesforce, here, in_sync, cycle, quiet, runsync):
    lead, kim = in_sync(Region__c="EMEA")
    quiet()
    assert kim.custom["Territory__c"] == "East"
    salesforce.field("Territory__c", "string", length=1300, formula='IF(ISBLANK(Region__c), "None", "Old World")')
    cycle()
    assert here.again(kim).custom["Territory__c"] == "East"
    runsync("--full")
    assert here.again(kim).custom["Territory__c"] == "Old World"


def test_1_7_full_repairs_values_that_changed_without_a_new_stamp(salesforce, here, in_sync, cycle, quiet, runsync):
    lead, kim = in_sync(Title="Buyer")
    quiet()
    salesforce.behind_its_back(lead, Title="Head Buyer")
    cycle()
    assert here.again(kim).title == "Buyer"
    runsync("--full")
    assert here.again(kim).title == "Head Buyer"


def test_1_7_full_repairs_rows_that_were_edited_behind_the_applications_back(
    salesforce, here, in_sync, cycle, quiet, runsync
):
    lead, kim = in_sync(Title="Buyer")
    quiet()
    with triggers.agreeing_writes():  # no trigger sees it
        Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    cycle()
    assert salesforce.read(lead)["Title"] == "Buyer"
    runsync("--full")
    assert salesforce.read(lead)["Title"] == "Head Buyer"
