"""Each setting that is read from the environment: what it becomes, and the one line that refuses it."""

from __future__ import annotations

import warnings
from pathlib import Path

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from marketo import environment
from marketo.dotenv import new_field_encryption_key

BASE = Path("/srv/app")


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> environ.Env:
    for name in ("SECRET_KEY", "FIELD_ENCRYPTION_KEY", "DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    return environ.Env()


def test_secret_key_is_required_outside_debug(env: environ.Env) -> None:
    with pytest.raises(ImproperlyConfigured, match="make setup"):
        environment.secret_key(env, debug=False)
    assert environment.secret_key(env, debug=True)


def test_encryption_key_is_required_even_in_debug(env: environ.Env) -> None:
    with pytest.raises(ImproperlyConfigured, match="FIELD_ENCRYPTION_KEY is not set"):
        environment.field_encryption_keys(env)


def test_several_encryption_keys_keep_their_order(env: environ.Env, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [new_field_encryption_key(), new_field_encryption_key()]
    monkeypatch.setenv("FIELD_ENCRYPTION_KEY", f" {keys[0]} , {keys[1]},")
    assert environment.field_encryption_keys(env) == keys


@pytest.mark.parametrize("bad", ["short", "Zm9v", "*" * 44, "é" * 44])
def test_a_wrong_encryption_key_is_named_by_its_place_and_not_shown(
    env: environ.Env, monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    monkeypatch.setenv("FIELD_ENCRYPTION_KEY", f"{new_field_encryption_key()},{bad}")
    with pytest.raises(ImproperlyConfigured, match="key 2 of 2") as caught:
        environment.field_encryption_keys(env)
    assert bad not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (None, "/srv/app/db.sqlite3"),
        ("sqlite:///data/x.sqlite3", "/srv/app/data/x.sqlite3"),
        ("sqlite:////var/x.sqlite3", "/var/x.sqlite3"),
        ("sqlite://:memory:", ":memory:"),
    ],
)
def test_sqlite_is_tuned_and_a_relative_path_is_beside_manage_py(
    env: environ.Env, monkeypatch: pytest.MonkeyPatch, url: str | None, name: str
) -> None:
    if url:
        monkeypatch.setenv("DATABASE_URL", url)
    config = environment.database(env, BASE)
    assert config["NAME"] == name
    assert config["OPTIONS"] == {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }


def test_postgresql_connections_are_kept_and_checked(env: environ.Env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://app:p%40ss@db.example.com:5433/marketo?sslmode=require")
    config = environment.database(env, BASE)
    assert (config["HOST"], config["PORT"], config["PASSWORD"]) == ("db.example.com", 5433, "p@ss")
    assert config["CONN_MAX_AGE"] == 600
    assert config["CONN_HEALTH_CHECKS"] is True
    assert config["OPTIONS"] == {"connect_timeout": 10, "sslmode": "require"}


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/d", "hunter2", "postgres://u:hunter2@h:port/d", "sqlite"])
def test_another_database_is_refused_without_showing_the_password(
    env: environ.Env, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with warnings.catch_warnings(record=True) as shown, pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as e:
        environment.database(env, BASE)
    assert "hunter2" not in str(e.value)
    assert not shown


@pytest.mark.parametrize("value", ["", "0", "-1", "1441", "five", "5.5", "٥"])
def test_a_wait_that_makes_no_sense_is_refused(env: environ.Env, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SYNC_INTERVAL_MINUTES", value)
    with pytest.raises(ImproperlyConfigured, match="whole number from 1 to 1440"):
        environment.whole_number(env, "SYNC_INTERVAL_MINUTES", default=5, least=1, most=1440)


def test_an_installation_id_is_short_and_may_be_missing(env: environ.Env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INSTALLATION_ID", raising=False)
    assert environment.installation_id(env) == ""
    monkeypatch.setenv("INSTALLATION_ID", f" {'x' * 80} ")
    assert environment.installation_id(env) == "x" * 80
    monkeypatch.setenv("INSTALLATION_ID", "x" * 81)
    with pytest.raises(ImproperlyConfigured, match="INSTALLATION_ID has 81 characters"):
        environment.installation_id(env)


def test_plain_http_serves_loopback_names_only(env: environ.Env, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.allowed_hosts(env, debug=False, plain_http=True) == ["localhost", "127.0.0.1", "[::1]"]
    monkeypatch.setenv("ALLOWED_HOSTS", "localhost,marketo.example.com")
    assert environment.allowed_hosts(env, debug=False, plain_http=False) == ["localhost", "marketo.example.com"]
    with pytest.raises(ImproperlyConfigured, match=r"'marketo\.example\.com' while PLAIN_HTTP_ON_LOOPBACK is on"):
        environment.allowed_hosts(env, debug=False, plain_http=True)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("TIME_ZONE", "Mars/Olympus", environment.time_zone),
        ("TIME_ZONE", "../../etc/passwd", environment.time_zone),
        ("LANGUAGE_CODE", "xx", environment.language),
        ("LOG_LEVEL", "loud", environment.log_level),
        ("REDIS_URL", "localhost:6379", environment.redis_url),
        ("EMAIL_URL", "pigeon://roof", environment.email),
    ],
)
def test_an_unknown_value_is_refused_by_the_name_of_its_setting(
    env: environ.Env, monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: object
) -> None:
    assert callable(read)
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=name):
        read(env)


def test_the_file_of_settings_is_env_then_the_demos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENV_FILE", raising=False)
    assert environment.env_file(tmp_path) is None
    (tmp_path / ".demo").mkdir()
    (tmp_path / ".demo" / "env").touch()
    assert environment.env_file(tmp_path) == tmp_path / ".demo" / "env"
    (tmp_path / ".env").touch()
    assert environment.env_file(tmp_path) == tmp_path / ".env"
    monkeypatch.setenv("ENV_FILE", "")
    assert environment.env_file(tmp_path) is None
    monkeypatch.setenv("ENV_FILE", "other")
    with pytest.raises(ImproperlyConfigured, match="ENV_FILE names other"):
        environment.env_file(tmp_path)
