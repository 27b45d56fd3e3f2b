"""Any bytes uploaded, any text in a place of a path or header: an answer of Salesforce's kind, and jobs that end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.inprocess import mount
from sandbox.org import Org
from tests.sandbox.conftest import Rig, Time

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
CELLS = st.sampled_from(
    ["Id", "LastName", "Company", "Email", "Owner.Username", "a", "", "#N/A", '"', '""', "é", "\x00"]
)
LINES = st.lists(st.lists(CELLS, max_size=4).map(",".join), max_size=6).map("\n".join)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """One organisation for all examples of this module."""
    time = Time()
    org = Org(clock=Clock(time, time.sleep), seed=7)
    with requests.Session() as session:
        yield Rig(org, time, "http://127.0.0.1:8900", mount(session, org))
    org.close()


def _answered(answer: requests.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert {"message", "errorCode"} <= set(answer.json()[0])


@SETTINGS
@given(
    upload=st.binary(max_size=120)
    | LINES.map(str.encode)
    | LINES.map(lambda text: b"LastName,Company\n" + text.encode()),
    operation=st.sampled_from(["insert", "update", "upsert", "delete"]),
    ending=st.sampled_from(["LF", "CRLF"]),
    delimiter=st.sampled_from(["COMMA", "PIPE", "TAB"]),
    abort=st.booleans(),
)
@example(upload=b"\xef\xbb\xbfLastName,Company\nA,B", operation="insert", ending="LF", delimiter="COMMA", abort=False)
@example(upload=b"LastName,Company\n" + b"x" * 140_000, operation="insert", ending="LF", delimiter="COMMA", abort=True)
def test_any_upload_ends_its_job(
    rig: Rig, upload: bytes, operation: str, ending: str, delimiter: str, abort: bool
) -> None:
    body = {"object": "Lead", "operation": operation, "lineEnding": ending, "columnDelimiter": delimiter}
    body |= {"externalIdFieldName": "Person_Id__c"} if operation == "upsert" else {}
    job = rig.call("POST", "jobs/ingest", json=body).json()["id"]
    headers = {"Content-Type": "text/csv"}
    assert rig.call("PUT", f"jobs/ingest/{job}/batches", data=upload, headers=headers).status_code == 201
    state = {"state": "Aborted" if abort else "UploadComplete"}
    assert rig.call("PATCH", f"jobs/ingest/{job}", json=state).status_code == 200
    assert rig.get(f"jobs/ingest/{job}")["state"] in ("JobComplete", "Failed", "Aborted")
    for kind in ("successfulResults", "failedResults", "unprocessedrecords"):
        answer = rig.call("GET", f"jobs/ingest/{job}/{kind}")
        assert answer.status_code == 200
        answer.content.decode("utf-8")
    assert rig.call("DELETE", f"jobs/ingest/{job}").status_code == 204


@SETTINGS
@given(text=TEXT)
@example(text="²")
@example(text="٣")
@example(text="9" * 400)
def test_any_text_in_any_place_of_a_path(rig: Rig, text: str) -> None:
    place = quote(text, safe="")
    for path in (
        f"query/01gSb0000000001IAA-{place}",
        f"query/{place}",
        f"jobs/query/{place}/results?locator={place}&maxRecords={place}",
        f"jobs/ingest/{place}",
        f"sobjects/Lead/{place}",
        f"sobjects/Lead/Person_Id__c/{place}",
        f"sobjects/{place}/describe",
        f"sobjects/Lead?fields={place}",
        f"sobjects/Lead/updated?start={place}&end={place}",
        f"composite/sobjects/Lead?ids={place}&fields={place}",
        f"limits/recordCount?sObjects={place}",
    ):
        _answered(rig.call("GET", path))
    for path in (f"sobjects/Lead/Person_Id__c/{place}", f"sobjects/Lead/{place}/x"):
        _answered(rig.call("PATCH", path, json={}))
    _answered(rig.call("DELETE", f"composite/sobjects?ids={place}&allOrNone={place}"))


@SETTINGS
@given(value=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
@example(value="batchSize=99999999999999999999")
@example(value="Fri, 99 Foo 99999 99:99:99 GMT")
@example(value="Mon, 01 Jan 0001 00:00:00 +2359")
def test_any_header_is_taken_or_refused(rig: Rig, value: str) -> None:
    names = ("Sforce-Query-Options", "Sforce-Auto-Assign", "Sforce-Duplicate-Rule-Header", "If-Modified-Since")
    for name in (*names, "If-Unmodified-Since", "Accept-Encoding", "Sforce-Call-Options", "Content-Encoding"):
        headers = {name: value, "Content-Type": "application/json"}
        _answered(rig.call("GET", "query", params={"q": "SELECT Id FROM Lead LIMIT 1"}, headers=headers))
        _answered(rig.call("GET", "sobjects/Lead/describe", headers=headers))
        body = json.dumps({"LastName": "L", "Company": "C"})
        _answered(rig.call("POST", "sobjects/Lead", data=body, headers=headers))
