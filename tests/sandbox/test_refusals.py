"""Saves that describe allows, and that fail all the same: of one record, and of more records than a trigger bears.

Sources: REST API Developer Guide, "Status Codes and Error Responses"; Apex Developer Guide, "Execution Governors and
Limits".
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import BASE, Rig

CODE = "INVALID_FIELD_FOR_INSERT_UPDATE"
WORDS = "Account: bad field names on insert/update call: Title"
TRIGGER = "LeadTrigger: System.LimitException: Apex CPU time limit exceeded"


def _refuse(rig: Rig, **rule: Any) -> Any:
    return rig.control("POST", "refusals", {"object": "Contact", "fields": ["Title"], "message": WORDS, **rule})


def _row(record_id: str = "", name: str = "Lead", **values: Any) -> dict[str, Any]:
    return {"attributes": {"type": name}, **({"id": record_id} if record_id else {}), **values}


def _send(rig: Rig, method: str, path: str, records: list[dict[str, Any]], **body: Any) -> Any:
    answer = rig.call(method, path, json={"records": records, **body}, headers={"Sforce-Auto-Assign": "FALSE"})
    assert answer.status_code == 200, answer.text
    return answer.json()


# One record


def test_a_field_of_one_record_is_refused_and_nothing_else(rig: Rig) -> None:
    roe, doe = rig.create("Contact"), rig.create("Contact")
    _refuse(rig, id=roe)
    answer = rig.call("PATCH", f"sobjects/Contact/{roe}", json={"Title": "CEO", "Phone": "1"})
    assert answer.status_code == 400
    assert answer.json() == [{"message": WORDS, "errorCode": CODE, "fields": ["Title"]}]
    assert rig.read(roe, "Contact")["Phone"] is None
    assert rig.call("PATCH", f"sobjects/Contact/{roe}", json={"Phone": "1"}).status_code == 204
    assert rig.call("PATCH", f"sobjects/Contact/{doe}", json={"Title": "CFO"}).status_code == 204


def test_it_is_refused_in_collections_in_composite_and_by_external_id(rig: Rig) -> None:
    roe, doe = rig.create("Contact", Person_Id__c="roe"), rig.create("Contact")
    _refuse(rig, id=roe[:15])
    error = {"statusCode": CODE, "message": WORDS, "fields": ["Title"]}
    rows = [_row(roe, "Contact", Title="CEO"), _row(doe, "Contact", Title="CFO")]
    bad, good = _send(rig, "PATCH", "composite/sobjects", rows)
    assert (bad, good["success"]) == ({"success": False, "errors": [error]}, True)
    upserted = _send(
        rig,
        "PATCH",
        "composite/sobjects/Contact/Person_Id__c",
        [_row("", "Contact", Person_Id__c="roe", Title="CEO")],
    )
    assert upserted == [{"success": False, "errors": [error], "created": False}]
    assert rig.refused("PATCH", "sobjects/Contact/Person_Id__c/roe", json={"Title": "CEO"}) == (400, CODE, WORDS)
    subrequest = {"method": "PATCH", "url": f"{BASE}/composite/sobjects", "referenceId": "a", "body": {"records": rows}}
    [part] = rig.call("POST", "composite", json={"compositeRequest": [subrequest]}).json()["compositeResponse"]
    assert part["body"][0]["errors"] == [error]
    assert rig.control("GET", "refusals")["refusals"][0]["hits"] == 4


def test_without_fields_any_save_is_refused_and_by_a_condition_those_that_fulfil_it(rig: Rig) -> None:
    rig.control("POST", "refusals", {"object": "lead", "when": "LastName = 'Roe'", "code": "INVALID_OPERATION"})
    body = {"LastName": "Roe", "Company": "C"}
    assert rig.refused("POST", "sobjects/Lead", json=body)[:2] == (400, "INVALID_OPERATION")
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 0
    rig.create(LastName="Doe")


def test_a_refusal_may_have_any_code_message_and_status(rig: Rig) -> None:
    lead = rig.create()
    given = {"code": "INSUFFICIENT_ACCESS_OR_READONLY", "message": "insufficient access", "status": 403}
    rig.control("POST", "refusals", {"object": "Lead", "id": lead, **given})
    refused = rig.refused("PATCH", f"sobjects/Lead/{lead}", json={})
    assert refused == (403, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access")


def test_refusals_are_listed_removed_and_kept(rig: Rig) -> None:
    lead, other = rig.create(), rig.create()
    for record_id in (lead, other):
        rig.control("POST", "refusals", {"object": "Lead", "id": record_id})
    rig.org.load()
    assert [rule["id"] for rule in rig.control("GET", "refusals")["refusals"]] == [lead, other]
    assert len(rig.control("DELETE", "refusals", {"object": "Contact"})["refusals"]) == 2
    assert len(rig.control("DELETE", "refusals", {"id": lead})["refusals"]) == 1
    assert rig.control("DELETE", "refusals") == {"refusals": []}
    assert rig.call("PATCH", f"sobjects/Lead/{other}", json={}).status_code == 204


@pytest.mark.parametrize(
    "rule", [{"object": "Nope"}, {"fields": ["Nope__c"]}, {"id": "x"}, {"id": "00Q000000000001AAA"}, {"when": "x ="}]
)
def test_a_refusal_that_makes_no_sense_is_not_taken(rig: Rig, rule: dict[str, Any]) -> None:
    answer = rig.session.post(f"{rig.url}/sandbox/refusals", json={"object": "Contact", **rule})
    assert answer.status_code == 400
    assert rig.control("GET", "refusals") == {"refusals": []}


# A trigger that bears so many rows


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_more_rows_than_the_trigger_bears_fail_all_together(rig: Rig, method: str) -> None:
    ids = [rig.create() for _ in range(3)]
    rig.control("POST", "triggers", {"object": "Lead", "rows": 2})
    rows = [_row(LastName="N", Company="C") if method == "POST" else _row(each, Title="T") for each in ids]
    error = {"statusCode": "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "message": TRIGGER, "fields": []}
    assert _send(rig, method, "composite/sobjects", rows) == [{"success": False, "errors": [error]}] * 3
    assert rig.records("SELECT LastName, Title FROM Lead") == [{"LastName": "Lovelace", "Title": None}] * 3
    assert all(result["success"] for result in _send(rig, method, "composite/sobjects", rows[:2]))
    assert rig.control("GET", "triggers")["triggers"]["Lead"]["hits"] == 1


def test_a_row_that_fails_before_the_trigger_does_not_count_and_keeps_its_own_error(rig: Rig) -> None:
    rig.control("POST", "triggers", {"object": "Lead", "rows": 2})
    good, bad = _row(LastName="N", Company="C"), _row(LastName="N")
    results = _send(rig, "POST", "composite/sobjects", [good, bad, good])
    assert [result["success"] for result in results] == [True, False, True]
    results = _send(rig, "POST", "composite/sobjects", [good, bad, good, good])
    assert [result["errors"][0]["statusCode"] for result in results].count("REQUIRED_FIELD_MISSING") == 1


def test_an_upsert_over_the_limit_says_that_nothing_stands(rig: Rig) -> None:
    rig.control("POST", "triggers", {"object": "Lead", "rows": 1, "message": "LeadTrigger: Too many SOQL queries: 101"})
    rows = [_row(Person_Id__c=each, LastName="N", Company="C") for each in "ab"]
    results = _send(rig, "PATCH", "composite/sobjects/Lead/Person_Id__c", rows)
    assert {result["errors"][0]["message"] for result in results} == {"LeadTrigger: Too many SOQL queries: 101"}
    assert not any("id" in result for result in results)
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 0


def test_other_objects_in_the_same_call_are_saved(rig: Rig) -> None:
    rig.control("POST", "triggers", {"object": "Lead", "rows": 1})
    leads = [_row(LastName="N", Company="C")] * 2
    results = _send(rig, "POST", "composite/sobjects", [*leads, _row("", "Contact", LastName="N")])
    assert [result["success"] for result in results] == [False, False, True]
    results = _send(rig, "POST", "composite/sobjects", [*leads, _row("", "Contact", LastName="N")], allOrNone=True)
    assert results[2]["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert rig.query("SELECT COUNT() FROM Contact")["totalSize"] == 1


def test_deletes_and_bulk_rows_are_limited_too_and_single_saves_are_not(rig: Rig) -> None:
    rig.control("POST", "triggers", {"object": "Lead", "rows": 1})
    ids = [rig.create() for _ in range(2)]
    deleted = rig.call("DELETE", f"composite/sobjects?ids={','.join(ids)}").json()
    assert [result["success"] for result in deleted] == [False, False]
    job = rig.call("POST", "jobs/ingest", json={"operation": "update", "object": "Lead"}).json()["id"]
    upload = "Id,Title\n" + "".join(f"{each},T\n" for each in ids)
    rig.call("PUT", f"jobs/ingest/{job}/batches", data=upload, headers={"Content-Type": "text/csv"})
    rig.call("PATCH", f"jobs/ingest/{job}", json={"state": "UploadComplete"})
    assert rig.get(f"jobs/ingest/{job}")["numberRecordsFailed"] == 2
    assert TRIGGER in rig.call("GET", f"jobs/ingest/{job}/failedResults").text
    assert rig.records("SELECT Title FROM Lead") == [{"Title": None}] * 2
    assert rig.control("DELETE", "triggers", {"object": "Lead"}) == {"triggers": {}}


def test_a_limit_of_no_rows_or_of_no_object_is_not_taken(rig: Rig) -> None:
    senseless: list[dict[str, Any]] = [{"object": "Lead", "rows": 0}, {"object": "Nope", "rows": 1}, {"object": "Lead"}]
    for given in senseless:
        assert rig.session.post(f"{rig.url}/sandbox/triggers", json=given).status_code == 400
