"""The activity log as CSV, and its filters: what is shown is what is exported, and nothing in it calculates."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from syncer.admin.log import export
from syncer.admin.log.export import BYTE_ORDER_MARK, COLUMNS, lines
from syncer.models import ActivityLogEntry, Person, SyncRun, SyncUser
from tests.admin.pages import words

LOG = "/admin/syncer/activitylogentry/"
EXPORT = f"{LOG}export/"


def entry(**values: Any) -> ActivityLogEntry:
    return ActivityLogEntry.objects.create(
        **{"person_id": 7, "person_name": "Anna Berg", "type": "Change Data Value", "actor": "eva"} | values
    )


def exported(client: Client, **query: Any) -> list[dict[str, str]]:
    response = client.get(EXPORT, query)
    assert response.status_code == 200
    content = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_an_entry_is_told_in_full(admin: Client, sync_user: SyncUser) -> None:
    run = SyncRun.objects.create(sync_user=sync_user)
    detail = {"old": "Buyer", "new": 'Kopäufer 🚀, "süß"\nline 2', "source": "form"}
    entry(at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC), field="title", run=run, detail=detail, summary="Title changed")
    [row] = exported(admin)
    assert list(row) == list(COLUMNS)
    assert json.loads(row.pop("detail")) == detail
    assert row == {
        "time": "2026-03-01T09:30:00+00:00",
        "type": "Change Data Value",
        "status": "ok",
        "person id": "7",
        "person": "Anna Berg",
        "field": "title",
        "old": "Buyer",
        "new": detail["new"],
        "code": "",
        "summary": "Title changed",
        "actor": "eva",
        "run": str(run.pk),
    }


def test_times_are_in_the_zone_of_whoever_exports(admin: Client) -> None:
    entry(at=datetime(2026, 7, 1, 9, 30, tzinfo=UTC))
    admin.cookies["timezone"] = "Europe/Amsterdam"
    [row] = exported(admin)
    assert row["time"] == "2026-07-01T11:30:00+02:00"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+SUM(A1)", "'+SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("@cmd", "'@cmd"),
        ("\t=1", "'\t=1"),
        (" =1", "' =1"),
        ("＝1+1", "'＝1+1"),
        ("-5", "-5"),
        ("+31201234567", "+31201234567"),
        ("-3.50", "-3.50"),
        ("plain = text", "plain = text"),
        ("", ""),
    ],
)
def test_nothing_calculates_in_a_spreadsheet(admin: Client, text: str, cell: str) -> None:
    entry(person_name=text, field=text, summary=text, actor=text, detail={"old": text, "new": text})
    [row] = exported(admin)
    assert {row[name] for name in ("person", "field", "old", "new", "summary", "actor")} == {cell}


def test_all_pages_are_exported_newest_first_in_one_query_a_batch(
    admin: Client, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Callable[..., Any]
) -> None:
    monkeypatch.setattr(export, "BATCH", 50)
    made = [entry(summary=f"n{i}") for i in range(120)]
    entries = ActivityLogEntry.objects.all()
    with django_assert_num_queries(3):
        batches = list(lines(entries, UTC))
    assert [batch.count("\r\n") for batch in batches] == [1, 50, 50, 20]
    assert [row["summary"] for row in exported(admin)] == [e.summary for e in reversed(made)]


def test_what_comes_in_while_it_runs_shifts_nothing(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "BATCH", 2)
    for i in range(5):
        entry(summary=f"n{i}")
    batches = lines(ActivityLogEntry.objects.all(), UTC)
    text = next(batches) + next(batches)
    entry(summary="later")
    text += "".join(batches)
    found = list(csv.DictReader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline="")))
    assert [row["summary"] for row in found] == ["n4", "n3", "n2", "n1", "n0"]


def narrowed(admin: Client, **query: Any) -> list[str]:
    """What the list shows; the export has the same."""
    shown = [e.summary for e in admin.get(LOG, query).context["cl"].result_list]
    assert [row["summary"] for row in exported(admin, **query)] == shown
    return sorted(shown)


def test_the_list_and_the_export_are_narrowed_by_each_filter_and_the_search(
    admin: Client, person: Person, sync_user: SyncUser
) -> None:
    run = SyncRun.objects.create(sync_user=sync_user)
    now = timezone.now()
    entry(summary="plain", person_id=99, person_name="Ode")
    entry(summary="mine", person_id=person.pk)
    entry(summary="failed", status="failed", type="Sync failed", code="STRING_TOO_LONG", run=run)
    entry(summary="old", at=now - timedelta(days=40))
    assert narrowed(admin, status__exact="failed") == ["failed"]
    assert narrowed(admin, type__exact="Sync failed") == ["failed"]
    assert narrowed(admin, code__exact="STRING_TOO_LONG") == ["failed"]
    assert narrowed(admin, run__id__exact=run.pk) == ["failed"]
    assert narrowed(admin, person_id=person.pk) == ["mine"]
    assert narrowed(admin, person_id="nonsense") == []
    day = (now - timedelta(days=40)).date()
    assert narrowed(admin, since=day, until=day) == ["old"]
    assert narrowed(admin, until=day - timedelta(days=1)) == []
    assert narrowed(admin, since=day + timedelta(days=1)) == ["failed", "mine", "plain"]
    assert narrowed(admin, since="nonsense", until="9999-12-31") == ["failed", "mine", "old", "plain"]
    assert narrowed(admin, q="Ode") == ["plain"]
    assert narrowed(admin, q=person.sfdc_id, since=now.date()) == ["mine"]


def test_the_filters_are_offered_as_links_and_fields_and_keep_one_another(
    admin: Client, person: Person, sync_user: SyncUser
) -> None:
    run = SyncRun.objects.create(sync_user=sync_user)
    entry(status="failed", code="STRING_TOO_LONG", run=run, person_id=person.pk, person_name=str(person))
    entry(code="REQUIRED_FIELD_MISSING")
    asked: dict[str, Any] = {"person_id": person.pk, "run__id__exact": run.pk, "status__exact": "failed", "q": "x"}
    response = admin.get(LOG, asked)
    html, page = response.content.decode(), words(response)
    for title in ("Status", "Type", "Error code", "Date", "Person", "Run"):
        assert title in page
    assert str(person) in page
    assert str(run) in page
    assert "code__exact=REQUIRED_FIELD_MISSING" in html
    assert '<input type="date" name="since"' in html
    for name, value in (("person_id", person.pk), ("status__exact", "failed"), ("q", "x")):
        assert f'<input type="hidden" name="{name}" value="{value}">' in html


def test_the_button_exports_what_is_shown(admin: Client) -> None:
    assert "Export CSV" not in words(admin.get(LOG))
    entry(status="failed")
    html = admin.get(LOG, {"status__exact": "failed", "p": "1"}).content.decode()
    assert f'href="{EXPORT}?status__exact=failed"' in html
    assert f'href="{EXPORT}"' in admin.get(LOG).content.decode()


def test_a_filter_that_there_is_not_leads_back_to_the_list(admin: Client) -> None:
    entry()
    assert admin.get(EXPORT, {"run__trigger": "x"}).status_code == 400


def test_only_those_who_may_see_the_log_may_export_it(staff: Callable[..., Client], client: Client) -> None:
    entry()
    assert client.get(EXPORT).status_code == 302
    assert staff("view_person").get(EXPORT).status_code == 403
    assert len(exported(staff("view_activitylogentry"))) == 1
    assert reverse("admin:syncer_activitylogentry_export") == EXPORT
