"""Bulk API 2.0 (Bulk API 2.0 and Bulk API Developer Guide)."""

from __future__ import annotations

import csv
import io
import time
from typing import Any

import pytest

from tests.sandbox.conftest import Rig


def _rows(text: str, **options: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), **options))


def _job(rig: Rig, upload: str, **options: Any) -> str:
    """An ingest job, uploaded and closed; gives its id."""
    job = rig.call("POST", "jobs/ingest", json={"operation": "insert", "object": "Lead", **options}).json()
    assert job["state"] == "Open"
    assert job["contentUrl"] == f"services/data/v59.0/jobs/ingest/{job['id']}/batches"
    put = rig.call(
        "PUT", f"jobs/ingest/{job['id']}/batches", data=upload.encode(), headers={"Content-Type": "text/csv"}
    )
    assert put.status_code == 201
    closed = rig.call("PATCH", f"jobs/ingest/{job['id']}", json={"state": "UploadComplete"})
    assert closed.json()["state"] == "UploadComplete"
    return str(job["id"])


def _result(rig: Rig, job: str, kind: str) -> list[dict[str, str]]:
    answer = rig.call("GET", f"jobs/ingest/{job}/{kind}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/csv")
    return _rows(answer.content.decode())


def test_simple_salesforce_loads_and_reads(live: Rig, salesforce: Any) -> None:
    rows = [{"LastName": f"L{n}", "Company": "C", "Email": "" if n else "not an address"} for n in range(450)]
    outcome = salesforce.bulk2.Lead.insert(records=rows, wait=0.05)
    assert sum(part["numberRecordsProcessed"] for part in outcome) == 450
    assert sum(part["numberRecordsFailed"] for part in outcome) == 1
    failed = _rows(salesforce.bulk2.Lead.get_failed_records(outcome[0]["job_id"]))
    assert failed[0]["sf__Error"] == "INVALID_EMAIL_ADDRESS:Email: invalid email address: not an address:Email --"
    pages = list(salesforce.bulk2.Lead.query("SELECT Id, LastName FROM Lead", max_records=200))
    assert [len(_rows(page)) for page in pages] == [200, 200, 49]


def test_empty_cells_are_ignored_and_na_is_null(rig: Rig) -> None:
    lead = rig.create(Title="T", Phone="1", Newsletter__c=False)
    job = _job(rig, f"Id,Title,Phone,Newsletter__c\n{lead},,#N/A,true\n", operation="update")
    assert rig.get(f"jobs/ingest/{job}")["state"] == "JobComplete"
    record = rig.read(lead)
    assert (record["Title"], record["Phone"], record["Newsletter__c"]) == ("T", None, True)
    assert _result(rig, job, "successfulResults") == [
        {"sf__Id": lead, "sf__Created": "false", "Id": lead, "Title": "", "Phone": "#N/A", "Newsletter__c": "true"}
    ]


def test_upsert_says_what_it_made(rig: Rig) -> None:
    rig.create(Person_Id__c="old")
    upload = "Person_Id__c,LastName,Company\nold,A,C\nnew,B,C\n,D,C\n"
    job = _job(rig, upload, operation="upsert", externalIdFieldName="Person_Id__c")
    good = {row["Person_Id__c"]: row["sf__Created"] for row in _result(rig, job, "successfulResults")}
    assert good == {"old": "false", "new": "true"}
    assert _result(rig, job, "failedResults")[0]["sf__Error"].startswith("MISSING_ARGUMENT:Person_Id__c not specified")


def test_results_do_not_keep_the_order(rig: Rig) -> None:
    job = _job(rig, "LastName,Company\n" + "".join(f"L{n:03d},C\n" for n in range(100)))
    names = [row["LastName"] for row in _result(rig, job, "successfulResults")]
    assert sorted(names) == [f"L{n:03d}" for n in range(100)]
    assert names != sorted(names)


@pytest.mark.parametrize(
    ("upload", "message"),
    [
        ("LastName,Nope\nA,1\n", "InvalidBatch : Field name not found : Nope"),
        ("LastName,Company\r\nA,C\r\n", "ClientInputError : LineEnding is invalid on user data."),
        ('LastName,Company\n"A"x,C\n', "ClientInputError : "),
    ],
)
def test_an_upload_that_cannot_be_taken_fails_the_job(rig: Rig, upload: str, message: str) -> None:
    job = _job(rig, upload)
    info = rig.get(f"jobs/ingest/{job}")
    assert info["state"] == "Failed"
    assert info["errorMessage"].startswith(message)
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 0


def test_the_rows_of_a_failed_job_are_unprocessed(rig: Rig) -> None:
    rig.control("POST", "bulk", {"fail_after": 250})
    job = _job(rig, "LastName,Company\n" + "".join(f"L{n},C\n" for n in range(600)))
    info = rig.get(f"jobs/ingest/{job}")
    assert (info["state"], info["numberRecordsProcessed"]) == ("Failed", 250)
    assert len(_result(rig, job, "successfulResults")) == 250
    assert len(_result(rig, job, "unprocessedrecords")) == 350
    assert len(_result(rig, job, "unprocessedRecords/")) == 350
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 250


def test_errors_of_rows_look_as_in_a_real_organisation(rig: Rig) -> None:
    job = _job(rig, "LastName,Company,Budget__c\n#N/A,C,1\nA,C,many\n")
    errors = {row["sf__Error"] for row in _result(rig, job, "failedResults")}
    assert errors == {
        "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --",
        "INVALID_TYPE_ON_FIELD_IN_RECORD:Budget: value not of required type: many:Budget__c --",
    }


def test_assignment_rules_run_only_when_the_job_names_one(rig: Rig) -> None:
    rule = rig.control("POST", "assignment", {})["rule"]
    _result(rig, _job(rig, "LastName,Company\nA,C\n"), "successfulResults")
    _result(rig, _job(rig, "LastName,Company\nB,C\n", assignmentRuleId=rule), "successfulResults")
    owners = {row["LastName"]: row["OwnerId"][:3] for row in rig.records("SELECT LastName, OwnerId FROM Lead")}
    assert owners == {"A": "005", "B": "00G"}


def test_other_delimiters_and_line_endings(rig: Rig) -> None:
    upload = 'LastName;Company\r\n"Semi;colon";"Qu""oted"\r\n'
    job = _job(rig, upload, columnDelimiter="SEMICOLON", lineEnding="CRLF")
    answer = rig.call("GET", f"jobs/ingest/{job}/successfulResults").text
    assert answer.endswith('"true";"Semi;colon";"Qu""oted"\r\n')
    assert rig.records("SELECT LastName, Company FROM Lead") == [{"LastName": "Semi;colon", "Company": 'Qu"oted'}]


def test_aborted_and_deleted_jobs(rig: Rig) -> None:
    job = rig.call("POST", "jobs/ingest", json={"operation": "insert", "object": "Lead"}).json()["id"]
    assert rig.refused("DELETE", f"jobs/ingest/{job}")[:2] == (400, "INVALIDJOBSTATE")
    assert rig.call("PATCH", f"jobs/ingest/{job}", json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert rig.refused("PATCH", f"jobs/ingest/{job}", json={"state": "UploadComplete"})[1] == "INVALIDJOBSTATE"
    assert rig.call("DELETE", f"jobs/ingest/{job}").status_code == 204
    assert rig.refused("GET", f"jobs/ingest/{job}")[0] == 404


def test_the_rows_of_an_aborted_job_are_handed_back(rig: Rig) -> None:
    """Bulk API 2.0 Developer Guide, "Get Job Unprocessed Record Results"."""
    job = _job(rig, "LastName,Company\n" + "".join(f"L{n},C\n" for n in range(450)))
    assert rig.call("PATCH", f"jobs/ingest/{job}", json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert [row["LastName"] for row in _result(rig, job, "unprocessedrecords")] == [f"L{n}" for n in range(450)]
    assert _result(rig, job, "successfulResults") == []
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 0
    torn = _job(rig, 'LastName,Company\nA,C\n"B"x,C\n')
    rig.call("PATCH", f"jobs/ingest/{torn}", json={"state": "Aborted"})
    assert _result(rig, torn, "unprocessedrecords") == [{"LastName": "A", "Company": "C"}]


@pytest.mark.parametrize("place", ["cm93OsKy", "cm93Oi0x", "x", "cm93Ojk5OTk5OTk5OTk5OTk5OTk5OTk5OQ"])
def test_a_locator_of_no_result_page_is_refused(rig: Rig, place: str) -> None:
    """Bulk API 2.0 Developer Guide, "Get Results for a Query Job"; the first ones are "row:²" and "row:-1"."""
    job = rig.call("POST", "jobs/query", json={"operation": "query", "query": "SELECT Id FROM Lead"}).json()["id"]
    refused = rig.refused("GET", f"jobs/query/{job}/results?locator={place}")
    assert refused[:2] == (400, "INVALID_QUERY_LOCATOR")


def test_jobs_are_forgotten_after_a_week(rig: Rig) -> None:
    old = _job(rig, "LastName,Company\nA,C\n")
    _result(rig, old, "successfulResults")
    rig.time.sleep(7 * 86400 + 1)
    del rig.session.headers["Authorization"]
    _job(rig, "LastName,Company\nB,C\n")
    assert rig.refused("GET", f"jobs/ingest/{old}")[0] == 404


def test_results_are_read_with_the_version_that_made_the_job(rig: Rig) -> None:
    job = rig.call("POST", "jobs/query", json={"operation": "query", "query": "SELECT Id FROM Lead"}).json()["id"]
    answer = rig.call("GET", f"/services/data/v60.0/jobs/query/{job}/results")
    assert answer.status_code == 409


def test_a_query_job_gives_pages_by_locator(rig: Rig) -> None:
    rig.control("POST", "reset", {"leads": 2500, "contacts": 0, "seed": 2})
    soql = "SELECT Id, Owner.Name, Newsletter__c, Budget__c, Title FROM Lead"
    job = rig.call("POST", "jobs/query", json={"operation": "query", "query": soql}).json()
    assert (job["state"], job["object"], job["jobType"]) == ("UploadComplete", "Lead", "V2Query")
    done = rig.get(f"jobs/query/{job['id']}")
    assert (done["state"], done["numberRecordsProcessed"]) == ("JobComplete", 2500)
    found, locator, sizes = [], "", []
    while locator != "null":
        page = rig.call("GET", f"jobs/query/{job['id']}/results?maxRecords=1000&locator={locator}")
        sizes.append(int(page.headers["Sforce-NumberOfRecords"]))
        locator = page.headers["Sforce-Locator"]
        found += _rows(page.content.decode())
    assert sizes == [1000, 1000, 500]
    assert len({row["Id"] for row in found}) == 2500
    assert set(found[0]) == {"Id", "Owner.Name", "Newsletter__c", "Budget__c", "Title"}
    assert {row["Newsletter__c"] for row in found} == {"true", "false"}
    assert page.headers["Content-Encoding"] == "gzip"
    pages = rig.get(f"jobs/query/{job['id']}/resultPages")
    assert pages["done"] is True
    assert len(_rows(rig.call("GET", pages["resultPages"][0]["resultUrl"]).text)) == 2500


def test_an_empty_result_still_has_its_header(rig: Rig) -> None:
    job = rig.call("POST", "jobs/query", json={"operation": "query", "query": "SELECT Id FROM Lead"}).json()["id"]
    answer = rig.call("GET", f"jobs/query/{job}/results")
    assert answer.text == '"Id"\n'
    assert (answer.headers["Sforce-NumberOfRecords"], answer.headers["Sforce-Locator"]) == ("0", "null")


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT COUNT() FROM Lead",
        "SELECT Status, COUNT(Id) FROM Lead GROUP BY Status",
        "SELECT Id FROM Lead LIMIT 5 OFFSET 2",
        "SELECT Id, Address FROM Lead",
        "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
    ],
)
def test_what_a_query_job_refuses(rig: Rig, soql: str) -> None:
    refused = rig.refused("POST", "jobs/query", json={"operation": "query", "query": soql})
    assert refused[:2] == (400, "API_ERROR")


def test_queryall_reads_deleted_records(rig: Rig) -> None:
    lead = rig.create()
    rig.call("DELETE", f"sobjects/Lead/{lead}")
    body = {"operation": "queryAll", "query": "SELECT Id, IsDeleted FROM Lead"}
    job = rig.call("POST", "jobs/query", json=body).json()["id"]
    assert _rows(rig.call("GET", f"jobs/query/{job}/results").text) == [{"Id": lead, "IsDeleted": "true"}]


def test_over_http_a_thread_works_on_the_job(live: Rig) -> None:
    live.control("POST", "reset", {"leads": 3000, "contacts": 0})
    job = live.call("POST", "jobs/query", json={"operation": "query", "query": "SELECT Id FROM Lead"}).json()["id"]
    deadline = time.monotonic() + 10
    while live.get(f"jobs/query/{job}")["state"] != "JobComplete" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(_rows(live.call("GET", f"jobs/query/{job}/results").text)) == 3000
