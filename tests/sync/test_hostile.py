"""What people and other workers do at a bad moment."""

from __future__ import annotations

import pytest
from django.db import connection

from syncer.models import Claim, CreateIntent, Person, SalesforceRecord
from syncer.sync.options import Action, SyncOptions
from syncer.sync.outcomes import Result

pytestmark = pytest.mark.django_db


def person(**values) -> Person:
    return Person.objects.create(**{"last_name": "Ode", "company": "Acme", "email": "kim@example.com"} | values)


def queue_id(sandbox) -> str:
    return sandbox.sales.query("SELECT Id FROM Group WHERE Type = 'Queue'")["records"][0]["Id"]


def test_a_lead_with_a_persons_uuid_that_is_another_persons_record_is_not_written_over(sandbox, sync_person, cycle):
    kim = person()
    lead = sandbox.lead(Email="ann@example.com", LastName="Berg", Title="Buyer")
    cycle()
    sandbox.edit(lead, Person_Id__c=str(kim.uuid))
    told = sync_person(kim)
    assert sandbox.read(lead)["LastName"] == "Berg"
    assert (told.result, told.code) == (Result.REFUSED, "MATCH_IS_TAKEN")


def test_a_person_whose_lead_was_converted_and_whose_contact_was_deleted_gets_a_new_lead(sandbox, sync_person, cycle):
    cycle()
    kim = person()
    sync_person(kim)
    kim.refresh_from_db()
    contact = sandbox.convert(kim.sfdc_id)
    cycle()
    sandbox.sales.Contact.delete(contact)
    cycle()
    told = sync_person(kim, options=SyncOptions(recreate_deleted=True))
    assert told.result is Result.CREATED
    kim.refresh_from_db()
    assert kim.sfdc_type == "Lead"


def test_a_lead_beside_a_contact_without_an_address_is_made_once(sandbox, sync_person, cycle):
    sandbox.contact(FirstName="Kim", AccountId=sandbox.sales.Account.create({"Name": "Acme"})["id"])
    cycle()
    kim = Person.objects.get()
    options = SyncOptions(owner=queue_id(sandbox), lead_for_contact=True)
    sync_person(kim, options=options)
    sync_person(kim, options=options)
    assert (sandbox.count("Lead"), Person.objects.count()) == (1, 2)


@pytest.mark.parametrize("linked", [True, False])
def test_a_person_deleted_while_an_action_runs_is_told_so_and_stops_no_other(
    sandbox, sync_person, cycle, after, linked
):
    if linked:
        sandbox.lead(Email="kim@example.com")
    cycle()
    kim = Person.objects.get() if linked else person()
    Person.objects.update(title="Buyer")
    ann = person(email="ann@example.com")
    pk = kim.pk
    after("kim" if not linked else kim.sfdc_id, lambda: Person.objects.get(pk=pk).delete())
    told = sync_person(kim, ann)
    assert told[-1].result is Result.CREATED
    assert not [one for one in told if one.person_id == pk and one.ok]


def test_a_person_deleted_while_it_is_asked_about_is_no_error(sandbox, sync_person, cycle, after):
    for name in ("Anders", "Berg"):
        sandbox.lead(Email="kim@example.com", LastName=name)
    cycle()
    kim, ann = person(), person(email="ann@example.com")
    after("kim%40", lambda: Person.objects.get(pk=kim.pk).delete())
    assert sync_person(kim, ann)[-1].result is Result.CREATED


def test_a_read_that_began_before_a_deletion_does_not_bring_the_record_back(sandbox, sync_person, cycle, after, log):
    lead = sandbox.lead(Email="kim@example.com")
    cycle()
    kim = Person.objects.get()
    sandbox.edit(lead, Title="Buyer")

    def deleted_meanwhile():
        assert sync_person(kim, options=SyncOptions(action=Action.DELETE)).ok

    after("changesLead", deleted_meanwhile)
    cycle()
    kim.refresh_from_db()
    assert kim.sfdc_is_deleted
    assert not log(kim, "Undeleted in SFDC")


def test_an_owner_is_kept_although_an_older_read_is_merged_later(sandbox, sync_person, cycle, after, log):
    lead = sandbox.lead(Email="kim@example.com")
    cycle()
    kim = Person.objects.get()
    sandbox.edit(lead, Title="Buyer")
    queue = queue_id(sandbox)
    after("changesLead", lambda: sync_person(kim, options=SyncOptions(action=Action.OWNER, owner=queue)))
    cycle()
    assert SalesforceRecord.objects.get().owner_id == queue
    assert len(log(kim, "Change Owner")) == 1


def test_an_update_whose_result_can_not_be_recorded_is_not_told_as_nothing(sandbox, sync_person, cycle, after):
    sandbox.lead(Email="kim@example.com")
    cycle()
    kim = Person.objects.get()
    Person.objects.update(title="Buyer")
    after("PATCH", lambda: Claim.objects.update(token="persons-other"))
    assert sync_person(kim).result is Result.BUSY


def test_a_lead_beside_the_contact_is_still_wanted_when_it_was_refused_first(sandbox, sync_person, cycle):
    sandbox.contact(Email="kim@example.com")
    cycle()
    kim = person(company="")
    options = SyncOptions(owner=queue_id(sandbox), lead_for_contact=True)
    assert sync_person(kim, options=options).result is Result.FAILED
    Person.objects.filter(pk=kim.pk).update(company="Acme")
    cycle()
    kim.refresh_from_db()
    assert kim.sfdc_type == "Lead"


def test_a_decision_about_an_address_that_was_corrected_meanwhile_stands_in_no_ones_way(
    sandbox, sync_person, cycle, after
):
    for name in ("Anders", "Berg"):
        sandbox.lead(Email="kim@example.com", LastName=name)
    cycle()
    kim = person()
    after("kim%40", lambda: Person.objects.filter(pk=kim.pk).update(email="kim.ode@example.com"))
    sync_person(kim)
    cycle()
    kim.refresh_from_db()
    assert kim.sfdc_type == "Lead"


@pytest.mark.parametrize("action", [Action.OWNER, Action.CAMPAIGN, Action.DELETE])
def test_nothing_is_written_to_a_record_that_is_no_longer_visible(sandbox, sync_person, cycle, action):
    lead = sandbox.lead(Email="kim@example.com")
    cycle()
    sandbox.control("POST", "sharing", id=lead, visible=False)
    cycle(full=True)
    kim = Person.objects.get()
    sandbox.clear_requests()
    told = sync_person(kim, options=SyncOptions(action=action, owner=queue_id(sandbox), campaign="701000000000001"))
    assert (told.result, told.code) == (Result.REFUSED, "NOT_VISIBLE")


@pytest.mark.parametrize("again", ["action", "cycle"])
def test_a_worker_who_was_too_slow_sends_nothing_old_over_what_another_one_has_sent(
    sandbox, sync_person, cycle, after, again
):
    sandbox.lead(Email="ann@example.com", LastName="Berg")
    contact = sandbox.contact(Email="kim@example.com")
    cycle()
    Person.objects.update(title="Buyer")
    ann, kim = Person.objects.get(sfdc_type="Lead"), Person.objects.get(sfdc_type="Contact")

    def another_worker_is_faster():
        Claim.objects.update(until="2020-01-01T00:00Z")
        Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
        assert sync_person(kim).ok

    after("PATCH", another_worker_is_faster)
    sync_person(ann, kim) if again == "action" else cycle()
    assert sandbox.read(contact)["Title"] == "Head Buyer"
    cycle()
    cycle()
    kim.refresh_from_db()
    assert kim.title == sandbox.read(contact)["Title"] == "Head Buyer"


def test_a_campaign_is_not_forgotten_when_the_cycle_finds_the_lead(sandbox, sync_person, cycle):
    sandbox.control("POST", "access", username="sync@example.com", object="Lead", field="Person_Id__c", access="hidden")
    cycle()
    campaign = str(sandbox.sales.Campaign.create({"Name": "Spring fair", "IsActive": True})["id"])
    kim = person()
    sandbox.fault("/composite/sobjects", "drop_after", times=1)
    assert sync_person(kim, options=SyncOptions(campaign=campaign)).result is Result.UNKNOWN
    cycle()
    kim.refresh_from_db()
    assert kim.sfdc_type == "Lead"
    assert len(sandbox.sales.query("SELECT Id FROM CampaignMember")["records"]) == 1
    assert Person.objects.count() == 1


def test_two_persons_of_one_selection_with_one_address_do_not_both_get_a_lead(sandbox, sync_person):
    told = sync_person(person(), person(last_name="Berg"))
    assert [(one.result, one.code) for one in told] == [(Result.CREATED, ""), (Result.REFUSED, "MATCH_IS_TAKEN")]
    assert sandbox.count("Lead") == 1


def test_two_hundred_lost_leads_with_long_names_are_looked_for_all_the_same(sandbox, cycle, time):
    sandbox.control("POST", "access", username="sync@example.com", object="Lead", field="Person_Id__c", access="hidden")
    cycle()
    for number in range(200):
        values = {
            "first_name": "Kim" * 13,
            "last_name": "Ode" * 20,
            "company": "Acme" * 60,
            "email": f"kim{number}@{'x' * 40}.example.com",
        }
        CreateIntent.objects.create(
            person=person(**values), external_id=False, asked_at=time.now, values_sent=values, state="unknown"
        )
    assert cycle().status == "completed"


def test_a_person_deleted_while_its_lead_is_made_does_not_come_back_with_the_next_cycle(
    sandbox, sync_person, cycle, after
):
    cycle()
    kim = person()
    after('"create"', lambda: Person.objects.get(pk=kim.pk).delete())
    told = sync_person(kim)
    assert (told.result, told.code) == (Result.REFUSED, "PERSON_DELETED")
    cycle()
    assert (Person.objects.count(), sandbox.count("Lead")) == (0, 1)


def test_a_field_that_is_lost_meanwhile_takes_nobody_the_campaign(sandbox, sync_person, cycle, after):
    lead = sandbox.lead(Email="ann@example.com", LastName="Berg")
    cycle()
    campaign = str(sandbox.sales.Campaign.create({"Name": "Spring fair", "IsActive": True})["id"])
    ann, kim = Person.objects.get(), person(title="Buyer")
    sandbox.edit(lead, Phone="123")
    hidden = {"username": "sync@example.com", "object": "Lead", "field": "Title", "access": "hidden"}
    after("kim%40", lambda: sandbox.control("POST", "access", **hidden))
    told = sync_person(ann, kim, options=SyncOptions(campaign=campaign))
    assert [one.ok for one in told] == [True, True]
    assert "Received: phone" in told[0].message
    assert len(sandbox.sales.query("SELECT Id FROM CampaignMember")["records"]) == 2


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL stores no NUL in a text")
@pytest.mark.parametrize("field", ["email", "phone", "last_name"])
def test_a_nul_that_some_program_has_written_stands_in_nobodys_way(sandbox, sync_person, cycle, sync_user, field):
    cycle()
    sync_user.create_leads = True
    sync_user.save()
    bad = person(**{field: "a\0b@example.com"})
    good = person(email="ann@example.com")
    assert cycle().status == "completed"
    good.refresh_from_db()
    assert good.sfdc_type == "Lead"
    assert sync_person(bad) is not None
