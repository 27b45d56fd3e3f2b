"""An organisation without the external-id field: the create is remembered here, and looked up before another try."""

from __future__ import annotations

import pytest

from syncer.models import CreateIntent, Person
from syncer.sync.outcomes import Result

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_external_id(sandbox):
    sandbox.control("POST", "access", username="sync@example.com", object="Lead", field="Person_Id__c", access="hidden")


def person(**values) -> Person:
    return Person.objects.create(**{"last_name": "Ode", "company": "Acme", "email": "kim@example.com"} | values)


def test_a_person_is_created_all_the_same(sandbox, sync_person):
    kim = person()
    assert sync_person(kim).result is Result.CREATED
    assert not CreateIntent.objects.exists()


@pytest.mark.parametrize("values", [{}, {"email": "", "first_name": "Kim"}])
def test_a_lost_answer_leaves_the_outcome_unknown_and_the_lead_is_found_the_next_time(sandbox, sync_person, values):
    sandbox.fault("/composite/sobjects", "drop_after", times=1)
    kim = person(**values)
    assert sync_person(kim).result is Result.UNKNOWN
    assert CreateIntent.objects.get().state == "unknown"
    assert sync_person(kim).result is Result.LINKED
    assert sandbox.count("Lead") == 1
    assert not CreateIntent.objects.exists()


def test_a_lead_that_was_made_but_could_not_be_read_is_not_made_again(sandbox, sync_person, cycle):
    cycle()
    kim = person(email="", first_name="Kim")
    sandbox.fault("/query", "status", status=503, code="SERVER_UNAVAILABLE", nth=2, times=20)
    assert sync_person(kim).result is Result.UNKNOWN
    assert (sandbox.count("Lead"), CreateIntent.objects.get().state) == (1, "unknown")
    sandbox.control("DELETE", "faults")
    assert sync_person(kim).result is Result.LINKED
    assert sandbox.count("Lead") == 1


@pytest.mark.parametrize("values", [{}, {"email": "", "first_name": "Kim"}])
def test_the_cycle_links_it_too_and_makes_no_second_person(sandbox, sync_person, cycle, values):
    sandbox.fault("/composite/sobjects", "drop_after", times=1)
    kim = person(**values)
    sync_person(kim)
    cycle()
    kim.refresh_from_db()
    assert kim.sfdc_type == "Lead"
    assert Person.objects.count() == sandbox.count("Lead") == 1


def test_nothing_is_tried_again_until_the_request_can_not_come_through_any_more(sandbox, sync_person):
    sandbox.fault("/composite/sobjects", "drop_before", times=1)
    kim = person()
    assert sync_person(kim).result is Result.UNKNOWN
    assert sync_person(kim).result is Result.UNKNOWN
    assert sandbox.count("Lead") == 0
    sandbox.time.pass_(16 * 60)
    assert sync_person(kim).result is Result.CREATED
    assert sandbox.count("Lead") == 1


def test_a_process_that_died_between_the_call_and_its_answer_is_the_same(sandbox, sync_person, time):
    """All that it leaves behind is the intent."""
    kim = person()
    sync_person(person(email="first@example.com"))
    made = {"LastName": "Ode", "Company": "Acme", "Email": "kim@example.com"}
    lead = sandbox._client("sync@example.com").Lead.create(made)["id"]
    CreateIntent.objects.create(
        person=kim, external_id=False, asked_at=time.now, values_sent={"email": "kim@example.com"}
    )
    assert sync_person(kim).result is Result.LINKED
    kim.refresh_from_db()
    assert kim.sfdc_id == lead


def test_an_edit_here_after_the_lost_answer_stands(sandbox, sync_person, cycle):
    sandbox.fault("/composite/sobjects", "drop_after", times=1)
    kim = person(title="Buyer")
    sync_person(kim)
    Person.objects.update(title="Head Buyer")
    cycle()
    kim.refresh_from_db()
    assert kim.title == sandbox.read(kim.sfdc_id)["Title"] == "Head Buyer"
