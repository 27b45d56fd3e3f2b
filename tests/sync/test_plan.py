"""A dry run tells what the following cycle does, exactly, and leaves no trace but its own run."""

from __future__ import annotations

import pytest

from syncer.models import (
    ActivityLogEntry,
    Backfill,
    BeforeImage,
    FieldMapping,
    PendingChange,
    Person,
    SalesforceObject,
    SalesforceRecord,
    SyncCursor,
)
from syncer.sync.plan import Plan, Planned

pytestmark = pytest.mark.django_db

KEPT = [
    ActivityLogEntry,
    Backfill,
    BeforeImage,
    FieldMapping,
    PendingChange,
    Person,
    SalesforceObject,
    SalesforceRecord,
    SyncCursor,
]


def everything() -> dict[str, list]:
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in KEPT}


def told(cycle) -> list[Planned]:
    planned: list[Planned] = []
    before = everything()
    cycle(plan=Plan(tell=planned.append))
    assert everything() == before
    return planned


def changes(planned: list[Planned], side: str) -> dict:
    return {
        (p.person_id, f.field): [f.old, f.new]
        for p in planned
        if p.action in ("update", "link")
        for f in p.fields
        if f.side == side
    }


def done(run, side: str) -> dict:
    return {
        (image.person_id, name): values
        for image in BeforeImage.objects.filter(run=run)
        for name, values in getattr(image, side).items()
    }


def test_a_dry_run_tells_what_the_next_cycle_does(sandbox, cycle):
    leads = [sandbox.lead(LastName=f"Ode {n}", Title="Buyer", Phone="1") for n in range(6)]
    gone, converted = sandbox.lead(LastName="Gone"), sandbox.lead(LastName="Converted")
    cycle()
    stranger = Person.objects.create(email="new@example.com", last_name="New", city="Ghent")
    sandbox.lead(LastName="New", Email="new@example.com", Phone="7")
    sandbox.lead(LastName="Brand New")
    sandbox.edit(leads[0], Title="Theirs")
    sandbox.edit(leads[1], Title="Theirs")
    Person.objects.filter(sfdc_id=leads[1]).update(title="Ours")
    Person.objects.filter(sfdc_id=leads[2]).update(title="Ours", custom={"Budget__c": "5.00"})
    Person.objects.filter(sfdc_id=leads[3]).update(title="Ours")
    sandbox.edit(leads[3], Phone="2")
    sandbox.sales.Lead.delete(gone)
    sandbox.convert(converted)
    sandbox.control("POST", "fields", object="Lead", name="Tier__c", type="Text", length=20)
    sandbox.edit(leads[4], Tier__c="Gold")

    planned = told(cycle)
    run = cycle()

    assert changes(planned, "here") == done(run, "here")
    assert changes(planned, "there") == done(run, "there")
    assert {p.record_id for p in planned if p.action == "new person"} == set(
        Person.objects.filter(last_name="Brand New").values_list("sfdc_id", flat=True)
    )
    assert [p.person_id for p in planned if p.action == "link"] == [stranger.pk]
    assert {p.action for p in planned} == {"new person", "link", "update", "mark as deleted", "convert"}
    assert run.counters["received"]["failed"] == 0
    assert told(cycle) == []


def test_a_dry_run_of_the_first_sync_tells_every_person(sandbox, cycle):
    sandbox.control("POST", "reset", leads=30, contacts=5, seed=1)
    planned = told(cycle)
    assert {p.action for p in planned} == {"new person"}
    cycle()
    assert {p.record_id for p in planned} == set(Person.objects.values_list("sfdc_id", flat=True))


def test_a_dry_run_writes_nothing_there(sandbox, cycle):
    lead = sandbox.lead(Title="Buyer")
    cycle()
    Person.objects.update(title="Ours")
    before = sandbox.read(lead)
    [planned] = told(cycle)
    assert [(f.field, f.side, f.old, f.new) for f in planned.fields] == [("title", "there", "Buyer", "Ours")]
    assert sandbox.read(lead) == before


def test_a_dry_run_that_fills_a_field_in_still_tells_what_would_be_sent(sandbox, cycle):
    """Filling in reads one field of each record: it decides nothing about the others."""
    sandbox.lead(Title="Buyer")
    cycle()
    sandbox.time.pass_(900)
    cycle()
    FieldMapping.objects.filter(object="Lead", salesforce_field="Title").update(filled=False)
    Person.objects.update(city="Ghent")
    planned = told(cycle)
    assert [(f.field, f.side, f.new) for p in planned for f in p.fields] == [("city", "there", "Ghent")]
    run = cycle()
    assert changes(planned, "there") == done(run, "there")


def test_a_field_lost_in_mid_run_stays_mapped(sandbox, cycle):
    """The describe still shows it to a conditional request; the query refuses it, and the describe is read again."""
    sandbox.lead(Title="Buyer")
    cycle()
    sandbox.fault("/sobjects/Lead/describe", "status", status=304, nth=1, times=1)
    sandbox.time.pass_(5)
    sandbox.control("POST", "access", username="sync@example.com", object="Lead", field="Title", access="hidden")
    assert told(cycle) == []
    assert FieldMapping.objects.get(object="Lead", salesforce_field="Title").readable


@pytest.fixture
def settled(sandbox, cycle, sync_user, time):
    """A lead that the following cycles do not read again; its id."""
    lead = sandbox.lead(Title="Buyer")
    cycle()
    time.pass_(900)
    cycle()
    return lead


@pytest.mark.parametrize(("holding", "action"), [(True, ["refuse", "update"]), (False, ["refuse"])])
def test_a_value_that_the_type_cannot_hold_keeps_back_what_a_run_keeps_back(
    sandbox, cycle, settled, sync_user, holding, action
):
    sync_user.hold_refused_fields = holding
    sync_user.save()
    Person.objects.update(custom={"Budget__c": "a lot"}, title="Head of buying")
    assert [p.action for p in told(cycle)] == action
    cycle()
    assert sandbox.read(settled)["Title"] == ("Head of buying" if holding else "Buyer")


def test_an_edit_of_a_person_whose_record_is_hidden_is_not_told(sandbox, cycle, settled):
    sandbox.control("POST", "sharing", id=settled, visible=False)
    cycle(full=True)
    Person.objects.update(title="Head of buying")
    assert told(cycle) == []
    cycle()
    assert PendingChange.objects.exists()  # it waits
