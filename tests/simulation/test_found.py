"""What the simulation found, each reduced to the smallest history that shows it."""

from __future__ import annotations

import contextlib

import pytest

from syncer.models import CreateIntent, Person, SalesforceRecord
from syncer.sync.errors import CannotSync

pytestmark = pytest.mark.django_db


def test_a_person_synced_before_the_first_cycle_is_linked_with_the_organisation(sandbox, sync_person, cycle, sync_user):
    sandbox.lead(LastName="There")
    kim = Person.objects.create(last_name="Here", company="Acme")
    assert sync_person(kim).ok
    cycle()
    assert SalesforceRecord.objects.get(person=kim).organisation.startswith("00D")
    assert Person.objects.filter(last_name="There").count() == 1


def test_a_ticked_box_is_not_lost_when_a_lead_is_converted_to_a_new_contact(sandbox, cycle):
    lead = sandbox.lead(Newsletter__c=True)
    cycle()
    contact = sandbox.convert(lead)  # custom fields are not copied: unticked there, by nobody
    cycle()
    assert Person.objects.get().custom["Newsletter__c"] is True
    assert sandbox.read(contact)["Newsletter__c"] is True


def test_a_value_entered_there_before_the_conversion_and_not_received_yet_is_not_lost(sandbox, cycle):
    lead = sandbox.lead(Website="old.example", Notes__c="old")
    cycle()
    sandbox.edit(lead, Website="new.example", Notes__c="new")
    contact = sandbox.convert(lead)
    cycle()
    person = Person.objects.get()
    assert (person.website, person.custom["Notes__c"]) == ("new.example", "new")
    assert sandbox.read(contact)["Notes__c"] == "new"  # at present the value before the last one is sent


def test_a_create_whose_process_died_is_taken_up_by_the_next_cycle(sandbox, cycle, time):
    """All that the dead process leaves is the intent, and a claim that has run out."""
    cycle()
    kim = Person.objects.create(last_name="Here", company="Acme")
    CreateIntent.objects.create(person=kim, asked_at=time.now, values_sent={"last_name": "Here", "company": "Acme"})
    time.pass_(3600)
    cycle()
    assert sandbox.count("Lead") == 1
    assert not CreateIntent.objects.exists()


def test_a_save_of_the_same_second_that_is_seen_late_is_received(sandbox, cycle):
    lead = sandbox.lead(Title="Buyer")
    sandbox.fault("/sobjects/", "late_commit", seconds=90)
    sandbox.sales.Lead.update(lead, {"Title": "Head Buyer"})
    cycle()
    cycle()
    cycle()
    assert sandbox.read(lead)["Title"] == "Head Buyer"
    assert Person.objects.get().title == "Head Buyer"


def test_a_value_held_at_first_contact_is_sent_once_the_field_may_be_written(sandbox, cycle, sync_person):
    access = {"username": "sync@example.com", "object": "Lead", "field": "Fax"}
    sandbox.control("POST", "access", **access, access="read")
    cycle()
    kim = Person.objects.create(last_name="Here", company="Acme", fax="1")
    sync_person(kim)
    sandbox.control("POST", "access", **access, access="edit")
    cycle()
    sync_person(kim)
    kim.refresh_from_db()
    assert sandbox.read(kim.sfdc_id)["Fax"] == "1"


@pytest.mark.parametrize("external_id", [True, False])
def test_an_edit_here_between_a_create_whose_answer_was_lost_and_its_link_stands(
    sandbox, cycle, sync_person, external_id
):
    if not external_id:
        sandbox.control(
            "POST", "access", username="sync@example.com", object="Lead", field="Person_Id__c", access="hidden"
        )
    cycle()
    kim = Person.objects.create(last_name="Here", company="Acme", title="Buyer")
    sandbox.fault("/composite/sobjects", "drop_after", times=1)
    sandbox.fault("/query/", "status", status=503, times=500)  # nor can it be looked up
    with contextlib.suppress(CannotSync):
        sync_person(kim)
    sandbox.control("DELETE", "faults")
    Person.objects.update(title="Head Buyer")  # nobody edited it in Salesforce, where it is "Buyer"
    cycle()
    cycle()
    kim.refresh_from_db()
    assert (kim.sfdc_type, kim.title) == ("Lead", "Head Buyer")
    assert sandbox.read(kim.sfdc_id)["Title"] == "Head Buyer"


def test_two_leads_converted_to_one_contact_that_nobody_here_knew_become_one_person(sandbox, cycle):
    one, two = sandbox.lead(LastName="One"), sandbox.lead(LastName="Two")
    cycle()
    contact = sandbox.contact(LastName="Both")
    sandbox.convert(one, contact=contact)
    sandbox.convert(two, contact=contact)
    cycle()
    assert Person.objects.get().sfdc_id == contact


def test_a_field_hidden_before_the_first_read_is_filled_in_when_it_is_seen_again(sandbox, cycle, sync_person):
    access = {"username": "sync@example.com", "object": "Lead", "field": "City"}
    sandbox.lead(City="Ghent")
    sync_person(Person.objects.create(last_name="Here", company="Acme"))  # the fields are known; nothing is read yet
    sandbox.control("POST", "access", **access, access="hidden")
    cycle()
    sandbox.time.pass_(3600)  # the overlap of reads is over
    cycle()
    sandbox.control("POST", "access", **access, access="edit")
    cycle()
    assert Person.objects.get(last_name="Ode").city == "Ghent"
