"""Answers that are not as documented: rows, pages and describes in which something is missing or odd."""

from __future__ import annotations

import pytest

from syncer.models import FieldMapping, Person, RecordAtFault, SalesforceRecord, SyncCursor
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]

LEADS = "FROM%20Lead"


@pytest.fixture
def odd(salesforce):
    """Changes answers to queries for leads (or others), once or always, and says how many were."""

    def plan(*changes, route=LEADS, times=None, **more):
        salesforce.fault(route, "change", changes=list(changes), times=times, **more)
        if route == LEADS and times is None:  # a query that is asked for alone does not say of what in its path
            for alone in ("/query/", "/queryAll/"):
                salesforce.fault(alone, "change", changes=list(changes), times=None)

    return plan


def value(path, what):
    return {"path": f"records[0].{path}", "value": what}


def without(path):
    return {"path": f"records[0].{path}", "remove": True}


#: What nothing of a row can be made without.
ROWS = {
    "no id": [without("Id")],
    "id null": [value("Id", None)],
    "id short": [value("Id", "00Q")],
    "id a number": [value("Id", 5)],
    "id a list": [value("Id", ["00Q000000000001AAA"])],
    "id mistyped": [value("Id", "00Q000000000001XXX")],
    "no stamp": [without("SystemModstamp")],
    "stamp null": [value("SystemModstamp", None)],
    "stamp odd": [value("SystemModstamp", "yesterday")],
    "stamp without zone": [value("SystemModstamp", "2026-03-02T09:00:00")],
    "stamp a number": [value("SystemModstamp", 1700000000)],
    "stamp of no year": [value("SystemModstamp", "0001-01-01T00:00:00.000+0000")],
    "stamp far ahead": [value("SystemModstamp", "9999-12-31T23:59:59.000-1200")],
    "owner odd": [value("OwnerId", "nobody")],
    "owner an object": [value("OwnerId", {"Id": "005"})],
    "master odd": [value("MasterRecordId", "x")],
    "contact odd": [value("ConvertedContactId", 7)],
    "deleted odd": [value("IsDeleted", "false")],
    "converted odd": [value("IsConverted", "no")],
    "no object": [{"path": "records[0]", "value": None}],
    "a text": [{"path": "records[0]", "value": "00Q000000000001AAA"}],
    "a list": [{"path": "records[0]", "value": []}],
}
#: One of each sort.
SORTS = ["no id", "stamp odd", "owner odd", "master odd", "deleted odd", "no object"]


@pytest.mark.parametrize("kind", ROWS)
def test_one_malformed_row_stops_no_other_and_is_taken_in_when_it_is_whole_again(
    salesforce, here, ending, odd, time, kind
):
    ending()
    bad, good = salesforce.lead(LastName="Bad"), salesforce.lead(LastName="Good")
    odd(*ROWS[kind])
    assert ending() == "completed"
    assert here.person(good).last_name == "Good"
    assert not Person.objects.filter(last_name="Bad").exists()
    assert RecordAtFault.objects.count() == 1
    salesforce.calm()
    for _ in range(3):
        time.pass_(1_800)
        assert ending() == "completed"
    assert here.person(bad).last_name == "Bad"
    assert not RecordAtFault.objects.exists()


@pytest.mark.parametrize("kind", SORTS)
def test_a_malformed_row_of_a_known_record_changes_nothing_of_its_person(
    salesforce, here, in_sync, quiet, odd, ending, kind
):
    lead, kim = in_sync(LastName="Kim", Title="Buyer")
    quiet()
    salesforce.edit(lead, Title="Head")
    odd(*ROWS[kind], times=3)
    assert ending() == "completed"
    kim = here.again(kim)
    assert (kim.sfdc_id, kim.sfdc_is_deleted, kim.last_name) == (lead, False, "Kim")
    assert SalesforceRecord.objects.get().hidden_since is None
    salesforce.calm()
    quiet()
    assert here.again(kim).title == "Head"
    assert Person.objects.count() == 1


def test_a_malformed_row_is_told_to_its_person_and_in_the_run(salesforce, here, in_sync, cycle, odd):
    lead, kim = in_sync()
    salesforce.edit(lead, Title="Head")
    odd(*ROWS["owner odd"])
    run = cycle()
    [entry] = [e for e in here.log(kim) if e.code == "RECORD_AT_FAULT"]
    assert "has no readable OwnerId" in entry.summary
    assert any("1 Lead records can't be taken in" in note for note in run.notes)
    cycle()
    assert len([e for e in here.log(kim) if e.code == "RECORD_AT_FAULT"]) == 1


def test_what_is_at_fault_is_looked_at_ever_more_seldom(salesforce, odd, cycle, time):
    salesforce.lead()
    odd(*ROWS["owner odd"])
    cycle()
    salesforce.clear_requests()
    looks = []
    for _ in range(24):
        time.pass_(3_600)
        before = salesforce.api_calls
        cycle()
        looks.append(salesforce.api_calls - before - 1)
    assert sum(looks) <= 5


def test_more_than_twenty_of_one_page_are_not_the_records(salesforce, cycle, ending, odd):
    salesforce.leads(30)
    odd({"path": "records[*].OwnerId", "value": "x"})
    assert ending() == "MANY_AT_FAULT"
    assert not RecordAtFault.objects.exists()
    assert not SyncCursor.objects.filter(object="Lead", read_to__isnull=False).exists()
    salesforce.calm()
    assert ending() == "completed"
    assert Person.objects.count() == 30


def test_an_owner_that_is_not_told_stays_who_it_was(salesforce, here, in_sync, quiet, odd, cycle):
    lead, kim = in_sync()
    quiet()
    known = SalesforceRecord.objects.get().owner_id
    given(known, "the owner was received")
    salesforce.edit(lead, Title="Head")
    odd(without("OwnerId"), without("Owner"), times=1)
    cycle()
    assert here.again(kim).title == "Head"
    assert SalesforceRecord.objects.get().owner_id == known


def test_a_field_that_is_not_in_the_answer_is_unknown_and_not_empty(salesforce, here, in_sync, quiet, odd, cycle):
    lead, kim = in_sync(Title="Buyer", City="Bern")
    quiet()
    salesforce.edit(lead, City="Basel")
    odd(without("Title"), times=1)
    cycle()
    kim = here.again(kim)
    assert (kim.title, kim.city) == ("Buyer", "Basel")


@pytest.mark.parametrize(
    "changes",
    [
        [value("Owner", "Sally")],
        [value("Owner", {"Name": ["Sally"], "Email": 5})],
        [value("LastModifiedBy", 7)],
        [value("Owner.Name", "x" * 2_000)],
        [value("CreatedDate", None)],
        [value("Title", {"a": 1})],
        [value("Title", [1, 2])],
        [value("AnnualRevenue", "a lot")],
        [value("NumberOfEmployees", 10**30)],
        [value("Title", "x" * 100_000)],
        [value("HasOptedOutOfEmail", "perhaps")],
    ],
)
def test_an_odd_value_costs_its_record_nothing_else(salesforce, here, ending, odd, changes):
    lead = salesforce.lead(LastName="Kim", City="Bern")
    odd(*changes)
    assert ending() == "completed"
    assert here.person(lead).city == "Bern"


# -- pages ------------------------------------------------------------------------------------------------------------

PAGES = {
    "records null": [{"path": "records", "value": None}],
    "no records": [{"path": "records", "remove": True}],
    "records an object": [{"path": "records", "value": {}}],
    "an empty answer": [{"path": "", "value": {}}],
    "a list": [{"path": "", "value": []}],
    "more, but nowhere": [{"path": "done", "value": False}],
    "more at another host": [
        {"path": "done", "value": False},
        {"path": "nextRecordsUrl", "value": "https://evil.example/services/data/v62.0/query/1"},
    ],
}


@pytest.mark.parametrize(
    ("kind", "route"),
    [
        *((kind, LEADS) for kind in PAGES),
        *(("records null", f"FROM%20{name}") for name in ("Contact", "Account", "User")),
    ],
)
def test_an_answer_that_is_no_page_is_asked_for_again(salesforce, ending, odd, cycle, kind, route):
    ending()
    salesforce.lead(LastName="Kim")
    salesforce.contact(LastName="Ann")
    odd(*PAGES[kind], route=route, times=2)
    assert ending() == "completed"
    assert Person.objects.count() == 2


@pytest.mark.parametrize("kind", PAGES)
def test_an_answer_that_stays_no_page_ends_the_cycle_with_one_sentence(salesforce, ending, odd, kind):
    salesforce.lead(LastName="Kim")
    odd(*PAGES[kind])
    assert ending() == "BAD_ANSWER"
    salesforce.calm()
    assert ending() == "completed"
    assert Person.objects.count() == 1


@pytest.mark.parametrize("full", [False, True])
def test_a_page_that_names_itself_as_the_next_is_not_followed_for_ever(salesforce, cycle, full):
    salesforce.leads(9)
    salesforce.org.settings.page_records = 2
    salesforce.fault("/query", "repeat_page", times=None)
    assert cycle(full=full).status == "completed"
    assert Person.objects.count() == 9
    assert salesforce.api_calls < 60


def test_pages_that_never_end_are_not_followed_for_ever(salesforce, ending, odd):
    """Always another page, always the same rows."""
    salesforce.leads(3)
    nowhere = "/services/data/v62.0/query/01g000000000001AAA-{n}"
    for n in range(60):
        odd(
            {"path": "done", "value": False},
            {"path": "nextRecordsUrl", "value": nowhere.format(n=n)},
            route="/query",
            times=1,
        )
    salesforce.org.cursors.open.clear()
    assert ending() in ("completed", "BAD_ANSWER", "INVALID_QUERY_LOCATOR")
    assert Person.objects.count() == 3
    assert salesforce.api_calls < 40


@pytest.mark.parametrize("full", [False, True])
def test_a_list_that_is_dropped_while_it_is_read_is_asked_for_anew_in_the_same_cycle(salesforce, cycle, full, time):
    salesforce.leads(9)
    salesforce.org.settings.page_records = 2
    salesforce.fault("-4", "drop_locators")
    run = cycle(full=full)
    given(salesforce.faults_struck(), "pages were dropped while they were read")
    assert (run.status, run.unfinished) == ("completed", False)
    assert Person.objects.count() == 9


def test_a_list_that_is_dropped_while_new_fields_are_filled_in_is_asked_for_anew(salesforce, here, cycle):
    leads = salesforce.leads(9)
    cycle()
    salesforce.field("Tier__c", "Text")
    for lead in leads:
        salesforce.behind_its_back(lead, Tier__c="Gold")
    salesforce.org.settings.page_records = 2
    salesforce.fault("-4", "drop_locators")
    cycle()
    given(salesforce.faults_struck(), "pages were dropped while they were read")
    assert [p.custom["Tier__c"] for p in Person.objects.all()] == ["Gold"] * 9
    assert FieldMapping.objects.get(object="Lead", salesforce_field="Tier__c").filled


# -- describes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        {"name": "__proto__", "label": "Proto", "custom": True},
        {"name": "Owner.Name__c", "custom": True},
        {"name": None},
        {"name": "Odd__c", "length": "long", "custom": True},
        {"name": "Odd__c", "label": 5, "custom": True},
        {"name": "A" * 200 + "__c", "custom": True},
    ],
)
def test_a_field_that_can_not_be_understood_stops_no_cycle(salesforce, here, cycle, odd, time, field):
    lead = salesforce.lead(Title="Buyer")
    time.pass_(7_200)  # a describe in full
    odd({"path": "fields", "append": field}, route="/sobjects/Lead/describe")
    notes = [note for _ in range(2) for note in cycle().notes]
    assert here.person(lead).title == "Buyer"
    assert any("can't be read" in note for note in notes)


@pytest.mark.parametrize(
    "changes",
    [
        [{"path": "fields", "value": None}],
        [{"path": "", "value": {}}],
        [{"path": "name", "value": "Contact"}],
        [{"path": "fields", "value": []}],
    ],
)
def test_a_describe_that_is_none_leaves_the_one_that_was_read_last(salesforce, here, cycle, odd, time, changes):
    lead = salesforce.lead(Title="Buyer")
    cycle()
    fields = FieldMapping.objects.filter(object="Lead", readable=True).count()
    time.pass_(7_200)
    odd(*changes, route="/sobjects/Lead/describe")
    salesforce.edit(lead, Title="Head")
    run = cycle()
    assert here.person(lead).title == "Head"
    assert FieldMapping.objects.filter(object="Lead", readable=True).count() == fields
    assert any("the one that was read last is used" in note for note in run.notes)


# -- an action on a person --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SORTS)
def test_no_second_lead_is_made_for_whom_a_malformed_one_may_be(salesforce, here, cycle, odd, sync_person, kind):
    cycle()
    salesforce.lead(LastName="Kim", Email="kim@example.com")
    kim = here.add(last_name="Kim", email="kim@example.com")
    odd(*ROWS[kind])
    told = sync_person(kim)
    assert (told.result, told.code) == ("Failed", "BAD_ANSWER")
    assert salesforce.count("Lead") == 1
    salesforce.calm()
    assert sync_person(kim).result == "Linked"


@pytest.mark.parametrize("kind", SORTS)
def test_a_person_whose_record_comes_malformed_is_told_so_and_stops_no_other(
    salesforce, here, in_sync, odd, sync_person, kind
):
    bad, kim = in_sync(LastName="Kim")
    good, ann = in_sync(LastName="Ann")
    salesforce.edit(good, Title="Head")
    odd(*ROWS[kind])
    first, second = sync_person(kim, ann)
    assert (first.result, first.code) == ("Failed", "RECORD_AT_FAULT")
    assert here.again(ann).title == "Head"
    assert SalesforceRecord.objects.filter(hidden_since__isnull=False).count() == 0
    salesforce.calm()
    assert sync_person(kim).ok


@pytest.mark.parametrize("kind", SORTS)
@pytest.mark.parametrize("nth", [1, 2])
def test_what_is_read_before_and_after_an_update_may_be_malformed(
    salesforce, here, in_sync, quiet, odd, ending, kind, nth
):
    lead, kim = in_sync(LastName="Kim")
    quiet()
    here.edit(kim, title="Head")
    odd(*ROWS[kind], route="/query?q=SELECT%20Id%2CSystemModstamp%2CTitle", nth=nth, times=1)
    odd(*ROWS[kind], route="/query?q=SELECT%20Id%2C%20SystemModstamp%2C%20Title", nth=nth, times=1)
    assert ending() == "completed"
    given(salesforce.faults_struck(), "the reading was malformed")
    salesforce.calm()
    quiet()
    assert salesforce.read(lead)["Title"] == here.again(kim).title == "Head"
    assert not here.again(kim).sfdc_is_deleted
    assert Person.objects.count() == 1
