"""*Sync Person to SFDC*: create at most once, link, merge, and refuse with a reason."""

from __future__ import annotations

import pytest

from syncer.models import Claim, CreateIntent, PendingChange, Person, SalesforceRecord
from syncer.sync.errors import CannotSync
from syncer.sync.options import Action, SyncOptions
from syncer.sync.outcomes import Result
from syncer.sync.store import claims

pytestmark = pytest.mark.django_db


def person(**values) -> Person:
    return Person.objects.create(**{"last_name": "Ode", "company": "Acme", "email": "kim@example.com"} | values)


def test_a_person_that_is_not_there_is_created_as_a_lead(sandbox, sync_person, log):
    kim = person(first_name="Kim", custom={"Budget__c": "1000.00", "Newsletter__c": True})
    outcome = sync_person(kim)
    kim.refresh_from_db()
    there = sandbox.read(kim.sfdc_id)
    assert outcome.result is Result.CREATED
    assert (there["FirstName"], there["Email"], there["Budget__c"]) == ("Kim", "kim@example.com", 1000)
    assert there["Person_Id__c"] == str(kim.uuid)
    assert (kim.sfdc_type, kim.lead_status) == ("Lead", "Open - Not Contacted")
    assert [e.actor for e in log(kim, "Sync Person to SFDC")] == ["Eva"]
    assert SalesforceRecord.objects.get().sent_at is not None
    assert not PendingChange.objects.exists()
    assert not CreateIntent.objects.exists()


def test_a_create_runs_assignment_rules_and_an_update_does_not(sandbox, sync_person, cycle):
    kim = person()
    sync_person(kim)
    kim.refresh_from_db()
    assigned = sandbox.read(kim.sfdc_id)["OwnerId"]
    me = SalesforceRecord.objects.get().owner_id
    assert assigned == me
    users = sandbox.sales.query("SELECT Id FROM User WHERE Username = 'sync@example.com'")["records"]
    sandbox.edit(kim.sfdc_id, OwnerId=users[0]["Id"])
    mine = sandbox.read(kim.sfdc_id)["OwnerId"]
    assert mine != assigned  # the rule had given it to somebody else
    Person.objects.update(title="Buyer")
    cycle()
    assert sandbox.read(kim.sfdc_id)["OwnerId"] == mine


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_lost_answer_to_the_create_never_makes_a_second_lead(sandbox, sync_person, times):
    sandbox.fault("/composite/sobjects", "drop_after", nth=1, times=times)
    kim = person()
    for _ in range(3):
        sync_person(kim)
    assert sandbox.count("Lead") == 1
    kim.refresh_from_db()
    assert kim.sfdc_id


def test_a_create_that_never_gets_through_is_told_and_done_the_next_time(sandbox, sync_person):
    sandbox.fault("/composite/sobjects", "drop_before", nth=1, times=50)
    kim = person()
    outcome = sync_person(kim)
    assert outcome.result is Result.UNKNOWN
    assert sandbox.count("Lead") == 0
    sandbox.control("DELETE", "faults")
    assert sync_person(kim).result is Result.CREATED
    assert sandbox.count("Lead") == 1


def test_the_cycle_links_a_lead_whose_answer_was_lost_for_good(sandbox, sync_person, cycle):
    cycle()
    kim = person()
    sandbox.fault("/composite/sobjects", "drop_after", nth=1, times=1)
    sandbox.fault("/queryAll/", "status", status=503, code="SERVER_UNAVAILABLE", nth=1, times=100)
    with pytest.raises(CannotSync):
        sync_person(kim)
    assert sandbox.count("Lead") == 1
    sandbox.control("DELETE", "faults")
    cycle()
    kim.refresh_from_db()
    assert kim.sfdc_type == "Lead"
    assert Person.objects.count() == 1
    assert not CreateIntent.objects.exists()


def test_a_lead_with_the_same_address_is_linked_and_merged(sandbox, sync_person, log):
    lead = sandbox.lead(Email="KIM@example.com", Phone="1")
    kim = person(title="Buyer")
    outcome = sync_person(kim)
    kim.refresh_from_db()
    assert outcome.result is Result.LINKED
    assert (kim.sfdc_id, kim.phone) == (lead, "1")
    assert sandbox.read(lead)["Title"] == "Buyer"
    assert sandbox.count("Lead") == 1
    assert log(kim, "Link to Salesforce")


def test_contacts_are_matched_before_leads(sandbox, sync_person):
    sandbox.lead(Email="kim@example.com")
    contact = sandbox.contact(Email="kim@example.com")
    kim = person()
    sync_person(kim)
    kim.refresh_from_db()
    assert (kim.sfdc_type, kim.sfdc_id) == ("Contact", contact)


def test_on_first_contact_salesforces_value_stays_and_ours_is_logged(sandbox, sync_person, log):
    lead = sandbox.lead(Email="kim@example.com", Title="Theirs")
    kim = person(title="Ours")
    sync_person(kim)
    kim.refresh_from_db()
    assert kim.title == sandbox.read(lead)["Title"] == "Theirs"
    [entry] = log(kim, "Conflict")
    assert entry.detail["lost"] == "Ours"


def test_several_free_matches_ask_and_make_nothing(sandbox, sync_person):
    sandbox.lead(Email="kim@example.com")
    sandbox.lead(Email="kim@example.com")
    kim = person()
    assert sync_person(kim).result is Result.NEEDS_DECISION
    kim.refresh_from_db()
    assert (kim.sfdc_type, sandbox.count("Lead")) == ("", 2)


def test_a_person_that_waits_for_a_decision_is_marked_and_not_asked_for_in_every_cycle(
    sandbox, sync_person, cycle, log
):
    leads = [sandbox.lead(Email="kim@example.com", FirstName=name) for name in ("Kim", "Alex")]
    cycle()
    Person.objects.all().delete()  # both records are nobody's now, and don't come back by themselves
    sandbox.time.pass_(1000)
    cycle()
    kim = person()
    sync_person(kim)
    cycle()
    cycle()
    assert PendingChange.objects.values_list("state", "error_code").get() == ("failed", "SEVERAL_MATCHES")
    assert len(log(kim, "Sync Person to SFDC")) == 1
    sandbox.sales.Lead.delete(leads[1])
    Person.objects.filter(pk=kim.pk).update(title="Buyer")  # an edit: tried again
    cycle()
    kim.refresh_from_db()
    assert kim.sfdc_id == leads[0]


def test_a_match_of_another_person_makes_nothing_and_names_that_person(sandbox, sync_person, cycle):
    sandbox.lead(Email="kim@example.com", FirstName="Kim")
    cycle()
    double = person()
    outcome = sync_person(double)
    assert outcome.result is Result.REFUSED
    assert "Kim Ode" in outcome.message
    assert sandbox.count("Lead") == 1


def test_two_persons_with_one_address_do_not_take_the_same_lead(sandbox, sync_person):
    sandbox.lead(Email="kim@example.com")
    first, second = sync_person(person(), person())
    assert (first.result, second.result) == (Result.LINKED, Result.REFUSED)


def test_a_linked_person_is_merged_both_ways_at_once(sandbox, sync_person, cycle):
    lead = sandbox.lead(Title="Buyer", Phone="1")
    cycle()
    kim = Person.objects.get()
    sandbox.edit(lead, Phone="2")
    Person.objects.update(title="Head Buyer")
    sandbox.clear_requests()
    outcome = sync_person(kim)
    kim.refresh_from_db()
    assert outcome.result is Result.UPDATED
    assert (kim.phone, sandbox.read(lead)["Title"]) == ("2", "Head Buyer")
    assert (outcome.received, outcome.sent) == (("phone",), ("title",))
    assert sync_person(kim).result is Result.UNCHANGED


def test_twenty_five_persons_cost_at_most_six_calls(sandbox, sync_person, cycle):
    for n in range(10):
        sandbox.lead(Email=f"lead{n}@example.com", LastName=f"Lead {n}")
    cycle()
    Person.objects.update(title="Buyer")
    for n in range(5):
        sandbox.contact(Email=f"new{n}@example.com", LastName=f"New {n}")
    for n in range(15):
        person(email=f"new{n}@example.com", last_name=f"New {n}")
    sandbox.clear_requests()
    outcomes = sync_person(*Person.objects.all())
    assert {o.result for o in outcomes} == {Result.UPDATED, Result.LINKED, Result.CREATED}
    assert len(outcomes) == 25
    assert sandbox.api_calls <= 6


def test_a_create_that_is_refused_is_logged_and_tried_again_once_corrected(sandbox, sync_person, cycle, log):
    kim = person(company="")
    outcome = sync_person(kim)
    assert (outcome.result, outcome.code) == (Result.FAILED, "REQUIRED_FIELD_MISSING")
    assert "Company" in outcome.message
    [entry] = log(kim, "Sync failed")
    assert entry.code == "REQUIRED_FIELD_MISSING"
    assert PendingChange.objects.get().state == "failed"
    assert cycle().counters["sent"]["failed"] == 0  # not hammered
    Person.objects.filter(pk=kim.pk).update(company="Acme")
    cycle()
    kim.refresh_from_db()
    assert kim.sfdc_type == "Lead"
    assert not PendingChange.objects.exists()


def test_defaults_are_used_at_creation_only_and_only_for_the_empty_field(sandbox, sync_person, sync_user):
    sync_user.default_company, sync_user.default_last_name = "[not provided]", "[unknown]"
    sync_user.save()
    kim, alex = person(company=""), person(company="Umbrella", last_name="", email="alex@example.com")
    sync_person(kim, alex)
    kim.refresh_from_db()
    alex.refresh_from_db()
    assert (kim.last_name, kim.company) == ("Ode", "[not provided]")
    assert (alex.last_name, alex.company) == ("[unknown]", "Umbrella")


def test_one_refused_person_stops_no_other(sandbox, sync_person):
    good, bad = person(), person(email="alex@example.com", company="")
    outcomes = sync_person(bad, good)
    assert [o.result for o in outcomes] == [Result.FAILED, Result.CREATED]


def test_a_person_in_another_workers_hands_is_left_alone(sandbox, sync_person):
    kim = person()
    claims.take([kim.pk], "persons-other")
    assert sync_person(kim).result is Result.BUSY
    assert sandbox.count("Lead") == 0


def test_a_claim_that_ran_out_is_taken_over(sandbox, sync_person):
    kim = person()
    claims.take([kim.pk], "persons-dead")
    Claim.objects.update(until="2020-01-01T00:00Z")
    assert sync_person(kim).result is Result.CREATED


def test_a_deleted_record_makes_nothing_new_without_a_decision(sandbox, sync_person, cycle):
    lead = sandbox.lead()
    cycle()
    sandbox.sales.Lead.delete(lead)
    outcome = sync_person(Person.objects.get())
    assert outcome.result is Result.NEEDS_DECISION
    assert sandbox.count("Lead") == 0


def test_a_value_that_the_type_can_not_hold_is_refused_here(sandbox, sync_person, cycle, log):
    sandbox.lead()
    cycle()
    Person.objects.update(custom={"Budget__c": "a lot"}, title="Buyer")
    kim = Person.objects.get()
    outcome = sync_person(kim)
    assert outcome.result is Result.FAILED
    assert "a lot" in log(kim, "Sync failed")[0].summary
    assert PendingChange.objects.get().state == "failed"


def test_without_a_connection_it_says_what_to_do(db):
    from syncer.sync.actions.run_action import sync_persons

    with pytest.raises(CannotSync, match="add_sync_user"):
        sync_persons([1], actor="Eva")


def test_refresh_only_receives(sandbox, sync_person, cycle):
    lead = sandbox.lead(Title="Buyer", Phone="1")
    cycle()
    kim = Person.objects.get()
    sandbox.edit(lead, Phone="2")
    Person.objects.update(title="Head Buyer")
    outcome = sync_person(kim, options=SyncOptions(action=Action.REFRESH))
    kim.refresh_from_db()
    assert (outcome.result, outcome.received) == (Result.UPDATED, ("phone",))
    assert (kim.phone, kim.title, sandbox.read(lead)["Title"]) == ("2", "Head Buyer", "Buyer")
    assert PendingChange.objects.get().state == "pending"
    cycle()
    assert sandbox.read(lead)["Title"] == "Head Buyer"


def test_a_person_that_is_not_there_can_not_be_refreshed(sandbox, sync_person):
    assert sync_person(person(), options=SyncOptions(action=Action.REFRESH)).result is Result.REFUSED
    assert sandbox.count("Lead") == 0


def test_a_person_synced_before_the_first_cycle_is_linked_with_the_organisation(sandbox, sync_person, sync_user, cycle):
    assert sync_user.organisation_id == ""
    sync_person(person())
    sync_user.refresh_from_db()
    assert SalesforceRecord.objects.get().organisation == sync_user.organisation_id != ""
    sandbox.lead(LastName="Other")
    cycle()
    assert Person.objects.count() == 2


def test_a_record_that_can_not_become_a_person_stands_in_no_others_way(sandbox, cycle):
    """Somebody here has the Salesforce id without a link, which no path of ours makes."""
    lead = sandbox.lead(LastName="Odd")
    sandbox.lead(LastName="Other")
    Person.objects.create(last_name="Somebody", sfdc_id=lead)
    assert cycle().status == "completed"
    assert Person.objects.filter(last_name="Other").exists()


def test_a_value_that_may_not_be_created_there_stays_here(sandbox, sync_person):
    sandbox.control("POST", "access", username="sync@example.com", object="Lead", field="Fax", access="read")
    kim = person(fax="1")
    sync_person(kim)
    kim.refresh_from_db()
    assert (kim.sfdc_type, kim.fax, sandbox.read(kim.sfdc_id)["Fax"]) == ("Lead", "1", None)


def test_an_edit_here_between_a_create_whose_answer_was_lost_and_its_link_stands(sandbox, sync_person, cycle):
    """What was sent is the base: nobody edited the title in Salesforce."""
    cycle()
    kim = person(title="Buyer")
    sandbox.fault("/composite/sobjects", "drop_after", times=1)
    sandbox.fault("/queryAll/", "status", status=503, times=100)
    with pytest.raises(CannotSync):
        sync_person(kim)
    sandbox.control("DELETE", "faults")
    assert sandbox.count("Lead") == 1
    Person.objects.update(title="Head Buyer", city="Ghent")
    cycle()
    kim.refresh_from_db()
    there = sandbox.read(kim.sfdc_id)
    assert (kim.title, there["Title"], there["City"]) == ("Head Buyer", "Head Buyer", "Ghent")
