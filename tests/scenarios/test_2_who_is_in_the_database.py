"""docs/behaviour.md 2: who is in the database."""

from __future__ import annotations

import pytest
from django.urls import reverse

from syncer.models import FormerId, Person, SalesforceRecord, SyncUser
from tests.admin.pages import words

pytestmark = pytest.mark.django_db

KIM = "kim@example.com"


# -- 2.1 --------------------------------------------------------------------------------------------------------------


def test_2_1_every_lead_and_contact_that_the_sync_user_can_see_becomes_a_person(salesforce, here, cycle):
    lead = salesforce.lead(LastName="Lead", Email=KIM)
    contact = salesforce.contact(LastName="Contact", MailingCity="Ghent")
    salesforce.share(salesforce.lead(LastName="Not shared"), visible=False)
    cycle()
    assert here.names() == {"Lead", "Contact"}
    assert (here.person(lead).email, here.person(contact).city) == (KIM, "Ghent")
    assert [entry.actor for entry in here.log(here.person(lead), "New Person")] == ["Salesforce"]


def a_lead_that_is(salesforce, what: str) -> str:
    lead, other = salesforce.lead(LastName="Gone"), salesforce.lead(LastName="Survivor")
    if what == "converted":
        salesforce.delete(salesforce.convert(lead), other)
    elif what == "deleted":
        salesforce.delete(lead, other)
    else:
        salesforce.merge(other, lead)
        salesforce.delete(other)
    return lead


@pytest.mark.parametrize("what", ["converted", "deleted", "merged away"])
def test_2_1_converted_deleted_and_merged_away_records_never_create_a_person(salesforce, here, cycle, what):
    a_lead_that_is(salesforce, what)  # before the first cycle, which reads everything
    cycle()
    a_lead_that_is(salesforce, what)  # before a later one, which reads what changed
    cycle()
    cycle(full=True)
    assert here.names() == set()


def test_2_1_their_ids_are_kept_as_former_ids_of_the_survivor(salesforce, here, cycle):
    converted, loser, winner = (salesforce.lead(LastName=name) for name in ("Converted", "Loser", "Winner"))
    cycle()
    contact = salesforce.convert(converted)
    salesforce.merge(winner, loser)
    cycle()
    kept = dict(FormerId.objects.values_list("record_id", "person_id"))
    assert kept == {converted: here.person(contact).pk, loser: here.person(winner).pk}


def test_2_1_two_records_with_the_same_e_mail_address_are_two_persons(salesforce, here, cycle):
    salesforce.lead(LastName="One", Email=KIM)
    salesforce.contact(LastName="Two", Email=KIM.upper())
    cycle()
    assert here.names() == {"One", "Two"}


def test_2_1_flagged_as_possible_duplicates(salesforce, here, cycle, eva):
    one = salesforce.lead(LastName="One", Email=KIM)
    salesforce.contact(LastName="Two", Email=KIM.upper())
    salesforce.lead(LastName="Three", Email="other@example.com")
    cycle()
    listed = words(eva.get(reverse("admin:syncer_person_changelist")))
    assert listed.count("Possible duplicate") - listed.count("Possible duplicates") == 2
    page = words(eva.get(reverse("admin:syncer_person_change", args=[here.person(one).pk])))
    assert "Possible duplicates The same e-mail address as this person." in page


def test_2_1_the_ids_of_records_that_were_gone_before_the_first_cycle_are_kept_too(salesforce, here, cycle):
    converted, loser, winner = (salesforce.lead(LastName=name) for name in ("Converted", "Loser", "Winner"))
    contact = salesforce.convert(converted)
    salesforce.merge(winner, loser)
    cycle()
    kept = dict(FormerId.objects.values_list("record_id", "person_id"))
    assert kept == {converted: here.person(contact).pk, loser: here.person(winner).pk}


# -- 2.2 --------------------------------------------------------------------------------------------------------------


def test_2_2_an_incoming_record_is_linked_with_the_one_unlinked_person_of_its_address_and_merged(
    salesforce, here, cycle
):
    kim = here.add(email="Kim@Example.com", title="Buyer")
    lead = salesforce.lead(Email=KIM, Phone="1")
    cycle()
    kim = here.again(kim)
    assert (kim.sfdc_id, kim.phone, salesforce.read(lead)["Title"]) == (lead, "1", "Buyer")
    assert Person.objects.count() == 1


def test_2_2_with_several_nobody_is_linked_and_somebody_decides(salesforce, here, cycle):
    one, other = here.add(email=KIM), here.add(email=KIM)
    lead = salesforce.lead(Email=KIM)
    cycle()
    assert [here.again(p).sfdc_type for p in (one, other)] == ["", ""]
    assert [here.waits(p) for p in (one, other)] == ["failed", "failed"]
    assert here.person(lead).pk not in (one.pk, other.pk)


def test_2_2_the_records_are_persons_of_their_own_and_can_be_merged_with_here(salesforce, here, cycle, eva):
    kim = here.add(email=KIM, phone="1")
    one, other = salesforce.lead(Email=KIM), salesforce.lead(Email=KIM, Title="Buyer")
    cycle()
    assert here.names() == {"Ode"}
    assert Person.objects.count() == 3
    answer = eva.post(reverse("admin:syncer_person_link", args=[kim.pk]), {"record": other})
    assert answer.url == reverse("admin:syncer_person_change", args=[here.person(other).pk])
    cycle()
    assert (here.person(other).phone, salesforce.read(other)["Phone"], here.person(one).phone) == ("1", "1", "")
    assert Person.objects.count() == 2


def test_2_2_matching_is_logged_as_link_to_salesforce(salesforce, here, cycle):
    kim = here.add(email=KIM)
    lead = salesforce.lead(Email=KIM)
    cycle()
    [entry] = here.log(kim, "Link to Salesforce")
    assert entry.summary == f"Linked to Lead {lead}: same e-mail address, {KIM}."


def test_2_2_a_person_that_is_linked_already_is_not_matched(salesforce, here, in_sync, cycle):
    _, kim = in_sync(Email=KIM)
    salesforce.lead(Email=KIM)
    cycle()
    assert Person.objects.filter(email=KIM).count() == 2
    assert not here.log(kim, "Link to Salesforce")


# -- 2.3 --------------------------------------------------------------------------------------------------------------


def test_2_3_a_person_carries_sfdc_type_sfdc_id_of_18_characters_and_sfdc_is_deleted(salesforce, here, cycle):
    lead, contact = salesforce.lead(), salesforce.contact()
    cycle()
    kim, alex = here.person(lead), here.person(contact)
    assert (kim.sfdc_type, len(kim.sfdc_id), kim.sfdc_is_deleted) == ("Lead", 18, False)
    assert (alex.sfdc_type, len(alex.sfdc_id), alex.sfdc_is_deleted) == ("Contact", 18, False)
    salesforce.delete(lead)
    cycle()
    assert here.person(lead).sfdc_is_deleted


def test_2_3_an_empty_sfdc_type_means_that_the_person_does_not_exist_in_salesforce(salesforce, here, cycle):
    kim = here.again(here.add())
    cycle()
    assert (kim.sfdc_type, kim.sfdc_id) == ("", "")
    assert salesforce.count() == 0


# -- 2.4 --------------------------------------------------------------------------------------------------------------


def hidden(person: Person) -> bool:
    return SalesforceRecord.objects.get(person=person).hidden_since is not None


def test_2_4_a_record_that_stops_being_visible_is_no_longer_visible_not_deleted(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    salesforce.share(lead, visible=False)
    cycle(full=True)
    assert hidden(kim)
    assert not here.again(kim).sfdc_is_deleted
    assert len(here.log(kim, "No longer visible in SFDC")) == 1


def test_2_4_nothing_is_blanked_and_nothing_is_created_again(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer", Email=KIM)
    salesforce.share(lead, visible=False)
    cycle(full=True)
    here.edit(kim, phone="1")
    cycle()
    kim = here.again(kim)
    assert (kim.title, kim.phone, kim.sfdc_id) == ("Buyer", "1", lead)
    assert salesforce.count() == 1


def test_2_4_once_it_is_visible_again_the_sync_goes_on(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    salesforce.share(lead, visible=False)
    cycle(full=True)
    here.edit(kim, title="Head Buyer")
    cycle()
    salesforce.share(lead, visible=True)
    cycle(full=True)
    assert not hidden(kim)
    assert salesforce.read(lead)["Title"] == "Head Buyer"


# -- 2.5 --------------------------------------------------------------------------------------------------------------


def test_2_5_a_connection_that_receives_only_sends_nothing(salesforce, sync_user, here, in_sync, cycle, sync_person):
    lead, kim = in_sync(Title="Buyer", Phone="1")
    sync_user.mode = "receive-only"
    sync_user.save()
    here.edit(kim, title="Head Buyer")
    salesforce.edit(lead, Phone="2")
    cycle()
    outcome = sync_person(here.add(last_name="New"))
    assert here.again(kim).phone == "2"
    assert (salesforce.read(lead)["Title"], salesforce.count()) == ("Buyer", 1)
    assert outcome.message.startswith("The connection receives only")


def test_2_5_a_connection_that_works_two_way_sends_what_waited(salesforce, sync_user, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    for mode, title in (("receive-only", "Buyer"), ("two-way", "Head Buyer")):
        sync_user.mode = mode
        sync_user.save()
        here.edit(kim, title="Head Buyer")
        cycle()
        assert salesforce.read(lead)["Title"] == title


# -- 2.6 --------------------------------------------------------------------------------------------------------------


def test_2_6_a_person_made_here_does_not_go_to_salesforce_by_itself(salesforce, here, cycle):
    kim = here.add(email=KIM)
    here.edit(kim, title="Buyer")
    cycle()
    cycle(full=True)
    assert (salesforce.count(), here.again(kim).sfdc_type) == (0, "")


def test_2_6_sync_person_to_sfdc_sends_it(salesforce, here, sync_person):
    kim = here.add(title="Buyer")
    sync_person(kim)
    assert salesforce.read(here.again(kim).sfdc_id)["Title"] == "Buyer"


@pytest.mark.parametrize(("automatically", "made"), [(False, 0), (True, 1)])
def test_2_6_or_the_option_create_leads_automatically_which_is_off_by_default(
    salesforce, sync_user, here, cycle, automatically, made
):
    assert not sync_user.create_leads
    cycle()
    SyncUser.objects.update(create_leads=automatically)
    kim = here.add(title="Buyer")
    cycle()
    cycle()
    assert (salesforce.count(), here.again(kim).sfdc_type == "Lead") == (made, automatically)
