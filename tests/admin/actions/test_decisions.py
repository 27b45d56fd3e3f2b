"""What only a person decides: which record somebody is, or that a new lead is made all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from syncer.models import ActivityLogEntry, PendingChange, Person, SyncRun, SyncUser
from syncer.salesforce.ids import to_18
from tests.admin.conftest import in_salesforce
from tests.admin.pages import words

Staff = Callable[..., Client]
FREE, TAKEN = to_18("003000000000901"), to_18("00Q000000000902")


def refused(code: str, **detail: Any) -> Person:
    """A person whose create waits for a decision."""
    person = Person.objects.create(last_name="Okafor", company="Steel", email="ngozi@steel.example.com")
    PendingChange.objects.create(
        person=person,
        revision=1,
        state="failed",
        error_code=code,
        error_message="Somebody has to decide.",
        error_detail=detail,
    )
    return person


def candidate(record_id: str, **more: Any) -> dict[str, Any]:
    found = {"id": record_id, "object": "Contact", "name": "N. Okafor", "email": "ngozi@steel.example.com"}
    return found | {"company": "Steel", "person": None} | more


def page_of(client: Client, person: Person) -> str:
    return words(client.get(reverse("admin:syncer_person_change", args=[person.pk])))


@pytest.fixture
def other(sync_user: SyncUser) -> Person:
    return in_salesforce(Person.objects.create(first_name="Bethany", last_name="Best"), TAKEN)


@pytest.mark.parametrize("code", ["SEVERAL_MATCHES", "MATCH_IS_TAKEN", "DUPLICATES_DETECTED"])
def test_the_records_are_listed_with_what_can_be_done(admin: Client, other: Person, code: str) -> None:
    person = refused(code, candidates=[candidate(FREE), candidate(TAKEN, object="Lead", person=None)])
    response = admin.get(reverse("admin:syncer_person_change", args=[person.pk]))
    page = words(response)
    assert "Which of these records is this person?" in page
    assert page.count("This is the same person: link") == 1
    # Whose the record is, is looked up now: it may have been linked since.
    assert "Belongs to Bethany Best" in page
    assert f'href="https://acme.my.salesforce.com/{FREE}"' in response.content.decode()
    assert reverse("admin:syncer_person_change", args=[other.pk]) in response.content.decode()


def test_of_a_duplicate_rule_only_ids_are_known(admin: Client, other: Person) -> None:
    person = refused("DUPLICATES_DETECTED", duplicates=[FREE, TAKEN, "no id"])
    page = page_of(admin, person)
    assert f"Contact {FREE}" in page
    assert "Belongs to Bethany Best" in page
    assert "Create a new lead" not in page
    pending = PendingChange.objects.get(person=person)
    pending.error_detail |= {"warn_only": True}
    pending.save()
    assert "The duplicate rule only warns: the lead is saved all the same. Create a new lead anyway" in page_of(
        admin, person
    )


def test_a_record_deleted_there_is_told_with_its_day_and_a_new_lead_is_offered(admin: Client, person: Person) -> None:
    Person.objects.filter(pk=person.pk).update(sfdc_is_deleted=True)
    ActivityLogEntry.objects.create(person_id=person.pk, type="Deleted in SFDC")
    page = page_of(admin, person)
    assert "Deleted in Salesforce on " in page
    assert f"A new lead can be made for this person. Lead {person.sfdc_id} stays deleted. Create a new lead" in page


def test_a_contact_that_was_to_go_to_a_queue_leads_to_the_choices(admin: Client, sync_user: SyncUser) -> None:
    person = refused("CONTACT_AND_QUEUE", candidates=[candidate(FREE)])
    response = admin.get(reverse("admin:syncer_person_change", args=[person.pk]))
    url = reverse("admin:syncer_person_choose", args=[person.pk, "sync"]) + "?beside=1"
    assert f'href="{url}"' in response.content.decode()
    assert "Make a lead beside the contact…" in words(response)


@pytest.mark.parametrize("code", ["STRING_TOO_LONG", "REQUIRED_FIELD_MISSING"])
def test_other_refusals_offer_no_decision(admin: Client, sync_user: SyncUser, code: str) -> None:
    page = page_of(admin, refused(code, candidates=[candidate(FREE)], duplicates=[FREE]))
    assert "Which of these records" not in page
    assert "Create a new lead" not in page


def test_what_the_page_did_not_offer_is_not_linked(admin: Client, other: Person) -> None:
    person = refused("SEVERAL_MATCHES", candidates=[candidate(FREE), candidate(TAKEN)])
    url = reverse("admin:syncer_person_link", args=[person.pk])
    for record_id in ("", to_18("003000000000999"), "' OR 1=1", FREE[:15]):
        assert "not offered for this person" in words(admin.post(url, {"record": record_id}, follow=True))
    assert not SyncRun.objects.exists()


def test_a_lead_is_not_made_where_nothing_is_to_be_decided(admin: Client, person: Person) -> None:
    blocked = refused("DUPLICATES_DETECTED", duplicates=[FREE])
    for one in (person, blocked):
        page = words(admin.post(reverse("admin:syncer_person_create_anyway", args=[one.pk]), follow=True))
        assert "There is nothing to decide" in page
    assert not SyncRun.objects.exists()


@pytest.mark.parametrize("name", ["link", "create_anyway"])
def test_decisions_take_post_and_a_permission(staff: Staff, admin: Client, sync_user: SyncUser, name: str) -> None:
    person = refused("SEVERAL_MATCHES", candidates=[candidate(FREE)])
    url = reverse(f"admin:syncer_person_{name}", args=[person.pk])
    assert staff("view_person", "change_person").post(url, {"record": FREE}).status_code == 403
    assert admin.get(url).status_code == 405
    assert "Which of these records" not in page_of(staff("view_person"), person)
    assert not SyncRun.objects.exists()


def test_hostile_records_are_shown_as_text(admin: Client, sync_user: SyncUser) -> None:
    hostile = candidate(FREE, name="<script>alert(1)</script>", company='"><b>', object="<i>", person="x")
    person = refused("SEVERAL_MATCHES", candidates=[hostile, "no record", {"id": 7}], duplicates=None)
    page = admin.get(reverse("admin:syncer_person_change", args=[person.pk])).content.decode()
    assert "<script>alert(1)" not in page
    assert '"><b>' not in page
    assert page.count("This is the same person: link") == 1
