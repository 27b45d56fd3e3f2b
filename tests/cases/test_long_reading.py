"""More to read than a cycle has time for, as after a mass update there: sending does not wait for the end of it."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone

from syncer.models import FieldMapping, PendingChange, Person, SyncCursor
from syncer.sync.errors import CannotSync
from syncer.sync.fields.synced_objects import OBJECTS
from syncer.sync.store import outbox
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]


@pytest.fixture
def slow(salesforce):
    """Pages of five rows, and fifty seconds for each answer."""

    def begin():
        salesforce.org.settings.page_records = 5
        salesforce.fault("/services", "delay_ms", seconds=50, times=None)

    return begin


@pytest.fixture
def mass_update(salesforce, here, quiet, slow):
    """Thirty leads that are in sync, all of which are changed then. The last one is read last."""
    leads = salesforce.leads(30, City="A", Title="CEO")
    quiet()

    def change(**values):
        for lead in leads:
            salesforce.edit(lead, **values)
        slow()

    return leads, change


def short(cycle):
    """A cycle that has two minutes; whether it has left something to the next one."""
    return cycle(give_up_after=timedelta(minutes=2)).unfinished


def test_an_opt_out_does_not_wait_until_everything_is_read(salesforce, here, mass_update, cycle):
    leads, change = mass_update
    here.edit(here.person(leads[0]), unsubscribed=True)
    change(City="B")
    given(short(cycle), "there is more to read than a cycle has time for")
    short(cycle)
    assert salesforce.read(leads[0])["HasOptedOutOfEmail"]


def test_a_cycle_whose_time_is_over_before_its_first_page_was_taken_in_sends_something(
    salesforce, here, mass_update, cycle
):
    leads, change = mass_update
    here.edit(here.person(leads[0]), unsubscribed=True)
    change(City="B")
    salesforce.calm()
    salesforce.fault("/services", "delay_ms", seconds=50, times=None)
    given(cycle(give_up_after=timedelta(seconds=40)).unfinished, "there is more to read than a cycle has time for")
    assert salesforce.read(leads[0])["HasOptedOutOfEmail"]


def test_opt_outs_are_sent_before_all_else(here, mass_update, quiet):
    leads, _ = mass_update
    quiet()
    Person.objects.update(phone="1")
    last = here.person(leads[-1])
    here.edit(last, do_not_call=True)
    here.edit(here.person(leads[0]), unsubscribed=False)  # no opt-out
    assert outbox.due(100, timezone.now(), OBJECTS, only_opt_outs=True) == [last.pk]
    assert len(outbox.due(100, timezone.now(), OBJECTS)) == 30


def test_a_list_that_is_broken_off_for_others_is_read_to_its_end(salesforce, here, mass_update, cycle):
    leads, change = mass_update
    here.edit(here.person(leads[3]), phone="1")
    change(City="B")
    assert not cycle().unfinished
    assert {here.person(lead).city for lead in leads} == {"B"}
    assert salesforce.read(leads[3])["Phone"] == "1"


def test_what_salesforce_wins_is_not_written_before_its_record_was_read(salesforce, here, mass_update, cycle, time):
    leads, change = mass_update
    FieldMapping.objects.filter(person_field="city").update(winner="salesforce")
    kim = here.person(leads[-1])
    here.edit(kim, city="ours", unsubscribed=True)
    change(City="theirs")
    given(short(cycle), "the last record has not been read yet")
    given(salesforce.read(leads[-1])["HasOptedOutOfEmail"], "the opt-out was sent")
    assert salesforce.read(leads[-1])["City"] == "theirs"
    salesforce.calm()
    cycle()
    cycle()
    assert (here.again(kim).city, salesforce.read(leads[-1])["City"]) == ("theirs", "theirs")
    assert (here.again(kim).unsubscribed, here.waits(kim)) == (True, "")


def test_an_opt_out_that_salesforce_wins_goes_although_another_value_is_refused(salesforce, here, mass_update, cycle):
    leads, change = mass_update
    FieldMapping.objects.filter(person_field="unsubscribed").update(winner="salesforce")
    here.edit(here.person(leads[-1]), city="Nowhere", unsubscribed=True)
    change(Title="CTO")
    salesforce.rule("No Nowhere", "City = 'Nowhere'", "Nowhere is no city.")
    given(short(cycle), "the last record has not been read yet")
    assert salesforce.read(leads[-1])["HasOptedOutOfEmail"]


def test_an_edit_after_a_lost_answer_is_not_overwritten_by_our_own_earlier_value(
    salesforce, here, mass_update, sync_person, slow, cycle
):
    leads, change = mass_update
    FieldMapping.objects.filter(person_field="title").update(winner="salesforce")
    kim = here.person(leads[-1])
    change(Phone="1")
    salesforce.calm()
    here.edit(kim, title="first", city="Oslo")
    salesforce.fault("/composite/sobjects", "drop_after", times=50)
    with suppress(CannotSync):
        sync_person(kim)
    salesforce.calm()
    given(salesforce.read(leads[-1])["Title"] == "first", "the update was carried out")
    given(PendingChange.objects.get(person=kim).in_doubt, "its answer did not come")
    here.edit(kim, title="second", city="Bergen")
    slow()
    cycle()
    salesforce.calm()
    cycle()
    assert (here.again(kim).title, salesforce.read(leads[-1])["Title"]) == ("second", "second")


def test_what_salesforce_wins_goes_out_when_nobody_changed_it_there(salesforce, here, mass_update, cycle):
    leads, change = mass_update
    FieldMapping.objects.filter(person_field="city").update(winner="salesforce")
    here.edit(here.person(leads[-1]), city="ours", unsubscribed=True)
    change(Title="CTO")
    cycle()
    assert salesforce.read(leads[-1])["City"] == "ours"


def test_contacts_do_not_wait_for_all_leads(salesforce, here, mass_update, cycle):
    leads, change = mass_update
    contact = salesforce.contact(LastName="Jane", Email="jane@example.com")
    change(City="B")
    given(short(cycle), "there is more to read than a cycle has time for")
    assert Person.objects.filter(sfdc_id=contact).exists()


def test_nothing_is_sent_of_an_object_that_was_never_read_to_its_end(salesforce, here, sync_person, slow, cycle):
    kim = here.add(last_name="Kim", company="A")
    sync_person(kim)
    here.edit(kim, city="Oslo")
    salesforce.leads(30)
    slow()
    given(short(cycle), "the first read is under way")
    assert SyncCursor.objects.get(object="Lead").read_to is None
    assert salesforce.read(here.again(kim).sfdc_id)["City"] is None
    salesforce.calm()
    cycle()
    assert salesforce.read(here.again(kim).sfdc_id)["City"] == "Oslo"


def test_no_lead_is_made_before_contacts_were_read(salesforce, here, cycle, sync_user):
    sync_user.create_leads = True
    sync_user.save()
    kim = here.add(last_name="Kim", company="A", email="kim@example.com")
    cycle(objects=("Lead",))
    assert not here.again(kim).sfdc_id
    cycle()
    assert here.again(kim).sfdc_id.startswith("00Q")
