"""Deletes, merges and conversions in Salesforce."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from syncer.models import ActivityLogEntry, FormerId, PendingChange, Person, SalesforceRecord, SyncMode
from syncer.sync.store import claims

pytestmark = pytest.mark.django_db


def test_a_converted_leads_person_becomes_the_contact(sandbox, cycle, log):
    lead = sandbox.lead(FirstName="Kim", Title="Buyer", Website="acme.example", Industry="Energy")
    cycle()
    contact = sandbox.convert(lead)
    cycle()
    person = Person.objects.get()
    assert (person.sfdc_type, person.sfdc_id) == ("Contact", contact)
    assert (person.first_name, person.title) == ("Kim", "Buyer")
    assert (person.website, person.industry) == ("acme.example", "Energy")  # a contact has neither: kept here
    assert log(person, "Convert Lead")
    assert FormerId.objects.get().record_id == lead
    assert not SalesforceRecord.objects.get().weak_base
    assert cycle().counters["sent"]["updated"] == 0


def test_a_lead_converted_to_a_contact_with_values_of_its_own_blanks_and_overwrites_nothing(sandbox, cycle):
    contact = sandbox.contact(Title="Director", Email="kim@example.com")
    cycle()
    Person.objects.all().delete()
    lead = sandbox.lead(Title="Buyer", Phone="1", Email="kim@example.com")
    cycle()
    sandbox.convert(lead, contact=contact)
    sandbox.edit(contact, Phone="")
    cycle()
    person = Person.objects.get(sfdc_type="Contact")
    there = sandbox.read(contact)
    assert person.title == there["Title"] == "Director"
    assert person.phone == there["Phone"] == "1"  # empty there, filled from here
    assert Person.objects.count() == 1


def test_a_connection_that_only_receives_keeps_what_the_contact_lacks(sandbox, sync_user, cycle):
    """Found by a property of the merge: held by the first cycle after the conversion, blanked by the second."""
    sync_user.mode = SyncMode.RECEIVE_ONLY
    sync_user.save()
    lead = sandbox.lead(Notes__c="Met in May", Newsletter__c=True)
    cycle()
    contact = sandbox.convert(lead)
    for title in ("Buyer", "Head Buyer", "Director"):
        cycle()
        sandbox.edit(contact, Title=title)
    cycle()
    person = Person.objects.get(sfdc_type="Contact")
    assert (person.title, person.custom["Notes__c"], person.custom["Newsletter__c"]) == ("Director", "Met in May", True)
    there = sandbox.read(contact)
    assert (there["Notes__c"], there["Newsletter__c"]) == (None, False)
    sandbox.edit(contact, Notes__c="Met in June")
    cycle()
    assert Person.objects.get().custom["Notes__c"] == "Met in June"


def test_a_value_edited_here_before_the_conversion_was_read_wins(sandbox, cycle):
    lead = sandbox.lead(Title="Buyer")
    cycle()
    Person.objects.update(title="Head Buyer")
    contact = sandbox.convert(lead)
    cycle()
    assert sandbox.read(contact)["Title"] == Person.objects.get().title == "Head Buyer"


def test_a_conversion_to_another_persons_contact_merges_the_two(sandbox, cycle, log):
    contact = sandbox.contact(FirstName="Kim")
    lead = sandbox.lead(FirstName="Kim", Website="acme.example")
    cycle()
    old, survivor = Person.objects.get(sfdc_id=lead), Person.objects.get(sfdc_id=contact)
    history = ActivityLogEntry.objects.filter(person_id=old.pk).count()
    sandbox.convert(lead, contact=contact)
    cycle()
    person = Person.objects.get()
    assert person.pk == survivor.pk
    assert person.website == "acme.example"  # contacts have no website: filled from the loser
    assert len(log(person)) >= history + 2
    [entry] = log(person, "Merge People")
    assert entry.detail["person"] == old.pk
    assert FormerId.objects.get(record_id=lead).person_id == person.pk


def test_merged_leads_persons_are_merged_and_the_score_is_summed_once(sandbox, cycle, log):
    winner, loser = sandbox.lead(LastName="Winner"), sandbox.lead(LastName="Loser", Phone="1")
    cycle()
    Person.objects.filter(sfdc_id=winner).update(person_score=10)
    Person.objects.filter(sfdc_id=loser).update(person_score=5)
    cycle()
    sandbox.control("POST", "merge", object="Lead", winner=winner, losers=[loser])
    cycle()
    cycle()
    person = Person.objects.get()
    assert (person.sfdc_id, person.last_name, person.person_score) == (winner, "Winner", 15)
    assert sandbox.read(winner)["Lead_Score__c"] == 15
    assert person.phone == ""  # a synced field is the winner's
    assert log(person, "Merge People")[0].detail["values"]["phone"] == "1"
    assert FormerId.objects.get(record_id=loser).person_id == person.pk
    assert not PendingChange.objects.exists()


def test_a_chain_of_merges_ends_at_the_last_survivor(sandbox, cycle):
    a, b, c = (sandbox.lead(LastName=name) for name in "ABC")
    cycle()
    sandbox.control("POST", "merge", object="Lead", winner=b, losers=[a])
    sandbox.control("POST", "merge", object="Lead", winner=c, losers=[b])
    cycle()
    person = Person.objects.get()
    assert person.sfdc_id == c
    assert set(FormerId.objects.values_list("record_id", flat=True)) == {a, b}


def test_the_survivor_that_nobody_here_knew_is_taken_over_by_the_losers_person(sandbox, cycle):
    loser = sandbox.lead(LastName="Loser", Title="Buyer")
    cycle()
    person = Person.objects.get()
    winner = sandbox.lead(LastName="Winner")
    sandbox.control("POST", "sharing", id=winner, visible=False)
    sandbox.control("POST", "merge", object="Lead", winner=winner, losers=[loser])
    cycle()
    person.refresh_from_db()
    assert person.sfdc_is_deleted
    assert SalesforceRecord.objects.get().merged_into == winner
    sandbox.control("POST", "sharing", id=winner, visible=True)
    sandbox.edit(winner, Phone="1")
    cycle()
    person = Person.objects.get()
    assert (person.sfdc_id, person.sfdc_is_deleted, person.phone, person.last_name) == (winner, False, "1", "Winner")


def test_merging_persons_gives_up_when_one_is_edited_and_does_it_then(sandbox, cycle):
    """The loser is in another worker's hands: the merge waits for the next cycle, and nothing is half done."""
    winner, loser = sandbox.lead(LastName="Winner"), sandbox.lead(LastName="Loser")
    cycle()
    busy = Person.objects.get(sfdc_id=loser)
    claims.take([busy.pk], "persons-other")
    sandbox.control("POST", "merge", object="Lead", winner=winner, losers=[loser])
    cycle()
    assert Person.objects.count() == 2
    claims.let_go("persons-other")
    cycle()
    assert Person.objects.count() == 1


def test_a_person_restored_from_an_older_backup_is_found_by_its_external_id(sandbox, cycle, sync_person):
    kim = Person.objects.create(last_name="Ode", company="Acme", email="kim@example.com")
    sync_person(kim)
    SalesforceRecord.objects.all().delete()
    Person.objects.filter(pk=kim.pk).update(sfdc_type="", sfdc_id="")
    from syncer.models import Tombstone

    Tombstone.objects.all().delete()
    cycle()
    assert Person.objects.get().sfdc_type == "Lead"
    uuid = kim.uuid
    Person.objects.all().delete()
    Tombstone.objects.all().delete()
    cycle()
    assert Person.objects.get().uuid == uuid


def test_many_conversions_cost_no_more_queries_than_a_few(sandbox, cycle):
    leads = [sandbox.lead(LastName=f"Ode{n}") for n in range(13)]
    cycle()

    def queries(some: list[str]) -> int:
        for lead in some:
            sandbox.convert(lead)
        with CaptureQueriesContext(connection) as captured:
            cycle()
        return len(captured)

    few, many = queries(leads[:3]), queries(leads[3:])
    assert Person.objects.filter(sfdc_type="Contact").count() == 13
    assert many < few + 20  # not six for each of seven more


def test_ids_that_were_gone_before_the_first_cycle_find_whom_they_became(sandbox, cycle):
    converted, loser, older, winner = (
        sandbox.lead(LastName=name) for name in ("Converted", "Loser", "Older", "Winner")
    )
    contact = sandbox.convert(converted)
    sandbox.control("POST", "merge", object="Lead", winner=loser, losers=[older])
    sandbox.control("POST", "merge", object="Lead", winner=winner, losers=[loser])
    cycle()
    found = {former.record_id: former.person.sfdc_id for former in FormerId.objects.select_related("person")}
    assert found == {converted: contact, loser: winner, older: winner}
    calls = sandbox.api_calls
    cycle()
    assert sandbox.api_calls == calls + 1  # they are asked for once


def test_former_ids_are_read_page_by_page_and_go_on_after_a_stop(sandbox, cycle):
    leads = [sandbox.lead(LastName=f"Ode{n}") for n in range(5)]
    contacts = [sandbox.convert(lead) for lead in leads]
    sandbox.control("POST", "limits", page=2)
    while cycle(give_up_after=timedelta(seconds=-1)).unfinished:
        pass
    found = {former.record_id: former.person.sfdc_id for former in FormerId.objects.select_related("person")}
    assert found == dict(zip(leads, contacts, strict=True))


def test_a_lead_that_was_made_and_converted_between_two_cycles_is_found_by_its_old_id(sandbox, cycle):
    cycle()
    lead = sandbox.lead()
    contact = sandbox.convert(lead)
    cycle()
    assert Person.objects.get().sfdc_id == contact
    assert FormerId.objects.get().record_id == lead
