"""Validation rules, duplicate rules, flows, state and country picklists, sharing, masks.

Sources: Salesforce Help, "Validation Rules", "Duplicate Rules", "State and Country/Territory Picklists"; REST API
Developer Guide, "Duplicate Rule Header".
"""

from __future__ import annotations

import base64

import pytest

from tests.sandbox.conftest import Rig

OFF = {"Sforce-Auto-Assign": "FALSE"}
RULE = {
    "object": "Lead",
    "name": "Hot_needs_phone",
    "when": "Rating = 'Hot' AND Phone = null",
    "field": "Phone",
    "message": "A hot lead needs a phone number.",
}


def test_a_validation_rule_refuses_the_save_with_the_admin_s_words(rig: Rig) -> None:
    rig.control("POST", "rules", RULE)
    lead = rig.create(Rating="Warm")
    answer = rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Rating": "Hot"}, headers=OFF)
    assert answer.status_code == 400
    assert answer.json() == [
        {"message": RULE["message"], "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": ["Phone"]}
    ]
    assert rig.read(lead)["Rating"] == "Warm"
    assert (
        rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Rating": "Hot", "Phone": "1"}, headers=OFF).status_code == 204
    )
    assert rig.refused("POST", "sobjects/Lead", json={"LastName": "L", "Company": "C", "Rating": "Hot"})[0] == 400


def test_rules_can_be_listed_and_removed(rig: Rig) -> None:
    rig.control("POST", "rules", RULE)
    assert rig.control("GET", "rules") == {"rules": [RULE]}
    assert rig.control("DELETE", "rules", {"object": "Lead", "name": RULE["name"]}) == {"rules": []}
    rig.create(Rating="Hot")


@pytest.mark.parametrize("when", ["Nope = 1", "Rating =", "Description = 'x'", "Id IN (SELECT Id FROM Lead)"])
def test_a_rule_that_cannot_be_compiled_is_refused(rig: Rig, when: str) -> None:
    assert rig.session.post(f"{rig.url}/sandbox/rules", json={**RULE, "when": when}).status_code == 400
    rig.create()


def test_a_rule_sees_fields_that_the_user_does_not(rig: Rig) -> None:
    rig.control("POST", "rules", RULE)
    rig.control(
        "POST", "access", {"username": "sync@example.com", "object": "Lead", "field": "Phone", "access": "hidden"}
    )
    assert rig.refused("POST", "sobjects/Lead", json={"LastName": "L", "Company": "C", "Rating": "Hot"})[0] == 400


def test_a_duplicate_rule_refuses_and_names_the_others(rig: Rig) -> None:
    rig.control("POST", "duplicate-rules", {"object": "Lead", "name": "Same_email", "matches": ["Lead", "Contact"]})
    lead, contact = rig.create(Email="ada@x.example"), rig.create("Contact", Email="ADA@x.example")
    answer = rig.call("POST", "sobjects/Lead", json={"LastName": "L", "Company": "C", "Email": "Ada@x.example"})
    assert answer.status_code == 400
    error = answer.json()[0]
    assert (error["errorCode"], error["message"]) == ("DUPLICATES_DETECTED", "Use one of these records?")
    result = error["duplicateResult"]
    assert (result["allowSave"], result["duplicateRule"]) == (False, "Same_email")
    found = {match["entityType"]: match["matchRecords"][0]["record"]["Id"] for match in result["matchResults"]}
    assert found == {"Lead": lead, "Contact": contact}


def test_a_rule_that_only_warns_refuses_until_told_to_save(rig: Rig) -> None:
    rig.control("POST", "duplicate-rules", {"object": "Lead", "action": "allow"})
    rig.create(Email="ada@x.example")
    body = {"LastName": "L", "Company": "C", "Email": "ada@x.example"}
    refused = rig.call("POST", "sobjects/Lead", json=body)
    assert refused.json()[0]["duplicateResult"]["allowSave"] is True
    header = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    assert rig.call("POST", "sobjects/Lead", json=body, headers=header).status_code == 201
    rig.control("POST", "duplicate-rules", {"object": "Lead", "action": "block"})
    assert rig.call("POST", "sobjects/Lead", json=body, headers=header).status_code == 400


def test_a_failing_flow_refuses_every_save(rig: Rig) -> None:
    rig.control("POST", "flows", {"object": "Lead", "failing": True, "name": "Score the lead"})
    status, code, message = rig.refused("POST", "sobjects/Lead", json={"LastName": "L", "Company": "C"})
    assert (status, code) == (400, "CANNOT_EXECUTE_FLOW_TRIGGER")
    assert "“Score the lead” process failed" in message
    assert rig.query("SELECT COUNT() FROM Lead")["totalSize"] == 0
    rig.control("POST", "flows", {"object": "Lead", "failing": False})
    rig.create()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"Country": "Atlantis"}, "Country"),
        ({"State": "Texas"}, "State"),
        ({"Country": "Germany", "State": "Texas"}, "State"),
    ],
)
def test_state_and_country_picklists(rig: Rig, given: dict[str, str], field: str) -> None:
    rig.create(**given)
    rig.control("POST", "switches", {"state_country_picklists": True})
    answer = rig.call("POST", "sobjects/Lead", json={"LastName": "L", "Company": "C", **given})
    assert answer.json()[0]["errorCode"] == "FIELD_INTEGRITY_EXCEPTION"
    assert answer.json()[0]["fields"] == [field]
    rig.create(Country="United States", State="Texas")


def test_state_and_country_picklists_show_in_the_describe_and_text_and_code_follow_each_other(rig: Rig) -> None:
    old = rig.create(Country="Canada", State="Ontario")
    assert "CountryCode" not in {field["name"] for field in rig.call("GET", "sobjects/Lead/describe").json()["fields"]}
    rig.control("POST", "switches", {"state_country_picklists": True})
    fields = {field["name"]: field for field in rig.call("GET", "sobjects/Lead/describe").json()["fields"]}
    assert (fields["CountryCode"]["type"], fields["StateCode"]["controllerName"]) == ("picklist", "CountryCode")
    countries = [entry["value"] for entry in fields["CountryCode"]["picklistValues"]]
    ontario = next(entry for entry in fields["StateCode"]["picklistValues"] if entry["value"] == "ON")
    bits = "".join(f"{byte:08b}" for byte in base64.b64decode(ontario["validFor"]))
    assert [countries[i] for i, bit in enumerate(bits) if bit == "1"] == ["CA"]
    contact = {field["name"] for field in rig.call("GET", "sobjects/Contact/describe").json()["fields"]}
    assert {"MailingStateCode", "MailingCountryCode", "OtherStateCode", "OtherCountryCode"} <= contact

    def codes(record: str) -> tuple[str, ...]:
        row = rig.read(record)
        return row["Country"], row["CountryCode"], row["State"], row["StateCode"]

    assert codes(old) == ("Canada", "CA", "Ontario", "ON")
    rig.call("PATCH", f"sobjects/Lead/{old}", json={"CountryCode": "US", "StateCode": "TX"})
    assert codes(old) == ("United States", "US", "Texas", "TX")
    rig.call("PATCH", f"sobjects/Lead/{old}", json={"Country": "Canada", "State": "Quebec"})
    assert codes(old) == ("Canada", "CA", "Quebec", "QC")
    refused = rig.refused("PATCH", f"sobjects/Lead/{old}", json={"CountryCode": "Canada"})
    assert refused[:2] == (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    rig.org.restore(rig.org.snapshot())
    assert codes(old) == ("Canada", "CA", "Quebec", "QC")
    rig.control("POST", "switches", {"state_country_picklists": False})
    assert "CountryCode" not in rig.read(old)
    rig.create(Country="Atlantis")


def test_a_record_hidden_by_sharing_is_not_there_for_that_user(rig: Rig) -> None:
    account = rig.call("POST", "sobjects/Account", json={"Name": "A"}).json()["id"]
    contact = rig.create("Contact", AccountId=account)
    stamp = rig.read(contact, "Contact")["SystemModstamp"]
    rig.control("POST", "sharing", {"id": contact, "visible": False})
    assert rig.query("SELECT Id FROM Contact")["totalSize"] == 0
    assert rig.query("SELECT Id FROM Contact", "queryAll")["totalSize"] == 0
    assert rig.query("SELECT COUNT() FROM Contact")["totalSize"] == 0
    assert rig.refused("GET", f"sobjects/Contact/{contact}")[:2] == (404, "NOT_FOUND")
    refused = rig.refused("PATCH", f"sobjects/Contact/{contact}", json={})
    assert refused[:2] == (404, "INVALID_CROSS_REFERENCE_KEY")
    rig.control("POST", "sharing", {"id": account, "visible": False})
    rig.control("POST", "sharing", {"id": contact, "visible": True})
    record = rig.query("SELECT SystemModstamp, Account.Name FROM Contact")["records"][0]
    assert (record["SystemModstamp"], record["Account"]) == (stamp, None)


def test_encrypted_text_is_masked_unless_the_user_may_see_it(rig: Rig) -> None:
    rig.control("POST", "fields", {"object": "Lead", "name": "Card__c", "type": "encryptedText", "maskType": "all"})
    lead = rig.create(Card__c="secret")
    assert rig.read(lead)["Card__c"] == "******"
    assert (
        rig.refused("GET", "query", params={"q": "SELECT Id FROM Lead WHERE Card__c = 'secret'"})[1] == "INVALID_FIELD"
    )
    rig.control("POST", "switches", {"username": "sync@example.com", "view_encrypted": True})
    assert rig.read(lead)["Card__c"] == "secret"
