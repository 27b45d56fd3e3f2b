"""Custom fields and field-level security at run time (Salesforce Help, "Field-Level Security")."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Rig


def _access(rig: Rig, field: str | None, access: str, name: str = "Lead") -> None:
    body = {"username": "sync@example.com", "object": name, "access": access}
    rig.control("POST", "access", {**body, **({"field": field} if field else {})})


def _names(rig: Rig) -> set[str]:
    return {field["name"] for field in rig.get("sobjects/Lead/describe")["fields"]}


def test_a_hidden_field_does_not_exist_for_the_user(rig: Rig) -> None:
    lead = rig.create(Phone="1")
    _access(rig, "Phone", "hidden")
    assert "Phone" not in _names(rig)
    assert "Phone" not in rig.read(lead)
    status, code, message = rig.refused("GET", "query", params={"q": "SELECT Phone FROM Lead"})
    assert (status, code) == (400, "INVALID_FIELD")
    assert "No such column 'Phone' on entity 'Lead'." in message
    written = rig.refused("PATCH", f"sobjects/Lead/{lead}", json={"Phone": "2", "Title": "x"})
    assert written == (400, "INVALID_FIELD", "No such column 'Phone' on sobject of type Lead")
    assert rig.read(lead)["Title"] is None
    _access(rig, "Phone", "edit")
    assert rig.read(lead)["Phone"] == "1"


def test_a_read_only_field_is_shown_and_not_written(rig: Rig) -> None:
    lead = rig.create(Phone="1")
    _access(rig, "Phone", "read")
    field = next(f for f in rig.get("sobjects/Lead/describe")["fields"] if f["name"] == "Phone")
    assert (field["createable"], field["updateable"]) == (False, False)
    assert rig.read(lead)["Phone"] == "1"
    answer = rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Phone": "2"})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    assert answer.json()[0]["fields"] == ["Phone"]


def test_a_hidden_object_does_not_exist_for_the_user(rig: Rig) -> None:
    _access(rig, None, "hidden", "Campaign")
    assert "Campaign" not in {entry["name"] for entry in rig.get("sobjects")["sobjects"]}
    assert rig.refused("GET", "query", params={"q": "SELECT Id FROM Campaign"})[1] == "INVALID_TYPE"
    assert rig.refused("GET", "sobjects/Campaign/describe")[:2] == (404, "NOT_FOUND")


def test_a_read_only_object_cannot_be_written(rig: Rig) -> None:
    lead = rig.create()
    _access(rig, None, "read")
    assert rig.refused("PATCH", f"sobjects/Lead/{lead}", json={})[:2] == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert rig.refused("DELETE", f"sobjects/Lead/{lead}")[:2] == (403, "INSUFFICIENT_ACCESS_OR_READONLY")


def test_name_and_system_fields_cannot_be_hidden(rig: Rig) -> None:
    body = {"username": "sync@example.com", "object": "Lead", "field": "LastName", "access": "hidden"}
    assert rig.session.post(f"{rig.url}/sandbox/access", json=body).status_code == 400


@pytest.mark.parametrize(
    ("definition", "given", "kept"),
    [
        ({"type": "text", "length": 20}, " a ", "a"),
        ({"type": "string", "length": 20, "defaultValue": "new"}, None, "new"),
        ({"type": "longtextarea", "length": 1000}, "x\ny", "x\ny"),
        ({"type": "html"}, "<b>x</b>", "<b>x</b>"),
        ({"type": "number", "precision": 5, "scale": 1}, 12.34, 12.3),
        ({"type": "int"}, 3, 3),
        ({"type": "currency", "scale": 2}, 1.005, 1.01),
        ({"type": "percent", "precision": 4, "scale": 1}, 99.95, 100.0),
        ({"type": "checkbox", "defaultValue": True}, None, True),
        ({"type": "date"}, "2026-01-31", "2026-01-31"),
        ({"type": "datetime"}, "2026-01-31T10:00:00Z", "2026-01-31T10:00:00.000+0000"),
        ({"type": "time"}, "10:00:00", "10:00:00.000Z"),
        ({"type": "email"}, "a@b.example", "a@b.example"),
        ({"type": "phone"}, "1", "1"),
        ({"type": "url"}, "https://example.com", "https://example.com"),
        ({"type": "picklist", "values": ["A", {"value": "B", "default": True}]}, None, "B"),
        ({"type": "multipicklist", "values": ["A", "B"]}, "B;A", "A;B"),
        ({"type": "encryptedText", "maskType": "lastFour"}, "4111111111111111", "************1111"),
        ({"type": "autonumber"}, None, "00000001"),
    ],
)
def test_fields_of_every_type_can_be_added(rig: Rig, definition: dict[str, Any], given: Any, kept: Any) -> None:
    described = rig.control("POST", "fields", {"object": "Lead", "name": "Extra__c", **definition})
    assert (described["custom"], described["permissionable"], described["name"]) == (True, True, "Extra__c")
    lead = rig.create(**({} if given is None else {"Extra__c": given}))
    assert rig.read(lead)["Extra__c"] == kept
    assert rig.records("SELECT Extra__c FROM Lead") == [{"Extra__c": kept}]


def test_a_geolocation_is_made_of_two_numbers(rig: Rig) -> None:
    rig.control("POST", "fields", {"object": "Lead", "name": "Place__c", "type": "geolocation", "scale": 3})
    lead = rig.create(Place__Latitude__s=51.50049, Place__Longitude__s=-0.1)
    assert rig.read(lead)["Place__c"] == {"latitude": 51.5, "longitude": -0.1}
    assert rig.query("SELECT Place__c FROM Lead WHERE Place__Latitude__s > 51")["totalSize"] == 1
    assert rig.refused("PATCH", f"sobjects/Lead/{lead}", json={"Place__c": 1})[1] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    far = {"Place__Latitude__s": 91}
    assert rig.refused("PATCH", f"sobjects/Lead/{lead}", json=far)[1] == "NUMBER_OUTSIDE_VALID_RANGE"
    rig.control("DELETE", "fields", {"object": "Lead", "name": "Place__c"})
    assert not {"Place__c", "Place__Latitude__s"} & _names(rig)


def test_existing_records_have_the_new_field_empty(rig: Rig) -> None:
    lead = rig.create()
    rig.control("POST", "fields", {"object": "Lead", "name": "Extra__c", "type": "text"})
    assert rig.read(lead)["Extra__c"] is None


def test_a_lookup_can_be_followed_from_both_sides(rig: Rig) -> None:
    body = {
        "object": "Contact",
        "name": "Origin__c",
        "type": "lookup",
        "referenceTo": ["Lead"],
        "relationshipName": "Origin__r",
    }
    rig.control("POST", "fields", body)
    lead = rig.create(LastName="Source")
    rig.create("Contact", Origin__c=lead)
    found = rig.query("SELECT Origin__r.LastName FROM Contact")["records"][0]
    assert found["Origin__r"]["LastName"] == "Source"
    parent = rig.query("SELECT Id, (SELECT LastName FROM Origin__r) FROM Lead")["records"][0]
    assert parent["Origin__r"]["totalSize"] == 1


@pytest.mark.parametrize(
    ("formula", "kind", "value"),
    [
        ('FirstName & " " & UPPER(LastName)', "text", "Ada LOVELACE"),
        ('IF(ISBLANK(Title), "none", Title)', "text", "none"),
        ("Budget__c * 2 + 1", "number", 25.0),
        ("Newsletter__c", "checkbox", True),
        ("Budget__c > 10 && NOT(HasOptedOutOfEmail)", "checkbox", True),
        ("Renewal_Date__c + 7", "date", "2026-01-08"),
        ('CASE(LEFT(Company, 1), "A", "first", "other")', "text", "first"),
        ("Budget__c / NumberOfEmployees", "number", None),
    ],
)
def test_formula_fields_compute(rig: Rig, formula: str, kind: str, value: Any) -> None:
    described = rig.control(
        "POST", "fields", {"object": "Lead", "name": "F__c", "type": kind, "scale": 0, "formula": formula}
    )
    assert (described["calculated"], described["updateable"], described["calculatedFormula"]) == (True, False, formula)
    lead = rig.create(FirstName="Ada", Budget__c=12, Newsletter__c=True, Renewal_Date__c="2026-01-01")
    assert rig.read(lead)["F__c"] == value


def test_a_formula_moves_no_stamp(rig: Rig) -> None:
    lead = rig.create()
    before = rig.read(lead)["SystemModstamp"]
    rig.time.sleep(60)
    rig.control("POST", "fields", {"object": "Lead", "name": "Territory__c", "type": "text", "formula": '"Everywhere"'})
    record = rig.read(lead)
    assert (record["Territory__c"], record["SystemModstamp"]) == ("Everywhere", before)


@pytest.mark.parametrize("formula", ["LastName &", "Nope__c", "NOPE(1)", "F__c", "IF(1)"])
def test_formulas_that_are_refused_leave_nothing_behind(rig: Rig, formula: str) -> None:
    body = {"object": "Lead", "name": "F__c", "type": "text", "formula": formula}
    assert rig.session.post(f"{rig.url}/sandbox/fields", json=body).status_code == 400
    assert "F__c" not in _names(rig)
    rig.create()


def test_a_field_can_change_and_go(rig: Rig) -> None:
    rig.control("POST", "fields", {"object": "Lead", "name": "Extra__c", "type": "text", "length": 5})
    lead = rig.create(Extra__c="12345")
    rig.control("POST", "fields", {"object": "Lead", "name": "Extra__c", "length": 50, "label": "Longer"})
    rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Extra__c": "x" * 50})
    assert rig.read(lead)["Extra__c"] == "x" * 50
    rig.control("POST", "fields", {"object": "Lead", "name": "Budget__c", "scale": 0})
    assert rig.read(lead)["Budget__c"] is None
    rig.control("DELETE", "fields", {"object": "Lead", "name": "Extra__c"})
    assert "Extra__c" not in rig.read(lead)


def test_the_scale_of_a_number_can_change(rig: Rig) -> None:
    lead = rig.create(Budget__c=12.34)
    rig.control("POST", "fields", {"object": "Lead", "name": "Budget__c", "scale": 4})
    assert rig.read(lead)["Budget__c"] == 12.34
    rig.control("POST", "fields", {"object": "Lead", "name": "Budget__c", "scale": 1})
    assert rig.read(lead)["Budget__c"] == 12.3


def test_a_removed_picklist_value_is_refused(rig: Rig) -> None:
    lead = rig.create(Region__c="APAC")
    rig.control("POST", "fields", {"object": "Lead", "name": "Region__c", "values": ["EMEA"]})
    assert rig.read(lead)["Region__c"] == "APAC"
    code = rig.refused("PATCH", f"sobjects/Lead/{lead}", json={"Region__c": "APAC"})[1]
    assert code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"


def test_six_hundred_fields_can_be_read(rig: Rig) -> None:
    names = [f"Wide_{number}__c" for number in range(600)]
    for name in names:
        rig.control("POST", "fields", {"object": "Lead", "name": name, "type": "text", "length": 10})
    rig.create(Wide_599__c="last")
    select = ", ".join(names)
    assert rig.records(f"SELECT {select} FROM Lead")[0]["Wide_599__c"] == "last"  # noqa: S608 - SOQL


def test_a_reference_can_be_given_by_external_id(rig: Rig) -> None:
    rig.control(
        "POST", "fields", {"object": "Account", "name": "Number__c", "type": "text", "externalId": True, "unique": True}
    )
    account = rig.call("POST", "sobjects/Account", json={"Name": "A", "Number__c": "n1"}).json()["id"]
    contact = rig.create("Contact", Account={"Number__c": "n1"})
    assert rig.read(contact, "Contact")["AccountId"] == account
    body = {"LastName": "L", "Account": {"Number__c": "none"}}
    assert rig.refused("POST", "sobjects/Contact", json=body)[:2] == (400, "INVALID_FIELD")
