from __future__ import annotations

import json
from typing import Any

import pytest

from syncer.salesforce.describe import ObjectDescribe, PicklistValue, describe_request, parse_object


def raw_field(name: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    flags = {"nillable": True, "createable": True, "updateable": True, "defaultedOnCreate": False, "filterable": True}
    return {"name": name, "label": name, "type": kind, "length": 0, "custom": name.endswith("__c")} | flags | more


LEAD: dict[str, Any] = {
    "name": "Lead",
    "label": "Lead",
    "keyPrefix": "00Q",
    "createable": True,
    "updateable": True,
    "queryable": True,
    "deletable": False,
    "fields": [
        raw_field("LastName", length=80, nillable=False, compoundFieldName="Name"),
        raw_field("Status", "picklist", nillable=False, defaultedOnCreate=True),
        raw_field("Territory__c", calculated=True, createable=False, updateable=False, htmlFormatted=True),
        raw_field("OwnerId", "reference", referenceTo=["Group", "User"]),
        raw_field("Secret__c", "encryptedstring"),
        raw_field(
            "Region__c",
            "picklist",
            restrictedPicklist=True,
            picklistValues=[
                {"value": "EU", "label": "Europe", "defaultValue": True, "active": True, "validFor": None},
                {"value": "XX", "label": None, "defaultValue": False, "active": False},
            ],
        ),
    ],
}


def test_a_describe_is_understood_and_survives_being_stored() -> None:
    lead = parse_object(LEAD, "Tue, 01 Sep 2026 10:00:00 GMT")
    assert (lead.name, lead.key_prefix, lead.deletable) == ("Lead", "00Q", False)
    assert lead.fields["Region__c"].picklist == (
        PicklistValue("EU", "Europe", True, True),
        PicklistValue("XX", "XX", False, False),
    )
    assert lead.fields["OwnerId"].reference_to == ("Group", "User")
    assert lead.fields["LastName"].compound == "Name"
    assert lead.fields["Secret__c"].encrypted
    assert ObjectDescribe.from_dict(json.loads(json.dumps(lead.to_dict()))) == lead


def test_required_and_read_only_follow_from_the_flags() -> None:
    fields = parse_object(LEAD).fields
    needed = [name for name, f in fields.items() if f.createable and not (f.nillable or f.defaulted_on_create)]
    assert needed == ["LastName"]
    assert [name for name, field in fields.items() if field.read_only] == ["Territory__c"]


def test_what_an_older_or_newer_version_stored_is_read() -> None:
    stored = parse_object(LEAD).to_dict() | {"something_new": 1}
    del stored["fields"][0]["html"]
    stored["fields"][0]["something_new"] = 2
    assert ObjectDescribe.from_dict(stored) == parse_object(LEAD)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"fields": []},
        {"name": "Lead", "fields": None},
        {"name": 5, "fields": [raw_field("Title")]},
        {"name": "Lead", "fields": [1]},
        {"name": "Lead", "fields": [{}]},
    ],
)
def test_anything_else_is_refused(body: object) -> None:
    with pytest.raises(ValueError, match="not the describe of an object"):
        parse_object(body)


def test_the_describe_of_another_object_is_refused() -> None:
    with pytest.raises(ValueError, match="called Contact"):
        parse_object(LEAD, asked="Contact")
    assert parse_object({**LEAD, "name": "lead"}, asked="Lead").name == "Lead"


@pytest.mark.parametrize(
    "odd",
    [
        raw_field("__proto__"),
        raw_field("constructor.prototype"),
        raw_field("Owner.Name"),
        raw_field(""),
        raw_field("X" * 81),
        raw_field("Naïve__c"),
        raw_field("A, B"),
        raw_field("Odd__c", length="many"),
        raw_field("Odd__c", scale=-1),
        raw_field("Odd__c", scale=True),
        raw_field("Odd__c", updateable="no"),
        raw_field("Odd__c", kind=["string"]),  # type: ignore[arg-type]
        raw_field("Odd__c", picklistValues=5),
        {"label": "no name", "type": "string"},
        {"name": "Odd__c"},
        None,
        "Odd__c",
    ],
)
def test_a_field_that_can_not_be_understood_costs_no_other(odd: Any) -> None:
    lead = parse_object({**LEAD, "fields": [odd, *LEAD["fields"]]})
    assert lead.fields == parse_object(LEAD).fields
    assert len(lead.unreadable) == 1


def test_a_picklist_value_that_can_not_be_understood_costs_no_other() -> None:
    entries = [None, "EU", {"value": 5}, {"value": "EU", "label": ["Europe"]}, {"value": "US", "active": True}]
    lead = parse_object({"name": "Lead", "fields": [raw_field("Region__c", "picklist", picklistValues=entries)]})
    assert [entry.value for entry in lead.fields["Region__c"].picklist] == ["US"]


def test_texts_are_as_long_as_can_be_kept() -> None:
    lead = parse_object({"name": "Lead", "fields": [raw_field("A__c", label="x" * 999)]}, "x" * 999)
    assert (len(lead.fields["A__c"].label), lead.last_modified) == (255, None)


def test_a_describe_can_be_asked_for_conditionally() -> None:
    assert describe_request("d", "Lead").headers == {}
    request = describe_request("d", "Lead", "Tue, 01 Sep 2026 10:00:00 GMT")
    assert (request.path, request.headers) == (
        "/sobjects/Lead/describe",
        {"If-Modified-Since": "Tue, 01 Sep 2026 10:00:00 GMT"},
    )
