"""Where the pages offer the actions on persons: in the list, on a person's page, under addresses.

All of it is made from the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse

from syncer.admin.actions import permissions
from syncer.admin.actions.run import at_once_for_one, at_once_for_selected, choose_for_selected
from syncer.models import Person
from syncer.sync.actions.registry import SPECS
from syncer.sync.actions.spec import ActionSpec
from syncer.sync.options import Action

#: What Django's list of persons calls: (model admin, request, persons).
ListAction = Callable[[Any, HttpRequest, QuerySet[Person]], HttpResponse | None]


@dataclass(frozen=True, slots=True)
class Button:
    """What is done at once, on a person's page. ``rest`` of the title is there for who does not see the button."""

    spec: ActionSpec
    url: str

    @property
    def text(self) -> str:
        return self.spec.short or self.spec.title

    @property
    def rest(self) -> str:
        return self.spec.title.removeprefix(self.text)


def list_actions(request: HttpRequest) -> dict[str, tuple[ListAction, str, str]]:
    """The entries of the list: function, name and text, as Django's ``get_actions`` gives them."""
    found = (entry for spec in SPECS.values() if permissions.may(request, spec.action) for entry in _entries(spec))
    return {name: (function, name, text) for function, name, text in found}


def _entries(spec: ActionSpec) -> Iterator[tuple[ListAction, str, str]]:
    if spec.at_once:
        yield _carries_out(spec.action), spec.name, spec.title
    if spec.has_page:
        name = f"{spec.name}_with_options" if spec.at_once else spec.name
        yield _leads_to_page(spec.action), name, f"{spec.page_title}…"


def _carries_out(action: Action) -> ListAction:
    return lambda model_admin, request, persons: at_once_for_selected(request, persons, action)


def _leads_to_page(action: Action) -> ListAction:
    return lambda model_admin, request, persons: choose_for_selected(request, persons, action)


def buttons(request: HttpRequest, person: Person) -> list[Button]:
    """What a person's page does at once."""
    return [
        Button(spec, reverse(f"admin:syncer_person_{spec.action}", args=[person.pk]))
        for spec in _offered(request, person)
        if spec.at_once
    ]


def more(request: HttpRequest, person: Person) -> list[tuple[str, str]]:
    """The entries of the menu *More*: what asks for something first. (name, address)"""
    return [
        (f"{spec.page_title}…", reverse("admin:syncer_person_choose", args=[person.pk, spec.action]))
        for spec in _offered(request, person)
        if spec.has_page
    ]


def _offered(request: HttpRequest, person: Person) -> Iterator[ActionSpec]:
    there = bool(person.sfdc_type) and not person.sfdc_is_deleted
    for spec in SPECS.values():
        if permissions.may(request, spec.action) and (there or not spec.needs_record):
            yield spec


def urls(view: Callable[..., Any]) -> list[URLPattern]:
    """The addresses of what is done at once."""
    return [
        path(
            f"<int:person_id>/{spec.action}/",
            view(at_once_for_one),
            {"action": spec.action},
            name=f"syncer_person_{spec.action}",
        )
        for spec in SPECS.values()
        if spec.at_once
    ]
