from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime

import pytest
import requests
import urllib3

from syncer.salesforce.client import Org, Subrequest
from syncer.salesforce.errors import (
    ConfigurationError,
    OutcomeUnknown,
    Refused,
    RequestLimitExceeded,
    SignInRefused,
    TooLarge,
    Unavailable,
    Unreachable,
)
from syncer.salesforce.signin import SignIn
from syncer.salesforce.texts import UNSTORABLE, MadeStorable
from syncer.salesforce.transport import open_session
from syncer.salesforce.usage import DailyUsage
from syncer.salesforce.ways import Credentials
from tests.salesforce.server import EXPIRED, Say, Scripted, composite, refusal

READ = [Subrequest("GET", "/limits", "r")]
WRITE = [Subrequest("PATCH", "/sobjects/Lead/1", "w", {"Title": "x"}, {"Sforce-Auto-Assign": "FALSE"})]
READ_OK = composite(("r", 200, {"a": 1}))
WRITE_OK = composite(("w", 204, None))
PAGE = Say(503, "<html><body><h1>Down for maintenance</h1></body></html>")
LOST = [Say(drop=True), Say(reset=True), Say(200, {"compositeResponse": []}, truncate=True)]
NONSENSE = [
    Say(200, b""),
    Say(200, b"{"),
    Say(200, b"5"),
    Say(200, b"[]"),
    Say(200, b'{"compositeResponse": 5}'),
    Say(200, b'{"compositeResponse": []}'),
    Say(200, b'{"compositeResponse": [{"referenceId": "w"}]}'),
    Say(200, b"[" * 100_000),
    Say(200, b"\xff\xfe\xfa"),
    Say(200, "<html>Welcome to the hotel's network</html>"),
    Say(204),
]
PASSING = [
    PAGE,
    Say(500, refusal("UNKNOWN_EXCEPTION")),
    Say(500, refusal("UNABLE_TO_LOCK_ROW")),
    Say(400, refusal("QUERY_TIMEOUT")),
    Say(403, refusal("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.")),
    Say(429, "slow down"),
]


@pytest.mark.parametrize("fault", [*LOST, *NONSENSE[:1], *PASSING])
def test_a_read_is_repeated_after_a_passing_fault(server: Scripted, org: Org, naps: list[float], fault: Say) -> None:
    server.script.extend([fault, fault, READ_OK])
    assert org.composite(READ, safe=True)["r"].body == {"a": 1}
    assert len(server.calls) == 3
    assert len(naps) == 2
    assert all(1 <= nap <= 60 for nap in naps)


@pytest.mark.parametrize("fault", [*LOST, *NONSENSE, *PASSING])
def test_a_read_gives_up_after_five_tries(server: Scripted, org: Org, naps: list[float], fault: Say) -> None:
    server.otherwise = fault
    with pytest.raises(Unavailable):
        org.composite(READ, safe=True)
    assert len(server.calls) == 5
    assert len(naps) == 4
    assert len(server.logins) == 1


@pytest.mark.parametrize("fault", [*LOST, *NONSENSE, PAGE, Say(500, refusal("UNKNOWN_EXCEPTION"))])
def test_a_write_whose_outcome_is_unknown_is_sent_once(
    server: Scripted, org: Org, naps: list[float], fault: Say
) -> None:
    server.otherwise = fault
    with pytest.raises(OutcomeUnknown) as caught:
        org.composite(WRITE, safe=False)
    assert len(server.calls) == 1
    assert naps == []
    assert "may have been saved or not" in str(caught.value)
    assert "<" not in str(caught.value)


@pytest.mark.parametrize("fault", PASSING[3:])
def test_a_write_that_was_refused_in_passing_is_repeated(server: Scripted, org: Org, fault: Say) -> None:
    server.script.extend([fault, WRITE_OK])
    assert org.composite(WRITE, safe=False)["w"].ok
    assert len(server.calls) == 2


def test_a_read_timeout_is_an_unknown_outcome(server: Scripted, make_org: Callable[..., Org]) -> None:
    org = make_org(attempts=1, timeout=(5.0, 0.15))
    server.script.extend([Say(200, {}, wait=0.4), Say(200, {}, wait=0.4)])
    with pytest.raises(OutcomeUnknown, match="did not answer in time"):
        org.composite(WRITE, safe=False)
    with pytest.raises(Unavailable, match="did not answer in time"):
        org.composite(READ, safe=True)
    assert org.api_calls == 2


def test_a_dropped_write_says_what_happened(server: Scripted, org: Org) -> None:
    server.script.append(Say(drop=True))
    with pytest.raises(OutcomeUnknown, match="Remote end closed connection without response"):
        org.composite(WRITE, safe=False)


def test_a_connection_that_the_server_closed_while_idle_is_replaced(server: Scripted, org: Org) -> None:
    server.script.extend([Say(200, READ_OK.body, {"Connection": "close"}), WRITE_OK])
    org.composite(READ, safe=True)
    assert org.composite(WRITE, safe=False)["w"].ok


def test_a_write_does_not_go_out_on_a_connection_that_was_closed_unannounced(server: Scripted, org: Org) -> None:
    server.script.extend([Say(200, READ_OK.body, hang_up=True), WRITE_OK])
    org.composite(READ, safe=True)
    time.sleep(0.05)  # until the end of the connection has arrived
    assert org.composite(WRITE, safe=False)["w"].ok


def test_a_server_that_is_gone_is_unreachable_and_names_the_host(server: Scripted, org: Org, naps: list[float]) -> None:
    server.script.append(READ_OK)
    org.composite(READ, safe=True)
    server.close()
    org._session.close()
    with pytest.raises(Unreachable, match=r"reached at 127\.0\.0\.1:\d+: connection refused"):
        org.composite(WRITE, safe=False)
    assert len(naps) == 4
    assert org.api_calls == 1


def test_an_earlier_failure_does_not_colour_a_later_one(server: Scripted, org: Org) -> None:
    """It should not take a lost write for an unsent one because the caller is just handling a refused connection."""
    server.script.append(Say(drop=True))
    with open_session("http://127.0.0.1:9") as other:
        try:
            other.get("https://127.0.0.1:9/")
        except requests.ConnectionError:
            with pytest.raises(OutcomeUnknown):
                org.composite(WRITE, safe=False)


def test_a_failed_handshake_is_unreachable(server: Scripted, make_org: Callable[..., Org]) -> None:
    """It should know that nothing was sent when a server does not speak TLS."""
    saved = SignIn("t", server.url.replace("http:", "https:"), datetime.now(UTC))
    with requests.Session() as session, pytest.raises(Unreachable, match="no encrypted connection"):
        make_org(session=session, saved=saved, attempts=1).composite(WRITE, safe=False)
    assert server.seen == []


def test_an_expired_session_is_renewed_and_the_call_repeated_with_all_its_headers(
    server: Scripted, make_org: Callable[..., Org], naps: list[float]
) -> None:
    seen: list[SignIn] = []
    old = SignIn("old", server.url, datetime.now(UTC))
    org = make_org(saved=old, on_sign_in=seen.append)
    server.script.extend([EXPIRED, Say(200, {"id": "x", "success": True})])
    headers = {"Sforce-Auto-Assign": "FALSE", "Sforce-Duplicate-Rule-Header": "allowSave=true"}
    org.call("POST", "sobjects/Lead", safe=False, data='{"LastName":"A"}', headers=headers)
    first, second = server.calls
    assert (first.headers["authorization"], second.headers["authorization"]) == ("Bearer old", "Bearer token-1")
    for call in (first, second):
        assert call.headers["sforce-auto-assign"] == "FALSE"
        assert call.headers["sforce-duplicate-rule-header"] == "allowSave=true"
        assert call.body == b'{"LastName":"A"}'
    assert [sign.access_token for sign in seen] == ["token-1"]
    assert naps == []
    assert org.api_calls == 1


def test_a_composite_write_keeps_its_inner_headers_when_the_session_expires(server: Scripted, org: Org) -> None:
    server.script.extend([EXPIRED, WRITE_OK])
    org.composite(WRITE, safe=False)
    for call in server.calls:
        assert call.json["compositeRequest"][0]["httpHeaders"] == {"Sforce-Auto-Assign": "FALSE"}


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("always", [EXPIRED, Say(401, "<html>Unauthorized</html>"), Say(401, b"")])
def test_a_server_that_ends_every_session_is_no_refused_sign_in(
    server: Scripted, make_org: Callable[..., Org], naps: list[float], always: Say, safe: bool
) -> None:
    """It should pause between the tries and sign in once for each, and end in a fault that passes."""
    org = make_org(saved=SignIn("old", server.url, datetime.now(UTC)))
    server.otherwise = always
    with pytest.raises(Unavailable, match="takes the sign-in but ends the session") as caught:
        org.composite(READ, safe=safe)
    assert caught.value.code == "INVALID_SESSION_ID"
    assert (len(server.calls), len(server.logins)) == (1 + 5, 5)
    assert len(naps) == 4
    assert org.api_calls == 0


@pytest.mark.parametrize("safe", [True, False])
def test_a_session_that_ends_twice_is_opened_a_third_time_after_a_pause(
    server: Scripted, org: Org, naps: list[float], safe: bool
) -> None:
    org.sign_in()
    server.script.extend([EXPIRED, EXPIRED, READ_OK])
    assert org.composite(READ, safe=safe)["r"].ok
    assert (len(server.logins), len(naps)) == (3, 1)


MOVED_AWAY = [
    Say(404, "<html><head><title>URL No Longer Exists</title></head></html>"),
    Say(302, {}, {"Location": "https://acme.my.salesforce.com/elsewhere"}),
    Say(301, "<html>Moved</html>", {"Location": "https://login.salesforce.com/"}),
    Say(400, refusal("URL_NOT_RESET", "Destination URL not reset. The URL returned from login must be set")),
]


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("say", MOVED_AWAY)
def test_an_instance_that_is_gone_is_found_by_one_sign_in(
    server: Scripted, make_org: Callable[..., Org], naps: list[float], say: Say, safe: bool
) -> None:
    seen: list[SignIn] = []
    org = make_org(saved=SignIn("old", server.url, datetime.now(UTC)), on_sign_in=seen.append)
    server.script.extend([say, READ_OK])
    assert org.composite(READ, safe=safe)["r"].ok
    assert [sign.access_token for sign in seen] == ["token-1"]
    assert naps == []


@pytest.mark.parametrize("say", MOVED_AWAY)
def test_an_instance_that_a_new_sign_in_leads_to_again_is_told(
    server: Scripted, make_org: Callable[..., Org], say: Say
) -> None:
    org = make_org(saved=SignIn("old", server.url, datetime.now(UTC)))
    server.otherwise = say
    with pytest.raises((Refused, ConfigurationError)):
        org.composite(READ, safe=True)
    assert (len(server.calls), len(server.logins)) == (2, 1)


def test_an_instance_whose_host_is_unknown_is_found_by_one_sign_in(
    server: Scripted, make_org: Callable[..., Org], session: requests.Session
) -> None:
    gone = "https://gone.invalid"  # RFC 2606: resolves nowhere
    org = make_org(saved=SignIn("old", gone, datetime.now(UTC)), allowed_hosts=["gone.invalid"])
    server.script.append(WRITE_OK)
    assert org.composite(WRITE, safe=False)["w"].ok
    assert (len(server.logins), org.host) == (1, server.url.removeprefix("http://"))


def test_a_record_that_is_not_found_is_no_reason_to_sign_in(server: Scripted, org: Org) -> None:
    org.sign_in()
    server.script.append(Say(404, refusal("NOT_FOUND")))
    with pytest.raises(Refused, match="NOT_FOUND"):
        org.get("sobjects/Lead/x")
    assert len(server.logins) == 1


def test_a_refused_sign_in_is_not_repeated(server: Scripted, org: Org) -> None:
    server.sign_ins.append(Say(400, {"error": "invalid_grant", "error_description": "no"}))
    with pytest.raises(SignInRefused):
        org.sign_in()
    assert len(server.logins) == 1


def test_a_sign_in_service_that_is_down_is_asked_again(server: Scripted, org: Org, naps: list[float]) -> None:
    server.sign_ins.extend([PAGE, Say(drop=True), server.token("late")])
    server.script.append(WRITE_OK)
    assert org.composite(WRITE, safe=False)["w"].ok
    assert len(naps) == 2


def test_one_sign_in_serves_many_calls(server: Scripted, org: Org) -> None:
    server.script.extend([READ_OK] * 3)
    org.sign_in()
    org.sign_in()
    for _ in range(3):
        org.composite(READ, safe=True)
    assert len(server.logins) == 1


def test_a_saved_session_for_a_strange_host_sends_nothing(server: Scripted, make_org: Callable[..., Org]) -> None:
    org = make_org(saved=SignIn("t", "https://evil.example", datetime.now(UTC)))
    with pytest.raises(ConfigurationError, match="not a Salesforce domain"):
        org.composite(READ, safe=True)


def test_settings_that_cannot_work_are_refused_at_once(session: requests.Session, credentials: Credentials) -> None:
    with pytest.raises(ConfigurationError, match="https://"):
        Org(replace(credentials, login_url="http://acme.my.salesforce.com"), session)


@pytest.mark.parametrize("safe", [True, False])
def test_a_used_up_daily_limit_is_told_at_once(server: Scripted, org: Org, naps: list[float], safe: bool) -> None:
    server.script.append(Say(403, refusal("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")))
    with pytest.raises(RequestLimitExceeded, match="TotalRequests"):
        org.composite(READ, safe=safe)
    assert naps == []


def test_a_refusal_has_its_code_message_and_fields(server: Scripted, org: Org) -> None:
    server.script.append(Say(400, refusal("INVALID_FIELD", "No such\n  column", fields=["X__c"])))
    with pytest.raises(Refused) as caught:
        org.query("SELECT X__c FROM Lead")
    assert (caught.value.code, caught.value.fields, caught.value.http_status) == ("INVALID_FIELD", ("X__c",), 400)
    assert str(caught.value) == "No such column (INVALID_FIELD)"


@pytest.mark.parametrize("say", [Say(410, refusal("X")), Say(404, refusal("UNSUPPORTED_API_VERSION"))])
def test_a_version_that_is_gone_is_a_matter_of_settings(server: Scripted, org: Org, say: Say) -> None:
    server.script.append(say)
    with pytest.raises(ConfigurationError, match="API version"):
        org.query("SELECT Id FROM Lead")


def test_the_token_does_not_follow_a_redirect(server: Scripted, org: Org) -> None:
    server.script.append(Say(302, {}, {"Location": server.url + "/elsewhere"}))
    with pytest.raises(ConfigurationError, match="sends us elsewhere"):
        org.query("SELECT Id FROM Lead")
    assert len(server.calls) == 1


def test_the_token_is_not_shown_even_if_the_server_repeats_it(server: Scripted, org: Org) -> None:
    server.script.append(Say(400, refusal("X", "session token-1 and the-secret")))
    with pytest.raises(Refused) as caught:
        org.query("SELECT Id FROM Lead")
    assert str(caught.value) == "session *** and *** (X)"
    assert caught.value.__context__ is None
    assert "token-1" not in repr(vars(caught.value))


def test_calls_and_usage_are_counted_from_every_answer(server: Scripted, org: Org) -> None:
    limit = {"Sforce-Limit-Info": "api-usage=18/5000"}
    server.script.extend(
        [Say(200, READ_OK.body, limit), Say(400, refusal("X"), {"Sforce-Limit-Info": "api-usage=19/5000"})]
    )
    assert str(org.api_usage) == "None"
    org.composite(READ, safe=True)
    assert org.api_calls == 1
    assert str(org.api_usage) == str(DailyUsage(18, 5000))
    with pytest.raises(Refused):
        org.composite(READ, safe=True)
    assert org.api_calls == 2
    assert str(org.api_usage) == str(DailyUsage(19, 5000))
    server.script.append(Say(drop=True))
    with pytest.raises(OutcomeUnknown):
        org.composite(WRITE, safe=False)
    assert org.api_calls == 3


def test_the_sessions_own_hooks_still_run(server: Scripted, org: Org, session: requests.Session) -> None:
    seen: list[int] = []
    session.hooks["response"].append(lambda response, *_, **__: seen.append(response.status_code))
    server.script.append(READ_OK)
    org.composite(READ, safe=True)
    assert seen == [200, 200]  # sign-in and call


def test_the_organisations_time_is_a_lower_bound(server: Scripted, make_org: Callable[..., Org]) -> None:
    moments = iter([100.0, 103.2])
    org = make_org(monotonic=lambda: next(moments))
    org.sign_in()
    date = datetime(2026, 11, 22, 10, 0, 30, tzinfo=UTC)
    server.script.append(Say(200, READ_OK.body, date=format_datetime(date, usegmt=True)))
    assert org.composite(READ, safe=True).asked_at == date - timedelta(seconds=4)


def test_an_answer_without_date_still_has_a_time(server: Scripted, make_org: Callable[..., Org]) -> None:
    org = make_org(now=lambda: datetime(2026, 11, 22, 10, 0, 30, tzinfo=UTC))
    server.script.append(Say(200, READ_OK.body, date=None))
    asked_at = org.composite(READ, safe=True).asked_at
    assert datetime(2026, 11, 22, 8, 59, 29, tzinfo=UTC) <= asked_at <= datetime(2026, 11, 22, 9, 0, 30, tzinfo=UTC)


def test_numbers_arrive_exactly(server: Scripted, org: Org) -> None:
    server.script.append(Say(200, b'{"records":[{"B":9999999999999999.99,"N":7}],"totalSize":1,"done":true}'))
    assert org.query("SELECT B FROM Lead").records == [{"B": Decimal("9999999999999999.99"), "N": 7}]


# -- the text of an answer --------------------------------------------------------------------------------------------


def test_a_text_that_no_database_holds_is_made_storable_wherever_it_stands(server: Scripted, org: Org) -> None:
    body = rb'{"a":"cut \ud83d","b":["x\u0000y",{"k\udc00":"\ud83d\ude00 whole"}],"c":"\\ud83d"}'
    server.script.append(Say(200, body))
    found = org.get("limits").body
    assert found == {"a": "cut \ufffd", "b": ["x\ufffdy", {"k\ufffd": "\U0001f600 whole"}], "c": r"\ud83d"}
    assert isinstance(found["a"], MadeStorable)
    assert not isinstance(found["c"], MadeStorable)


def test_a_refusal_is_made_storable(server: Scripted, org: Org) -> None:
    server.script.append(Say(400, rb'[{"errorCode":"X\u0000Y","message":"cut \ud83d","fields":["A\ud83d"]}]'))
    with pytest.raises(Refused) as caught:
        org.get("limits")
    assert (caught.value.code, caught.value.fields) == ("X\ufffdY", ("A\ufffd",))
    assert UNSTORABLE.search(str(caught.value)) is None


@pytest.mark.parametrize(
    "kind", ["application/json;charset=UTF-8", "application/json", "application/json;charset=latin1"]
)
def test_text_that_is_no_utf_8_is_asked_for_again_and_then_taken_as_it_is(
    server: Scripted, org: Org, naps: list[float], kind: str
) -> None:
    broken = Say(200, b'{"a":"caf\xe9", "b":"caf\xc3\xa9"}', {"Content-Type": kind})
    server.script.extend([broken, Say(200, {"a": "caf\u00e9"})])
    assert org.get("limits").body == {"a": "caf\u00e9"}
    server.script.extend([broken, broken])
    found = org.get("limits").body
    assert found == {"a": "caf\ufffd", "b": "caf\u00e9"}
    assert isinstance(found["a"], MadeStorable)
    assert (len(server.calls), len(naps)) == (4, 2)


def test_what_a_write_answers_is_taken_although_it_is_no_utf_8(server: Scripted, org: Org) -> None:
    """It should not send the write again, nor leave its outcome open."""
    server.script.append(Say(200, b'{"id":"x","message":"caf\xe9"}'))
    assert org.call("POST", "sobjects/Lead", safe=False, data="{}").body["id"] == "x"
    assert len(server.calls) == 1


def test_a_byte_order_mark_is_no_part_of_the_answer(server: Scripted, org: Org) -> None:
    server.script.append(Say(200, b'\xef\xbb\xbf{"a":1}'))
    assert org.get("limits").body == {"a": 1}


def test_a_number_of_thousands_of_digits_does_not_cost_the_answer(server: Scripted, org: Org) -> None:
    server.script.append(Say(200, b'{"a":1,"b":' + b"9" * 10_000 + b"}"))
    found = org.get("limits").body
    assert (found["a"], len(str(found["b"]))) == (1, 10_000)


# -- the size of an answer --------------------------------------------------------------------------------------------


class Endless(requests.adapters.BaseAdapter):
    """Answers with so many bytes of blanks, made while they are read; and counts those that were."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.taken = size, 0

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        outer, left = self, self.size

        class Blanks(io.BytesIO):
            def read(self, amount: int | None = -1) -> bytes:
                nonlocal left
                size = min(amount or 0, left)
                left -= size
                outer.taken += size
                return b" " * size

        response = requests.Response()
        response.status_code, response.url, response.request = 200, request.url or "", request
        response.headers["Content-Type"] = "application/json"
        response.raw = urllib3.HTTPResponse(Blanks(), preload_content=False, status=200)
        return response

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("safe", "error"), [(True, TooLarge), (False, OutcomeUnknown)])
def test_no_more_than_64_mb_of_an_answer_are_read(
    server: Scripted, make_org: Callable[..., Org], safe: bool, error: type[Exception]
) -> None:
    org = make_org()
    org.sign_in()
    endless = Endless(300 * 1024 * 1024)
    org._session.mount(server.url.replace("http:", "https:") + "/services/data/", endless)
    with pytest.raises(error, match="larger than 64 MB"):
        org.call("GET", "limits", safe=safe)
    assert endless.taken < 66 * 1024 * 1024
