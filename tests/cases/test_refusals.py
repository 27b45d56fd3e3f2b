"""What Salesforce refuses, and answers that are not what they seem to be."""

from __future__ import annotations

import pytest

from syncer.models import PendingChange, Person
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]


# -- one record is refused for one of its fields ----------------------------------------------------------------------


@pytest.fixture
def refusals(salesforce):
    """Titles of people called Roe can't be written through Contact, as those of person accounts, although describe says
    that they can be edited; gives how often that was refused."""
    words = "Account: bad field names on insert/update call: Title"
    salesforce.control("POST", "refusals", object="Contact", when="LastName = 'Roe'", fields=["Title"], message=words)
    return lambda: salesforce.control("GET", "refusals")["refusals"][0]["hits"]


@pytest.fixture
def jane(salesforce, here, quiet):
    """Whose title is refused."""
    contact = salesforce.contact(LastName="Roe", Email="roe@example.com")
    quiet()
    person = here.person(contact)
    here.edit(person, title="CEO", phone="1")
    return person


def test_a_field_that_is_refused_for_one_record_is_the_sync_error_of_its_person(here, jane, refusals, time, ending):
    endings = []
    for _ in range(4):
        time.pass_(300)
        endings.append(ending())
    assert endings == ["completed"] * 4
    waiting = PendingChange.objects.filter(person=jane).values_list("state", "error_code")
    assert list(waiting) == [("failed", "INVALID_FIELD_FOR_INSERT_UPDATE")]
    assert refusals() <= 4
    assert any("bad field names" in entry.summary for entry in here.log(jane))


def test_a_field_that_is_refused_for_one_record_stops_no_other(salesforce, here, quiet, jane, refusals, ending):
    contact, lead = salesforce.contact(LastName="Doe"), salesforce.lead()
    ending()
    john, kim = here.person(contact), here.person(lead)
    here.edit(john, title="CFO")
    here.edit(kim, title="Boss")
    ending()
    salesforce.edit(lead, Phone="55")
    here.edit(john, phone="77")
    ending()
    ending()
    given(refusals(), "Jane's title was refused beside them")
    assert (salesforce.read(contact)["Title"], salesforce.read(contact)["Phone"]) == ("CFO", "77")
    assert (salesforce.read(lead)["Title"], here.again(kim).phone) == ("Boss", "55")


@pytest.mark.parametrize("code", ["INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_FIELD", "INVALID_TYPE"])
def test_of_many_who_are_refused_a_field_each_has_the_error_and_one_describe_is_read(
    salesforce, here, quiet, code, ending
):
    salesforce.control("POST", "refusals", object="Lead", when="Title = 'CEO'", fields=["Title"], code=code)
    leads = salesforce.leads(30)
    quiet()
    for lead in leads[1:]:
        here.edit(here.person(lead), title="CEO")
    here.edit(here.person(leads[0]), title="CFO")
    salesforce.clear_requests()
    assert ending() == "completed"
    assert set(PendingChange.objects.values_list("state", "error_code")) == {("failed", code)}
    assert PendingChange.objects.count() == 29
    assert salesforce.read(leads[0])["Title"] == "CFO"
    describes = [n for name, n in salesforce.requests().items() if name.endswith("sobjects/Lead/describe")]
    assert sum(describes) <= 2  # the cycle's own conditional one, and the fresh one


def test_an_opt_out_of_somebody_who_is_refused_another_field_is_sent(salesforce, here, jane, refusals, ending):
    here.edit(jane, unsubscribed=True)
    assert ending() == "completed"
    assert salesforce.read(jane.sfdc_id)["HasOptedOutOfEmail"]
    assert PendingChange.objects.get(person=jane).error_code == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_the_other_fields_of_somebody_who_is_refused_one_are_sent_where_that_is_wanted(
    salesforce, here, sync_user, jane, refusals, ending
):
    sync_user.hold_refused_fields = True
    sync_user.save()
    assert ending() == "completed"
    assert salesforce.read(jane.sfdc_id)["Phone"] == "1"
    assert PendingChange.objects.get(person=jane).held == {"title": "CEO"}


def test_somebody_who_is_refused_a_field_is_told_so_by_an_action(here, jane, refusals, sync_person):
    told = sync_person(jane)
    assert (told.result, told.code) == ("Failed", "INVALID_FIELD_FOR_INSERT_UPDATE")
    assert "bad field names" in told.message


def test_a_field_that_is_refused_for_one_lead_that_is_made_is_the_sync_error_of_its_person(
    salesforce, here, sync_person, time, ending
):
    salesforce.control("POST", "refusals", object="Lead", when="Title = 'CEO'", fields=["Title"])
    kim = here.add(last_name="Kim", company="Acme", title="CEO")
    ann = here.add(last_name="Ann", company="Acme")
    told = sync_person(kim, ann)
    assert [one.result for one in told] == ["Failed", "Created"]
    assert here.again(ann).sfdc_type == "Lead"
    time.pass_(86_400)  # the nightly retry
    assert [ending(), ending()] == ["completed"] * 2
    waiting = PendingChange.objects.filter(person=kim).values_list("state", "error_code")
    assert list(waiting) == [("failed", "INVALID_FIELD_FOR_INSERT_UPDATE")]
    assert len([e for e in here.log(kim) if e.type == "Sync failed"]) == 2


# -- answers that a new sign-in, or a new question, would mend --------------------------------------------------------


def test_an_organisation_that_was_moved_to_another_instance_is_found_by_signing_in_anew(
    salesforce, in_sync, time, ending
):
    in_sync()
    salesforce.control("POST", "move")
    salesforce.lead(LastName="After")
    endings = []
    for _ in range(4):
        time.pass_(400)
        endings.append(ending())
    assert "completed" in endings
    assert Person.objects.filter(last_name="After").exists()


def test_a_session_that_ends_twice_is_no_refused_password(salesforce, here, in_sync, time, ending):
    lead, kim = in_sync()
    here.edit(kim, title="Boss")
    salesforce.fault("/services/data/", "expire_session", nth=1, times=2)
    ending()
    salesforce.calm()
    for _ in range(4):
        time.pass_(310)
        ending()
    assert salesforce.read(lead)["Title"] == "Boss"


def test_a_query_whose_pages_salesforce_has_dropped_is_asked_again(salesforce, ending):
    salesforce.leads(7)
    salesforce.org.settings.page_records = 2
    salesforce.fault("-4", "drop_locators")  # at the third page
    ending()
    given(salesforce.faults_struck(), "pages were dropped while they were read")
    assert ending() == "completed"
    assert Person.objects.count() == 7


def test_one_answer_with_a_wrong_date_hides_no_later_change(salesforce, here, in_sync, time, cycle, quiet):
    """A proxy has a clock that is two hours ahead."""
    lead, kim = in_sync(City="A")
    salesforce.fault("/services", "date", seconds=7200, times=None)
    cycle()
    salesforce.calm()
    salesforce.edit(lead, City="B")
    time.pass_(12_000)
    quiet()
    assert here.again(kim).city == "B"
