"""What is edited here while nothing may be sent is sent when it may be."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.urls import reverse

from syncer.models import FieldMapping, Person, SyncUser
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]

#: Seconds after which nothing is read again because it might have been committed late.
LATER = 700


@dataclass(frozen=True, slots=True)
class Sending:
    """Stopped in one of two ways, and allowed again."""

    stop: Callable[[], object]
    allow: Callable[[], object]


@pytest.fixture
def button(eva) -> Callable[[str], None]:
    """Presses one on the dashboard."""

    def press(name):
        given(eva.post(reverse(f"admin:{name}")).status_code == 302, f"{name} was done")

    return press


@pytest.fixture(params=["stopped", "receive-only"])
def sending(request, here, button) -> Sending:
    def mode(name):
        sync_user = SyncUser.objects.get()
        sync_user.mode = name
        sync_user.save()

    if request.param == "receive-only":
        return Sending(lambda: mode("receive-only"), lambda: mode("two-way"))
    return Sending(lambda: button("sync_stop_writing"), lambda: button("sync_allow_writing"))


@pytest.fixture
def then_allowed(sending, cycle, time):
    """Cycles go on for a while; then sending is allowed, and they go on."""

    def go_on():
        for _ in range(2):
            cycle()
            time.pass_(LATER)
        sending.allow()
        for _ in range(2):
            time.pass_(LATER)
            cycle()

    return go_on


def test_an_edit_of_a_lead_that_was_deleted_and_restored_is_sent(
    salesforce, here, in_sync, cycle, sending, then_allowed
):
    lead, kim = in_sync(Title="Buyer")
    salesforce.delete(lead)
    cycle()
    here.edit(kim, title="Head Buyer")
    sending.stop()
    salesforce.undelete(lead)
    then_allowed()
    assert (here.again(kim).title, salesforce.read(lead)["Title"]) == ("Head Buyer", "Head Buyer")


def test_a_value_of_a_person_who_is_linked_meanwhile_is_sent(salesforce, here, sending, then_allowed):
    sending.stop()
    kim = here.add(first_name="Kim", email="kim@example.com", title="Head Buyer")
    lead = salesforce.lead(FirstName="Kim", Email="kim@example.com")
    then_allowed()
    given(here.again(kim).sfdc_id == lead, "the person was linked")
    assert salesforce.read(lead)["Title"] == "Head Buyer"


def test_an_edit_of_a_field_that_was_hidden_and_is_visible_again_is_sent(
    salesforce, here, in_sync, cycle, time, sending, then_allowed
):
    lead, kim = in_sync(Title="Buyer")
    salesforce.access("Title", "hidden")
    cycle()
    here.edit(kim, title="Head Buyer")
    cycle()
    sending.stop()
    time.pass_(LATER)
    salesforce.access("Title", "edit")
    then_allowed()
    assert salesforce.read(lead)["Title"] == "Head Buyer"


def test_an_edit_of_a_record_that_was_hidden_and_is_visible_again_is_sent(
    salesforce, here, in_sync, cycle, time, sending, then_allowed
):
    lead, kim = in_sync(Title="Buyer")
    salesforce.share(lead, visible=False)
    cycle()
    time.pass_(LATER)
    cycle()
    here.edit(kim, title="Head Buyer")
    sending.stop()
    cycle()
    time.pass_(LATER)
    salesforce.share(lead, visible=True)
    then_allowed()
    assert salesforce.read(lead)["Title"] == "Head Buyer"


def test_an_edit_of_a_lead_that_was_converted_is_sent_to_the_contact(salesforce, here, in_sync, sending, then_allowed):
    lead, kim = in_sync(Title="Buyer")
    sending.stop()
    here.edit(kim, title="Head Buyer")
    contact = salesforce.convert(lead)
    then_allowed()
    assert (here.again(kim).title, salesforce.read(contact)["Title"]) == ("Head Buyer", "Head Buyer")


def test_both_sides_agree_after_a_lead_with_an_edit_was_merged_away(salesforce, here, in_sync, sending, then_allowed):
    lead, kim = in_sync(Title="Buyer", Email="kim@example.com")
    other = salesforce.lead(FirstName="Kim")
    sending.stop()
    here.edit(kim, title="Head Buyer")
    salesforce.merge(other, lead)
    then_allowed()
    assert Person.objects.get(sfdc_id=other).title == salesforce.read(other)["Title"]


def test_both_sides_agree_on_an_edit_of_a_field_that_was_only_received(salesforce, here, in_sync, cycle, time):
    lead, kim = in_sync(Title="Buyer")
    title = FieldMapping.objects.get(object="Lead", salesforce_field="Title")
    title.direction = "receive"
    title.save()
    here.edit(kim, title="Head Buyer")
    cycle()
    time.pass_(LATER)
    cycle()
    title.direction = "two-way"
    title.save()
    for _ in range(2):
        time.pass_(LATER)
        cycle()
    assert here.again(kim).title == salesforce.read(lead)["Title"]


# -- the shortest history in which it was found, and those beside it --------------------------------------------------


@pytest.mark.parametrize(
    ("stopped", "later", "full"),
    [
        (False, 0, False),
        (False, LATER, False),
        (True, 0, False),
        (True, LATER, False),
        (True, LATER, True),
    ],
)
def test_an_edit_of_a_restored_lead_is_sent_soon_or_late_and_after_everything_is_read_again(
    salesforce, here, in_sync, cycle, button, time, stopped, later, full
):
    lead, kim = in_sync(Title="Buyer")
    salesforce.delete(lead)
    cycle()
    here.edit(kim, title="Head Buyer")
    if stopped:
        button("sync_stop_writing")
    salesforce.undelete(lead)
    cycle()
    time.pass_(later)
    if later:
        cycle()
        time.pass_(later)
    if stopped:
        button("sync_allow_writing")
    for _ in range(2):
        time.pass_(later)
        cycle()
    if full:
        cycle(full=True)
        cycle()
    assert (here.again(kim).title, salesforce.read(lead)["Title"]) == ("Head Buyer", "Head Buyer")


class Killed(BaseException):
    """What nothing catches, as a killed process."""


@pytest.mark.parametrize("winner", ["marketo", "salesforce"])
@pytest.mark.parametrize("seen_by", ["cycle", "sync_person"])
def test_what_was_sent_without_an_answer_is_no_edit_there_against_one_made_here_since(
    salesforce, here, in_sync, cycle, sync_person, quiet, sync_user, time, winner, seen_by
):
    sync_user.lead_winner = winner
    sync_user.save()
    lead, kim = in_sync(City="A")
    quiet()
    here.edit(kim, city="B")

    def die():
        raise Killed

    sent = salesforce.once_after('"update0"', die)
    with contextlib.suppress(Killed):
        cycle()
    given(sent.happened and salesforce.read(lead)["City"] == "B", "the update came through, and nobody here knows it")
    here.edit(kim, city="C")
    time.pass_(200)  # the claim and the lease of whoever was killed run out
    if seen_by == "sync_person":
        sync_person(kim)
    quiet()
    assert (here.again(kim).city, salesforce.read(lead)["City"]) == ("C", "C")
    assert [entry.detail["reason"] for entry in here.log(kim, "Conflict")] == ["The answer was lost."]
