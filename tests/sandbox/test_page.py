"""The organisation in a browser."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from sandbox.page.tries import TRIES, Try
from tests.sandbox.conftest import Rig


def _get(rig: Rig, path: str) -> str:
    answer = rig.session.get(f"{rig.url}/{path}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    return str(answer.text)


def _form(rig: Rig, record_id: str) -> dict[str, str]:
    """What a browser would send from the record's form, unchanged."""
    page = _get(rig, record_id)
    page = page[page.index(f'action="/{record_id}/save"') :]
    page = page[: page.index("</form>")]
    form: dict[str, str] = {}
    for tag in re.findall(r"<input [^>]*>", page):
        found = dict(
            re.findall(
                r'(\w+)="([^"]*)"', tag.replace("type=hidden", 'type="hidden"').replace("name=token", 'name="token"')
            )
        )
        if found.get("type") == "checkbox" and " checked" not in tag:
            continue
        form[unescape(found["name"]) if "name" in found else "was"] = unescape(found.get("value", ""))
    for name, value in re.findall(r'<input type="hidden" name="(was:\w+)" value="([^"]*)">', page):
        form[name] = unescape(value)
    for name, text in re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL):
        form[name] = unescape(text)
    for name, options in re.findall(r'<select [^>]*name="(\w+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected>', options)
        form[name] = unescape(chosen[1]) if chosen else ""
    return form


def _post(rig: Rig, record_id: str, action: str, form: dict[str, str], **kwargs: Any) -> Any:
    return rig.session.post(f"{rig.url}/{record_id}/{action}", data=form, allow_redirects=False, **kwargs)


def test_it_says_what_it_is_and_lists_leads(rig: Rig) -> None:
    rig.create(FirstName="Ada", Email="ada@x.example")
    page = _get(rig, "")
    assert "Local Salesforce sandbox" in page
    assert "Not the real Salesforce" in page
    assert "Ada Lovelace" in page
    assert "ada@x.example" in page


def test_lists_are_searched_and_paged(rig: Rig) -> None:
    rig.control("POST", "reset", {"leads": 60, "contacts": 30})
    rig.create(LastName="100%_sure")
    assert "1–25 of 61" in _get(rig, "leads")
    assert "51–61 of 61" in _get(rig, "leads?from=50")
    found = _get(rig, "leads?q=100%25_s")
    assert "1–1 of 1" in found
    assert "100%_sure" in found
    assert "Nothing found." in _get(rig, "leads?q=%25%25%25")
    assert "1–25 of 30" in _get(rig, "contacts")


def test_a_record_is_saved_as_the_second_user_without_assignment_rules(rig: Rig) -> None:
    lead = rig.create(FirstName="Ada", Title="Countess", Notes__c="line one\nline two", Newsletter__c=True)
    rig.time.sleep(60)
    form = _form(rig, lead)
    answer = _post(rig, lead, "save", {**form, "Title": "Analyst"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/{lead}?said=saved")
    record = rig.read(lead)
    users = {row["Username"]: row["Id"] for row in rig.records("SELECT Id, Username FROM User")}
    assert (record["Title"], record["Notes__c"], record["Newsletter__c"]) == ("Analyst", "line one\nline two", True)
    assert record["LastModifiedById"] == users["sales@example.com"]
    assert record["OwnerId"] == users["sync@example.com"]
    assert record["SystemModstamp"] == "2026-11-02T09:31:00.000+0000"


def test_an_unchanged_form_saves_nothing(rig: Rig) -> None:
    lead = rig.create(Budget__c=12.5, Last_Visit__c="2026-01-02T03:04:05Z", Newsletter__c=True, AnnualRevenue=1000)
    before = rig.read(lead)
    rig.time.sleep(60)
    assert _post(rig, lead, "save", _form(rig, lead)).headers["Location"].endswith("said=same")
    assert rig.read(lead) == before


def test_a_field_that_the_form_did_not_have_is_left_alone(rig: Rig) -> None:
    lead = rig.create(Title="T", Phone="1", Newsletter__c=True)
    _post(rig, lead, "save", {"token": _form(rig, lead)["token"], "Phone": "2"})
    record = rig.read(lead)
    assert (record["Title"], record["Phone"], record["Newsletter__c"]) == ("T", "2", True)


def test_only_what_was_changed_here_is_saved(rig: Rig) -> None:
    lead = rig.create(Title="old", Phone="1")
    form = _form(rig, lead)
    rig.call("PATCH", f"sobjects/Lead/{lead}", json={"Phone": "2"}, headers={"Sforce-Auto-Assign": "FALSE"})
    _post(rig, lead, "save", {**form, "Title": "new"})
    record = rig.read(lead)
    assert (record["Title"], record["Phone"]) == ("new", "2")


def test_a_refusal_is_shown_beside_the_field_and_keeps_what_was_typed(rig: Rig) -> None:
    lead = rig.create()
    answer = _post(rig, lead, "save", {**_form(rig, lead), "Email": "not an address", "Title": "<typed>"})
    assert answer.status_code == 400
    assert "Email: invalid email address: not an address" in answer.text
    assert 'id="Email-error"' in answer.text
    assert 'aria-describedby="Email-error"' in answer.text
    assert 'value="&lt;typed&gt;"' in answer.text
    assert rig.read(lead)["Title"] is None


def test_a_validation_rule_speaks_on_the_page(rig: Rig) -> None:
    rig.control("POST", "rules", {"object": "Lead", "name": "r", "when": "Title = 'x'", "message": "Not that title."})
    lead = rig.create()
    assert "Not that title." in _post(rig, lead, "save", {**_form(rig, lead), "Title": "x"}).text


@pytest.mark.parametrize("form", [{}, {"token": "x"}])
def test_a_form_of_another_page_is_refused(rig: Rig, form: dict[str, str]) -> None:
    lead = rig.create()
    assert _post(rig, lead, "save", {**form, "Title": "x"}).status_code == 403
    assert rig.read(lead)["Title"] is None


def test_a_form_from_another_origin_is_refused(rig: Rig) -> None:
    lead = rig.create()
    form = {**_form(rig, lead), "Title": "x"}
    assert _post(rig, lead, "save", form, headers={"Origin": "https://evil.example"}).status_code == 403
    assert _post(rig, lead, "save", form, headers={"Origin": rig.url}).status_code == 303


def test_the_buttons_convert_delete_restore_and_purge(rig: Rig) -> None:
    lead, other = rig.create(), rig.create()
    token = {"token": _form(rig, lead)["token"]}
    assert _post(rig, lead, "convert", token).headers["Location"].endswith("said=converted")
    assert rig.read(lead)["IsConverted"] is True
    assert "Converted to" in _get(rig, lead)
    token = {"token": _form(rig, other)["token"]}
    _post(rig, other, "delete", token)
    assert rig.refused("GET", f"sobjects/Lead/{other}")[1] == "ENTITY_IS_DELETED"
    assert other in _get(rig, "leads?bin=1")
    _post(rig, other, "undelete", token)
    rig.read(other)
    _post(rig, other, "delete", token)
    assert _post(rig, other, "purge", token).headers["Location"].startswith("/leads")
    assert rig.session.get(f"{rig.url}/{other}").status_code == 404


def test_records_are_merged_by_id(rig: Rig) -> None:
    winner, loser = rig.create(), rig.create()
    token = {"token": _form(rig, winner)["token"]}
    _post(rig, winner, "merge", {**token, "loser": loser[:15]})
    assert rig.records("SELECT MasterRecordId FROM Lead WHERE IsDeleted = true", "queryAll") == [
        {"MasterRecordId": winner}
    ]
    refused = _post(rig, winner, "merge", {**token, "loser": "nonsense"})
    assert "malformed id nonsense" in refused.text


def test_hostile_values_are_shown_as_text(rig: Rig) -> None:
    lead = rig.create(LastName='<script>alert("x")</script>', Notes__c="</textarea><b>")
    for page in (_get(rig, ""), _get(rig, lead), _get(rig, "leads?q=<script>")):
        assert "<script>" not in page
        assert "</textarea><b>" not in page


def test_every_control_has_a_label(rig: Rig) -> None:
    page = _get(rig, rig.create())
    ids = set(re.findall(r'<(?:input|select|textarea)[^>]*? id="?(\w+)', page))
    assert ids == set(re.findall(r'<label for="?(\w+)', page))


@pytest.mark.parametrize("path", ["nothing", "00Q000000000001", "001000000000001AAA", "leads/x"])
def test_other_paths_are_not_found(rig: Rig, path: str) -> None:
    answer = rig.session.get(f"{rig.url}/{path}")
    assert answer.status_code == 404
    assert answer.json()[0]["errorCode"] == "NOT_FOUND"


def test_a_record_shows_its_account_and_campaigns(rig: Rig) -> None:
    account = rig.call("POST", "sobjects/Account", json={"Name": "Acme & Sons"}).json()["id"]
    contact = rig.create("Contact", AccountId=account)
    assert "<dt>Campaigns" not in _get(rig, contact)
    campaign = rig.control("POST", "campaigns", {"name": "Autumn <Webinar>"})["id"]
    rig.call("POST", "sobjects/CampaignMember", json={"CampaignId": campaign, "ContactId": contact})
    page = _get(rig, contact)
    assert "<dt>Account</dt><dd>Acme &amp; Sons</dd>" in page
    assert "<dt>Campaigns</dt><dd>Autumn &lt;Webinar&gt; (Sent)</dd>" in page


def test_the_owner_is_changed_to_a_user_or_a_queue(rig: Rig) -> None:
    queue = rig.control("POST", "queues", {"name": "Partner Leads"})["id"]
    rig.control("POST", "users", {"username": "gone@example.com", "last_name": "Gone", "active": False})
    lead, contact = rig.create(), rig.create("Contact")
    page = _get(rig, lead)
    assert [text for text in ("Partner Leads", "New Leads", "Sally Sales", "Gone") if f">{text}</option>" in page] == [
        "Partner Leads",
        "New Leads",
        "Sally Sales",
    ]
    assert ">Partner Leads</option>" not in _get(rig, contact)
    form = {"token": _form(rig, lead)["token"], "owner": queue}
    assert _post(rig, lead, "owner", form).headers["Location"] == f"/{lead}?said=saved"
    assert rig.read(lead)["OwnerId"] == queue
    form = {"token": _form(rig, contact)["token"], "owner": queue}
    refused = _post(rig, contact, "owner", form)
    assert refused.status_code == 400
    assert "Owner ID: id value of incorrect type" in refused.text


# The panel Try


def _switch(rig: Rig, key: str, to: str = "on", **form: str) -> Any:
    page = _get(rig, "try")
    found = re.search(r'name=token value="([^"]+)"', page)
    assert found
    return rig.session.post(f"{rig.url}/try/{key}/{to}", data={"token": found[1], **form}, allow_redirects=False)


@pytest.mark.parametrize("entry", TRIES, ids=lambda entry: entry.key)
def test_what_can_be_tried_can_be_switched_on_and_off_again(rig: Rig, entry: Try) -> None:
    rig.create()
    before = rig.org.settings.dumps()
    fields = {name: list(item.fields.values()) for name, item in rig.org.catalog.objects.items()}
    answer = _switch(rig, entry.key)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/try?said={entry.key}")
    page = _get(rig, f"try?said={entry.key}")
    assert f"Done: {entry.title}." in unescape(page)
    assert (f'action="/try/{entry.key}/off"' in page) is bool(entry.off)
    if entry.off:
        assert _switch(rig, entry.key, "off").status_code == 303
        assert {name: list(item.fields.values()) for name, item in rig.org.catalog.objects.items()} == fields
        assert rig.org.faults.planned == []
        after = rig.org.settings
        after.field_order, after.private = {}, {}
        assert after.dumps() == before


def test_what_is_tried_happens(rig: Rig) -> None:
    lead = rig.create()
    _switch(rig, "refusal")
    assert rig.refused("PATCH", f"sobjects/Lead/{lead}", json={"Title": "T"})[0] == 400
    _switch(rig, "complicated")
    assert rig.refused("GET", "query", params={"q": "SELECT Territory__c FROM Lead"})[1] == "QUERY_TOO_COMPLICATED"
    _switch(rig, "emoji")
    assert b"\\ud83d" in rig.call("GET", f"sobjects/Lead/{lead}").content
    _switch(rig, "date")
    assert rig.call("GET", "limits").headers["Date"] == "Mon, 02 Nov 2026 11:30:00 GMT"
    _switch(rig, "moved")
    assert rig.call("GET", "limits").status_code == 404
    _switch(rig, "password")
    client = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    assert rig.session.post(f"{rig.url}/services/oauth2/token", data=client).status_code == 400


def test_the_panel_says_why_something_cannot_be_tried(rig: Rig) -> None:
    answer = _switch(rig, "emoji")
    assert (answer.status_code, "There is no lead yet." in answer.text) == (400, True)
    for key, to in (("nothing", "on"), ("moved", "off"), ("rule", "sideways")):
        assert _switch(rig, key, to).status_code == 404
    assert rig.session.post(f"{rig.url}/try/rule/on", data={"token": "x"}).status_code == 403
    assert rig.session.get(f"{rig.url}/try/rule/on").status_code == 404
