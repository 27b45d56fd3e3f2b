"""Connections and field mappings: secrets go in and never come out; what crosses can be set."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from syncer.models import FieldMapping, SyncRun, SyncUser, SyncUserState
from tests.admin.pages import form_data, words

ADD = "/admin/syncer/syncuser/add/"


def page_of(connection: SyncUser) -> str:
    return reverse("admin:syncer_syncuser_change", args=[connection.pk])


def test_secrets_are_never_shown(admin: Client, sync_user: SyncUser) -> None:
    response = admin.get(page_of(sync_user))
    page = response.content.decode()
    assert "the-client-secret" not in page
    assert "the-client-id" not in page
    assert sync_user.encrypted_secrets not in page
    assert "Client id, client secret (encrypted, never shown)" in words(response)
    data = form_data(response)
    assert data["client_secret"] == ""


def test_empty_keeps_a_secret_and_an_entry_replaces_it(admin: Client, sync_user: SyncUser) -> None:
    data = form_data(admin.get(page_of(sync_user)))
    admin.post(page_of(sync_user), data | {"default_company": "Unknown"})
    sync_user.refresh_from_db()
    assert sync_user.default_company == "Unknown"
    assert sync_user.secrets == {"client_id": "the-client-id", "client_secret": "the-client-secret"}

    sync_user.encrypted_session = "an open session"
    sync_user.save()
    admin.post(page_of(sync_user), data | {"client_secret": "another"})
    sync_user.refresh_from_db()
    assert sync_user.secrets == {"client_id": "the-client-id", "client_secret": "another"}
    assert sync_user.encrypted_session == ""


def test_a_secret_is_not_in_the_page_that_refuses_the_form_nor_in_the_history(
    admin: Client, sync_user: SyncUser
) -> None:
    data = form_data(admin.get(page_of(sync_user)))
    response = admin.post(page_of(sync_user), data | {"client_secret": "fresh-secret", "login_url": "http://acme.com"})
    assert b"errornote" in response.content
    assert b"fresh-secret" not in response.content
    admin.post(page_of(sync_user), data | {"client_secret": "fresh-secret"})
    assert "fresh-secret" not in LogEntry.objects.get().get_change_message()


def test_a_corrected_sign_in_may_be_tried_again(admin: Client, sync_user: SyncUser) -> None:
    sync_user.set_state(SyncUserState.REFUSED, "invalid_grant")
    data = form_data(admin.get(page_of(sync_user)))
    admin.post(page_of(sync_user), data | {"default_company": "Unknown"})
    sync_user.refresh_from_db()
    assert sync_user.state == SyncUserState.REFUSED
    admin.post(page_of(sync_user), data | {"client_secret": "another"})
    sync_user.refresh_from_db()
    assert (sync_user.state, sync_user.state_reason) == (SyncUserState.READY, "")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://acme.my.salesforce.com", "https"),
        ("https://acme.example.com", "acme.example.com"),
        ("https://login.salesforce.com", "My Domain URL only"),
    ],
)
def test_a_login_url_that_cannot_be_right_is_refused(
    admin: Client, sync_user: SyncUser, url: str, complaint: str
) -> None:
    data = form_data(admin.get(page_of(sync_user)))
    assert complaint in words(admin.post(page_of(sync_user), data | {"login_url": url}))
    sync_user.refresh_from_db()
    assert sync_user.login_url == "https://acme.my.salesforce.com"


def test_a_connection_that_lacks_secrets_is_not_added(admin: Client, db: None) -> None:
    data = form_data(admin.get(ADD)) | {"name": "Acme", "login_url": "https://acme.my.salesforce.com/"}
    assert "still needs: client id, client secret" in words(admin.post(ADD, data))
    assert not SyncUser.objects.exists()


def test_one_connection_is_active_at_a_time(admin: Client, sync_user: SyncUser) -> None:
    data = form_data(admin.get(ADD))
    data |= {"name": "Second", "login_url": "http://127.0.0.1:9", "client_id": "i", "client_secret": "s"}
    assert "“Production” is the active connection." in words(admin.post(ADD, data | {"is_active": "on"}))
    data.pop("is_active", None)
    admin.post(ADD, data)
    assert SyncUser.objects.get(name="Second").is_active is False


def test_a_connection_whose_key_is_lost_still_has_a_page(admin: Client, sync_user: SyncUser) -> None:
    SyncUser.objects.update(encrypted_secrets="written with another key")
    assert "cannot be read with FIELD_ENCRYPTION_KEY" in words(admin.get(page_of(sync_user)))


def test_a_connection_is_switched_off_not_deleted(admin: Client, sync_user: SyncUser) -> None:
    assert admin.post(page_of(sync_user).replace("change", "delete"), {"post": "yes"}).status_code == 403


def test_how_it_syncs_can_be_set_and_is_off_to_begin_with(admin: Client, sync_user: SyncUser) -> None:
    data = form_data(admin.get(page_of(sync_user)))
    switches = {"create_leads", "hold_refused_fields", "save_warned_duplicates"}
    assert not switches & set(data)
    assert (data["cycle_share"], data["action_share"]) == ("80", "95")
    admin.post(page_of(sync_user), data | dict.fromkeys(switches, "on") | {"cycle_share": "60"})
    sync_user.refresh_from_db()
    assert {name for name in switches if getattr(sync_user, name)} == switches
    assert (sync_user.cycle_share, sync_user.action_share) == (60, 95)
    history = LogEntry.objects.get().get_change_message()
    assert "Create leads automatically" in history


@pytest.mark.parametrize("wrong", ["0", "101", "all"])
def test_a_share_of_the_api_calls_is_a_percentage(admin: Client, sync_user: SyncUser, wrong: str) -> None:
    data = form_data(admin.get(page_of(sync_user)))
    assert b"errornote" in admin.post(page_of(sync_user), data | {"cycle_share": wrong}).content


def test_a_refreshed_sandbox_is_reconnected_by_a_button_that_shows_when_the_sign_in_was_refused(
    admin: Client, sync_user: SyncUser, staff: Callable[..., Client]
) -> None:
    button = "Reconnect to a refreshed sandbox"
    assert button not in words(admin.get(page_of(sync_user)))
    SyncRun.objects.create(sync_user=sync_user, status="failed", error_code="WRONG_ORGANISATION")
    assert button in words(admin.get(page_of(sync_user)))
    assert button not in words(staff("view_syncuser").get(page_of(sync_user)))
    url = reverse("admin:syncer_syncuser_reconnect", args=[sync_user.pk])
    assert admin.get(url).status_code == 405
    assert staff("view_syncuser", "pause_sync").post(url).status_code == 403
    assert not OrmQ.objects.exists()
    page = words(admin.post(url, follow=True))
    assert button in page
    assert "Running" in page
    run = SyncRun.objects.get(kind="reconnect")
    task = OrmQ.objects.get().task
    assert (task["func"], task["args"]) == ("syncer.tasks.reconnect_sandbox", (run.pk,))
    assert "Asked to reconnect" in LogEntry.objects.get().get_change_message()
    assert button not in words(admin.get(page_of(sync_user)))
    run.status, run.notes = "completed", ["Sandbox: 3 reconnected."]
    run.save()
    assert button not in words(admin.get(page_of(sync_user)))
    assert "Sandbox: 3 reconnected." in words(admin.get(reverse("admin:syncer_syncrun_change", args=[run.pk])))


def test_what_a_test_found_offers_the_button_too(admin: Client, sync_user: SyncUser) -> None:
    session = admin.session
    session["connection_test"] = {
        "sync_user": sync_user.pk,
        "at": "2026-11-22T09:00:00+00:00",
        "error": "This is another organisation.",
        "code": "WRONG_ORGANISATION",
    }
    session.save()
    tested = reverse("admin:syncer_syncuser_test_result", args=[sync_user.pk])
    assert "Reconnect to a refreshed sandbox" in words(admin.get(tested))
    assert "Reconnect to a refreshed sandbox" in words(admin.get(page_of(sync_user)))


# -- field mappings ---------------------------------------------------------------------------------------------------


def test_a_mapping_shows_access_and_lets_what_crosses_be_set(admin: Client, sync_user: SyncUser) -> None:
    mapping = FieldMapping.objects.get(person_field="title")
    url = reverse("admin:syncer_fieldmapping_change", args=[mapping.pk])
    data = form_data(admin.get(url))
    assert set(data) >= {"direction", "winner", "enabled"}
    assert not {"salesforce_field", "person_field", "readable"} & set(data)
    admin.post(url, data | {"direction": "receive", "winner": "salesforce", "keep_filled": "on"})
    mapping.refresh_from_db()
    assert (mapping.direction, mapping.winner, mapping.keep_filled) == ("receive", "salesforce", True)


def test_mappings_are_switched_in_bulk_and_it_is_recorded_who_did_it(admin: Client, sync_user: SyncUser) -> None:
    ids = list(FieldMapping.objects.filter(person_field__in=["title", "rating"]).values_list("pk", flat=True))
    url = reverse("admin:syncer_fieldmapping_changelist")
    page = words(admin.post(url, {"action": "switch_off", "_selected_action": ids}, follow=True))
    assert "2 mappings switched off." in page
    assert FieldMapping.objects.filter(enabled=False).count() == 2
    assert LogEntry.objects.count() == 2
    admin.post(url, {"action": "switch_on", "_selected_action": ids})
    assert not FieldMapping.objects.filter(enabled=False).exists()


def test_a_suspended_mapping_says_why(admin: Client, sync_user: SyncUser) -> None:
    FieldMapping.objects.filter(person_field="title").update(problem="Its type changed from string to date.")
    FieldMapping.objects.filter(person_field="rating").update(readable=False)
    page = words(admin.get(reverse("admin:syncer_fieldmapping_changelist")))
    assert "Suspended Its type changed from string to date." in page
    assert "Hidden in Salesforce" in page
