"""*Sync Person to SFDC with options*: who is selected, what Salesforce offers, and what is then done."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from syncer import tasks
from syncer.models import ActivityLogEntry, Person, RunStatus, SalesforceRecord, SyncRun, SyncUser, SyncUserState
from tests.admin.acting import LIST, choices_of, control, select
from tests.admin.conftest import connected, in_salesforce
from tests.admin.pages import words

Staff = Callable[..., Client]


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    """The lists that Salesforce offers are kept for a while; not from one test to the next."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def sync_user(db: None, organisation: dict[str, str]) -> SyncUser:
    return connected(organisation)


@pytest.fixture
def anna(sync_user: SyncUser) -> Person:
    return Person.objects.create(last_name="Berg", company="Acme", email=f"{uuid.uuid4().hex}@example.com")


def statuses(name: str) -> list[dict[str, Any]]:
    return [{"label": name, "default": True, "responded": True}]


def page_of(client: Client, person: Person) -> Any:
    return client.get(reverse("admin:syncer_person_choose", args=[person.pk, "sync"]))


def test_the_page_counts_who_is_selected_by_what_they_are_in_salesforce(
    admin: Client, sync_user: SyncUser, anna: Person
) -> None:
    people = [anna]
    for number, kind in enumerate(("Lead", "Lead", "Contact", "Lead", "Lead")):
        prefix = {"Lead": "00Q", "Contact": "003"}[kind]
        person = Person.objects.create(last_name=f"Ode {number}")
        people.append(in_salesforce(person, f"{prefix}00000000010{number}", kind))
    Person.objects.filter(pk=people[4].pk).update(sfdc_is_deleted=True)
    ActivityLogEntry.objects.create(person_id=people[4].pk, type="Deleted in SFDC")
    SalesforceRecord.objects.filter(person=people[5]).update(hidden_since=timezone.now())
    response = select(admin, "sync_person_with_options", *people)
    page = words(response)
    assert "6 persons selected" in page
    assert "Leads 2 Contacts 1 Not in Salesforce 1 Deleted in Salesforce 1 No longer visible 1" in page
    assert f"Ode 3: Lead {people[4].sfdc_id} , " in page
    # No ids of persons in the address.
    [(address, _)] = response.redirect_chain
    assert address.startswith("/admin/syncer/person/selected/")
    assert not SyncRun.objects.exists()


def test_the_page_says_what_holds_for_new_leads(admin: Client, sync_user: SyncUser, anna: Person) -> None:
    sync_user.default_company = "Unknown Inc."
    sync_user.save()
    page = words(page_of(admin, anna))
    assert "Salesforce sends no assignment e-mail for leads made by API" in page
    assert "Default company Unknown Inc." in page
    assert "Default last name None" in page
    assert "Made at most once Not known yet" in page
    admin.post(reverse("admin:syncer_person_sync", args=[anna.pk]))
    assert "Made at most once By external id" in words(page_of(admin, anna))
    sync_user.refresh_from_db()
    sync_user.external_id_field = "Nobody__c"
    sync_user.save()
    assert "Made at most once By intent There is no unique external-id field Nobody__c" in words(page_of(admin, anna))
    connection = words(admin.get(reverse("admin:syncer_syncuser_change", args=[sync_user.pk])))
    assert "By intent There is no unique external-id field Nobody__c" in connection


def test_owner_campaign_and_status_are_offered_and_kept_with_the_run(
    admin: Client, organisation: dict[str, str], anna: Person
) -> None:
    statuses = [{"label": "Invited", "default": True}, {"label": "Attended", "responded": True}]
    campaign = control(organisation, "POST", "campaigns", name="Open <day>", statuses=statuses)["id"]
    response = select(admin, "sync_person_with_options", anna)
    owners = choices_of(response, "owner")
    assert owners["By Salesforce&#x27;s assignment rules"] == ""
    sally = owners["Sally Sales (sales@example.com)"]
    assert sally.startswith("005")
    assert owners["New Leads"].startswith("00G")
    assert choices_of(response, "campaign")["Open &lt;day&gt;"] == campaign
    url = response.redirect_chain[0][0]
    done = admin.post(url, {"owner": sally, "campaign": campaign, "member_status": "Attended"}, follow=True)
    page = words(done)
    assert "Finished: 1 person." in page
    assert "Owner Sally Sales Campaign Open <day>, Attended" in page
    run = SyncRun.objects.get()
    assert run.asked == {"owner": sally, "campaign": campaign, "member_status": "Attended"}
    anna.refresh_from_db()
    assert anna.sfdc_type == "Lead"
    # A selection is acted on once.
    assert "That selection was used" in words(admin.post(url, {"owner": sally}, follow=True))
    assert SyncRun.objects.count() == 1


def test_the_default_makes_the_lead_as_the_plain_action_does(admin: Client, anna: Person) -> None:
    url = reverse("admin:syncer_person_choose", args=[anna.pk, "sync"])
    page = words(admin.post(url, {"owner": "", "campaign": "", "member_status": ""}, follow=True))
    assert "Created:" in page
    assert SyncRun.objects.get().asked == {}


@pytest.mark.parametrize(
    "hostile",
    [
        {"owner": "005000000000000AAA"},
        {"owner": "' OR Id != '"},
        {"campaign": "701000000000000"},
        {"member_status": "Attended"},
        {"member_status": "<script>"},
        {"owner": "\x00"},
    ],
)
def test_what_salesforce_did_not_offer_is_refused(admin: Client, anna: Person, hostile: dict[str, str]) -> None:
    response = admin.post(reverse("admin:syncer_person_choose", args=[anna.pk, "sync"]), hostile)
    assert response.status_code == 200
    assert b'class="errorlist"' in response.content
    assert b"<script>" not in response.content
    assert not SyncRun.objects.exists()


def test_a_status_of_another_campaign_is_refused(admin: Client, organisation: dict[str, str], anna: Person) -> None:
    control(organisation, "POST", "campaigns", name="One", statuses=statuses("Only here"))
    other = control(organisation, "POST", "campaigns", name="Two", statuses=statuses("There"))
    url = reverse("admin:syncer_person_choose", args=[anna.pk, "sync"])
    page = words(admin.post(url, {"campaign": other["id"], "member_status": "Only here"}))
    assert "“Two” has no such status, only: There." in page
    assert not SyncRun.objects.exists()


def test_when_salesforce_cannot_be_asked_the_page_says_why_and_the_default_still_works(
    admin: Client, organisation: dict[str, str], anna: Person
) -> None:
    control(organisation, "POST", "faults", route="composite", kind="status", status=404, times=10)
    page = words(page_of(admin, anna))
    control(organisation, "DELETE", "faults")
    assert "Salesforce could not be asked for its users, queues and campaigns:" in page
    assert "By Salesforce's assignment rules" in page
    page = words(admin.post(reverse("admin:syncer_person_choose", args=[anna.pk, "sync"]), {"owner": ""}, follow=True))
    assert "Created:" in page


def test_a_refused_sign_in_is_told_once_and_not_tried(admin: Client, sync_user: SyncUser, anna: Person) -> None:
    sync_user.set_state(SyncUserState.REFUSED, "invalid_client")
    page = words(page_of(admin, anna))
    assert "Salesforce refused the sign-in on" in page


def test_without_a_connection_the_page_says_so(admin: Client, db: None) -> None:
    person = Person.objects.create(last_name="Berg")
    page = words(page_of(admin, person))
    assert "Nothing can be written to Salesforce now: there is no Salesforce connection." in page


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"writes_stopped": True}, "everything that writes to Salesforce is stopped"),
        ({"mode": "receive-only"}, "the connection receives only"),
    ],
)
def test_the_page_says_when_nothing_may_be_written(
    admin: Client, sync_user: SyncUser, anna: Person, change: dict[str, Any], reason: str
) -> None:
    SyncUser.objects.update(**change)
    assert f"Nothing can be written to Salesforce now: {reason}." in words(page_of(admin, anna))


def test_many_persons_go_to_the_background_and_the_run_can_be_stopped(admin: Client, sync_user: SyncUser) -> None:
    people = [Person.objects.create(last_name=f"Berg {i}", company="Acme") for i in range(26)]
    url = select(admin, "sync_person_with_options", *people).redirect_chain[0][0]
    response = admin.post(url, {"owner": ""}, follow=True)
    assert "Waiting for the background worker to take it." in words(response)
    run = SyncRun.objects.get()
    stop = reverse("admin:syncer_person_sync_stop", args=[run.pk])
    assert stop.encode() in response.content
    page = words(admin.post(stop, follow=True))
    assert "Stopped by eva. 0 of 26 persons were done" in page
    run.refresh_from_db()
    assert run.status == RunStatus.INTERRUPTED
    tasks.sync_persons_task(*OrmQ.objects.get().task["args"])
    assert not Person.objects.exclude(sfdc_type="").exists()
    assert admin.get(reverse("admin:syncer_person_sync_progress", args=[run.pk])).json()["running"] is False
    assert "It had ended already." in words(admin.post(stop, follow=True))


def test_the_options_reach_the_background_task(admin: Client, sync_user: SyncUser) -> None:
    people = [Person.objects.create(last_name=f"Ode {i}", company="Acme") for i in range(26)]
    response = select(admin, "sync_person_with_options", *people)
    queue = choices_of(response, "owner")["New Leads"]
    admin.post(response.redirect_chain[0][0], {"owner": queue, "lead_for_contact": "on"})
    task = OrmQ.objects.get().task
    assert SyncRun.objects.get().asked == {"owner": queue, "lead_for_contact": True}
    tasks.sync_persons_task(*task["args"])
    assert Person.objects.filter(sfdc_type="Lead").count() == 26


def test_too_many_are_refused_before_the_page(
    admin: Client, sync_user: SyncUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncer.admin.actions.run.MOST", 2)
    people = [Person.objects.create(last_name=f"Berg {i}") for i in range(3)]
    assert "at most 2 persons" in words(select(admin, "sync_person_with_options", *people))


def test_ten_thousand_are_carried(admin: Client, sync_user: SyncUser) -> None:
    people = Person.objects.bulk_create([Person(last_name=f"Berg {i}") for i in range(10_000)])
    data = {"action": "sync_person_with_options", "select_across": "1", "_selected_action": [people[0].pk]}
    response = admin.post(LIST, data, follow=True)
    assert "10000 persons selected" in words(response).replace(",", "")


def test_the_selection_is_its_owners_alone(admin: Client, staff: Staff, sync_user: SyncUser, anna: Person) -> None:
    url = select(admin, "sync_person_with_options", anna).redirect_chain[0][0]
    response = staff("sync_person", "view_person").get(url, follow=True)
    assert "no longer known" in words(response)


def test_the_page_takes_its_permission(staff: Staff, anna: Person) -> None:
    url = reverse("admin:syncer_person_choose", args=[anna.pk, "sync"])
    viewer = staff("view_person", "change_person")
    assert viewer.get(url).status_code == 403
    assert viewer.post(url).status_code == 403
    assert b"with options" not in viewer.get(LIST).content
    assert staff("sync_person").get(url).status_code == 200
    assert staff("sync_person").get(url.replace("/sync/", "/refresh/")).status_code == 404
    assert not SyncRun.objects.exists()


def test_the_choices_take_a_token_of_the_page(anna: Person) -> None:
    from django.contrib.auth.models import User

    client = Client(enforce_csrf_checks=True)
    user = User.objects.create_superuser("eva", password="correct horse battery")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    run = SyncRun.objects.create(sync_user=SyncUser.objects.get(), kind="persons")
    urls = [reverse("admin:syncer_person_choose", args=[anna.pk, one]) for one in ("sync", "owner", "delete")]
    urls += [reverse(f"admin:syncer_person_{one}", args=[anna.pk]) for one in ("link", "create_anyway")]
    urls.append(reverse("admin:syncer_person_sync_stop", args=[run.pk]))
    for url in urls:
        assert client.post(url).status_code == 403, url
    assert SyncRun.objects.get().status == RunStatus.RUNNING
