"""``manage.py add_sync_user``: it signs in at once, says what it found, and takes secrets from the environment only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from syncer.models import FieldMapping, SyncUser
from syncer.salesforce.ways import Credentials, Need, SignInWay
from syncer.sync.connection.connect import active_sync_user, credentials_of
from tests.support.salesforce import Time, new_org
from tests.support.server import served
from tests.support.ways import LOGIN_URL, each_need, each_way

pytestmark = pytest.mark.django_db

SECRETS = {"SALESFORCE_CLIENT_ID": "sandbox-client", "SALESFORCE_CLIENT_SECRET": "sandbox-secret"}


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where an organisation answers; the environment holds the secrets for it."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    org = new_org(Time())
    with served(org) as url:
        yield url
    org.close()


def test_it_signs_in_at_once_and_says_what_it_found(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("add_sync_user", "Acme", "--login-url", address)
    out = capsys.readouterr().out
    sync_user = active_sync_user()
    assert f"({sync_user.organisation_id}) as sync@example.com." in out
    leads = FieldMapping.objects.filter(object="Lead", readable=True).count()
    assert f"Lead: {leads} fields mapped" in out
    assert "a create happens at most once" in out


def test_a_second_connection_takes_over_and_says_so(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("add_sync_user", "Acme", "--login-url", address)
    capsys.readouterr()
    call_command("add_sync_user", "Acme again", "--login-url", address)
    assert "“Acme” is no longer the active connection" in capsys.readouterr().out
    assert active_sync_user().name == "Acme again"
    call_command("add_sync_user", "Acme again", "--login-url", address)
    assert "no longer the active connection" not in capsys.readouterr().out


def test_a_refused_sign_in_changes_nothing(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("add_sync_user", "Acme", "--login-url", address)
    kept = SyncUser.objects.values().get()
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", "wrong")
    with pytest.raises(SystemExit):
        call_command("add_sync_user", "Acme", "--login-url", address)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("Not connected, and nothing was changed: ")
    assert "wrong" not in line
    assert SyncUser.objects.values().get() == kept


def test_a_secret_is_not_taken_from_the_command_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALESFORCE_CLIENT_SECRET")
    with pytest.raises(CommandError, match="unrecognized arguments"):
        call_command("add_sync_user", "Acme", "--login-url", address, "--client-secret", "sandbox-secret")
    with pytest.raises(CommandError, match="SALESFORCE_CLIENT_SECRET is not set"):
        call_command("add_sync_user", "Acme", "--login-url", address)
    assert not SyncUser.objects.exists()


class Enough(Exception):
    """Everything was asked for."""


def call(way: SignInWay, **options: str) -> None:
    call_command("add_sync_user", "Acme", "--method", way.name, "--login-url", LOGIN_URL, **options)


@each_way
def test_it_asks_for_what_the_way_needs(way: SignInWay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def ask(question: str) -> str:
        questions.append(question)
        return f"the {question}"

    def used(sync_user: SyncUser, *_: object, **__: object) -> None:
        credentials.append(credentials_of(sync_user))
        raise Enough

    questions: list[str] = []
    credentials: list[Credentials] = []
    monkeypatch.setattr("getpass.getpass", ask)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("syncer.management.commands.add_sync_user.connect", used)
    (tmp_path / "key").write_text("the file's text")
    expected = {}
    for need in way.needs:
        monkeypatch.delenv(need.variable, raising=False)
        question = f"{need.words.capitalize()} ({need.variable} is not set): "
        expected[need] = f"the {question}" if need.encrypted else f"the {need.words}"
        if need.in_file:
            monkeypatch.setenv(need.variable, str(tmp_path / "key"))
            expected[need] = "the file's text"
    with pytest.raises(Enough):
        call(way, **{need.name: expected[need] for need in way.needs if not need.encrypted})
    assert {need: credentials[0][need] for need in way.needs} == expected
    assert len(questions) == sum(need.encrypted and not need.in_file for need in way.needs)


@each_need
def test_it_does_not_go_on_without_what_the_way_needs(
    way: SignInWay, need: Need, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in way.needs:
        monkeypatch.setenv(other.variable, __file__)
    monkeypatch.delenv(need.variable)
    options = {other.name: "x" for other in way.needs if not other.encrypted and other != need}
    if need in way.optional:
        monkeypatch.setattr("syncer.management.commands.add_sync_user.connect", raises(Enough))
        with pytest.raises(Enough):
            call(way, **options)
    elif need.encrypted:
        with pytest.raises(CommandError, match=f"^{need.variable} is not set"):
            call(way, **options)
    else:
        with pytest.raises(SystemExit):
            call(way, **options)
        assert f"still needs: {need.words}." in capsys.readouterr().err
    assert not SyncUser.objects.exists()


def raises(error: type[Exception]) -> Callable[..., None]:
    def function(*_: object, **__: object) -> None:
        raise error

    return function
