"""``manage.py add_sync_user``: it signs in at once, says what it found, and takes secrets from the environment only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from syncer.models import FieldMapping, SyncUser
from syncer.sync.connection.connect import active_sync_user
from tests.support.salesforce import Time, new_org
from tests.support.server import served

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
