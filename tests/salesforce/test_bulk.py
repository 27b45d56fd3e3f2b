"""Bulk jobs: pages, outcomes row by row, and what is certain when an answer gets lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from sandbox.inprocess import BASE_URL
from syncer.salesforce import bulk as bulk_module
from syncer.salesforce.bulk import Bulk, Ingested
from syncer.salesforce.client import Org
from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.errors import OutcomeUnknown, Refused, Unavailable
from syncer.salesforce.rows import RowError
from syncer.salesforce.ways import Credentials
from tests.salesforce.server import Say, Scripted
from tests.salesforce.test_sandbox import START, World

ID, KEY = FieldDescribe("Id", "Id", "id"), FieldDescribe("Person_Id__c", "Person Id", "string")
NAME, COMPANY, EMAIL, TITLE = (
    FieldDescribe("LastName", "Last Name", "string"),
    FieldDescribe("Company", "Company", "string"),
    FieldDescribe("Email", "Email", "email"),
    FieldDescribe("Title", "Title", "string"),
)
NEW = [KEY, NAME, COMPANY, EMAIL]
SELECT = "SELECT Id, LastName, Title, Owner.Name FROM Lead ORDER BY LastName"


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.session.close()
    made.sandbox.close()


@pytest.fixture
def bulk(world: World) -> Bulk:
    return Bulk(world.org, pause=world.nap, page=2)


def people(count: int, **values: str) -> list[dict[str, Any]]:
    return [{"Person_Id__c": f"p{n:03}", "LastName": f"Ode {n:03}", "Company": "Acme", **values} for n in range(count)]


def upsert(bulk: Bulk, rows: list[dict[str, Any]], **options: Any) -> Ingested:
    (outcome,) = bulk.ingest("Lead", "upsert", NEW, rows, external_id="Person_Id__c", **options)
    return outcome


def stored(world: World, fields: str = "LastName") -> list[dict[str, Any]]:
    return world.org.query(f"SELECT {fields} FROM Lead ORDER BY LastName").records  # noqa: S608


def test_a_query_gives_its_rows_page_by_page(world: World, bulk: Bulk) -> None:
    upsert(bulk, people(5))
    world.sleep(3600)
    pages = list(bulk.query(SELECT))
    assert [[row["LastName"] for row in page.records] for page in pages] == [
        ["Ode 000", "Ode 001"],
        ["Ode 002", "Ode 003"],
        ["Ode 004"],
    ]
    first = pages[0].records[0]
    assert first == {"Id": first["Id"], "LastName": "Ode 000", "Title": None, "Owner": {"Name": "Sync User"}}
    assert {page.asked_at for page in pages} == {START + timedelta(hours=1)}


def test_a_query_without_rows(bulk: Bulk) -> None:
    assert [page.records for page in bulk.query(SELECT)] == [[]]


def test_deleted_rows_when_asked_for(world: World, bulk: Bulk) -> None:
    outcome = upsert(bulk, people(1))
    record_id = outcome.results["p000"].id
    (deleted,) = bulk.ingest("Lead", "delete", [ID], [{"Id": record_id}])
    assert deleted.results[str(record_id)].success
    assert [page.records for page in bulk.query("SELECT Id, IsDeleted FROM Lead")] == [[]]
    (page,) = bulk.query("SELECT Id, IsDeleted FROM Lead", deleted=True)
    assert page.records == [{"Id": record_id, "IsDeleted": "true"}]


def test_a_query_that_bulk_does_not_take_is_refused(bulk: Bulk) -> None:
    with pytest.raises(Refused, match="API_ERROR"):
        list(bulk.query("SELECT COUNT() FROM Lead"))


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "truncate", "status"])
@pytest.mark.parametrize("route", ["POST /services/data/v62.0/jobs/query", "/results"])
def test_reading_goes_on_after_a_fault(world: World, bulk: Bulk, kind: str, route: str) -> None:
    upsert(bulk, people(5))
    world.fault(kind, route=route.replace("v62.0", f"v{world.org.credentials.api_version}"), nth=1, status=503)
    assert [len(page.records) for page in bulk.query(SELECT)] == [2, 2, 1]
    assert len(world.naps) == 1


def test_an_expired_session_is_renewed_between_pages(world: World, bulk: Bulk) -> None:
    upsert(bulk, people(3))
    pages = bulk.query(SELECT)
    assert len(next(pages).records) == 2
    world.control("faults", route="/results", kind="expire_session", nth=1)
    assert [len(page.records) for page in pages] == [1]


def test_each_row_has_its_outcome(world: World, bulk: Bulk) -> None:
    rows = people(3)
    upsert(bulk, rows[:1])
    outcome = upsert(bulk, [*rows[:2], rows[2] | {"Email": "nobody"}])
    assert (outcome.unprocessed, outcome.unknown, outcome.problem) == (frozenset(), frozenset(), "")
    assert {key: (row.success, row.created) for key, row in outcome.results.items()} == {
        "p000": (True, False),
        "p001": (True, True),
        "p002": (False, None),
    }
    assert outcome.results["p001"].id == stored(world, "Id, LastName")[1]["Id"]
    assert outcome.results["p002"].errors == (
        RowError("INVALID_EMAIL_ADDRESS", "Email: invalid email address: nobody", ("Email",)),
    )


def test_an_update_empties_sets_and_leaves_alone(world: World, bulk: Bulk) -> None:
    a, b = world.create(LastName="A", Title="T", Email="a@x.example"), world.create(LastName="B", Title="T")
    rows: list[dict[str, str | None]] = [
        {"Id": a, "Title": None},
        {"Id": b, "Title": 'Dr. "x", y\nz', "Email": "b@x.example"},
    ]
    (outcome,) = bulk.ingest("Lead", "update", [ID, TITLE, EMAIL], rows)
    assert [outcome.results[key].success for key in (a, b)] == [True, True]
    found = [(row["Title"], row["Email"]) for row in stored(world, "LastName, Title, Email")]
    assert found == [(None, "a@x.example"), ('Dr. "x", y\nz', "b@x.example")]


def test_no_assignment_rule_runs(world: World, bulk: Bulk) -> None:
    upsert(bulk, people(1))
    assert stored(world, "LastName, Owner.Name")[0]["Owner"]["Name"] == "Sync User"


def test_many_rows_are_several_jobs(world: World, bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_module, "MOST_ROWS", 2)
    noted: list[str] = []
    outcomes = list(bulk.ingest("Lead", "upsert", NEW, iter(people(5)), external_id="Person_Id__c", note=noted.append))
    assert [sorted(outcome.results) for outcome in outcomes] == [["p000", "p001"], ["p002", "p003"], ["p004"]]
    assert [outcome.job for outcome in outcomes] == noted


def test_rows_that_are_too_long_for_one_upload_are_several_jobs(
    world: World, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_module, "MOST_BYTES", 120)
    outcomes = list(bulk.ingest("Lead", "upsert", NEW, people(5), external_id="Person_Id__c"))
    assert [len(outcome.results) for outcome in outcomes] == [2, 3]
    assert len(stored(world)) == 5


def test_a_row_that_a_file_cannot_say_stops_no_other(world: World, bulk: Bulk) -> None:
    rows = people(3)
    rows[1]["LastName"] = "#N/A"
    outcome = upsert(bulk, rows)
    assert (sorted(outcome.results), outcome.unprocessed, outcome.unknown) == (["p000", "p002"], {"p001"}, frozenset())
    alone = upsert(bulk, [rows[1]])
    assert (alone.job, alone.unprocessed) == ("", {"p001"})
    assert len(stored(world)) == 2


def test_a_job_that_fails_half_way_tells_which_rows_it_did_not_touch(world: World, bulk: Bulk) -> None:
    world.control("bulk", fail_after=3)
    outcome = upsert(bulk, people(5))
    assert outcome.problem == "InternalServerError : the job failed after too many retries"
    assert (sorted(outcome.results), sorted(outcome.unprocessed)) == (["p000", "p001", "p002"], ["p003", "p004"])
    assert outcome.unknown == frozenset()
    assert len(stored(world)) == 3


def test_a_hidden_field_touches_no_row(world: World, bulk: Bulk) -> None:
    world.control("access", username="sync@example.com", object="Lead", field="Email", access="hidden")
    outcome = upsert(bulk, people(2, Email="a@x.example"))
    assert outcome.problem == "InvalidBatch : Field name not found : Email"
    assert (outcome.results, sorted(outcome.unprocessed)) == ({}, ["p000", "p001"])


@pytest.mark.parametrize(
    ("operation", "rows", "external_id"),
    [
        ("insert", [{"LastName": "Ode"}], ""),
        ("upsert", [{"Person_Id__c": "p"}], ""),
        ("upsert", [{"LastName": "Ode"}], "Person_Id__c"),
        ("update", [{"LastName": "Ode"}], ""),
        ("upsert", [{"Person_Id__c": "p"}, {"Person_Id__c": "p"}], "Person_Id__c"),
    ],
)
def test_rows_that_could_not_be_told_apart_are_not_sent(
    world: World, bulk: Bulk, operation: str, rows: list[dict[str, Any]], external_id: str
) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(bulk.ingest("Lead", operation, NEW, rows, external_id=external_id))
    assert world.counted() == 0


STEPS = {
    "making the job": "POST /services/data/",
    "the upload": "/batches",
    "declaring it complete": "PATCH /services/data/",
    "looking": "GET /services/data/",
    "the results": "/successfulResults",
}


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "status", "truncate", "expire_session"])
@pytest.mark.parametrize("step", STEPS)
def test_whatever_gets_lost_every_row_is_saved_once_and_known(world: World, bulk: Bulk, step: str, kind: str) -> None:
    world.org.sign_in()
    upsert(bulk, people(1))
    world.fault(kind, route=STEPS[step], nth=1, status=503)
    outcome = upsert(bulk, people(3))
    assert {key: (row.success, row.created) for key, row in outcome.results.items()} == {
        "p000": (True, False),
        "p001": (True, True),
        "p002": (True, True),
    }
    assert len(stored(world)) == 3


@pytest.mark.parametrize("after", [0, 1])
def test_nothing_is_saved_once_writing_is_stopped(world: World, after: int) -> None:
    """Before the upload, and between it and its completion."""

    class Stopped(Exception):
        pass

    asked: list[None] = []

    def before_write() -> None:
        asked.append(None)
        if len(asked) > after:
            raise Stopped

    credentials = Credentials(
        "client-credentials", BASE_URL, {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    )
    bulk = Bulk(Org(credentials, world.session, before_write=before_write), pause=world.nap)
    noted: list[str] = []
    with pytest.raises(Stopped):
        upsert(bulk, people(2), note=noted.append)
    assert bulk.outcome(noted[0], "Person_Id__c", ["p000"]).problem == "The job is Aborted."
    assert stored(world) == []


def test_a_completion_that_never_arrives_saves_nothing(world: World, bulk: Bulk) -> None:
    noted: list[str] = []
    world.fault("drop_before", route="PATCH /services/data/", times=3)
    with pytest.raises(Unavailable, match="could not be started"):
        upsert(bulk, people(2), note=noted.append)
    assert bulk.outcome(noted[0], "Person_Id__c", ["p000"]).problem == "The job is Aborted."
    assert stored(world) == []


def test_an_upload_that_never_arrives_saves_nothing(world: World, bulk: Bulk) -> None:
    world.fault("drop_after", route="/batches", times=99)
    with pytest.raises(Unavailable, match="The rows did not arrive"):
        upsert(bulk, people(2))
    world.session.delete("http://127.0.0.1:8900/sandbox/faults")
    world.sleep(86400 * 3)
    assert stored(world) == []


def test_a_job_whose_outcome_is_not_known_can_be_asked_later(world: World, bulk: Bulk) -> None:
    noted: list[str] = []
    world.fault("status", route="GET /services/data/", status=503, times=99)
    with pytest.raises(OutcomeUnknown, match="was sent off") as caught:
        upsert(bulk, people(2), note=noted.append)
    assert noted[0] in str(caught.value)
    world.session.delete("http://127.0.0.1:8900/sandbox/faults")
    outcome = bulk.outcome(noted[0], "Person_Id__c", ["p000", "p001", "p002"])
    assert sorted(outcome.results) == ["p000", "p001"]
    assert outcome.unknown == {"p002"}


def test_a_job_that_was_never_sent_off_is_given_up(world: World, bulk: Bulk) -> None:
    """As after a crash between the upload and its completion."""
    noted: list[str] = []
    world.fault("drop_before", route="PATCH /services/data/", times=99)
    with pytest.raises(Unavailable):
        upsert(bulk, people(2), note=noted.append)
    world.session.delete("http://127.0.0.1:8900/sandbox/faults")
    outcome = bulk.outcome(noted[0], "Person_Id__c", ["p000", "p001"])
    assert (outcome.results, outcome.unprocessed, outcome.unknown) == ({}, {"p000", "p001"}, frozenset())
    assert outcome.problem == "The job is Aborted."
    assert stored(world) == []


# A job that takes its time: told by a script, because in process Salesforce has always finished already.

JOB = "750000000000001AAA"


def state(name: str, **more: Any) -> Say:
    return Say(200, {"id": JOB, "state": name, **more})


def csv_say(text: str, **headers: str) -> Say:
    return Say(200, text.encode(), {"Content-Type": "text/csv", **headers})


@pytest.fixture
def slow(make_org: Callable[..., Org], naps: list[float]) -> Bulk:
    return Bulk(make_org(attempts=2), pause=naps.append, patience=60)


def test_a_job_is_looked_at_less_and_less_often(server: Scripted, slow: Bulk, naps: list[float]) -> None:
    server.script.extend([state("UploadComplete"), *[state("InProgress")] * 5, state("JobComplete")])
    server.script.append(csv_say('"Id"\n"é"\n', **{"Sforce-NumberOfRecords": "1", "Sforce-Locator": "null"}))
    assert [page.records for page in slow.query("SELECT Id FROM Lead")] == [[{"Id": "é"}]]
    assert naps == [1, 2, 4, 8, 16]


def test_a_page_without_a_locator_is_the_last(server: Scripted, slow: Bulk) -> None:
    server.script.extend([state("UploadComplete"), state("JobComplete"), csv_say('"Id"\n"1"\n')])
    assert len(list(slow.query("SELECT Id FROM Lead"))) == 1


def test_a_page_with_fewer_rows_than_announced_is_asked_for_again(server: Scripted, slow: Bulk) -> None:
    short = csv_say('"Id"\n"1"\n', **{"Sforce-NumberOfRecords": "2"})
    whole = csv_say('"Id"\n"1"\n"2"\n', **{"Sforce-NumberOfRecords": "2"})
    server.script.extend([state("UploadComplete"), state("JobComplete"), short, whole])
    assert [len(page.records) for page in slow.query("SELECT Id FROM Lead")] == [2]


def test_a_query_that_takes_too_long_is_stopped(server: Scripted, slow: Bulk, naps: list[float]) -> None:
    server.script.append(state("UploadComplete"))
    server.script.extend([state("InProgress")] * 7)
    server.script.extend([state("Aborted"), state("Aborted")])
    with pytest.raises(Unavailable, match="it is Aborted"):
        list(slow.query("SELECT Id FROM Lead"))
    assert [call.json for call in server.calls if call.method == "PATCH"] == [{"state": "Aborted"}]
    assert sum(naps) == 61


def test_a_query_that_fails_says_why(server: Scripted, slow: Bulk) -> None:
    server.script.extend([state("UploadComplete"), state("Failed", errorMessage="InternalServerError : x")])
    with pytest.raises(Unavailable, match="InternalServerError : x"):
        list(slow.query("SELECT Id FROM Lead"))


def test_a_reader_that_stops_reading_leaves_no_job_running(server: Scripted, slow: Bulk) -> None:
    server.script.extend([state("UploadComplete"), Say(503), Say(503), state("Aborted")])
    with pytest.raises(Unavailable):
        list(slow.query("SELECT Id FROM Lead"))
    assert server.calls[-1].json == {"state": "Aborted"}


def test_an_ingest_job_that_takes_too_long_must_not_save_old_values_later(server: Scripted, slow: Bulk) -> None:
    server.script.extend([state("Open"), Say(201, b""), state("UploadComplete")])
    server.script.extend([state("InProgress")] * 7)
    server.script.extend([state("Aborted"), state("Aborted", errorMessage="stopped")])
    echo = '"Person_Id__c","LastName","Company","Email"\n'
    server.script.append(csv_say('"sf__Id","sf__Created",' + echo + '"00Q000000000001","true","p000","é","c",""\n'))
    server.script.append(csv_say('"sf__Id","sf__Error",' + echo))
    server.script.append(csv_say(echo + '"p001","Ode","c",""\n'))
    outcome = upsert(slow, people(3))
    assert (outcome.problem, sorted(outcome.results)) == ("stopped", ["p000"])
    assert outcome.results["p000"].id == "00Q000000000001EAA"
    assert (outcome.unprocessed, outcome.unknown) == ({"p001"}, {"p002"})
    put = next(call for call in server.calls if call.method == "PUT")
    assert put.headers["content-type"] == "text/csv; charset=UTF-8"
    assert put.body.startswith(b"Person_Id__c,LastName,Company,Email\np000,Ode 000,Acme,\n")


def test_a_job_that_cannot_be_stopped(server: Scripted, slow: Bulk) -> None:
    server.script.extend([state("Open"), Say(201, b""), state("UploadComplete")])
    server.otherwise = state("InProgress")
    with pytest.raises(OutcomeUnknown, match="neither ends nor can be stopped"):
        upsert(slow, people(1))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --",
            RowError("REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", ("Name",)),
        ),
        ("UNABLE_TO_LOCK_ROW:a: b\nc:--", RowError("UNABLE_TO_LOCK_ROW", "a: b\nc")),
        ("X_Y:m:A B__c --", RowError("X_Y", "m", ("A", "B__c"))),
        ("nonsense", RowError("UNKNOWN", "nonsense")),
        ("", RowError("UNKNOWN", "Salesforce gave no reason.")),
    ],
)
def test_the_text_of_a_refused_row(server: Scripted, slow: Bulk, text: str, error: RowError) -> None:
    server.script.extend([state("JobComplete"), state("JobComplete")])
    server.script.append(csv_say('"sf__Id","sf__Created","Id"\n'))
    server.script.append(csv_say(f'"sf__Id","sf__Error","Id"\n"","{text}","k"\n'))
    server.script.append(csv_say('"Id"\n'))
    assert slow.outcome(JOB, "Id", ["k"]).results["k"].errors == (error,)
