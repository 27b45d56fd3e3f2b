"""Organisations of a kind, and what they are made of: record types, flows that change values, person accounts, another
time zone.

Sources: Salesforce Help, "Person Accounts", "Record Types"; Apex Developer Guide, "Triggers and Order of Execution";
SOQL and SOSL Reference, "Date Formats and Date Literals".
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Rig


def _fields(rig: Rig, name: str) -> dict[str, dict[str, Any]]:
    return {field["name"]: field for field in rig.get(f"sobjects/{name}/describe")["fields"]}


# Record types


def test_an_object_without_record_types_has_no_field_for_them(rig: Rig) -> None:
    assert "RecordTypeId" not in _fields(rig, "Lead")
    [master] = rig.get("sobjects/Lead/describe")["recordTypeInfos"]
    assert (master["name"], master["defaultRecordTypeMapping"]) == ("Master", True)


def test_a_new_record_has_the_default_record_type_or_the_one_that_it_names(rig: Rig) -> None:
    before = rig.create()
    given = {"object": "Lead", "name": "Direct", "default": True}
    direct = rig.control("POST", "record-types", given)["id"]
    partner = rig.control("POST", "record-types", {"object": "Lead", "name": "Partner Lead", "active": False})["id"]
    assert _fields(rig, "Lead")["RecordTypeId"]["referenceTo"] == ["RecordType"]
    infos = rig.get("sobjects/Lead/describe")["recordTypeInfos"]
    assert [(each["recordTypeId"], each["active"], each["defaultRecordTypeMapping"]) for each in infos] == [
        (direct, True, True),
        (partner, False, False),
        ("012000000000000AAA", True, False),
    ]
    rig.create(LastName="A")
    rig.create(LastName="B", RecordTypeId=partner)
    assert rig.read(before)["RecordTypeId"] is None
    rows = rig.records("SELECT RecordType.DeveloperName FROM Lead WHERE RecordTypeId != null ORDER BY LastName")
    assert [row["RecordType"]["DeveloperName"] for row in rows] == ["Direct", "Partner_Lead"]
    found = rig.records("SELECT Id, SobjectType FROM RecordType WHERE IsActive = true")
    assert found == [{"Id": direct, "SobjectType": "Lead"}]
    rig.org.load()
    assert "RecordTypeId" in _fields(rig, "Lead")
    assert rig.session.post(f"{rig.url}/sandbox/record-types", json={"object": "User", "name": "x"}).status_code == 400


# Flows that change values after the save


def test_a_flow_changes_the_record_after_the_save(rig: Rig) -> None:
    flow = {
        "object": "Lead",
        "name": "Rate",
        "when": "Lead_Score__c > 50",
        "set": {"Rating": '"Hot"', "Budget__c": "Lead_Score__c * 10.5"},
    }
    rig.control("POST", "flows", flow)
    cold, hot = rig.create(Lead_Score__c=10), rig.create(Lead_Score__c=60)
    assert (rig.read(cold)["Rating"], rig.read(hot)["Rating"], rig.read(hot)["Budget__c"]) == (None, "Hot", 630.0)
    rig.call("PATCH", f"sobjects/Lead/{hot}", json={"Rating": "Warm"})
    assert rig.read(hot)["Rating"] == "Hot"
    assert rig.control("DELETE", "flows", {"object": "Lead", "name": "Rate"})["flows"] == []
    rig.call("PATCH", f"sobjects/Lead/{hot}", json={"Rating": "Warm"})
    assert rig.read(hot)["Rating"] == "Warm"


def test_flows_go_on_when_a_field_is_renamed(rig: Rig) -> None:
    rig.control("POST", "flows", {"object": "Lead", "set": {"Region__c": '"EMEA"', "Title": "UPPER(Person_Id__c)"}})
    for name, rename in (("Region__c", "Area__c"), ("Person_Id__c", "Pid__c")):
        rig.control("POST", "fields", {"object": "Lead", "name": name, "rename": rename})
    record = rig.read(rig.create(Pid__c="p"))
    assert (record["Area__c"], record["Title"]) == ("EMEA", "P")


@pytest.mark.parametrize(
    "formulas", [{}, {"Nope": "1"}, {"Territory__c": '"x"'}, {"OwnerId": '"x"'}, {"Title": "Nope__c"}, {"Title": "("}]
)
def test_a_flow_that_cannot_run_is_not_taken(rig: Rig, formulas: dict[str, str]) -> None:
    answer = rig.session.post(f"{rig.url}/sandbox/flows", json={"object": "Lead", "set": formulas})
    assert answer.status_code == 400
    rig.create()


# Another time zone


def test_today_is_the_day_where_the_organisation_is(rig: Rig) -> None:
    rig.control("POST", "switches", {"time_zone": "Pacific/Auckland"})
    lead = rig.create(Renewal_Date__c="2026-11-02", Last_Visit__c="2026-11-01T12:00:00Z")  # in Auckland the 2nd, 1:00
    assert rig.records("SELECT TimeZoneSidKey FROM Organization") == [{"TimeZoneSidKey": "Pacific/Auckland"}]
    for condition in ("Renewal_Date__c = TODAY", "Last_Visit__c = TODAY", "CreatedDate = TODAY"):
        assert rig.records("SELECT Id FROM Lead WHERE " + condition) == [{"Id": lead}]  # noqa: S608 - SOQL
    rig.time.sleep(2 * 3600)  # 11:30 UTC: the 3rd has begun there
    del rig.session.headers["Authorization"]
    assert rig.records("SELECT Id FROM Lead WHERE Renewal_Date__c = YESTERDAY") == [{"Id": lead}]
    rig.control("POST", "fields", {"object": "Lead", "name": "Due__c", "type": "date", "formula": "TODAY() + 1"})
    assert rig.read(lead)["Due__c"] == "2026-11-04"
    rig.control("POST", "convert", {"lead": lead})
    assert rig.read(lead)["ConvertedDate"] == "2026-11-03"
    assert rig.read(lead)["SystemModstamp"] == "2026-11-02T11:30:00.000+0000"
    answer = rig.session.post(f"{rig.url}/sandbox/switches", json={"time_zone": "Mars/Olympus"})
    assert answer.status_code == 400


# Person accounts


def test_a_person_account_is_an_account_and_a_contact_that_only_the_account_can_change(rig: Rig) -> None:
    rig.control("POST", "fields", {"object": "Contact", "name": "Languages__c", "type": "text"})
    rig.control("POST", "switches", {"person_accounts": True})
    fields = {"FirstName": "Jane", "LastName": "Roe", "Email": "jane@example.com", "Languages__c": "en"}
    made = rig.control("POST", "person-accounts", {"fields": fields})
    account = rig.read(made["account"], "Account")
    assert (account["Name"], account["IsPersonAccount"], account["PersonContactId"]) == (
        "Jane Roe",
        True,
        made["contact"],
    )
    assert (account["LastName"], account["PersonEmail"], account["Languages__pc"]) == ("Roe", "jane@example.com", "en")
    [row] = rig.records("SELECT IsPersonAccount, Account.Name, Account.IsPersonAccount FROM Contact")
    assert (row["IsPersonAccount"], row["Account"]["IsPersonAccount"]) == (True, True)
    refused = rig.refused("PATCH", f"sobjects/Contact/{made['contact']}", json={"Title": "CEO"})
    words = "Account: bad field names on insert/update call: Title"
    assert refused == (400, "INVALID_FIELD_FOR_INSERT_UPDATE", words)
    contact = rig.create("Contact")
    assert rig.call("PATCH", f"sobjects/Contact/{contact}", json={"Title": "CEO"}).status_code == 204
    rig.org.load()
    assert rig.read(made["account"], "Account")["Languages__pc"] == "en"


def test_with_person_accounts_a_lead_without_a_company_becomes_one(rig: Rig) -> None:
    rig.control("POST", "switches", {"person_accounts": True})
    assert _fields(rig, "Lead")["Company"]["nillable"] is True
    person, company = rig.create(LastName="Roe", Company=None), rig.create(LastName="Doe", Company="Acme")
    for lead, expected in ((person, True), (company, False)):
        made = rig.control("POST", "convert", {"lead": lead})
        assert rig.read(made["accountId"], "Account")["IsPersonAccount"] is expected
        assert rig.read(made["contactId"], "Contact")["IsPersonAccount"] is expected


def test_without_person_accounts_nothing_shows_of_them(rig: Rig) -> None:
    before = {name: set(_fields(rig, name)) for name in ("Lead", "Contact", "Account")}
    assert rig.session.post(f"{rig.url}/sandbox/person-accounts", json={"fields": {"LastName": "x"}}).status_code == 400
    rig.control("POST", "switches", {"person_accounts": True})
    rig.control("POST", "switches", {"person_accounts": False})
    assert {name: set(_fields(rig, name)) for name in ("Lead", "Contact", "Account")} == before
    assert rig.refused("POST", "sobjects/Lead", json={"LastName": "x"})[1] == "REQUIRED_FIELD_MISSING"


# Profiles


def test_small_is_as_delivered(rig: Rig) -> None:
    before = _fields(rig, "Lead")
    assert rig.control("POST", "profile", {"name": "small"}) == {"name": "small"}
    assert _fields(rig, "Lead") == before


def test_an_enterprise_has_more_of_everything(rig: Rig) -> None:
    rig.control("POST", "reset", {"leads": 20, "contacts": 10, "seed": 3})
    rig.control("POST", "profile", {"name": "enterprise"})
    lead, contact = _fields(rig, "Lead"), _fields(rig, "Contact")
    delivered = 11
    assert sum(field["custom"] for field in (*lead.values(), *contact.values())) == 400 + 2 * delivered
    assert {"StateCode", "RecordTypeId"} <= lead.keys()
    assert rig.records("SELECT TimeZoneSidKey FROM Organization")[0]["TimeZoneSidKey"] == "America/New_York"
    body = {"LastName": "L", "Company": "C", "State": "Bayern"}
    assert rig.refused("POST", "sobjects/Lead", json=body)[1] == "FIELD_INTEGRITY_EXCEPTION"
    record = rig.read(rig.create(Lead_Score__c=90, Phone="555 12-34"))
    assert (record["Rating"], record["Phone"]) == ("Hot", "5551234")
    rows = rig.records("SELECT AccountId, Account.Name FROM Contact WHERE AccountId != null")
    assert rows
    assert all(row["Account"] is None for row in rows)
    assert rig.read(record["Id"])["Account_Plan_009__c"] == "Lovelace ()"


def test_a_nonprofit_has_person_accounts_and_the_fields_of_its_package(rig: Rig) -> None:
    rig.control("POST", "profile", {"name": "nonprofit"})
    contact, account = _fields(rig, "Contact"), _fields(rig, "Account")
    assert {"npsp__Deceased__c", "npo02__TotalOppAmount__c", "IsPersonAccount"} <= contact.keys()
    assert {"npsp__Matching_Gift_Comments__c", "npsp__Deceased__pc"} <= account.keys()
    assert contact["npo02__OppAmountLastYearHH__c"]["calculated"] is True
    assert contact["npsp__Do_Not_Contact__c"]["label"] == "Do Not Contact"
    assert rig.query("SELECT COUNT() FROM Contact WHERE IsPersonAccount = true")["totalSize"] == 5
    rig.create("Contact", npsp__Deceased__c=True)


def test_a_profile_that_there_is_not(rig: Rig) -> None:
    assert rig.session.post(f"{rig.url}/sandbox/profile", json={"name": "huge"}).status_code == 400
