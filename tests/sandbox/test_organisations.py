"""What an organisation can be besides as delivered: queries that are too complicated, another instance, hidden parts,
fields that are renamed, reordered, many. Each is switched on by one control call."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox.dml import late
from tests.sandbox.conftest import BASE, Rig


def _field(rig: Rig, name: str, kind: str = "text", **more: Any) -> Any:
    return rig.control("POST", "fields", {"object": "Lead", "name": name, "type": kind, **more})


def _names(rig: Rig) -> list[str]:
    return [field["name"] for field in rig.get("sobjects/Lead/describe")["fields"]]


def _access(rig: Rig, field: str, access: str = "hidden", name: str = "Lead") -> None:
    given = {"username": "sync@example.com", "object": name, "field": field, "access": access}
    rig.control("POST", "access", given)


# Queries (SOQL and SOSL Reference, "SOQL and SOSL Limits")

TOO_COMPLICATED = (
    400,
    "QUERY_TOO_COMPLICATED",
    "Query is either selecting too many fields or the filter conditions are too complicated.",
)


def test_a_query_with_too_many_formulas_is_too_complicated(rig: Rig) -> None:
    for number in range(3):
        _field(rig, f"F{number}__c", formula="Company")
    rig.control("POST", "limits", {"formulas": 2})
    rig.create()
    soql = "SELECT F0__c, F1__c, F2__c, LastName FROM Lead"
    assert rig.refused("GET", "query", params={"q": soql}) == TOO_COMPLICATED
    assert rig.refused("GET", "queryAll", params={"q": soql}) == TOO_COMPLICATED
    subrequest = {"method": "GET", "url": f"{BASE}/query?q={soql}", "referenceId": "a"}
    [part] = rig.call("POST", "composite", json={"compositeRequest": [subrequest]}).json()["compositeResponse"]
    assert part["body"][0]["errorCode"] == "QUERY_TOO_COMPLICATED"
    assert rig.refused("GET", "query", params={"q": "SELECT F0__c, F1__c FROM Lead WHERE F2__c != null"})[0] == 400
    assert rig.query("SELECT F0__c, F2__c, LastName FROM Lead")["totalSize"] == 1
    assert rig.control("POST", "limits", {"formulas": None})["formulas"] is None
    assert rig.query(soql)["totalSize"] == 1


def test_statements_and_addresses_can_be_too_long(rig: Rig) -> None:
    soql = "SELECT Id FROM Lead WHERE LastName = 'a long name'"
    rig.control("POST", "limits", {"statement": 40})
    assert rig.refused("GET", "query", params={"q": soql})[1] == "MALFORMED_QUERY"
    rig.control("POST", "limits", {"statement": 100_000, "url": 60})
    assert rig.refused("GET", "query", params={"q": soql})[:2] == (414, "URI_TOO_LONG")
    rig.control("POST", "limits", {"url_status": 431})
    assert rig.refused("GET", "query", params={"q": soql})[0] == 431
    subrequest = {"method": "GET", "url": f"{BASE}/query?q={soql}", "referenceId": "a"}
    [part] = rig.call("POST", "composite", json={"compositeRequest": [subrequest]}).json()["compositeResponse"]
    assert part["httpStatusCode"] == 200
    assert rig.session.post(f"{rig.url}/sandbox/limits", json={"url_status": 500}).status_code == 400


# Another instance


@pytest.mark.parametrize("where", ["rig", "live"])
def test_an_instance_that_has_moved_shows_a_web_page_until_a_new_sign_in(
    where: str, request: pytest.FixtureRequest
) -> None:
    rig: Rig = request.getfixturevalue(where)
    rig.get("limits")
    assert rig.control("POST", "move") == {"sessions": 1}
    for path in ("limits", "query?q=SELECT+Id+FROM+Lead", "sobjects/Lead/describe"):
        answer = rig.call("GET", path)
        assert (answer.status_code, answer.headers["Content-Type"][:9]) == (404, "text/html")
        assert "<title>URL No Longer Exists</title>" in answer.text
    del rig.session.headers["Authorization"]
    assert rig.get("limits")


def test_it_can_refuse_instead_and_others_go_on(rig: Rig) -> None:
    rig.get("limits")
    rig.control("POST", "move", {"username": "sales@example.com"})
    rig.get("limits")
    rig.control("POST", "move", {"how": "not_reset"})
    message = "Destination URL not reset. The URL returned from login must be set"
    assert rig.refused("GET", "limits") == (400, "URL_NOT_RESET", message)
    assert rig.session.post(f"{rig.url}/sandbox/move", json={"how": "quietly"}).status_code == 400


def test_it_can_redirect_to_where_it_is_now(live: Rig) -> None:
    live.create()
    live.control("POST", "move", {"how": "redirect"})
    answer = live.call("GET", "query?q=SELECT+Id+FROM+Lead", allow_redirects=False)
    there = live.url.replace("127.0.0.1", "localhost")
    assert (answer.status_code, answer.headers["Location"]) == (301, f"{there}{BASE}/query?q=SELECT+Id+FROM+Lead")
    token = {"Authorization": str(live.session.headers["Authorization"])}
    assert requests.get(answer.headers["Location"], headers=token, timeout=10).json()["totalSize"] == 1
    live.control("POST", "move", {"how": "redirect", "to": "https://new.example.com"})
    answer = live.call("GET", "limits", allow_redirects=False)
    assert answer.headers["Location"] == f"https://new.example.com{BASE}/limits"


def test_sessions_can_expire_several_times_in_a_row(rig: Rig) -> None:
    rig.get("limits")
    rig.control("POST", "faults", {"route": "/services/data", "kind": "expire_session", "times": 3})
    for _ in range(3):
        assert rig.refused("GET", "limits")[:2] == (401, "INVALID_SESSION_ID")
        del rig.session.headers["Authorization"]
    rig.get("limits")


# What the user may not see


def test_a_formula_goes_on_when_a_field_that_it_reads_is_hidden(rig: Rig) -> None:
    lead = rig.create(Region__c="EMEA")
    _field(rig, "Twice__c", formula='Territory__c & "/" & Region__c')
    for name in ("Region__c", "Territory__c"):
        _access(rig, name)
    assert rig.records("SELECT Twice__c FROM Lead WHERE Twice__c = 'East/EMEA'") == [{"Twice__c": "East/EMEA"}]
    assert rig.read(lead)["Twice__c"] == "East/EMEA"
    assert "Region__c" not in rig.read(lead)


def test_the_owner_s_address_can_be_hidden(rig: Rig) -> None:
    """Salesforce Help, "Enhanced Personal Information Management"."""
    rig.create()
    [row] = rig.records("SELECT Owner.Name, Owner.Email FROM Lead")
    assert row["Owner"]["Email"] == "sync@example.com"
    _access(rig, "Email", name="User")
    for parent, entity in (("Owner", "Name"), ("CreatedBy", "User")):
        soql = f"SELECT Owner.Name, {parent}.Email FROM Lead"  # noqa: S608 - SOQL of this test
        status, code, message = rig.refused("GET", "query", params={"q": soql})
        assert (status, code) == (400, "INVALID_FIELD")
        assert f"No such column 'Email' on entity '{entity}'" in message
    [row] = rig.records("SELECT Owner.Name FROM Lead")
    assert row["Owner"]["Name"] == "Sync User"


def test_all_records_of_an_object_can_be_private_to_their_owners(rig: Rig) -> None:
    [sales] = rig.records("SELECT Id FROM User WHERE Username = 'sales@example.com'")
    accounts = [
        rig.call("POST", "sobjects/Account", json={"Name": name, "OwnerId": owner["Id"]}).json()["id"]
        for name, owner in (("Theirs", sales), ("Ours", rig.records("SELECT Id FROM User LIMIT 1")[0]))
    ]
    for account in accounts:
        rig.create("Contact", AccountId=account)
    rig.control("POST", "sharing", {"object": "Account", "visible": False})
    rows = rig.records("SELECT AccountId, Account.Name FROM Contact ORDER BY Id")
    assert [row["AccountId"] for row in rows] == accounts
    assert [row["Account"] and row["Account"]["Name"] for row in rows] == [None, "Ours"]
    assert rig.records("SELECT Name FROM Account") == [{"Name": "Ours"}]
    assert rig.refused("GET", f"sobjects/Account/{accounts[0]}")[0] == 404
    assert rig.refused("PATCH", f"sobjects/Account/{accounts[0]}", json={})[0] == 404
    rig.org.load()
    assert rig.query("SELECT COUNT() FROM Account")["totalSize"] == 1
    rig.control("POST", "sharing", {"object": "Account", "visible": True})
    assert rig.query("SELECT COUNT() FROM Account")["totalSize"] == 2
    assert rig.session.post(f"{rig.url}/sandbox/sharing", json={"object": "User", "visible": False}).status_code == 400


# Fields that change


@pytest.mark.parametrize("name", ["CRM_Tier__c", "Level__c", "crm__Tier__c"])
def test_a_field_can_get_another_api_name_and_keeps_its_values(rig: Rig, name: str) -> None:
    _field(rig, "crm_tier__c", unique=True, externalId=True, label="Tier")
    _field(rig, "Shout__c", formula="UPPER(crm_tier__c)")
    _field(rig, "Last__c")
    lead, place = rig.create(crm_tier__c="Gold"), _names(rig).index("crm_tier__c")
    rig.control("POST", "rules", {"object": "Lead", "name": "r", "when": "crm_tier__c = 'Lead'", "message": "no"})
    _access(rig, "crm_tier__c", "read")
    described = rig.control("POST", "fields", {"object": "Lead", "name": "crm_tier__c", "rename": name})
    assert (described["name"], described["label"], described["unique"]) == (name, "Tier", True)
    assert _names(rig)[place] == name
    assert rig.read(lead)[name] == "Gold"
    assert ("crm_tier__c" in rig.read(lead)) is False
    assert rig.records("SELECT Id FROM Lead WHERE Shout__c = 'GOLD' AND " + name + " = 'gold'") == [{"Id": lead}]  # noqa: S608 - SOQL
    assert rig.refused("PATCH", f"sobjects/Lead/{lead}", json={name: "x"})[1] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    _access(rig, name, "edit")
    assert rig.refused("PATCH", f"sobjects/Lead/{lead}", json={name: "Lead"})[1] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert rig.get(f"sobjects/Lead/{name}/Gold")["Id"] == lead
    rig.org.load()
    assert rig.read(lead)[name] == "Gold"
    rig.control("DELETE", "fields", {"object": "Lead", "name": "Shout__c"})
    rig.control("DELETE", "fields", {"object": "Lead", "name": name})
    assert name not in _names(rig)


@pytest.mark.parametrize(
    ("name", "rename"), [("Extra__c", "Newsletter__c"), ("Extra__c", "bad"), ("LastName", "Last__c"), ("No__c", "N__c")]
)
def test_a_name_that_a_field_cannot_get_changes_nothing(rig: Rig, name: str, rename: str) -> None:
    _field(rig, "Extra__c")
    lead = rig.create(Extra__c="kept")
    given = {"object": "Lead", "name": name, "rename": rename}
    assert rig.session.post(f"{rig.url}/sandbox/fields", json=given).status_code == 400
    assert rig.read(lead)["Extra__c"] == "kept"


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        ({"scale": 2}, "Seats__c", 7.0),
        ({"scale": 0}, "Seats__c", 7.0),
        ({"rename": "Places__c", "scale": 3}, "Places__c", 7.0),
        ({"type": "currency", "scale": 2}, "Seats__c", 7.0),
        ({"type": "text", "length": 10}, "Seats__c", None),
    ],
)
def test_a_late_save_follows_the_changed_field(rig: Rig, change: dict[str, Any], name: str, value: float) -> None:
    _field(rig, "Seats__c", "double", precision=18, scale=1)
    lead = rig.create(Seats__c=5)
    rig.control("POST", "faults", {"route": "/sobjects/Lead", "kind": "late_commit", "seconds": 300})
    rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Seats__c": 7, "Title": "late"})
    rig.control("POST", "fields", {"object": "Lead", "name": "Seats__c", **change})
    assert rig.read(lead)["Title"] is None
    rig.time.sleep(300)
    record = rig.read(lead)
    assert (record["Title"], record[name]) == ("late", value)


def test_a_late_save_loses_a_field_that_is_taken_away(rig: Rig) -> None:
    _field(rig, "Seats__c", "double")
    rig.control("POST", "faults", {"route": "/sobjects/Lead", "kind": "late_commit", "seconds": 300})
    rig.create(Seats__c=5)
    rig.control("DELETE", "fields", {"object": "Lead", "name": "Seats__c"})
    _field(rig, "Seats__c")
    rig.time.sleep(300)
    assert rig.records("SELECT Seats__c FROM Lead") == [{"Seats__c": None}]
    assert not late.is_waiting(rig.org.database, "")


def test_a_field_that_a_formula_reads_cannot_be_taken_away(rig: Rig) -> None:
    given = {"object": "Lead", "name": "Region__c"}
    assert rig.session.delete(f"{rig.url}/sandbox/fields", json=given).status_code == 400
    assert rig.create(Region__c="EMEA")


def test_a_package_brings_fields_with_its_namespace(rig: Rig) -> None:
    rig.control(
        "POST",
        "fields",
        {
            "object": "Lead",
            "fields": [
                {"name": "mkto71__Lead_Score__c", "type": "double", "label": "Lead Score"},
                {"name": "mkto71__Inferred_City__c", "type": "text"},
            ],
        },
    )
    lead = rig.create(mkto71__Lead_Score__c=7)
    assert rig.read(lead)["mkto71__Lead_Score__c"] == 7
    assert _names(rig)[-2:] == ["mkto71__Lead_Score__c", "mkto71__Inferred_City__c"]


def test_describe_lists_the_fields_in_any_order(rig: Rig) -> None:
    as_delivered = _names(rig)
    since = rig.call("GET", "sobjects/Lead/describe").headers["Last-Modified"]
    rig.time.sleep(5)
    rig.control("POST", "field-order", {"object": "Lead", "first": ["Notes__c", "email"]})
    assert _names(rig)[:3] == ["Notes__c", "Email", as_delivered[0]]
    assert sorted(_names(rig)) == sorted(as_delivered)
    describe = rig.call("GET", "sobjects/Lead/describe", headers={"If-Modified-Since": since})
    assert describe.status_code == 200
    rig.control("POST", "field-order", {"object": "Lead", "first": []})
    assert _names(rig) == as_delivered


def test_an_object_has_up_to_900_custom_fields(rig: Rig) -> None:
    fields = [{"name": f"Wide_{number:03}__c", "type": "text"} for number in range(700)]
    rig.control("POST", "fields", {"object": "Lead", "fields": fields})
    lead = rig.create(Wide_699__c="last")
    assert rig.read(lead)["Wide_699__c"] == "last"
    more = [{"name": f"More_{number:03}__c", "type": "text"} for number in range(200)]
    answer = rig.session.post(f"{rig.url}/sandbox/fields", json={"object": "Lead", "fields": more})
    assert (answer.status_code, "at most 900" in answer.text) == (400, True)
    assert len([name for name in _names(rig) if name.startswith("More_")]) == 0
    assert rig.read(lead)["Wide_699__c"] == "last"


# Picklists (Salesforce Help, "Picklist Value Labels and API Names", "Deactivate Picklist Values")


@pytest.mark.parametrize("name", ["Tier__c", "Rating"])
def test_a_picklist_can_list_a_value_twice_inactive_or_under_another_label(rig: Rig, name: str) -> None:
    values: list[dict[str, Any]] = [
        {"value": "A, B; C", "label": "Alpha"},
        {"value": "A, B; C", "label": "Alpha"},
        {"value": "old", "label": "Old one", "active": False},
        {"value": "", "label": ""},
    ]
    kind = {"type": "picklist"} if name.endswith("__c") else {}
    given = {"object": "Lead", "name": name, "values": values, "restrictedPicklist": True, **kind}
    described = rig.control("POST", "fields", given)["picklistValues"]
    assert [(each["value"], each["label"], each["active"]) for each in described] == [
        (each["value"], each["label"], each.get("active", True)) for each in values
    ]
    lead = rig.create(**{name: "A, B; C"})
    assert rig.refused("PATCH", f"sobjects/Lead/{lead}", json={name: "old"})[0] == 400
    rig.control("POST", "records", {"id": lead, "fields": {name: "old"}})
    assert rig.read(lead)[name] == "old"
    rig.org.load()
    assert [each["label"] for each in rig.control("POST", "fields", given)["picklistValues"]][0] == "Alpha"


def test_a_value_that_is_listed_twice_is_chosen_once(rig: Rig) -> None:
    _field(rig, "Colours__c", "multipicklist", values=["Red", "Green", "Red"])
    assert rig.read(rig.create(Colours__c="Green;Red"))["Colours__c"] == "Red;Green"


def test_of_a_standard_field_nothing_else_can_be_changed(rig: Rig) -> None:
    given: dict[str, Any] = {"object": "Lead", "name": "Rating", "length": 3}
    assert rig.session.post(f"{rig.url}/sandbox/fields", json=given).status_code == 400
    rig.control("POST", "fields", {"object": "Lead", "name": "Rating", "label": "Temperature"})
    [field] = [field for field in rig.get("sobjects/Lead/describe")["fields"] if field["name"] == "Rating"]
    assert (field["label"], field["custom"], len(field["picklistValues"])) == ("Temperature", False, 3)
