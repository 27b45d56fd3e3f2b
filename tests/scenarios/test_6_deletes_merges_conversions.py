"""docs/behaviour.md 6: deletes, merges, conversions."""

from __future__ import annotations

import pytest
from django.urls import reverse

from syncer.models import Conflict, FormerId, Person
from syncer.sync.options import Action, SyncOptions
from tests.admin.pages import words
from tests.scenarios.sides import meanwhile

pytestmark = pytest.mark.django_db

KIM = "kim@example.com"
FROM_SALESFORCE = SyncOptions(action=Action.DELETE)


# -- deleted ----------------------------------------------------------------------------------------------------------


def test_6_deleted_in_salesforce_the_person_stays_and_sfdc_is_deleted_becomes_true(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    salesforce.delete(lead)
    cycle()
    kim = here.again(kim)
    assert (kim.sfdc_is_deleted, kim.sfdc_id, kim.title) == (True, lead, "Buyer")


def test_6_syncing_of_it_stops(salesforce, here, in_sync, cycle):
    lead, kim = in_sync()
    salesforce.delete(lead)
    cycle()
    here.edit(kim, title="Buyer")
    run = cycle()
    assert run.counters["sent"] == dict.fromkeys(run.counters["sent"], 0)
    assert (salesforce.count(), here.log(kim, "Sync failed")) == (0, [])


def test_6_an_entry_is_logged(salesforce, here, in_sync, cycle):
    lead, kim = in_sync()
    salesforce.delete(lead)
    cycle()
    cycle()
    [entry] = here.log(kim, "Deleted in SFDC")
    assert entry.summary == f"Lead {lead} was deleted in Salesforce. Changes stay here only."


def test_6_also_when_the_cycle_learns_it_from_a_refused_update(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer")
    with meanwhile("Receiving Contacts", lambda: salesforce.delete(lead)):  # after it was read
        run = cycle()
    assert here.again(kim).sfdc_is_deleted
    assert (run.counters["sent"]["failed"], here.log(kim, "Sync failed")) == (0, [])


def test_6_undeleted_it_is_cleared_and_the_sync_goes_on(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    salesforce.delete(lead)
    cycle()
    here.edit(kim, title="Head Buyer")
    salesforce.undelete(lead)
    cycle()
    assert not here.again(kim).sfdc_is_deleted
    assert salesforce.read(lead)["Title"] == "Head Buyer"
    assert len(here.log(kim, "Undeleted in SFDC")) == 1


# -- converted --------------------------------------------------------------------------------------------------------


def test_6_lead_converted_the_same_person_becomes_the_contact_and_nothing_is_created(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(FirstName="Kim", Title="Buyer")
    contact = salesforce.convert(lead)
    cycle()
    became = here.again(kim)
    assert (became.sfdc_type, became.sfdc_id, became.title) == ("Contact", contact, "Buyer")
    assert (Person.objects.count(), salesforce.count("Contact")) == (1, 1)
    [entry] = here.log(kim, "Convert Lead")
    assert entry.detail == {"lead": lead, "contact": contact}


def test_6_and_from_then_on_it_syncs_with_the_contact(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    contact = salesforce.convert(lead)
    cycle()
    here.edit(kim, title="Head Buyer")
    salesforce.edit(contact, Phone="1")
    cycle()
    assert (salesforce.read(contact)["Title"], here.again(kim).phone) == ("Head Buyer", "1")


def test_6_if_that_contact_already_belongs_to_another_person_the_two_are_merged_into_one(salesforce, here, cycle):
    contact = salesforce.contact(FirstName="Kim", Title="Director")
    lead = salesforce.lead(FirstName="Kim", Title="Buyer", Website="acme.example")
    cycle()
    survivor = here.person(contact)
    salesforce.convert(lead, contact=contact)
    cycle()
    kim = Person.objects.get()
    assert (kim.pk, kim.title, kim.website) == (survivor.pk, "Director", "acme.example")
    assert len(here.log(kim, "Merge People")) == 1


# -- merged -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(salesforce, here, cycle):
    """Two persons whose leads are merged there, the second into the first; only the second has a phone."""
    winner, loser = salesforce.lead(LastName="Winner"), salesforce.lead(LastName="Loser", Phone="1")
    cycle()
    return here.person(winner), here.person(loser)


def test_6_records_merged_in_salesforce_the_losing_person_is_merged_into_the_winners(salesforce, here, two, cycle):
    winner, loser = two
    salesforce.merge(winner.sfdc_id, loser.sfdc_id)
    cycle()
    assert Person.objects.get().pk == winner.pk
    [entry] = here.log(winner, "Merge People")
    assert (entry.detail["person"], entry.detail["values"]["phone"]) == (loser.pk, "1")


def test_6_activities_are_moved(salesforce, here, two, cycle):
    winner, loser = two
    here.edit(loser, title="Buyer")
    cycle()
    before = len(here.log(winner)) + len(here.log(loser))
    salesforce.merge(winner.sfdc_id, loser.sfdc_id)
    cycle()
    assert (len(here.log(winner, "New Person")), here.log(loser)) == (2, [])
    assert len(here.log(winner)) > before


def test_6_conflicts_and_former_ids_are_moved_too(salesforce, here, two, cycle):
    winner, loser = two
    earlier = salesforce.lead(LastName="Earlier")
    cycle()
    salesforce.merge(loser.sfdc_id, earlier)
    salesforce.edit(loser.sfdc_id, Title="Theirs")
    here.edit(loser, title="Ours")
    cycle()
    salesforce.merge(winner.sfdc_id, loser.sfdc_id)
    cycle()
    assert Conflict.objects.get(field="title").person_id == winner.pk
    assert FormerId.objects.get(record_id=earlier).person_id == winner.pk


def test_6_a_blank_on_the_winner_is_filled_from_the_loser_only_in_fields_that_do_not_sync(salesforce, here, two, cycle):
    winner, loser = two
    here.edit(loser, Hobby__c="Chess")
    cycle()
    salesforce.merge(winner.sfdc_id, loser.sfdc_id)
    cycle()
    winner = here.again(winner)
    assert (winner.custom["Hobby__c"], winner.phone) == ("Chess", "")
    assert salesforce.read(winner.sfdc_id)["Phone"] is None


def test_6_the_person_score_is_summed_once(salesforce, here, two, cycle):
    winner, loser = two
    here.edit(winner, person_score=10)
    here.edit(loser, person_score=5)
    cycle()
    salesforce.merge(winner.sfdc_id, loser.sfdc_id)
    for _ in range(3):
        cycle()
    assert here.again(winner).person_score == 15
    assert salesforce.read(winner.sfdc_id)["Lead_Score__c"] == 15


def test_6_the_old_ids_still_find_the_person(salesforce, here, two, cycle, eva):
    winner, loser = two
    salesforce.merge(winner.sfdc_id, loser.sfdc_id)
    cycle()
    assert FormerId.objects.get(record_id=loser.sfdc_id).person_id == winner.pk
    page = words(eva.get(reverse("admin:syncer_person_changelist"), {"q": loser.sfdc_id}))
    assert "Winner" in page


# -- deleted here -----------------------------------------------------------------------------------------------------


def test_6_person_deleted_here_the_record_in_salesforce_stays(salesforce, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    kim.delete()
    cycle()
    assert salesforce.read(lead)["Title"] == "Buyer"


def test_6_unless_delete_from_sfdc_is_used(salesforce, here, in_sync, sync_person):
    _, kim = in_sync()
    sync_person(kim, options=FROM_SALESFORCE)
    assert salesforce.count() == 0
    assert here.again(kim).sfdc_is_deleted
    assert [entry.actor for entry in here.log(kim, "Delete from SFDC")] == ["Eva"]


def test_6_it_does_not_come_back_by_itself_until_the_record_changes_there_again(salesforce, here, in_sync, cycle):
    lead, kim = in_sync()
    kim.delete()
    cycle()
    cycle(full=True)
    assert here.names() == set()
    salesforce.edit(lead, Title="Buyer")
    cycle()
    assert here.person(lead).title == "Buyer"
