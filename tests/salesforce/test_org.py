from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from syncer.salesforce import soql, writing
from syncer.salesforce.client import SMALL_PAGES, Org, OrganisationInfo, Subrequest, UserInfo
from syncer.salesforce.errors import ListLost, OutcomeUnknown, Refused, RequestLimitExceeded, TooLarge, Unavailable
from syncer.salesforce.signin import SignIn
from tests.salesforce.server import Say, Scripted, composite, refusal
from tests.salesforce.test_describe import LEAD

ONE, TWO = "00Q000000000001EAA", "00Q000000000002EAA"
EXPIRED = refusal("INVALID_SESSION_ID", "Session expired or invalid")
READS = [Subrequest("GET", "/limits", "r"), Subrequest("GET", "/limits/recordCount", "s")]


def rows(*records: dict[str, object], **more: object) -> Say:
    return Say(200, {"totalSize": len(records), "done": True, "records": list(records)} | more)


def update(reference: str, *titles: str) -> Subrequest:
    found = [{"Id": record_id, "Title": title} for record_id, title in zip((ONE, TWO), titles, strict=False)]
    return writing.update(reference, "Lead", found)


def test_a_refused_part_is_an_answer_like_any_other(server: Scripted, org: Org) -> None:
    body = refusal("INVALID_FIELD", "No such column 'X__c' on entity 'Lead'.")
    server.script.append(composite(("r", 400, body), ("s", 200, {"a": 1})))
    answer = org.composite(READS, safe=True)
    error = answer["r"].error()
    assert error is not None
    assert (error.code, answer["s"].body) == ("INVALID_FIELD", {"a": 1})
    assert list(answer.responses) == ["r", "s"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, refusal("UNABLE_TO_LOCK_ROW")),
        (400, refusal("QUERY_TIMEOUT")),
        (503, "<html>busy</html>"),
        (403, refusal("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.")),
    ],
)
def test_a_read_of_which_a_part_failed_in_passing_is_repeated(
    server: Scripted, org: Org, naps: list[float], status: int, body: object
) -> None:
    part = composite(("r", status, body), ("s", 200, {}))
    server.script.extend([part, composite(("r", 200, {}), ("s", 200, {}))])
    assert org.composite(READS, safe=True)["r"].ok
    server.otherwise = part
    assert org.composite(READS, safe=True)["r"].status == status
    assert len(server.calls) == 2 + 5


def test_a_write_of_which_a_part_failed_in_passing_is_not(server: Scripted, org: Org) -> None:
    server.script.append(composite(("r", 500, refusal("UNABLE_TO_LOCK_ROW")), ("s", 200, {})))
    assert not org.composite(READS, safe=False)["r"].ok
    assert len(server.calls) == 1


def test_the_daily_limit_in_a_part_ends_a_read_and_is_told_of_a_write(server: Scripted, org: Org) -> None:
    limit = refusal("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    server.script.extend([composite(("r", 200, {}), ("s", 403, limit))] * 2)
    with pytest.raises(RequestLimitExceeded):
        org.composite(READS, safe=True)
    assert org.composite(READS, safe=False)["s"].status == 403
    server.script.append(composite(("r", 403, limit), ("s", 403, limit)))
    with pytest.raises(RequestLimitExceeded):
        org.composite(READS, safe=False)


def test_a_session_that_expires_between_the_parts_is_renewed_for_reads(server: Scripted, org: Org) -> None:
    part = composite(("r", 200, {}), ("s", 401, EXPIRED))
    server.script.extend([part, composite(("r", 200, {}), ("s", 200, {}))])
    assert org.composite(READS, safe=True)["s"].ok
    assert len(server.logins) == 2
    server.script.append(part)
    assert org.composite(READS, safe=False)["s"].status == 401


def test_a_write_that_expired_as_a_whole_is_repeated(server: Scripted, org: Org) -> None:
    server.script.extend(
        [composite(("r", 401, EXPIRED), ("s", 401, EXPIRED)), composite(("r", 200, {}), ("s", 200, {}))]
    )
    assert org.composite(READS, safe=False)["r"].ok


def test_a_refusal_of_the_whole_in_the_shape_of_a_part_is_raised(server: Scripted, org: Org) -> None:
    item: dict[str, object] = {
        "referenceId": None,
        "httpStatusCode": 400,
        "body": refusal("LIMIT_EXCEEDED"),
        "httpHeaders": {},
    }
    server.script.append(Say(200, {"compositeResponse": [item]}))
    with pytest.raises(Refused, match="LIMIT_EXCEEDED"):
        org.composite(READS, safe=True)


def test_an_answer_that_does_not_tell_of_every_row_is_an_unknown_outcome(server: Scripted, org: Org) -> None:
    server.script.append(composite(("u", 200, [{"id": ONE, "success": True, "errors": []}])))
    with pytest.raises(OutcomeUnknown, match="tells of other rows"):
        org.composite([update("u", "a", "b")], safe=False)


def test_text_that_composite_would_replace_goes_out_as_it_is(server: Scripted, org: Org) -> None:
    done = [{"id": ONE, "success": True, "errors": []}]
    server.script.extend([composite(("r", 200, {}), ("a", 200, done)), Say(200, done), composite(("z", 200, {}))])
    requests = [READS[0], update("a", "x"), update("b", "@{r.Id}"), Subrequest("GET", "/limits", "z")]
    answer = org.composite(requests, safe=False)
    assert list(answer.responses) == ["r", "a", "b", "z"]
    assert writing.results(answer["b"])[0].id == ONE
    alone = server.calls[1]
    assert (alone.method, alone.path) == ("PATCH", "/services/data/v62.0/composite/sobjects")
    assert alone.headers["sforce-auto-assign"] == "FALSE"
    assert alone.json["records"][0]["Title"] == "@{r.Id}"


def test_a_refusal_of_such_a_call_is_an_answer_too(server: Scripted, org: Org) -> None:
    server.script.append(Say(400, refusal("INVALID_FIELD", "no", fields=["Title"])))
    result = writing.results(org.composite([update("b", "@{x}", "y")], safe=False)["b"])
    assert [row.errors[0].code for row in result] == ["INVALID_FIELD"] * 2


def test_a_failure_after_a_part_was_carried_out_is_an_unknown_outcome(
    server: Scripted, make_org: Callable[..., Org]
) -> None:
    """It should not report a refusal, or an unsent request, when an earlier call already wrote."""
    limit = Say(403, refusal("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
    server.script.extend([composite(("a", 200, [{"id": ONE, "success": True, "errors": []}])), limit])
    with pytest.raises(OutcomeUnknown, match="in part, then: TotalRequests"):
        make_org(attempts=1).composite([update("a", "x"), update("b", "@{r.Id}")], safe=False)


def test_text_that_travels_alone_is_not_sent_when_the_query_before_it_failed(server: Scripted, org: Org) -> None:
    server.script.append(composite(("r", 400, refusal("QUERY_TIMEOUT", "too long"))))
    after = writing.update("b", "Lead", [{"Id": ONE, "Title": "@{r.Id}"}], only_after="r")
    answer = org.composite([READS[0], after], safe=False)
    assert len(server.calls) == 1
    assert [row.errors[0].code for row in writing.results(answer["b"])] == ["PROCESSING_HALTED"]


def test_a_failure_behind_a_query_alone_is_what_it_is(server: Scripted, make_org: Callable[..., Org]) -> None:
    limit = Say(403, refusal("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
    server.script.extend([composite(("r", 200, {})), limit])
    with pytest.raises(RequestLimitExceeded):
        make_org(attempts=1).composite([READS[0], update("b", "@{r.Id}")], safe=False)


def test_a_limit_for_which_the_query_was_refused_is_that_of_the_whole_call(server: Scripted, org: Org) -> None:
    """It should not count the updates that were left out with it as another refusal."""
    limit = refusal("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    server.script.append(composite(("r", 403, limit), ("a", 400, refusal("PROCESSING_HALTED", "left out"))))
    with pytest.raises(RequestLimitExceeded):
        org.composite([READS[0], update("a", "x")], safe=False)


def test_pages_follow_each_other(server: Scripted, org: Org) -> None:
    next_url = "/services/data/v62.0/queryAll/01gx-2000"
    server.script.extend([rows({"Id": ONE}, totalSize=2, done=False, nextRecordsUrl=next_url), rows({"Id": TWO})])
    page = org.query("SELECT Id FROM Lead WHERE Name = 'a+b&c'", deleted=True)
    assert (page.records, page.total, page.next_url) == ([{"Id": ONE}], 2, next_url)
    assert org.query_more(next_url).next_url is None
    first, second = server.calls
    assert urlsplit(first.path).path.rstrip("/") == "/services/data/v62.0/queryAll"
    assert parse_qs(urlsplit(first.path).query)["q"] == ["SELECT Id FROM Lead WHERE Name = 'a+b&c'"]
    assert second.path == next_url


@pytest.mark.parametrize(
    "url",
    [
        "@evil.example/services/data/",
        ".evil.example/",
        "https://evil.example/services/data/",
        "",
        "/services/data/a b",
        "/x",
    ],
)
def test_the_token_never_follows_a_page_to_another_host(server: Scripted, org: Org, url: str) -> None:
    with pytest.raises(ValueError, match="not the path"):
        org.query_more(url)
    assert server.seen == []


def test_a_long_query_travels_in_a_body(server: Scripted, org: Org) -> None:
    query = soql.select([f"An_Uncommonly_Long_Field_Name_{n:04}__c" for n in range(600)], "Lead")
    server.script.extend(
        [composite(("query", 200, rows({"Id": ONE}).body)), composite(("query", 400, refusal("INVALID_FIELD")))]
    )
    assert org.query(query, deleted=True).records == [{"Id": ONE}]
    sent = server.calls[0].json["compositeRequest"][0]["url"]
    assert sent == "/services/data/v62.0" + soql.query_path(query, deleted=True)
    with pytest.raises(Refused, match="INVALID_FIELD"):
        org.query(query)


NO_PAGES: list[object] = [
    {},
    [],
    {"records": 5},
    {"records": None, "done": True, "totalSize": 0},
    {"records": [], "done": False},
    {"records": [], "done": False, "nextRecordsUrl": None},
    {"records": [], "done": "no", "nextRecordsUrl": "/services/data/v62.0/query/01g-1"},
    {"records": [], "done": False, "nextRecordsUrl": "https://evil.example/services/data/"},
    {"records": [], "done": False, "nextRecordsUrl": 5},
]
QUERY = "SELECT Id FROM Lead"


@pytest.mark.parametrize("body", NO_PAGES)
def test_an_answer_that_is_no_page_is_not_taken_for_an_empty_one(
    server: Scripted, make_org: Callable[..., Org], body: object
) -> None:
    """It should ask again, alone or in a Composite request."""
    org = make_org(attempts=2)
    requests = [Subrequest("GET", soql.query_path(QUERY), "q")]
    server.script.extend([Say(200, body), rows({"Id": ONE}), composite(("q", 200, body)), in_composite({"Id": TWO})])
    assert org.query(QUERY).records == [{"Id": ONE}]
    assert org.composite(requests, safe=True).rows("q") == [{"Id": TWO}]
    server.script.extend([Say(200, body)] * 2 + [composite(("q", 200, body))] * 3)
    with pytest.raises(Unavailable, match="can't be used"):
        org.query(QUERY)
    with pytest.raises(Unavailable, match="can't be used"):
        org.composite(requests, safe=True)
    answer = org.composite(requests, safe=False)
    assert (answer["q"].page, answer.rows("q")) == (None, [])
    assert answer["q"].problem


def in_composite(*records: dict[str, object]) -> Say:
    return composite(("q", 200, rows(*records).body))


@pytest.mark.parametrize(
    "odd", [{}, {"Id": None}, {"Id": "00Q"}, {"Id": 5}, {"Id": ONE[:15] + "XXX"}, None, "x", [ONE]]
)
def test_a_row_without_an_id_is_counted_and_left_out(server: Scripted, org: Org, odd: object) -> None:
    body = {"records": [{"Id": ONE[:15]}, odd, {"Id": TWO}, odd], "done": True, "totalSize": 4}
    server.script.extend([Say(200, body), composite(("q", 200, body))])
    alone = org.query(QUERY)
    together = org.composite([Subrequest("GET", soql.query_path(QUERY), "q")], safe=True)["q"].page
    for page in (alone, together):
        assert page is not None
        assert page.records == [{"Id": ONE}, {"Id": TWO}]
        assert page.nameless == (1, 2)


def test_a_list_that_salesforce_has_dropped_is_told_apart(server: Scripted, org: Org) -> None:
    page = "/services/data/v62.0/query/01g-2000"
    for code in ("INVALID_QUERY_LOCATOR", "QUERY_LOCATOR_EXPIRED"):
        server.script.append(Say(400, refusal(code)))
        with pytest.raises(ListLost):
            org.query_more(page)
    server.script.extend([Say(404, refusal("NOT_FOUND")), Say(400, refusal("INVALID_FIELD"))])
    with pytest.raises(ListLost):
        org.query_more(page)
    with pytest.raises(Refused) as caught:
        org.query_more(page)
    assert not isinstance(caught.value, ListLost)


@pytest.fixture
def impatient(make_org: Callable[..., Org]) -> Org:
    """Reads no more than a thousand bytes of an answer."""
    return make_org(most_bytes=1_000)


HUGE = "x" * 2_000


def test_an_answer_that_is_too_large_is_asked_for_in_pages_of_200(server: Scripted, impatient: Org) -> None:
    requests = [Subrequest("GET", soql.query_path(QUERY), "q"), READS[0]]
    page = "/services/data/v62.0/query/01g-2000"
    server.script.extend(
        [
            composite(("q", 200, rows({"Id": ONE, "Title": HUGE}).body), ("r", 200, {})),
            composite(("q", 200, rows({"Id": ONE}).body), ("r", 200, {})),
            rows({"Id": TWO}),
            rows({"Id": TWO}),
        ]
    )
    assert impatient.composite(requests, safe=True).rows("q") == [{"Id": ONE}]
    impatient.query(QUERY)
    impatient.query_more(page)
    first, second, third, fourth = server.calls
    assert "httpHeaders" not in first.json["compositeRequest"][0]
    assert [part.get("httpHeaders") for part in second.json["compositeRequest"]] == [SMALL_PAGES, None]
    for call in (third, fourth):
        assert call.headers["sforce-query-options"] == "batchSize=200"


def test_a_page_that_is_too_large_has_to_be_asked_for_anew(server: Scripted, impatient: Org, naps: list[float]) -> None:
    """It should ask for smaller pages once, and then say in one sentence why not."""
    page, huge = "/services/data/v62.0/query/01g-2000", rows({"Id": ONE, "Title": HUGE})
    server.script.extend([huge, huge, huge])
    with pytest.raises(ListLost):
        impatient.query_more(page)
    with pytest.raises(TooLarge, match="larger than"):
        impatient.query(QUERY)
    with pytest.raises(TooLarge):
        impatient.query_more(page)
    assert server.calls[1].headers["sforce-query-options"] == "batchSize=200"
    assert naps == []


def test_an_object_is_described(server: Scripted, org: Org, make_org: Callable[..., Org]) -> None:
    server.script.append(Say(200, LEAD, {"Last-Modified": "Tue, 01 Sep 2026 10:00:00 GMT"}))
    lead = org.describe("Lead")
    assert (lead.name, lead.last_modified) == ("Lead", "Tue, 01 Sep 2026 10:00:00 GMT")
    server.script.append(Say(200, {"name": "Lead"}))
    with pytest.raises(Unavailable, match="not the describe"):
        make_org(attempts=1).describe("Lead")
    with pytest.raises(ValueError, match="not a name"):
        org.describe("../../oauth2")


def test_the_organisation_tells_who_it_is(server: Scripted, org: Org) -> None:
    row = {"Id": "00D000000000001EAA", "Name": "Acme", "OrganizationType": "Developer Edition", "IsSandbox": False}
    server.script.append(rows(row))
    assert org.organisation() == OrganisationInfo("00D000000000001EAA", "Acme", "Developer Edition", False)


def test_the_user_is_found_by_the_id_of_the_sign_in(server: Scripted, org: Org) -> None:
    server.script.append(rows({"Id": "005000000000001AAA", "Username": "u@x", "Name": "U"}))
    assert org.user_info() == UserInfo("005000000000001AAA", "u@x", "U")
    assert "005000000000001AAA" in server.calls[0].path


def test_the_user_of_a_session_without_id_is_asked_for(server: Scripted, make_org: Callable[..., Org]) -> None:
    org = make_org(saved=SignIn("t", server.url, datetime.now(UTC)))
    body = {"user_id": "005000000000001AAA", "preferred_username": "u@x", "name": "U"}
    server.next = lambda request: Say(200, body)  # type: ignore[method-assign]
    assert org.user_info() == UserInfo("005000000000001AAA", "u@x", "U")
    assert server.seen[0].path == "/services/oauth2/userinfo"
    assert org.api_calls == 0


def test_an_expired_session_is_renewed_before_the_user_is_asked_for(
    server: Scripted, make_org: Callable[..., Org]
) -> None:
    """It should know that the OpenID endpoint refuses an expired session with 403, unlike the API."""
    body = {"user_id": "005000000000001AAA", "preferred_username": "u@x", "name": "U"}
    token = server.token("new")
    del token.body["id"]
    server.sign_ins.append(token)
    known = {"Bearer old": Say(403, "Bad_OAuth_Token"), "Bearer new": Say(200, body)}
    usual = server.next
    server.next = lambda request: known.get(request.headers["authorization"]) or usual(request)  # type: ignore[method-assign]
    assert make_org(saved=SignIn("old", server.url, datetime.now(UTC))).user_info().name == "U"
