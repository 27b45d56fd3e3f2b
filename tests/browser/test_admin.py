"""The admin in a real browser, with a real worker and the sandbox organisation behind it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from simple_salesforce.api import Salesforce

from syncer.salesforce.transport import open_session
from tests.browser.conftest import Installation

pytest.importorskip("playwright", reason="playwright is not installed (make setup installs it for tests)")

#: Every kind of page of ours; ``{}`` stands for the first row of its list.
PAGES = (
    "/admin/",
    "/admin/syncer/person/",
    "/admin/syncer/person/?state=in-sync&type=lead",
    "/admin/syncer/person/?q=nobody-has-this-name",
    "/admin/syncer/person/add/",
    "/admin/syncer/person/{}",
    "/admin/syncer/activitylogentry/",
    "/admin/syncer/activitylogentry/{}",
    "/admin/syncer/conflict/",
    "/admin/syncer/syncrun/",
    "/admin/syncer/syncrun/{}",
    "/admin/syncer/syncuser/",
    "/admin/syncer/syncuser/{}",
    "/admin/syncer/syncuser/add/",
    "/admin/syncer/fieldmapping/",
    "/admin/syncer/fieldmapping/{}",
    "/admin/syncer/fieldmapping/add/",
    "/admin/auth/user/",
)

#: Finds what is wrong with how a page looks.
FLAWS = (Path(__file__).parent / "flaws.js").read_text(encoding="utf-8")


def salesperson(installation: Installation, record_id: str, **values: str) -> None:
    """Edits a record in Salesforce, as somebody there does."""
    session = open_session(installation.organisation)
    token = session.post(
        f"{installation.organisation}/services/oauth2/token",
        data={"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"},
    ).json()
    sales: Any = Salesforce(instance_url=token["instance_url"], session_id=token["access_token"], session=session)
    sales.Lead.update(record_id, values)


def add_person(page: Any, last_name: str, email: str) -> None:
    page.goto("/admin/syncer/person/add/")
    page.get_by_label("Last name").fill(last_name)
    page.get_by_label("Company").fill("Acme")
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/syncer/person/")


def select(page: Any, *names: str) -> None:
    for name in names:
        page.get_by_role("row").filter(has_text=name).get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option("Sync Person to SFDC")
    page.get_by_role("button", name="Go").click()


def test_three_persons_are_sent_and_a_change_there_comes_back(page: Any, installation: Installation) -> None:
    for name in ("Quellwasser", "Rosenholz", "Silberfuchs"):
        add_person(page, name, f"{name.lower()}@example.com")
    select(page, "Quellwasser", "Rosenholz", "Silberfuchs")
    page.wait_for_url(re.compile(r"/admin/syncer/person/sync/\d+/$"))
    assert page.get_by_role("status").inner_text() == "Finished: 3 persons."
    outcomes = page.locator("table.outcomes tbody tr")
    assert [row.split("\t")[1].strip() for row in outcomes.all_inner_texts()] == ["Created"] * 3

    # On the person's page: the record, and what was done by whom.
    page.get_by_role("link", name="Rosenholz", exact=True).click()
    link = page.get_by_role("link", name=re.compile("Lead 00Q"))
    record_id = re.search(r"00Q\w{15}", link.inner_text())
    assert record_id is not None
    assert "Sync Person to SFDC" in page.locator(".timeline").inner_text()

    # Changed on both sides, in different fields: one press brings both across.
    salesperson(installation, record_id[0], Title="Head of Wood")
    page.get_by_label("Phone", exact=True).fill("020-555")
    page.get_by_role("button", name="Save and continue editing").click()
    page.wait_for_load_state()
    assert "Waiting to send" in page.locator(".title-row").inner_text()
    page.get_by_role("button", name="Sync Person to SFDC").click()
    page.wait_for_load_state()
    assert page.get_by_label("Title").input_value() == "Head of Wood"
    assert "In sync" in page.locator(".title-row").inner_text()
    assert "Title: (empty) → Head of Wood" in page.locator(".timeline").inner_text()
    # Times are those of the browser's zone (Tokyo is not the server's).
    assert "JST" in (page.locator(".person-side time").first.get_attribute("title") or "JST")


def test_many_persons_are_synced_by_the_worker_while_the_page_watches(page: Any) -> None:
    page.goto("/admin/syncer/person/")
    page.get_by_role("checkbox", name=re.compile("Select all")).check()
    page.locator("select[name=action]").select_option("Sync Person to SFDC")
    page.get_by_role("button", name="Go").click()
    page.wait_for_url(re.compile(r"/admin/syncer/person/sync/\d+/$"))
    page.get_by_text(re.compile(r"^Finished: \d\d persons\.$")).wait_for(timeout=60_000)
    assert page.locator("table.outcomes tbody tr").count() >= 26


def test_sync_now_from_the_dashboard(page: Any) -> None:
    before = page.locator("table tbody tr").count()
    page.get_by_role("button", name="Sync now").click()
    page.get_by_text("A cycle is asked for").wait_for()
    for _ in range(60):
        if page.locator("table tbody tr").count() > before and "Running" not in page.locator("table").inner_text():
            break
        page.wait_for_timeout(500)
        page.reload()
    assert page.locator("table tbody tr").first.inner_text().split("\t")[1:3] == ["Completed", "eva"]
    page.get_by_role("button", name="Pause").click()
    assert "Paused by eva" in page.locator("#status").inner_text()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("Resumed").wait_for()


def test_the_field_mappings_are_set_and_refreshed_and_one_is_added(page: Any, installation: Installation) -> None:
    page.goto("/admin/syncer/fieldmapping/?q=Fax&object__exact=Lead")
    page.get_by_label("Direction: Lead Fax").select_option("Salesforce → here only")
    page.get_by_label("If both sides changed: Lead Fax").select_option("Salesforce")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("1 field mapping was changed successfully.").wait_for()
    assert page.get_by_label("Direction: Lead Fax").input_value() == "receive"

    url = f"{installation.organisation}/sandbox/fields"
    body: Any = {"object": "Lead", "name": "Browser_Tier__c", "type": "Text", "length": 20}
    assert open_session(installation.organisation).post(url, json=body).ok
    page.get_by_role("button", name="Refresh field list").click()
    # A cycle of the worker that runs at this moment may have read the list first: then nothing is left to change.
    appeared = re.compile(r"Lead: 1 field \(Browser_Tier__c\) appeared\.|Nothing changed: Lead has \d+ fields")
    assert appeared.search(page.locator(".messagelist").inner_text())
    page.goto("/admin/syncer/fieldmapping/?q=Browser_Tier__c")
    page.get_by_label("Direction: Lead Browser Tier").wait_for()

    page.get_by_role("link", name="Add a mapping").click()
    page.get_by_role("link", name="Contact", exact=True).click()
    page.get_by_label("Salesforce field").select_option("CreatedDate")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Added: Contact.CreatedDate ↔ CreatedDate.").wait_for()


def test_a_connection_is_tested_from_its_page(page: Any) -> None:
    page.goto("/admin/syncer/syncuser/")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("button", name="Test connection").click()
    page.get_by_role("button", name="Test again").wait_for()
    assert page.get_by_role("heading", name="Leads to").is_visible()
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(FLAWS) == []


def test_every_page_can_be_read_in_light_and_dark_on_a_desk_and_on_a_phone(page: Any) -> None:
    urls = []
    for url in PAGES:
        if url.endswith("{}"):
            page.goto(url.removesuffix("{}"))
            url = page.locator("#result_list tbody th a").first.get_attribute("href")
        urls.append(url)
    flaws = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            for url in urls:
                assert page.goto(url).status == 200, url
                if found := page.evaluate(FLAWS):
                    flaws[f"{url} {scheme} {width}"] = found
    assert flaws == {}


def test_the_menu_of_a_phone_opens_and_closes_with_the_keyboard(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    button, menu = page.get_by_role("button", name="Menu"), page.get_by_role("navigation", name="Main")
    assert not menu.is_visible()
    button.focus()
    page.keyboard.press("Enter")
    assert menu.is_visible()
    assert button.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert not menu.is_visible()
