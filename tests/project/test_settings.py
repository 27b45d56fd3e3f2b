"""The settings as a whole, as a process of its own reads them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from marketo.dotenv import new_field_encryption_key, new_secret_key
from syncer.demo.preparation import read_settings

PROJECT = Path(__file__).resolve().parents[2]


def manage(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py with these settings and no others."""
    known = read_settings(PROJECT / ".env.example")
    environment = {name: value for name, value in os.environ.items() if name not in known}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env={**environment, "DJANGO_SETTINGS_MODULE": "marketo.settings", "ENV_FILE": "", **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def keys() -> dict[str, str]:
    return {"SECRET_KEY": new_secret_key(), "FIELD_ENCRYPTION_KEY": new_field_encryption_key()}


SHOW = """
import json
from django.conf import settings
names = "SECURE_SSL_REDIRECT SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE SECURE_HSTS_SECONDS CACHES Q_CLUSTER".split()
print(json.dumps({name: getattr(settings, name) for name in names}))
"""


def shown(**settings: str) -> dict[str, object]:
    """What the settings become."""
    result = manage("shell", "--no-imports", "-v", "0", "-c", SHOW, **settings)
    assert result.returncode == 0, result.stderr
    values: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    return values


def test_production_settings_pass_djangos_deployment_check() -> None:
    result = manage("check", "--deploy", "--fail-level", "WARNING", ALLOWED_HOSTS="marketo.example.com", **keys())
    assert (result.returncode, result.stderr) == (0, "")
    assert "no issues" in result.stdout


def test_a_mistake_is_one_line_for_any_command() -> None:
    for command in ("check", "runsync"):
        result = manage(command)
        assert result.returncode == 1
        assert result.stdout == ""
        assert result.stderr.splitlines() == [
            "Configuration error: SECRET_KEY is not set. Run `make setup`, which writes a new one to .env, or set it in"
            " the environment."
        ]


def test_https_everywhere_is_the_default_and_plain_http_has_to_be_asked_for() -> None:
    secure = shown(ALLOWED_HOSTS="marketo.example.com", **keys())
    assert secure["SECURE_SSL_REDIRECT"] is secure["SESSION_COOKIE_SECURE"] is secure["CSRF_COOKIE_SECURE"] is True
    assert secure["SECURE_HSTS_SECONDS"] == 31_536_000
    plain = shown(PLAIN_HTTP_ON_LOOPBACK="true", **keys())
    assert plain["SECURE_SSL_REDIRECT"] is plain["SESSION_COOKIE_SECURE"] is plain["CSRF_COOKIE_SECURE"] is False
    assert plain["SECURE_HSTS_SECONDS"] == 0


def test_redis_url_switches_queue_and_cache() -> None:
    plain, redis = shown(**keys()), shown(REDIS_URL="redis://127.0.0.1:6379/9", **keys())
    cluster, redis_cluster = plain["Q_CLUSTER"], redis["Q_CLUSTER"]
    assert isinstance(cluster, dict)
    assert isinstance(redis_cluster, dict)
    assert cluster["orm"] == "default"
    assert "redis" not in cluster
    assert redis_cluster["redis"] == "redis://127.0.0.1:6379/9"
    assert "orm" not in redis_cluster
    assert "FileBasedCache" in str(plain["CACHES"])
    assert "RedisCache" in str(redis["CACHES"])


def test_nothing_waits_in_memory_past_its_lock() -> None:
    cluster = shown(**keys())["Q_CLUSTER"]
    assert isinstance(cluster, dict)
    rounds = 1 + -(-(cluster["queue_limit"] + cluster["bulk"]) // cluster["workers"])
    assert cluster["retry"] > cluster["timeout"] * rounds


def test_a_cluster_name_in_the_environment_breaks_no_command() -> None:
    result = manage("check", Q_CLUSTER_NAME="other", **keys())
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["SECRET_KEY", "FIELD_ENCRYPTION_KEY", "DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS"])
def test_the_example_lists_the_setting(name: str) -> None:
    assert name in read_settings(PROJECT / ".env.example")


def test_the_example_lists_every_setting_that_is_read() -> None:
    source = (PROJECT / "marketo" / "settings.py").read_text() + (PROJECT / "marketo" / "environment.py").read_text()
    read = set(re.findall(r'env(?:\.\w+)?\(\s*"([A-Z_]+)"', source)) | set(
        re.findall(r'whole_number\(env, "([A-Z_]+)"', source)
    )
    assert read == set(read_settings(PROJECT / ".env.example"))
