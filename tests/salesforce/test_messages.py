from __future__ import annotations

import json
from typing import Any

import pytest

from syncer.salesforce import composite, writing
from syncer.salesforce.composite import Subrequest, Subresponse
from syncer.salesforce.writing import AUTO_ASSIGN_OFF, RowError, RowResult

ONE, TWO = "00Q000000000001EAA", "00Q000000000002EAA"


def test_an_update_names_object_and_ids_and_keeps_assignment_rules_off() -> None:
    request = writing.update("r", "Lead", [{"Id": ONE, "Title": None}])
    assert (request.method, request.path, request.headers) == ("PATCH", "/composite/sobjects", AUTO_ASSIGN_OFF)
    assert request.body == {
        "allOrNone": False,
        "records": [{"attributes": {"type": "Lead"}, "Id": ONE, "Title": None}],
    }
    assert request.rows == 1


def test_other_writes_go_where_they_belong() -> None:
    upsert = writing.upsert("r", "Lead", "Person_Id__c", [{"Person_Id__c": "u", "LastName": "A"}], {})
    assert (upsert.method, upsert.path, upsert.headers) == ("PATCH", "/composite/sobjects/Lead/Person_Id__c", {})
    create = writing.create("r", "Lead", [{"LastName": "A"}, {"LastName": "B"}])
    assert (create.method, create.path, create.rows) == ("POST", "/composite/sobjects", 2)
    delete = writing.delete("r", [ONE, TWO[:15]])
    assert (delete.method, delete.path, delete.rows) == (
        "DELETE",
        f"/composite/sobjects?allOrNone=false&ids={ONE},{TWO}",
        2,
    )


@pytest.mark.parametrize(
    ("build", "arguments"),
    [
        (writing.update, ("r", "Lead", [])),
        (writing.update, ("r", "Lead", [{"Id": ONE}] * 2)),
        (writing.update, ("r", "Lead", [{"Title": "x"}])),
        (writing.update, ("r", "Lead x", [{"Id": ONE}])),
        (writing.update, ("r", "Lead", [{"Id": ONE, "a b": 1}])),
        (writing.create, ("r", "Lead", [{"LastName": "A"}] * 201)),
        (writing.upsert, ("r", "Lead", "Person_Id__c", [{"LastName": "A"}])),
        (writing.delete, ("r", ["nonsense"])),
        (writing.delete, ("a-b", [ONE])),
    ],
)
def test_what_salesforce_would_refuse_as_a_whole_is_refused_here(build: Any, arguments: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        build(*arguments)


def test_each_row_has_its_own_outcome() -> None:
    body = [
        {"id": ONE[:15], "success": True, "errors": []},
        {"id": TWO, "success": True, "created": True, "errors": []},
        {"success": False, "errors": [{"statusCode": "STRING_TOO_LONG", "message": "long", "fields": ["Title"]}]},
        {"success": False, "errors": []},
    ]
    one, two, three, four = writing.results(Subresponse("r", 200, body, rows=4))
    assert one == RowResult(ONE, True, None)
    assert two == RowResult(TWO, True, True)
    assert three == RowResult(None, False, None, (RowError("STRING_TOO_LONG", "long", ("Title",)),))
    assert not four.success
    assert four.errors[0].code == "UNKNOWN"


def test_a_refusal_of_the_whole_is_that_of_every_row() -> None:
    body = [{"errorCode": "INVALID_FIELD", "message": "No such column 'X' on sobject of type Lead"}]
    results = writing.results(Subresponse("r", 400, body, rows=3))
    assert [result.errors[0].code for result in results] == ["INVALID_FIELD"] * 3


def test_an_answer_about_other_rows_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="did not answer for each of the 2 rows"):
        writing.results(Subresponse("r", 200, [{"id": ONE, "success": True, "errors": []}], rows=2))


@pytest.mark.parametrize("key", ["duplicateResult", "duplicateResut"])
def test_duplicates_are_named(key: str) -> None:
    matches = [{"matchRecords": [{"record": {"Id": ONE[:15]}}, {"record": {"Id": TWO}}, {"record": {"Id": ONE}}]}]
    body = [
        {"errorCode": "DUPLICATES_DETECTED", "message": "Use one?", key: {"allowSave": True, "matchResults": matches}}
    ]
    error = Subresponse("r", 400, body).error()
    assert error == RowError("DUPLICATES_DETECTED", "Use one?", (), (ONE, TWO), warn_only=True)


def test_the_record_that_holds_a_unique_value_is_named() -> None:
    text = f"duplicate value found: F__c duplicates value on record with id: {ONE[:15]}"
    error = Subresponse("r", 400, [{"errorCode": "DUPLICATE_VALUE", "message": text, "fields": []}]).error()
    assert error is not None
    assert error.duplicates == (ONE,)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (300, [f"/services/data/v62.0/sobjects/Lead/{ONE}"], "DUPLICATE_EXTERNAL_ID"),
        (503, "<html>down</html>", "HTTP_503"),
        (400, {"error": "invalid_grant", "error_description": "x"}, "invalid_grant"),
        (500, None, "HTTP_500"),
        (404, [], "HTTP_404"),
    ],
)
def test_every_refusal_has_a_code(status: int, body: object, code: str) -> None:
    error = Subresponse("r", status, body).error()
    assert error is not None
    assert error.code == code


def test_nothing_new_is_no_error() -> None:
    response = Subresponse("r", 304, None, {"Last-Modified": "x"})
    assert response.not_modified
    assert not response.ok
    assert response.error() is None
    assert response.header("last-modified") == "x"


@pytest.mark.parametrize(
    "path", ["sobjects", "//evil.example", "/a b", "/a#b", "/../../oauth2", "/a/..", "/./a", "/é", "/a\\b"]
)
def test_a_path_is_below_the_version(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        Subrequest("GET", path, "r")


def test_a_request_keeps_within_salesforces_numbers() -> None:
    composite.check([Subrequest("GET", "/limits", f"r{n}") for n in range(25)])
    with pytest.raises(ValueError, match="1 to 25"):
        composite.check([Subrequest("GET", "/limits", f"r{n}") for n in range(26)])
    with pytest.raises(ValueError, match="1 to 25"):
        composite.check([])
    with pytest.raises(ValueError, match="same reference"):
        composite.check([Subrequest("GET", "/limits", "r")] * 2)
    with pytest.raises(ValueError, match="5 queries and collections, not 6"):
        composite.check([Subrequest("GET", f"/query?q={n}", f"r{n}") for n in range(6)])


def test_reads_around_writes_stay_in_order() -> None:
    sent = json.loads(composite.payload([Subrequest("GET", "/limits", "r", None, {"A": "b"})], "/services/data/v62.0"))
    assert sent == {
        "allOrNone": False,
        "collateSubrequests": False,
        "compositeRequest": [
            {"method": "GET", "url": "/services/data/v62.0/limits", "referenceId": "r", "httpHeaders": {"A": "b"}}
        ],
    }


def test_data_that_composite_would_replace_travel_alone() -> None:
    def update(reference: str, title: str) -> Subrequest:
        return writing.update(reference, "Lead", [{"Id": ONE, "Title": title}])

    read = Subrequest("GET", "/limits", "r")
    requests = [read, update("a", "x"), update("b", "@{r.Id}"), update("c", "y"), Subrequest("GET", "/limits", "z")]
    assert [[r.reference for r in group] for _, group in composite.groups(requests)] == [["r", "a"], ["b"], ["c", "z"]]
    with pytest.raises(ValueError, match="refers to other answers"):
        composite.check([update("b", "@{r.Id}"), Subrequest("GET", "/sobjects/Lead/@{r.id}", "z")])


def test_what_comes_after_a_query_refers_to_its_answer() -> None:
    """So that Composite leaves it out when the query failed; it should not where the query is in another call."""
    read = Subrequest("GET", "/query?q=x", "before")
    update = writing.update("a", "Lead", [{"Id": ONE}, {"Id": TWO}], only_after="before")

    def sent(*requests: Subrequest) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(composite.payload(requests, ""))["compositeRequest"][-1]
        return found

    assert sent(read, update)["url"] == "/composite/sobjects?after=@{before.records[0].attributes.type}"
    assert sent(update)["url"] == "/composite/sobjects"
    assert sent(read, update)["body"] == sent(update)["body"]
    assert not update.must_travel_alone
