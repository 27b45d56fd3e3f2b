"""Persons that were selected in the list, kept in the session on their way to a page that asks for more.

Ids of persons stay out of addresses: those get into histories and logs, and ten thousand do not fit into one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from syncer.models import Person

SESSION_KEY = "selections"
#: Selections kept for one person at a time, the newest ones: one per open tab, roughly.
KEPT = 3


@dataclass(frozen=True, slots=True)
class Whom:
    """The persons of a page: for one person, ``person``; otherwise a selection of the list by its name."""

    ids: Sequence[int]
    person: Person | None = None
    selected: str = ""

    @property
    def back(self) -> str:
        if self.person is not None:
            return reverse("admin:syncer_person_change", args=[self.person.pk])
        return reverse("admin:syncer_person_changelist")


def keep(request: HttpRequest, person_ids: Sequence[int]) -> str:
    """Remember a selection. Return the name that leads to it."""
    name = secrets.token_urlsafe(9)
    kept = dict(list(_kept(request).items())[-(KEPT - 1) :])
    request.session[SESSION_KEY] = kept | {name: list(person_ids)}
    return name


def find(request: HttpRequest, name: str) -> list[int] | None:
    """The ids of a selection; None when it is not known (any more)."""
    return _kept(request).get(name)


def forget(request: HttpRequest, name: str) -> None:
    """The selection was acted on: a page that is still open can't act on it again."""
    request.session[SESSION_KEY] = {other: ids for other, ids in _kept(request).items() if other != name}


def _kept(request: HttpRequest) -> dict[str, list[int]]:
    kept = request.session.get(SESSION_KEY)
    return kept if isinstance(kept, dict) else {}
