"""Planned faults, limits and the clock."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from requests.exceptions import ChunkedEncodingError, ReadTimeout
from requests.exceptions import ConnectionError as Dropped

from tests.sandbox.conftest import BASE, Rig


def _fault(rig: Rig, **plan: Any) -> Any:
    return rig.control("POST", "faults", plan)


@pytest.mark.parametrize("where", ["rig", "live"])
def test_drop_after_does_the_work_and_loses_the_answer(where: str, request: pytest.FixtureRequest) -> None:
    rig: Rig = request.getfixturevalue(where)
    rig.get("limits")
    _fault(rig, route="/sobjects/Lead", kind="drop_after")
    with pytest.raises(Dropped):
        rig.create(LastName="Kept")
    assert rig.records("SELECT LastName FROM Lead") == [{"LastName": "Kept"}]


@pytest.mark.parametrize("where", ["rig", "live"])
def test_drop_before_does_nothing(where: str, request: pytest.FixtureRequest) -> None:
    rig: Rig = request.getfixturevalue(where)
    rig.get("limits")
    _fault(rig, route="/composite", kind="drop_before")
    body = {"records": [{"attributes": {"type": "Lead"}, "LastName": "L", "Company": "C"}]}
    with pytest.raises(Dropped):
        rig.call("POST", "composite/sobjects", json=body)
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 0


@pytest.mark.parametrize(("kind", "kept"), [("drop_before", 0), ("drop_after", 2)])
def test_drops_of_a_subrequest_drop_the_whole_composite(rig: Rig, kind: str, kept: int) -> None:
    rig.get("limits")
    _fault(rig, route="/sobjects/Lead", kind=kind, nth=2)
    subrequests = [
        {
            "method": "POST",
            "url": f"{BASE}/sobjects/Lead",
            "referenceId": f"r{n}",
            "body": {"LastName": "L", "Company": "C"},
        }
        for n in range(2)
    ]
    with pytest.raises(Dropped):
        rig.call("POST", "composite", json={"compositeRequest": subrequests})
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == kept


def test_nth_and_times_count_matching_requests(rig: Rig) -> None:
    _fault(rig, route="/limits", kind="status", status=500, nth=2, times=2)
    assert [rig.call("GET", "limits").status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    rig.get("sobjects")
    assert rig.control("GET", "faults")["faults"][0]["hits"] == 2
    assert rig.control("DELETE", "faults") == {"faults": []}


def test_probability_hits_some(rig: Rig) -> None:
    _fault(rig, route="/limits", kind="status", status=503, probability=0.5)
    seen = {rig.call("GET", "limits").status_code for _ in range(40)}
    assert seen == {200, 503}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "UNKNOWN_EXCEPTION"),
        (503, "SERVER_UNAVAILABLE"),
        (403, "REQUEST_LIMIT_EXCEEDED"),
        (401, "INVALID_SESSION_ID"),
    ],
)
def test_statuses_come_with_salesforce_s_codes(rig: Rig, status: int, code: str) -> None:
    _fault(rig, route="GET /services", kind="status", status=status)
    assert rig.refused("GET", "limits")[:2] == (status, code)


def test_a_status_may_have_any_code_or_be_html(rig: Rig) -> None:
    _fault(rig, route="/limits", kind="status", status=400, code="QUERY_TIMEOUT", message="too long")
    assert rig.refused("GET", "limits") == (400, "QUERY_TIMEOUT", "too long")
    _fault(rig, route="/limits", kind="status", status=503, html=True)
    answer = rig.call("GET", "limits")
    assert (answer.status_code, answer.text[:6]) == (503, "<html>")


def test_a_slow_answer_passes_the_client_s_patience(rig: Rig) -> None:
    rig.get("limits")
    _fault(rig, route="/sobjects/Lead", kind="delay_ms", delay_ms=30_000)
    before = rig.time.now
    with pytest.raises(ReadTimeout):
        rig.call("POST", "sobjects/Lead", json={"LastName": "L", "Company": "C"}, timeout=5)
    assert (rig.time.now - before).total_seconds() == 5
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 1


def test_a_slow_answer_does_not_keep_others_waiting(live: Rig) -> None:
    live.get("limits")
    _fault(live, route="/sobjects", kind="delay_ms", delay_ms=1500)
    with pytest.raises(ReadTimeout):
        live.call("GET", "sobjects", timeout=0.2)
    assert live.call("GET", "limits", timeout=1).status_code == 200


@pytest.mark.parametrize("where", ["rig", "live"])
def test_half_an_answer(where: str, request: pytest.FixtureRequest) -> None:
    rig: Rig = request.getfixturevalue(where)
    rig.get("limits")
    _fault(rig, route="/sobjects", kind="truncate")
    with pytest.raises(ChunkedEncodingError):
        rig.get("sobjects/Lead/describe")


@pytest.mark.parametrize("status", [400, 500])
def test_locked_rows(rig: Rig, status: int) -> None:
    held, free = rig.create(), rig.create()
    _fault(rig, route="/", kind="lock", ids=[held[:15]], times=None, status=status)
    message = f"unable to obtain exclusive access to this record or 1 records: {held}"
    assert rig.refused("PATCH", f"sobjects/Lead/{held}", json={}) == (status, "UNABLE_TO_LOCK_ROW", message)
    records = [{"attributes": {"type": "Lead"}, "id": each, "Title": "T"} for each in (held, free)]
    rows = rig.call("PATCH", "composite/sobjects", json={"records": records}).json()
    assert rows[0]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    assert rows[1]["success"] is True
    assert rig.read(held)["Title"] is None


def test_sessions_can_be_made_to_expire(rig: Rig) -> None:
    _fault(rig, route="/limits", kind="expire_session", nth=2)
    rig.get("limits")
    assert rig.refused("GET", "limits")[:2] == (401, "INVALID_SESSION_ID")
    del rig.session.headers["Authorization"]
    rig.get("limits")


def test_a_late_commit_shows_up_with_an_older_stamp(rig: Rig) -> None:
    lead = rig.create(Title="old")
    rig.time.sleep(60)
    _fault(rig, route="/sobjects/Lead", kind="late_commit", seconds=300, times=2)
    rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Title": "new"})
    made = rig.create(LastName="Late")
    assert rig.records("SELECT Title FROM Lead") == [{"Title": "old"}]
    assert rig.refused("GET", f"sobjects/Lead/{made}")[0] == 404
    assert rig.refused("PATCH", f"sobjects/Lead/{lead}", json={})[1] == "UNABLE_TO_LOCK_ROW"
    rig.time.sleep(299)
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 1
    rig.time.sleep(1)
    assert {row["Title"] for row in rig.records("SELECT Title FROM Lead")} == {"new", None}
    assert {row["SystemModstamp"] for row in rig.records("SELECT SystemModstamp FROM Lead")} == {
        "2026-11-02T09:31:00.000+0000"
    }


def test_a_unique_value_of_a_save_that_has_not_committed_is_taken(rig: Rig) -> None:
    _fault(rig, route="/sobjects/Lead", kind="late_commit", seconds=300)
    body = {"LastName": "L", "Company": "C"}
    made = rig.call("PATCH", "sobjects/Lead/Person_Id__c/p", json=body).json()["id"]
    assert rig.refused("GET", "sobjects/Lead/Person_Id__c/p")[:2] == (404, "NOT_FOUND")
    status, code, message = rig.refused("PATCH", "sobjects/Lead/Person_Id__c/P", json=body)
    assert (status, code) == (400, "DUPLICATE_VALUE")
    assert message.endswith(made[:15])
    rig.time.sleep(300)
    again = rig.call("PATCH", "sobjects/Lead/Person_Id__c/p", json=body)
    assert (again.status_code, again.json()["id"]) == (200, made)


def test_only_the_caller_s_session_expires(rig: Rig) -> None:
    other = {"Authorization": f"Bearer {rig.token()}"}
    _fault(rig, route="/limits", kind="expire_session")
    assert rig.refused("GET", "limits")[0] == 401
    assert rig.call("GET", "limits", headers=other).status_code == 200


def test_control_calls_are_spared_and_not_counted(rig: Rig) -> None:
    _fault(rig, route="", kind="status", status=500, times=None)
    assert rig.control("GET", "state")["now"] == "2026-11-02T09:30:00.000+0000"
    assert rig.control("GET", "requests") == {"api_calls": 0, "requests": {}}


@pytest.mark.parametrize(
    "plan", [{}, {"kind": "nothing"}, {"kind": "lock", "ids": ["x"]}, {"kind": "status", "nth": "x"}]
)
def test_plans_that_make_no_sense(rig: Rig, plan: dict[str, Any]) -> None:
    answer = rig.session.post(f"{rig.url}/sandbox/faults", json=plan)
    assert answer.status_code == 400
    assert rig.control("GET", "faults") == {"faults": []}


# Limits (Salesforce Developer Limits and Allocations Quick Reference, "API Request Limits and Allocations")


def test_the_daily_limit_is_of_the_last_24_hours(rig: Rig) -> None:
    rig.control("POST", "limits", {"daily": 3})
    for used in (1, 2, 3):
        assert rig.call("GET", "limits").headers["Sforce-Limit-Info"] == f"api-usage={used}/3"
    assert rig.refused("GET", "limits") == (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    assert rig.session.post(f"{rig.url}/services/oauth2/token", data={}).status_code == 400
    rig.time.sleep(24 * 3600)
    del rig.session.headers["Authorization"]
    assert rig.get("limits")["DailyApiRequests"] == {"Max": 3, "Remaining": 2}


def test_calls_that_run_for_long_are_limited_in_number(rig: Rig) -> None:
    rig.get("limits")
    rig.control("POST", "limits", {"concurrent": 1})
    _fault(rig, route="/sobjects", kind="delay_ms", seconds=60)
    with pytest.raises(ReadTimeout):
        rig.call("GET", "sobjects", timeout=5)
    assert rig.call("GET", "limits").status_code == 200
    rig.time.sleep(20)
    message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    assert rig.refused("GET", "limits") == (403, "REQUEST_LIMIT_EXCEEDED", message)
    rig.time.sleep(40)
    assert rig.call("GET", "limits").status_code == 200


def test_the_clock_can_be_set_and_is_the_date_of_every_answer(rig: Rig) -> None:
    assert rig.control("POST", "clock", {"now": "2027-01-01T00:00:00Z"}) == {"now": "2027-01-01T00:00:00.000+0000"}
    rig.control("POST", "clock", {"advance_seconds": 90})
    assert rig.call("GET", "limits").headers["Date"] == "Fri, 01 Jan 2027 00:01:30 GMT"
    assert rig.session.get(f"{rig.url}/").headers["Date"] == "Fri, 01 Jan 2027 00:01:30 GMT"
    assert rig.read(rig.create())["SystemModstamp"] == "2027-01-01T00:01:30.000+0000"


def test_over_http_there_is_one_date_the_organisation_s(live: Rig) -> None:
    answer = live.call("GET", "limits")
    assert answer.headers["Date"] == "Mon, 02 Nov 2026 09:30:00 GMT"


def test_a_reset_is_an_organisation_as_delivered(rig: Rig) -> None:
    rig.create()
    rig.control("POST", "fields", {"object": "Lead", "name": "Extra__c", "type": "text"})
    rig.control("POST", "clock", {"advance_seconds": 1000})
    rig.control("POST", "rules", {"object": "Lead", "name": "r", "when": "Id != null", "message": "no"})
    state = rig.control("POST", "reset", {"leads": 5, "contacts": 4, "seed": 9})
    assert state["now"] == "2026-11-02T09:30:00.000+0000"
    assert state["objects"]["Lead"] == {"count": 5, "deleted": 0}
    assert state["objects"]["Contact"] == {"count": 4, "deleted": 0}
    first = rig.records("SELECT Name, Email FROM Lead ORDER BY Id")
    assert "Extra__c" not in {f["name"] for f in rig.get("sobjects/Lead/describe")["fields"]}
    rig.create()
    rig.control("POST", "reset", {"leads": 5, "contacts": 4, "seed": 9})
    assert rig.records("SELECT Name, Email FROM Lead ORDER BY Id") == first


def test_a_snapshot_brings_everything_back(rig: Rig) -> None:
    lead = rig.create(Title="before")
    _fault(rig, route="/limits", kind="status", status=503)
    snapshot = rig.org.snapshot()
    rig.control("DELETE", "faults")
    rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Title": "after"})
    rig.control("POST", "fields", {"object": "Lead", "name": "Extra__c", "type": "text"})
    rig.control("DELETE", "sessions")
    rig.org.restore(snapshot)
    assert rig.read(lead)["Title"] == "before"
    assert "Extra__c" not in rig.read(lead)
    assert rig.call("GET", "limits").status_code == 503


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_page_of_another_site_cannot_make_control_calls(rig: Rig, origin: str) -> None:
    answer = requests.Session.post(rig.session, f"{rig.url}/sandbox/reset", json={}, headers={"Origin": origin})
    assert answer.status_code == 403
