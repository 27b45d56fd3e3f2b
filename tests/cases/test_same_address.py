"""Nobody is picked by an e-mail address that is not theirs alone, in this cycle or in a later one."""

from __future__ import annotations

import pytest
from django.urls import reverse

from syncer.models import PendingChange, Person
from syncer.sync.options import SyncOptions
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]

KIM = "kim@example.com"


@pytest.fixture
def question():
    """What waits about a person: the code and the records to choose from."""

    def read(person):
        row = PendingChange.objects.get(person=person)
        return row.state, row.error_code, {one["id"] for one in row.error_detail["candidates"]}

    return read


def records(salesforce, *objects):
    return [getattr(salesforce, name)(Email=KIM, LastName="Ode", FirstName=name) for name in objects]


@pytest.mark.parametrize("objects", [("lead", "lead"), ("lead", "contact"), ("contact", "contact")])
def test_a_person_is_linked_to_none_of_several_records_in_this_cycle_or_a_later_one(
    salesforce, here, cycle, quiet, question, objects
):
    """Also where they are of two objects, and so in two pages."""
    kim = here.add(email=KIM, title="Head Buyer")
    cycle()
    given(not PendingChange.objects.exists(), "nothing waits before there is a record")
    both = records(salesforce, *objects)
    cycle()
    cycle(full=True)
    quiet()
    assert here.again(kim).sfdc_type == ""
    assert question(kim) == ("failed", "AMBIGUOUS", set(both))
    assert {here.person(one).email for one in both} == {KIM}
    assert len(here.log(kim, "Link to Salesforce")) == 1


@pytest.mark.parametrize("here_in_capitals", [False, True])
def test_an_address_is_the_same_in_any_case_of_its_letters(salesforce, here, cycle, here_in_capitals):
    address = "pascal.gérard@example.com"
    pascal = here.add(email=address.upper() if here_in_capitals else address)
    lead = salesforce.lead(LastName="Ode", Email="x@example.com")
    salesforce.put(lead, Email=address if here_in_capitals else address.upper())
    cycle()
    assert here.again(pascal).sfdc_id == lead


def test_their_opt_outs_count_and_they_are_shown_as_possible_duplicates(salesforce, here, cycle, eva):
    here.add(email=KIM)
    one, _ = records(salesforce, "lead", "lead")
    salesforce.edit(one, HasOptedOutOfEmail=True)
    cycle()
    assert here.person(one).unsubscribed is True
    page = eva.get(reverse("admin:syncer_person_changelist")).content.decode()
    assert page.count("Possible duplicate") >= 3


def test_a_record_that_comes_later_is_linked_with_nobody_whose_address_is_anothers(salesforce, here, cycle, question):
    """A question that an action has left open stays open, and keeps its answers."""
    first = salesforce.lead(Email=KIM, LastName="Ode")
    cycle()
    kim = here.add(email=KIM)
    second = salesforce.lead(Email=KIM, LastName="Ode")
    cycle()
    assert here.again(kim).sfdc_type == ""
    assert question(kim)[2] == {first, second}


def test_an_open_question_of_an_action_is_settled_by_no_cycle(salesforce, here, cycle, quiet, sync_person, question):
    cycle()
    kim = here.add(email=KIM)
    both = records(salesforce, "lead", "lead")
    told = sync_person(kim)
    given(told.code == "SEVERAL_MATCHES", "the action asks")
    quiet()
    assert here.again(kim).sfdc_type == ""
    assert question(kim) == ("failed", "SEVERAL_MATCHES", set(both))
    told = sync_person(kim)
    assert told.code == "MATCH_IS_TAKEN"
    assert all(one in told.message for one in both)  # of both it says whose they are by now
    assert Person.objects.count() == 3


@pytest.mark.parametrize("asked_by", ["cycle", "action"])
def test_same_person_merge_here_is_offered_for_each_and_is_done(
    salesforce, here, cycle, quiet, sync_person, eva, asked_by
):
    cycle()
    kim = here.add(email=KIM, title="Head Buyer", phone="1", unsubscribed=True)
    one, other = records(salesforce, "lead", "lead")
    salesforce.edit(other, Title="Buyer")
    if asked_by == "action":
        sync_person(kim)
    cycle()
    page = eva.get(reverse("admin:syncer_person_change", args=[kim.pk])).content.decode()
    assert page.count("Same person: merge with") == 2
    told = sync_person(kim, options=SyncOptions(link_to=other, same_person=True))
    assert told.result == "Linked"
    quiet()
    assert not Person.objects.filter(pk=kim.pk).exists()
    now, there = here.person(other), salesforce.read(other)
    assert (now.title, now.phone, now.unsubscribed) == ("Buyer", "1", True)
    assert (there["Title"], there["Phone"], there["HasOptedOutOfEmail"]) == ("Buyer", "1", True)
    lost = {e.field: e.detail["lost"] for e in here.log(now, "Conflict")}
    assert lost == {"title": "Head Buyer", "unsubscribed": False}
    assert here.person(one).phone == ""
    assert not PendingChange.objects.exists()


def test_a_question_whose_ambiguity_has_ended_closes_itself(salesforce, here, cycle, quiet, sync_user):
    kim = here.add(email=KIM)
    one, other = records(salesforce, "lead", "lead")
    cycle()
    given(here.waits(kim) == "failed", "there is a question")
    salesforce.edit(one, Email="one@example.com")
    quiet()
    assert here.waits(kim) == "failed"  # the other one has the address still
    here.edit(kim, title="Buyer")
    quiet()
    assert (here.waits(kim), here.again(kim).sfdc_type) == ("failed", "")  # an edit is no answer, and asks for no lead
    salesforce.edit(other, Email="other@example.com")
    quiet()
    assert (here.waits(kim), here.again(kim).sfdc_type) == ("", "")
    third = salesforce.lead(Email=KIM, LastName="Ode")
    quiet()
    assert here.again(kim).sfdc_id == third


def test_a_record_that_is_gone_before_anybody_here_knew_it_holds_up_no_question(
    salesforce, here, cycle, quiet, question
):
    """It was found by its address only, and never became a person."""
    cycle()
    kim = here.add(email=KIM)
    lead = salesforce.lead(Email=KIM, LastName="Ode")
    found = []
    made = salesforce.once_before("Email%20IN", lambda: found.append(salesforce.lead(Email=KIM, LastName="Ode")))
    cycle()
    given(made.happened and question(kim)[2] == {lead, *found}, "the person may be one of two records")
    salesforce.delete(found[0])
    salesforce.edit(lead, Email="one@example.com")
    cycle()
    quiet()
    given(not Person.objects.filter(sfdc_id=found[0]).exists(), "the second one was deleted before it was read")
    assert here.waits(kim) == ""


def test_questions_beyond_those_of_one_cycle_have_their_turn(salesforce, here, cycle, quiet, monkeypatch):
    monkeypatch.setattr("syncer.sync.pull.questions.MOST", 1)
    people = [here.add(email=f"{name}@example.com") for name in ("a", "b", "c")]
    both = [[salesforce.lead(Email=kim.email, LastName="Ode") for _ in range(2)] for kim in people]
    cycle()
    given(PendingChange.objects.count() == 3, "three questions are open")
    for one, other in both:
        salesforce.edit(one, Email=None)
        salesforce.edit(other, Email=None)
    for _ in range(30):
        cycle()
    assert not PendingChange.objects.exists()


@pytest.mark.parametrize("most", [2, 3, 4])
def test_an_address_of_very_many_records_hides_no_other_one(salesforce, here, cycle, monkeypatch, question, most):
    """A query brings so many rows only; what is cut off it is asked for by fewer addresses."""
    monkeypatch.setattr("syncer.sync.identity.candidates.MOST_RECORDS", most)
    cycle()
    kim, pat, lou = (here.add(email=f"{name}@example.com") for name in ("kim", "pat", "lou"))
    many = [salesforce.lead(Email=kim.email, LastName="Ode") for _ in range(5)]
    two = [salesforce.lead(Email=pat.email, LastName="Ode") for _ in range(2)]
    only = salesforce.lead(Email=lou.email, LastName="Ode")
    cycle()
    assert question(kim)[2] < set(many)
    assert question(pat)[2] == set(two)
    assert here.again(lou).sfdc_id == only


def test_a_create_that_somebody_asked_for_goes_on_when_nothing_is_left_to_decide(
    salesforce, here, cycle, quiet, sync_person
):
    cycle()
    kim = here.add(email=KIM)
    both = records(salesforce, "lead", "lead")
    sync_person(kim)
    quiet()
    for one in both:
        salesforce.edit(one, Email=None)
    quiet()
    assert here.again(kim).sfdc_type == "Lead"
    assert here.again(kim).sfdc_id not in both


# -- made again -------------------------------------------------------------------------------------------------------


@pytest.fixture
def deleted_there(salesforce, here, cycle, time):
    """A person whose lead was deleted in Salesforce a week ago."""
    lead = salesforce.lead(LastName="Ode", Email=KIM, Title="old", City="A")
    cycle()
    person = here.person(lead)
    salesforce.delete(lead)
    cycle()
    given(here.again(person).sfdc_is_deleted, "the person is marked as deleted there")
    time.pass_(7 * 86_400)
    return person


@pytest.mark.parametrize("made", ["lead", "contact"])
def test_a_record_that_is_made_again_is_the_same_person(salesforce, here, quiet, deleted_there, eva, made):
    here.edit(deleted_there, city="B", unsubscribed=True)
    again = getattr(salesforce, made)(LastName="Ode", Email=KIM.upper(), Title="new")
    quiet()
    [now] = Person.objects.all()
    assert (now.pk, now.sfdc_id, now.sfdc_is_deleted, now.title) == (deleted_there.pk, again, False, "new")
    assert (now.city, now.unsubscribed) == ("B", True)
    there = salesforce.read(again)
    assert (there["City" if made == "lead" else "MailingCity"], there["HasOptedOutOfEmail"]) == ("B", True)
    [entry] = here.log(now, "Link to Salesforce")
    assert "made again in Salesforce" in entry.summary
    assert now.former_ids.get().record_id == deleted_there.sfdc_id


@pytest.mark.parametrize("else_", ["two records", "another person", "another name", "two deleted"])
def test_anything_else_is_a_decision(salesforce, here, cycle, quiet, deleted_there, eva, else_):
    names = ["Poe"] if else_ == "another name" else ["Ode", "Ode"] if else_ == "two records" else ["Ode"]
    if else_ == "another person":
        here.add(email=KIM)
    if else_ == "two deleted":
        twin = salesforce.lead(LastName="Ode", Email="x@example.com")
        cycle()
        salesforce.edit(twin, Email=KIM)
        salesforce.delete(twin)
        cycle()
        given(Person.objects.filter(email=KIM, sfdc_is_deleted=True).count() == 2, "two persons wait")
    made = [salesforce.lead(LastName=name, Email=KIM) for name in names]
    quiet()
    assert here.again(deleted_there).sfdc_is_deleted
    assert {here.person(one).email for one in made} == {KIM}
    page = eva.get(reverse("admin:syncer_person_change", args=[deleted_there.pk])).content.decode()
    assert page.count("Same person: merge with") == len(made)


def test_a_person_whose_record_was_deleted_can_be_merged_with_the_one_made_again(
    salesforce, here, quiet, deleted_there, sync_person
):
    here.edit(deleted_there, city="B")
    one, _ = (salesforce.lead(LastName="Ode", Email=KIM) for _ in range(2))
    quiet()
    told = sync_person(here.again(deleted_there), options=SyncOptions(link_to=one, same_person=True))
    assert told.result == "Linked"
    quiet()
    now = here.person(one)
    assert (now.city, salesforce.read(one)["City"]) == ("B", "B")
    assert now.former_ids.get().record_id == deleted_there.sfdc_id
    assert not Person.objects.filter(pk=deleted_there.pk).exists()


@pytest.mark.parametrize("made", ["lead", "contact"])
def test_also_when_it_is_deleted_and_made_again_between_two_cycles(salesforce, here, cycle, quiet, made):
    lead = salesforce.lead(LastName="Ode", Email=KIM, Title="old")
    cycle()
    kim = here.person(lead)
    salesforce.delete(lead)
    again = getattr(salesforce, made)(LastName="Ode", Email=KIM, Title="new")
    quiet()
    [now] = Person.objects.all()
    assert (now.pk, now.sfdc_id, now.sfdc_is_deleted, now.title) == (kim.pk, again, False, "new")
