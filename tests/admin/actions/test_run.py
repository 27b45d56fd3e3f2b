"""*Sync Person to SFDC* from the pages, against a local Salesforce organisation over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from syncer import tasks
from syncer.models import PendingChange, Person, RunPerson, RunStatus, SyncRun, SyncUser, SyncUserState
from tests.admin.conftest import connected
from tests.admin.pages import words

LIST = "/admin/syncer/person/"


@pytest.fixture
def sync_user(db: None, organisation: dict[str, str]) -> SyncUser:
    return connected(organisation)


def run_action(client: Client, *persons: Person, action: str = "sync_person") -> Any:
    ids = [person.pk for person in persons]
    return client.post(LIST, {"action": action, "_selected_action": ids}, follow=True)


def test_three_selected_persons_and_what_became_of_each(admin: Client, sync_user: SyncUser) -> None:
    anna = Person.objects.create(last_name="Berg", company="Acme", email="anna@one.example.com")
    bob = Person.objects.create(last_name="Ode", company="Acme", email="bob@one.example.com")
    nameless = Person.objects.create(email="nobody@one.example.com")
    response = run_action(admin, anna, bob, nameless)
    page = words(response)
    assert response.redirect_chain[0][0].startswith("/admin/syncer/person/sync/")
    assert "Finished: 3 persons." in page
    assert "Created 2" in page
    assert "Failed 1" in page
    assert "REQUIRED_FIELD_MISSING" in page
    anna.refresh_from_db()
    assert anna.sfdc_type == "Lead"
    run = SyncRun.objects.get()
    assert (run.status, run.trigger) == (RunStatus.COMPLETED, "eva")

    # Once more: nothing is left to do for those that are there.
    assert "No change 2" in words(run_action(admin, anna, bob))


def test_the_button_on_a_persons_page(admin: Client, sync_user: SyncUser) -> None:
    person = Person.objects.create(last_name="Berg", company="Acme", email="anna@two.example.com")
    url = reverse("admin:syncer_person_change", args=[person.pk])
    assert "Not in Salesforce: nobody ran Sync Person to SFDC yet." in words(admin.get(url))
    page = words(admin.post(reverse("admin:syncer_person_sync", args=[person.pk]), follow=True))
    assert "Created:" in page
    person.refresh_from_db()
    assert f"Lead {person.sfdc_id}" in page
    assert "Both sides agree" in page


def test_refresh_receives_and_sends_nothing(admin: Client, sync_user: SyncUser) -> None:
    person = Person.objects.create(last_name="Berg", company="Acme", email="anna@five.example.com")
    run_action(admin, person)
    Person.objects.filter(pk=person.pk).update(title="Only here")
    url = reverse("admin:syncer_person_refresh", args=[person.pk])
    page = words(admin.post(url, follow=True))
    assert "No change:" in page
    assert "Waiting to send" in page
    stranger = Person.objects.create(last_name="Ode")
    page = words(admin.post(reverse("admin:syncer_person_refresh", args=[stranger.pk]), follow=True))
    assert "there is nothing to refresh from" in page


def test_selected_persons_are_refreshed_and_nothing_is_sent(admin: Client, sync_user: SyncUser) -> None:
    anna = Person.objects.create(last_name="Berg", company="Acme", email="anna@six.example.com")
    run_action(admin, anna)
    stranger = Person.objects.create(last_name="Ode")
    Person.objects.filter(pk=anna.pk).update(title="Only here")
    page = words(run_action(admin, anna, stranger, action="refresh_person"))
    assert "Refresh from Salesforce" in page
    assert "No change 1" in page
    assert "there is nothing to refresh from" in page
    assert PendingChange.objects.filter(person=anna).exists()
    run = SyncRun.objects.first()
    assert run is not None
    assert (run.kind, run.action) == ("persons", "refresh")
    assert f"Refresh from Salesforce {run.pk}" in words(
        admin.get(reverse("admin:syncer_syncrun_change", args=[run.pk]))
    )


def test_many_persons_are_refreshed_in_the_background(admin: Client, sync_user: SyncUser) -> None:
    people = [Person.objects.create(last_name=f"Berg {i}") for i in range(26)]
    run_action(admin, *people, action="refresh_person")
    task = OrmQ.objects.get().task
    tasks.sync_persons_task(*task["args"])
    assert not Person.objects.exclude(sfdc_type="").exists()
    assert SyncRun.objects.get().status == RunStatus.COMPLETED


def test_an_outcome_that_needs_a_decision_says_what_is_to_be_decided(admin: Client, sync_user: SyncUser) -> None:
    first = Person.objects.create(last_name="Berg", company="Acme", email="same@seven.example.com")
    run_action(admin, first)
    first.delete()  # its lead stays in Salesforce, free
    other = Person.objects.create(last_name="Ode", company="Acme", email="same@seven.example.com")
    page = words(run_action(admin, other))
    assert "Needs a decision 1" in page
    assert "under another name" in page
    assert "The application never picks one of several records" in page
    page = words(admin.get(reverse("admin:syncer_person_change", args=[other.pk])))
    assert "Needs a decision. Nothing is tried again" in page
    assert "“Salesforce has Lead" in page
    assert "What to do: The application never picks" in page
    assert "Choose which one is this person" in page


def test_a_refusal_is_told_in_salesforces_words_with_a_remedy(admin: Client, sync_user: SyncUser) -> None:
    person = Person.objects.create(last_name="Berg", company="Acme", email="anna@three.example.com")
    run_action(admin, person)
    Person.objects.filter(pk=person.pk).update(last_name="x" * 100)
    page = words(admin.post(reverse("admin:syncer_person_sync", args=[person.pk]), follow=True))
    assert "Failed:" in page
    assert "Sync error" in page
    assert "STRING_TOO_LONG" in page
    assert "What to do: Shorten it. We never cut text." in page


def test_many_persons_are_synced_in_the_background_with_a_progress_page(admin: Client, sync_user: SyncUser) -> None:
    people = [
        Person.objects.create(last_name=f"Berg {i}", company="Acme", email=f"p{i}@four.example.com") for i in range(26)
    ]
    response = run_action(admin, *people)
    assert "Waiting for the background worker to take it." in words(response)
    assert b'http-equiv="refresh"' in response.content  # without a script
    run = SyncRun.objects.get()
    url = reverse("admin:syncer_person_sync_progress", args=[run.pk])
    assert admin.get(url).json() | {"text": ""} == {
        "running": True,
        "silent": False,
        "done": 0,
        "total": 26,
        "text": "",
    }
    task = OrmQ.objects.get().task
    assert task["func"] == "syncer.tasks.sync_persons_task"
    tasks.sync_persons_task(*task["args"])
    assert admin.get(url).json()["text"] == "Finished: 26 persons."
    page = words(admin.get(reverse("admin:syncer_person_sync_run", args=[run.pk])))
    assert "Created 26" in page
    assert Person.objects.filter(sfdc_type="Lead").count() == 26


def test_without_a_connection_there_is_one_clear_sentence(admin: Client, db: None) -> None:
    person = Person.objects.create(last_name="Berg")
    assert "No Salesforce connection is set up." in words(run_action(admin, person))
    page = words(admin.post(reverse("admin:syncer_person_sync", args=[person.pk]), follow=True))
    assert "No Salesforce connection is set up." in page


def test_a_wrong_secret_is_told_once_and_stops_the_connection(admin: Client, sync_user: SyncUser) -> None:
    sync_user.set_secrets({"client_id": "wrong", "client_secret": "wrong"})
    sync_user.save()
    person = Person.objects.create(last_name="Berg", company="Acme")
    assert "Salesforce refused the sign-in" in words(run_action(admin, person))
    sync_user.refresh_from_db()
    assert sync_user.state == SyncUserState.REFUSED
    assert not SyncRun.objects.filter(status=RunStatus.RUNNING).exists()
    # It is not tried again by itself, and the run does not look as if it went on.
    assert "refused the sign-in" in words(run_action(admin, person))
    assert not SyncRun.objects.filter(status=RunStatus.RUNNING).exists()


def test_too_many_persons_at_once_are_refused(
    admin: Client, sync_user: SyncUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncer.admin.actions.run.MOST", 2)
    people = [Person.objects.create(last_name=f"Berg {i}") for i in range(3)]
    assert "at most 2 persons" in words(run_action(admin, *people))
    assert not SyncRun.objects.exists()


def test_a_run_that_died_says_so(admin: Client, sync_user: SyncUser) -> None:
    run = SyncRun.objects.create(sync_user=sync_user, kind="persons", status="interrupted", person_count=40)
    page = words(admin.get(reverse("admin:syncer_person_sync_run", args=[run.pk])))
    assert "Interrupted after 0 of 40 persons." in page


def test_of_very_many_outcomes_those_that_need_a_look_come_first(
    admin: Client, sync_user: SyncUser, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr("syncer.admin.actions.progress.SHOWN", 4)
    told = ["Created", "Busy", "No change", "Failed", "Created", "Needs a decision"]
    run = SyncRun.objects.create(
        sync_user=sync_user, kind="persons", action="sync", status="completed", person_count=len(told)
    )
    RunPerson.objects.bulk_create(
        RunPerson(run=run, person_id=i, position=i, name=f"Person {i}", result=result) for i, result in enumerate(told)
    )
    url = reverse("admin:syncer_person_sync_run", args=[run.pk])
    with django_assert_max_num_queries(12):
        response = admin.get(url)
    assert [row.result for row in response.context["rows"]] == ["Failed", "Busy", "Needs a decision", "Created"]
    page = words(response)
    assert "Created 2 Busy 1 No change 1 Failed 1 Needs a decision 1" in page
    assert "2 more" in page
    monkeypatch.setattr("syncer.admin.actions.progress.SHOWN", 6)
    assert [row.result for row in admin.get(url).context["rows"]] == told


def test_a_run_that_was_stopped_in_its_last_batch_says_that_all_were_done(admin: Client, sync_user: SyncUser) -> None:
    run = SyncRun.objects.create(
        sync_user=sync_user,
        kind="persons",
        action="sync",
        status="interrupted",
        error_code="STOPPED",
        error="Stopped by eva.",
        person_count=1,
    )
    RunPerson.objects.create(run=run, person_id=1, position=0, name="Kim Ode", result="Created")
    page = words(admin.get(reverse("admin:syncer_person_sync_run", args=[run.pk])))
    assert "Stopped by eva. Everybody had been done." in page


def test_the_page_of_a_cycle_is_another_one(admin: Client, sync_user: SyncUser) -> None:
    run = SyncRun.objects.create(sync_user=sync_user)
    assert admin.get(reverse("admin:syncer_person_sync_run", args=[run.pk])).status_code == 404
