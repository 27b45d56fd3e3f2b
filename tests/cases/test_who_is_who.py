"""Whose record is whose: made again, deleted here, made twice."""

from __future__ import annotations

import pytest

from sandbox.users import SYNC_USERNAME
from syncer.models import Claim, Person, SalesforceRecord
from syncer.sync.options import Action, SyncOptions
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]

A_WEEK = 7 * 86_400


def test_a_lead_that_is_made_again_after_it_was_deleted_is_the_same_person(salesforce, here, cycle, time):
    ann = {"FirstName": "Ann", "LastName": "Again", "Email": "again@example.com"}
    lead = salesforce.lead(**ann, Title="old")
    cycle()
    salesforce.delete(lead)
    cycle()
    given(here.person(lead).sfdc_is_deleted, "the person is marked as deleted there")
    time.pass_(A_WEEK)
    salesforce.lead(**ann, Title="new")
    cycle()
    assert Person.objects.filter(email="again@example.com").count() == 1


# -- deleted here, and unchanged there --------------------------------------------------------------------------------


def test_a_person_deleted_here_after_the_owner_was_changed_stays_deleted(salesforce, in_sync, sync_person, quiet):
    _, kim = in_sync(City="A")
    sync_person(kim, options=SyncOptions(action=Action.OWNER, owner=salesforce.sally))
    kim.delete()
    quiet()
    assert not Person.objects.exists()


def test_a_person_deleted_here_right_after_a_conversion_stays_deleted(salesforce, in_sync, sync_person, quiet):
    lead, kim = in_sync(City="A", Title="t")
    contact = salesforce.convert(lead)
    sync_person(kim)
    kim.refresh_from_db()
    given(kim.sfdc_id == contact, "the conversion was followed")
    kim.delete()
    quiet()
    assert not Person.objects.exists()


def test_and_comes_back_when_somebody_changes_the_record_again(salesforce, here, in_sync, sync_person, quiet, time):
    lead, kim = in_sync(City="A")
    sync_person(kim, options=SyncOptions(action=Action.OWNER, owner=salesforce.sally))
    kim.delete()
    quiet()
    salesforce.edit(lead, City="B")
    quiet()
    assert here.person(lead).city == "B"


def test_a_person_deleted_here_after_a_push_that_others_have_disturbed_stays_deleted(
    salesforce, here, in_sync, cycle, quiet
):
    lead, kim = in_sync(City="A", Title="t")
    quiet()
    here.edit(kim, title="u")
    disturbed = salesforce.once_before('"update0"', lambda: salesforce.edit(lead, City="B"))
    cycle()
    given(disturbed.happened and salesforce.read(lead)["Title"] == "u", "somebody edited it right before our update")
    given(here.again(kim).record.system_modstamp is None, "so that its state is not known as a whole")
    here.again(kim).delete()
    quiet()
    assert not Person.objects.exists()


def test_a_person_of_whose_record_nothing_was_known_stays_deleted_until_it_changes(
    salesforce, here, in_sync, cycle, quiet
):
    lead, kim = in_sync(City="A")
    SalesforceRecord.objects.update(system_modstamp=None, read_at=None)
    kim.delete()
    quiet()
    cycle(full=True)
    assert not Person.objects.exists()
    salesforce.edit(lead, City="B")
    cycle()
    assert here.person(lead).city == "B"


def test_a_person_deleted_here_after_both_sides_edited_stays_deleted(salesforce, here, in_sync, cycle, quiet):
    lead, kim = in_sync(City="A", Title="t")
    quiet()
    here.edit(kim, title="u")
    salesforce.edit(lead, City="B")
    cycle()
    here.again(kim).delete()
    quiet()
    assert not Person.objects.exists()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_person_deleted_here_while_its_edit_is_sent_is_not_brought_back_by_that(
    salesforce, here, in_sync, cycle, quiet, when
):
    lead, kim = in_sync(Title="t")
    quiet()
    here.edit(kim, title="u")
    once = salesforce.once_before if when == "before" else salesforce.once_after
    deleted = once('"update0"', lambda: here.again(kim).delete())
    cycle()
    given(deleted.happened and salesforce.read(lead)["Title"] == "u", "it was deleted while the update was under way")
    quiet()
    assert not Person.objects.exists()
    salesforce.edit(lead, City="B")
    quiet()
    assert here.person(lead).city == "B"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_person_deleted_here_while_its_record_gets_another_owner_is_not_brought_back_by_that(
    salesforce, here, in_sync, sync_person, quiet, when
):
    _, kim = in_sync(City="A")
    quiet()
    once = salesforce.once_before if when == "before" else salesforce.once_after
    deleted = once('"giveLead"', lambda: here.again(kim).delete())
    sync_person(kim, options=SyncOptions(action=Action.OWNER, owner=salesforce.sally))
    given(deleted.happened, "it was deleted while the owner was changed")
    quiet()
    assert not Person.objects.exists()


# -- a worker that was suspended --------------------------------------------------------------------------------------


@pytest.mark.parametrize("external_id", ["visible", "hidden"])
def test_a_worker_suspended_before_a_create_makes_no_second_lead_and_writes_over_none(
    salesforce, here, cycle, sync_person, time, quiet, external_id
):
    if external_id == "hidden":
        salesforce.control(
            "POST", "access", username=SYNC_USERNAME, object="Lead", field="Person_Id__c", access="hidden"
        )
    cycle()
    kim = here.add(last_name="Kim", email="kim@example.com", phone="1")

    def leads():
        return salesforce.sales.query("SELECT Id, Phone FROM Lead WHERE LastName = 'Kim'")["records"]

    def sleep():
        """Twenty minutes, by the database's clock, too; then another worker does it, and a salesperson edits."""
        time.pass_(1200)
        Claim.objects.update(until="2020-01-01T00:00Z")
        sync_person(kim)
        [made] = leads()
        salesforce.edit(made["Id"], Phone="999 from sales")

    suspended = salesforce.once_before('"create"', sleep)
    sync_person(kim)
    given(suspended.happened, "the worker was suspended before it asked")
    quiet()
    assert [lead["Phone"] for lead in leads()] == ["999 from sales"]
