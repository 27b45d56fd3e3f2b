"""sObject Collections (REST API Developer Guide, "sObject Collections")."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Rig

OFF = {"Sforce-Auto-Assign": "FALSE"}


def _lead(**fields: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Lead"}, "LastName": "L", "Company": "C", **fields}


def _send(rig: Rig, method: str, records: list[dict[str, Any]], path: str = "composite/sobjects", **body: Any) -> Any:
    answer = rig.call(method, path, json={"records": records, **body}, headers=OFF)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_rows_answer_in_order_each_for_itself(rig: Rig) -> None:
    good, bad = _send(rig, "POST", [_lead(), _lead(LastName=None)])
    assert set(good) == {"id", "success", "errors"}
    assert (good["success"], good["errors"]) == (True, [])
    assert bad == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [LastName]",
                "fields": ["LastName"],
            }
        ],
    }
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 1


@pytest.mark.parametrize("odd", [{"Lead_Score__c": "many"}, {"Renewal_Date__c": "soon"}, {"Title": {"a": 1}}])
def test_a_value_that_cannot_be_read_refuses_the_whole_request(rig: Rig, odd: dict[str, Any]) -> None:
    lead, other = rig.create(), rig.create()
    records = [{"attributes": {"type": "Lead"}, "id": lead, "City": "Oslo"}, _lead(id=other, **odd)]
    for method, rows in (("PATCH", records), ("POST", [_lead(), _lead(**odd)])):
        answer = rig.call(method, "composite/sobjects", json={"records": rows})
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
    assert rig.records("SELECT City FROM Lead") == [{"City": None}] * 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_all_or_none_rolls_the_others_back(rig: Rig, method: str) -> None:
    lead = rig.create(Title="before")
    if method == "POST":
        records = [_lead(), _lead(Email="x")]
    else:
        records = [
            {"attributes": {"type": "Lead"}, "id": lead, "Title": "after"},
            {"attributes": {"type": "Lead"}, "id": "x"},
        ]
    first, second = _send(rig, method, records, allOrNone=True)
    assert first["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert "id" not in first
    assert second["errors"][0]["statusCode"] in ("INVALID_EMAIL_ADDRESS", "MALFORMED_ID")
    assert rig.records("SELECT Title FROM Lead") == [{"Title": "before"}]


def test_updates_of_unknown_deleted_and_repeated_records(rig: Rig) -> None:
    kept, gone = rig.create(), rig.create()
    rig.call("DELETE", f"sobjects/Lead/{gone}")
    ids = [kept, gone, "00Q000000000001", "003000000000001AAA", kept]
    rows = _send(rig, "PATCH", [{"attributes": {"type": "Lead"}, "id": each, "Title": "T"} for each in ids])
    codes = [row["errors"][0]["statusCode"] if row["errors"] else None for row in rows]
    assert codes == [None, "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID", "DUPLICATE_VALUE"]


def test_upserts_say_what_was_made(rig: Rig) -> None:
    rig.create(Person_Id__c="old")
    records = [_lead(Person_Id__c="old"), _lead(Person_Id__c="new"), _lead(), _lead(Person_Id__c="new")]
    rows = _send(rig, "PATCH", records, "composite/sobjects/Lead/Person_Id__c")
    assert [row.get("created") for row in rows] == [False, True, False, False]
    assert [row["success"] for row in rows] == [True, True, False, False]
    assert rows[2]["errors"][0]["statusCode"] == "MISSING_ARGUMENT"
    assert rows[3]["errors"][0]["statusCode"] == "DUPLICATE_VALUE"


def test_an_external_id_of_several_records_is_the_row_s_error(rig: Rig) -> None:
    rig.control("POST", "fields", {"object": "Lead", "name": "Legacy__c", "type": "text", "externalId": True})
    for _ in range(2):
        rig.create(Legacy__c="same")
    rows = _send(rig, "PATCH", [_lead(Legacy__c="same")], "composite/sobjects/Lead/Legacy__c")
    assert rows[0]["errors"][0]["statusCode"] == "DUPLICATE_EXTERNAL_ID"


def test_deletes(rig: Rig) -> None:
    ids = [rig.create() for _ in range(2)]
    rows = rig.call("DELETE", "composite/sobjects", params={"ids": ",".join([*ids, "x"]), "allOrNone": "FALSE"}).json()
    assert [row["success"] for row in rows] == [True, True, False]
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 0


def test_reads_have_null_for_what_is_not_there(rig: Rig) -> None:
    lead = rig.create(Title="T")
    body = {"ids": [lead[:15], "00Q000000000001"], "fields": ["Title", "Owner Id"]}
    assert rig.refused("POST", "composite/sobjects/Lead", json=body)[:2] == (400, "INVALID_FIELD")
    rows = rig.call("POST", "composite/sobjects/Lead", json={**body, "fields": ["title"]}).json()
    assert rows[0]["Title"] == "T"
    assert rows[1] is None
    assert rig.get(f"composite/sobjects/Lead?ids={lead}&fields=Id")[0]["Id"] == lead


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_more_than_200_records_are_refused(rig: Rig, method: str) -> None:
    assert rig.refused(method, "composite/sobjects", json={"records": [_lead()] * 201}) == (
        400,
        "EXCEEDED_ID_LIMIT",
        "record limit reached. cannot submit more than 200 records into this call",
    )


def test_more_than_ten_changes_of_type_are_refused(rig: Rig) -> None:
    contact = {"attributes": {"type": "Contact"}, "LastName": "L"}
    refused = rig.refused("POST", "composite/sobjects", json={"records": [_lead(), contact] * 6})
    assert refused[:2] == (400, "LIMIT_EXCEEDED")
    assert all(row["success"] for row in _send(rig, "POST", [_lead(), contact] * 5))


@pytest.mark.parametrize("body", [{}, {"records": {}}, {"records": ["x"]}, {"records": [], "allOrNone": "yes"}, []])
def test_malformed_bodies(rig: Rig, body: Any) -> None:
    assert rig.refused("POST", "composite/sobjects", json=body)[:2] == (400, "JSON_PARSER_ERROR")


def test_a_row_without_or_with_an_unknown_type(rig: Rig) -> None:
    rows = _send(rig, "POST", [{"LastName": "L"}, {"attributes": {"type": "Nope"}}])
    assert [row["errors"][0]["statusCode"] for row in rows] == ["INVALID_TYPE", "INVALID_TYPE"]


def test_a_duplicate_is_an_error_of_three_keys(rig: Rig) -> None:
    """REST API Developer Guide, "Create Records Using sObject Collections": clients unpack exactly these."""
    rig.control("POST", "duplicate-rules", {"object": "Lead"})
    rig.create(Email="ada@x.example")
    (row,) = _send(rig, "POST", [_lead(Email="ada@x.example")])
    assert row["errors"] == [
        {"statusCode": "DUPLICATES_DETECTED", "message": "Use one of these records?", "fields": []}
    ]
