"""Composite (REST API Developer Guide, "Composite", "Composite Request Body")."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import BASE, Rig


def _sub(reference: str, method: str, path: str, **more: Any) -> dict[str, Any]:
    return {"method": method, "url": f"{BASE}/{path}", "referenceId": reference, **more}


def _run(rig: Rig, *subrequests: dict[str, Any], all_or_none: bool = False) -> list[dict[str, Any]]:
    body = {"allOrNone": all_or_none, "compositeRequest": list(subrequests)}
    answer = rig.call("POST", "composite", json=body)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["compositeResponse"])


LEAD = {"LastName": "L", "Company": "C"}


def test_later_subrequests_use_the_answers_of_earlier_ones(rig: Rig) -> None:
    made, found, changed, read = _run(
        rig,
        _sub("made", "POST", "sobjects/Lead", body=LEAD),
        _sub("found", "GET", "query?q=SELECT+Id,LastName+FROM+Lead+WHERE+Id='@{made.id}'"),
        _sub("changed", "PATCH", "sobjects/Lead/@{made.id}", body={"Title": "after @{found.records[0].LastName}"}),
        _sub("read", "GET", "sobjects/Lead/@{found.records[0].Id}?fields=Title"),
    )
    assert set(made) == {"body", "httpHeaders", "httpStatusCode", "referenceId"}
    assert made["httpHeaders"]["Location"] == f"{BASE}/sobjects/Lead/{made['body']['id']}"
    assert found["body"]["totalSize"] == 1
    assert (changed["httpStatusCode"], changed["body"]) == (204, None)
    assert read["body"]["Title"] == "after L"


def test_a_whole_value_keeps_its_type(rig: Rig) -> None:
    lead = rig.create(Budget__c=12.5, Newsletter__c=True)
    body = {"Budget__c": "@{a.Budget__c}", "Newsletter__c": "@{a.Newsletter__c}", **LEAD}
    answers = _run(rig, _sub("a", "GET", f"sobjects/Lead/{lead}"), _sub("b", "POST", "sobjects/Lead", body=body))
    record = rig.read(answers[1]["body"]["id"])
    assert (record["Budget__c"], record["Newsletter__c"]) == (12.5, True)


def test_what_depends_on_a_failure_is_halted_and_the_rest_runs(rig: Rig) -> None:
    bad, depends, good = _run(
        rig,
        _sub("bad", "POST", "sobjects/Lead", body={}),
        _sub("depends", "GET", "sobjects/Lead/@{bad.id}"),
        _sub("good", "POST", "sobjects/Lead", body=LEAD),
    )
    assert bad["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert (depends["httpStatusCode"], depends["body"][0]["errorCode"]) == (400, "PROCESSING_HALTED")
    assert good["httpStatusCode"] == 201


def test_all_or_none_undoes_everything(rig: Rig) -> None:
    good, bad = _run(
        rig, _sub("good", "POST", "sobjects/Lead", body=LEAD), _sub("bad", "GET", "sobjects/Nope"), all_or_none=True
    )
    assert (good["httpStatusCode"], good["body"][0]["errorCode"]) == (400, "PROCESSING_HALTED")
    assert bad["body"][0]["errorCode"] == "NOT_FOUND"
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 0


def test_headers_belong_to_the_subrequest_and_are_not_inherited(rig: Rig) -> None:
    body = {
        "compositeRequest": [
            _sub("off", "POST", "sobjects/Lead", body=LEAD, httpHeaders={"Sforce-Auto-Assign": "FALSE"}),
            _sub("on", "POST", "sobjects/Lead", body=LEAD),
        ]
    }
    off, on = rig.call("POST", "composite", json=body, headers={"Sforce-Auto-Assign": "FALSE"}).json()[
        "compositeResponse"
    ]
    assert rig.read(off["body"]["id"])["OwnerId"].startswith("005")
    assert rig.read(on["body"]["id"])["OwnerId"].startswith("00G")


@pytest.mark.parametrize("name", ["Authorization", "accept", "Content-Type"])
def test_inherited_headers_cannot_be_set(rig: Rig, name: str) -> None:
    body = {"compositeRequest": [_sub("a", "GET", "limits", httpHeaders={name: "x"})]}
    assert rig.call("POST", "composite", json=body).status_code == 400


def test_collections_and_queries_inside(rig: Rig) -> None:
    lead = rig.create(Person_Id__c="p")
    records = [{"attributes": {"type": "Lead"}, "Person_Id__c": "p", "Title": "T"}]
    before, change, after = _run(
        rig,
        _sub("before", "POST", "composite/sobjects/Lead", body={"ids": [lead], "fields": ["Title"]}),
        _sub("change", "PATCH", "composite/sobjects/Lead/Person_Id__c", body={"records": records}),
        _sub("after", "GET", f"query/?q=SELECT+Title+FROM+Lead+WHERE+Id='{lead}'"),
    )
    assert before["body"][0]["Title"] is None
    assert change["body"][0]["created"] is False
    assert after["body"]["records"][0]["Title"] == "T"


def test_it_counts_as_one_call(rig: Rig) -> None:
    rig.get("limits")
    rig.control("DELETE", "requests")
    body = {"compositeRequest": [_sub(f"r{n}", "GET", "limits") for n in range(20)]}
    answer = rig.call("POST", "composite", json=body)
    assert rig.control("GET", "requests") == {"api_calls": 1, "requests": {f"POST {BASE}/composite": 1}}
    assert answer.headers["Sforce-Limit-Info"] == "api-usage=2/5000000"


@pytest.mark.parametrize(
    ("path", "count"), [("limits", 26), ("query?q=SELECT+Id+FROM+Lead", 6), ("composite/sobjects", 6)]
)
def test_too_many_subrequests_are_refused_inside_the_answer(rig: Rig, path: str, count: int) -> None:
    answers = _run(rig, *[_sub(f"r{n}", "GET", path) for n in range(count)])
    assert len(answers) == 1
    assert answers[0]["referenceId"] is None
    assert answers[0]["body"][0]["errorCode"] == "LIMIT_EXCEEDED"
    if count == 26:
        assert answers[0]["body"][0]["message"] == "The request can't contain more than 25 operations."


@pytest.mark.parametrize(
    "subrequests",
    [
        "x",
        ["x"],
        [{"method": "GET", "url": f"{BASE}/limits"}],
        [_sub("has space", "GET", "limits")],
        [_sub("a", "GET", "limits"), _sub("a", "GET", "limits")],
        [_sub("a", "get", "limits")],
        [{"method": "GET", "url": "/elsewhere", "referenceId": "a"}],
    ],
)
def test_malformed_requests(rig: Rig, subrequests: Any) -> None:
    assert rig.refused("POST", "composite", json={"compositeRequest": subrequests})[:2] == (400, "JSON_PARSER_ERROR")


def test_composites_cannot_be_nested(rig: Rig) -> None:
    (answer,) = _run(rig, _sub("a", "POST", "composite", body={"compositeRequest": []}))
    assert answer["httpStatusCode"] == 400


def test_several_matches_inside_are_300(rig: Rig) -> None:
    rig.control("POST", "fields", {"object": "Lead", "name": "Legacy__c", "type": "text", "externalId": True})
    ids = sorted(rig.create(Legacy__c="x") for _ in range(2))
    (answer,) = _run(rig, _sub("a", "PATCH", "sobjects/Lead/Legacy__c/x", body={}))
    assert (answer["httpStatusCode"], answer["body"]) == (300, [f"{BASE}/sobjects/Lead/{each}" for each in ids])


def test_a_fault_can_strike_a_subrequest(rig: Rig) -> None:
    lead = rig.create()
    rig.control("POST", "faults", {"route": "/sobjects/Lead/", "kind": "status", "status": 503, "nth": 2})
    first, second, third = _run(rig, *[_sub(f"r{n}", "GET", f"sobjects/Lead/{lead}") for n in range(3)])
    assert [first["httpStatusCode"], second["httpStatusCode"], third["httpStatusCode"]] == [200, 503, 200]
    assert second["body"][0]["errorCode"] == "SERVER_UNAVAILABLE"
