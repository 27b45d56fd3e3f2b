"""The log, runs and conflicts: what happened, as it was written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from syncer.models import ActivityLogEntry, Conflict, FormerId, Person, SyncRun, SyncUser
from syncer.salesforce.ids import to_18
from tests.admin.conftest import ORGANISATION
from tests.admin.pages import words

LOG = "/admin/syncer/activitylogentry/"


def entry(person: Person, **values: Any) -> ActivityLogEntry:
    return ActivityLogEntry.objects.create(
        **{"person_id": person.pk, "person_name": str(person), "type": "New Person", "actor": "schedule"} | values
    )


@pytest.fixture
def failed(person: Person, sync_user: SyncUser) -> ActivityLogEntry:
    """Salesforce refused a change, in a run."""
    return entry(
        person,
        type="Sync failed",
        status="failed",
        run=SyncRun.objects.create(sync_user=sync_user, counters={"sent": {"failed": 1}}),
        code="FIELD_CUSTOM_VALIDATION_EXCEPTION",
        field="Phone",
        summary="FIELD_CUSTOM_VALIDATION_EXCEPTION: Phone needed",
        detail={
            "errors": [{"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Phone needed", "fields": ["Phone"]}],
            "values": {"Title": "Buyer"},
            "remedy": "Correct the named field.",
        },
    )


@pytest.mark.parametrize("term", ["berg", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "00Q000000000077", "00Q000000000009"])
def test_the_log_is_found_by_name_code_and_salesforce_id(
    admin: Client, person: Person, failed: ActivityLogEntry, term: str
) -> None:
    FormerId.objects.create(
        person=person, organisation=ORGANISATION, object="Lead", record_id=to_18("00Q000000000009"), reason="merged"
    )
    other = Person.objects.create(last_name="Ode")
    entry(other)
    found = admin.get(LOG, {"q": term}).context["cl"].result_list
    assert [e.pk for e in found] == [failed.pk]


def test_the_log_is_found_by_the_persons_number(admin: Client, person: Person, failed: ActivityLogEntry) -> None:
    other = Person.objects.create(last_name="Ode")
    entry(other)
    assert [e.pk for e in admin.get(LOG, {"q": str(person.pk)}).context["cl"].result_list] == [failed.pk]


def test_the_log_can_be_narrowed_to_a_type_a_status_and_a_run(
    admin: Client, person: Person, failed: ActivityLogEntry
) -> None:
    entry(person)
    for query in ({"status__exact": "failed"}, {"type__exact": "Sync failed"}, {"run__id__exact": str(failed.run_id)}):
        assert [e.pk for e in admin.get(LOG, query).context["cl"].result_list] == [failed.pk]


def test_an_entry_shows_salesforces_own_words_the_values_and_the_remedy(
    admin: Client, failed: ActivityLogEntry
) -> None:
    page = words(admin.get(reverse("admin:syncer_activitylogentry_change", args=[failed.pk])))
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION: Phone needed (Phone)" in page
    assert "Title Buyer" in page
    assert "What to do Correct the named field." in page


def test_an_entry_outlives_its_person(admin: Client, person: Person, failed: ActivityLogEntry) -> None:
    person.delete()
    page = words(admin.get(reverse("admin:syncer_activitylogentry_change", args=[failed.pk])))
    assert "Anna Berg (deleted here)" in page
    # The list still leads to where the person was, and that says so.
    assert admin.get(LOG).status_code == 200


def test_the_timeline_shows_the_values_of_a_change(admin: Client, person: Person) -> None:
    entry(person, type="Change Data Value", field="title", detail={"old": "Buyer", "new": None}, actor="eva")
    page = words(admin.get(reverse("admin:syncer_person_change", args=[person.pk])))
    assert "Title: Buyer → (empty) eva" in page


def test_the_page_of_a_run(admin: Client, sync_user: SyncUser, failed: ActivityLogEntry) -> None:
    start = timezone.now() - timedelta(minutes=1)
    run = failed.run
    assert run is not None
    run.status, run.started_at, run.finished_at = "completed", start, start + timedelta(seconds=6)
    run.phases = [
        {
            "name": "Reading changes",
            "started": start.isoformat(),
            "finished": (start + timedelta(seconds=4)).isoformat(),
            "done": 12,
            "total": 12,
        }
    ]
    run.counters = {"received": {"created": 2, "updated": 10}, "sent": {"failed": 1}}
    run.api_calls, run.conflict_count = 4, 1
    run.save()
    page = words(admin.get(reverse("admin:syncer_syncrun_change", args=[run.pk])))
    assert "Completed" in page
    assert "Received from Salesforce 2 10 0 0" in page
    assert "Sent to Salesforce 0 0 0 1" in page
    assert "4.0 s 12 of 12" in page
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION: Phone needed" in page
    assert "Correct the named field." in page


def test_a_run_that_could_not_complete_says_why(admin: Client, sync_user: SyncUser) -> None:
    run = SyncRun.objects.create(
        sync_user=sync_user, status="failed", error="Could not reach it.", error_code="UNREACHABLE"
    )
    assert "Could not reach it. UNREACHABLE" in words(admin.get(reverse("admin:syncer_syncrun_change", args=[run.pk])))


def test_the_notes_of_a_run_are_on_its_page(admin: Client, sync_user: SyncUser) -> None:
    notes = ["Lead: the sync user may no longer edit Title.", "Something <b>else</b>."]
    run = SyncRun.objects.create(sync_user=sync_user, status="completed", notes=notes)
    page = words(admin.get(reverse("admin:syncer_syncrun_change", args=[run.pk])))
    for note in notes:
        assert note in page


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ({"sobjects": ["Lead", "Contact"]}, ""),
        ({"sobjects": ["Lead"], "full": True, "unfinished": True}, "Only Lead Re-check everything Yes Out of time"),
        ({"kind": "persons", "action": "owner", "person_count": 2, "asked_in_words": [["Owner", "Eva"]]}, "Owner Eva"),
    ],
)
def test_a_run_says_how_it_was_asked_for(admin: Client, sync_user: SyncUser, run: dict[str, Any], told: str) -> None:
    made = SyncRun.objects.create(sync_user=sync_user, **run)
    page = words(admin.get(reverse("admin:syncer_syncrun_change", args=[made.pk])))
    assert told in page
    assert ("Re-check" in page) == bool(made.full)


def test_runs_are_filtered_by_what_they_did(admin: Client, sync_user: SyncUser) -> None:
    made = {
        name: SyncRun.objects.create(sync_user=sync_user, kind=kind, action=action).pk
        for name, kind, action in (
            ("cycle", "cycle", ""),
            ("preview", "preview", ""),
            ("reconnect", "reconnect", ""),
            ("fields", "fields", ""),
            ("sync", "persons", "sync"),
            ("owner", "persons", "owner"),
        )
    }
    url = reverse("admin:syncer_syncrun_changelist")
    for name, pk in made.items():
        response = admin.get(url, {"kind": name})
        assert [run.pk for run in response.context["cl"].result_list] == [pk]
    page = words(admin.get(url))
    for title in ("Change owner in SFDC", "Reconnect to a refreshed sandbox", "Refresh field list", "Preview"):
        assert page.count(title) == 2, title  # the filter, and the run
    assert len(admin.get(url, {"kind": "nonsense"}).context["cl"].result_list) == 0


def test_a_run_with_phases_in_an_unknown_form_still_has_a_page(admin: Client, sync_user: SyncUser) -> None:
    run = SyncRun.objects.create(sync_user=sync_user, phases=[{"name": "x", "started": "nonsense"}], counters={})
    assert admin.get(reverse("admin:syncer_syncrun_change", args=[run.pk])).status_code == 200


def test_conflicts_show_the_value_that_stayed_and_the_one_that_was_overwritten(admin: Client, person: Person) -> None:
    values = {
        "person_id": person.pk,
        "person_name": str(person),
        "field": "phone",
        "base": "0",
        "here": "1",
        "there": "9",
    }
    ours = Conflict.objects.create(**values, winner="marketo", reason="Both changed: this database wins.")
    Conflict.objects.create(**values, winner="salesforce")
    page = words(admin.get(reverse("admin:syncer_conflict_changelist")))
    assert "Phone 9 1 Salesforce" in page
    assert "Phone 1 9 This database" in page
    page = words(admin.get(reverse("admin:syncer_conflict_change", args=[ours.pk])))
    assert "Here 1 Kept" in page
    assert "Salesforce 9 Overwritten" in page


def test_a_page_that_does_not_exist_leads_back(admin: Client, db: None) -> None:
    for model in ("person", "syncrun", "activitylogentry", "conflict"):
        assert admin.get(f"/admin/syncer/{model}/12345/change/").status_code == 302
