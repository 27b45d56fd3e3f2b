"""*Change owner*, *Add to campaign*, *Delete from SFDC* from the pages, and decisions carried out, over real HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from simple_salesforce.api import Salesforce

from syncer.models import ActivityLogEntry, ActivityType, PendingChange, Person, SyncRun, SyncUser
from syncer.salesforce.transport import open_session
from tests.admin.acting import LIST, choices_of, control, select
from tests.admin.conftest import connected, in_salesforce
from tests.admin.pages import form_data, words

Staff = Callable[..., Client]


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def sync_user(db: None, organisation: dict[str, str]) -> SyncUser:
    return connected(organisation)


@pytest.fixture
def sales(organisation: dict[str, str]) -> Any:
    """Somebody who works in Salesforce."""
    session = open_session(organisation["url"])
    body = {"grant_type": "client_credentials"} | {k: organisation[k] for k in ("client_id", "client_secret")}
    token = session.post(f"{organisation['url']}/services/oauth2/token", data=body).json()
    return Salesforce(instance_url=token["instance_url"], session_id=token["access_token"], session=session)


def somebody(**values: Any) -> Person:
    return Person.objects.create(
        **{"last_name": "Berg", "company": "Acme", "email": f"{uuid.uuid4().hex}@example.com"} | values
    )


@pytest.fixture
def anna(admin: Client, sync_user: SyncUser) -> Person:
    """A lead in Salesforce."""
    person = somebody(first_name="Anna")
    admin.post(reverse("admin:syncer_person_sync", args=[person.pk]))
    person.refresh_from_db()
    assert person.sfdc_type == "Lead"
    return person


def choose(person: Person, action: str) -> str:
    return reverse("admin:syncer_person_choose", args=[person.pk, action])


# -- owner and campaign ------------------------------------------------------------------------------------------------


def test_the_owner_is_changed_from_the_list(admin: Client, anna: Person, sales: Any) -> None:
    bob = somebody(first_name="Bob")  # not in Salesforce yet
    response = select(admin, "change_owner", anna, bob)
    page = words(response)
    assert "2 persons selected Leads 1 Not in Salesforce 1" in page
    assert "goes through Sync Person to SFDC first" in page
    queue = choices_of(response, "owner")["New Leads"]
    page = words(admin.post(response.redirect_chain[0][0], {"owner": queue}, follow=True))
    assert "Change owner in SFDC" in page
    assert "Owner New Leads" in page
    for person in (anna, bob):
        person.refresh_from_db()
        assert sales.Lead.get(person.sfdc_id)["OwnerId"] == queue
    assert "Owner Queue" in words(admin.get(reverse("admin:syncer_person_change", args=[anna.pk])))


def test_an_owner_has_to_be_chosen(admin: Client, anna: Person) -> None:
    assert "This field is required." in words(admin.post(choose(anna, "owner"), {"owner": ""}))
    assert "This field is required." in words(admin.post(choose(anna, "campaign"), {"campaign": ""}))
    assert SyncRun.objects.count() == 1


def test_a_contact_that_cannot_go_to_a_queue_gets_a_lead_beside_it_when_somebody_ticks_that(
    admin: Client, sync_user: SyncUser, sales: Any
) -> None:
    contact = somebody(first_name="Carla")
    record = sales.Contact.create({"LastName": "Berg", "Email": contact.email})["id"]
    admin.post(reverse("admin:syncer_person_sync", args=[contact.pk]))
    contact.refresh_from_db()
    assert (contact.sfdc_type, contact.sfdc_id) == ("Contact", record)
    response = select(admin, "change_owner", contact)
    queue = choices_of(response, "owner")["New Leads"]
    done = admin.post(response.redirect_chain[0][0], {"owner": queue}, follow=True)
    assert "CONTACT_AND_QUEUE" in words(done)
    assert "Make a lead beside the contact…" in words(done)
    beside = reverse("admin:syncer_person_sync_beside", args=[SyncRun.objects.latest("id").pk])
    assert beside in done.content.decode()
    again = admin.post(beside, follow=True)
    assert "1 person selected Contacts 1" in words(again)
    data = form_data(again)
    assert (data["owner"], data["lead_for_contact"]) == (queue, "on")
    page = words(admin.post(again.redirect_chain[0][0], data, follow=True))
    assert "beside the contact" in page
    twin = Person.objects.get(email=contact.email, sfdc_type="Lead")
    assert sales.Lead.get(twin.sfdc_id)["OwnerId"] == queue


def test_a_person_is_added_to_a_campaign_with_a_status(
    admin: Client, organisation: dict[str, str], anna: Person, sales: Any
) -> None:
    statuses = [{"label": "Invited", "default": True}, {"label": "Attended", "responded": True}]
    campaign = control(organisation, "POST", "campaigns", name="Open day", statuses=statuses)["id"]
    page = words(admin.post(choose(anna, "campaign"), {"campaign": campaign, "member_status": "Attended"}, follow=True))
    assert "Added to campaign “Open day” as “Attended”." in page
    query = f"SELECT Status FROM CampaignMember WHERE LeadId = '{anna.sfdc_id}'"  # noqa: S608
    assert [row["Status"] for row in sales.query(query)["records"]] == ["Attended"]
    again = words(admin.post(choose(anna, "campaign"), {"campaign": campaign}, follow=True))
    assert "Is a member of campaign “Open day” already" in again


def test_without_salesforce_there_is_nothing_to_choose(
    admin: Client, organisation: dict[str, str], anna: Person
) -> None:
    control(organisation, "POST", "faults", route="composite", kind="status", status=404, times=10)
    response = admin.get(choose(anna, "owner"))
    control(organisation, "DELETE", "faults")
    assert "Salesforce could not be asked" in words(response)
    assert "Try again" in words(response)
    assert b'name="owner"' not in response.content
    assert b'name="owner"' in admin.get(choose(anna, "owner")).content


# -- Delete from SFDC --------------------------------------------------------------------------------------------------


def test_delete_names_the_records_and_has_their_number_typed(admin: Client, anna: Person, sales: Any) -> None:
    absent = somebody(first_name="Bob")
    response = select(admin, "delete_from_sfdc", anna, absent)
    page = words(response)
    assert "1 record will be deleted in Salesforce" in page
    assert "The person stays here" in page
    assert f"Anna Berg {anna.email} Lead {anna.sfdc_id}" in page
    assert "1 of the selected persons has no record in Salesforce and is left alone." in page
    url, data = response.redirect_chain[0][0], form_data(response)
    for wrong in ("", "2", "one", "1e0", " 11"):
        assert "Type the number of records, 1, to delete them." in words(admin.post(url, data | {"count": wrong}))
    assert sales.Lead.get(anna.sfdc_id)["IsDeleted"] is False
    page = words(admin.post(url, data | {"count": " 1 "}, follow=True))
    assert "was deleted in Salesforce. The person stays here." in page
    anna.refresh_from_db()
    assert anna.sfdc_is_deleted
    query = f"SELECT IsDeleted FROM Lead WHERE Id = '{anna.sfdc_id}'"  # noqa: S608
    assert sales.query(query, include_deleted=True)["records"][0]["IsDeleted"] is True
    entry = ActivityLogEntry.objects.get(person_id=anna.pk, type=ActivityType.DELETE_FROM_SFDC)
    assert entry.actor == "eva"
    assert Person.objects.filter(pk=absent.pk).exists()


def test_records_that_changed_since_the_page_was_shown_are_not_deleted(admin: Client, anna: Person, sales: Any) -> None:
    data = form_data(admin.get(choose(anna, "delete")))
    other = sales.Lead.create({"LastName": "Other", "Company": "Acme"})["id"]
    Person.objects.filter(pk=anna.pk).update(sfdc_id=other)
    page = words(admin.post(choose(anna, "delete"), data | {"count": "1"}))
    assert "The records have changed since this page was shown." in page
    assert sales.Lead.get(other)["IsDeleted"] is False
    for seen in ("", "é", "0" * 64):
        page = words(admin.post(choose(anna, "delete"), {"seen": seen, "count": "1"}))
        assert "The records have changed" in page


def test_there_is_nothing_to_delete_for_who_has_no_record(admin: Client, sync_user: SyncUser) -> None:
    absent = somebody()
    page = words(admin.post(choose(absent, "delete"), {"count": "0"}))
    assert "Nothing to delete: this person has no record in Salesforce." in page
    assert not SyncRun.objects.exists()


def test_deleting_is_for_administrators(staff: Staff, admin: Client, sync_user: SyncUser) -> None:
    person = in_salesforce(somebody())
    marketer = staff("view_person", "change_person", "sync_person")
    assert b"Delete from SFDC" not in marketer.get(LIST).content
    assert b"Delete from SFDC" not in marketer.get(reverse("admin:syncer_person_change", args=[person.pk])).content
    assert marketer.get(choose(person, "delete")).status_code == 403
    assert marketer.post(choose(person, "delete"), {"count": "1"}).status_code == 403
    select(marketer, "delete_from_sfdc", person)
    assert not SyncRun.objects.exists()
    deleter = staff("view_person", "delete_from_sfdc")
    assert deleter.get(choose(person, "delete")).status_code == 200
    assert deleter.get(choose(person, "owner")).status_code == 403
    assert b"Delete from SFDC" in deleter.get(reverse("admin:syncer_person_change", args=[person.pk])).content


@pytest.mark.parametrize("action", ["owner", "campaign"])
def test_the_sister_actions_take_the_permission_of_the_sync(staff: Staff, sync_user: SyncUser, action: str) -> None:
    person = somebody()
    viewer = staff("view_person", "delete_from_sfdc")
    assert viewer.get(choose(person, action)).status_code == 403
    assert viewer.post(choose(person, action)).status_code == 403
    assert staff("sync_person").get(choose(person, action)).status_code == 200


# -- decisions, carried out --------------------------------------------------------------------------------------------


@pytest.fixture
def undecided(admin: Client, sync_user: SyncUser, sales: Any) -> Person:
    """Two contacts have the person's address."""
    person = somebody(first_name="Ngozi", last_name="Okafor")
    for last_name in ("Okafor", "Okafor"):
        sales.Contact.create({"LastName": last_name, "Email": person.email})
    page = words(admin.post(reverse("admin:syncer_person_sync", args=[person.pk]), follow=True))
    assert "Needs a decision:" in page
    assert page.count("This is the same person: link") == 2
    return person


def test_the_chosen_record_is_linked(admin: Client, undecided: Person) -> None:
    candidates = PendingChange.objects.get(person=undecided).error_detail["candidates"]
    url = reverse("admin:syncer_person_link", args=[undecided.pk])
    page = words(admin.post(url, {"record": candidates[1]["id"]}, follow=True))
    assert "Linked to Contact" in page
    undecided.refresh_from_db()
    assert undecided.sfdc_id == candidates[1]["id"]
    assert "Which of these records" not in page


def test_a_new_lead_is_made_although_there_are_similar_records(admin: Client, undecided: Person) -> None:
    url = reverse("admin:syncer_person_create_anyway", args=[undecided.pk])
    assert "Created:" in words(admin.post(url, follow=True))
    undecided.refresh_from_db()
    assert undecided.sfdc_type == "Lead"


def test_a_new_lead_takes_the_place_of_a_deleted_one(admin: Client, anna: Person, sales: Any) -> None:
    first = anna.sfdc_id
    sales.Lead.delete(first)
    page = words(admin.post(reverse("admin:syncer_person_sync", args=[anna.pk]), follow=True))
    assert "was deleted in Salesforce" in page
    assert "Create a new lead" in page
    page = words(admin.post(reverse("admin:syncer_person_create_anyway", args=[anna.pk]), follow=True))
    assert "Created:" in page
    anna.refresh_from_db()
    assert (anna.sfdc_is_deleted, anna.sfdc_type) == (False, "Lead")
    assert anna.sfdc_id != first
    assert f"Was Lead {first}, " in page
    assert f"now Lead {anna.sfdc_id}." in page


def test_selected_persons_whose_records_were_deleted_get_new_leads_when_somebody_ticks_that(
    admin: Client, anna: Person, sales: Any
) -> None:
    first = anna.sfdc_id
    sales.Lead.delete(first)
    admin.post(reverse("admin:syncer_person_sync", args=[anna.pk]))
    response = select(admin, "sync_person_with_options", anna)
    assert "Make a new lead for persons whose record was deleted" in words(response)
    page = words(admin.post(response.redirect_chain[0][0], {"recreate_deleted": "on"}, follow=True))
    assert "Created 1" in page
    anna.refresh_from_db()
    assert anna.sfdc_id != first


def test_a_warning_of_a_duplicate_rule_can_be_overruled(
    admin: Client, organisation: dict[str, str], sync_user: SyncUser, sales: Any
) -> None:
    company = uuid.uuid4().hex
    sales.Lead.create({"LastName": "Berg", "Company": company})
    control(organisation, "POST", "duplicate-rules", object="Lead", action="allow", fields=["LastName", "Company"])
    person = somebody(company=company)
    page = words(admin.post(reverse("admin:syncer_person_sync", args=[person.pk]), follow=True))
    assert "DUPLICATES_DETECTED" in page
    assert "A rule that only warns lets the lead through" in page
    page = words(admin.post(reverse("admin:syncer_person_create_anyway", args=[person.pk]), follow=True))
    control(organisation, "DELETE", "duplicate-rules")
    assert "Created:" in page
