"""Deleting, restoring, purging, converting, merging, and what getUpdated and getDeleted tell of it.

Sources: SOAP API Developer Guide, "convertLead()", "merge()", "undelete()", "emptyRecycleBin()"; REST API Developer
Guide, "Get Updated", "Get Deleted", "QueryAll".
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Rig

WINDOW = "?start=2026-11-01T00%3A00%3A00%2B00%3A00&end=2026-11-03T00%3A00%3A00%2B00%3A00"


def _refused_control(rig: Rig, name: str, body: dict[str, Any]) -> str:
    answer = rig.session.post(f"{rig.url}/sandbox/{name}", json=body)
    assert answer.status_code >= 400, answer.text
    return str(answer.json()[0]["errorCode"])


def test_deleted_records_are_seen_by_queryall_only(rig: Rig) -> None:
    lead = rig.create()
    rig.time.sleep(60)
    rig.call("DELETE", f"sobjects/Lead/{lead}")
    assert rig.records("SELECT Id FROM Lead") == []
    assert rig.records("SELECT Id FROM Lead WHERE IsDeleted = true") == []
    found = rig.records("SELECT Id, IsDeleted, SystemModstamp FROM Lead WHERE IsDeleted = true", "queryAll")
    assert found == [{"Id": lead, "IsDeleted": True, "SystemModstamp": "2026-11-02T09:31:00.000+0000"}]
    assert rig.control("GET", "state")["objects"]["Lead"] == {"count": 0, "deleted": 1}


def test_undelete_brings_the_same_id_back_with_a_new_stamp(rig: Rig) -> None:
    lead = rig.create(Title="T")
    rig.call("DELETE", f"sobjects/Lead/{lead}")
    rig.time.sleep(60)
    rig.control("POST", "undelete", {"id": lead})
    record = rig.read(lead)
    assert (record["Title"], record["SystemModstamp"]) == ("T", "2026-11-02T09:31:00.000+0000")
    assert _refused_control(rig, "undelete", {"id": lead}) == "UNDELETE_FAILED"
    assert rig.get(f"sobjects/Lead/deleted{WINDOW}")["deletedRecords"] == []


def test_a_purged_record_is_gone_from_everywhere(rig: Rig) -> None:
    lead = rig.create()
    assert _refused_control(rig, "purge", {"id": lead}) == "DELETE_FAILED"
    rig.call("DELETE", f"sobjects/Lead/{lead}")
    rig.control("POST", "purge", {"id": lead})
    assert rig.records("SELECT Id FROM Lead", "queryAll") == []
    assert rig.get(f"sobjects/Lead/deleted{WINDOW}")["deletedRecords"] == []
    assert rig.refused("PATCH", f"sobjects/Lead/{lead}", json={})[1] == "INVALID_CROSS_REFERENCE_KEY"


def test_an_account_takes_its_contacts_along_and_back(rig: Rig) -> None:
    account = rig.call("POST", "sobjects/Account", json={"Name": "A"}).json()["id"]
    contact = rig.create("Contact", AccountId=account)
    rig.call("DELETE", f"sobjects/Account/{account}")
    assert rig.refused("GET", f"sobjects/Contact/{contact}")[1] == "ENTITY_IS_DELETED"
    rig.control("POST", "undelete", {"id": account})
    assert rig.read(contact, "Contact")["AccountId"] == account


def test_conversion_makes_a_contact_and_an_account(rig: Rig) -> None:
    lead = rig.create(FirstName="Ada", Email="ada@x.example", City="London", Person_Id__c="p", HasOptedOutOfEmail=True)
    rig.time.sleep(60)
    made = rig.control("POST", "convert", {"lead": lead})
    record = rig.read(lead)
    assert record["IsConverted"] is True
    assert (record["Status"], record["ConvertedDate"]) == ("Closed - Converted", "2026-11-02")
    assert (record["ConvertedContactId"], record["ConvertedAccountId"]) == (made["contactId"], made["accountId"])
    assert record["SystemModstamp"] == "2026-11-02T09:31:00.000+0000"
    contact = rig.read(made["contactId"], "Contact")
    assert (contact["Name"], contact["Email"], contact["MailingCity"]) == ("Ada Lovelace", "ada@x.example", "London")
    assert contact["HasOptedOutOfEmail"] is True
    assert contact["Person_Id__c"] is None, "custom fields are copied only where an administrator mapped them"
    assert rig.read(made["accountId"], "Account")["Name"] == "Analytical Engines"


def test_conversion_fills_only_empty_fields_of_a_given_contact(rig: Rig) -> None:
    contact = rig.create("Contact", LastName="Kept", Phone=None)
    lead = rig.create(LastName="Other", Phone="1")
    rig.control("POST", "convert", {"lead": lead, "contact": contact})
    record = rig.read(contact, "Contact")
    assert (record["LastName"], record["Phone"]) == ("Kept", "1")


def test_a_converted_lead_is_read_only(rig: Rig) -> None:
    lead = rig.create()
    rig.control("POST", "convert", {"lead": lead})
    answer = rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Title": "x"})
    assert answer.status_code == 400
    assert answer.json() == [
        {"message": "cannot reference converted lead", "errorCode": "CANNOT_UPDATE_CONVERTED_LEAD", "fields": []}
    ]
    assert rig.records("SELECT Id FROM Lead WHERE IsConverted = true") == [{"Id": lead}]
    assert _refused_control(rig, "convert", {"lead": lead}) == "CANNOT_UPDATE_CONVERTED_LEAD"
    rig.control("POST", "switches", {"username": "sync@example.com", "edit_converted": True})
    assert rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Title": "x"}).status_code == 204


def test_merged_records_name_the_winner(rig: Rig) -> None:
    winner, loser = rig.create(), rig.create(Person_Id__c="p")
    rig.time.sleep(60)
    rig.control("POST", "merge", {"object": "Lead", "winner": winner, "losers": [loser]})
    found = rig.records("SELECT Id, MasterRecordId FROM Lead WHERE IsDeleted = true", "queryAll")
    assert found == [{"Id": loser, "MasterRecordId": winner}]
    assert rig.read(winner)["SystemModstamp"] == "2026-11-02T09:31:00.000+0000"
    assert rig.refused("PATCH", f"sobjects/Lead/{loser}", json={})[1] == "ENTITY_IS_DELETED"
    assert rig.create(Person_Id__c="p"), "the loser's external id is free again"
    assert _refused_control(rig, "undelete", {"id": loser}) == "UNDELETE_FAILED"


def test_a_merge_moves_children(rig: Rig) -> None:
    campaign = rig.call("POST", "sobjects/Campaign", json={"Name": "C"}).json()["id"]
    winner, loser = rig.create("Contact"), rig.create("Contact")
    rig.call("POST", "sobjects/CampaignMember", json={"CampaignId": campaign, "ContactId": loser})
    rig.control("POST", "merge", {"object": "Contact", "winner": winner, "losers": [loser]})
    assert rig.records("SELECT ContactId FROM CampaignMember") == [{"ContactId": winner}]


def test_merges_that_are_refused(rig: Rig) -> None:
    leads = [rig.create() for _ in range(4)]
    body = {"object": "Lead", "winner": leads[0]}
    for losers in ([], leads[1:], [leads[0]], [leads[1], leads[1]]):
        assert _refused_control(rig, "merge", {**body, "losers": losers}) == "INVALID_NUMBER_OF_DUPLICATES"
    assert _refused_control(rig, "merge", {**body, "losers": ["00Q000000000001"]}) == "INVALID_CROSS_REFERENCE_KEY"


def test_get_updated_and_get_deleted(rig: Rig) -> None:
    kept, gone = rig.create(), rig.create()
    rig.call("DELETE", f"sobjects/Lead/{gone}")
    rig.time.sleep(120)
    updated = rig.get(f"sobjects/Lead/updated/{WINDOW}")
    assert updated == {"ids": [kept], "latestDateCovered": "2026-11-02T09:32:00.000+0000"}
    deleted = rig.get(f"sobjects/Lead/deleted/{WINDOW}")
    assert deleted["deletedRecords"] == [{"deletedDate": "2026-11-02T09:30:00.000+0000", "id": gone}]
    assert set(deleted) == {"deletedRecords", "earliestDateAvailable", "latestDateCovered"}


@pytest.mark.parametrize(
    ("window", "code"),
    [
        ("?start=2026-11-02T09:00:30Z&end=2026-11-02T09:00:59Z", "INVALID_REPLICATION_DATE"),
        ("?start=2026-09-01T00:00:00Z&end=2026-11-02T00:00:00Z", "INVALID_REPLICATION_DATE"),
        ("?start=2027-09-01T00:00:00Z&end=2027-11-02T00:00:00Z", "INVALID_REPLICATION_DATE"),
        ("?start=2026-11-01T00:00:00%3A&end=2026-11-02T00:00:00Z", "INVALID_FIELD"),
        ("?start=2026-11-01T00:00:00Z", "MISSING_ARGUMENT"),
    ],
)
def test_periods_that_are_refused(rig: Rig, window: str, code: str) -> None:
    assert rig.refused("GET", f"sobjects/Lead/updated{window}")[:2] == (400, code)


def test_deletions_are_known_for_fifteen_days(rig: Rig) -> None:
    window = "?start=2026-10-16T00:00:00Z&end=2026-11-02T00:00:00Z"
    assert rig.refused("GET", f"sobjects/Lead/deleted{window}")[1] == "INVALID_REPLICATION_DATE"
    rig.get(f"sobjects/Lead/updated{window}")


def test_latest_date_covered_stays_before_a_running_save(rig: Rig) -> None:
    rig.control("POST", "faults", {"route": "/sobjects/Lead", "kind": "late_commit", "seconds": 600})
    rig.create()
    rig.time.sleep(300)
    assert rig.get(f"sobjects/Lead/updated{WINDOW}")["latestDateCovered"] == "2026-11-02T09:30:00.000+0000"


def test_a_refresh_gives_another_organisation_id_and_keeps_the_records(rig: Rig) -> None:
    lead = rig.create(Email="kim@example.com")
    before = rig.records("SELECT Id, IsSandbox FROM Organization")[0]
    refreshed = rig.control("POST", "refresh")
    assert refreshed == {"id": refreshed["id"], "is_sandbox": True}
    assert refreshed["id"] != before["Id"]
    assert rig.refused("GET", f"sobjects/Lead/{lead}")[1] == "INVALID_SESSION_ID"
    token = rig.session.post(
        f"{rig.url}/services/oauth2/token",
        data={"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"},
    ).json()
    assert f"/id/{refreshed['id']}/" in token["id"]
    assert token["access_token"].startswith(refreshed["id"][:15])
    rig.session.headers["Authorization"] = f"Bearer {token['access_token']}"
    assert rig.records("SELECT Id, IsSandbox FROM Organization") == [{"Id": refreshed["id"], "IsSandbox": True}]
    assert rig.read(lead)["Email"] == "kim@example.com"
    rig.control("POST", "refresh", {"is_sandbox": False})
    del rig.session.headers["Authorization"]
    assert rig.records("SELECT IsSandbox FROM Organization") == [{"IsSandbox": False}]
    assert _refused_control(rig, "refresh", {"is_sandbox": "no"}) == "INVALID_INPUT"
    rig.control("POST", "reset")
    del rig.session.headers["Authorization"]
    assert rig.records("SELECT Id, IsSandbox FROM Organization") == [before]
