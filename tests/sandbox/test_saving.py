"""What is taken, how it is kept, and what is refused.

Sources: Object Reference, "Field Types"; REST API Developer Guide, "sObject Rows", "Status Codes and Error Responses";
SOAP API Developer Guide, "Core Data Types" (error codes); Salesforce Help, "Field-Level Security".
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import START, Rig

OFF = {"Sforce-Auto-Assign": "FALSE"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"Title": "  Countess \n"}, {"Title": "Countess"}),
        ({"Title": "   "}, {"Title": None}),
        ({"Title": 5}, {"Title": "5"}),
        ({"Email": "Ada@Example.COM"}, {"Email": "Ada@Example.COM"}),
        ({"LeadSource": "word of MOUTH"}, {"LeadSource": "word of MOUTH"}),
        ({"Budget__c": 12.345}, {"Budget__c": 12.35}),
        ({"Budget__c": "12.344"}, {"Budget__c": 12.34}),
        ({"Budget__c": -0.005}, {"Budget__c": -0.01}),
        ({"Budget__c": ""}, {"Budget__c": None}),
        ({"AnnualRevenue": 10.5}, {"AnnualRevenue": 11.0}),
        ({"NumberOfEmployees": 7}, {"NumberOfEmployees": 7}),
        ({"Newsletter__c": "TRUE"}, {"Newsletter__c": True}),
        ({"Interests__c": "Training; Analytics;Training"}, {"Interests__c": "Analytics;Training"}),
        ({"Renewal_Date__c": "2026-02-28"}, {"Renewal_Date__c": "2026-02-28"}),
        ({"Last_Visit__c": "2026-01-02T03:04:05.678+02:00"}, {"Last_Visit__c": "2026-01-02T01:04:05.000+0000"}),
        ({"Last_Visit__c": "2026-01-02T03:04:05Z"}, {"Last_Visit__c": "2026-01-02T03:04:05.000+0000"}),
        ({"Region__c": "EMEA"}, {"Region__c": "EMEA", "Territory__c": "East"}),
        ({"FirstName": "Ada"}, {"Name": "Ada Lovelace"}),
        ({"title": "lower"}, {"Title": "lower"}),
        ({"Notes__c": "x" * 32768}, {"Notes__c": "x" * 32768}),
    ],
)
def test_values_are_kept_as_salesforce_keeps_them(rig: Rig, given: dict[str, Any], kept: dict[str, Any]) -> None:
    record = rig.read(rig.create(**given))
    assert {name: record[name] for name in kept} == kept


def test_a_number_keeps_all_its_digits(rig: Rig) -> None:
    lead = rig.create()
    body = b'{"Budget__c": 9999999999999999.99}'
    assert rig.call("PATCH", f"sobjects/Lead/{lead}", data=body, headers=OFF).status_code == 204
    assert '"Budget__c":9999999999999999.99' in rig.call("GET", f"sobjects/Lead/{lead}?fields=Budget__c").text


@pytest.mark.parametrize(
    ("given", "status", "code", "message", "fields"),
    [
        ({"LastName": None}, 400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", ["LastName"]),
        ({"Company": " "}, 400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Company]", ["Company"]),
        ({"Email": "x"}, 400, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: x", ["Email"]),
        (
            {"FirstName": "x" * 41}, 400, "STRING_TOO_LONG",
            f"First Name: data value too large: {'x' * 41} (max length=40)", ["FirstName"],
        ),
        (
            {"Region__c": "Mars"}, 400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Region: bad value for restricted picklist field: Mars", ["Region__c"],
        ),
        (
            {"CleanStatus": "Dirty"}, 400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Clean Status: bad value for restricted picklist field: Dirty", ["CleanStatus"],
        ),
        ({"Nope__c": 1}, 400, "INVALID_FIELD", "No such column 'Nope__c' on sobject of type Lead", None),
        ({"OwnerId": "xyz"}, 400, "MALFORMED_ID", "Owner ID: id value of incorrect type: xyz", ["OwnerId"]),
        (
            {"OwnerId": "003000000000001AAA"}, 400, "MALFORMED_ID",
            "Owner ID: id value of incorrect type: 003000000000001AAA", ["OwnerId"],
        ),
        ({"OwnerId": "005000000000009AAA"}, 400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", []),
        (
            {"Budget__c": 1e16}, 400, "NUMBER_OUTSIDE_VALID_RANGE",
            "Budget: value outside of valid range on numeric field: 1E+16", ["Budget__c"],
        ),
        (
            {"Newsletter__c": None}, 400, "INVALID_TYPE_ON_FIELD_IN_RECORD",
            "Newsletter: value not of required type: null", ["Newsletter__c"],
        ),
        (
            {"Renewal_Date__c": "1066-10-14"}, 400, "FIELD_INTEGRITY_EXCEPTION",
            "Renewal Date: invalid date: 1066-10-14", ["Renewal_Date__c"],
        ),
    ],
)  # fmt: skip
def test_what_is_refused(
    rig: Rig, given: dict[str, Any], status: int, code: str, message: str, fields: list[str] | None
) -> None:
    lead = rig.create(Title="before")
    before = rig.read(lead)
    rig.time.sleep(5)
    answer = rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Title": "after", **given}, headers=OFF)
    expected: dict[str, Any] = {"message": message, "errorCode": code}
    if fields is not None:
        expected["fields"] = fields
    assert (answer.status_code, answer.json()) == (status, [expected])
    assert rig.read(lead) == before, "the record is refused as a whole"


@pytest.mark.parametrize(
    "given",
    [
        {"Budget__c": "many"}, {"Budget__c": True}, {"NumberOfEmployees": 1.5}, {"Newsletter__c": "maybe"},
        {"Renewal_Date__c": "2026-02-30"}, {"Renewal_Date__c": "tomorrow"}, {"Renewal_Date__c": 5},
        {"Last_Visit__c": "2026-01-02"}, {"Title": {"a": 1}}, {"Title": [1]},
    ],
)  # fmt: skip
def test_values_of_another_type_are_parser_errors(rig: Rig, given: dict[str, Any]) -> None:
    lead = rig.create()
    status, code, message = rig.refused("PATCH", f"sobjects/Lead/{lead}", json=given)
    assert (status, code) == (400, "JSON_PARSER_ERROR")
    assert message.startswith("Cannot deserialize instance of ")


@pytest.mark.parametrize(
    "name", ["Name", "CreatedDate", "SystemModstamp", "Territory__c", "IsDeleted", "Address", "ConvertedDate"]
)
def test_read_only_fields_cannot_be_written(rig: Rig, name: str) -> None:
    lead = rig.create()
    answer = rig.call("PATCH", f"sobjects/Lead/{lead}", json={name: "x"})
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert answer.json()[0]["message"].startswith(
        f"Unable to create/update fields: {name}. Please check the security settings"
    )
    assert answer.json()[0]["fields"] == [name]


def test_a_create_without_required_fields_names_them_all(rig: Rig) -> None:
    answer = rig.call("POST", "sobjects/Lead", json={"FirstName": "Ada"})
    assert answer.status_code == 400
    assert answer.json() == [
        {
            "message": "Required fields are missing: [LastName, Company]",
            "errorCode": "REQUIRED_FIELD_MISSING",
            "fields": ["LastName", "Company"],
        }
    ]


def test_a_new_record_has_salesforce_s_defaults_and_stamps(rig: Rig) -> None:
    record = rig.read(rig.create())
    stamp = START.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    assert record["Status"] == "Open - Not Contacted"
    assert (record["HasOptedOutOfEmail"], record["DoNotCall"], record["IsUnreadByOwner"]) == (False, False, True)
    assert {record[name] for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp")} == {stamp}
    users = {row["Username"]: row["Id"] for row in rig.records("SELECT Id, Username FROM User")}
    assert {record[name] for name in ("CreatedById", "LastModifiedById", "OwnerId")} == {users["sync@example.com"]}


def test_every_save_moves_the_stamps_even_one_that_changes_nothing(rig: Rig) -> None:
    lead = rig.create(Title="same")
    rig.time.sleep(90)
    assert rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Title": "same"}, headers=OFF).status_code == 204
    record = rig.read(lead)
    assert record["SystemModstamp"] == record["LastModifiedDate"] == "2026-11-02T09:31:30.000+0000"
    assert record["CreatedDate"] == "2026-11-02T09:30:00.000+0000"


def test_unique_external_ids_are_unique_without_regard_to_case(rig: Rig) -> None:
    first = rig.create(Person_Id__c="Abc")
    answer = rig.call("POST", "sobjects/Lead", json={"LastName": "L", "Company": "C", "Person_Id__c": "aBC"})
    assert answer.status_code == 400
    assert answer.json() == [
        {
            "message": f"duplicate value found: Person_Id__c duplicates value on record with id: {first[:15]}",
            "errorCode": "DUPLICATE_VALUE",
            "fields": [],
        }
    ]
    rig.call("DELETE", f"sobjects/Lead/{first}")
    assert rig.create(Person_Id__c="abc")


def test_upsert_creates_then_updates(rig: Rig) -> None:
    body = {"LastName": "L", "Company": "C"}
    made = rig.call("PATCH", "sobjects/Lead/Person_Id__c/a%2Fb%20c", json=body)
    assert made.status_code == 201
    assert made.json()["created"] is True
    again = rig.call("PATCH", "sobjects/Lead/Person_Id__c/a%2Fb%20c", json={"Title": "T"})
    assert (again.status_code, again.json()["created"]) == (200, False)
    record = rig.get("sobjects/Lead/Person_Id__c/a%2Fb%20c?fields=Id,Person_Id__c,Title")
    assert (record["Id"], record["Person_Id__c"], record["Title"]) == (made.json()["id"], "a/b c", "T")
    old = rig.call("PATCH", "/services/data/v45.0/sobjects/Lead/Person_Id__c/a%2Fb%20c", json={"Title": "U"})
    assert (old.status_code, old.content) == (204, b"")


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("PATCH", "sobjects/Lead/Person_Id__c/x", {"Person_Id__c": "x"}, (400, "INVALID_FIELD")),
        ("PATCH", "sobjects/Lead/Title/x", {}, (404, "NOT_FOUND")),
        ("PATCH", "sobjects/Lead/Person_Id__c/n?updateOnly=true", {"Title": ""}, (404, "INVALID_CROSS_REFERENCE_KEY")),
        ("PATCH", "sobjects/Lead/00Q000000000001", {"Title": "x"}, (404, "INVALID_CROSS_REFERENCE_KEY")),
        ("DELETE", "sobjects/Lead/00Q000000000001", None, (404, "INVALID_CROSS_REFERENCE_KEY")),
        ("GET", "sobjects/Lead/00Q000000000001", None, (404, "NOT_FOUND")),
        ("GET", "sobjects/Lead/Person_Id__c/none", None, (404, "NOT_FOUND")),
        ("PATCH", "sobjects/Lead/nonsense", {"Title": "x"}, (404, "NOT_FOUND")),
        ("POST", "sobjects/Nope", {}, (404, "NOT_FOUND")),
        ("POST", "sobjects/Lead", {"Id": "00Q000000000001"}, (400, "INVALID_FIELD_FOR_INSERT_UPDATE")),
        ("PUT", "sobjects/Lead", {}, (405, "METHOD_NOT_ALLOWED")),
        ("GET", "nothing/here", None, (404, "NOT_FOUND")),
        ("POST", "sobjects/User", {"LastName": "x"}, (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")),
    ],
)  # fmt: skip
def test_addresses_that_are_refused(rig: Rig, method: str, path: str, body: Any, expected: tuple[int, str]) -> None:
    assert rig.refused(method, path, json=body)[:2] == expected


def test_a_bad_id_in_the_address_is_named(rig: Rig) -> None:
    message = rig.refused("GET", "sobjects/Lead/nonsense")[2]
    assert message == "Provided external ID field does not exist or is not accessible: nonsense"


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"\xff", b'{"a": NaN}', b"[" * 5000])
def test_bodies_that_are_no_json_object(rig: Rig, body: bytes) -> None:
    assert rig.refused("POST", "sobjects/Lead", data=body)[:2] == (400, "JSON_PARSER_ERROR")


def test_another_kind_of_body_is_refused(rig: Rig) -> None:
    headers = {"Content-Type": "application/xml"}
    assert rig.refused("POST", "sobjects/Lead", data=b"<Lead/>", headers=headers)[:2] == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_deleted_record_is_refused_as_such(rig: Rig) -> None:
    lead = rig.create()
    assert rig.call("DELETE", f"sobjects/Lead/{lead}").status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        answer = rig.call(method, f"sobjects/Lead/{lead}", json={} if method == "PATCH" else None)
        assert answer.status_code == 404
        assert answer.json() == [{"message": "entity is deleted", "errorCode": "ENTITY_IS_DELETED", "fields": []}]


def test_conditional_requests_on_a_record(rig: Rig) -> None:
    lead = rig.create()
    modified = rig.call("GET", f"sobjects/Lead/{lead}").headers["Last-Modified"]
    assert rig.call("GET", f"sobjects/Lead/{lead}", headers={"If-Modified-Since": modified}).status_code == 304
    rig.time.sleep(60)
    rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Title": "new"})
    late = {"If-Unmodified-Since": modified}
    assert rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Title": "x"}, headers=late).status_code == 412


# Assignment rules ("Assignment Rule Header"): the header missing means that they run


@pytest.mark.parametrize(("headers", "prefix"), [({}, "00G"), ({"Sforce-Auto-Assign": "TRUE"}, "00G"), (OFF, "005")])
def test_assignment_rules_run_unless_switched_off(rig: Rig, headers: dict[str, str], prefix: str) -> None:
    made = rig.call("POST", "sobjects/Lead", json={"LastName": "L", "Company": "C"}, headers=headers).json()["id"]
    assert rig.read(made)["OwnerId"][:3] == prefix
    lead = rig.create()
    rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Title": "T"}, headers=headers)
    assert rig.read(lead)["OwnerId"][:3] == prefix


def test_an_unknown_assignment_rule_is_refused(rig: Rig) -> None:
    headers = {"Sforce-Auto-Assign": "01Q000000000009"}
    body = {"LastName": "L", "Company": "C"}
    assert rig.refused("POST", "sobjects/Lead", json=body, headers=headers)[1] == "INVALID_CROSS_REFERENCE_KEY"


def test_leads_may_belong_to_a_queue_and_contacts_may_not(rig: Rig) -> None:
    queue = rig.records("SELECT Id FROM Group WHERE Type = 'Queue'")[0]["Id"]
    assert rig.read(rig.create(OwnerId=queue))["OwnerId"] == queue
    body = {"LastName": "L", "OwnerId": queue}
    assert rig.refused("POST", "sobjects/Contact", json=body)[:2] == (400, "MALFORMED_ID")
    cases = rig.control("POST", "queues", {"name": "Cases only", "objects": ["Case"]})["id"]
    assert rig.refused("POST", "sobjects/Lead", json={**body, "Company": "C", "OwnerId": cases}, headers=OFF)[0] == 400


def test_an_inactive_user_cannot_become_owner(rig: Rig) -> None:
    user = rig.control("POST", "users", {"username": "gone@example.com", "active": False})["id"]
    body = {"LastName": "L", "Company": "C", "OwnerId": user}
    assert rig.refused("POST", "sobjects/Lead", json=body, headers=OFF)[1] == "INACTIVE_OWNER_OR_USER"
