"""docs/behaviour.md 3: *Sync Person to SFDC*, the flow action."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from datetime import timedelta
from random import Random

import pytest
from django.urls import reverse
from django_q.models import OrmQ

from syncer import schedule, tasks
from syncer.models import CreateIntent, Person, SyncRun
from syncer.sync.context import Surroundings
from syncer.sync.errors import CannotSync
from syncer.sync.options import Action, SyncOptions
from syncer.sync.outcomes import Result
from tests.admin.pages import form_data, words
from tests.scenarios.sides import meanwhile
from tests.support.around import put_around

pytestmark = pytest.mark.django_db

KIM = "kim@example.com"
REFRESH = SyncOptions(action=Action.REFRESH)


# -- 3.1 --------------------------------------------------------------------------------------------------------------


def selected(eva, *persons: Person, action: str = "sync_person") -> str:
    """Eva runs an action on selected persons; what the page says."""
    ids = [person.pk for person in persons]
    url = reverse("admin:syncer_person_changelist")
    return words(eva.post(url, {"action": action, "_selected_action": ids}, follow=True))


def page_of(eva, person: Person) -> str:
    return words(eva.get(reverse("admin:syncer_person_change", args=[person.pk])))


def test_3_1_admin_action_on_selected_persons(here, eva, salesforce):
    kim, alex = here.add(last_name="Kim"), here.add(last_name="Alex")
    assert "Created 2" in selected(eva, kim, alex)
    assert salesforce.count() == 2


def test_3_1_a_button_on_a_persons_page(here, eva, salesforce):
    kim = here.add()
    page = words(eva.post(reverse("admin:syncer_person_sync", args=[kim.pk]), follow=True))
    assert f"Created: Lead {here.again(kim).sfdc_id}" in page


def test_3_1_runsync_person(here, runsync):
    kim = here.add()
    assert runsync("--person", str(kim.pk), "--json").json["persons"][0]["result"] == "Created"
    assert here.again(kim).sfdc_type == "Lead"


def test_3_1_runsync_person_tells_of_its_own_run_although_a_colleague_began_another_one(here, runsync, sync_person):
    kim, alex = here.add(last_name="Kim"), here.add(last_name="Alex")
    with meanwhile("Sync Person to SFDC", lambda: sync_person(alex)):
        told = runsync("--person", str(kim.pk), "--json").json
    assert [person["name"] for person in told["persons"]] == ["Kim"]
    assert SyncRun.objects.get(pk=told["run"]).trigger.startswith("runsync by")
    assert SyncRun.objects.latest("pk").trigger == "Eva"


def test_3_1_and_a_python_function(here, sync_person):
    kim = here.add()
    outcome = sync_person(kim)
    assert (outcome.result, outcome.sfdc_id) == (Result.CREATED, here.again(kim).sfdc_id)


def test_3_1_it_does_not_wait_for_the_cycle(salesforce, here, in_sync, sync_person):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer")
    sync_person(kim)
    assert salesforce.read(lead)["Title"] == "Head Buyer"


@pytest.mark.parametrize("phase", ["Reading changes", "Receiving Contacts", "Finishing"])
def test_3_1_and_does_not_need_the_cycle_to_be_idle(salesforce, here, cycle, sync_person, phase):
    kim = here.add(email=KIM)
    with meanwhile(phase, lambda: sync_person(kim)):
        assert cycle().status == "completed"
    cycle()
    assert here.again(kim).sfdc_type == "Lead"
    assert (salesforce.count(), Person.objects.count()) == (1, 1)


def test_3_1_for_up_to_25_persons_the_page_answers_with_each_persons_outcome(here, eva):
    persons = [here.add(last_name=f"Ode {n}", company="" if n == 3 else "Acme") for n in range(25)]
    page = selected(eva, *persons)
    assert "Created 24 Failed 1" in page
    for person in persons:
        assert person.last_name in page


def test_3_1_for_more_it_runs_in_the_background_with_a_progress_page(here, eva, salesforce):
    page = selected(eva, *[here.add(last_name=f"Ode {n}") for n in range(26)])
    assert "Waiting for the background worker" in page
    assert salesforce.count() == 0
    task = OrmQ.objects.get().task
    tasks.sync_persons_task(*task["args"])
    [run] = task["args"][:1]
    assert "Created 26" in words(eva.get(reverse("admin:syncer_person_sync_run", args=[run])))


def test_3_1_the_page_waits_at_most_15_seconds_and_what_is_left_goes_on_in_the_background(
    here, eva, salesforce, time, monkeypatch
):
    # By chance, five tries may be over within 15 seconds: this sequence makes long pauses between them.
    put_around(Surroundings(pause=time.pass_, database_now=time, random=Random(5)), monkeypatch)
    kim, alex = here.add(last_name="Kim"), here.add(last_name="Alex")
    salesforce.fault("/composite", "status", status=503, times=100)
    pressed = time()
    page = selected(eva, kim, alex)
    assert time() - pressed <= timedelta(seconds=15)
    assert (salesforce.count(), "Created" in page) == (0, False)
    salesforce.calm()
    tasks.sync_persons_task(*OrmQ.objects.get().task["args"])
    assert [here.again(person).sfdc_type for person in (kim, alex)] == ["Lead", "Lead"]


def test_3_1_an_action_whose_task_was_lost_goes_on_by_itself(here, eva, salesforce, time):
    selected(eva, *[here.add(last_name=f"Ode {n}") for n in range(26)])
    OrmQ.objects.all().delete()
    time.pass_(360)
    tasks.heartbeat()
    tasks.sync_persons_task(*OrmQ.objects.get().task["args"])
    assert salesforce.count() == 26
    run = SyncRun.objects.get()
    assert "Created 26" in words(eva.get(reverse("admin:syncer_person_sync_run", args=[run.pk])))


def test_3_1_stop_ends_it_at_the_end_of_the_batch_that_it_is_in(here, eva, salesforce, time):
    selected(eva, *[here.add(last_name=f"Ode {n}") for n in range(26)])
    run = SyncRun.objects.get()
    stop = reverse("admin:syncer_person_sync_stop", args=[run.pk])
    with meanwhile("Sync Person to SFDC", lambda: eva.post(stop)):
        tasks.sync_persons_task(*OrmQ.objects.get().task["args"])
    assert salesforce.count() == 26
    page = words(eva.get(reverse("admin:syncer_person_sync_run", args=[run.pk])))
    assert "Stopped by eva. Everybody had been done." in page


# -- 3.2 --------------------------------------------------------------------------------------------------------------


def test_3_2_not_in_salesforce_creates_a_lead(salesforce, here, sync_person):
    kim = here.add(first_name="Kim", email=KIM, custom={"Budget__c": "1000.00"})
    sync_person(kim)
    kim = here.again(kim)
    there = salesforce.read(kim.sfdc_id)
    assert (there["FirstName"], there["Email"], there["Budget__c"]) == ("Kim", KIM, 1000)
    assert (kim.sfdc_type, kim.lead_status) == ("Lead", "Open - Not Contacted")
    assert [entry.actor for entry in here.log(kim, "Sync Person to SFDC")] == ["Eva"]


def test_3_2_a_record_with_the_same_e_mail_address_is_linked_not_duplicated(salesforce, here, sync_person):
    lead = salesforce.lead(Email="KIM@example.com", Phone="1")
    kim = here.add(email=KIM, title="Buyer")
    assert sync_person(kim).result is Result.LINKED
    assert (here.again(kim).sfdc_id, here.again(kim).phone) == (lead, "1")
    assert (salesforce.read(lead)["Title"], salesforce.count()) == ("Buyer", 1)


def test_3_2_contacts_before_leads(salesforce, here, sync_person):
    salesforce.lead(Email=KIM)
    contact = salesforce.contact(Email=KIM)
    kim = here.add(email=KIM)
    sync_person(kim)
    assert here.again(kim).sfdc_id == contact


def test_3_2_only_unconverted_and_not_deleted_ones(salesforce, here, sync_person):
    salesforce.delete(salesforce.lead(Email=KIM), salesforce.convert(salesforce.lead(Email=KIM)))
    kim = here.add(email=KIM)
    assert sync_person(kim).result is Result.CREATED


def test_3_2_a_match_that_is_another_persons_record_makes_nothing_and_names_that_person(
    salesforce, here, in_sync, sync_person
):
    in_sync(Email=KIM, FirstName="Kim")
    double = here.add(email=KIM)
    outcome = sync_person(double)
    assert outcome.result is Result.REFUSED
    assert "Kim Ode" in outcome.message
    assert (salesforce.count(), here.again(double).sfdc_type) == (1, "")


def test_3_2_several_free_matches_ask_and_never_pick(salesforce, here, sync_person):
    salesforce.lead(Email=KIM)
    salesforce.lead(Email=KIM)
    kim = here.add(email=KIM)
    outcome = sync_person(kim)
    assert outcome.result is Result.NEEDS_DECISION
    assert "2 leads with the address" in outcome.message
    assert (salesforce.count(), here.again(kim).sfdc_type) == (2, "")


def test_3_2_in_salesforce_pulls_and_pushes_that_one_record_right_away(salesforce, here, in_sync, sync_person):
    lead, kim = in_sync(Title="Buyer", Phone="1")
    other, alex = in_sync(LastName="Other", Phone="1")
    salesforce.edit(lead, Phone="2")
    salesforce.edit(other, Phone="2")
    here.edit(kim, title="Head Buyer")
    outcome = sync_person(kim)
    assert (outcome.received, outcome.sent) == (("phone",), ("title",))
    assert (here.again(kim).phone, salesforce.read(lead)["Title"]) == ("2", "Head Buyer")
    assert here.again(alex).phone == "1"


def test_3_2_deleted_in_salesforce_asks_before_anything_is_made(salesforce, here, in_sync, sync_person):
    lead, kim = in_sync()
    salesforce.delete(lead)
    outcome = sync_person(kim)
    assert outcome.result is Result.NEEDS_DECISION
    assert "was deleted in Salesforce" in outcome.message
    assert salesforce.count() == 0


def test_3_2_by_hand_the_page_says_when_it_was_deleted_and_asks(salesforce, here, in_sync, cycle, eva):
    lead, kim = in_sync(Title="Buyer")
    salesforce.delete(lead)
    cycle()
    page = page_of(eva, kim)
    assert "Deleted in Salesforce on 2 Mar" in page
    assert "A new lead can be made for this person." in page
    eva.post(reverse("admin:syncer_person_create_anyway", args=[kim.pk]))
    new = here.again(kim).sfdc_id
    assert (new != lead, salesforce.read(new)["Title"], salesforce.count()) == (True, "Buyer", 1)


def test_3_2_several_free_matches_are_shown_to_choose_from(salesforce, here, sync_person, eva):
    salesforce.lead(Email=KIM)
    second = salesforce.lead(Email=KIM, Phone="1")
    kim = here.add(email=KIM)
    sync_person(kim)
    assert page_of(eva, kim).count("This is the same person: link") == 2
    eva.post(reverse("admin:syncer_person_link", args=[kim.pk]), {"record": second})
    assert (here.again(kim).sfdc_id, here.again(kim).phone) == (second, "1")


def test_3_2_no_longer_visible_is_refused_with_that_reason(salesforce, here, in_sync, sync_person):
    lead, kim = in_sync(Title="Buyer")
    salesforce.share(lead, visible=False)
    outcome = sync_person(kim)
    assert outcome.result is Result.REFUSED
    assert "no longer visible" in outcome.message
    assert (salesforce.count(), here.again(kim).title) == (1, "Buyer")


# -- 3.3 --------------------------------------------------------------------------------------------------------------


def test_3_3_the_owner_is_by_salesforces_assignment_rules(salesforce, here, sync_person):
    salesforce.control("POST", "assignment", owner=salesforce.sally)
    kim = here.add()
    sync_person(kim)
    assert salesforce.read(here.again(kim).sfdc_id)["OwnerId"] == salesforce.sally


def test_3_3_or_a_given_user(salesforce, here, sync_person):
    kim = here.add()
    sync_person(kim, options=SyncOptions(owner=salesforce.sally))
    assert salesforce.read(here.again(kim).sfdc_id)["OwnerId"] == salesforce.sally


def test_3_3_or_a_given_lead_queue(salesforce, here, sync_person):
    salesforce.control("POST", "assignment", owner=salesforce.sally)
    kim = here.add()
    sync_person(kim, options=SyncOptions(owner=salesforce.queue()))
    assert salesforce.read(here.again(kim).sfdc_id)["OwnerId"] == salesforce.queue()


def test_3_3_optionally_it_is_added_to_a_campaign_with_a_member_status(salesforce, here, sync_person):
    fair = salesforce.campaign("Spring fair", "Invited", "Attended")
    kim = here.add()
    sync_person(kim, options=SyncOptions(campaign=fair, member_status="Attended"))
    assert salesforce.members() == {here.again(kim).sfdc_id: "Attended"}


def test_3_3_a_contact_can_not_be_owned_by_a_queue_and_no_duplicate_lead_is_made(salesforce, here, cycle, sync_person):
    contact = salesforce.contact(Email=KIM)
    cycle()
    owner = salesforce.read(contact)["OwnerId"]
    outcome = sync_person(here.person(contact), options=SyncOptions(owner=salesforce.queue()))
    assert outcome.result is Result.REFUSED
    assert "can't be owned by a queue" in outcome.message
    assert (salesforce.read(contact)["OwnerId"], salesforce.count("Lead")) == (owner, 0)


def test_3_3_unless_the_operator_ticks_that_option(salesforce, here, cycle, sync_person):
    contact = salesforce.contact(Email=KIM, FirstName="Kim")
    cycle()
    here.edit(here.person(contact), company="Acme")
    sync_person(here.person(contact), options=SyncOptions(owner=salesforce.queue(), lead_for_contact=True))
    [lead] = salesforce.sales.query("SELECT Email, OwnerId FROM Lead")["records"]
    assert (lead["Email"], lead["OwnerId"]) == (KIM, salesforce.queue())


def test_3_3_the_page_says_that_salesforce_sends_no_assignment_e_mail(salesforce, here, eva):
    page = words(eva.get(reverse("admin:syncer_person_choose", args=[here.add().pk, "sync"])))
    assert "Salesforce sends no assignment e-mail for leads made by API." in page


def test_3_3_no_other_write_of_ours_runs_assignment_rules(salesforce, here, in_sync, cycle, sync_person):
    sync = salesforce.user("sync@example.com")
    lead, kim = in_sync(OwnerId=sync)
    for title, write in (("Buyer", cycle), ("Head Buyer", lambda: sync_person(kim))):
        here.edit(kim, title=title)
        write()
        there = salesforce.read(lead)
        assert (there["Title"], there["OwnerId"]) == (title, sync)


def test_3_3_default_last_name_and_company_are_empty_at_first(salesforce, sync_user, here, sync_person):
    assert (sync_user.default_last_name, sync_user.default_company) == ("", "")
    outcome = sync_person(here.add(last_name="", company=""))
    assert outcome.code == "REQUIRED_FIELD_MISSING"
    assert salesforce.count() == 0


def test_3_3_when_set_they_are_used_at_creation_only_and_only_for_the_empty_field(
    salesforce, sync_user, here, cycle, sync_person
):
    sync_user.default_last_name, sync_user.default_company = "[unknown]", "[not provided]"
    sync_user.save()
    kim = here.add(company="")
    sync_person(kim)
    assert (here.again(kim).last_name, here.again(kim).company) == ("Ode", "[not provided]")
    here.edit(kim, company="")
    cycle()
    assert here.waits(kim) == "failed"  # Salesforce refuses the empty company, and no default takes its place
    assert salesforce.read(here.again(kim).sfdc_id)["Company"] == "[not provided]"


# -- 3.4 --------------------------------------------------------------------------------------------------------------


def test_3_4_with_a_unique_external_id_field_it_takes_the_persons_random_uuid(salesforce, here, sync_person):
    kim, alex = here.add(), here.add()
    sync_person(kim, alex)
    for person in map(here.again, (kim, alex)):
        assert salesforce.read(person.sfdc_id)["Person_Id__c"] == str(person.uuid)
    assert kim.uuid.version == alex.uuid.version == 4


def test_3_4_the_name_of_the_field_is_a_setting(salesforce, sync_user, here, cycle, sync_person):
    salesforce.field("Here_Id__c", "Text", length=40, externalId=True, unique=True)
    sync_user.external_id_field = "Here_Id__c"
    sync_user.save()
    cycle()
    kim = here.add()
    sync_person(kim)
    assert salesforce.read(here.again(kim).sfdc_id)["Here_Id__c"] == str(kim.uuid)


def test_3_4_without_one_the_intent_is_written_before_the_call(salesforce, here, sync_person):
    salesforce.remove_field("Person_Id__c")
    kim = here.add(email=KIM)
    salesforce.fault("/composite/sobjects", "drop_before", times=1)
    sync_person(kim)
    assert CreateIntent.objects.get().values_sent["email"] == KIM
    assert salesforce.count() == 0


UNKNOWN = ["time-out", "dropped before", "dropped after", "half an answer", "stopped process"]


@pytest.mark.parametrize("outcome", UNKNOWN)
@pytest.mark.parametrize("external_id", [True, False], ids=["external id", "intent"])
def test_3_4_a_create_happens_at_most_once_after_any_unknown_outcome(
    salesforce, here, cycle, sync_person, monkeypatch, external_id, outcome
):
    cycle()
    if not external_id:
        salesforce.remove_field("Person_Id__c")
        cycle()
    kim = here.add(email=KIM)
    route = "/composite/sobjects"
    if outcome == "time-out":
        monkeypatch.setattr("syncer.sync.actions.run_action.READ_TIMEOUT", 0.2)
        salesforce.fault(route, "delay_ms", seconds=0.4)
    elif outcome != "stopped process":
        kind = {"dropped before": "drop_before", "dropped after": "drop_after", "half an answer": "truncate"}[outcome]
        salesforce.fault(route, kind)
    stopped = salesforce.stopped_before_the_answer(route) if outcome == "stopped process" else nullcontext()
    with stopped:
        sync_person(kim)
    salesforce.time.pass_(16 * 60)
    sync_person(kim)
    cycle()
    assert (salesforce.count(), Person.objects.count()) == (1, 1)
    assert here.again(kim).sfdc_type == "Lead"
    assert not CreateIntent.objects.exists()


def test_3_4_nothing_is_tried_again_before_it_is_known_what_became_of_it(salesforce, here, sync_person):
    salesforce.remove_field("Person_Id__c")
    kim = here.add(email=KIM)
    salesforce.fault("/composite/sobjects", "drop_before", times=1)
    assert sync_person(kim).result is Result.UNKNOWN
    assert sync_person(kim).result is Result.UNKNOWN
    assert salesforce.count() == 0  # it may still come through
    salesforce.time.pass_(16 * 60)  # now it can't any more
    assert sync_person(kim).result is Result.CREATED


def test_3_4_a_lead_whose_answer_was_lost_for_good_is_linked_by_the_cycle(salesforce, here, cycle, sync_person):
    cycle()
    kim = here.add()
    salesforce.fault("/composite/sobjects", "drop_after")
    salesforce.fault("/query/", "status", status=503, times=100)
    with suppress(CannotSync):
        sync_person(kim)
    salesforce.calm()
    cycle()
    assert here.again(kim).sfdc_type == "Lead"
    assert (salesforce.count(), Person.objects.count()) == (1, 1)


@pytest.mark.parametrize(("external_id", "shown"), [(True, "Guaranteed"), (False, "Remembered")])
def test_3_4_which_of_the_two_guarantees_is_in_force_is_shown(salesforce, sync_user, here, eva, external_id, shown):
    if not external_id:
        salesforce.remove_field("Person_Id__c")
    page = words(eva.post(reverse("admin:syncer_syncuser_test", args=[sync_user.pk]), follow=True))
    assert f"{shown} " in page


# -- 3.5 --------------------------------------------------------------------------------------------------------------


def test_3_5_refresh_from_salesforce_pulls_only(salesforce, here, in_sync, sync_person):
    lead, kim = in_sync(Title="Buyer", Phone="1")
    salesforce.edit(lead, Phone="2")
    here.edit(kim, title="Head Buyer")
    sync_person(kim, options=REFRESH)
    assert (here.again(kim).phone, here.again(kim).title) == ("2", "Head Buyer")
    assert salesforce.read(lead)["Title"] == "Buyer"
    assert here.waits(kim) == "pending"


def test_3_5_delete_from_sfdc_deletes_the_record_there_and_asks_first(salesforce, here, in_sync, eva):
    lead, kim = in_sync()
    url = reverse("admin:syncer_person_choose", args=[kim.pk, "delete"])
    page = eva.get(url)
    assert "1 record will be deleted in Salesforce" in words(page)
    eva.post(url, form_data(page) | {"count": ""})
    assert salesforce.count() == 1
    eva.post(url, form_data(page) | {"count": "1"})
    assert salesforce.count() == 0
    assert here.again(kim).sfdc_is_deleted


def test_3_5_change_owner_in_sfdc(salesforce, here, in_sync, eva):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer")
    eva.post(reverse("admin:syncer_person_choose", args=[kim.pk, "owner"]), {"owner": salesforce.queue()})
    there = salesforce.read(lead)
    assert (there["OwnerId"], there["Title"]) == (salesforce.queue(), "Buyer")
    assert [entry.actor for entry in here.log(kim, "Change Owner")] == ["eva"]


def test_3_5_add_to_sfdc_campaign(salesforce, here, in_sync, eva):
    lead, kim = in_sync()
    fair = salesforce.campaign("Spring fair", "Invited", "Attended")
    url = reverse("admin:syncer_person_choose", args=[kim.pk, "campaign"])
    eva.post(url, {"campaign": fair, "member_status": "Attended"})
    assert salesforce.members() == {lead: "Attended"}
    assert len(here.log(kim, "Add to SFDC Campaign")) == 1


@pytest.mark.parametrize("action", [Action.OWNER, Action.CAMPAIGN])
def test_3_5_those_that_need_a_record_run_sync_person_first(salesforce, here, sync_person, action):
    fair = salesforce.campaign("Spring fair", "Invited")
    kim = here.add()
    chosen = {"owner": salesforce.queue()} if action is Action.OWNER else {"campaign": fair}
    assert sync_person(kim, options=SyncOptions(action=action, **chosen)).ok
    lead = here.again(kim).sfdc_id
    if action is Action.OWNER:
        assert salesforce.read(lead)["OwnerId"] == salesforce.queue()
    else:
        assert salesforce.members() == {lead: "Invited"}


# -- 3.6 --------------------------------------------------------------------------------------------------------------


def test_3_6_pausing_stops_the_scheduled_cycles_only(salesforce, here, sync_person):
    schedule.pause("Eva")
    kim = here.add()
    salesforce.lead(LastName="Other")
    assert tasks.run_cycle()["status"] == "paused"
    assert sync_person(kim).result is Result.CREATED
    assert sync_person(kim, options=REFRESH).ok
    assert here.names() == {"Ode"}


@pytest.mark.parametrize("action", [Action.SYNC, Action.OWNER, Action.CAMPAIGN, Action.DELETE])
def test_3_6_a_second_switch_stops_everything_that_writes_to_salesforce(
    salesforce, here, in_sync, cycle, sync_person, eva, action
):
    lead, kim = in_sync(Title="Buyer")
    eva.post(reverse("admin:sync_stop_writing"))
    before = salesforce.read(lead)
    here.edit(kim, title="Head Buyer")
    with pytest.raises(CannotSync):
        sync_person(kim, options=SyncOptions(action=action, owner=salesforce.queue(), campaign="701000000000001AAA"))
    cycle()
    assert (salesforce.read(lead), salesforce.members()) == (before, {})


def test_3_6_receiving_goes_on_and_what_waited_goes_out_afterwards(salesforce, here, in_sync, cycle, eva):
    lead, kim = in_sync(Title="Buyer")
    eva.post(reverse("admin:sync_stop_writing"))
    here.edit(kim, title="Head Buyer")
    salesforce.edit(lead, Phone="1")
    cycle()
    assert (here.again(kim).phone, salesforce.read(lead)["Title"]) == ("1", "Buyer")
    eva.post(reverse("admin:sync_allow_writing"))
    cycle()
    assert salesforce.read(lead)["Title"] == "Head Buyer"


# -- 3.7 --------------------------------------------------------------------------------------------------------------


def never_synced(salesforce, here, in_sync, cycle, sync_person) -> Person:
    return here.add()


def incomplete(salesforce, here, in_sync, cycle, sync_person) -> Person:
    return here.add(last_name="")


def waiting(salesforce, here, in_sync, cycle, sync_person) -> Person:
    _, kim = in_sync()
    here.edit(kim, title="Buyer")
    return kim


def refused(salesforce, here, in_sync, cycle, sync_person) -> Person:
    _, kim = in_sync()
    here.edit(kim, last_name="x" * 100)
    cycle()
    return kim


def undecided(salesforce, here, in_sync, cycle, sync_person) -> Person:
    salesforce.lead(Email=KIM)
    salesforce.lead(Email=KIM)
    kim = here.add(email=KIM)
    sync_person(kim)
    return kim


def deleted(salesforce, here, in_sync, cycle, sync_person) -> Person:
    lead, kim = in_sync()
    salesforce.delete(lead)
    cycle()
    return kim


def hidden(salesforce, here, in_sync, cycle, sync_person) -> Person:
    lead, kim = in_sync()
    salesforce.share(lead, visible=False)
    cycle(full=True)
    return kim


def unknown(salesforce, here, in_sync, cycle, sync_person) -> Person:
    salesforce.remove_field("Person_Id__c")
    salesforce.fault("/composite/sobjects", "drop_before", times=1)
    kim = here.add()
    sync_person(kim)
    return kim


@pytest.mark.parametrize(
    ("a_person_that_is", "sentence"),
    [
        (never_synced, "Not in Salesforce: nobody ran Sync Person to SFDC"),
        (incomplete, "Not in Salesforce: Last name is empty and Salesforce requires it."),
        (waiting, "Waiting: changed"),
        (refused, "Salesforce refused the last change."),
        (undecided, "Needs a decision."),
        (deleted, "Deleted in Salesforce on"),
        (hidden, "No longer visible"),
        (unknown, "Outcome unknown: the connection broke while the lead was being created."),
    ],
)
def test_3_7_why_a_person_is_not_in_sync_has_an_answer_in_one_sentence(
    salesforce, here, in_sync, cycle, sync_person, eva, a_person_that_is, sentence
):
    person = a_person_that_is(salesforce, here, in_sync, cycle, sync_person)
    assert sentence in page_of(eva, person)
