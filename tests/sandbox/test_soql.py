"""SOQL (SOQL and SOSL Reference): what is read, and what is refused."""

# ruff: noqa: S608 - the strings are SOQL, made here
from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import BASE, Rig

ROWS: list[dict[str, Any]] = [
    {"LastName": "Ärmel", "FirstName": "Ada", "Rating": "Hot", "NumberOfEmployees": 5, "Email": "Ada@X.example"},
    {
        "LastName": "Baker",
        "Rating": "Warm",
        "NumberOfEmployees": 50,
        "Interests__c": "Analytics;Training",
        "Budget__c": 10,
    },
    {"LastName": "Curie", "Rating": None, "NumberOfEmployees": 500, "Interests__c": "Security", "Budget__c": 20.5},
    {"LastName": "Dean", "Renewal_Date__c": "2026-11-02", "Newsletter__c": True, "Description": "100% _sure_"},
    {"LastName": "O'Neil", "Renewal_Date__c": "2026-10-05", "Last_Visit__c": "2026-11-01T23:59:59Z", "Budget__c": 10},
]


@pytest.fixture
def five(rig: Rig) -> Rig:
    """Five leads."""
    for row in ROWS:
        rig.create(**{key: value for key, value in row.items() if value is not None})
        rig.time.sleep(1)
    return rig


def _names(rig: Rig, where: str, resource: str = "query") -> str:
    """The initials of the leads that a condition finds."""
    rows = rig.records(f"SELECT LastName FROM Lead WHERE {where} ORDER BY CreatedDate", resource)
    return "".join(str(row["LastName"])[0] for row in rows).replace("Ä", "A")


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("LastName = 'baker'", "B"),
        ("LastName = 'äRMEL'", "A"),
        ("lastname != 'Baker'", "ACDO"),
        ("LastName = 'O\\'Neil'", "O"),
        ("Email = 'ada@x.EXAMPLE'", "A"),
        ("Rating = null", "CDO"),
        ("Rating = ''", "CDO"),
        ("Rating != null", "AB"),
        ("Rating != 'Hot'", "BCDO"),
        ("NOT Rating = 'Hot'", "BCDO"),
        ("NOT (Rating = 'Hot' OR Rating = 'Warm')", "CDO"),
        ("Rating IN ('hot', 'cold')", "A"),
        ("Rating NOT IN ('Hot')", "BCDO"),
        ("LastName IN ('ÄRMEL', 'Dean')", "AD"),
        ("Rating IN ('Hot', null)", "ACDO"),
        ("NumberOfEmployees > 5", "BC"),
        ("NumberOfEmployees >= 5 AND NumberOfEmployees < 500", "AB"),
        ("NumberOfEmployees <> 5", "BCDO"),
        ("Budget__c = 20.5", "C"),
        ("Budget__c > 10.00", "C"),
        ("LastName LIKE 'b%'", "B"),
        ("LastName LIKE 'Ä%'", "A"),
        ("LastName LIKE '_ean'", "D"),
        ("LastName LIKE '%\\'%'", "O"),
        ("NOT LastName LIKE '%e%'", ""),
        ("Interests__c INCLUDES ('Training')", "B"),
        ("Interests__c INCLUDES ('Training;Analytics', 'Security')", "BC"),
        ("Interests__c INCLUDES ('Training;Security')", ""),
        ("Interests__c EXCLUDES ('Training')", "ACDO"),
        ("Newsletter__c = true", "D"),
        ("Newsletter__c != TRUE", "ABCO"),
        ("Renewal_Date__c = 2026-11-02", "D"),
        ("Renewal_Date__c = TODAY", "D"),
        ("Renewal_Date__c = LAST_N_DAYS:28", "DO"),
        ("Renewal_Date__c < TODAY", "O"),
        ("Renewal_Date__c = LAST_MONTH", "O"),
        ("Renewal_Date__c = THIS_QUARTER", "DO"),
        ("Renewal_Date__c = THIS_YEAR", "DO"),
        ("Renewal_Date__c != TODAY", "ABCO"),
        ("Last_Visit__c = YESTERDAY", "O"),
        ("Last_Visit__c = THIS_WEEK", "O"),
        ("Last_Visit__c < 2026-11-02T00:00:00Z", "O"),
        ("Last_Visit__c = 2026-11-02T00:59:59+01:00", "O"),
        ("CreatedDate > 2026-11-02T09:30:02Z", "DO"),
        ("CreatedDate >= 2026-11-02T09:30:02.000Z AND CreatedDate <= 2026-11-02T09:30:03Z", "CD"),
        ("(Rating = 'Hot' OR Rating = 'Warm') AND (NumberOfEmployees = 50)", "B"),
        ("Owner.Name = 'Sync User'", "ABCDO"),
        ("Owner.Type = 'Queue'", ""),
        ("Lead.LastName = 'Dean'", "D"),
        ("OwnerId IN (SELECT Id FROM User WHERE Username LIKE 'sync%')", "ABCDO"),
        ("Id NOT IN (SELECT LeadId FROM CampaignMember)", "ABCDO"),
        ("CALENDAR_MONTH(CreatedDate) = 11 AND DAY_IN_MONTH(CreatedDate) = 2", "ABCDO"),
        ("Territory__c = 'UNASSIGNED'", "ABCDO"),
        ("Territory__c IN ('UNASSIGNED', 'x')", "ABCDO"),
        ("IsDeleted = false", "ABCDO"),
    ],
)
def test_conditions(five: Rig, where: str, found: str) -> None:
    assert _names(five, where) == found


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("LastName", "BCDOA"),
        ("LastName DESC", "AODCB"),
        ("NumberOfEmployees", "DOABC"),
        ("NumberOfEmployees DESC", "DOCBA"),
        ("NumberOfEmployees NULLS LAST", "ABCDO"),
        ("NumberOfEmployees DESC NULLS LAST", "CBADO"),
        ("SystemModstamp DESC, Id", "ODCBA"),
        ("Owner.Name, LastName LIMIT 2 OFFSET 1", "CD"),
    ],
)
def test_order(five: Rig, order: str, found: str) -> None:
    # without another order the rows keep that of their creation, which settles ties here
    extra = "" if "LIMIT" in order else ", CreatedDate"
    rows = five.records(f"SELECT LastName FROM Lead ORDER BY {order}{extra}")
    assert "".join(row["LastName"][0] for row in rows).replace("Ä", "A") == found


def test_ids_may_have_15_characters(five: Rig) -> None:
    lead = five.records("SELECT Id FROM Lead LIMIT 1")[0]["Id"]
    assert len(five.records(f"SELECT Id FROM Lead WHERE Id = '{lead[:15]}'")) == 1
    assert len(five.records(f"SELECT Id FROM Lead WHERE Id IN ('{lead}', '{lead[:15]}')")) == 1


def test_parents_and_children(rig: Rig) -> None:
    account = rig.call("POST", "sobjects/Account", json={"Name": "A"}).json()["id"]
    boss = rig.create("Contact", LastName="Boss", AccountId=account)
    rig.create("Contact", LastName="Ada", AccountId=account, ReportsToId=boss)
    found = rig.query("SELECT LastName, Account.Name, ReportsTo.Account.Name FROM Contact ORDER BY LastName")["records"]
    assert found[0]["ReportsTo"]["Account"]["Name"] == "A"
    assert found[1]["ReportsTo"] is None
    assert found[1]["Account"]["attributes"]["type"] == "Account"
    parent = rig.query("SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName LIMIT 1) FROM Account")
    children = parent["records"][0]["Contacts"]
    assert (children["totalSize"], children["done"], children["records"][0]["LastName"]) == (1, True, "Ada")
    lonely = rig.call("POST", "sobjects/Account", json={"Name": "B"}).json()["id"]
    assert (
        rig.query(f"SELECT Id, (SELECT Id FROM Contacts) FROM Account WHERE Id = '{lonely}'")["records"][0]["Contacts"]
        is None
    )


def test_the_owner_may_be_a_queue(rig: Rig) -> None:
    queue = rig.records("SELECT Id FROM Group WHERE Type = 'Queue'")[0]["Id"]
    rig.create(OwnerId=queue)
    owner = rig.query("SELECT Owner.Name, Owner.Type FROM Lead")["records"][0]["Owner"]
    assert (owner["Name"], owner["Type"], owner["attributes"]["type"]) == ("New Leads", "Queue", "Name")
    assert rig.records("SELECT SobjectType FROM QueueSobject WHERE Queue.Name = 'New Leads'") == [
        {"SobjectType": "Lead"}
    ]


def test_counting_and_grouping(five: Rig) -> None:
    assert five.query("SELECT COUNT() FROM Lead WHERE Rating = null") == {"totalSize": 3, "done": True, "records": []}
    rows = five.records(
        "SELECT Rating, COUNT(Id) n, MAX(NumberOfEmployees) FROM Lead GROUP BY Rating ORDER BY COUNT(Id) DESC, Rating"
    )
    assert rows[0] == {"Rating": None, "n": 3, "expr0": 500}
    assert [row["Rating"] for row in rows] == [None, "Hot", "Warm"]
    rows = five.records("SELECT SUM(Budget__c), AVG(Budget__c) a, COUNT_DISTINCT(Budget__c) FROM Lead")
    assert rows == [{"expr0": 40.5, "a": 13.5, "expr1": 2}]
    rows = five.records("SELECT CALENDAR_YEAR(CreatedDate) y, COUNT(Id) FROM Lead GROUP BY CALENDAR_YEAR(CreatedDate)")
    assert rows == [{"y": 2026, "expr0": 5}]
    assert five.records("SELECT Rating FROM Lead GROUP BY Rating HAVING COUNT(Id) > 1") == [{"Rating": None}]


def test_fields_functions(five: Rig) -> None:
    standard = five.query("SELECT FIELDS(STANDARD) FROM Lead")["records"][0]
    assert "LastName" in standard
    assert "Budget__c" not in standard
    custom = five.query("SELECT Id, FIELDS(CUSTOM) FROM Lead LIMIT 200")["records"][0]
    assert {"Budget__c", "Territory__c"} <= set(custom)
    everything = five.query("SELECT FIELDS(ALL) FROM Lead LIMIT 1")["records"][0]
    assert len(everything) == len(five.get("sobjects/Lead/describe")["fields"]) + 1


def test_compound_fields(rig: Rig) -> None:
    rig.create(Street="1 Main", City="London")
    assert rig.query("SELECT Name, Address FROM Lead")["records"][0]["Address"] == {
        "city": "London", "country": None, "geocodeAccuracy": None, "latitude": None, "longitude": None,
        "postalCode": None, "state": None, "street": "1 Main",
    }  # fmt: skip
    rig.create("Contact")
    assert rig.query("SELECT MailingAddress FROM Contact")["records"][0]["MailingAddress"] is None


@pytest.mark.parametrize(
    ("soql", "code", "words"),
    [
        ("", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT", "MALFORMED_QUERY", "<EOF>"),
        ("SELECT * FROM Lead", "MALFORMED_QUERY", "'*'"),
        ("SELECT Id FORM Lead", "MALFORMED_QUERY", "ERROR at Row:1:Column:16\nunexpected token: 'Lead'"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY", "<EOF>"),
        (
            "SELECT Id FROM Lead WHERE Rating = 'Hot' AND Id = null OR Id = null",
            "MALFORMED_QUERY",
            "unexpected token: 'OR'",
        ),
        ('SELECT Id FROM Lead WHERE Rating = "Hot"', "MALFORMED_QUERY", "Column:36"),
        ("SELECT Id FROM Lead WHERE LastName = 'x", "MALFORMED_QUERY", "Column:38"),
        ("SELECT Id FROM Lead WHERE LastName = '\\q'", "MALFORMED_QUERY", "escape"),
        ("SELECT Id FROM Lead LIMIT -1", "MALFORMED_QUERY", "unexpected token: '-1'"),
        ("SELECT Id FROM Lead WITH NOTHING", "MALFORMED_QUERY", "NOTHING"),
        ("SELECT TYPEOF Owner WHEN User THEN Id END FROM Lead", "MALFORMED_QUERY", "unexpected token"),
        (
            "SELECT Nope FROM Lead",
            "INVALID_FIELD",
            "\n       ^\nERROR at Row:1:Column:8\nNo such column 'Nope' on entity 'Lead'.",
        ),
        ("SELECT Nope.Name FROM Lead", "INVALID_FIELD", "Didn't understand relationship 'Nope' in field path."),
        ("SELECT Id FROM Nope", "INVALID_TYPE", "sObject type 'Nope' is not supported."),
        ("SELECT Id, (SELECT Id FROM Nopes) FROM Account", "INVALID_TYPE", "Didn't understand relationship 'Nopes'"),
        ("SELECT Id, Id FROM Lead", "INVALID_FIELD", "duplicate field selected: Id"),
        ("SELECT LastName n FROM Lead", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
        (
            "SELECT Id FROM Lead WHERE Description = 'x'",
            "INVALID_FIELD",
            "field 'Description' can not be filtered in a query call",
        ),
        (
            "SELECT Id FROM Lead ORDER BY Description",
            "INVALID_FIELD",
            "field 'Description' can not be sorted in a query call",
        ),
        ("SELECT COUNT(Id) FROM Lead GROUP BY CreatedDate", "INVALID_FIELD", "field 'CreatedDate' can not be grouped"),
        (
            "SELECT Id FROM Lead WHERE SystemModstamp > '2026-01-01T00:00:00Z'",
            "INVALID_FIELD",
            "value of filter criterion for field 'SystemModstamp' must be of type dateTime and should not be "
            "enclosed in quotes",
        ),
        ("SELECT Id FROM Lead WHERE SystemModstamp > 2026-01-01", "INVALID_FIELD", "must be of type dateTime"),
        ("SELECT Id FROM Lead WHERE Renewal_Date__c = 2026-01-01T00:00:00Z", "INVALID_FIELD", "must be of type date"),
        (
            "SELECT Id FROM Lead WHERE LastName = 5",
            "INVALID_FIELD",
            "must be of type string and should be enclosed in quotes",
        ),
        ("SELECT Id FROM Lead WHERE NumberOfEmployees = '5'", "INVALID_FIELD", "should not be enclosed in quotes"),
        ("SELECT Id FROM Lead WHERE Newsletter__c = 1", "INVALID_FIELD", "must be of type boolean"),
        ("SELECT Id FROM Lead WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: x"),
        ("SELECT Id FROM Lead WHERE Rating > null", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator"),
        ("SELECT Id FROM Lead WHERE Interests__c LIKE 'x'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator"),
        ("SELECT Id FROM Lead WHERE Rating INCLUDES ('x')", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator"),
        ("SELECT Id FROM Lead WHERE Renewal_Date__c = 2026-02-30", "MALFORMED_QUERY", "Invalid date"),
        ("SELECT Id FROM Lead WHERE Renewal_Date__c = SOMEDAY", "INVALID_FIELD", "must be of type date"),
        (
            "SELECT Id FROM Lead WHERE Renewal_Date__c = LAST_N_DAYS:99999999999",
            "MALFORMED_QUERY",
            "invalid date literal",
        ),
        (
            "SELECT Id FROM Lead LIMIT 1 OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Maximum SOQL offset allowed is 2000",
        ),
        ("SELECT FIELDS(ALL) FROM Lead", "MALFORMED_QUERY", "LIMIT of at most 200"),
        ("SELECT FIELDS(ALL) FROM Lead LIMIT 201", "MALFORMED_QUERY", "LIMIT of at most 200"),
        ("SELECT FIELDS(SOME) FROM Lead LIMIT 1", "MALFORMED_QUERY", "FIELDS()"),
        ("SELECT LastName, COUNT(Id) FROM Lead", "MALFORMED_QUERY", "Field must be grouped or aggregated: LastName"),
        ("SELECT SUM(LastName) FROM Lead", "MALFORMED_QUERY", "does not support aggregate operator SUM"),
        ("SELECT Id FROM Lead HAVING COUNT(Id) > 1", "MALFORMED_QUERY", "HAVING"),
        ("SELECT Id FROM Lead WHERE COUNT(Id) > 1", "MALFORMED_QUERY", "not allowed here"),
        ("SELECT COUNT(), Id FROM Lead", "MALFORMED_QUERY", "COUNT()"),
        ("SELECT NOPE(Id) FROM Lead", "MALFORMED_QUERY", "unknown function: NOPE"),
        ("SELECT Id FROM Lead WHERE LastName IN (SELECT LastName FROM Contact)", "MALFORMED_QUERY", "same object type"),
    ],
)
def test_refusals(rig: Rig, soql: str, code: str, words: str) -> None:
    status, found, message = rig.refused("GET", "query", params={"q": soql})
    assert (status, found) == (400, code)
    assert words in message


def test_a_query_needs_a_query(rig: Rig) -> None:
    assert rig.refused("GET", "query")[:2] == (400, "MALFORMED_QUERY")
    long = "SELECT Id FROM Lead WHERE LastName != '" + "x" * 100_000 + "'"
    assert rig.refused("GET", "query", params={"q": long})[:2] == (414, "URI_TOO_LONG")
    body = {"compositeRequest": [{"method": "GET", "url": f"{BASE}/query?q={long}", "referenceId": "q"}]}
    (inside,) = rig.call("POST", "composite", json=body).json()["compositeResponse"]
    assert inside["body"][0]["errorCode"] == "MALFORMED_QUERY"
    assert rig.refused("POST", "query", params={"q": "SELECT Id FROM Lead"})[:2] == (405, "METHOD_NOT_ALLOWED")


# Pages ("Query", "Query Options Header")


def test_pages_keep_the_rows_of_the_first_execution(rig: Rig) -> None:
    rig.control("POST", "reset", {"leads": 450, "contacts": 0})
    headers = {"Sforce-Query-Options": "batchSize=200"}
    first = rig.get("query", params={"q": "SELECT Id, Title FROM Lead ORDER BY Id"}, headers=headers)
    assert (first["totalSize"], first["done"], len(first["records"])) == (450, False, 200)
    later = rig.records("SELECT Id FROM Lead ORDER BY Id LIMIT 3 OFFSET 200")
    rig.call("PATCH", f"sobjects/Lead/{later[0]['Id']}", json={"Title": "changed meanwhile"})
    rig.call("DELETE", f"sobjects/Lead/{later[1]['Id']}")
    rig.create()
    second = rig.get(first["nextRecordsUrl"])
    assert second["records"][0]["Title"] == "changed meanwhile"
    assert second["records"][1]["Id"] == later[2]["Id"]
    assert (second["totalSize"], len(second["records"])) == (450, 199)
    third = rig.get(second["nextRecordsUrl"])
    assert third["done"] is True
    assert "nextRecordsUrl" not in third


def test_the_oldest_of_eleven_open_queries_is_closed(rig: Rig) -> None:
    rig.control("POST", "reset", {"leads": 250, "contacts": 0})
    headers = {"Sforce-Query-Options": "batchSize=200"}
    params = {"q": "SELECT Id FROM Lead"}
    urls = [rig.get("query", params=params, headers=headers)["nextRecordsUrl"] for _ in range(11)]
    assert rig.refused("GET", urls[0])[1] == "INVALID_QUERY_LOCATOR"
    assert all(rig.get(url)["done"] for url in urls[1:])


def test_locators_end_after_two_days_and_belong_to_their_user(rig: Rig) -> None:
    rig.control("POST", "reset", {"leads": 2100, "contacts": 0})
    url = rig.query("SELECT Id FROM Lead")["nextRecordsUrl"]
    assert rig.query("SELECT Id FROM Lead", "queryAll")["nextRecordsUrl"].startswith("/services/data/v59.0/queryAll/")
    assert rig.get(url.replace("/query/", "/queryAll/"))["done"] is True
    assert rig.refused("GET", "query/01g000000000000-2000") == (400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    rig.time.sleep(2 * 86400 + 1)
    del rig.session.headers["Authorization"]
    assert rig.refused("GET", url)[1] == "INVALID_QUERY_LOCATOR"


@pytest.mark.parametrize("place", ["2000x", "%C2%B2", "-1", "2100", "99999999999999999999", ""])
def test_a_locator_of_no_page_is_refused(rig: Rig, place: str) -> None:
    """REST API Developer Guide, "Query More Results"; "²" is a digit to Python and none in a locator."""
    rig.control("POST", "reset", {"leads": 2100, "contacts": 0})
    url = rig.query("SELECT Id FROM Lead")["nextRecordsUrl"].removesuffix("2000")
    assert rig.refused("GET", url + place)[:2] == (400, "INVALID_QUERY_LOCATOR")


def test_a_query_may_be_of_one_s_own_records(rig: Rig) -> None:
    """SOQL and SOSL Reference, "USING SCOPE"."""
    own = rig.create()
    rig.create(OwnerId=rig.records("SELECT Id FROM User WHERE Username = 'sales@example.com'")[0]["Id"])
    assert rig.records("SELECT Id FROM Lead USING SCOPE mine") == [{"Id": own}]
    assert rig.query("SELECT COUNT() FROM Lead USING SCOPE Everything FOR VIEW")["totalSize"] == 2
    assert rig.refused("GET", "query", params={"q": "SELECT Id FROM Lead USING SCOPE team"})[1] == "MALFORMED_QUERY"
