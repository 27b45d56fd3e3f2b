"""The actions on persons that ask for more, in a real browser, with a real worker and the sandbox organisation."""

from __future__ import annotations

import re
from typing import Any

import pytest

from syncer.salesforce.transport import open_session
from tests.browser.conftest import Installation
from tests.browser.test_admin import FLAWS, add_person

pytest.importorskip("playwright", reason="playwright is not installed (make setup installs it for tests)")


def select(page: Any, action: str, *names: str) -> None:
    page.goto("/admin/syncer/person/")
    for name in names:
        page.get_by_role("row").filter(has_text=name).get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option(action)
    page.get_by_role("button", name="Go").click()
    page.wait_for_url(re.compile(r"/admin/syncer/person/selected/[\w-]+/\w+/$"))


#: Colours change over a moment.
SETTLED = "() => Promise.all(document.getAnimations().map((one) => one.finished))"


def no_flaws(page: Any) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("() => new Promise(requestAnimationFrame)")
            page.evaluate(SETTLED)
            assert page.evaluate(FLAWS) == [], f"{page.url} {scheme} {width}"
    page.emulate_media(color_scheme="light")


def campaign(installation: Installation, name: str) -> None:
    statuses = [{"label": "Invited", "default": True}, {"label": "Attended", "responded": True}, {"label": "Away"}]
    body: Any = {"name": name, "statuses": statuses}
    assert open_session(installation.organisation).post(f"{installation.organisation}/sandbox/campaigns", json=body).ok


def test_two_persons_are_synced_with_options_and_deleted_from_sfdc(page: Any, installation: Installation) -> None:
    campaign(installation, "Open day")
    for name in ("Tannenzapfen", "Unterholz"):
        add_person(page, name, f"{name.lower()}@example.com")

    select(page, "Sync Person to SFDC with options…", "Tannenzapfen", "Unterholz")
    assert page.get_by_role("heading", name="2 persons selected").is_visible()
    no_flaws(page)
    # The statuses are those of the campaign, its default first; with the keyboard alone.
    status = page.get_by_label("Member status")
    assert status.is_disabled()
    page.get_by_label("Owner").focus()
    page.keyboard.type("New L")
    page.keyboard.press("Tab")
    page.keyboard.type("Open d")
    assert status.locator("option").all_inner_texts() == ["Invited (the default)", "Attended", "Away"]
    page.keyboard.press("Tab")
    page.keyboard.type("Att")
    page.get_by_role("button", name="Sync to SFDC (2)").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/admin/syncer/person/sync/\d+/$"))
    assert page.get_by_role("status").inner_text() == "Finished: 2 persons."
    said = page.get_by_role("region", name="Progress").inner_text()
    assert "New Leads" in said
    assert "Open day, Attended" in said
    outcomes = page.locator("table.outcomes tbody tr")
    assert [row.split("\t")[1].strip() for row in outcomes.all_inner_texts()] == ["Created"] * 2
    assert "Added to campaign “Open day” as “Attended”." in outcomes.first.inner_text()
    no_flaws(page)

    select(page, "Delete from SFDC…", "Tannenzapfen", "Unterholz")
    assert page.get_by_role("heading", name="2 records will be deleted in Salesforce").is_visible()
    no_flaws(page)
    page.get_by_label("To delete, type the number of records").fill("3")
    page.get_by_role("button", name="Delete 2 from SFDC").click()
    page.get_by_role("alert").get_by_text("Type the number of records, 2").wait_for()
    no_flaws(page)
    page.get_by_label("To delete, type the number of records").fill("2")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/admin/syncer/person/sync/\d+/$"))
    assert page.get_by_text("was deleted in Salesforce. The person stays here.").count() == 2

    # The persons are here, say so, and can get a new lead.
    page.get_by_role("link", name="Unterholz", exact=True).click()
    assert "Deleted in Salesforce" in page.locator(".title-row").inner_text()
    no_flaws(page)
    page.get_by_role("button", name="Create a new lead").click()
    page.locator(".messagelist").get_by_text(re.compile("^Created: Lead")).wait_for()
    assert "In sync" in page.locator(".title-row").inner_text()
    assert re.search(r"Was Lead 00Q\w{15}, .*, now Lead 00Q", page.locator(".former").inner_text())


def test_the_menu_of_a_person_opens_closes_and_leads_on_with_the_keyboard(page: Any) -> None:
    page.goto("/admin/syncer/person/?type=lead")
    page.locator("#result_list tbody th a").first.click()
    more = page.get_by_text("More", exact=True)
    entry = page.get_by_role("link", name="Change owner in SFDC…")
    more.focus()
    page.keyboard.press("Enter")
    assert entry.is_visible()
    no_flaws(page)
    page.keyboard.press("Escape")
    assert not entry.is_visible()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/do/owner/")
    no_flaws(page)


def test_a_run_in_the_background_is_stopped(page: Any, installation: Installation) -> None:
    faults = f"{installation.organisation}/sandbox/faults"
    slow: Any = {"route": "composite", "kind": "delay_ms", "ms": 5000, "times": 2}
    assert open_session(installation.organisation).post(faults, json=slow).ok
    page.goto("/admin/syncer/person/")
    page.get_by_role("checkbox", name=re.compile("Select all")).check()
    page.locator("select[name=action]").select_option("Refresh from Salesforce")
    page.get_by_role("button", name="Go").click()
    page.wait_for_url(re.compile(r"/admin/syncer/person/sync/\d+/$"))
    page.get_by_role("button", name="Stop").click()
    page.get_by_text(re.compile(r"^Stopped by eva\.")).wait_for()
    no_flaws(page)
    assert open_session(installation.organisation).delete(faults).ok
