"""The registry of actions on persons: each is whole, and the pages can offer all of it."""

from __future__ import annotations

from dataclasses import fields

import pytest
from django.contrib.auth.models import Permission

from syncer.roles import ROLES
from syncer.sync.actions.registry import SPECS
from syncer.sync.actions.spec import ActionSpec
from syncer.sync.options import Action, Ask, SyncOptions


def test_every_action_has_a_spec_and_the_pages_offer_them_in_their_order() -> None:
    assert list(SPECS) == list(Action)
    assert all(spec.action is action for action, spec in SPECS.items())


def test_no_two_actions_share_a_name_or_a_title() -> None:
    for what in ("name", "title", "page_title"):
        assert len({getattr(spec, what) for spec in SPECS.values()}) == len(SPECS), what


@pytest.mark.django_db
def test_every_permission_is_there_and_some_role_has_it() -> None:
    for spec in SPECS.values():
        label, codename = spec.permission.split(".")
        assert Permission.objects.filter(content_type__app_label=label, codename=codename).exists(), spec.title
        assert any(codename in codenames for codenames in ROLES.values()), spec.title


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_what_an_action_shows_is_complete(spec: ActionSpec) -> None:
    assert spec.needs <= spec.asks
    assert spec.at_once or spec.has_page
    assert spec.title.startswith(spec.short)
    # The page that has the number of records typed has buttons of its own.
    assert bool(spec.button) == (spec.has_page and Ask.NUMBER_OF_RECORDS not in spec.asks)


def test_what_is_asked_is_an_option_of_an_action() -> None:
    options = {field.name for field in fields(SyncOptions)}
    assert {str(ask) for ask in Ask} - options == {str(Ask.NUMBER_OF_RECORDS)}


def test_an_action_that_makes_a_record_first_is_for_persons_without_one() -> None:
    for spec in SPECS.values():
        assert not (spec.makes_record_first and spec.needs_record), spec.title
        assert spec.writes or not spec.makes_record_first, spec.title


def test_an_action_that_is_stored_is_found_again() -> None:
    for action in Action:
        assert SyncOptions.from_dict({"action": action.value}).action is action
        assert SPECS[SyncOptions(action=action).action].action is action
