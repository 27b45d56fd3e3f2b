"""simple-salesforce, unmodified, over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from requests.exceptions import ConnectionError as Dropped
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

from tests.sandbox.conftest import Rig


def test_it_describes(salesforce: Any) -> None:
    names = {entry["name"] for entry in salesforce.describe()["sobjects"]}
    assert {"Lead", "Contact", "Account", "User", "Group", "Organization", "Campaign", "CampaignMember"} <= names
    assert salesforce.Lead.describe()["keyPrefix"] == "00Q"
    assert salesforce.Lead.metadata()["objectDescribe"]["name"] == "Lead"


def test_it_creates_reads_updates_upserts_and_deletes(salesforce: Any) -> None:
    made: Any = salesforce.Lead.create({"LastName": "Lovelace", "Company": "Analytical Engines", "Person_Id__c": "p/1"})
    assert made["success"] is True
    assert made["errors"] == []
    assert salesforce.Lead.update(made["id"], {"FirstName": "Ada"}) == 204
    assert salesforce.Lead.get(made["id"])["Name"] == "Ada Lovelace"
    assert salesforce.Lead.get_by_custom_id("Person_Id__c", "p/1")["Id"] == made["id"]
    assert salesforce.Lead.upsert("Person_Id__c/p%2F1", {"Title": "Countess"}) == 200
    assert salesforce.Lead.upsert("Person_Id__c/p2", {"LastName": "B", "Company": "C"}) == 201
    assert salesforce.Lead.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound) as refused:
        salesforce.Lead.get(made["id"])
    content: Any = refused.value.content
    assert content[0]["errorCode"] == "ENTITY_IS_DELETED"


def test_it_reads_all_pages(live: Rig, salesforce: Any) -> None:
    live.control("POST", "reset", {"leads": 4500, "contacts": 0, "seed": 3})
    first = salesforce.query("SELECT Id FROM Lead ORDER BY Id")
    assert (first["totalSize"], first["done"], len(first["records"])) == (4500, False, 2000)
    assert first["nextRecordsUrl"].startswith("/services/data/v59.0/query/01g")
    found = [record["Id"] for record in salesforce.query_all_iter("SELECT Id FROM Lead ORDER BY Id")]
    assert len(set(found)) == 4500
    assert found == sorted(found)
    assert len(list(salesforce.query_all_iter("SELECT Id FROM Lead", include_deleted=True))) == 4500


def test_its_exceptions_fit_the_answers(salesforce: Any) -> None:
    with pytest.raises(SalesforceMalformedRequest) as malformed:
        salesforce.query("SELECT Nope FROM Lead")
    content: Any = malformed.value.content
    assert content[0]["errorCode"] == "INVALID_FIELD"
    with pytest.raises(SalesforceResourceNotFound):
        salesforce.Nope.get("00Q000000000001")
    salesforce.session_id = "gone"
    salesforce.headers["Authorization"] = "Bearer gone"
    with pytest.raises(SalesforceExpiredSession):
        salesforce.query("SELECT Id FROM Lead")


def test_an_id_that_several_records_have_is_300(live: Rig, salesforce: Any) -> None:
    live.control("POST", "fields", {"object": "Lead", "name": "Legacy__c", "type": "text", "externalId": True})
    ids = [live.create(Legacy__c="same") for _ in range(2)]
    with pytest.raises(SalesforceMoreThanOneRecord) as several:
        salesforce.Lead.upsert("Legacy__c/same", {"Title": "x"})
    assert several.value.content == [f"/services/data/v59.0/sobjects/Lead/{each}" for each in sorted(ids)]


def test_a_dropped_answer_leaves_the_work_done(live: Rig, salesforce: Any) -> None:
    live.control("POST", "faults", {"route": "/sobjects/Lead", "kind": "drop_after"})
    with pytest.raises(Dropped):
        salesforce.Lead.create({"LastName": "Kept", "Company": "C"})
    assert salesforce.query("SELECT COUNT() FROM Lead WHERE LastName = 'Kept'")["totalSize"] == 1
    live.control("POST", "faults", {"route": "/sobjects/Lead", "kind": "drop_before"})
    with pytest.raises(Dropped):
        salesforce.Lead.create({"LastName": "Lost", "Company": "C"})
    assert salesforce.query("SELECT COUNT() FROM Lead WHERE LastName = 'Lost'")["totalSize"] == 0


def test_limits_and_usage(live: Rig, salesforce: Any) -> None:
    live.control("DELETE", "requests")
    assert salesforce.limits()["DailyApiRequests"]["Max"] == 5_000_000
    salesforce.query("SELECT Id FROM Lead")
    assert salesforce.api_usage["api-usage"].used >= 2
    seen = live.control("GET", "requests")
    assert seen == {
        "api_calls": 2,
        "requests": {"GET /services/data/v59.0/limits": 1, "GET /services/data/v59.0/query": 1},
    }
