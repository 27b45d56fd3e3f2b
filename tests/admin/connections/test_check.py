"""*Test connection*, against a local Salesforce organisation over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from syncer.models import Person, SalesforceRecord, SyncUser, SyncUserState
from tests.admin.conftest import connected
from tests.admin.pages import form_data, words

ADD = "/admin/syncer/syncuser/add/"


@pytest.fixture
def sync_user(db: None, organisation: dict[str, str]) -> SyncUser:
    return connected(organisation)


def control(organisation: dict[str, str], path: str, **body: Any) -> None:
    """Change the organisation, as its administrator does."""
    answer = requests.post(f"{organisation['url']}/sandbox/{path}", json=body, timeout=10)
    assert answer.status_code < 300, answer.text


def press_test(client: Client, sync_user: SyncUser) -> Any:
    return client.post(reverse("admin:syncer_syncuser_test", args=[sync_user.pk]), follow=True)


def test_a_test_tells_organisation_user_limits_fields_and_gaps(
    admin: Client, sync_user: SyncUser, organisation: dict[str, str]
) -> None:
    access = {"username": "sync@example.com", "object": "Lead"}
    control(organisation, "access", **access, field="Title", access="hidden")
    page = words(press_test(admin, sync_user))
    sync_user.refresh_from_db()
    assert sync_user.organisation_id.startswith("00D")
    assert sync_user.user_id.startswith("005")
    assert f"{sync_user.organisation_name} {sync_user.organisation_id}" in page
    assert "Signed in as sync@example.com" in page
    assert "API version 62.0" in page
    assert "used by all applications" in page
    assert "Lead sees" in page
    assert "Contact sees" in page
    assert "Person_Id__c makes a create happen at most once." in page
    assert "Works, with gaps" in page
    assert "Lead: not visible to the sync user: Title. Give Read in field-level security." in page
    # Reloading the page doesn't sign in again; another person sees no result.
    result = reverse("admin:syncer_syncuser_test_result", args=[sync_user.pk])
    assert "Works, with gaps" in words(admin.get(result))
    control(organisation, "access", **access, field="Title", access="edit")
    assert "Nothing: every field" in words(press_test(admin, sync_user))


def test_a_refused_test_is_one_clear_sentence(admin: Client, sync_user: SyncUser) -> None:
    sync_user.set_secrets({"client_id": "wrong", "client_secret": "wrong"})
    sync_user.save()
    page = words(press_test(admin, sync_user))
    assert "Does not work" in page
    assert "Salesforce refused the sign-in:" in page
    assert "Correct the connection" in page
    sync_user.refresh_from_db()
    assert sync_user.state == SyncUserState.REFUSED


def test_a_test_that_works_ends_a_refusal(admin: Client, sync_user: SyncUser) -> None:
    sync_user.set_state(SyncUserState.REFUSED, "invalid_grant")
    press_test(admin, sync_user)
    sync_user.refresh_from_db()
    assert sync_user.state == SyncUserState.READY


def test_a_connection_that_is_added_is_tested_and_learns_its_organisation(
    admin: Client, db: None, organisation: dict[str, str]
) -> None:
    data = form_data(admin.get(ADD)) | {"name": "Acme", "login_url": organisation["url"] + "/"}
    secrets = {name: organisation[name] for name in ("client_id", "client_secret")}
    page = words(admin.post(ADD, data | secrets, follow=True))
    assert "Works" in page
    connection = SyncUser.objects.get()
    assert connection.login_url == organisation["url"]
    assert connection.organisation_name
    assert f"{connection.organisation_name} {connection.organisation_id}" in page


def test_a_connection_that_is_added_and_refused_stays_to_be_corrected(
    admin: Client, db: None, organisation: dict[str, str]
) -> None:
    data = form_data(admin.get(ADD)) | {"name": "Acme", "login_url": organisation["url"]}
    page = words(admin.post(ADD, data | {"client_id": "id", "client_secret": "wrong"}, follow=True))
    assert "Salesforce refused the sign-in" in page
    assert SyncUser.objects.get().organisation_id == ""


def test_an_organisation_other_than_that_of_the_persons_is_refused(admin: Client, sync_user: SyncUser) -> None:
    person = Person.objects.create(last_name="Berg", sfdc_type="Lead", sfdc_id="00Q000000000001AAA")
    SalesforceRecord.objects.create(
        person=person, organisation="00D000000000009AAA", object="Lead", record_id=person.sfdc_id
    )
    assert "the persons here are linked with 00D000000000009AAA" in words(press_test(admin, sync_user))
    sync_user.refresh_from_db()
    assert sync_user.organisation_id == ""


def test_testing_takes_post_a_permission_and_a_token(
    staff: Callable[..., Client], admin: Client, sync_user: SyncUser
) -> None:
    url = reverse("admin:syncer_syncuser_test", args=[sync_user.pk])
    result = reverse("admin:syncer_syncuser_test_result", args=[sync_user.pk])
    assert admin.get(url).status_code == 405
    looks = staff("view_syncuser")
    assert looks.post(url).status_code == 403
    assert looks.get(result).status_code == 403
    assert b"Test connection" not in looks.get(reverse("admin:syncer_syncuser_change", args=[sync_user.pk])).content
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(User.objects.get(username="eva"), backend="django.contrib.auth.backends.ModelBackend")
    assert careful.post(url).status_code == 403
    sync_user.refresh_from_db()
    assert sync_user.encrypted_session == ""


def test_without_a_test_its_page_leads_to_the_connection(admin: Client, sync_user: SyncUser) -> None:
    result = reverse("admin:syncer_syncuser_test_result", args=[sync_user.pk])
    assert "Test connection" in words(admin.get(result, follow=True))
