"""The form of a connection asks for what the chosen way to sign in needs, whichever ways there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.forms import model_to_dict
from django.test import Client
from django.urls import reverse

from syncer.admin.connections.form import SyncUserForm
from syncer.models import SyncUser
from syncer.salesforce.signin import check
from syncer.salesforce.ways import Need, SignInWay
from syncer.sync.connection.connect import credentials_of
from tests.admin.pages import words
from tests.support.ways import LOGIN_URL, each_need, each_way

pytestmark = pytest.mark.django_db


def filled(way: SignInWay) -> dict[str, object]:
    """What is posted when everything that the way needs is filled in."""
    entered = {need.name: f"the {need.words}" for need in way.needs}
    chosen = {"name": "Acme", "method": way.name, "login_url": LOGIN_URL, "api_version": way.api_version}
    return {**model_to_dict(SyncUser()), **chosen, **entered}


@each_way
def test_it_shows_what_the_way_needs_and_nothing_else(way: SignInWay) -> None:
    methods = {
        name: str(field.widget.attrs["data-for-methods"]).split()
        for name, field in SyncUserForm().fields.items()
        if "data-for-methods" in field.widget.attrs
    }
    assert {name for name, shown_with in methods.items() if way.name in shown_with} == {n.name for n in way.needs}


@each_need
def test_it_requires_what_the_way_needs(way: SignInWay, need: Need) -> None:
    form = SyncUserForm(filled(way) | {need.name: ""})
    assert form.is_valid() == (need in way.optional)
    if need not in way.optional:
        assert f"still needs: {need.words}." in str(form.errors)


@each_way
def test_what_the_way_needs_is_stored_and_secrets_are_not_in_clear(way: SignInWay) -> None:
    form = SyncUserForm(filled(way))
    assert form.is_valid(), form.errors
    form.take_over(form.instance)
    form.save()
    credentials = credentials_of(SyncUser.objects.get())
    check(credentials)
    assert [credentials[need] for need in way.needs] == [f"the {need.words}" for need in way.needs]
    stored = str(SyncUser.objects.values().get())
    assert not [need.name for need in way.needs if need.secret and f"the {need.words}" in stored]


def test_who_may_only_look_sees_the_way_by_its_label(sync_user: SyncUser, staff: Callable[..., Client]) -> None:
    page = words(staff("view_syncuser").get(reverse("admin:syncer_syncuser_change", args=[sync_user.pk])))
    assert "Sign-in method Client ID and secret (recommended)" in page
