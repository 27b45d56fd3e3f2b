"""Describe (REST API Developer Guide, "Describe Global", "sObject Describe"), held against the recorded flags."""

from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conftest import Rig

FLAGS = {
    "nillable", "createable", "updateable", "defaultedOnCreate", "calculated", "custom", "permissionable", "filterable",
    "sortable", "groupable", "idLookup", "externalId", "unique", "restrictedPicklist",
}  # fmt: skip
#: describes of a real organisation, beside the checkout
RECORDED = Path(__file__).parents[2].parent / "shared" / "data"
NUMBERS = {"length", "byteLength", "precision", "scale", "digits"}
DELIVERED = {
    "Person_Id__c": "string", "Lead_Score__c": "double", "Newsletter__c": "boolean", "Interests__c": "multipicklist",
    "Renewal_Date__c": "date", "Last_Visit__c": "datetime", "Budget__c": "currency", "Discount__c": "percent",
    "Notes__c": "textarea", "Region__c": "picklist", "Territory__c": "string",
}  # fmt: skip


def _fields(rig: Rig, name: str) -> dict[str, dict[str, Any]]:
    return {field["name"]: field for field in rig.get(f"sobjects/{name}/describe")["fields"]}


def _rows(text: str) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in csv.DictReader(text.splitlines())}


def _delivered(name: str) -> dict[str, dict[str, str]]:
    """The rows that the sandbox makes its standard fields of."""
    return _rows(resources.files("sandbox").joinpath("data", f"{name.lower()}_fields.csv").read_text("utf-8"))


def _agree(described: dict[str, dict[str, Any]], recorded: dict[str, dict[str, str]]) -> None:
    for row in recorded.values():
        field = described[row["name"]]
        for key in ("label", "type", "soapType"):
            assert field[key] == row[key], (row["name"], key)
        for key in FLAGS:
            assert field[key] is (row[key] == "True"), (row["name"], key)
        for key in NUMBERS:
            assert field[key] == int(row[key]), (row["name"], key)
        assert field["referenceTo"] == [part for part in row["referenceTo"].split("|") if part]
        assert (field["relationshipName"] or "") == row["relationshipName"]
        assert (field["compoundFieldName"] or "") == row["compoundFieldName"]
        values = [("*" if value["defaultValue"] else "") + value["value"] for value in field["picklistValues"]]
        assert "|".join(values) == row["picklist_values"]


@pytest.mark.parametrize("name", ["Lead", "Contact", "Account"])
def test_it_agrees_with_its_data(rig: Rig, name: str) -> None:
    _agree(_fields(rig, name), _delivered(name))


@pytest.mark.parametrize("name", ["Lead", "Contact", "Account"])
def test_it_agrees_with_the_recorded_organisation(rig: Rig, name: str) -> None:
    file = RECORDED / f"{name.lower()}_fields.csv"
    if not file.is_file():
        pytest.skip("the recorded describes (shared/data, beside the checkout) are not here")
    recorded, described = _rows(file.read_text("utf-8")), _fields(rig, name)
    _agree(described, recorded)
    delivered = _delivered(name)
    assert {key: delivered[key] for key in recorded} == recorded
    added = {key for key, field in described.items() if not field["custom"]} - set(recorded)
    assert added == (set() if name == "Account" else {"HasOptedOutOfEmail", "DoNotCall"})


@pytest.mark.parametrize("name", ["Lead", "Contact"])
def test_the_delivered_custom_fields_are_there(rig: Rig, name: str) -> None:
    described = _fields(rig, name)
    assert {field: described[field]["type"] for field in DELIVERED} == DELIVERED
    assert (described["Person_Id__c"]["externalId"], described["Person_Id__c"]["unique"]) == (True, True)
    assert described["Region__c"]["restrictedPicklist"] is True
    assert described["Territory__c"]["calculated"] is True
    assert described["Territory__c"]["updateable"] is False
    assert {"HasOptedOutOfEmail", "DoNotCall"} <= set(described)
    assert all(field["permissionable"] for field in described.values() if field["custom"])


def test_a_field_has_the_57_keys_of_version_59(rig: Rig) -> None:
    assert {len(field) for field in rig.get("sobjects/Lead/describe")["fields"]} == {57}


def test_only_salesforce_s_own_fields_are_required(rig: Rig) -> None:
    for name, wanted in (("Lead", {"LastName", "Company"}), ("Contact", {"LastName"})):
        required = {
            field["name"]
            for field in _fields(rig, name).values()
            if field["createable"] and not field["nillable"] and not field["defaultedOnCreate"]
        }
        assert required == wanted


def test_the_global_describe_lists_objects_with_their_prefixes(rig: Rig) -> None:
    answer = rig.get("sobjects/")
    assert (answer["encoding"], answer["maxBatchSize"]) == ("UTF-8", 200)
    prefixes = {entry["name"]: entry["keyPrefix"] for entry in answer["sobjects"]}
    assert (prefixes["Lead"], prefixes["Contact"], prefixes["User"], prefixes["Group"]) == ("00Q", "003", "005", "00G")
    assert answer["sobjects"][0]["urls"]["describe"].startswith("/services/data/v59.0/sobjects/")


def test_nothing_is_sent_when_nothing_changed(rig: Rig) -> None:
    first = rig.call("GET", "sobjects/Lead/describe")
    headers = {"If-Modified-Since": first.headers["Last-Modified"]}
    again = rig.call("GET", "sobjects/Lead/describe", headers=headers)
    assert (again.status_code, again.content) == (304, b"")
    assert rig.call("GET", "sobjects", headers=headers).status_code == 304
    rig.control("POST", "fields", {"object": "Lead", "name": "Extra__c", "type": "text"})
    changed = rig.call("GET", "sobjects/Lead/describe", headers=headers)
    assert changed.status_code == 200
    # a second change within the same second is noticed as well
    headers = {"If-Modified-Since": changed.headers["Last-Modified"]}
    access = {"username": "sync@example.com", "object": "Lead", "field": "Extra__c", "access": "hidden"}
    rig.control("POST", "access", access)
    assert rig.call("GET", "sobjects/Lead/describe", headers=headers).status_code == 200


def test_it_is_conditional_inside_composite(rig: Rig) -> None:
    since = rig.call("GET", "sobjects/Lead/describe").headers["Last-Modified"]
    body = {
        "compositeRequest": [
            {
                "method": "GET",
                "url": "/services/data/v59.0/sobjects/Lead/describe",
                "referenceId": "unchanged",
                "httpHeaders": {"If-Modified-Since": since},
            },
            {"method": "GET", "url": "/services/data/v59.0/sobjects/Contact/describe", "referenceId": "whole"},
        ]
    }
    unchanged, whole = rig.call("POST", "composite", json=body).json()["compositeResponse"]
    assert (unchanged["httpStatusCode"], unchanged["body"]) == (304, None)
    assert (whole["httpStatusCode"], whole["body"]["name"]) == (200, "Contact")
    assert whole["httpHeaders"]["Last-Modified"] == since
