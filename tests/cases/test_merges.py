"""An edit that is taken back, a state of a record that is older than it seems, a database that is."""

from __future__ import annotations

import pytest
from django.db import connection

from syncer.models import Person, SyncUser
from syncer.sync.options import SyncOptions
from tests.cases.organisation import given
from tests.simulation.world import image, restore

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]

ONLY_SQLITE = pytest.mark.skipif(connection.vendor != "sqlite", reason="This can be done to an SQLite database only.")

# -- an edit that was never sent, and is taken back -------------------------------------------------------------------


def test_an_edit_taken_back_lets_the_change_there_in_where_nothing_is_sent(salesforce, here, in_sync, quiet):
    lead, kim = in_sync(City="A")
    SyncUser.objects.update(mode="receive-only")
    here.edit(kim, city="B")
    quiet()
    salesforce.edit(lead, City="C")
    quiet()
    here.edit(kim, city="A")
    quiet()
    assert here.again(kim).city == "C"


def test_an_edit_taken_back_lets_the_change_there_in_when_writing_was_stopped(salesforce, here, in_sync, quiet):
    lead, kim = in_sync(City="A")
    SyncUser.objects.update(writes_stopped=True)
    here.edit(kim, city="B")
    quiet()
    salesforce.edit(lead, City="C")
    quiet()
    here.edit(kim, city="A")
    quiet()
    SyncUser.objects.update(writes_stopped=False)
    quiet()
    assert here.again(kim).city == salesforce.read(lead)["City"]


def test_a_value_that_cannot_be_sent_taken_back_lets_the_change_there_in(salesforce, here, in_sync, quiet):
    lead, kim = in_sync(Budget__c=100)
    good = kim.custom["Budget__c"]
    here.edit(kim, Budget__c="abc")
    quiet()
    salesforce.edit(lead, Budget__c=200)
    quiet()
    here.edit(kim, Budget__c=good)
    quiet()
    assert float(here.again(kim).custom["Budget__c"]) == 200


# -- a page that is older than what an action has done meanwhile ------------------------------------------------------


@pytest.fixture
def edited_pair(salesforce, here, quiet):
    """Two leads; one has just been edited, so that it is in the cycle's next page."""
    lead, other = salesforce.lead(LastName="Conv", Lead_Score__c=95), salesforce.lead(LastName="Conv", Lead_Score__c=10)
    quiet()
    salesforce.edit(lead, City="B")
    return lead, other


def test_a_page_from_before_a_conversion_that_an_action_has_followed_makes_no_person(
    salesforce, here, edited_pair, cycle, sync_person, quiet
):
    lead, _ = edited_pair
    kim = here.person(lead)

    def convert():
        salesforce.convert(lead)
        sync_person(kim)

    converted = salesforce.once_after("changesLead", convert)
    cycle()
    given(converted.happened, "the lead was converted under way")
    assert not Person.objects.filter(sfdc_id=lead).exists()
    quiet()
    assert set(Person.objects.values_list("person_score", flat=True)) == {10, 95}


def test_a_page_from_before_a_merge_that_an_action_has_followed_makes_no_person(
    salesforce, here, edited_pair, cycle, sync_person, quiet
):
    lead, other = edited_pair
    kim = here.person(lead)

    def merge():
        salesforce.merge(other, lead)
        sync_person(kim)

    merged = salesforce.once_after("changesLead", merge)
    cycle()
    given(merged.happened, "the lead was merged away under way")
    assert not Person.objects.filter(sfdc_id=lead).exists()
    quiet()
    assert list(Person.objects.values_list("person_score", flat=True)) == [105]


def test_a_page_from_before_a_conversion_links_nobody_with_the_lead(
    salesforce, here, edited_pair, cycle, sync_person, quiet
):
    """Somebody who is not in Salesforce has the lead's address."""
    lead, _ = edited_pair
    salesforce.edit(lead, Email="conv@example.com")
    kim = here.person(lead)
    twin = []

    def convert():
        salesforce.convert(lead)
        sync_person(kim)
        twin.append(here.add(last_name="Conv", email="conv@example.com"))

    converted = salesforce.once_after("changesLead", convert)
    cycle()
    given(converted.happened, "the lead was converted under way")
    assert here.again(twin[0]).sfdc_type == ""
    quiet()
    assert here.again(kim).sfdc_type == "Contact"
    assert set(Person.objects.values_list("person_score", flat=True)) == {10, 95, None}


def test_a_page_from_before_a_lead_was_deleted_and_made_anew_makes_no_person(
    salesforce, here, edited_pair, cycle, sync_person, quiet
):
    lead, _ = edited_pair
    kim = here.person(lead)
    here.edit(kim, company="Acme")

    def make_anew():
        salesforce.delete(lead)
        sync_person(kim)
        sync_person(kim, options=SyncOptions(recreate_deleted=True))

    made = salesforce.once_after("changesLead", make_anew)
    cycle()
    given(made.happened and here.again(kim).sfdc_id not in ("", lead), "the lead was made anew under way")
    assert not Person.objects.filter(sfdc_id=lead).exists()
    quiet()
    assert Person.objects.count() == 2


def test_a_page_from_before_a_person_was_received_anew_and_deleted_here_makes_none(
    salesforce, here, edited_pair, cycle, sync_person, quiet
):
    lead, _ = edited_pair
    kim = here.person(lead)

    def delete():
        salesforce.edit(lead, Title="moved")
        sync_person(kim)
        here.again(kim).delete()

    deleted = salesforce.once_after("changesLead", delete)
    cycle()
    given(deleted.happened, "the person was deleted under way")
    quiet()
    assert not Person.objects.filter(sfdc_id=lead).exists()


def test_a_conversion_that_an_action_follows_between_two_pages_leaves_nobody_who_is_never_sent(
    salesforce, here, cycle, sync_person, time, quiet
):
    """To a contact whose own person was deleted here, while a cycle is at the pages of contacts."""
    lead = salesforce.lead(LastName="Conv", City="A")
    contact = salesforce.contact(LastName="Conv", MailingCity="Z", Title="x", Phone="1")
    others = [salesforce.contact(LastName=f"C{n}") for n in range(6)]
    quiet()
    kim = here.person(lead)
    Person.objects.filter(sfdc_id=contact).delete()
    quiet()
    for other in others:
        salesforce.edit(other, Title="new")
    salesforce.org.settings.page_records = 2

    def convert():
        time.pass_(300)
        salesforce.convert(lead, contact=contact)
        sync_person(kim)

    converted = salesforce.once_after(r"/queryAll/\w+-2", convert)
    cycle()
    given(converted.happened, "the lead was converted between two pages")
    time.pass_(3600)
    quiet()
    here.edit(kim, title="edited here")
    quiet()
    assert salesforce.read(contact)["Title"] == "edited here"


# -- a database that is older than it seems ---------------------------------------------------------------------------


@ONLY_SQLITE
@pytest.mark.django_db(transaction=True)
def test_a_restored_backup_sends_no_edit_over_a_newer_value(salesforce, here, in_sync, quiet, time):
    lead, kim = in_sync(City="A")
    here.edit(kim, city="ours, old")
    backup = image()
    quiet()
    given(salesforce.read(lead)["City"] == "ours, old", "the edit was sent")
    time.pass_(86_400)
    salesforce.edit(lead, City="sales, newer")
    quiet()
    given(here.again(kim).city == "sales, newer", "the newer value was received")
    restore(backup)
    quiet()
    assert salesforce.read(lead)["City"] == "sales, newer"


@ONLY_SQLITE
def test_an_edit_by_insert_or_replace_is_sent(salesforce, here, in_sync, quiet):
    lead, kim = in_sync(City="A")
    quiet()  # the record is not read again, which would show the edit, too
    columns = [field.column for field in Person._meta.concrete_fields]
    names = ", ".join(columns)
    values = ", ".join("'R'" if name == "city" else name for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT OR REPLACE INTO syncer_person ({names}) SELECT {values} FROM syncer_person")  # noqa: S608
    given(here.again(kim).city == "R", "the row was replaced")
    quiet()
    assert salesforce.read(lead)["City"] == "R"
