"""docs/behaviour.md 5: merge and conflict. *Base* is what both sides last agreed on."""

from __future__ import annotations

import pytest
from django.db import connection
from django.urls import reverse

from syncer.models import Conflict, FieldMapping, Person, SalesforceRecord
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import Result
from tests.admin.pages import form_data, words
from tests.scenarios.sides import meanwhile
from tests.simulation.fields import FIELDS

pytestmark = pytest.mark.django_db

KIM = "kim@example.com"


def base_of(person: Person, field: str):
    return SalesforceRecord.objects.get(person=person).base.get(field)


# -- the three values -------------------------------------------------------------------------------------------------


def test_5_here_equals_there_so_the_base_becomes_that_value(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    salesforce.edit(lead, Title="Head Buyer")
    here.edit(kim, title="Head Buyer")
    run = cycle()
    assert base_of(kim, "title") == "Head Buyer"
    assert (run.conflict_count, run.counters["sent"]["updated"]) == (0, 0)


def test_5_only_here_changed_is_pushed(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer")
    cycle()
    assert salesforce.read(lead)["Title"] == here.again(kim).title == base_of(kim, "title") == "Head Buyer"
    [entry] = here.log(kim, "Sync Person Updates to SFDC")
    assert entry.detail["changes"] == {"title": ["Buyer", "Head Buyer"]}


def test_5_only_there_changed_is_pulled(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    salesforce.edit(lead, Title="Head Buyer")
    cycle()
    assert salesforce.read(lead)["Title"] == here.again(kim).title == base_of(kim, "title") == "Head Buyer"
    [entry] = here.log(kim, "Change Data Value")
    assert (entry.field, entry.detail["old"], entry.detail["new"]) == ("title", "Buyer", "Head Buyer")


def test_5_both_changed_marketo_wins_and_the_losing_value_is_logged_with_its_field(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    salesforce.edit(lead, Title="Theirs")
    here.edit(kim, title="Ours")
    cycle()
    assert salesforce.read(lead)["Title"] == here.again(kim).title == "Ours"
    [entry] = here.log(kim, "Conflict")
    assert (entry.field, entry.detail["lost"], entry.detail["winner"]) == ("title", "Theirs", "marketo")


@pytest.mark.parametrize("sobject", ["lead", "contact"])
def test_5_the_winner_is_a_setting_per_object(salesforce, sync_user, here, cycle, sobject):
    setattr(sync_user, f"{sobject}_winner", "salesforce")
    sync_user.save()
    records = [salesforce.lead(Title="Buyer"), salesforce.contact(Title="Buyer")]
    cycle()
    for record in records:
        salesforce.edit(record, Title="Theirs")
        here.edit(here.person(record), title="Ours")
    cycle()
    won = {"lead": ["Theirs", "Ours"], "contact": ["Ours", "Theirs"]}[sobject]
    assert [salesforce.read(record)["Title"] for record in records] == won
    assert [here.person(record).title for record in records] == won


def test_5_and_per_field(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer", Phone="1")
    FieldMapping.objects.filter(salesforce_field="Phone").update(winner="salesforce")
    salesforce.edit(lead, Title="Theirs", Phone="2")
    here.edit(kim, title="Ours", phone="3")
    cycle()
    assert (here.again(kim).title, here.again(kim).phone) == ("Ours", "2")
    assert (salesforce.read(lead)["Title"], salesforce.read(lead)["Phone"]) == ("Ours", "2")
    assert {entry.field: entry.detail["lost"] for entry in here.log(kim, "Conflict")} == {
        "title": "Theirs",
        "phone": "3",
    }


@pytest.mark.parametrize("last", ["here", "there"])
def test_5_there_is_no_newest(salesforce, here, in_sync, cycle, time, last):
    lead, kim = in_sync(Title="Buyer")
    edits = {"here": lambda: here.edit(kim, title="Ours"), "there": lambda: salesforce.edit(lead, Title="Theirs")}
    for side in sorted(edits, key=lambda side: side == last):
        time.pass_(60)
        edits[side]()
    cycle()
    assert salesforce.read(lead)["Title"] == here.again(kim).title == "Ours"


# -- no base yet ------------------------------------------------------------------------------------------------------


def test_5_without_a_base_equal_values_agree(salesforce, here, cycle):
    kim = here.add(email=KIM, title="Buyer")
    salesforce.lead(Email=KIM, Title="Buyer")
    assert cycle().conflict_count == 0
    assert base_of(kim, "title") == "Buyer"


def test_5_without_a_base_an_empty_side_takes_the_others_value(salesforce, here, cycle):
    kim = here.add(email=KIM, title="Buyer")
    lead = salesforce.lead(Email=KIM, Phone="1")
    cycle()
    assert (here.again(kim).phone, salesforce.read(lead)["Title"]) == ("1", "Buyer")


def test_5_without_a_base_salesforces_value_stays_and_ours_is_logged(salesforce, here, cycle):
    kim = here.add(email=KIM, title="Ours")
    lead = salesforce.lead(Email=KIM, Title="Theirs")
    cycle()
    assert here.again(kim).title == salesforce.read(lead)["Title"] == "Theirs"
    assert here.log(kim, "Conflict")[0].detail["lost"] == "Ours"


def test_5_and_can_be_restored(salesforce, here, cycle, eva):
    kim = here.add(email=KIM, title="Ours")
    lead = salesforce.lead(Email=KIM, Title="Theirs")
    cycle()
    eva.post(reverse("admin:syncer_conflict_restore", args=[Conflict.objects.get().pk]))
    cycle()
    assert here.again(kim).title == salesforce.read(lead)["Title"] == "Ours"


def test_5_a_boolean_or_number_that_nobody_ever_set_here_is_empty(salesforce, here, cycle):
    kim = here.add(email=KIM)
    lead = salesforce.lead(Email=KIM, DoNotCall=True, NumberOfEmployees=7, Lead_Score__c=3)
    cycle()
    kim, there = here.again(kim), salesforce.read(lead)
    assert (kim.do_not_call, kim.number_of_employees, kim.person_score) == (True, 7, 3)
    assert (there["DoNotCall"], there["NumberOfEmployees"], there["Lead_Score__c"]) == (True, 7, 3)


# -- another record ---------------------------------------------------------------------------------------------------


def test_5_after_a_conversion_nothing_is_blanked_because_the_contact_lacks_it(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer", Phone="1", Email=KIM)
    contact = salesforce.convert(lead)
    salesforce.edit(contact, Title="", Phone="")
    cycle()
    kim = here.again(kim)
    assert (kim.sfdc_id, kim.title, kim.phone, kim.email) == (contact, "Buyer", "1", KIM)


def test_5_and_old_values_that_nobody_edited_are_not_sent_over_the_contacts(salesforce, here, cycle):
    contact, lead = salesforce.contact(Title="Director"), salesforce.lead(Title="Buyer")
    cycle()
    here.person(contact).delete()
    salesforce.convert(lead, contact=contact)
    cycle()
    assert salesforce.read(contact)["Title"] == here.person(contact).title == "Director"


def test_5_nor_after_a_link_to_another_record(salesforce, here, in_sync, cycle, sync_person):
    lead, kim = in_sync(Title="Buyer", Phone="1", Email=KIM)
    salesforce.delete(lead)
    cycle()
    survivor = salesforce.lead(Title="Director", Email=KIM)
    sync_person(kim, options=SyncOptions(link_to=survivor))
    kim, there = here.again(kim), salesforce.read(survivor)
    assert kim.sfdc_id == survivor
    assert (kim.title, kim.phone) == (there["Title"], there["Phone"]) == ("Director", "1")


def test_5_fields_that_the_new_object_does_not_have_keep_their_value_here(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Website="acme.example", Industry="Energy")
    salesforce.convert(lead)
    cycle()
    kim = here.again(kim)
    assert (kim.sfdc_type, kim.website, kim.industry) == ("Contact", "acme.example", "Energy")


# -- the decision -----------------------------------------------------------------------------------------------------


def test_5_the_decision_is_by_value_never_by_who_changed_the_record_last(salesforce, here, in_sync, cycle):
    """A flow runs as the sync user."""
    lead, kim = in_sync(Title="Buyer")
    salesforce.as_the_sync_user().Lead.update(lead, {"Title": "By a flow"}, headers={"Sforce-Auto-Assign": "FALSE"})
    cycle()
    assert here.again(kim).title == "By a flow"


@pytest.mark.parametrize(
    ("blocked", "ends"), [({"direction": "receive", "winner": "marketo"}, "Theirs"), ({"keep_filled": True}, "Ours")]
)
def test_5_the_winner_is_decided_after_directions_and_update_blocks(
    salesforce, sync_user, here, in_sync, cycle, blocked, ends
):
    sync_user.lead_winner = "salesforce"
    sync_user.save()
    lead, kim = in_sync(Title="Buyer")
    FieldMapping.objects.filter(salesforce_field="Title").update(**blocked)
    salesforce.edit(lead, Title="Theirs")
    here.edit(kim, title="Ours", phone="1")
    cycle()
    assert salesforce.read(lead)["Title"] == here.again(kim).title == ends
    assert (salesforce.read(lead)["Phone"], here.waits(kim)) == ("1", "")


def test_5_only_the_contested_field_is_overridden_the_rest_of_the_record_moves_on(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer", Phone="1", City="Ghent")
    salesforce.edit(lead, Title="Theirs", Phone="2")
    here.edit(kim, title="Ours", city="Bruges")
    cycle()
    kim, there = here.again(kim), salesforce.read(lead)
    assert (
        (kim.title, kim.phone, kim.city) == (there["Title"], there["Phone"], there["City"]) == ("Ours", "2", "Bruges")
    )


def test_5_only_changed_fields_are_pushed(salesforce, here, in_sync, cycle):
    """A salesperson edits another field after the cycle has read, and before it sends."""
    lead, kim = in_sync(Title="Buyer", Phone="1")
    here.edit(kim, title="Head Buyer")
    with meanwhile("Receiving Contacts", lambda: salesforce.edit(lead, Phone="2")):
        cycle()
    assert (salesforce.read(lead)["Title"], salesforce.read(lead)["Phone"]) == ("Head Buyer", "2")
    cycle()
    assert here.again(kim).phone == "2"


def test_5_a_persons_page_shows_base_here_and_there_side_by_side_with_the_decision(salesforce, here, in_sync, eva):
    lead, kim = in_sync(Title="Buyer", Phone="1")
    here.edit(kim, title="Ours")
    salesforce.edit(lead, Title="Theirs", Phone="2")
    page = words(eva.get(reverse("admin:syncer_person_change", args=[kim.pk]), {"compare": "1"}))
    assert "Title Buyer Ours Theirs Send “Ours” Both changed: this database wins." in page
    assert "Phone 1 1 2 Receive “2” Only changed in Salesforce." in page


# -- what must always hold --------------------------------------------------------------------------------------------


def test_5_always_1_after_two_quiet_cycles_every_pair_agrees_and_base_equals_both(salesforce, here, cycle):
    leads = [salesforce.lead(LastName=f"Ode {n}", Title="Buyer", Phone="1") for n in range(4)]
    contact = salesforce.contact(Title="Buyer")
    cycle()
    persons = [here.person(record) for record in (*leads, contact)]
    for n, person in enumerate(persons):
        here.edit(person, title=f"Here {n}", street=f"Kouter {n}\r\nGent", Budget__c=f"{n}.5")
        salesforce.edit(person.sfdc_id, Phone=f"{n}", Title=f"There {n}", Interests__c="Security;Events")
    salesforce.convert(leads[0])
    cycle()
    cycle()
    for person in map(here.again, persons):
        there, base = salesforce.read(person.sfdc_id), SalesforceRecord.objects.get(person=person).base
        for field in FIELDS:
            if field.there(person.sfdc_id) and (person.sfdc_type == "Lead" or field.contact):
                assert field.of_person(vars(person)) == field.of_record(there), field.name
                assert field.canonical(base.get(field.name)) == field.of_record(there), field.name


def test_5_always_2_a_field_edited_on_one_side_only_is_never_overwritten_by_the_other(
    salesforce, here, in_sync, cycle, eva
):
    """A form is opened before the pull and saved after it, with another field edited."""
    lead, kim = in_sync(Title="Buyer", Phone="1")
    url = reverse("admin:syncer_person_change", args=[kim.pk])
    form = form_data(eva.get(url))
    salesforce.edit(lead, Title="Theirs")
    cycle()
    eva.post(url, form | {"phone": "2"})
    cycle()
    assert salesforce.read(lead)["Title"] == here.again(kim).title == "Theirs"
    assert salesforce.read(lead)["Phone"] == "2"


@pytest.mark.parametrize("winner", ["marketo", "salesforce"])
def test_5_always_3_a_field_edited_on_both_sides_ends_with_the_winners_value_and_the_losers_is_in_the_log(
    salesforce, sync_user, here, in_sync, cycle, winner
):
    """Also when the salesperson's edit comes between the cycle's reading and its sending."""
    sync_user.lead_winner = winner
    sync_user.save()
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Ours")
    with meanwhile("Receiving Contacts", lambda: salesforce.edit(lead, Title="Theirs")):
        cycle()
    cycle()
    won, lost = ("Ours", "Theirs") if winner == "marketo" else ("Theirs", "Ours")
    assert salesforce.read(lead)["Title"] == here.again(kim).title == won
    assert [entry.detail["lost"] for entry in here.log(kim, "Conflict")] == [lost]


def test_5_always_4_a_successful_sync_person_makes_at_most_one_lead(salesforce, here, cycle, sync_person):
    kim = here.add(email=KIM)
    salesforce.fault("/composite/sobjects", "drop_after", nth=1, times=3)
    results: list[Result] = []
    while Result.CREATED not in results and len(results) < 5:
        results.append(sync_person(kim).result)
        cycle()
    assert (salesforce.count(), Person.objects.count()) == (1, 1)


def by_save(kim: Person) -> None:
    kim.title = "Edited"
    kim.save()


def by_update(kim: Person) -> None:
    Person.objects.filter(pk=kim.pk).update(title="Edited")


def by_bulk_update(kim: Person) -> None:
    kim.title = "Edited"
    Person.objects.bulk_update([kim], ["title"])


def by_bulk_create(kim: Person) -> None:
    kim.title = "Edited"
    Person.objects.bulk_create([kim], update_conflicts=True, unique_fields=["id"], update_fields=["title"])


def by_raw_sql(kim: Person) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE syncer_person SET title = 'Edited' WHERE id = %s", [kim.pk])


@pytest.mark.parametrize(
    ("phase", "edit"),
    [
        *(("Receiving Contacts", edit) for edit in (by_save, by_update, by_bulk_update, by_bulk_create, by_raw_sql)),
        *((phase, by_update) for phase in ("Reading changes", "Receiving Leads", "Finishing")),
    ],
)
def test_5_always_5_an_edit_made_here_while_a_cycle_runs_is_in_this_cycle_or_the_next(
    salesforce, here, in_sync, cycle, edit, phase
):
    lead, kim = in_sync(Title="Buyer")
    salesforce.edit(lead, Phone="1")
    with meanwhile(phase, lambda: edit(here.again(kim))):
        cycle()
    cycle()
    assert (salesforce.read(lead)["Title"], here.again(kim).phone) == ("Edited", "1")


def test_5_always_5_and_by_the_form(salesforce, here, in_sync, cycle, eva):
    lead, kim = in_sync(Title="Buyer")
    url = reverse("admin:syncer_person_change", args=[kim.pk])
    with meanwhile("Receiving Contacts", lambda: eva.post(url, form_data(eva.get(url)) | {"title": "Edited"})):
        cycle()
    cycle()
    assert salesforce.read(lead)["Title"] == "Edited"


@pytest.mark.parametrize("phase", ["Reading changes", "Receiving Leads", "Receiving Contacts", "Sending", "Finishing"])
def test_5_always_5_an_edit_made_there_while_a_cycle_runs_is_in_this_cycle_or_the_next(
    salesforce, here, in_sync, cycle, phase
):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, phone="1")
    with meanwhile(phase, lambda: salesforce.edit(lead, Title="Edited")):
        cycle()
    cycle()
    assert (here.again(kim).title, salesforce.read(lead)["Phone"]) == ("Edited", "1")


@pytest.mark.parametrize("phase", ["Reading changes", "Receiving Leads", "Receiving Contacts", "Sending", "Finishing"])
def test_5_always_6_a_cycle_ended_anywhere_and_started_again_ends_where_it_would_have_ended_undisturbed(
    salesforce, here, in_sync, cycle, phase
):
    lead, kim = in_sync(Title="Buyer", Phone="1")
    here.edit(kim, title="Head Buyer")
    salesforce.edit(lead, Phone="2")
    new = salesforce.lead(LastName="New")

    def end() -> None:
        raise KeyboardInterrupt

    with meanwhile(phase, end), pytest.raises(KeyboardInterrupt):
        cycle()
    cycle()
    assert (here.again(kim).phone, salesforce.read(lead)["Title"]) == ("2", "Head Buyer")
    assert (here.person(new).last_name, Person.objects.count(), salesforce.count()) == ("New", 2, 2)


def test_5_always_7_one_records_failure_never_stops_another_and_is_in_that_persons_log(salesforce, here, cycle):
    leads = [salesforce.lead(LastName=name) for name in ("Good", "Bad", "Good too")]
    cycle()
    salesforce.rule("No Holand", "Country = 'Holand'", "Spelt wrong.")
    for lead, country in zip(leads, ("Belgium", "Holand", "France"), strict=True):
        here.edit(here.person(lead), country=country)
    run = cycle()
    assert run.counters["sent"] | {"unchanged": 0} == {"created": 0, "updated": 2, "unchanged": 0, "failed": 1}
    assert [salesforce.read(lead)["Country"] for lead in leads] == ["Belgium", None, "France"]
    assert [len(here.log(here.person(lead), "Sync failed")) for lead in leads] == [0, 1, 0]
