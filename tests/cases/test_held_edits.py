"""What is edited here while nothing may be sent is sent when it may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.urls import reverse

from syncer.models import FieldMapping, Person, SyncUser

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]

#: Seconds after which nothing is read again because it might have been committed late.
LATER = 700


@dataclass(frozen=True)
class Hold:
    """Two ways in which nothing may be sent, and is allowed again."""

    hold: Callable[[], object]
    allow: Callable[[], object]


@pytest.fixture(params=["stopped", "receive-only"])
def sending(request, here, eva) -> Hold:
    def mode(name):
        sync_user = SyncUser.objects.get()
        sync_user.mode = name
        sync_user.save()

    if request.param == "receive-only":
        return Hold(lambda: mode("receive-only"), lambda: mode("two-way"))
    return Hold(
        lambda: eva.post(reverse("admin:sync_stop_writing")), lambda: eva.post(reverse("admin:sync_allow_writing"))
    )


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


held_edits_are_lost = pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="An edit that could be sent again while nothing may be sent is forgotten, and never sent.",
)


@held_edits_are_lost
def test_an_edit_of_a_lead_that_was_deleted_and_restored(salesforce, here, in_sync, cycle, sending, then_allowed):
    lead, kim = in_sync(Title="Buyer")
    salesforce.delete(lead)
    cycle()
    here.edit(kim, title="Head Buyer")
    sending.hold()
    salesforce.undelete(lead)
    then_allowed()
    assert (here.again(kim).title, salesforce.read(lead)["Title"]) == ("Head Buyer", "Head Buyer")


@held_edits_are_lost
def test_a_value_of_a_person_who_is_linked_meanwhile(salesforce, here, sending, then_allowed):
    sending.hold()
    kim = here.add(first_name="Kim", email="kim@example.com", title="Head Buyer")
    lead = salesforce.lead(FirstName="Kim", Email="kim@example.com")
    then_allowed()
    assert here.again(kim).sfdc_id == lead
    assert salesforce.read(lead)["Title"] == "Head Buyer"


@held_edits_are_lost
def test_an_edit_of_a_field_that_was_hidden_and_is_visible_again(
    salesforce, here, in_sync, cycle, time, sending, then_allowed
):
    lead, kim = in_sync(Title="Buyer")
    salesforce.access("Title", "hidden")
    cycle()
    here.edit(kim, title="Head Buyer")
    cycle()
    sending.hold()
    time.pass_(LATER)
    salesforce.access("Title", "edit")
    then_allowed()
    assert salesforce.read(lead)["Title"] == "Head Buyer"


def test_an_edit_of_a_record_that_was_hidden_and_is_visible_again(
    salesforce, here, in_sync, cycle, time, sending, then_allowed
):
    lead, kim = in_sync(Title="Buyer")
    salesforce.share(lead, visible=False)
    cycle()
    time.pass_(LATER)
    cycle()
    here.edit(kim, title="Head Buyer")
    sending.hold()
    cycle()
    time.pass_(LATER)
    salesforce.share(lead, visible=True)
    then_allowed()
    assert salesforce.read(lead)["Title"] == "Head Buyer"


def test_an_edit_of_a_lead_that_was_converted(salesforce, here, in_sync, sending, then_allowed):
    lead, kim = in_sync(Title="Buyer")
    sending.hold()
    here.edit(kim, title="Head Buyer")
    contact = salesforce.convert(lead)
    then_allowed()
    assert (here.again(kim).title, salesforce.read(contact)["Title"]) == ("Head Buyer", "Head Buyer")


def test_an_edit_of_a_lead_that_was_merged_away(salesforce, here, in_sync, sending, then_allowed):
    """The person of the lead that is left has its title; both sides agree."""
    lead, kim = in_sync(Title="Buyer", Email="kim@example.com")
    other = salesforce.lead(FirstName="Kim")
    sending.hold()
    here.edit(kim, title="Head Buyer")
    salesforce.merge(other, lead)
    then_allowed()
    assert Person.objects.get(sfdc_id=other).title == salesforce.read(other)["Title"]


def test_an_edit_of_a_field_that_was_only_received(salesforce, here, in_sync, cycle, time):
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
        (False, 0, True),
        (False, LATER, False),
        (False, LATER, True),
        (True, 0, False),
        (True, 0, True),
        pytest.param(True, LATER, False, marks=held_edits_are_lost),
        (True, LATER, True),
    ],
)
def test_an_edit_of_a_restored_lead_is_sent_soon_or_late_and_after_everything_is_read_again(
    salesforce, here, in_sync, cycle, eva, time, stopped, later, full
):
    lead, kim = in_sync(Title="Buyer")
    salesforce.delete(lead)
    cycle()
    here.edit(kim, title="Head Buyer")
    if stopped:
        eva.post(reverse("admin:sync_stop_writing"))
    salesforce.undelete(lead)
    cycle()
    time.pass_(later)
    if later:
        cycle()
        time.pass_(later)
    if stopped:
        eva.post(reverse("admin:sync_allow_writing"))
    for _ in range(2):
        time.pass_(later)
        cycle()
    if full:
        cycle(full=True)
        cycle()
    assert (here.again(kim).title, salesforce.read(lead)["Title"]) == ("Head Buyer", "Head Buyer")
