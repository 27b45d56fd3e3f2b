"""A lead is made at most once: whoever stands still, whatever a second request is refused for, whoever sees it."""

from __future__ import annotations

import pytest

from sandbox.users import SYNC_USERNAME
from syncer.models import Claim, CreateIntent, PendingChange, Person
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import Result
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]

ANYWAY = SyncOptions(create_anyway=True)


@pytest.fixture
def kim(here, cycle):
    cycle()
    return here.add(last_name="Kim", company="Acme", email="kim@example.com", phone="1", title="Buyer")


@pytest.fixture
def without_external_id(salesforce, kim, cycle):
    salesforce.control("POST", "access", username=SYNC_USERNAME, object="Lead", field="Person_Id__c", access="hidden")
    cycle()


def leads(salesforce, columns="Id, Phone, IsConverted"):
    query = f"SELECT {columns} FROM Lead WHERE LastName = 'Kim'"  # noqa: S608
    return salesforce.sales.query(query)["records"]


def claims_run_out():
    Claim.objects.update(until="2020-01-01T00:00Z")


# -- a process that stands still --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [121, 3600])
def test_what_was_decided_before_a_process_stood_still_is_not_asked_for(
    salesforce, here, kim, sync_person, time, seconds
):
    """It is decided anew, with what the person is by then."""

    def sleep():
        time.pass_(seconds)
        here.edit(kim, phone="2")

    suspended = salesforce.once_before('"create"', sleep)
    told = sync_person(kim)
    given(suspended.happened, "the process stood still")
    assert told.result is Result.CREATED
    assert [lead["Phone"] for lead in leads(salesforce)] == ["2"]
    assert not CreateIntent.objects.exists()


def test_another_workers_create_is_left_alone_by_one_who_stood_still(
    salesforce, here, kim, sync_person, time, without_external_id
):
    """The answer to the other one's create was lost: only its intent tells that there may be a lead."""

    def sleep():
        time.pass_(1200)
        claims_run_out()
        salesforce.fault("/composite/sobjects", "drop_before", times=1)
        assert sync_person(kim).result is Result.UNKNOWN

    suspended = salesforce.once_before('"create"', sleep)
    sync_person(kim)
    given(suspended.happened, "the process stood still")
    assert CreateIntent.objects.get().state == "unknown"


def test_an_update_is_not_sent_by_one_who_stood_still(salesforce, here, in_sync, quiet, sync_person, time):
    """Another worker has sent a newer value meanwhile, and a salesperson corrected it."""
    lead, kim = in_sync(City="A")
    quiet()
    here.edit(kim, city="old edit")

    def sleep():
        time.pass_(1200)
        claims_run_out()
        here.edit(kim, city="new edit")
        sync_person(kim)
        salesforce.edit(lead, City="corrected")

    suspended = salesforce.once_before('"update0"', sleep)
    told = sync_person(kim)
    given(suspended.happened, "the process stood still")
    assert (told.sent, told.received) == ((), ("city",))
    assert salesforce.read(lead)["City"] == "corrected"
    quiet()
    assert salesforce.read(lead)["City"] == here.again(kim).city == "corrected"


# -- a second request for the same lead -------------------------------------------------------------------------------


def duplicate_rule(salesforce):
    salesforce.control("POST", "duplicate-rules", object="Lead", name="Same address", fields=["Email"], action="block")


def trigger(salesforce):
    salesforce.control("POST", "refusals", object="Lead", code="CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message="Nein")


def another_unique_field(salesforce):
    salesforce.control("POST", "refusals", object="Lead", code="DUPLICATE_VALUE", message="valeur en double: <unknown>")


def validation_rule(salesforce):
    salesforce.rule("Titles", "Title = 'Buyer'", "No such title.", field="Title")


@pytest.mark.parametrize("meets", [None, duplicate_rule, trigger, another_unique_field, validation_rule])
def test_a_lead_whose_answer_was_lost_is_found_whatever_the_second_request_meets(
    salesforce, here, kim, sync_person, meets
):
    """The look-up between the two does not see it yet: the first one is committed late."""

    def arrives_late():
        lead = salesforce.as_the_sync_user().Lead.create(
            {"LastName": "Kim", "Company": "Acme", "Phone": "1", "Title": "Buyer", "Email": "kim@example.com"}
            | {"Person_Id__c": str(kim.uuid)}
        )["id"]
        salesforce.edit(lead, Phone="999 from sales")
        if meets is not None:
            meets(salesforce)

    arrived = salesforce.once_before('"create"', arrives_late)
    told = sync_person(kim)
    given(arrived.happened, "the first request came through late")
    assert told.ok
    [lead] = leads(salesforce)
    assert here.again(kim).sfdc_id == lead["Id"]
    assert here.again(kim).phone == lead["Phone"] == "999 from sales"
    assert not CreateIntent.objects.exists()


def test_a_lead_whose_answer_was_lost_and_that_was_converted_makes_its_person_the_contact(
    salesforce, here, kim, sync_person, quiet
):
    contact = []

    def convert():
        [lead] = leads(salesforce)
        contact.append(salesforce.convert(lead["Id"]))

    salesforce.fault("/composite/sobjects", "drop_after", times=1)
    salesforce.once_before(r"/queryAll/", convert)
    told = sync_person(kim)
    assert told.ok
    assert (here.again(kim).sfdc_type, here.again(kim).sfdc_id) == ("Contact", contact[0])
    quiet()
    assert Person.objects.filter(last_name="Kim").count() == 1


def test_a_lead_whose_answer_was_lost_and_that_was_deleted_is_not_made_again(salesforce, here, kim, sync_person):
    salesforce.fault("/composite/sobjects", "drop_after", times=1)
    salesforce.once_before(r"/queryAll/", lambda: salesforce.delete(leads(salesforce)[0]["Id"]))
    sync_person(kim)
    assert leads(salesforce) == []
    assert here.again(kim).sfdc_is_deleted


# -- held by what nobody here can see ---------------------------------------------------------------------------------


@pytest.fixture
def hidden(salesforce, kim):
    """A lead with Kim's UUID that the sync user can't see; another client has made it."""
    lead = salesforce.lead(LastName="Kim", Person_Id__c=str(kim.uuid))
    salesforce.share(lead, visible=False)
    return lead


def test_a_uuid_that_a_hidden_record_has_is_a_decision(salesforce, here, kim, hidden, sync_person, cycle, time):
    told = sync_person(kim)
    assert (told.result, told.code) == (Result.NEEDS_DECISION, "HELD_UNSEEN")
    assert PendingChange.objects.get(person=kim).state == "failed"
    for _ in range(2):
        time.pass_(86_400)
        cycle()
    assert len([e for e in here.log(kim) if e.code == "HELD_UNSEEN"]) == 1  # it is not tried by itself
    salesforce.share(hidden, visible=True)
    assert sync_person(kim).ok
    assert here.again(kim).sfdc_id == hidden


def test_somebody_decides_to_leave_the_hidden_record_alone(salesforce, here, kim, hidden, sync_person, eva):
    sync_person(kim)
    page = eva.get(f"/admin/syncer/person/{kim.pk}/change/").content.decode()
    assert "The hidden record stays as it is" in page
    assert sync_person(kim, options=ANYWAY).result is Result.CREATED
    assert here.again(kim).uuid != kim.uuid
    assert here.again(kim).sfdc_id != hidden
    assert len(leads(salesforce)) == 2


def test_a_lead_that_became_a_contact_that_is_not_to_be_seen_is_a_decision(salesforce, here, kim, sync_person):
    def convert_and_hide():
        [lead] = leads(salesforce)
        salesforce.share(salesforce.convert(lead["Id"]), visible=False)

    salesforce.fault("/composite/sobjects", "drop_after", times=1)
    salesforce.once_before(r"/queryAll/", convert_and_hide)
    told = sync_person(kim)
    assert (told.result, told.code) == (Result.NEEDS_DECISION, "HELD_UNSEEN")
    assert here.again(kim).sfdc_type == ""
    assert sync_person(kim).code == "HELD_UNSEEN"
    assert sync_person(kim, options=ANYWAY).result is Result.CREATED
    assert here.again(kim).sfdc_type == "Lead"


# -- while a create may still come through ----------------------------------------------------------------------------


@pytest.fixture
def may_come(salesforce, kim, sync_person):
    """Kim's lead was asked for, and the answer lost; nobody knows whether it will be made."""
    salesforce.fault("/composite/sobjects", "drop_before", times=50)
    assert sync_person(kim).result is Result.UNKNOWN
    salesforce.calm()
    return kim


@pytest.mark.parametrize("external_id", [True, False])
def test_nobody_is_linked_elsewhere_while_the_create_may_come_through(
    request, salesforce, here, cycle, time, external_id
):
    if not external_id:
        request.getfixturevalue("without_external_id")
    kim = request.getfixturevalue("may_come")
    other = salesforce.lead(LastName="Kim", Email="kim@example.com")
    cycle()
    assert here.again(kim).sfdc_type == ""
    assert not Person.objects.filter(sfdc_id=other).exists()  # it waits for what becomes of the create
    time.pass_(16 * 60)
    cycle()
    assert here.again(kim).sfdc_id == other
    assert len(leads(salesforce)) == 1


def test_nobody_is_linked_by_hand_with_another_record_while_the_create_may_come_through(
    salesforce, here, may_come, sync_person, time
):
    other = salesforce.lead(LastName="Kim", Email="kim@example.com")
    assert sync_person(may_come, options=SyncOptions(link_to=other)).result is Result.UNKNOWN
    assert here.again(may_come).sfdc_type == ""
    time.pass_(16 * 60)
    assert sync_person(may_come, options=SyncOptions(link_to=other)).result is Result.LINKED


def test_with_an_external_id_it_is_asked_for_again_at_once(salesforce, here, may_come, sync_person):
    assert sync_person(may_come).result is Result.CREATED
    assert len(leads(salesforce)) == 1
