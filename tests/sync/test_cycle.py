"""The cycle, end to end with a sandbox organisation in process."""

from __future__ import annotations

import pytest
from django.db import connection

from syncer.models import Conflict, PendingChange, Person, SalesforceRecord

pytestmark = pytest.mark.django_db


def test_every_lead_and_contact_becomes_a_person(sandbox, cycle):
    lead = sandbox.lead(FirstName="Kim", Email="kim@example.com")
    contact = sandbox.contact(FirstName="Alex", Email="alex@example.com", MailingCity="Ghent")
    run = cycle()
    assert run.status == "completed"
    assert run.counters["received"]["created"] == 2
    kim, alex = Person.objects.get(sfdc_id=lead), Person.objects.get(sfdc_id=contact)
    assert (kim.sfdc_type, kim.first_name, kim.company) == ("Lead", "Kim", "Acme")
    assert kim.lead_status == "Open - Not Contacted"
    assert (alex.sfdc_type, alex.city) == ("Contact", "Ghent")
    assert kim.unsubscribed is False


def test_a_change_there_arrives_and_is_logged(sandbox, cycle, log):
    lead = sandbox.lead(Title="Buyer")
    cycle()
    sandbox.edit(lead, Title="Head Buyer", Budget__c=1000)
    run = cycle()
    person = Person.objects.get(sfdc_id=lead)
    assert (person.title, person.custom["Budget__c"]) == ("Head Buyer", "1000.00")
    [title] = [e for e in log(person, "Change Data Value") if e.field == "title"]
    assert (title.detail["old"], title.detail["new"], title.detail["source"]) == ("Buyer", "Head Buyer", "Salesforce")
    assert run.counters["received"]["updated"] == 1


def by_save(person):
    person.title = "Head Buyer"
    person.save()


def by_update(person):
    Person.objects.filter(pk=person.pk).update(title="Head Buyer")


def by_bulk_update(person):
    person.title = "Head Buyer"
    Person.objects.bulk_update([person], ["title"])


def by_raw_sql(person):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE syncer_person SET title = 'Head Buyer' WHERE id = %s", [person.pk])


@pytest.mark.parametrize("edit", [by_save, by_update, by_bulk_update, by_raw_sql])
def test_an_edit_here_by_any_path_reaches_salesforce(sandbox, cycle, log, edit):
    lead = sandbox.lead(Title="Buyer")
    cycle()
    person = Person.objects.get(sfdc_id=lead)
    edit(person)
    run = cycle()
    assert sandbox.read(lead)["Title"] == "Head Buyer"
    assert run.counters["sent"]["updated"] == 1
    assert not PendingChange.objects.exists()
    assert log(person, "Sync Person Updates to SFDC")


def test_an_edit_in_the_first_millisecond_of_a_second_is_sent_too(sandbox, cycle):
    """SQLite's clock writes it as "09:00:00.000", which is behind Django's "09:00:00" when compared as text."""
    lead = sandbox.lead(Title="Buyer")
    cycle()
    Person.objects.update(title="Head Buyer")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE syncer_pendingchange SET since = '2026-03-02 09:00:00.000'")
    cycle()
    assert sandbox.read(lead)["Title"] == "Head Buyer"


def test_edits_of_different_fields_on_both_sides_both_arrive(sandbox, cycle):
    lead = sandbox.lead(Title="Buyer", Phone="1")
    cycle()
    sandbox.edit(lead, Phone="2")
    Person.objects.update(title="Head Buyer")
    run = cycle()
    person = Person.objects.get()
    there = sandbox.read(lead)
    assert (person.title, person.phone) == (there["Title"], there["Phone"]) == ("Head Buyer", "2")
    assert run.conflict_count == 0


def test_when_both_sides_changed_a_field_marketo_wins_and_the_lost_value_is_logged(sandbox, cycle, log):
    lead = sandbox.lead(Title="Buyer")
    cycle()
    sandbox.edit(lead, Title="Theirs")
    Person.objects.update(title="Ours")
    run = cycle()
    person = Person.objects.get()
    assert person.title == sandbox.read(lead)["Title"] == "Ours"
    [entry] = log(person, "Conflict")
    assert (entry.field, entry.detail["lost"], entry.detail["winner"]) == ("title", "Theirs", "marketo")
    assert Conflict.objects.get().there == "Theirs"
    assert run.conflict_count == 1


def test_when_salesforce_wins_its_value_comes_here(sandbox, cycle, sync_user):
    sync_user.lead_winner = "salesforce"
    sync_user.save()
    lead = sandbox.lead(Title="Buyer")
    cycle()
    sandbox.edit(lead, Title="Theirs")
    Person.objects.update(title="Ours")
    cycle()
    assert Person.objects.get().title == sandbox.read(lead)["Title"] == "Theirs"
    assert Conflict.objects.get().here == "Ours"


def test_a_second_cycle_writes_nothing_and_costs_one_call(sandbox, cycle):
    for n in range(5):
        sandbox.lead(LastName=f"Ode {n}")
    cycle()
    Person.objects.filter(last_name="Ode 1").update(title="Buyer")
    cycle()
    sandbox.clear_requests()
    before = list(SalesforceRecord.objects.order_by("pk").values())
    persons = list(Person.objects.order_by("pk").values())
    run = cycle()
    assert sandbox.api_calls == run.api_calls == 1
    assert run.counters["sent"] == {"created": 0, "updated": 0, "unchanged": 0, "failed": 0}
    assert list(SalesforceRecord.objects.order_by("pk").values()) == before
    assert list(Person.objects.order_by("pk").values()) == persons


def test_what_salesforce_normalises_is_accepted_and_never_sent_again(sandbox, cycle):
    lead = sandbox.lead()
    cycle()
    Person.objects.update(title="  Buyer  ", city="")
    cycle()
    assert sandbox.read(lead)["Title"] == "Buyer"
    sandbox.clear_requests()
    run = cycle()
    assert run.counters["sent"]["updated"] == 0


def test_a_lead_that_breaks_a_validation_rule_stops_no_other(sandbox, cycle, log):
    good, bad = sandbox.lead(LastName="Good"), sandbox.lead(LastName="Bad")
    cycle()
    sandbox.rule("No Holand", "Country = 'Holand'", "Country is spelt wrong.", field="Country")
    Person.objects.filter(sfdc_id=bad).update(country="Holand")
    Person.objects.filter(sfdc_id=good).update(country="Belgium")
    run = cycle()
    assert run.status == "completed"
    assert run.counters["sent"]["updated"] == 1
    assert run.counters["sent"]["failed"] == 1
    assert sandbox.read(good)["Country"] == "Belgium"
    person = Person.objects.get(sfdc_id=bad)
    [entry] = log(person, "Sync failed")
    assert entry.code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert "Country is spelt wrong." in entry.summary
    assert entry.detail["values"] == {"Country": "Holand"}
    assert entry.detail["errors"][0]["fields"] == ["Country"]
    pending = PendingChange.objects.get(person=person)
    assert (pending.state, pending.error_code) == ("failed", "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    # It is not hammered, and receiving goes on; a correction is sent.
    sandbox.clear_requests()
    sandbox.edit(bad, Title="Buyer")
    cycle()
    assert Person.objects.get(sfdc_id=bad).title == "Buyer"
    Person.objects.filter(sfdc_id=bad).update(country="Netherlands")
    cycle()
    assert sandbox.read(bad)["Country"] == "Netherlands"
    assert not PendingChange.objects.exists()


def test_a_deleted_lead_stays_as_a_person_and_is_not_synced_until_it_is_back(sandbox, cycle, log):
    lead = sandbox.lead()
    cycle()
    sandbox.sales.Lead.delete(lead)
    cycle()
    person = Person.objects.get()
    assert person.sfdc_is_deleted
    assert log(person, "Deleted in SFDC")
    Person.objects.update(title="Buyer")
    assert cycle().counters["sent"]["updated"] == 0
    sandbox.control("POST", "undelete", id=lead)
    cycle()
    assert not Person.objects.get().sfdc_is_deleted
    [back] = log(person, "Undeleted in SFDC")
    assert back.detail == {"id": lead, "object": "Lead"}
    assert sandbox.read(lead)["Title"] == "Buyer"


def test_a_person_deleted_here_comes_back_only_when_the_record_changes(sandbox, cycle):
    lead = sandbox.lead()
    cycle()
    Person.objects.all().delete()
    cycle()
    assert not Person.objects.exists()
    sandbox.edit(lead, Title="Buyer")
    cycle()
    assert Person.objects.get().title == "Buyer"


def test_two_thousand_and_more_records_are_read_page_by_page(sandbox, cycle):
    sandbox.control("POST", "reset", leads=2500, contacts=0, seed=1)
    run = cycle()
    assert run.counters["received"]["created"] == 2500
    assert Person.objects.count() == 2500
    assert cycle().counters["received"]["updated"] == 0


def test_what_short_pages_hide_before_an_update_is_read_with_fewer_records_at_a_time(sandbox, cycle):
    """Salesforce answers fewer than 2,000 rows where records are wide, but no fewer than 200."""
    sandbox.control("POST", "reset", leads=450, contacts=0, seed=1)
    cycle()
    sandbox.control("POST", "limits", page=200)
    sandbox.clear_requests()
    Person.objects.update(title="Buyer", custom={"Notes__c": "n"}, description="d")
    cycle()
    updates = sum(n for name, n in sandbox.writes().items() if "composite" in name)
    assert updates == 1 + 3  # the cycle's read; two long texts: 200 records a call
    Person.objects.update(title="Chef")
    leads = list(Person.objects.order_by("pk").values_list("sfdc_id", flat=True))
    cycle()
    assert {sandbox.read(lead)["Title"] for lead in (leads[0], leads[-1])} == {"Chef"}
    assert not PendingChange.objects.exists()
    assert cycle().counters["sent"]["updated"] == 0
