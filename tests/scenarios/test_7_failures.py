"""docs/behaviour.md 7: failures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from syncer import schedule
from syncer.models import FieldMapping, Installation, Person, SalesforceRecord, SyncMode, SyncUser
from syncer.sync.context import Surroundings
from syncer.sync.cycle import run_cycle
from syncer.sync.errors import CannotSync
from syncer.sync.upkeep.reconnect_sandbox import reconnect, start_run
from tests.admin.pages import form_data, words

pytestmark = pytest.mark.django_db

KIM = "kim@example.com"
A_NIGHT = 86_400


# -- what Salesforce refuses ------------------------------------------------------------------------------------------


def validation_rule(salesforce) -> dict[str, Any]:
    salesforce.rule("Titles", "Title = 'Chief'", "We have no chiefs.", field="Title")
    return {"title": "Chief"}


def required_field(salesforce) -> dict[str, Any]:
    return {"company": ""}


def restricted_picklist(salesforce) -> dict[str, Any]:
    return {"Region__c": "Atlantis"}


def format_of_an_address(salesforce) -> dict[str, Any]:
    return {"email": "kim at example"}


def length(salesforce) -> dict[str, Any]:
    return {"last_name": "x" * 100}


def duplicate_rule(salesforce) -> dict[str, Any]:
    salesforce.lead(LastName="Other", Email="taken@example.com")
    salesforce.control("POST", "duplicate-rules", object="Lead", action="block")
    return {"email": "taken@example.com"}


def trigger(salesforce) -> dict[str, Any]:
    salesforce.control("POST", "flows", object="Lead", failing=True, name="Router")
    return {"title": "Chief"}


REFUSALS = [
    (validation_rule, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Title", "Correct the named field"),
    (required_field, "REQUIRED_FIELD_MISSING", "Company", "Fill them in"),
    (restricted_picklist, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Region__c", "Choose an allowed value"),
    (format_of_an_address, "INVALID_EMAIL_ADDRESS", "Email", "Correct it"),
    (length, "STRING_TOO_LONG", "LastName", "Shorten it"),
    (duplicate_rule, "DUPLICATES_DETECTED", "", "Link to one"),
    (trigger, "CANNOT_EXECUTE_FLOW_TRIGGER", "", "Send the admin this message"),
]


@pytest.mark.parametrize(("because_of", "code", "field", "hint"), REFUSALS)
def test_7_the_persons_log_gets_code_message_fields_values_sent_and_a_plain_hint(
    salesforce, here, in_sync, cycle, because_of, code, field, hint
):
    lead, kim = in_sync()
    before = salesforce.read(lead)
    here.edit(kim, **(values := because_of(salesforce)))
    cycle()
    entry = here.log(kim, "Sync failed")[0]
    assert (entry.code, entry.status) == (code, "failed")
    assert entry.detail["errors"][0]["message"] in entry.summary
    assert entry.detail["errors"][0]["fields"] == ([field] if field else [])
    assert set(entry.detail["values"].values()) == {value or None for value in values.values()}
    assert hint in entry.detail["remedy"]
    assert salesforce.read(lead) == before


@pytest.fixture
def refused(salesforce, here, in_sync, cycle) -> tuple[str, Person]:
    """A lead, and its person whose new title Salesforce has refused."""
    salesforce.rule("Titles", "Title = 'Chief'", "We have no chiefs.", field="Title")
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Chief", city="Ghent")
    cycle()
    return lead, kim


def tries(here, person: Person) -> int:
    return len(here.log(person, "Sync failed"))


def test_7_the_person_waits_marked_failed_and_is_not_hammered_every_five_minutes(here, refused, cycle, eva):
    _, kim = refused
    for _ in range(5):
        cycle()
    assert (here.waits(kim), tries(here, kim)) == ("failed", 1)
    assert "Sync error" in words(eva.get(reverse("admin:syncer_person_change", args=[kim.pk])))


def the_person_changes(salesforce, here, lead, kim) -> None:
    here.edit(kim, phone="1")


def its_record_changes(salesforce, here, lead, kim) -> None:
    salesforce.edit(lead, Fax="1")


def the_describe_changes(salesforce, here, lead, kim) -> None:
    salesforce.field("Tier__c", "Text", length=20)


def somebody_retries(salesforce, here, lead, kim) -> None:
    call_command("retryfailed", verbosity=0)


def the_night_comes(salesforce, here, lead, kim) -> None:
    salesforce.time.pass_(A_NIGHT)


@pytest.mark.parametrize(
    "until", [the_person_changes, its_record_changes, the_describe_changes, somebody_retries, the_night_comes]
)
def test_7_until_something_changes_or_somebody_retries_or_the_nightly_retry(salesforce, here, refused, cycle, until):
    lead, kim = refused
    cycle()
    salesforce.control("DELETE", "rules")
    assert salesforce.read(lead)["Title"] == "Buyer"
    until(salesforce, here, lead, kim)
    cycle()
    assert (salesforce.read(lead)["Title"], here.waits(kim)) == ("Chief", "")


def test_7_or_its_mapping_changes(salesforce, here, refused, cycle, eva):
    lead, kim = refused
    url = reverse("admin:syncer_fieldmapping_changelist")
    form = form_data(eva.get(url, {"q": "Title"}))
    title = FieldMapping.objects.get(object="Lead", salesforce_field="Title")
    [row] = [name.removesuffix("-id") for name, value in form.items() if value == str(title.pk) and "-id" in name]
    form.pop("action", None)
    eva.post(f"{url}?q=Title", form | {f"{row}-direction": "receive", "_save": "Save"})
    cycle()
    assert salesforce.read(lead)["City"] == "Ghent"
    assert here.waits(kim) == ""


def test_7_receiving_goes_on_meanwhile(salesforce, here, refused, cycle):
    lead, kim = refused
    salesforce.edit(lead, Phone="1")
    cycle()
    assert (here.again(kim).phone, here.again(kim).title) == ("1", "Chief")


def test_7_a_create_fails_as_a_whole(salesforce, here, sync_person, sync_user):
    sync_user.hold_refused_fields = True
    sync_user.save()
    kim = here.add(custom={"Region__c": "Atlantis"})
    assert sync_person(kim).code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert (salesforce.count(), here.waits(kim)) == (0, "failed")


def test_7_send_the_other_fields_hold_the_refused_one_is_off_by_default(salesforce, here, refused):
    lead, _ = refused
    assert salesforce.read(lead)["City"] is None


def test_7_and_sends_the_other_fields_when_it_is_on(salesforce, sync_user, here, in_sync, cycle):
    sync_user.hold_refused_fields = True
    sync_user.save()
    salesforce.rule("Titles", "Title = 'Chief'", "We have no chiefs.", field="Title")
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Chief", city="Ghent")
    cycle()
    assert (salesforce.read(lead)["Title"], salesforce.read(lead)["City"]) == ("Buyer", "Ghent")
    assert here.waits(kim) == "failed"
    assert here.again(kim).title == "Chief"


# -- passing faults ---------------------------------------------------------------------------------------------------

PASSING: dict[str, dict[str, Any]] = {
    "503": {"kind": "status", "status": 503},
    "server error": {"kind": "status", "status": 500},
    "dropped connection": {"kind": "drop_before"},
    "lost answer": {"kind": "drop_after"},
    "half an answer": {"kind": "truncate"},
    "expired session": {"kind": "expire_session"},
    "concurrent-request limit": {
        "route": "/composite",  # of a call as a whole
        "kind": "status",
        "status": 403,
        "code": "REQUEST_LIMIT_EXCEEDED",
        "message": "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
    },
}


@pytest.mark.parametrize("fault", PASSING)
def test_7_a_passing_fault_is_retried_within_the_cycle(salesforce, here, in_sync, cycle, fault):
    lead, kim = in_sync(Title="Buyer", Phone="1")
    here.edit(kim, title="Head Buyer")
    salesforce.edit(lead, Phone="2")
    for route in ("/composite", "/composite/sobjects"):
        salesforce.fault(**{"route": route} | PASSING[fault])
    assert cycle().status == "completed"
    assert (salesforce.read(lead)["Title"], here.again(kim).phone) == ("Head Buyer", "2")
    assert here.waits(kim) == ""


def test_7_a_row_lock_is_retried_within_the_cycle(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer")
    salesforce.fault("/composite", "lock", ids=[lead], times=2)
    cycle()
    assert salesforce.read(lead)["Title"] == "Head Buyer"


def test_7_with_exponential_backoff_and_jitter(salesforce, in_sync, time):
    in_sync()
    pauses: list[float] = []
    for seed in range(5):
        salesforce.fault("/composite", "status", status=503, times=4)
        time.pass_(300)
        run_cycle(trigger="schedule", around=Surroundings(pause=pauses.append, random=Random(seed)))
    longest = [max(pauses[n::4]) for n in range(4)]
    assert all(later > 1.4 * earlier for earlier, later in pairwise(longest))
    assert len(set(pauses)) == 20


def test_7_and_then_across_cycles(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer")
    salesforce.fault("/composite", "status", status=503, times=500)
    for _ in range(3):
        with pytest.raises(CannotSync):
            cycle()
    salesforce.calm()
    cycle()
    assert salesforce.read(lead)["Title"] == "Head Buyer"


def test_7_an_exhausted_daily_api_limit_pauses_the_sync_until_it_resets(salesforce, here, in_sync, cycle, eva):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer")
    salesforce.control("POST", "limits", daily=1)
    salesforce.clear_requests()
    for _ in range(3):
        with pytest.raises(CannotSync, match="daily API limit is used up"):
            cycle()
    assert salesforce.requests() == {"POST /services/data/v62.0/composite": 1}
    schedule.beat()
    assert "Out of API calls since" in words(eva.get(reverse("admin:index")))
    salesforce.control("POST", "limits", daily=5000)
    salesforce.time.pass_(A_NIGHT)
    cycle()
    assert salesforce.read(lead)["Title"] == "Head Buyer"


def test_7_the_pause_lasts_an_hour(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer")
    salesforce.control("POST", "limits", daily=1)
    with pytest.raises(CannotSync):
        cycle()
    salesforce.control("POST", "limits", daily=5000)
    salesforce.time.pass_(54 * 60)
    with pytest.raises(CannotSync, match="daily API limit is used up"):
        cycle()  # five minutes later
    cycle()
    assert salesforce.read(lead)["Title"] == "Head Buyer"


@pytest.fixture
def others_used(salesforce) -> Callable[[int], None]:
    """Other apps have used so many percent of the organisation's calls."""

    def use(percent: int) -> None:
        with salesforce.org.lock:
            for _ in range(1000):
                salesforce.org.usage.count(salesforce.time())
            used = salesforce.org.usage.used(salesforce.time())
        salesforce.control("POST", "limits", daily=used * 100 // percent)

    return use


def test_7_a_share_of_the_daily_limit_is_left_for_others(salesforce, here, in_sync, cycle, sync_person, others_used):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer")
    others_used(81)
    with pytest.raises(CannotSync, match="Cycles stop at 80 %"):
        cycle()
    assert salesforce.read(lead)["Title"] == "Buyer"
    assert sync_person(kim).ok  # until 95 %
    assert salesforce.read(lead)["Title"] == "Head Buyer"


def test_7_the_share_is_configurable(salesforce, sync_user, here, in_sync, cycle, others_used):
    lead, kim = in_sync(Title="Buyer")
    SyncUser.objects.update(cycle_share=90)
    here.edit(kim, title="Head Buyer")
    others_used(81)
    cycle()
    assert salesforce.read(lead)["Title"] == "Head Buyer"


# -- sign-in ----------------------------------------------------------------------------------------------------------


def wrong_secret(salesforce, sync_user) -> None:
    sync_user.set_secrets({"client_id": "sandbox-client", "client_secret": "wrong"})
    sync_user.save()


def locked_user(salesforce, sync_user) -> None:
    salesforce.control("POST", "users", username="sync@example.com", locked=True)
    salesforce.control("DELETE", "sessions", username="sync@example.com")


def inactive_user(salesforce, sync_user) -> None:
    salesforce.control("POST", "users", username="sync@example.com", active=False)


@pytest.mark.parametrize("because_of", [wrong_secret, locked_user, inactive_user])
def test_7_the_sync_pauses_after_the_first_refused_sign_in(salesforce, sync_user, cycle, because_of):
    cycle()
    sync_user.refresh_from_db()
    because_of(salesforce, sync_user)
    salesforce.clear_requests()
    for _ in range(3):
        with pytest.raises(CannotSync, match="refused the sign-in"):
            cycle()
    assert salesforce.sign_ins() == 1


def test_7_and_the_dashboard_says_so(salesforce, sync_user, cycle, eva):
    wrong_secret(salesforce, sync_user)
    with suppress(CannotSync):
        cycle()
    page = words(eva.get(reverse("admin:index")))
    assert "Salesforce refused the sign-in" in page


# -- state and country ------------------------------------------------------------------------------------------------


@pytest.fixture
def picklists(salesforce, cycle):
    """An organisation with state and country picklists."""
    salesforce.time.pass_(5)
    salesforce.control("POST", "switches", state_country_picklists=True)
    salesforce.time.pass_(3600)
    cycle()


def test_7_state_and_country_picklists_refuse_free_text(salesforce, here, picklists, in_sync, cycle):
    _, kim = in_sync(Country="Belgium")
    here.edit(kim, country="Holand")
    cycle()
    [entry] = here.log(kim, "Sync failed")
    assert entry.code == "FIELD_INTEGRITY_EXCEPTION"
    assert entry.detail["cause"].startswith('"Holand" is not in Salesforce\'s list')


def test_7_the_form_then_offers_a_select(salesforce, here, picklists, in_sync, eva):
    _, kim = in_sync(Country="Canada")
    page = eva.get(reverse("admin:syncer_person_change", args=[kim.pk])).content.decode()
    [country] = [part for part in page.split("<select")[1:] if 'name="country"' in part.split(">")[0]]
    assert '<option value="Belgium">' in country.split("</select>")[0]


def test_7_state_and_country_are_sent_together(salesforce, here, picklists, in_sync, cycle):
    lead, kim = in_sync(Country="Canada", State="Quebec")
    here.edit(kim, country="United States", state="Texas")
    cycle()
    there = salesforce.read(lead)
    assert (there["Country"], there["State"]) == ("United States", "Texas")


# -- another installation, another organisation -----------------------------------------------------------------------


def test_7_a_database_copied_from_another_installation_does_not_sync(salesforce, cycle, settings):
    settings.INSTALLATION_ID = "production"
    cycle()
    settings.INSTALLATION_ID = "test"
    salesforce.clear_requests()
    with pytest.raises(CannotSync, match="installation production"):
        cycle()
    assert salesforce.requests() == {}


def test_7_until_a_person_says_which_one_is_the_active_one(salesforce, here, cycle, settings):
    settings.INSTALLATION_ID = "production"
    cycle()
    settings.INSTALLATION_ID = "test"
    salesforce.lead(LastName="Ode")
    call_command("resumesync", "--this-installation", verbosity=0)
    cycle()
    assert (Installation.objects.get().identity, here.names()) == ("test", {"Ode"})


def test_7_the_wrong_organisation_is_refused_before_anything_is_written(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer")
    salesforce.edit(lead, Phone="1")
    salesforce.refresh()
    with pytest.raises(CannotSync) as refused:
        cycle()
    assert refused.value.code == "WRONG_ORGANISATION"
    assert salesforce.read(lead)["Title"] == "Buyer"
    assert here.again(kim).phone == ""


def test_7_reconnect_to_a_refreshed_sandbox_checks_the_pairs_and_takes_new_bases_receive_only(
    salesforce, here, cycle, time
):
    same, other = salesforce.lead(Email=KIM, Title="Buyer"), salesforce.lead(Email="b@example.com")
    cycle()
    kim = here.person(same)
    organisation = salesforce.refresh()
    salesforce.edit(same, Title="Theirs")
    salesforce.edit(other, Email="somebody.else@example.com")
    found = reconnect(start_run(SyncUser.objects.get(), "Eva"), around=Surroundings(pause=time.pass_))
    assert (found.agreed, found.other_address) == (1, 1)
    assert SyncUser.objects.get().mode == SyncMode.RECEIVE_ONLY
    cycle()
    record = SalesforceRecord.objects.get(person=kim)
    assert (record.organisation, record.base["title"], here.again(kim).title) == (organisation, "Theirs", "Theirs")


# -- hidden fields ----------------------------------------------------------------------------------------------------


def test_7_a_field_that_the_sync_user_can_no_longer_see_is_hidden_not_empty(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer", Notes__c="Notes")
    for field in ("Title", "Notes__c"):
        salesforce.access(field, "hidden")
    salesforce.edit(lead, Phone="1")
    cycle()
    here.edit(kim, fax="2")
    cycle(full=True)
    kim, there = here.again(kim), salesforce.read(lead)
    assert (kim.title, kim.custom["Notes__c"], kim.phone) == ("Buyer", "Notes", "1")
    assert (there["Title"], there["Notes__c"], there["Fax"]) == ("Buyer", "Notes", "2")
