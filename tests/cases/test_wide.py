"""Organisations with more fields than Salesforce answers in one query: they are asked for in several, by id."""

from __future__ import annotations

import pytest

from syncer.models import FieldMapping, Person, SalesforceObject, SyncRun
from syncer.sync.plan import Plan, Planned
from syncer.sync.upkeep.read_now import read_record
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db]

FORMULAS = [f"Formula_{n:02}__c" for n in range(24)]


@pytest.fixture
def wide(salesforce):
    """Leads have 24 formulas, and a query bears ten."""
    fields = [{"name": name, "type": "Text", "formula": "City"} for name in FORMULAS]
    salesforce.control("POST", "fields", object="Lead", fields=fields)
    salesforce.control("POST", "limits", formulas=10)


@pytest.fixture
def known(salesforce, wide, here, quiet):
    """A lead of such an organisation, read in several queries."""
    lead = salesforce.lead(LastName="Wide", City="Bern", Title="Buyer")
    quiet()
    given(SalesforceObject.objects.get(name="Lead").fields_a_query, "one query was too much")
    return lead


def formulas(person):
    return {person.custom.get(name) for name in FORMULAS}


def each_time(salesforce, pattern, do):
    """Do something before each request with this pattern, until what is returned is called."""
    going_on = [True]

    def now():
        if going_on:
            do()
            salesforce.once_after(pattern, lambda: salesforce.once_before(pattern, now))

    salesforce.once_before(pattern, now)
    return going_on.clear


# -- how much a query bears -------------------------------------------------------------------------------------------


def test_all_fields_arrive_though_no_query_bears_them(salesforce, wide, here, cycle, quiet, time):
    lead = salesforce.lead(LastName="Wide", City="Bern")
    first = cycle()
    person = here.person(lead)
    assert formulas(person) == {"Bern"}
    assert any("fields" in note and "at a time" in note for note in first.notes)
    assert not FieldMapping.objects.filter(too_complicated=True).exists()
    quiet()
    calls = cycle().api_calls
    assert calls == 1  # nothing is asked for by id when nothing has changed
    salesforce.edit(lead, City="Thun")
    run = cycle()
    assert formulas(here.again(person)) == {"Thun"}
    assert run.api_calls <= 3
    assert run.notes == []  # the number was remembered


@pytest.mark.parametrize("number", [1, 600])
def test_the_rest_of_many_is_asked_for_in_hundreds(salesforce, known, here, cycle, time, number):
    leads = [known, *(lead for _ in range(number // 200) for lead in salesforce.leads(200))]
    time.pass_(5)
    salesforce.edit(known, City="Thun")
    run = cycle()
    assert Person.objects.filter(sfdc_id__in=leads).count() == len(leads)
    assert formulas(here.person(known)) == {"Thun"}
    assert run.api_calls <= 3 + number // 200


def test_a_field_that_is_refused_alone_is_switched_off_and_said(salesforce, here, cycle, quiet, eva, sync_user):
    salesforce.control("POST", "fields", object="Lead", fields=[{"name": "Odd__c", "type": "Text", "formula": "City"}])
    salesforce.control("POST", "limits", formulas=0)
    lead = salesforce.lead(LastName="Odd", City="Bern")
    run = cycle()
    assert here.person(lead).city == "Bern"
    off = FieldMapping.objects.get(enabled=False, salesforce_field="Odd__c")
    assert (off.salesforce_field, off.too_complicated) == ("Odd__c", True)
    assert any("Odd__c is switched off" in note for note in run.notes)
    page = eva.get(f"/admin/syncer/syncuser/{sync_user.pk}/change/").content.decode()
    assert "Odd__c is switched off" in page
    assert "even alone" in eva.get("/admin/syncer/fieldmapping/?q=Odd__c").content.decode()
    salesforce.control("POST", "limits", formulas=None)
    eva.post("/admin/syncer/fieldmapping/", {"action": "switch_on", "_selected_action": [off.pk]})
    cycle()
    assert here.person(lead).custom["Odd__c"] == "Bern"
    off.refresh_from_db()
    assert (off.enabled, off.too_complicated) == (True, False)


def test_the_connections_page_says_how_many_fields_are_asked_for(known, eva, sync_user):
    size = SalesforceObject.objects.get(name="Lead").fields_a_query
    page = eva.get(f"/admin/syncer/syncuser/{sync_user.pk}/change/").content.decode()
    assert f"Lead: {size} fields are asked for at a time" in page


def test_other_fields_are_tried_in_one_query_again(salesforce, known, cycle, time):
    salesforce.control("POST", "limits", formulas=None)
    salesforce.field("Another__c", "string", length=10)
    time.pass_(7_200)
    cycle()
    assert SalesforceObject.objects.get(name="Lead").fields_a_query is None


@pytest.fixture
def long(salesforce, here, cycle):
    """A lead with values in the first and the last of 40 custom fields with long names."""
    fields = [{"name": f"{'A_long_name_' * 2}{n:02}__c", "type": "Text", "length": 40} for n in range(40)]
    salesforce.control("POST", "fields", object="Lead", fields=fields)
    first, last = fields[0]["name"], fields[39]["name"]
    lead = salesforce.lead(LastName="Long", **{first: "one", last: "two"})
    cycle()
    given(here.person(lead).custom.get(last) == "two", "the fields were read")
    return lead, first, last


def test_a_statement_that_is_too_long_is_made_shorter(salesforce, long, here, ending):
    lead, first, last = long
    salesforce.control("POST", "limits", statement=1_500)
    salesforce.edit(lead, **{first: "three"})
    assert ending() == "completed"
    assert [here.person(lead).custom[name] for name in (first, last)] == ["three", "two"]
    assert SalesforceObject.objects.get(name="Lead").fields_a_query in range(1, 40)


@pytest.mark.parametrize("status", [414, 431])
def test_a_query_whose_address_is_too_long_travels_in_a_body(salesforce, long, here, status):
    lead, first, last = long
    salesforce.control("POST", "limits", url=1_500, url_status=status)
    there = read_record(here.person(lead).record, salesforce.open_session)
    assert (there.values[first], there.values[last]) == ("one", "two")


def test_a_query_of_24_kilobytes_travels_in_a_composite_request(salesforce, here, ending):
    """600 custom fields with names of 36 characters."""
    fields = [
        {"name": f"{'A_name_as_long_as_it_can_be_':.30}{n:03}__c", "type": "Text", "length": 9} for n in range(600)
    ]
    salesforce.control("POST", "fields", object="Lead", fields=fields)
    lead = salesforce.lead(LastName="Long", **{fields[599]["name"]: "last"})
    assert ending() == "completed"
    assert here.person(lead).custom[fields[599]["name"]] == "last"
    salesforce.fault(
        "/query?q=SELECT%20Id%2C%20SystemModstamp%2C%20IsDeleted", "status", status=414, code="URI_TOO_LONG", times=1
    )
    salesforce.edit(lead, **{fields[0]["name"]: "first"})
    assert ending() == "completed"
    assert here.person(lead).custom[fields[0]["name"]] == "first"


def test_a_condition_that_is_too_complicated_is_told_and_not_tried_for_ever(salesforce, known, cycle, ending):
    salesforce.fault("/query", "status", status=400, code="QUERY_TOO_COMPLICATED", times=500)
    assert ending() == "QUERY_TOO_COMPLICATED"
    assert SyncRun.objects.latest("pk").api_calls < 60
    salesforce.calm()
    assert ending() == "completed"


# -- several queries are no snapshot ----------------------------------------------------------------------------------


def test_a_record_that_is_changed_between_two_queries_is_asked_for_again(salesforce, known, here, cycle):
    """Else the title of before would stand beside the formulas of now."""
    salesforce.edit(known, City="Thun", Title="Head")
    changed = salesforce.once_before('"rest0"', lambda: salesforce.edit(known, City="Chur", Title="Boss"))
    cycle()
    given(changed.happened, "the record was changed under way")
    person = here.person(known)
    assert (person.title, person.city, formulas(person)) == ("Boss", "Chur", {"Chur"})


def test_a_record_that_is_changed_all_the_time_is_left_to_the_next_cycle(salesforce, known, here, cycle, quiet):
    titles = iter(range(100))
    salesforce.edit(known, City="Thun", Title="Head")
    stop = each_time(salesforce, '"rest0"', lambda: salesforce.edit(known, Title=f"No. {next(titles)}"))
    run = cycle()
    given(next(titles) > 3, "it was asked for again")
    assert here.person(known).title == "Buyer"
    assert here.person(known).city == "Bern"
    assert any("could not be merged now" in note for note in run.notes)
    stop()
    quiet()
    there = salesforce.read(known)["Title"]
    assert (here.person(known).title, here.person(known).city) == (there, "Thun")


def test_what_a_query_does_not_answer_is_unknown_and_not_empty(salesforce, known, here, cycle, ending, quiet):
    person = here.person(known)
    salesforce.edit(known, City="Thun")
    changes = [{"path": "records", "value": []}, {"path": "totalSize", "value": 0}]
    salesforce.fault("/queryAll?q=SELECT%20Id%2C%20SystemModstamp%2C%20Formula", "change", changes=changes, times=None)
    assert ending() == "completed"
    given(salesforce.faults_struck(), "a query did not answer the record")
    assert formulas(here.again(person)) == {"Bern"}
    assert here.again(person).record.hidden_since is None
    salesforce.calm()
    quiet()
    assert (here.again(person).city, formulas(here.again(person))) == ("Thun", {"Thun"})


def test_a_record_that_is_deleted_between_two_queries_is_followed(salesforce, known, here, cycle):
    salesforce.edit(known, City="Thun")
    deleted = salesforce.once_before('"rest0"', lambda: salesforce.delete(known))
    cycle()
    given(deleted.happened, "it was deleted under way")
    assert here.person(known).sfdc_is_deleted


# -- everybody who reads records --------------------------------------------------------------------------------------


def test_an_action_finds_out_how_much_a_query_bears(salesforce, wide, here, cycle, sync_person):
    salesforce.control("POST", "limits", formulas=None)
    lead = salesforce.lead(LastName="Wide", City="Bern")
    cycle()
    salesforce.control("POST", "limits", formulas=10)
    salesforce.edit(lead, City="Thun")
    told = sync_person(here.person(lead))
    assert told.ok
    assert formulas(here.person(lead)) == {"Thun"}
    kim = here.add(last_name="Kim", company="Acme", city="Chur")
    assert sync_person(kim).result == "Created"
    assert formulas(here.again(kim)) == {"Chur"}


def test_a_person_who_may_have_a_record_that_is_being_changed_gets_no_second_one(salesforce, known, here, sync_person):
    lead = salesforce.lead(LastName="Kim", Email="kim@example.com", City="Bern")
    kim = here.add(last_name="Kim", email="kim@example.com", company="Acme")
    titles = iter(range(100))
    stop = each_time(salesforce, '"rest0"', lambda: salesforce.edit(lead, Title=f"No. {next(titles)}"))
    assert not sync_person(kim).ok
    assert here.again(kim).sfdc_type == ""
    assert salesforce.count("Lead") == 2
    stop()
    assert sync_person(kim).result == "Linked"


def test_new_fields_are_filled_in_for_all_records(salesforce, here, cycle, quiet, time):
    lead = salesforce.lead(LastName="Wide", City="Bern")
    quiet()
    fields = [{"name": name, "type": "Text", "formula": "City"} for name in FORMULAS]
    salesforce.control("POST", "fields", object="Lead", fields=fields)
    salesforce.control("POST", "limits", formulas=10)
    time.pass_(7_200)
    cycle()
    assert formulas(here.person(lead)) == {"Bern"}


def test_both_sides_are_shown_of_a_record_that_takes_several_queries(salesforce, known, here):
    there = read_record(here.person(known).record, salesforce.open_session)
    assert {there.values[name] for name in FORMULAS} == {"Bern"}


def test_a_dry_run_tells_of_all_fields(salesforce, wide, cycle, here):
    salesforce.lead(LastName="Wide", City="Bern")
    told: list[Planned] = []
    cycle(plan=Plan(tell=told.append))
    [one] = told
    assert {field.field for field in one.fields} >= set(FORMULAS)
    assert not Person.objects.exists()
