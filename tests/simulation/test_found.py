"""What the simulation found, each reduced to the smallest history that shows it."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

import pytest
from django.db import connection

from syncer.models import (
    ActivityLogEntry,
    ActivityType,
    Claim,
    Conflict,
    CreateIntent,
    PendingChange,
    Person,
    SalesforceRecord,
)
from syncer.sync.errors import CannotSync
from syncer.sync.options import SyncOptions
from syncer.sync.store import claims
from syncer.sync.upkeep.check_data import check

pytestmark = pytest.mark.django_db


def hide_external_id(sandbox):
    sandbox.control("POST", "access", username="sync@example.com", object="Lead", field="Person_Id__c", access="hidden")


def answer_lost(sandbox, sync_person, person):
    """*Sync Person to SFDC* makes a lead, and nobody here gets to know it."""
    sandbox.fault("/composite/sobjects", "drop_after", times=1)
    sandbox.fault("/query/", "status", status=503, times=500)  # nor can it be looked up
    with contextlib.suppress(CannotSync):
        sync_person(person)
    sandbox.control("DELETE", "faults")


def after_answer(sandbox, part, then):
    """Calls ``then`` once, when the answer to a request with this part has come and nothing is done with it yet."""
    plain = sandbox.open_session

    def open_session(login_url):
        session = plain(login_url)
        session.hooks["response"].append(answered)
        return session

    def answered(response, **_):
        if part in (response.request.body or b""):
            sandbox.open_session = plain
            then()

    sandbox.open_session = open_session


def leads(sandbox):
    rows = sandbox.sales.query("SELECT Id FROM Lead WHERE IsConverted = false")["records"]
    return [row["Id"] for row in rows]


def test_a_person_synced_before_the_first_cycle_is_linked_with_the_organisation(sandbox, sync_person, cycle, sync_user):
    sandbox.lead(LastName="There")
    kim = Person.objects.create(last_name="Here", company="Acme")
    assert sync_person(kim).ok
    cycle()
    assert SalesforceRecord.objects.get(person=kim).organisation.startswith("00D")
    assert Person.objects.filter(last_name="There").count() == 1


def test_a_ticked_box_is_not_lost_when_a_lead_is_converted_to_a_new_contact(sandbox, cycle):
    lead = sandbox.lead(Newsletter__c=True)
    cycle()
    contact = sandbox.convert(lead)  # custom fields are not copied: unticked there, by nobody
    cycle()
    assert Person.objects.get().custom["Newsletter__c"] is True
    assert sandbox.read(contact)["Newsletter__c"] is True


def test_a_value_entered_there_before_the_conversion_and_not_received_yet_is_not_lost(sandbox, cycle):
    lead = sandbox.lead(Website="old.example", Notes__c="old")
    cycle()
    sandbox.edit(lead, Website="new.example", Notes__c="new")
    contact = sandbox.convert(lead)
    cycle()
    person = Person.objects.get()
    assert (person.website, person.custom["Notes__c"]) == ("new.example", "new")
    assert sandbox.read(contact)["Notes__c"] == "new"  # at present the value before the last one is sent


def test_a_create_whose_process_died_is_taken_up_by_the_next_cycle(sandbox, cycle, time):
    """All that the dead process leaves is the intent, and a claim that has run out."""
    cycle()
    kim = Person.objects.create(last_name="Here", company="Acme")
    CreateIntent.objects.create(person=kim, asked_at=time.now, values_sent={"last_name": "Here", "company": "Acme"})
    time.pass_(3600)
    cycle()
    assert sandbox.count("Lead") == 1
    assert not CreateIntent.objects.exists()


def test_a_save_of_the_same_second_that_is_seen_late_is_received(sandbox, cycle):
    lead = sandbox.lead(Title="Buyer")
    sandbox.fault("/sobjects/", "late_commit", seconds=90)
    sandbox.sales.Lead.update(lead, {"Title": "Head Buyer"})
    cycle()
    cycle()
    cycle()
    assert sandbox.read(lead)["Title"] == "Head Buyer"
    assert Person.objects.get().title == "Head Buyer"


def test_a_value_held_at_first_contact_is_sent_once_the_field_may_be_written(sandbox, cycle, sync_person):
    access = {"username": "sync@example.com", "object": "Lead", "field": "Fax"}
    sandbox.control("POST", "access", **access, access="read")
    cycle()
    kim = Person.objects.create(last_name="Here", company="Acme", fax="1")
    sync_person(kim)
    sandbox.control("POST", "access", **access, access="edit")
    cycle()
    sync_person(kim)
    kim.refresh_from_db()
    assert sandbox.read(kim.sfdc_id)["Fax"] == "1"


@pytest.mark.parametrize("external_id", [True, False])
def test_an_edit_here_between_a_create_whose_answer_was_lost_and_its_link_stands(
    sandbox, cycle, sync_person, external_id
):
    if not external_id:
        hide_external_id(sandbox)
    cycle()
    kim = Person.objects.create(last_name="Here", company="Acme", title="Buyer")
    answer_lost(sandbox, sync_person, kim)
    Person.objects.update(title="Head Buyer")  # nobody edited it in Salesforce, where it is "Buyer"
    cycle()
    cycle()
    kim.refresh_from_db()
    assert (kim.sfdc_type, kim.title) == ("Lead", "Head Buyer")
    assert sandbox.read(kim.sfdc_id)["Title"] == "Head Buyer"


def test_two_leads_converted_to_one_contact_that_nobody_here_knew_become_one_person(sandbox, cycle):
    one, two = sandbox.lead(LastName="One"), sandbox.lead(LastName="Two")
    cycle()
    contact = sandbox.contact(LastName="Both")
    sandbox.convert(one, contact=contact)
    sandbox.convert(two, contact=contact)
    cycle()
    assert Person.objects.get().sfdc_id == contact


def test_a_field_hidden_before_the_first_read_is_filled_in_when_it_is_seen_again(sandbox, cycle, sync_person):
    access = {"username": "sync@example.com", "object": "Lead", "field": "City"}
    sandbox.lead(City="Ghent")
    sync_person(Person.objects.create(last_name="Here", company="Acme"))  # the fields are known; nothing is read yet
    sandbox.control("POST", "access", **access, access="hidden")
    cycle()
    sandbox.time.pass_(3600)  # the overlap of reads is over
    cycle()
    sandbox.control("POST", "access", **access, access="edit")
    cycle()
    assert Person.objects.get(last_name="Ode").city == "Ghent"


def test_nothing_waits_for_a_person_deleted_in_salesforce_that_was_edited_while_a_worker_held_it(sandbox, cycle):
    lead = sandbox.lead()
    cycle()
    sandbox.sales.Lead.delete(lead)
    cycle()
    kim = Person.objects.get()
    claims.take([kim.pk], "a worker")
    Person.objects.update(title="Buyer")
    claims.let_go("a worker")
    assert not PendingChange.objects.exists()


def test_a_field_emptied_here_after_a_create_whose_answer_was_lost_stays_empty(sandbox, cycle, sync_person, sync_user):
    sync_user.default_company = "Unknown"
    sync_user.save()
    cycle()
    kim = Person.objects.create(last_name="Here", title="Buyer")
    answer_lost(sandbox, sync_person, kim)
    Person.objects.update(title="")
    cycle()
    kim.refresh_from_db()
    assert (kim.sfdc_type, kim.title, kim.company) == ("Lead", "", "Unknown")
    assert (sandbox.read(kim.sfdc_id)["Title"], sandbox.read(kim.sfdc_id)["Company"]) == (None, "Unknown")


@pytest.mark.parametrize("first_cycle", [True, False])
@pytest.mark.parametrize("external_id", [True, False])
def test_a_lead_converted_before_the_answer_to_its_create_was_known_is_not_made_twice(
    sandbox, cycle, sync_person, external_id, first_cycle
):
    if not external_id:
        hide_external_id(sandbox)
    sync_person() if first_cycle else cycle()  # the fields are known
    kim = Person.objects.create(last_name="Here", company="Acme", title="Buyer")
    answer_lost(sandbox, sync_person, kim)
    [lead] = leads(sandbox)
    contact = sandbox.convert(lead)
    Person.objects.update(title="Head Buyer")
    cycle()
    cycle()
    kim.refresh_from_db()
    assert (kim.sfdc_type, kim.sfdc_id, kim.title) == ("Contact", contact, "Head Buyer")
    assert Person.objects.count() == sandbox.count("Lead") == 1
    assert sandbox.read(contact)["Title"] == "Head Buyer"


@pytest.mark.parametrize("external_id", [True, False])
def test_a_lead_deleted_before_the_answer_to_its_create_was_known_is_not_made_again(
    sandbox, cycle, sync_person, external_id
):
    if not external_id:
        hide_external_id(sandbox)
    cycle()
    kim = Person.objects.create(last_name="Here", company="Acme")
    answer_lost(sandbox, sync_person, kim)
    [lead] = leads(sandbox)
    sandbox.sales.Lead.delete(lead)
    cycle()
    kim.refresh_from_db()
    assert (kim.sfdc_id, kim.sfdc_is_deleted) == (lead, True)
    assert not leads(sandbox)


@pytest.mark.parametrize("external_id", [True, False])
@pytest.mark.parametrize("what", ["converted", "deleted"])
def test_a_person_synced_again_follows_the_lead_that_was_made_for_it(sandbox, cycle, sync_person, external_id, what):
    if not external_id:
        hide_external_id(sandbox)
    cycle()
    kim = Person.objects.create(last_name="Here", email="here@example.com", company="Acme")
    answer_lost(sandbox, sync_person, kim)
    [lead] = leads(sandbox)
    if what == "converted":
        contact = sandbox.convert(lead)
        assert sync_person(kim).sfdc_id == contact
    else:
        sandbox.sales.Lead.delete(lead)
        assert sync_person(kim).code == "DELETED_IN_SFDC"
    assert not leads(sandbox)
    assert not CreateIntent.objects.exists()
    assert not PendingChange.objects.exists()


def test_a_lead_made_anew_is_not_taken_for_the_deleted_one(sandbox, cycle, sync_person):
    cycle()
    kim = Person.objects.create(last_name="Here", company="Acme")
    old = sync_person(kim).sfdc_id
    sandbox.sales.Lead.delete(old)
    cycle()
    answer_lost(sandbox, lambda person: sync_person(person, options=SyncOptions(recreate_deleted=True)), kim)
    cycle()
    cycle()
    kim.refresh_from_db()
    assert [kim.sfdc_id] == leads(sandbox) != [old]


def test_a_lead_converted_after_the_first_read_was_broken_off_becomes_the_contact(sandbox, cycle):
    leads = [sandbox.lead(LastName=f"No. {number}", Notes__c="Keen") for number in range(2)]
    sandbox.control("POST", "limits", page=1)
    sandbox.fault("/query/01g", "status", status=500, code="UNKNOWN_EXCEPTION", times=5)
    with pytest.raises(CannotSync):
        cycle()
    known = Person.objects.get()
    contact = sandbox.convert(leads[0])
    cycle()
    cycle()
    assert Person.objects.get(pk=known.pk).sfdc_id == contact
    assert Person.objects.count() == 2
    assert sandbox.read(contact)["Notes__c"] == "Keen"


@pytest.mark.parametrize("object_", ["Lead", "Contact"])
def test_a_record_deleted_before_the_first_read_was_complete_is_known_to_be_deleted(
    sandbox, cycle, sync_person, object_
):
    sync_person()  # the fields are known; nothing is read yet
    if object_ == "Lead":
        kim = Person.objects.create(last_name="Here", company="Acme")
    else:
        sandbox.contact(LastName="Here", Email="here@example.com")
        kim = Person.objects.create(last_name="Here", email="here@example.com")
    sync_person(kim)
    kim.refresh_from_db()
    getattr(sandbox.sales, object_).delete(kim.sfdc_id)
    cycle()
    kim.refresh_from_db()
    assert (kim.sfdc_type, kim.sfdc_is_deleted) == (object_, True)


def test_a_field_that_was_hidden_when_a_lead_was_converted_is_not_blanked_when_it_is_seen_again(sandbox, cycle):
    access = {"username": "sync@example.com", "object": "Contact", "field": "Notes__c"}
    lead = sandbox.lead(Notes__c="Keen")
    cycle()
    sandbox.control("POST", "access", **access, access="hidden")
    sandbox.convert(lead)
    cycle()
    sandbox.control("POST", "access", **access, access="edit")
    cycle()
    cycle()
    assert Person.objects.get().custom["Notes__c"] == "Keen"


def test_an_update_recorded_after_a_newer_read_takes_its_own_effect_for_nobody_elses_edit(
    sandbox, cycle, sync_user, sync_person
):
    sync_user.lead_winner = "salesforce"
    sync_user.save()
    lead = sandbox.lead(Title="Buyer")
    cycle()
    kim = Person.objects.get()
    Person.objects.update(title="Head Buyer")

    def overtake():
        """The update was carried out, but its worker was slow: its claim has run out, and a cycle has come by."""
        Claim.objects.update(until=sandbox.time() - timedelta(days=365))
        cycle()
        Person.objects.update(city="Ghent")

    after_answer(sandbox, b"update0", overtake)
    sync_person(kim)
    cycle()
    kim.refresh_from_db()
    assert (kim.title, kim.city) == ("Head Buyer", "Ghent")
    assert (sandbox.read(lead)["Title"], sandbox.read(lead)["City"]) == ("Head Buyer", "Ghent")
    assert not Conflict.objects.exists()


def test_a_contact_gets_no_person_of_its_own_while_the_person_of_its_lead_is_busy(sandbox, cycle):
    lead = sandbox.lead(Notes__c="Keen")
    cycle()
    kim = Person.objects.get()
    contact = sandbox.convert(lead)
    claims.take([kim.pk], "a worker")
    cycle()
    assert Person.objects.get() == kim
    claims.let_go("a worker")
    cycle()
    cycle()
    assert Person.objects.get(pk=kim.pk).sfdc_id == contact
    assert sandbox.read(contact)["Notes__c"] == "Keen"


def test_nothing_is_made_in_salesforce_for_a_person_who_was_deleted_meanwhile(sandbox, cycle, sync_user, sync_person):
    cycle()
    kim, eva = (Person.objects.create(last_name=name, company="Acme") for name in ("Kim", "Eva"))
    after_answer(sandbox, b"freeLead", kim.delete)
    assert sync_person(kim, eva)[-1].ok
    assert not PendingChange.objects.exists()
    assert [lead["LastName"] for lead in sandbox.sales.query("SELECT LastName FROM Lead")["records"]] == ["Eva"]


@pytest.mark.django_db(transaction=True)  # only a commit checks whether the person is there
def test_a_person_deleted_before_a_worker_takes_it_stops_nobody_else(sandbox, cycle):
    for name in ("Kim", "Eva"):
        sandbox.lead(LastName=name)
    cycle()
    eva, kim = Person.objects.order_by("last_name")
    ids = [kim.pk, eva.pk]
    kim.delete()
    assert eva.pk in claims.take(ids, "a worker")


def test_what_a_conversion_overrules_while_writing_is_stopped_is_in_the_log(sandbox, cycle, sync_user):
    lead = sandbox.lead(City="Ghent")
    cycle()
    sync_user.writes_stopped = True
    sync_user.save()
    contact = sandbox.convert(lead)
    sandbox.edit(contact, MailingCity="Bruges")
    Person.objects.update(city="Antwerp")
    cycle()
    cycle()
    sync_user.writes_stopped = False
    sync_user.save()
    cycle()
    assert sandbox.read(contact)["MailingCity"] == "Antwerp"
    assert Conflict.objects.get(field="city").there == "Bruges"


def test_a_conflict_on_a_lead_converted_while_writing_is_stopped_is_in_the_log(sandbox, cycle, sync_user):
    lead = sandbox.lead(Notes__c="old")
    cycle()
    sync_user.writes_stopped = True
    sync_user.save()
    sandbox.edit(lead, Notes__c="there")
    contact = sandbox.convert(lead)  # custom fields are not copied: the value stands on the lead alone
    Person.objects.update(custom={"Notes__c": "here"})
    cycle()
    cycle()
    sync_user.writes_stopped = False
    sync_user.save()
    cycle()
    assert sandbox.read(contact)["Notes__c"] == "here"
    assert Conflict.objects.get(field="Notes__c").there == "there"


@pytest.mark.django_db(transaction=True)
def test_no_cursor_is_written_outside_of_the_transaction_that_asks_for_the_lease(sandbox, cycle):
    """In between another cycle can take over and come further."""
    cycle()
    sandbox.lead()
    alone = []

    def watch(execute, sql, params, many, context):
        if sql.startswith(("INSERT", "UPDATE")) and "synccursor" in sql and not connection.in_atomic_block:
            alone.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        cycle()
    assert not alone


def test_a_box_that_waits_for_the_survivor_of_a_merge_is_ticked_when_sending_goes_on(sandbox, cycle, sync_user):
    loser = sandbox.contact(LastName="Ode", DoNotCall=True)
    cycle()
    sync_user.writes_stopped = True
    sync_user.save()
    survivor = sandbox.contact(LastName="Ode")
    sandbox.control("POST", "merge", object="Contact", winner=survivor, losers=[loser])
    cycle()
    sandbox.time.pass_(3600)  # it is not read again by itself
    cycle()
    sync_user.writes_stopped = False
    sync_user.save()
    cycle()
    person = Person.objects.get(sfdc_id=survivor)
    assert person.do_not_call is sandbox.read(survivor)["DoNotCall"] is True
    assert not PendingChange.objects.exists()


def test_an_update_whose_reading_before_it_failed_is_not_carried_out(sandbox, cycle, sync_person):
    """Each part of a Composite request can fail by itself. What somebody has entered meanwhile is a conflict."""
    lead = sandbox.lead(Title="Buyer", City="Ghent")
    cycle()
    Person.objects.update(title="Purchaser")
    sandbox.fault("/query", "status", status=503, nth=2, times=1)  # the first one is that of the action
    assert not sync_person(Person.objects.get()).ok
    assert sandbox.read(lead)["Title"] == "Buyer"
    sandbox.edit(lead, Title="Head Buyer")
    cycle()
    assert sandbox.read(lead)["Title"] == Person.objects.get().title == "Purchaser"
    [entry] = ActivityLogEntry.objects.filter(type=ActivityType.CONFLICT)
    assert (entry.field, entry.detail["lost"]) == ("title", "Head Buyer")


def test_a_change_in_the_very_second_of_the_state_that_was_known_brings_nobody_back_but_the_next_one_does(
    sandbox, cycle, time
):
    lead = sandbox.lead()
    cycle()
    kim = Person.objects.get()
    time.pass_(3600)
    Person.objects.filter(pk=kim.pk).update(title="Buyer")
    cycle()
    known = SalesforceRecord.objects.get().system_modstamp
    kim.delete()
    sandbox.sales.Lead.update(lead, {"City": "Ghent"})  # no time has passed: Salesforce's stamp stays as it is
    assert datetime.fromisoformat(sandbox.read(lead)["SystemModstamp"]) == known
    cycle()
    cycle()
    assert not Person.objects.exists()
    sandbox.edit(lead, Phone="1")
    cycle()
    assert (Person.objects.get().city, Person.objects.get().phone) == ("Ghent", "1")


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("agreed", [True, False])
def test_what_is_emptied_here_is_an_edit_against_the_survivor_of_a_merge_only_if_the_lead_that_lost_had_a_value(
    sandbox, cycle, known, agreed
):
    access = {"username": "sync@example.com", "object": "Lead", "field": "Phone"}
    if not agreed:  # the person has a value that never reached its lead
        sandbox.control("POST", "access", **access, access="hidden")
    loser = sandbox.lead(LastName="Loser", **({"Phone": "1"} if agreed else {}))
    winner = sandbox.lead(LastName="Winner", Phone="2")
    if not known:
        sandbox.control("POST", "sharing", id=winner, visible=False)
    cycle()
    kim = Person.objects.get(sfdc_id=loser)
    if not agreed:
        Person.objects.filter(pk=kim.pk).update(phone="1")
        sandbox.control("POST", "access", **access, access="edit")
    Person.objects.filter(pk=kim.pk).update(phone="")
    sandbox.control("POST", "sharing", id=winner, visible=True)
    sandbox.control("POST", "merge", object="Lead", winner=winner, losers=[loser])
    for _ in range(3):
        cycle()
    kim = Person.objects.get()
    assert (kim.sfdc_id, kim.phone) == (winner, "" if agreed else "2")
    assert sandbox.read(winner)["Phone"] == (None if agreed else "2")
    lost = ActivityLogEntry.objects.filter(type=ActivityType.CONFLICT, field="phone").values_list("detail", flat=True)
    assert [detail["lost"] for detail in lost] == (["2"] if agreed else [])


def test_a_record_that_is_undeleted_after_another_was_made_in_its_place_is_no_former_id(sandbox, cycle, sync_person):
    old = sandbox.lead(LastName="Kim")
    cycle()
    kim = Person.objects.get()
    sandbox.sales.Lead.delete(old)
    cycle()
    sync_person(kim, options=SyncOptions(recreate_deleted=True))
    sandbox.control("POST", "undelete", id=old)
    cycle()
    cycle()
    assert Person.objects.count() == 2
    assert list(check(mend=False)) == []


def test_what_was_entered_on_a_lead_that_was_undeleted_and_then_converted_is_not_lost(sandbox, cycle):
    lead = sandbox.lead(Newsletter__c=False)
    cycle()
    sandbox.sales.Lead.delete(lead)
    cycle()
    sandbox.control("POST", "undelete", id=lead)
    sandbox.edit(lead, Newsletter__c=True)
    contact = sandbox.convert(lead)
    cycle()
    cycle()
    kim = Person.objects.get()
    assert (kim.sfdc_id, kim.custom["Newsletter__c"], sandbox.read(contact)["Newsletter__c"]) == (contact, True, True)
