"""What the registry says of an action is what the pages offer: in the list, on a person's page, to whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from syncer.models import Person, SyncUser
from syncer.sync.actions.registry import SPECS
from syncer.sync.actions.spec import ActionSpec
from syncer.sync.options import Action
from tests.admin.conftest import connected, in_salesforce
from tests.admin.pages import words

Staff = Callable[..., Client]
EVERY = list(SPECS.values())
WITH_PAGE = [spec for spec in EVERY if spec.has_page]
AT_ONCE = [spec for spec in EVERY if spec.at_once]


def permission(spec: ActionSpec) -> str:
    return spec.permission.removeprefix("syncer.")


@pytest.fixture
def anna(db: None, organisation: dict[str, str]) -> Person:
    return in_salesforce(Person.objects.create(last_name="Berg", first_name="Anna", company="Acme"))


@pytest.fixture
def sync_user(db: None, organisation: dict[str, str]) -> SyncUser:
    return connected(organisation)


@pytest.mark.parametrize("spec", WITH_PAGE, ids=lambda spec: spec.name)
def test_the_page_of_an_action_opens_for_whoever_may_run_it_and_for_nobody_else(
    staff: Staff, sync_user: SyncUser, anna: Person, spec: ActionSpec
) -> None:
    url = reverse("admin:syncer_person_choose", args=[anna.pk, spec.action])
    page = staff("view_person", permission(spec)).get(url)
    assert page.status_code == 200
    assert page.context["title"] == spec.page_title
    assert spec.button in words(page)
    others = {permission(other) for other in EVERY} - {permission(spec)}
    assert staff("view_person", *others).get(url).status_code == 403


def test_an_action_without_questions_has_no_page(admin: Client, anna: Person) -> None:
    for spec in EVERY:
        if not spec.has_page:
            assert admin.get(reverse("admin:syncer_person_choose", args=[anna.pk, spec.action])).status_code == 404
    assert admin.get(reverse("admin:syncer_person_choose", args=[anna.pk, "nonsense"])).status_code == 404


@pytest.mark.parametrize("spec", AT_ONCE, ids=lambda spec: spec.name)
def test_what_is_done_at_once_takes_post_and_its_permission(
    staff: Staff, admin: Client, anna: Person, spec: ActionSpec
) -> None:
    url = reverse(f"admin:syncer_person_{spec.action}", args=[anna.pk])
    others = {permission(other) for other in EVERY} - {permission(spec)}
    assert staff("view_person", *others).post(url).status_code == 403
    assert admin.get(url).status_code == 405


def offered(client: Client) -> list[tuple[str, str]]:
    page = client.get(reverse("admin:syncer_person_changelist"))
    form = page.context.get("action_form")
    return [] if form is None else [choice for choice in form.fields["action"].choices if choice[0]]


def test_the_list_offers_the_actions_by_these_names_in_this_order(admin: Client, anna: Person) -> None:
    known = [
        ("sync_person", "Sync Person to SFDC"),
        ("sync_person_with_options", "Sync Person to SFDC with options…"),
        ("refresh_person", "Refresh from Salesforce"),
        ("change_owner", "Change owner in SFDC…"),
        ("add_to_campaign", "Add to SFDC campaign…"),
        ("delete_from_sfdc", "Delete from SFDC…"),
    ]
    found = offered(admin)
    assert [choice for choice in found if choice in known] == known
    titles = {text.removesuffix("…") for _, text in found}
    assert {spec.page_title if spec.has_page else spec.title for spec in EVERY} <= titles


def test_the_list_offers_only_what_somebody_may_run(staff: Staff, anna: Person) -> None:
    assert offered(staff("view_person")) == []
    assert offered(staff("view_person", "delete_from_sfdc")) == [("delete_from_sfdc", "Delete from SFDC…")]
    names = [name for name, _ in offered(staff("view_person", "sync_person"))]
    assert "refresh_person" in names
    assert "delete_from_sfdc" not in names


def test_a_persons_page_has_the_buttons_of_the_registry(admin: Client, anna: Person) -> None:
    page = admin.get(reverse("admin:syncer_person_change", args=[anna.pk]))
    assert [button.spec for button in page.context["buttons"]] == AT_ONCE
    assert [name for name, _ in page.context["more"]] == [f"{spec.page_title}…" for spec in WITH_PAGE]


def test_whoever_has_no_record_is_not_offered_what_needs_one(admin: Client, db: None) -> None:
    nobody = Person.objects.create(last_name="Ode")
    page = admin.get(reverse("admin:syncer_person_change", args=[nobody.pk]))
    assert [button.spec.action for button in page.context["buttons"]] == [Action.SYNC]
    assert not any(spec.page_title in name for spec in EVERY if spec.needs_record for name, _ in page.context["more"])


def test_a_page_without_anything_to_press_shows_no_buttons(staff: Staff, anna: Person) -> None:
    page = staff("view_person").get(reverse("admin:syncer_person_change", args=[anna.pk]))
    assert (page.context["buttons"], page.context["more"]) == ([], [])
