"""Answers that are not as documented, texts that are no good text, dates that are wrong: what clients have met."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sandbox.conftest import BASE, Rig


def _fault(rig: Rig, kind: str, route: str = "/query", **plan: Any) -> Any:
    return rig.control("POST", "faults", {"kind": kind, "route": route, **plan})


def _change(rig: Rig, *changes: dict[str, Any], route: str = "/query", **plan: Any) -> None:
    _fault(rig, "change", route, changes=list(changes), **plan)


LEADS = "SELECT Id, LastName, OwnerId, SystemModstamp FROM Lead ORDER BY Id"
PAGED = {"Sforce-Query-Options": "batchSize=200"}


# Changes of an answer


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"path": "records[0].Id", "value": None}, lambda page: page["records"][0]["Id"] is None),
        ({"path": "records[0].Id", "remove": True}, lambda page: "Id" not in page["records"][0]),
        ({"path": "records[1].Id", "value": "odd"}, lambda page: page["records"][1]["Id"] == "odd"),
        (
            {"path": "records[*].SystemModstamp", "remove": True},
            lambda page: not any("SystemModstamp" in row for row in page["records"]),
        ),
        ({"path": "records[0].OwnerId", "value": 7}, lambda page: page["records"][0]["OwnerId"] == 7),
        ({"path": "records[0].attributes", "value": "x"}, lambda page: page["records"][0]["attributes"] == "x"),
        ({"path": "records[0]", "value": None}, lambda page: page["records"][0] is None),
        ({"path": "records", "value": None}, lambda page: page["records"] is None),
        ({"path": "records", "remove": True}, lambda page: "records" not in page),
        ({"path": "records[*]", "remove": True}, lambda page: page["records"] == []),
        ({"path": "done", "value": False}, lambda page: page["done"] is False and "nextRecordsUrl" not in page),
        ({"path": "extra", "value": {"a": [1.5]}}, lambda page: page["extra"] == {"a": [1.5]}),
        ({"path": "", "value": []}, lambda page: page == []),
        ({"path": "records", "append": {"LastName": "L"}}, lambda page: page["records"][2]["LastName"] == "L"),
        ({"path": "records[9].Id", "value": 1}, lambda page: len(page["records"]) == 2),
        ({"path": "nothing.here[0]", "remove": True}, lambda page: page["done"] is True),
    ],
)
def test_an_answer_can_be_changed_anywhere(rig: Rig, change: dict[str, Any], seen: Any) -> None:
    ids = [rig.create(), rig.create()]
    as_it_is = rig.query(LEADS)
    _change(rig, change)
    assert seen(rig.query(LEADS))
    assert rig.query(LEADS) == as_it_is
    assert [row["Id"] for row in as_it_is["records"]] == ids


def test_a_describe_can_have_a_field_of_any_name(rig: Rig) -> None:
    _change(rig, {"path": "fields", "append": {"name": "__proto__"}}, route="/sobjects/Lead/describe")
    *_, last, odd = rig.get("sobjects/Lead/describe")["fields"]
    assert odd == last | {"name": "__proto__"}


def test_in_composite_the_answer_to_one_subrequest_is_changed_and_references_are_not(rig: Rig) -> None:
    lead = rig.create()
    _change(rig, {"path": "records[0].Id", "value": "odd"}, times=None)
    subrequests = [
        {"method": "GET", "url": f"{BASE}/query?q=SELECT+Id+FROM+Lead", "referenceId": "a"},
        {"method": "GET", "url": f"{BASE}/sobjects/Lead/@{{a.records[0].Id}}?fields=Id", "referenceId": "b"},
    ]
    answers = rig.call("POST", "composite", json={"compositeRequest": subrequests}).json()["compositeResponse"]
    assert answers[0]["body"]["records"][0]["Id"] == "odd"
    assert answers[1]["body"]["Id"] == lead


def test_a_sign_in_can_be_changed(rig: Rig) -> None:
    _change(rig, {"path": "instance_url", "remove": True}, route="/oauth2/token")
    client = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    answers = [rig.session.post(f"{rig.url}/services/oauth2/token", data=client).json() for _ in range(2)]
    assert ["instance_url" in answer for answer in answers] == [False, True]


@pytest.mark.parametrize(
    "changes",
    [None, [], "x", ["x"], [{}], [{"path": "a"}], [{"path": "a", "value": 1, "remove": True}], [{"path": "a[x"}]],
)
def test_changes_that_make_no_sense_are_not_planned(rig: Rig, changes: Any) -> None:
    plan = {"kind": "change", "route": "/", "changes": changes}
    assert rig.session.post(f"{rig.url}/sandbox/faults", json=plan).status_code == 400
    assert rig.control("GET", "faults") == {"faults": []}


# Pages


def test_a_page_can_name_itself_as_the_next(rig: Rig) -> None:
    rig.control("POST", "reset", {"leads": 450, "contacts": 0})
    _fault(rig, "repeat_page", nth=1, times=3)
    first = rig.get("query", params={"q": LEADS}, headers=PAGED)
    again = rig.get(first["nextRecordsUrl"])
    assert again["records"] == first["records"]
    assert again["nextRecordsUrl"] == first["nextRecordsUrl"]
    rig.get(again["nextRecordsUrl"])
    assert rig.get(again["nextRecordsUrl"])["nextRecordsUrl"].endswith("-200")


@pytest.mark.parametrize("way", ["call", "fault"])
def test_open_queries_can_be_dropped(rig: Rig, way: str) -> None:
    rig.control("POST", "reset", {"leads": 450, "contacts": 0})
    url = rig.get("query", params={"q": LEADS}, headers=PAGED)["nextRecordsUrl"]
    if way == "call":
        assert rig.control("DELETE", "locators") == {"dropped": 1}
    else:
        _fault(rig, "drop_locators", nth=2)
        url = rig.get(url)["nextRecordsUrl"]
    assert rig.refused("GET", url) == (400, "INVALID_QUERY_LOCATOR", "invalid query locator")


@pytest.mark.parametrize(
    ("kinds", "pages"),
    [
        (["longtextarea"], [450]),
        (["longtextarea", "longtextarea"], [200, 200, 50]),
        (["longtextarea", "html"], [200, 200, 50]),
        (["longtextarea", "textarea"], [450]),  # 255 characters are not long
    ],
)
def test_two_long_custom_texts_make_pages_of_200(rig: Rig, kinds: list[str], pages: list[int]) -> None:
    """SOQL and SOSL Reference, "Change the Batch Size in Queries"."""
    rig.control("POST", "reset", {"leads": 450, "contacts": 0})
    for number, kind in enumerate(kinds):
        rig.control("POST", "fields", {"object": "Lead", "name": f"Text_{number}__c", "type": kind})
    names = ", ".join(["Id", "Description", *(f"Text_{number}__c" for number in range(len(kinds)))])
    page = rig.query(f"SELECT {names} FROM Lead")  # noqa: S608 - names of this test
    sizes = [len(page["records"])]
    while not page["done"]:
        page = rig.get(page["nextRecordsUrl"])
        sizes.append(len(page["records"]))
    assert sizes == pages


# The Date header


def test_the_date_of_some_answers_can_be_wrong(rig: Rig) -> None:
    _fault(rig, "date", "/limits", seconds=7200, nth=2, times=2)
    dates = [rig.call("GET", "limits").headers["Date"] for _ in range(4)]
    right, wrong = "Mon, 02 Nov 2026 09:30:00 GMT", "Mon, 02 Nov 2026 11:30:00 GMT"
    assert dates == [right, wrong, wrong, right]
    _fault(rig, "date", "/limits", date="yesterday")
    _fault(rig, "date", "/limits", date="", nth=2)
    assert [rig.call("GET", "limits").headers.get("Date") for _ in range(3)] == ["yesterday", None, right]


# Texts


@pytest.mark.parametrize("where", ["rig", "live"])
@pytest.mark.parametrize("text", ["cut \ud83d", "\ude00 back", "a\x00b", "\x00"])
def test_half_an_emoji_or_nul_stands_in_any_text(where: str, text: str, request: pytest.FixtureRequest) -> None:
    rig: Rig = request.getfixturevalue(where)
    lead, escaped = rig.create(Title="before"), json.dumps(text).strip('"')
    rig.time.sleep(60)
    rig.control("POST", "records", {"id": lead, "fields": {"Title": text, "LastName": text, "Notes__c": text}})
    answer = rig.call("GET", "query", params={"q": "SELECT Title, LastName, Notes__c, SystemModstamp FROM Lead"})
    assert answer.content.count(escaped.encode()) == 3
    [row] = json.loads(answer.content.decode("utf-8"))["records"]
    assert (row["Title"], row["LastName"], row["Notes__c"]) == (text, text, text)
    assert row["SystemModstamp"] == "2026-11-02T09:31:00.000+0000"
    assert json.loads(rig.call("GET", f"sobjects/Lead/{lead}").content)["Name"] == text
    rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Title": "after"})
    assert json.loads(rig.call("GET", f"sobjects/Lead/{lead}").content)["Title"] == "after"


def test_half_an_emoji_stands_in_names_labels_and_messages_and_pages_open(rig: Rig) -> None:
    half = "cut \ud83d"
    lead = rig.create()
    [user] = rig.records("SELECT Id FROM User WHERE Username = 'sync@example.com'")
    rig.control("POST", "records", {"id": user["Id"], "fields": {"LastName": half}})
    rig.control("POST", "records", {"id": lead, "fields": {"LastName": half}})
    values = [{"value": "A", "label": half}]
    rig.control(
        "POST", "fields", {"object": "Lead", "name": "Odd__c", "type": "picklist", "label": half, "values": values}
    )
    rig.control("POST", "refusals", {"object": "Lead", "code": half, "message": half})
    rig.org.restore(rig.org.snapshot())
    for path in ("query?q=SELECT+Owner.Name+FROM+Lead", "sobjects/Lead/describe"):
        assert b"cut \\ud83d" in rig.call("GET", path).content
    answer = json.loads(rig.call("PATCH", f"sobjects/Lead/{lead}", json={}).content)
    assert (answer[0]["errorCode"], answer[0]["message"]) == (half, half)
    for path in ("", lead, "leads?q=cut"):
        assert rig.session.get(f"{rig.url}/{path}").status_code == 200


def test_half_an_emoji_that_a_client_sends_stays_what_it_is(rig: Rig) -> None:
    lead = rig.create()
    assert rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Title": "cut \ud83d"}).status_code == 204
    assert b'"cut \\ud83d"' in rig.call("GET", f"sobjects/Lead/{lead}").content


def test_bytes_that_are_no_utf_8_stand_in_a_text(rig: Rig) -> None:
    lead = rig.create()
    rig.control("POST", "records", {"id": lead, "bytes": {"Description": "4df6626c"}})  # "Möbl" in Latin-1
    body = rig.call("GET", f"sobjects/Lead/{lead}").content
    assert b'"Description":"M\xf6bl"' in body
    with pytest.raises(UnicodeDecodeError):
        body.decode("utf-8")


def test_an_answer_can_have_a_byte_that_no_utf_8_has(rig: Rig) -> None:
    rig.create()
    _fault(rig, "invalid_utf8")
    bodies = [rig.call("GET", "query", params={"q": LEADS}).content for _ in range(2)]
    assert [b"\xff" in body for body in bodies] == [True, False]
    assert bodies[0].replace(b"\xff", b"") == bodies[1]


def test_bulk_results_have_the_text_too(rig: Rig) -> None:
    lead = rig.create()
    rig.control("POST", "records", {"id": lead, "fields": {"Title": "\ud83d"}, "bytes": {"City": "ff"}})
    job = rig.call("POST", "jobs/query", json={"operation": "query", "query": "SELECT Title, City FROM Lead"}).json()
    assert rig.call("GET", f"jobs/query/{job['id']}/results").content.endswith(b'"\xed\xa0\xbd","\xff"\n')


# Values past every check


def test_a_record_can_hold_what_no_client_could_save(rig: Rig) -> None:
    lead = rig.create()
    values = {
        "Email": "PASCAL.GÉRARD@EXAMPLE.COM",
        "Region__c": "no such region",
        "LastName": None,
        "OwnerId": None,
        "Budget__c": 12.5,
        "Newsletter__c": True,
        "Lead_Score__c": "many",
        "SystemModstamp": None,
    }
    rig.control("POST", "records", {"id": lead[:15], "fields": values})
    record = rig.read(lead)
    assert {name: record[name] for name in values} == values


def test_the_stamps_may_stay(rig: Rig) -> None:
    lead = rig.create()
    rig.time.sleep(60)
    rig.control("POST", "records", {"id": lead, "fields": {"City": "Oslo"}, "stamp": False})
    record = rig.read(lead)
    assert (record["City"], record["SystemModstamp"]) == ("Oslo", "2026-11-02T09:30:00.000+0000")


@pytest.mark.parametrize(
    "given",
    [
        {"fields": {"Id": "x"}},
        {"fields": {"Nope": "x"}},
        {"fields": {"Address": {}}},
        {"fields": {"Territory__c": "x"}},
        {"bytes": {"City": "xyz"}},
        {"id": "00Q000000000999AAA"},
        {"id": "x"},
    ],
)
def test_what_no_record_has_is_refused(rig: Rig, given: dict[str, Any]) -> None:
    answer = rig.session.post(f"{rig.url}/sandbox/records", json={"id": rig.create(), **given})
    assert answer.status_code in (400, 404)
