"""Composite (REST API Developer Guide, "Composite", "Composite Request Body", "allOrNone Parameters in Composite and
Collections Requests")."""

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


def test_what_depends_on_something_halted_is_halted_too(rig: Rig) -> None:
    _, *halted = _run(
        rig,
        _sub("bad", "GET", "sobjects/Nope"),
        _sub("second", "GET", "sobjects/Lead/@{bad.id}"),
        _sub("third", "POST", "sobjects/Lead", body={**LEAD, "Title": "@{second.Title}"}),
    )
    assert [answer["body"][0]["errorCode"] for answer in halted] == ["PROCESSING_HALTED"] * 2
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 0


def test_an_update_refers_to_the_query_before_it_and_is_left_out_when_that_fails(rig: Rig) -> None:
    lead = rig.create()
    record = {"attributes": {"type": "@{before.records[0].attributes.type}"}, "id": lead, "Title": "T"}

    def update(query: str) -> list[dict[str, Any]]:
        return _run(
            rig,
            _sub("before", "GET", f"query?q={query}"),
            _sub("update", "PATCH", "composite/sobjects", body={"records": [record]}),
        )

    before, left_out = update("SELECT+Nope+FROM+Lead")
    assert before["httpStatusCode"] == 400
    assert (left_out["httpStatusCode"], left_out["body"][0]["errorCode"]) == (400, "PROCESSING_HALTED")
    assert left_out["body"][0]["message"].startswith(
        "Invalid reference specified. No value for before.records[0].attributes.type found in before"
    )
    assert rig.read(lead)["Title"] is None
    assert update("SELECT+Id+FROM+Lead")[1]["body"] == [{"id": lead, "success": True, "errors": []}]
    assert rig.read(lead)["Title"] == "T"


@pytest.mark.parametrize(
    "reference", ["none.records[0].Id", "a.records[1].Id", "a.records[0].Title", "a.nope", "a.records", "a"]
)
@pytest.mark.parametrize("where", ["url", "body"])
def test_a_reference_that_leads_to_no_single_value_fails_its_subrequest(rig: Rig, reference: str, where: str) -> None:
    rig.create()
    text = "@{" + reference + "}"
    path, body = (f"sobjects/Lead/{text}", LEAD) if where == "url" else ("sobjects/Lead", {**LEAD, "City": text})
    _, refers, good = _run(
        rig,
        _sub("a", "GET", "query?q=SELECT+Id,Title+FROM+Lead"),
        _sub("refers", "PATCH" if where == "url" else "POST", path, body=body),
        _sub("good", "GET", "limits"),
    )
    message = f"Invalid reference specified. No value for {reference} found in {reference.split('.')[0]}"
    assert (refers["httpStatusCode"], refers["body"][0]["errorCode"]) == (400, "PROCESSING_HALTED")
    assert refers["body"][0]["message"] == message
    assert good["httpStatusCode"] == 200


def test_the_all_or_none_of_the_whole_goes_before_that_of_a_collection(rig: Rig) -> None:
    records = [{"attributes": {"type": "Lead"}, **LEAD}, {"attributes": {"type": "Lead"}, "LastName": "no company"}]

    def run(outer: bool, inner: bool) -> list[dict[str, Any]]:
        collection = _sub("rows", "POST", "composite/sobjects", body={"allOrNone": inner, "records": records})
        contact = _sub("contact", "POST", "sobjects/Contact", body={"LastName": "L"})
        return _run(rig, contact, collection, all_or_none=outer)

    def counts() -> tuple[int, int]:
        found = rig.control("GET", "state")["objects"]
        return found["Lead"]["count"], found["Contact"]["count"]

    for inner in (True, False):
        contact, rows = run(True, inner)
        assert contact["body"][0]["errorCode"] == "PROCESSING_HALTED"
        codes = [row["errors"][0]["statusCode"] for row in rows["body"]]
        assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
        assert counts() == (0, 0)
    run(False, True)
    assert counts() == (0, 1)
    run(False, False)
    assert counts() == (1, 2)


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
