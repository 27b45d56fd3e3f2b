"""What Salesforce refuses together it may take with fewer records; and what was not read is not written over."""

from __future__ import annotations

import pytest

from syncer.models import PendingChange, Person, SalesforceObject
from syncer.sync.options import Action, SyncOptions
from syncer.sync.push import portions
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]


@pytest.fixture
def edited(salesforce, here, quiet):
    """So many leads whose persons have a new title."""

    def make(number, **values):
        leads = salesforce.leads(number, **values)
        quiet()
        Person.objects.update(title="Boss")
        salesforce.clear_requests()
        return leads

    return make


def bears(salesforce, rows, **more):
    salesforce.control("POST", "triggers", object="Lead", rows=rows, **more)


def strikes(salesforce):
    return salesforce.control("GET", "triggers")["triggers"]["Lead"]["hits"]


def titles(salesforce, leads):
    found = salesforce.sales.query_all("SELECT Id, Title FROM Lead")["records"]
    there = {row["Id"]: row["Title"] for row in found}
    return [there[lead] for lead in leads]


def remembered():
    return SalesforceObject.objects.get(name="Lead").records_a_call


def waiting():
    return sorted(PendingChange.objects.values_list("person__last_name", "state", "error_code"))


# -- an automation that bears so many records -------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 7, 150])
@pytest.mark.parametrize("code", ["CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER"])
def test_an_automation_that_reaches_its_limit_gets_fewer_records(salesforce, edited, ending, rows, code):
    leads = edited(160)
    bears(salesforce, rows, code=code, message="Superato il limite di tempo della CPU Apex")
    assert ending() == "completed"
    assert set(titles(salesforce, leads)) == {"Boss"}
    assert not waiting()
    assert remembered() <= rows


def test_the_number_that_it_bears_is_remembered_and_grows_slowly(salesforce, edited, here, ending, time):
    edited(160)
    bears(salesforce, 50)
    ending()
    first, number = strikes(salesforce), remembered()
    given(first, "all at once were too many")
    assert 25 <= number <= 50
    for round_ in range(3):
        Person.objects.update(title=f"Boss {round_}")
        ending()
        assert not waiting()
    assert strikes(salesforce) == first
    assert number < remembered() <= number + 3
    salesforce.control("DELETE", "triggers")
    SalesforceObject.objects.filter(name="Lead").update(records_a_call=599)
    for lead in Person.objects.all()[:1]:
        here.edit(lead, title="One")
    ending()
    assert remembered() == 599  # a batch of one says nothing


def test_leads_that_are_made_get_to_it_in_smaller_numbers_too(salesforce, here, sync_person, ending):
    ending()
    persons = [here.add(last_name=f"N{n}", company="Acme", email=f"n{n}@example.com") for n in range(20)]
    bears(salesforce, 6)
    told = sync_person(*persons)
    assert {one.result for one in told} == {"Created"}
    assert salesforce.count("Lead") == 20
    assert not waiting()


@pytest.mark.parametrize("code", ["CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "APEX_ERROR", "LIMIT_EXCEEDED"])
def test_one_record_that_an_automation_fails_at_is_the_only_sync_error(salesforce, edited, here, ending, code):
    leads = edited(30)
    salesforce.control("POST", "refusals", object="Lead", id=leads[17], code=code, message="X")
    assert ending() == "completed"
    assert waiting() == [(here.person(leads[17]).last_name, "pending", code)]  # it is tried in the next cycles
    assert titles(salesforce, leads).count("Boss") == 29
    assert remembered() is None


def test_a_broken_automation_does_not_use_up_the_days_calls(salesforce, edited, time, cycle):
    leads = edited(200)
    salesforce.control("POST", "refusals", object="Lead", code="CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message="X")
    assert cycle().api_calls < 60
    tried_alone = PendingChange.objects.exclude(next_attempt__gt=time() + portions.PUT_OFF / 2).count()
    assert 0 < tried_alone < 2 * portions.MOST_ALONE
    assert {(state, code) for _, state, code in waiting()} == {("pending", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")}
    assert remembered() is None
    salesforce.control("DELETE", "refusals")
    time.pass_(3600)
    cycle()
    assert set(titles(salesforce, leads)) == {"Boss"}
    assert not waiting()


def test_many_who_are_refused_alone_hold_up_nobody_else(salesforce, edited, ending):
    """Even when the first ones of a batch are all refused."""
    leads = edited(80)
    for lead in leads[:30]:
        salesforce.control("POST", "refusals", object="Lead", id=lead, code="APEX_ERROR", message="X")
    salesforce.control("POST", "refusals", object="Lead", when="Title = 'Boss' AND Email = 'none'")
    bears(salesforce, 10_000)
    assert ending() == "completed"
    assert titles(salesforce, leads[30:]) == ["Boss"] * 50
    assert len(waiting()) == 30


# -- a collection that is refused as a whole --------------------------------------------------------------------------


@pytest.fixture
def odd(salesforce, edited, here):
    """Thirty who are to get a budget; that of one can't be read, because the field has become a number on the way."""
    salesforce.field("Budget_Text__c", "string", length=40)
    leads = edited(30)
    for number, lead in enumerate(leads):
        here.edit(here.person(lead), Budget_Text__c="much" if number == 11 else "12")
    changed = salesforce.once_before(
        '"update0"', lambda: salesforce.field("Budget_Text__c", "double", precision=18, scale=0)
    )
    yield leads
    given(changed.happened, "the field has another type by now")


def test_one_odd_value_is_one_sync_error(salesforce, odd, here, ending):
    assert ending() == "completed"
    assert titles(salesforce, odd).count("Boss") == 29
    assert waiting() == [(here.person(odd[11]).last_name, "failed", "JSON_PARSER_ERROR")]
    assert remembered() is None


@pytest.mark.parametrize("code", ["JSON_PARSER_ERROR", "UNKNOWN_ERROR", "OPERATION_TOO_LARGE"])
def test_a_collection_that_is_refused_as_a_whole_is_tried_in_halves(salesforce, edited, ending, code):
    leads = edited(8)
    salesforce.fault("/composite/sobjects", "status", status=400, code=code, times=3)
    assert ending() == "completed"
    assert set(titles(salesforce, leads)) == {"Boss"}
    assert not waiting()


def test_a_request_that_is_refused_as_a_whole_is_tried_in_halves(salesforce, edited, ending):
    leads = edited(8)
    salesforce.fault("/composite/sobjects", "status", status=503, code="SERVER_UNAVAILABLE", times=0)
    refused = salesforce.once_before(
        '"update0"',
        lambda: salesforce.fault("v62.0/composite", "status", status=400, code="JSON_PARSER_ERROR", nth=1, times=1),
    )
    assert ending() == "completed"
    given(refused.happened, "the request was refused")
    assert set(titles(salesforce, leads)) == {"Boss"}
    assert not waiting()


def test_a_refused_lead_that_is_made_holds_up_no_other(salesforce, here, sync_person, ending):
    ending()
    persons = [here.add(last_name=f"N{n}", company="Acme", email=f"n{n}@example.com") for n in range(9)]
    salesforce.fault("/composite/sobjects", "status", status=400, code="JSON_PARSER_ERROR", times=5)
    told = sync_person(*persons)
    assert sorted(one.result for one in told) == ["Created"] * 8 + ["Failed"]
    assert salesforce.count("Lead") == 8


# -- what the other actions write -------------------------------------------------------------------------------------


def test_owners_that_are_changed_get_to_an_automation_in_smaller_numbers(salesforce, here, quiet, sync_person):
    leads = salesforce.leads(20)
    quiet()
    bears(salesforce, 6)
    told = sync_person(*map(here.person, leads), options=SyncOptions(action=Action.OWNER, owner=salesforce.sally))
    assert {one.result for one in told} == {"Updated"}
    assert {salesforce.read(lead)["OwnerId"] for lead in leads} == {salesforce.sally}
    assert all("Sally" in one.message for one in told)
    assert here.person(leads[19]).record.owner_name == "Sally Sales"


def test_one_record_that_can_not_be_given_away_is_the_only_one(salesforce, here, quiet, sync_person):
    leads = salesforce.leads(9)
    quiet()
    salesforce.control("POST", "refusals", object="Lead", id=leads[4], code="APEX_ERROR", message="X")
    salesforce.fault("/composite/sobjects", "status", status=400, code="JSON_PARSER_ERROR", times=2)
    told = sync_person(*map(here.person, leads), options=SyncOptions(action=Action.OWNER, owner=salesforce.sally))
    assert [one.result for one in told] == ["Updated"] * 4 + ["Failed"] + ["Updated"] * 4


def test_members_of_a_campaign_and_deletions_are_tried_with_fewer_too(salesforce, here, quiet, sync_person):
    leads = salesforce.leads(7)
    quiet()
    campaign = salesforce.campaign("Fair", "Sent", "Responded")
    salesforce.fault("/composite/sobjects", "status", status=400, code="LIMIT_EXCEEDED", times=2)
    persons = [here.person(lead) for lead in leads]
    sync_person(*persons, options=SyncOptions(action=Action.CAMPAIGN, campaign=campaign))
    assert set(salesforce.members()) == set(leads)
    salesforce.fault("/composite/sobjects", "status", status=400, code="LIMIT_EXCEEDED", times=3)
    told = sync_person(*persons, options=SyncOptions(action=Action.DELETE))
    assert {one.result for one in told} == {"Updated"}
    assert salesforce.count("Lead") == 0


# -- nothing is written over what was not read ------------------------------------------------------------------------


def test_when_the_reading_before_an_update_fails_nothing_is_written_and_it_is_done_in_parts(
    salesforce, edited, here, ending
):
    """What a salesperson has entered meanwhile is a conflict like any other, and in the log."""
    leads = edited(8)

    def meanwhile():
        salesforce.edit(leads[3], Title="Sales")
        salesforce.fault("/query", "status", status=400, code="QUERY_TIMEOUT", nth=1, times=1)

    salesforce.once_before('"update0"', meanwhile)
    assert ending() == "completed"
    assert set(titles(salesforce, leads)) == {"Boss"}
    [conflict] = [e for e in here.log(here.person(leads[3])) if e.type == "Conflict"]
    assert conflict.detail["lost"] == "Sales"
    assert not waiting()


def test_a_reading_that_fails_for_good_sends_nothing_blind(salesforce, edited, here, ending, time):
    [lead] = edited(1)

    def meanwhile():
        salesforce.edit(lead, Title="Sales")
        salesforce.fault("/query", "status", status=400, code="QUERY_TIMEOUT", times=500)

    salesforce.once_before('"update0"', meanwhile)
    ending()
    salesforce.calm()
    assert titles(salesforce, [lead]) == ["Sales"]
    time.pass_(86_400)
    ending()
    assert titles(salesforce, [lead]) == ["Boss"]
    assert [e.detail["lost"] for e in here.log(here.person(lead)) if e.type == "Conflict"] == ["Sales"]


def test_text_that_looks_like_a_reference_is_not_written_over_what_was_not_read(salesforce, edited, here, ending, time):
    """Composite would replace it, so that it travels alone; the reading before it is a call of its own."""
    [lead] = edited(1)
    text = "@{before.records[0].attributes.type}"
    here.edit(here.person(lead), title=text)

    def meanwhile():
        salesforce.edit(lead, Title="Sales")
        salesforce.fault("/query", "status", status=400, code="QUERY_TIMEOUT", nth=1, times=1)

    salesforce.once_before('"before"', meanwhile)
    ending()
    assert titles(salesforce, [lead]) == [text]
    assert [e.detail["lost"] for e in here.log(here.person(lead)) if e.type == "Conflict"] == ["Sales"]


def test_records_that_are_all_gone_are_followed_though_no_reading_has_shown_them(salesforce, edited, here, ending):
    leads = edited(3)
    salesforce.once_before('"update0"', lambda: salesforce.share(leads[0], visible=False))
    PendingChange.objects.exclude(person=here.person(leads[0])).delete()
    assert ending() == "completed"
    assert here.person(leads[0]).record.hidden_since is not None
