"""The options of *Sync Person to SFDC*, the decisions that people take, and the sister actions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncer.models import CreateIntent, FormerId, PendingChange, Person, RunStatus, SalesforceRecord, SyncRun, SyncUser
from syncer.sync.actions.run_action import carry_on
from syncer.sync.options import Action, SyncOptions
from syncer.sync.outcomes import Result
from syncer.sync.store import run_persons

pytestmark = pytest.mark.django_db


def person(**values) -> Person:
    return Person.objects.create(**{"last_name": "Ode", "company": "Acme", "email": "kim@example.com"} | values)


def user_id(sandbox, name: str = "sales@example.com") -> str:
    where = f"Username = '{name}'"
    return sandbox.sales.query(f"SELECT Id FROM User WHERE {where}")["records"][0]["Id"]  # noqa: S608


def queue_id(sandbox) -> str:
    return sandbox.sales.query("SELECT Id FROM Group WHERE Type = 'Queue'")["records"][0]["Id"]


def campaign_id(sandbox, name: str = "Spring fair") -> str:
    return str(sandbox.sales.Campaign.create({"Name": name, "IsActive": True})["id"])


def members(sandbox) -> list[dict]:
    return sandbox.sales.query("SELECT LeadId, ContactId, Status FROM CampaignMember")["records"]


@pytest.fixture
def linked(sandbox, cycle):
    """A person whose lead is there already."""

    def make(**values) -> Person:
        sandbox.lead(Email="kim@example.com", **values)
        cycle()
        return Person.objects.get()

    return make


# -- owner ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whom", [user_id, queue_id])
def test_a_new_lead_goes_to_the_chosen_owner_whatever_the_assignment_rules_say(sandbox, sync_person, whom):
    kim, owner = person(), whom(sandbox)
    assert sync_person(kim, options=SyncOptions(owner=owner)).result is Result.CREATED
    kim.refresh_from_db()
    assert sandbox.read(kim.sfdc_id)["OwnerId"] == owner


def test_syncing_a_linked_person_with_an_owner_changes_the_owner_there_and_is_logged(sandbox, linked, sync_person, log):
    kim, owner = linked(), queue_id(sandbox)
    outcome = sync_person(kim, options=SyncOptions(owner=owner))
    assert (outcome.result, sandbox.read(kim.sfdc_id)["OwnerId"]) == (Result.UPDATED, owner)
    [entry] = log(kim, "Change Owner")
    assert (entry.actor, entry.detail["new"]) == ("Eva", owner)


def test_change_owner_sends_nothing_else(sandbox, linked, sync_person):
    kim, owner = linked(Title="Buyer"), user_id(sandbox)
    Person.objects.update(title="Head Buyer")
    sandbox.clear_requests()
    outcome = sync_person(kim, options=SyncOptions(action=Action.OWNER, owner=owner))
    there = sandbox.read(kim.sfdc_id)
    assert (outcome.result, there["OwnerId"], there["Title"]) == (Result.UPDATED, owner, "Buyer")
    record = SalesforceRecord.objects.get()
    assert (record.owner_id, record.owner_name) == (
        owner,
        there["Owner"]["Name"] if "Owner" in there else record.owner_name,
    )
    assert PendingChange.objects.filter(person=kim).exists()  # the title goes on waiting


def test_changing_the_owner_of_a_person_who_is_not_there_creates_the_lead_first(sandbox, sync_person):
    kim, owner = person(), user_id(sandbox)
    outcome = sync_person(kim, options=SyncOptions(action=Action.OWNER, owner=owner))
    kim.refresh_from_db()
    assert (outcome.result, sandbox.read(kim.sfdc_id)["OwnerId"]) == (Result.CREATED, owner)


def test_a_contact_can_not_go_to_a_queue_and_no_lead_is_made(sandbox, cycle, sync_person):
    sandbox.contact(Email="kim@example.com")
    cycle()
    kim = Person.objects.get()
    for action in (Action.SYNC, Action.OWNER):
        outcome = sync_person(kim, options=SyncOptions(action=action, owner=queue_id(sandbox)))
        assert (outcome.result, outcome.code) == (Result.REFUSED, "CONTACT_AND_QUEUE")
    assert sandbox.count("Lead") == 0


def test_a_person_whose_contact_is_there_is_not_made_a_lead_for_a_queue_either(sandbox, sync_person):
    contact = sandbox.contact(Email="kim@example.com")
    kim = person()
    outcome = sync_person(kim, options=SyncOptions(owner=queue_id(sandbox)))
    assert (outcome.code, sandbox.count("Lead")) == ("CONTACT_AND_QUEUE", 0)
    assert [c["id"] for c in PendingChange.objects.get().error_detail["candidates"]] == [contact]


def test_a_lead_beside_the_contact_is_made_once_when_somebody_asks_for_it(sandbox, cycle, sync_person):
    sandbox.contact(Email="kim@example.com", FirstName="Kim")
    cycle()
    kim = Person.objects.get()
    Person.objects.update(company="Acme")
    options = SyncOptions(owner=queue_id(sandbox), lead_for_contact=True)
    for result in (Result.CREATED, Result.UNCHANGED):
        outcome = sync_person(kim, options=options)
        assert (outcome.person_id, outcome.result) == (kim.pk, result)
    assert (sandbox.count("Lead"), Person.objects.count()) == (1, 2)
    lead = Person.objects.get(sfdc_type="Lead")
    assert sandbox.read(lead.sfdc_id)["OwnerId"] == options.owner


def test_an_owner_that_salesforce_refuses_is_told_in_its_words(sandbox, linked, sync_person, log):
    kim = linked()
    outcome = sync_person(kim, options=SyncOptions(action=Action.OWNER, owner="005000000000000"))
    assert outcome.result is Result.FAILED
    assert outcome.remedy
    [entry] = log(kim, "Change Owner")
    assert (entry.status, entry.code) == ("failed", outcome.code)


def test_an_owner_that_is_no_id_is_refused_here(linked, sync_person):
    assert sync_person(linked(), options=SyncOptions(owner="Kim")).code == "MALFORMED_ID"


def test_a_lost_answer_to_a_change_of_owner_is_repeated(sandbox, linked, sync_person):
    kim, owner = linked(), user_id(sandbox)
    sandbox.fault("/composite/sobjects", "drop_after", nth=1, times=1)
    assert sync_person(kim, options=SyncOptions(action=Action.OWNER, owner=owner)).result is Result.UPDATED
    assert sandbox.read(kim.sfdc_id)["OwnerId"] == owner


def test_a_refused_create_that_is_corrected_goes_to_the_owner_that_was_chosen(sandbox, sync_person, cycle):
    kim, owner = person(last_name=""), queue_id(sandbox)
    assert sync_person(kim, options=SyncOptions(owner=owner)).result is Result.FAILED
    Person.objects.update(last_name="Ode")
    cycle()
    kim.refresh_from_db()
    assert sandbox.read(kim.sfdc_id)["OwnerId"] == owner


# -- campaigns --------------------------------------------------------------------------------------------------------


def test_a_person_is_created_and_added_to_a_campaign_once(sandbox, sync_person, log):
    campaign, kim = campaign_id(sandbox), person()
    options = SyncOptions(campaign=campaign, member_status="Responded")
    sync_person(kim, options=options)
    again = sync_person(kim, options=options)
    kim.refresh_from_db()
    assert [(m["LeadId"], m["Status"]) for m in members(sandbox)] == [(kim.sfdc_id, "Responded")]
    assert again.result is Result.UNCHANGED
    [entry] = log(kim, "Add to SFDC Campaign")
    assert entry.detail["name"] == "Spring fair"


def test_a_members_status_is_changed(sandbox, linked, sync_person):
    kim, campaign = linked(), campaign_id(sandbox)
    for status in ("Sent", "Responded"):
        sync_person(kim, options=SyncOptions(action=Action.CAMPAIGN, campaign=campaign, member_status=status))
    assert [m["Status"] for m in members(sandbox)] == ["Responded"]


def test_leads_and_contacts_are_added_in_one_go(sandbox, cycle, sync_person):
    sandbox.lead(Email="a@example.com")
    sandbox.contact(Email="b@example.com")
    cycle()
    campaign = campaign_id(sandbox)
    sandbox.clear_requests()
    sync_person(*Person.objects.all(), options=SyncOptions(action=Action.CAMPAIGN, campaign=campaign))
    assert sandbox.api_calls == 2
    assert len(members(sandbox)) == 2


def test_a_lost_answer_adds_nobody_twice(sandbox, linked, sync_person):
    kim, campaign = linked(), campaign_id(sandbox)
    sandbox.fault("/composite/sobjects", "drop_after", nth=1, times=1)
    assert sync_person(kim, options=SyncOptions(action=Action.CAMPAIGN, campaign=campaign)).ok
    assert len(members(sandbox)) == 1


def test_a_status_that_the_campaign_does_not_have_is_refused_with_those_it_has(sandbox, linked, sync_person):
    kim, campaign = linked(), campaign_id(sandbox)
    options = SyncOptions(action=Action.CAMPAIGN, campaign=campaign, member_status="Danced")
    outcome = sync_person(kim, options=options)
    assert (outcome.result, outcome.code) == (Result.REFUSED, "UNKNOWN_STATUS")
    assert "Sent, Responded" in outcome.message
    assert members(sandbox) == []


def test_a_campaign_that_is_not_there_is_told(linked, sync_person):
    outcome = sync_person(linked(), options=SyncOptions(action=Action.CAMPAIGN, campaign="701000000000001"))
    assert (outcome.result, outcome.code) == (Result.FAILED, "NOT_FOUND")


def test_campaigns_that_may_not_be_seen_are_told_and_the_person_is_synced_all_the_same(sandbox, sync_person):
    campaign, kim = campaign_id(sandbox), person()
    sandbox.control("POST", "access", username="sync@example.com", object="CampaignMember", access="hidden")
    outcome = sync_person(kim, options=SyncOptions(campaign=campaign))
    kim.refresh_from_db()
    assert (outcome.result, kim.sfdc_type) == (Result.FAILED, "Lead")
    assert "Created" in outcome.message
    assert "Campaigns can't be read" in outcome.message


# -- delete -----------------------------------------------------------------------------------------------------------


def test_delete_from_sfdc_deletes_there_and_keeps_the_person_here(sandbox, linked, sync_person, cycle, log):
    kim = linked()
    assert sync_person(kim, options=SyncOptions(action=Action.DELETE)).result is Result.UPDATED
    assert sandbox.count("Lead") == 0
    cycle()
    kim.refresh_from_db()
    assert (kim.sfdc_is_deleted, Person.objects.count()) == (True, 1)
    assert [e.actor for e in log(kim, "Delete from SFDC")] == ["Eva"]
    assert not log(kim, "Deleted in SFDC")  # it is told once


def test_a_lost_answer_to_a_deletion_is_repeated(sandbox, linked, sync_person):
    kim = linked()
    sandbox.fault("/composite/sobjects", "drop_after", nth=1, times=1)
    assert sync_person(kim, options=SyncOptions(action=Action.DELETE)).result is Result.UPDATED
    kim.refresh_from_db()
    assert kim.sfdc_is_deleted


def test_a_lead_that_was_converted_meanwhile_is_not_deleted(sandbox, linked, sync_person, cycle):
    kim = linked()
    contact = sandbox.convert(kim.sfdc_id)
    outcome = sync_person(kim, options=SyncOptions(action=Action.DELETE))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "RECORD_CHANGED")
    assert contact in outcome.message
    cycle()
    assert [(p.sfdc_type, p.sfdc_id, p.sfdc_is_deleted) for p in Person.objects.all()] == [("Contact", contact, False)]


def test_a_person_who_is_not_there_can_not_be_deleted_there(sync_person):
    assert sync_person(person(), options=SyncOptions(action=Action.DELETE)).code == "NOT_LINKED"


# -- decisions --------------------------------------------------------------------------------------------------------


def test_somebody_chooses_which_of_several_leads_is_the_person(sandbox, sync_person, log):
    leads = [sandbox.lead(Email="kim@example.com", Title=title) for title in ("Buyer", "Chef")]
    kim = person()
    assert sync_person(kim).code == "SEVERAL_MATCHES"
    candidates = PendingChange.objects.get().error_detail["candidates"]
    assert {(c["id"], c["person"]) for c in candidates} == {(leads[0], None), (leads[1], None)}
    assert sync_person(kim, options=SyncOptions(link_to=leads[1])).result is Result.LINKED
    kim.refresh_from_db()
    assert (kim.sfdc_id, kim.title) == (leads[1], "Chef")
    assert "chosen by Eva" in log(kim, "Link to Salesforce")[0].summary
    assert not PendingChange.objects.exists()


def test_a_chosen_record_of_another_person_is_refused(sandbox, linked, sync_person):
    other = linked()
    kim = person()
    outcome = sync_person(kim, options=SyncOptions(link_to=other.sfdc_id))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "MATCH_IS_TAKEN")


def test_a_chosen_record_that_is_gone_is_refused(sandbox, sync_person):
    outcome = sync_person(person(), options=SyncOptions(link_to="00Q000000000001EAA"))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "CHOSEN_IS_GONE")


def test_somebody_wants_a_new_lead_although_there_are_similar_ones(sandbox, sync_person):
    for _ in range(2):
        sandbox.lead(Email="kim@example.com")
    assert sync_person(person(), options=SyncOptions(create_anyway=True)).result is Result.CREATED
    assert sandbox.count("Lead") == 3


def test_a_duplicate_rule_shows_the_records_that_it_found_and_somebody_links_one(sandbox, sync_person):
    lead = sandbox.lead(Email="kim@example.com", FirstName="K", LastName="Odekerken")
    sandbox.control("POST", "duplicate-rules", object="Lead", name="Same address", fields=["Email"], action="block")
    kim = person(email="KIM@example.com")
    sync_person(kim, options=SyncOptions(create_anyway=True))
    pending = PendingChange.objects.get()
    assert pending.error_code == "DUPLICATES_DETECTED"
    assert [(c["id"], c["name"]) for c in pending.error_detail["candidates"]] == [(lead, "K Odekerken")]
    assert sync_person(kim, options=SyncOptions(link_to=lead)).result is Result.LINKED


def test_a_rule_that_only_warns_refuses_until_somebody_says_save(sandbox, sync_person):
    sandbox.lead(Email="kim@example.com", LastName="Odekerken")
    sandbox.control("POST", "duplicate-rules", object="Lead", name="Same address", fields=["Email"], action="allow")
    kim = person()
    assert sync_person(kim, options=SyncOptions(create_anyway=True)).code == "DUPLICATES_DETECTED"
    options = SyncOptions(create_anyway=True, save_duplicate=True)
    assert sync_person(kim, options=options).result is Result.CREATED


def test_the_connection_can_save_although_a_rule_warns_also_in_the_cycle(sandbox, sync_user, linked, cycle):
    kim = linked()
    sandbox.lead(Email="ann@example.com")
    sandbox.control("POST", "duplicate-rules", object="Lead", name="Same address", fields=["Email"], action="allow")
    SyncUser.objects.update(save_warned_duplicates=True)
    Person.objects.filter(pk=kim.pk).update(email="ann@example.com")
    cycle()
    assert sandbox.read(kim.sfdc_id)["Email"] == "ann@example.com"


def test_a_deleted_lead_is_made_anew_when_somebody_says_so(sandbox, linked, sync_person, cycle):
    kim = linked()
    old = kim.sfdc_id
    sandbox.sales.Lead.delete(old)
    cycle()
    assert sync_person(kim).code == "DELETED_IN_SFDC"
    assert sync_person(kim, options=SyncOptions(recreate_deleted=True)).result is Result.CREATED
    kim.refresh_from_db()
    assert (kim.sfdc_is_deleted, kim.sfdc_id != old, sandbox.count("Lead")) == (False, True, 1)
    assert FormerId.objects.get().record_id == old
    cycle()
    assert Person.objects.count() == 1


def test_recreating_somebody_who_was_undeleted_meanwhile_makes_nothing(sandbox, linked, sync_person, cycle):
    kim = linked()
    sandbox.sales.Lead.delete(kim.sfdc_id)
    cycle()
    sandbox.control("POST", "undelete", id=kim.sfdc_id)
    assert sync_person(kim, options=SyncOptions(recreate_deleted=True)).ok
    assert sandbox.count("Lead") == 1


# -- time, and being stopped ------------------------------------------------------------------------------------------


def test_out_of_time_the_rest_goes_on_in_the_background_as_the_same_run(sandbox, sync_person):
    persons = [person(), person(email="ann@example.com")]
    sandbox.fault("/composite", "status", status=503, code="SERVER_UNAVAILABLE", nth=1, times=6)
    assert sync_person(*persons, budget=timedelta(seconds=5)) == []
    run = SyncRun.objects.get()
    assert (run.status, run_persons.waiting(run, 9)) == (RunStatus.RUNNING, [p.pk for p in persons])
    sandbox.control("DELETE", "faults")
    assert not carry_on(run, around=sandbox.around())
    run.refresh_from_db()
    assert (run.status, run_persons.waiting(run, 9)) == (RunStatus.COMPLETED, [])
    assert [o.result for o in run_persons.outcomes(run)] == [Result.CREATED] * 2


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_out_of_time_in_a_create_makes_one_lead_in_the_end(sandbox, sync_person, cycle, kind):
    cycle()
    kim, ann = persons = [person(), person(email="ann@example.com")]
    sandbox.fault("/composite/sobjects", kind, nth=1, times=1)
    sandbox.fault("/query", "status", status=503, code="SERVER_UNAVAILABLE", nth=3, times=20)
    assert sync_person(*persons, budget=timedelta(seconds=5)) == []
    sandbox.control("DELETE", "faults")
    run = SyncRun.objects.get(kind="persons")
    carry_on(run, around=sandbox.around())
    assert [o.ok for o in run_persons.outcomes(run)] == [True, True]
    assert sandbox.count("Lead") == 2


def test_twenty_five_persons_with_owner_and_campaign_cost_at_most_six_calls(sandbox, cycle, sync_person):
    for number in range(10):
        sandbox.lead(Email=f"l{number}@example.com")
    cycle()
    for number in range(15):
        person(email=f"p{number}@example.com")
    Person.objects.exclude(sfdc_type="").update(title="Chef")
    options = SyncOptions(owner=user_id(sandbox), campaign=campaign_id(sandbox))
    sandbox.clear_requests()
    outcomes = sync_person(*Person.objects.all(), options=options)
    assert all(outcome.ok for outcome in outcomes)
    assert sandbox.api_calls <= 6
    assert len(members(sandbox)) == 25
    assert not CreateIntent.objects.exists()
