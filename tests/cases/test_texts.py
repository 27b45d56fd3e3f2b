"""Texts that are no good text: half an emoji, a NUL; and addresses with letters beyond ASCII."""

from __future__ import annotations

import pytest
from django.db import connection
from django.urls import reverse

from syncer.models import FieldMapping, Person, RecordAtFault, SyncCursor
from tests.admin.pages import form_data
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]

#: The first half of a surrogate pair, which is no character of its own.
HALF_AN_EMOJI, NUL = "\ud83d", "\x00"
GERARD = "pascal.gérard@example.com"


@pytest.mark.parametrize("bad", [NUL, HALF_AN_EMOJI])
@pytest.mark.parametrize("field", ["Title", "Notes__c"])
def test_a_text_that_cannot_be_stored_stops_nobody_else(salesforce, ending, field, bad):
    salesforce.put(salesforce.lead(LastName="Poison"), **{field: f"bad{bad}text"})
    salesforce.lead(LastName="Good")
    assert [ending(), ending()] == ["completed", "completed"]
    assert Person.objects.filter(last_name="Good").exists()


@pytest.fixture
def surro(salesforce):
    """A lead whose description ends in half an emoji."""
    lead = salesforce.lead(LastName="Surro")
    salesforce.put(lead, Description=f"cut {HALF_AN_EMOJI}")
    return lead


def test_half_an_emoji_in_a_description_stops_no_cycle_when_its_record_changes_again(
    salesforce, here, surro, time, ending
):
    fine = salesforce.lead(LastName="Fine")
    assert ending() == "completed"
    assert here.names() == {"Surro", "Fine"}
    time.pass_(700)
    for lead in (surro, fine):
        salesforce.edit(lead, Phone="55")
    assert ending() == "completed"
    assert here.person(fine).phone == "55"
    here.edit(here.person(fine), title="T")
    assert ending() == "completed"
    assert salesforce.read(fine)["Title"] == "T"


def test_half_an_emoji_in_a_description_keeps_no_page_from_opening(salesforce, surro, ending, eva):
    assert ending() == "completed"
    pk = Person.objects.values_list("pk", flat=True).get(last_name="Surro")
    for url in (reverse("admin:syncer_person_changelist"), reverse("admin:syncer_person_change", args=[pk])):
        assert eva.get(url).status_code == 200


# -- addresses --------------------------------------------------------------------------------------------------------


@pytest.fixture
def gerard(salesforce, here, cycle):
    """A person made here, with an address as real exports have it, and his lead with the address in capitals."""
    person = here.add(first_name="Pascal", last_name="Gérard", email=GERARD)
    cycle()
    salesforce.put(salesforce.lead(FirstName="Pascal", LastName="Gérard"), Email="PASCAL.GÉRARD@EXAMPLE.COM")
    cycle()
    return person


def save(client, person, **values):
    url = reverse("admin:syncer_person_change", args=[person.pk])
    client.post(url, form_data(client.get(url)) | values)


def test_an_address_beyond_ascii_in_capitals_is_the_same_address(gerard):
    [known] = Person.objects.filter(last_name="Gérard")
    assert (known.pk, known.sfdc_type) == (gerard.pk, "Lead")


def test_whoever_has_an_address_beyond_ascii_can_be_edited(gerard, here, eva):
    save(eva, gerard, title="T")
    assert here.again(gerard).title == "T"


def test_an_address_beyond_ascii_can_be_corrected(gerard, here, eva):
    given(here.again(gerard).sfdc_type == "Lead", "he was linked with his lead")
    save(eva, gerard, email="pascal.gérard2@example.com")
    assert here.again(gerard).email == "pascal.gérard2@example.com"


# -- one value that the database does not take ------------------------------------------------------------------------


@pytest.fixture
def poison(db):
    """The database refuses every person whose title is "Poison", as a constraint of somebody else's would."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ALTER TABLE syncer_person ADD CONSTRAINT no_poison CHECK (title <> 'Poison')")
            yield
            cursor.execute("ALTER TABLE syncer_person DROP CONSTRAINT no_poison")
            return
        for what in ("INSERT", "UPDATE"):
            cursor.execute(
                f"CREATE TRIGGER no_poison_{what} BEFORE {what} ON syncer_person FOR EACH ROW "
                "WHEN NEW.title = 'Poison' BEGIN SELECT RAISE(ABORT, 'CHECK no_poison'); END"
            )
        yield
        for what in ("INSERT", "UPDATE"):
            cursor.execute(f"DROP TRIGGER no_poison_{what}")


def test_a_value_that_the_database_refuses_keeps_its_record_out_and_no_other(salesforce, here, poison, ending, time):
    leads = salesforce.leads(12)
    bad, *good = leads
    salesforce.edit(bad, Title="Poison")
    assert [ending(), ending()] == ["completed", "completed"]
    assert Person.objects.count() == 11
    [row] = RecordAtFault.objects.all()
    assert (row.object, row.record_id) == ("Lead", bad)
    assert "no_poison" in row.reason
    assert row.next_look > time()
    salesforce.edit(bad, Title="Buyer")
    assert ending() == "completed"
    assert here.person(bad).title == "Buyer"
    assert not RecordAtFault.objects.exists()


def test_a_value_that_the_database_refuses_leaves_its_person_as_it_was(salesforce, here, poison, ending, quiet, time):
    leads = salesforce.leads(12)
    quiet()
    for lead in leads:
        salesforce.edit(lead, Title="Poison" if lead == leads[5] else "Head")
    assert ending() == "completed"
    titles = [here.person(lead).title for lead in leads]
    assert titles == ["Head"] * 5 + [""] + ["Head"] * 6
    [entry] = [e for e in here.log(here.person(leads[5])) if e.code == "RECORD_AT_FAULT"]
    assert "no_poison" in entry.summary
    here.edit(here.person(leads[5]), city="Bern")  # what is here goes on being sent
    assert ending() == "completed"
    assert salesforce.read(leads[5])["City"] == "Bern"


def test_values_that_the_database_refuses_of_a_whole_page_are_not_the_records(salesforce, poison, ending):
    salesforce.leads(30, Title="Poison")
    assert ending() == "MANY_AT_FAULT"
    assert not RecordAtFault.objects.exists()
    assert not SyncCursor.objects.filter(object="Lead", read_to__isnull=False).exists()


def test_a_lead_that_is_converted_to_a_contact_at_fault_waits_for_it(salesforce, here, poison, in_sync, quiet, ending):
    lead, kim = in_sync(LastName="Kim")
    quiet()
    contact = salesforce.convert(lead)
    salesforce.edit(contact, Title="Poison")
    assert [ending(), ending()] == ["completed", "completed"]
    assert Person.objects.count() == 1
    salesforce.edit(contact, Title="Buyer")
    quiet()
    kim = here.again(kim)
    assert (kim.sfdc_id, kim.title) == (contact, "Buyer")


# -- a text that was made storable ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [NUL, HALF_AN_EMOJI])
@pytest.mark.parametrize(("field", "name"), [("Title", "title"), ("Notes__c", "Notes__c")])
def test_a_text_that_was_made_storable_is_noted_and_never_sent_back(
    salesforce, here, quiet, ending, bad, field, name, cycle
):
    lead = salesforce.lead(LastName="Kim")
    quiet()
    salesforce.put(lead, **{field: f"cut {bad} off"})
    quiet()
    kim = here.person(lead)
    assert (kim.title or kim.custom.get("Notes__c")) == "cut \ufffd off"
    notes = [e for e in here.log(kim) if e.code == "VALUE_NOT_STORED"]
    assert [e.field for e in notes] == [name]
    salesforce.clear_requests()
    here.edit(kim, city="Bern")
    quiet()
    quiet()
    assert salesforce.read(lead)[field] == f"cut {bad} off"
    assert salesforce.read(lead)["City"] == "Bern"
    assert here.again(kim).city == "Bern"
    assert not here.log(kim, "Conflict")
    assert len([e for e in here.log(kim) if e.code == "VALUE_NOT_STORED"]) == 1


def test_a_text_that_is_no_utf_8_is_noted_and_never_sent_back(salesforce, here, quiet):
    lead = salesforce.lead(LastName="Kim")
    quiet()
    salesforce.control("POST", "records", id=lead, bytes={"Title": "636166e9"})  # "café" in another encoding
    quiet()
    kim = here.person(lead)
    assert kim.title == "caf\ufffd"
    assert [e.field for e in here.log(kim) if e.code == "VALUE_NOT_STORED"] == ["title"]
    here.edit(kim, city="Bern")
    quiet()
    assert here.again(kim).title == "caf\ufffd"
    assert not here.log(kim, "Conflict")


def test_an_answer_that_was_mangled_on_its_way_is_asked_for_again(salesforce, here, cycle):
    lead = salesforce.lead(LastName="Kim", Title="Buyer")
    salesforce.fault("/composite", "invalid_utf8", times=1)
    assert cycle().status == "completed"
    given(salesforce.faults_struck(), "the answer was mangled")
    kim = here.person(lead)
    assert kim.title == "Buyer"
    assert "\ufffd" not in f"{kim.last_name}{kim.company}{kim.custom}"


@pytest.mark.parametrize("bad", [NUL, HALF_AN_EMOJI])
def test_what_salesforce_says_of_a_refusal_is_kept_and_shown(salesforce, here, in_sync, ending, eva, bad):
    lead, kim = in_sync(LastName="Kim")
    salesforce.control("POST", "refusals", object="Lead", fields=["Title"], code=f"ODD{bad}", message=f"No {bad} way")
    here.edit(kim, title="Head")
    assert ending() == "completed"
    assert here.waits(kim) == "failed"
    page = eva.get(reverse("admin:syncer_person_change", args=[kim.pk]))
    assert page.status_code == 200
    assert "No \ufffd way" in page.content.decode()


@pytest.mark.parametrize("bad", [NUL, HALF_AN_EMOJI])
def test_names_of_accounts_and_owners_are_made_storable(salesforce, here, quiet, ending, bad):
    account = salesforce.sales.Account.create({"Name": "Acme"})["id"]
    contact = salesforce.contact(LastName="Kim", AccountId=account)
    quiet()
    salesforce.put(account, Name=f"Acme {bad} Inc")
    salesforce.put(salesforce.sally, LastName=f"Sales{bad}")
    assert [ending(), ending()] == ["completed", "completed"]
    assert here.person(contact).company == "Acme \ufffd Inc"
    salesforce.edit(contact, Title="Head")
    assert ending() == "completed"
    assert here.person(contact).title == "Head"


@pytest.mark.parametrize("bad", [NUL, HALF_AN_EMOJI])
def test_labels_and_picklist_values_are_made_storable(salesforce, here, ending, time, bad):
    salesforce.field("Tier__c", "Picklist", label="Tier", values=["Gold"])
    lead = salesforce.lead(Tier__c="Gold")
    changes = [
        {"path": "fields[*].label", "value": f"La{bad}bel"},
        {"path": "fields[*].picklistValues", "value": [{"value": f"A{bad}", "label": f"B{bad}", "active": True}]},
    ]
    time.pass_(7_200)
    salesforce.fault("/sobjects/Lead/describe", "change", changes=changes, times=None)
    assert [ending(), ending()] == ["completed", "completed"]
    assert here.person(lead).custom["Tier__c"] == "Gold"
    assert FieldMapping.objects.filter(label="La\ufffdbel").exists()


def test_what_an_update_left_there_and_can_not_be_stored_is_one_persons_error(
    salesforce, here, poison, quiet, ending, time
):
    """An automation there answers a new city with a title."""
    leads = salesforce.leads(5)
    quiet()
    for lead in leads:
        here.edit(here.person(lead), city="Bern", title="Head")
    at_fault = here.person(leads[2])
    changes = [{"path": "records[2].Title", "value": "Poison"}]
    salesforce.fault("/query?q=SELECT%20Id%2C%20SystemModstamp%2C%20City", "change", changes=changes, nth=2)
    assert ending() == "completed"
    given(salesforce.faults_struck(), "the reading after the update was changed")
    assert here.waits(at_fault) == "failed"
    assert [here.waits(here.person(lead)) for lead in leads if lead != leads[2]] == [""] * 4
    time.pass_(86_400)
    quiet()
    assert here.waits(at_fault) == ""
    assert salesforce.read(leads[2])["Title"] == "Head"


def test_a_lead_that_is_made_and_can_not_be_stored_is_not_made_twice(
    salesforce, here, poison, sync_person, ending, quiet
):
    ending()
    kim, ann = here.add(last_name="Kim", city="Bern"), here.add(last_name="Ann", city="Bern")
    changes = [{"path": "records[0].Title", "value": "Poison"}]
    salesforce.fault("/queryAll?q=SELECT%20Id", "change", changes=changes, times=None)
    told = sync_person(kim, ann)
    given(salesforce.faults_struck(), "the reading after the create was changed")
    assert sorted(one.result for one in told) == ["Created", "Failed"]
    assert salesforce.count("Lead") == 2
    salesforce.calm()
    quiet()
    assert salesforce.count("Lead") == 2
    assert {here.again(person).sfdc_type for person in (kim, ann)} == {"Lead"}
