"""A create happens at most once, also when things go wrong right behind it, or another worker is faster."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from syncer.models import Claim, CreateIntent, PendingChange, Person
from syncer.sync.errors import CannotSync
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import Result

pytestmark = pytest.mark.django_db


@pytest.fixture
def no_external_id(sandbox):
    sandbox.control("POST", "access", username="sync@example.com", object="Lead", field="Person_Id__c", access="hidden")


def person(**values) -> Person:
    return Person.objects.create(**{"last_name": "Ode", "company": "Acme", "email": "kim@example.com"} | values)


@pytest.mark.parametrize("budget", [None, timedelta(seconds=5)])
def test_a_lead_that_was_made_and_can_not_be_read_back_is_not_made_again(
    no_external_id, sandbox, sync_person, cycle, after, budget
):
    cycle()
    kim, ann = person(email="", first_name="Kim"), person(email="", first_name="Ann")
    down = {"kind": "status", "status": 503, "code": "SERVER_UNAVAILABLE", "times": 50}
    after("POST", lambda: sandbox.fault("/composite", **down))
    with suppress(CannotSync):
        sync_person(kim, ann, budget=budget)
    assert sandbox.count("Lead") == 2
    sandbox.control("DELETE", "faults")
    assert [told.result for told in sync_person(kim, ann)] == [Result.LINKED] * 2
    assert sandbox.count("Lead") == 2
    kim.refresh_from_db()
    assert kim.sfdc_type == "Lead"


def test_a_claim_that_ran_out_before_the_create_leaves_it_to_the_worker_who_has_the_person_now(
    no_external_id, sandbox, sync_person, cycle, after
):
    cycle()
    kim = person(email="", first_name="Kim")

    def another_worker_is_faster():
        Claim.objects.update(until="2020-01-01T00:00Z")
        assert sync_person(kim).result is Result.CREATED

    tom = person(email="tom@example.com")
    sandbox.lead(Email="tom@example.com")
    after("tom%40example.com", another_worker_is_faster)
    assert [told.result for told in sync_person(kim, tom)] == [Result.UNCHANGED, Result.LINKED]
    assert sandbox.count("Lead") == 2


def test_a_create_whose_answer_was_lost_and_that_is_refused_then_is_not_asked_for_in_every_cycle(
    no_external_id, sandbox, sync_person, cycle, log, time
):
    """Nor is it taken for one of the leads that others have made with that address."""
    cycle()
    kim = person()
    sandbox.fault("/composite/sobjects", "drop_before", times=1)
    assert sync_person(kim).result is Result.UNKNOWN
    for name in ("Anders", "Berg"):
        sandbox.lead(Email="kim@example.com", LastName=name)
    time.pass_(16 * 60)
    for _ in range(3):
        cycle()
    assert len(log(kim, "Sync Person to SFDC")) == 1
    assert not CreateIntent.objects.exists()
    assert PendingChange.objects.get().error_code == "MATCH_IS_TAKEN"


def test_a_create_that_is_refused_while_its_person_is_edited_is_tried_again(sandbox, sync_person, cycle, after):
    cycle()
    kim = person(company="")
    after('"create"', lambda: Person.objects.update(company="Acme"))
    assert sync_person(kim).result is Result.FAILED
    cycle()
    kim.refresh_from_db()
    assert kim.sfdc_type == "Lead"


def test_persons_of_one_batch_are_loaded_together(sandbox, sync_person, cycle):
    cycle()

    def cost(number):
        persons = [person(email=f"kim{Person.objects.count()}@example.com") for _ in range(number)]
        with CaptureQueriesContext(connection) as queries:
            sync_person(*persons)
        return len(queries)

    cost(2)
    assert cost(20) <= cost(2)


def test_a_new_lead_that_somebody_wanted_is_not_taken_for_the_other_one_when_its_answer_is_lost(
    no_external_id, sandbox, sync_person, cycle, time
):
    cycle()
    other = sandbox.lead(Email="kim@example.com", LastName="Anders")
    kim = person()
    sandbox.fault("/composite/sobjects", "drop_before", times=1)
    assert sync_person(kim, options=SyncOptions(create_anyway=True)).result is Result.UNKNOWN
    assert sync_person(kim).result is Result.UNKNOWN
    time.pass_(16 * 60)
    assert sync_person(kim).result is Result.CREATED
    kim.refresh_from_db()
    assert kim.sfdc_id != other
