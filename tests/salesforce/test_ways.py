"""The registry of ways to sign in: what is missing is named, and what is given is not shown."""

from __future__ import annotations

import pytest

from syncer.salesforce.errors import ConfigurationError
from syncer.salesforce.signin import check
from syncer.salesforce.ways import NEEDS, Credentials, Need, SignInWay
from tests.support.ways import LOGIN_URL, each_need, each_way


def complete(way: SignInWay) -> Credentials:
    given = {need.name: f"the-{need.name}" for need in way.needs}
    return Credentials(way.name, LOGIN_URL, given, way.api_version)


@each_way
def test_what_a_way_needs_is_enough(way: SignInWay) -> None:
    check(complete(way))


@each_need
def test_what_is_missing_is_named(way: SignInWay, need: Need) -> None:
    lacking = Credentials(way.name, LOGIN_URL, {**complete(way).given, need.name: " "}, way.api_version)
    if need in way.optional:
        check(lacking)
    else:
        with pytest.raises(ConfigurationError, match=f"still needs: {need.words}\\.$"):
            check(lacking)


@each_way
def test_what_is_given_is_not_shown(way: SignInWay) -> None:
    assert "the-" not in repr(complete(way))


@each_way
def test_secrets_of_a_way_are_known_to_be_secret(way: SignInWay) -> None:
    secrets = {"client_secret", "private_key", "password", "security_token"}
    assert set(complete(way).secrets) == {f"the-{need.name}" for need in way.needs if need.name in secrets}


def test_a_need_that_is_not_secret_is_known_here() -> None:
    """A further need is a secret, or gets its name here: what is not secret is shown in messages."""
    assert {need.name for need in NEEDS if not need.secret} == {"client_id", "username"}


@each_way
def test_what_may_be_left_out_is_one_of_the_needs(way: SignInWay) -> None:
    assert way.optional <= set(way.needs)


def test_two_needs_never_share_a_name() -> None:
    assert len({need.name for need in NEEDS}) == len(NEEDS)
