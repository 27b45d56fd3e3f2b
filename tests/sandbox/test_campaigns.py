"""Campaigns, their member statuses and members; users, queues and who can own what.

Sources: Object Reference, "CampaignMember", "CampaignMemberStatus", "QueueSobject", "User"; Salesforce Help, "What
happens when I convert leads?"; SOQL Reference, "Comparison Operators" (semi-joins), "Name".
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Rig


def _campaign(rig: Rig, **fields: Any) -> str:
    return str(rig.call("POST", "sobjects/Campaign", json={"Name": "C", **fields}).json()["id"])


def _join(rig: Rig, campaign: str, **fields: Any) -> str:
    answer = rig.call("POST", "sobjects/CampaignMember", json={"CampaignId": campaign, **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _members(rig: Rig, fields: str = "LeadId, ContactId, Status") -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rig.records(f"SELECT {fields} FROM CampaignMember ORDER BY Id")]  # noqa: S608


WEBINAR: list[dict[str, Any]] = [
    {"label": "Invited", "default": True},
    {"label": "Registered", "responded": True},
    {"label": "No Show"},
]


@pytest.fixture
def webinar(rig: Rig) -> str:
    return str(rig.control("POST", "campaigns", {"name": "Webinar", "statuses": WEBINAR})["id"])


def test_a_new_campaign_has_two_statuses(rig: Rig) -> None:
    campaign = _campaign(rig)
    found = rig.records("SELECT CampaignId, Label, IsDefault, HasResponded, SortOrder FROM CampaignMemberStatus")
    assert [tuple(row.values()) for row in found] == [
        (campaign, "Sent", True, False, 1),
        (campaign, "Responded", False, True, 2),
    ]


def test_statuses_are_read_only_for_the_api(rig: Rig) -> None:
    campaign = _campaign(rig)
    body = {"CampaignId": campaign, "Label": "x"}
    assert rig.refused("POST", "sobjects/CampaignMemberStatus", json=body)[1] == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    status = rig.records("SELECT Id FROM CampaignMemberStatus")[0]["Id"]
    assert status.startswith("01Y")
    assert rig.call("DELETE", f"sobjects/CampaignMemberStatus/{status}").status_code == 403


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, ("Invited", False, None)),
        ({"Status": None}, ("Invited", False, None)),
        ({"Status": "Registered"}, ("Registered", True, "2026-11-02")),
        ({"Status": "registered"}, ("Registered", True, "2026-11-02")),
        # "If the specified status value is not a valid campaign member status the API assigns the default"
        ({"Status": "Sent"}, ("Invited", False, None)),
    ],
)
def test_the_status_of_a_new_member(rig: Rig, webinar: str, given: dict[str, Any], kept: tuple[Any, ...]) -> None:
    _join(rig, webinar, LeadId=rig.create(), **given)
    assert _members(rig, "Status, HasResponded, FirstRespondedDate") == [kept]


def test_a_member_moves_on(rig: Rig, webinar: str) -> None:
    rig.control("POST", "sessions", {"lifetime_seconds": 10**6})
    member = _join(rig, webinar, LeadId=rig.create())
    rig.call("PATCH", f"sobjects/CampaignMember/{member}", json={"Status": "Registered"})
    rig.time.sleep(86400)
    rig.call("PATCH", f"sobjects/CampaignMember/{member}", json={"Status": "No Show"})
    assert _members(rig, "Status, HasResponded, FirstRespondedDate") == [("No Show", False, "2026-11-02")]
    assert rig.refused("PATCH", f"sobjects/CampaignMember/{member}", json={"CampaignId": webinar})[1] == (
        "INVALID_FIELD_FOR_INSERT_UPDATE"
    )


def test_once_a_member(rig: Rig) -> None:
    campaign, other = _campaign(rig), _campaign(rig, Name="D")
    lead, contact = rig.create(), rig.create("Contact")
    for person in ({"LeadId": lead}, {"ContactId": contact}):
        _join(rig, campaign, **person)
        body = {"CampaignId": campaign, "Status": "Responded", **person}
        assert rig.refused("POST", "sobjects/CampaignMember", json=body) == (
            400,
            "DUPLICATE_VALUE",
            "Already a campaign member.",
        )
        _join(rig, other, **person)
    assert len(_members(rig)) == 4


def test_a_member_that_left_can_come_back(rig: Rig) -> None:
    campaign, lead = _campaign(rig), rig.create()
    rig.call("DELETE", f"sobjects/CampaignMember/{_join(rig, campaign, LeadId=lead)}")
    assert _members(rig) == []
    _join(rig, campaign, LeadId=lead)
    assert len(_members(rig)) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"CampaignId": "{campaign}"}, "FIELD_INTEGRITY_EXCEPTION"),
        ({"LeadId": "{lead}"}, "REQUIRED_FIELD_MISSING"),
        ({"CampaignId": "{lead}", "LeadId": "{lead}"}, "MALFORMED_ID"),
        ({"CampaignId": "701000000000999AAA", "LeadId": "{lead}"}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"CampaignId": "{campaign}", "LeadId": "00Q000000000999EAA"}, "INVALID_CROSS_REFERENCE_KEY"),
    ],
)
def test_members_that_are_refused(rig: Rig, body: dict[str, str], code: str) -> None:
    known = {"campaign": _campaign(rig), "lead": rig.create()}
    filled = {name: value.format(**known) for name, value in body.items()}
    assert rig.refused("POST", "sobjects/CampaignMember", json=filled)[:2] == (400, code)


def test_given_a_lead_and_a_contact_only_the_contact_is_taken(rig: Rig) -> None:
    campaign, lead, contact = _campaign(rig), rig.create(), rig.create("Contact")
    _join(rig, campaign, LeadId=lead, ContactId=contact)
    assert _members(rig) == [(None, contact, "Sent")]


def test_memberships_follow_a_conversion(rig: Rig) -> None:
    campaign, lead = _campaign(rig), rig.create()
    member = _join(rig, campaign, LeadId=lead)
    contact = rig.control("POST", "convert", {"lead": lead})["contactId"]
    assert _members(rig) == [(lead, contact, "Sent")]
    rig.call("PATCH", f"sobjects/CampaignMember/{member}", json={"Status": "Responded"})
    assert _members(rig) == [(lead, contact, "Responded")]
    for person in ({"LeadId": lead}, {"ContactId": contact}):
        assert rig.call("POST", "sobjects/CampaignMember", json={"CampaignId": campaign, **person}).status_code == 400
    body = {"CampaignId": _campaign(rig, Name="D"), "LeadId": lead}
    assert rig.refused("POST", "sobjects/CampaignMember", json=body)[1] == "CANNOT_UPDATE_CONVERTED_LEAD"


@pytest.mark.parametrize(("of_lead", "of_contact"), [("Registered", "Invited"), ("Invited", "Registered")])
def test_the_membership_further_along_stays(rig: Rig, webinar: str, of_lead: str, of_contact: str) -> None:
    lead, contact = rig.create(), rig.create("Contact")
    _join(rig, webinar, LeadId=lead, Status=of_lead)
    _join(rig, webinar, ContactId=contact, Status=of_contact)
    rig.control("POST", "convert", {"lead": lead, "contact": contact})
    assert _members(rig, "ContactId, Status") == [(contact, "Registered")]


def test_merged_contacts_are_members_once(rig: Rig, webinar: str) -> None:
    winner, loser = rig.create("Contact"), rig.create("Contact")
    _join(rig, webinar, ContactId=winner)
    _join(rig, webinar, ContactId=loser, Status="Registered")
    rig.control("POST", "merge", {"object": "Contact", "winner": winner, "losers": [loser]})
    assert _members(rig, "ContactId, Status") == [(winner, "Registered")]


def test_a_deleted_campaign_takes_members_and_statuses_along_and_back(rig: Rig) -> None:
    campaign = _campaign(rig)
    _join(rig, campaign, LeadId=rig.create())
    rig.call("DELETE", f"sobjects/Campaign/{campaign}")
    assert (_members(rig), rig.records("SELECT Id FROM CampaignMemberStatus")) == ([], [])
    rig.control("POST", "undelete", {"id": campaign})
    assert (len(_members(rig)), len(rig.records("SELECT Id FROM CampaignMemberStatus"))) == (1, 2)


def test_statuses_of_a_campaign_are_replaced(rig: Rig) -> None:
    campaign = _campaign(rig)
    rig.control("POST", "campaigns", {"id": campaign, "statuses": WEBINAR})
    found = rig.records("SELECT Label FROM CampaignMemberStatus ORDER BY SortOrder")
    assert [row["Label"] for row in found] == ["Invited", "Registered", "No Show"]
    refused: list[list[dict[str, Any]]] = [
        [{"label": "a"}],
        [{"label": "a", "default": True}],
        [*WEBINAR, {"label": "b", "default": True}],
    ]
    for wrong in refused:
        answer = rig.session.post(f"{rig.url}/sandbox/campaigns", json={"id": campaign, "statuses": wrong})
        assert answer.json()[0]["errorCode"] == "INVALID_INPUT"


SHOWN = "Name, Email, City, CompanyOrAccount, Type, LeadOrContactId, LeadOrContactOwnerId, DoNotCall"


def test_a_member_shows_its_lead_and_later_its_contact(rig: Rig) -> None:
    campaign, lead = _campaign(rig), rig.create(FirstName="Ada", Email="ada@x.example", City="London", DoNotCall=True)
    owner = rig.read(lead)["OwnerId"]
    member = _join(rig, campaign, LeadId=lead)
    of_lead = ("Ada Lovelace", "ada@x.example", "London", "Analytical Engines", "Lead", lead, owner, True)
    assert _members(rig, SHOWN) == [of_lead]
    rig.call("PATCH", f"sobjects/Lead/{lead}", json={"City": "Paris"}, headers={"Sforce-Auto-Assign": "FALSE"})
    assert rig.read(member, "CampaignMember")["City"] == "Paris"
    contact = rig.control("POST", "convert", {"lead": lead})["contactId"]
    rig.call("PATCH", f"sobjects/Contact/{contact}", json={"LastName": "King"})
    of_contact = ("Ada King", "ada@x.example", "Paris", "Analytical Engines", "Contact", contact, owner, True)
    assert _members(rig, SHOWN) == [of_contact]


def test_members_are_found_and_sorted_by_what_they_show(rig: Rig) -> None:
    campaign = _campaign(rig)
    for name in ("beta", "Alpha", "Ärger"):
        _join(rig, campaign, LeadId=rig.create(LastName=name))
    found = rig.records(
        "SELECT Name FROM CampaignMember WHERE Name IN ('BETA', 'alpha') AND Type = 'Lead' ORDER BY Name"
    )
    assert [row["Name"] for row in found] == ["Alpha", "beta"]
    assert [item["Name"] for item in rig.get("sobjects/CampaignMember")["recentItems"]] == ["Ärger", "Alpha", "beta"]
    assert [row["Name"] for row in rig.records("SELECT Name FROM CampaignMember WHERE Name LIKE 'ä%'")] == ["Ärger"]
    job = {"operation": "query", "query": "SELECT Name FROM CampaignMember WHERE Name = 'beta'"}
    made = rig.call("POST", "jobs/query", json=job).json()["id"]
    assert rig.call("GET", f"jobs/query/{made}/results").text == '"Name"\n"beta"\n'


def test_how_a_member_is_described(rig: Rig) -> None:
    fields = {field["name"]: field for field in rig.get("sobjects/CampaignMember/describe")["fields"]}
    assert {name for name, field in fields.items() if field["createable"]} == {
        "CampaignId", "LeadId", "ContactId", "Status",
    }  # fmt: skip
    assert [name for name, field in fields.items() if field["updateable"]] == ["Status"]
    assert fields["CompanyOrAccount"]["label"] == "Company (Account)"
    assert (fields["Email"]["type"], fields["Email"]["length"]) == ("email", 80)
    assert fields["Description"]["filterable"] is False
    assert {len(field) for field in fields.values()} == {57}
    body = {"CampaignId": _campaign(rig), "LeadId": rig.create(), "City": "Rome"}
    assert rig.refused("POST", "sobjects/CampaignMember", json=body)[1] == "INVALID_FIELD_FOR_INSERT_UPDATE"


# Users and queues


def test_queues_that_take_leads(rig: Rig) -> None:
    rig.control("POST", "queues", {"name": "Support", "objects": ["Case"]})
    both = rig.control("POST", "queues", {"name": "Both", "objects": ["Case", "Lead"]})["id"]
    found = rig.records(
        "SELECT Id, Name FROM Group WHERE Type = 'Queue' AND Id IN "
        "(SELECT QueueId FROM QueueSobject WHERE SobjectType = 'Lead') ORDER BY Name"
    )
    assert [row["Name"] for row in found] == ["Both", "New Leads"]
    assert found[0]["Id"] == both


def test_owners_that_are_users_and_queues(rig: Rig) -> None:
    queue = rig.control("POST", "queues", {"name": "Partners"})["id"]
    rig.create(LastName="A")
    rig.create(LastName="B", OwnerId=queue)
    found = rig.records("SELECT Owner.Email, Owner.Name, Owner.Type FROM Lead ORDER BY LastName")
    told = [tuple(row["Owner"][name] for name in ("Email", "Name", "Type")) for row in found]
    assert told == [("sync@example.com", "Sync User", "User"), (None, "Partners", "Queue")]


@pytest.mark.parametrize("name", ["Contact", "Account"])
def test_only_users_own_contacts_and_accounts(rig: Rig, name: str) -> None:
    queue = rig.control("POST", "queues", {"name": "Partners"})["id"]
    body = {"LastName": "x", "OwnerId": queue} if name == "Contact" else {"Name": "x", "OwnerId": queue}
    assert rig.refused("POST", f"sobjects/{name}", json=body) == (
        400,
        "MALFORMED_ID",
        f"Owner ID: id value of incorrect type: {queue}",
    )


def test_a_queue_for_other_objects_owns_no_lead(rig: Rig) -> None:
    queue = rig.control("POST", "queues", {"name": "Support", "objects": ["Case"]})["id"]
    lead = rig.create()
    assert rig.refused(
        "PATCH", f"sobjects/Lead/{lead}", json={"OwnerId": queue}, headers={"Sforce-Auto-Assign": "FALSE"}
    ) == (
        400,
        "INVALID_OPERATION",
        "Queue not associated with this SObject type",
    )


def test_a_renamed_user_moves_the_users_own_stamp_only(rig: Rig) -> None:
    lead = rig.create()
    before = rig.read(lead)
    rig.time.sleep(60)
    rig.control("POST", "users", {"username": "sync@example.com", "last_name": "Robot", "email": "robot@example.com"})
    found = rig.records("SELECT Name, Email, IsActive, UserType, SystemModstamp FROM User WHERE Username LIKE 'sync%'")
    assert [tuple(row.values()) for row in found] == [
        ("Sync Robot", "robot@example.com", True, "Standard", "2026-11-02T09:31:00.000+0000")
    ]
    assert rig.read(lead) == before
    assert rig.records("SELECT Owner.Name FROM Lead")[0]["Owner"]["Name"] == "Sync Robot"
    rig.time.sleep(60)
    rig.control("POST", "users", {"username": "sync@example.com", "last_name": "Robot", "password": "other"})
    assert rig.records("SELECT SystemModstamp FROM User WHERE Username LIKE 'sync%'")[0]["SystemModstamp"] == (
        "2026-11-02T09:31:00.000+0000"
    ), "a password is not a field that a query shows"


def test_a_renamed_account_moves_the_accounts_own_stamp_only(rig: Rig) -> None:
    account = rig.call("POST", "sobjects/Account", json={"Name": "Old"}).json()["id"]
    contact = rig.create("Contact", AccountId=account)
    before = rig.read(contact, "Contact")
    rig.time.sleep(60)
    rig.call("PATCH", f"sobjects/Account/{account}", json={"Name": "New"})
    found = rig.records("SELECT Id, Name, SystemModstamp FROM Account WHERE SystemModstamp > 2026-11-02T09:30:30Z")
    assert found == [{"Id": account, "Name": "New", "SystemModstamp": "2026-11-02T09:31:00.000+0000"}]
    assert rig.read(contact, "Contact") == before
    assert rig.records("SELECT Account.Name FROM Contact")[0]["Account"]["Name"] == "New"
