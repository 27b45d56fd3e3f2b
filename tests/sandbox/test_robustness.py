"""Properties: what is accepted reads back as Salesforce would give it; SOQL agrees with a plain evaluation; no bytes
whatever make the sandbox fail in a way of its own."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.inprocess import mount
from sandbox.org import Org
from tests.sandbox.conftest import BASE, Rig, Time

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
OFF = {"Sforce-Auto-Assign": "FALSE"}
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)
SPACE = " \t\r\n\f\v\x00"


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """One organisation for all examples of this module."""
    time = Time()
    org = Org(clock=Clock(time, time.sleep), seed=7)
    with requests.Session() as session:
        yield Rig(org, time, "http://127.0.0.1:8900", mount(session, org))
    org.close()


# What is accepted reads back


@QUICK
@given(text=TEXT)
@example(text="\x00")
@example(text="a\x00#1")
@example(text="😀" * 60)
@example(text="'; DROP TABLE Lead; --")
def test_text_is_trimmed_and_otherwise_kept(rig: Rig, text: str) -> None:
    kept = text.replace("\x00", "").strip(SPACE) or None
    assert rig.read(rig.create(Title=text))["Title"] == kept
    if kept is not None:
        literal = kept.replace("\\", "\\\\").replace("'", "\\'")
        literal = literal.replace("\n", "\\n").replace("\r", "\\r")
        found = rig.records(f"SELECT Title FROM Lead WHERE Title = '{literal}' LIMIT 1")  # noqa: S608 - SOQL
        assert [row["Title"].casefold() for row in found] == [kept.casefold()]


@QUICK
@given(number=st.decimals(min_value=Decimal(-(10**16)), max_value=Decimal(10**16), allow_nan=False, places=4))
def test_numbers_are_rounded_to_their_scale_and_lose_nothing_else(rig: Rig, number: Decimal) -> None:
    body = '{"LastName": "L", "Company": "C", "Budget__c": %s}' % number  # noqa: UP031 - JSON has braces
    answer = rig.call("POST", "sobjects/Lead", data=body.encode(), headers=OFF)
    kept = number.quantize(Decimal("0.01"), ROUND_HALF_UP)
    if abs(kept) >= 10**16 or abs(number) >= 10**16:
        assert answer.json()[0]["errorCode"] == "NUMBER_OUTSIDE_VALID_RANGE"
        return
    text = rig.call("GET", f"sobjects/Lead/{answer.json()['id']}?fields=Budget__c").text
    assert json.loads(text, parse_float=Decimal)["Budget__c"] == kept


@QUICK
@given(day=st.dates(min_value=date(1700, 1, 1), max_value=date(3999, 12, 31)))
def test_dates_are_kept(rig: Rig, day: date) -> None:
    assert rig.read(rig.create(Renewal_Date__c=day.isoformat()))["Renewal_Date__c"] == day.isoformat()


@QUICK
@given(moment=st.datetimes(min_value=datetime(1700, 1, 2), max_value=datetime(3999, 12, 30), timezones=st.timezones()))
def test_date_times_are_kept_to_the_second_in_utc(rig: Rig, moment: datetime) -> None:
    given_text = moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + moment.strftime("%z")[:5]
    whole = datetime.fromisoformat(given_text)
    kept = rig.read(rig.create(Last_Visit__c=given_text))["Last_Visit__c"]
    assert datetime.fromisoformat(kept) == whole.replace(microsecond=0)
    assert kept.endswith(".000+0000")


@QUICK
@given(values=st.lists(st.sampled_from(["Analytics", "Events", "Training", "Security"]), max_size=6))
def test_multi_picklists_are_sets_in_the_picklist_s_order(rig: Rig, values: list[str]) -> None:
    order = ["Analytics", "Events", "Security", "Training"]
    kept = ";".join(value for value in order if value in values) or None
    assert rig.read(rig.create(Interests__c=";".join(values)))["Interests__c"] == kept


# SOQL against a plain evaluation

PEOPLE: list[dict[str, Any]] = [
    {"LastName": last, "Rating": rating, "NumberOfEmployees": size, "Newsletter__c": news}
    for last, rating, size, news in [
        ("Ada", "Hot", 1, True),
        ("BOB", "Warm", None, False),
        ("bob", None, 3, True),
        ("Čapek", "Cold", 0, False),
        ("a%b", None, None, False),
        ("x_y", "hot", -5, True),
        ("O'N", "Warm", 1, False),
        ("B\\C", "Hot", 2, True),
    ]
]
WORDS = st.sampled_from(["Ada", "bob", "BOB", "čapek", "a%b", "x_y", "O'N", "B\\C", "Hot", "warm", ""])


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    return bool(left == (right if right != "" else None))


def _texts() -> st.SearchStrategy[tuple[str, Any]]:
    def build(field: str, operator: str, word: str) -> tuple[str, Any]:
        soql = f"{field} {operator} {_literal(word)}"
        if operator == "=":
            return soql, lambda row: _same(row[field], word)
        return soql, lambda row: not _same(row[field], word)

    return st.builds(build, st.sampled_from(["LastName", "Rating"]), st.sampled_from(["=", "!="]), WORDS)


def _lists() -> st.SearchStrategy[tuple[str, Any]]:
    def build(field: str, negated: bool, words: list[str]) -> tuple[str, Any]:
        soql = f"{field} {'NOT ' if negated else ''}IN ({', '.join(map(_literal, words))})"
        return soql, lambda row: any(_same(row[field], word) for word in words) != negated

    return st.builds(
        build, st.sampled_from(["LastName", "Rating"]), st.booleans(), st.lists(WORDS, min_size=1, max_size=4)
    )


def _numbers() -> st.SearchStrategy[tuple[str, Any]]:
    compare = {
        "<": lambda a, b: a is not None and a < b,
        "<=": lambda a, b: a is not None and a <= b,
        ">": lambda a, b: a is not None and a > b,
        ">=": lambda a, b: a is not None and a >= b,
        "=": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
    }

    def build(operator: str, number: int) -> tuple[str, Any]:
        return f"NumberOfEmployees {operator} {number}", lambda row: compare[operator](row["NumberOfEmployees"], number)

    return st.builds(build, st.sampled_from(sorted(compare)), st.integers(-6, 4))


def _flags() -> st.SearchStrategy[tuple[str, Any]]:
    return st.builds(
        lambda value: (f"Newsletter__c = {str(value).lower()}", lambda row: row["Newsletter__c"] is value),
        st.booleans(),
    )


def _compound(children: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[tuple[str, Any]]:
    def joined(word: str, parts: list[tuple[str, Any]]) -> tuple[str, Any]:
        fold = all if word == "AND" else any
        return f"({f' {word} '.join(part[0] for part in parts)})", lambda row: fold(part[1](row) for part in parts)

    def negated(part: tuple[str, Any]) -> tuple[str, Any]:
        return f"(NOT {part[0]})", lambda row: not part[1](row)

    return st.builds(joined, st.sampled_from(["AND", "OR"]), st.lists(children, min_size=2, max_size=3)) | st.builds(
        negated, children
    )


CONDITIONS = st.recursive(_texts() | _lists() | _numbers() | _flags(), _compound, max_leaves=6)


@pytest.fixture(scope="module")
def people(rig: Rig) -> Rig:
    """The people to query, all with the same company."""
    for person in PEOPLE:
        rig.create(**{key: value for key, value in person.items() if value is not None}, Company="People Inc")
    return rig


@settings(QUICK, max_examples=150)
@given(condition=CONDITIONS)
def test_queries_agree_with_a_plain_evaluation(people: Rig, condition: tuple[str, Any]) -> None:
    soql, holds = condition
    rows = people.records(f"SELECT LastName FROM Lead WHERE Company = 'People Inc' AND {soql}")  # noqa: S608 - SOQL
    assert sorted(row["LastName"] for row in rows) == sorted(p["LastName"] for p in PEOPLE if holds(p))


# Hostile bytes

PATHS = st.sampled_from(
    [
        "sobjects/Lead",
        "sobjects/Lead/",
        "composite",
        "composite/sobjects",
        "composite/sobjects/Lead",
        "composite/sobjects/Lead/Person_Id__c",
        "jobs/ingest",
        "jobs/query",
        "query",
        "queryAll",
        "sobjects/Lead/updated",
        "jobs/ingest/750/batches",
        "limits/recordCount",
        "sobjects/Lead/Person_Id__c/x",
        "",
        "tooling",
        "..",
        "%00",
        "query/01g",
    ]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "records",
                    "attributes",
                    "type",
                    "ids",
                    "fields",
                    "compositeRequest",
                    "url",
                    "method",
                    "referenceId",
                    "body",
                    "LastName",
                    "Id",
                    "id",
                    "OwnerId",
                    "operation",
                    "object",
                    "query",
                    "httpHeaders",
                    "Budget__c",
                    "Address",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
METHODS = st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"])


def _is_salesforce_s(answer: requests.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        for entry in answer.json():
            assert {"message", "errorCode"} <= set(entry)


@settings(QUICK, max_examples=200)
@given(method=METHODS, path=PATHS, body=st.binary(max_size=200) | JSON_VALUES.map(lambda v: json.dumps(v).encode()))
def test_any_body_on_any_route_is_answered_as_salesforce_would(rig: Rig, method: str, path: str, body: bytes) -> None:
    answer = rig.call(method, f"{rig.url}{BASE}/{path}", data=body, headers={"Content-Type": "application/json"})
    if method != "HEAD":
        _is_salesforce_s(answer)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\x16\x03\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /%ff%00//..//[ HTTP/1.1\r\nHost: [::1\r\n\r\n",
        b"POST /services/oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\nnope!",
        b"POST /sandbox/reset HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000,
    ],
)
def test_garbage_on_the_socket_harms_nobody(live: Rig, sent: bytes) -> None:
    host, port = live.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        try:
            answer = connection.recv(65536)
        except ConnectionResetError:
            answer = b""
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert live.get("limits")


def test_a_compressed_body_is_read(rig: Rig) -> None:
    body = gzip.compress(json.dumps({"LastName": "Zipped", "Company": "C"}).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json", **OFF}
    assert rig.call("POST", "sobjects/Lead", data=body, headers=headers).status_code == 201
    assert rig.refused("POST", "sobjects/Lead", data=body[:-9], headers=headers)[0] == 400


@pytest.mark.parametrize(
    "url", ["/services/data/v59.0/query?q=[", "/services/data/v59.0//[::", "/services/data/v59.0/%zz"]
)
def test_odd_addresses_inside_composite(rig: Rig, url: str) -> None:
    body = {"compositeRequest": [{"method": "GET", "url": url, "referenceId": "a"}]}
    (answer,) = rig.call("POST", "composite", json=body).json()["compositeResponse"]
    assert answer["httpStatusCode"] in (400, 404)


@settings(QUICK, max_examples=150)
@given(path=TEXT, method=METHODS)
def test_any_path_is_answered(rig: Rig, path: str, method: str) -> None:
    for prefix in (f"{BASE}/", "/services/", "/services/data/", "/sandbox/", "/", "/services/oauth2/"):
        answer = rig.call(method, f"{rig.url}{prefix}{quote(path, safe='/?=&')}")
        assert answer.status_code < 500, answer.text


@settings(QUICK, max_examples=200)
@given(
    soql=TEXT
    | st.lists(
        st.sampled_from(
            [
                "SELECT",
                "Id",
                "FROM",
                "Lead",
                "WHERE",
                "(",
                ")",
                ",",
                "=",
                "'x'",
                "AND",
                "OR",
                "NOT",
                "IN",
                "LIKE",
                "null",
                "LIMIT",
                "5",
                "ORDER",
                "BY",
                "COUNT()",
                "COUNT(Id)",
                "GROUP",
                "Owner.Name",
                "TODAY",
                "2026-01-01T00:00:00Z",
                "FIELDS(ALL)",
                "Status",
                "HAVING",
                "OFFSET",
                "INCLUDES",
                "Interests__c",
                "DESC",
                "NULLS",
                "LAST",
                "Address",
                "(SELECT",
                "Contact",
            ]
        ),
        max_size=14,
    ).map(" ".join)
)
def test_any_query_is_answered(rig: Rig, soql: str) -> None:
    _is_salesforce_s(rig.call("GET", "query", params={"q": soql}))


@settings(QUICK, max_examples=100)
@given(
    name=st.sampled_from(
        [
            "reset",
            "clock",
            "faults",
            "fields",
            "access",
            "rules",
            "duplicate-rules",
            "limits",
            "convert",
            "merge",
            "undelete",
            "purge",
            "users",
            "queues",
            "sharing",
            "sessions",
            "assignment",
            "flows",
            "switches",
            "bulk",
            "refusals",
            "triggers",
            "records",
            "locators",
            "field-order",
            "record-types",
            "person-accounts",
            "move",
            "profile",
            "nothing",
        ]
    ),
    body=JSON_VALUES,
)
def test_any_control_call_is_answered(name: str, body: Any) -> None:
    org = Org(seed=1)
    with requests.Session() as session:
        answer = mount(session, org).post(f"http://127.0.0.1:8900/sandbox/{name}", json=body)
        assert answer.status_code < 500, answer.text
        assert session.get("http://127.0.0.1:8900/sandbox/state").status_code == 200
    org.close()
