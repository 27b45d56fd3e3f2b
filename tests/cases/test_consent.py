"""An opt-out outlives whatever becomes of its record, and an emptied consent says nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from syncer.models import PendingChange, Person
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]

#: The person's field and Salesforce's.
CONSENTS = {"unsubscribed": "HasOptedOutOfEmail", "do_not_call": "DoNotCall"}


@dataclass(frozen=True, slots=True)
class OptOut:
    """When, and on which side, somebody opts out on a record that is about to lose a merge: before and after a cycle
    has seen it, and between the merge and the cycle that learns of it."""

    before: str = ""
    unseen: str = ""
    late: str = ""


OPT_OUTS = {
    "agreed, entered here": OptOut(before="here"),
    "agreed, entered there": OptOut(before="there"),
    "pending": OptOut(unseen="here"),
    "unread": OptOut(unseen="there"),
    "late": OptOut(late="here"),
}


@pytest.fixture
def opt_out(salesforce, here) -> Callable[[str, str, Person, str], None]:
    def do(side, record, person, name):
        if side == "here":
            here.edit(person, **{name: True})
        elif side == "there":
            salesforce.edit(record, **{CONSENTS[name]: True})

    return do


def read_by_cycle(cycle, **_):
    cycle()


def read_by_action(cycle, sync_person, loser, **_):
    sync_person(loser)
    cycle()


def edited_by_sales(salesforce, winner, cycle, **_):
    """Somebody in sales has looked at the survivor and saved it as it is."""
    salesforce.edit(winner, HasOptedOutOfEmail=False, DoNotCall=False, Title="VP")
    cycle()


@pytest.mark.parametrize("name", CONSENTS)
@pytest.mark.parametrize("when", OPT_OUTS)
@pytest.mark.parametrize("then", [read_by_cycle, read_by_action, edited_by_sales])
def test_the_opt_out_of_a_record_that_loses_a_merge_is_the_survivors(
    salesforce, here, cycle, quiet, sync_person, opt_out, name, when, then
):
    winner, loser = salesforce.lead(LastName="Winner", City="A"), salesforce.lead(LastName="Loser")
    cycle()
    kim, opted = here.person(loser), OPT_OUTS[when]
    opt_out(opted.before, loser, kim, name)
    quiet()
    opt_out(opted.unseen, loser, kim, name)
    salesforce.merge(winner, loser)
    opt_out(opted.late, loser, kim, name)
    given(not salesforce.read(winner)[CONSENTS[name]], "the survivor is not opted out in Salesforce")
    then(cycle=cycle, sync_person=sync_person, loser=kim, salesforce=salesforce, winner=winner)
    cycle()
    [survivor] = Person.objects.all()
    assert (survivor.sfdc_id, getattr(survivor, name), salesforce.read(winner)[CONSENTS[name]]) == (winner, True, True)
    assert any(e.field == name and e.detail.get("new") is True for e in here.log(survivor, "Change Data Value"))
    quiet()
    assert (here.again(survivor).city, getattr(here.again(survivor), name)) == ("A", True)
    assert not PendingChange.objects.exists()


@pytest.mark.parametrize("when", OPT_OUTS)
def test_also_when_nobody_here_knows_the_survivor_yet(salesforce, here, cycle, quiet, opt_out, when):
    loser = salesforce.lead(LastName="Loser")
    cycle()
    kim, opted = here.person(loser), OPT_OUTS[when]
    opt_out(opted.before, loser, kim, "unsubscribed")
    quiet()
    winner = salesforce.lead(LastName="Winner")
    opt_out(opted.unseen, loser, kim, "unsubscribed")
    salesforce.merge(winner, loser)
    opt_out(opted.late, loser, kim, "unsubscribed")
    cycle()
    quiet()
    [survivor] = Person.objects.all()
    assert (survivor.sfdc_id, survivor.unsubscribed) == (winner, True)
    assert salesforce.read(winner)["HasOptedOutOfEmail"]


@pytest.mark.parametrize("when", OPT_OUTS)
@pytest.mark.parametrize("into", ["the middle one, and that into the last", "the last, and the middle one before"])
def test_also_through_several_merges(salesforce, here, cycle, quiet, opt_out, when, into):
    last, middle, loser = (salesforce.lead(LastName=name, Email=f"{name}@example.com") for name in ("A", "B", "C"))
    cycle()
    kim, opted = here.person(loser), OPT_OUTS[when]
    opt_out(opted.before, loser, kim, "unsubscribed")
    quiet()
    opt_out(opted.unseen, loser, kim, "unsubscribed")
    if into.startswith("the middle"):
        salesforce.merge(middle, loser)
        salesforce.merge(last, middle)
    else:
        salesforce.merge(last, middle)
        salesforce.merge(last, loser)
    opt_out(opted.late, loser, kim, "unsubscribed")
    cycle()
    quiet()
    [survivor] = Person.objects.all()
    assert (survivor.sfdc_id, survivor.unsubscribed, salesforce.read(last)["HasOptedOutOfEmail"]) == (last, True, True)


@pytest.mark.parametrize("when", OPT_OUTS)
def test_also_when_a_lead_is_converted_to_another_persons_contact(salesforce, here, cycle, quiet, opt_out, when):
    contact, lead = salesforce.contact(LastName="Winner"), salesforce.lead(LastName="Loser", Title="Buyer")
    cycle()
    kim, opted = here.person(lead), OPT_OUTS[when]
    opt_out(opted.before, lead, kim, "unsubscribed")
    quiet()
    opt_out(opted.unseen, lead, kim, "unsubscribed")
    here.edit(kim, title="Head Buyer")
    salesforce.convert(lead, contact=contact)
    opt_out(opted.late, lead, kim, "unsubscribed")
    cycle()
    quiet()
    [survivor] = Person.objects.all()
    there = salesforce.read(contact)
    assert (survivor.sfdc_id, survivor.unsubscribed, there["HasOptedOutOfEmail"]) == (contact, True, True)
    assert survivor.title == there["Title"] == "Head Buyer"


def test_an_opt_out_that_was_entered_right_before_its_lead_was_deleted_is_kept(salesforce, here, in_sync, cycle):
    lead, kim = in_sync()
    salesforce.edit(lead, HasOptedOutOfEmail=True)
    salesforce.delete(lead)
    cycle()
    assert (here.again(kim).sfdc_is_deleted, here.again(kim).unsubscribed) == (True, True)


# -- what else waited -------------------------------------------------------------------------------------------------


@pytest.fixture
def merged(salesforce, here, cycle, quiet):
    """Two leads in step; after what is edited here, one is merged into the other. The survivor's person."""

    def do(of_loser, of_winner=None):
        winner = salesforce.lead(LastName="Winner", Title="Engineer")
        loser = salesforce.lead(LastName="Loser", Title="Buyer")
        quiet()
        here.edit(here.person(loser), **of_loser)
        here.edit(here.person(winner), **of_winner or {})
        salesforce.merge(winner, loser)
        cycle()
        cycle()
        quiet()
        return winner, here.person(winner)

    return do


def test_an_edit_of_the_loser_that_was_not_sent_goes_through_the_merge_against_the_survivor(salesforce, here, merged):
    winner, survivor = merged({"title": "Head Buyer", "phone": "1"})
    there = salesforce.read(winner)
    assert (survivor.title, survivor.phone) == (there["Title"], there["Phone"]) == ("Head Buyer", "1")
    [conflict] = here.log(survivor, "Conflict")
    assert (conflict.field, conflict.detail["lost"]) == ("title", "Engineer")


def test_where_salesforce_wins_it_is_in_the_log(salesforce, here, merged, sync_user):
    sync_user.lead_winner = "salesforce"
    sync_user.save()
    winner, survivor = merged({"title": "Head Buyer"})
    assert survivor.title == salesforce.read(winner)["Title"] == "Engineer"
    [conflict] = here.log(survivor, "Conflict")
    assert (conflict.field, conflict.detail["lost"]) == ("title", "Head Buyer")


def test_an_edit_of_the_survivor_stays_and_the_losers_is_in_the_log(salesforce, here, merged):
    winner, survivor = merged({"title": "Head Buyer"}, {"title": "Head Engineer"})
    assert survivor.title == salesforce.read(winner)["Title"] == "Head Engineer"
    assert "Head Buyer" in [entry.detail["lost"] for entry in here.log(survivor, "Conflict")]


def test_what_was_agreed_with_the_loser_is_nobodys_edit(salesforce, here, merged):
    winner, survivor = merged({})
    assert survivor.title == salesforce.read(winner)["Title"] == "Engineer"
    assert not here.log(survivor, "Conflict")


# -- an emptied consent -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONSENTS)
def test_an_opt_out_that_is_emptied_here_comes_back(salesforce, here, in_sync, quiet, name):
    lead, kim = in_sync(**{CONSENTS[name]: True})
    quiet()
    here.edit(kim, **{name: None})
    quiet()
    assert (getattr(here.again(kim), name), salesforce.read(lead)[CONSENTS[name]]) == (True, True)
    assert [e.detail["new"] for e in here.log(kim, "Change Data Value") if e.field == name] == [True]
    assert not PendingChange.objects.exists()


def test_an_emptied_opt_out_comes_back_whoever_else_is_at_it(salesforce, here, in_sync, quiet):
    """Also with an edit beside it, with the record read in the same cycle, and on the contact of a converted lead."""
    lead, kim = in_sync(HasOptedOutOfEmail=True)
    quiet()
    here.edit(kim, unsubscribed=None, title="Head Buyer")
    salesforce.edit(lead, Phone="1")
    quiet()
    assert (here.again(kim).unsubscribed, salesforce.read(lead)["HasOptedOutOfEmail"]) == (True, True)
    assert salesforce.read(lead)["Title"] == "Head Buyer"
    here.edit(kim, unsubscribed=None)
    contact = salesforce.convert(lead)
    quiet()
    assert (here.again(kim).unsubscribed, salesforce.read(contact)["HasOptedOutOfEmail"]) == (True, True)


def test_another_checkbox_that_is_emptied_is_unticked(salesforce, here, in_sync, quiet):
    lead, kim = in_sync(Newsletter__c=True)
    quiet()
    here.edit(kim, Newsletter__c=None)
    quiet()
    assert not salesforce.read(lead)["Newsletter__c"]
