"""Reads and checks what the settings take from the environment.

Every function fails with `ImproperlyConfigured` and one line that names the variable and says what to do, so that
`manage.py` can show that line alone.
"""

from __future__ import annotations

import contextlib
import os
import zoneinfo
from pathlib import Path
from typing import Any

import environ
from cryptography.fernet import Fernet
from django.conf import global_settings
from django.core.exceptions import ImproperlyConfigured

LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

# Without IMMEDIATE, WAL gives "database is locked" by the thousand,
# because a transaction that reads first cannot wait for the write lock. Foreign keys are switched on by Django itself.
SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}


def env_file(base_dir: Path) -> Path | None:
    """The file of settings to read: ENV_FILE if given (empty means none), else `.env`, else the demo's.

    The demo's file counts only where no `.env` is, so that after a bare `make demo` plain `manage.py` commands work on
    the demo's data, and never once the installation has settings of its own.
    """
    named = os.environ.get("ENV_FILE")
    if named is not None:
        if not named.strip():
            return None
        path = base_dir / named
        if not path.is_file():
            raise ImproperlyConfigured(f"ENV_FILE names {named}, which is not a file. Correct or unset it.")
        return path
    for path in (base_dir / ".env", base_dir / ".demo" / "env"):
        if path.is_file():
            return path
    return None


def secret_key(env: environ.Env, *, debug: bool) -> str:
    """SECRET_KEY. While DEBUG is on, and only then, there is a public default."""
    key: str = env.str("SECRET_KEY", default="")
    if not key and debug:
        return "insecure-key-for-development-only-never-used-outside-of-debug"
    if not key:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Run `make setup`, which writes a new one to .env, or set it in the environment."
        )
    return key


def field_encryption_keys(env: environ.Env) -> list[str]:
    """FIELD_ENCRYPTION_KEY as a list of Fernet keys: the first one encrypts, all of them decrypt."""
    keys: list[str] = [key.strip() for key in env.list("FIELD_ENCRYPTION_KEY", default=[]) if key.strip()]
    if not keys:
        raise ImproperlyConfigured(
            "FIELD_ENCRYPTION_KEY is not set. Run `make setup`, which writes a new one to .env, or set it in the"
            " environment to the key that the stored secrets were encrypted with."
        )
    for number, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(
                f"FIELD_ENCRYPTION_KEY: key {number} of {len(keys)} is not a Fernet key (32 bytes, URL-safe base64)."
                " `.venv/bin/python -m marketo.dotenv --new-key` prints a new one."
            ) from None
    return keys


def database(env: environ.Env, base_dir: Path) -> dict[str, Any]:
    """The default database from DATABASE_URL: SQLite (a relative path is beside manage.py) or PostgreSQL."""
    config: dict[str, Any] = {}
    # Looked at before it is parsed, because the parser's own warning shows the whole value, password and all.
    if env.str("DATABASE_URL", default="sqlite:").startswith(("sqlite:", "postgres:", "postgresql:")):
        with contextlib.suppress(ValueError, KeyError, ImproperlyConfigured):
            config = dict(env.db_url("DATABASE_URL", default="sqlite:///db.sqlite3"))
    engine = config.get("ENGINE")
    if engine == "django.db.backends.sqlite3":
        if config["NAME"] != ":memory:":
            config["NAME"] = str(base_dir / config["NAME"])
        config["OPTIONS"] = {**SQLITE_OPTIONS, **config.get("OPTIONS", {})}
        return config
    if engine == "django.db.backends.postgresql":
        config["OPTIONS"] = {"connect_timeout": 10, **config.get("OPTIONS", {})}
        # Web workers keep a connection for ten minutes and ask before each request whether it still lives.
        config.setdefault("CONN_MAX_AGE", 600)
        config["CONN_HEALTH_CHECKS"] = True
        return config
    # The value is not shown: it can carry a password.
    raise ImproperlyConfigured(
        "DATABASE_URL is not understood. Use sqlite:///FILE or postgres://USER:PASSWORD@HOST:PORT/DATABASE"
        " (special characters in the password percent-encoded)."
    )


def redis_url(env: environ.Env) -> str:
    """REDIS_URL, or an empty string when Redis is not used."""
    url: str = env.str("REDIS_URL", default="").strip()
    if url and not url.startswith(("redis://", "rediss://", "unix://")):
        raise ImproperlyConfigured("REDIS_URL is not understood. Use redis://HOST:PORT/NUMBER, or leave it empty.")
    return url


def whole_number(env: environ.Env, name: str, *, default: int, least: int, most: int) -> int:
    """A whole number between `least` and `most`."""
    text: str = env.str(name, default=str(default)).strip()
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise ImproperlyConfigured(f"{name} must be a whole number from {least} to {most}, not {text[:40]!r}.")
    return int(text)


def installation_id(env: environ.Env) -> str:
    """INSTALLATION_ID, any short text of one's own; empty: copies of the database are not noticed."""
    identity: str = env.str("INSTALLATION_ID", default="").strip()
    if len(identity) > 80:
        raise ImproperlyConfigured(f"INSTALLATION_ID has {len(identity)} characters; 80 are the most.")
    return identity


def log_level(env: environ.Env) -> str:
    """LOG_LEVEL, one of Python's level names in any case."""
    level: str = env.str("LOG_LEVEL", default="INFO").strip().upper()
    if level not in LOG_LEVELS:
        raise ImproperlyConfigured(f"LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not {level[:40]!r}.")
    return level


def time_zone(env: environ.Env) -> str:
    """TIME_ZONE, a name of the time zone database."""
    name: str = env.str("TIME_ZONE", default="UTC").strip()
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ImproperlyConfigured(f"TIME_ZONE {name[:40]!r} is unknown. Use a name like Europe/Amsterdam.") from None
    return name


def language(env: environ.Env) -> str:
    """LANGUAGE_CODE, one of the languages that Django speaks."""
    code: str = env.str("LANGUAGE_CODE", default="en-us").strip().lower()
    known = {known_code for known_code, _ in global_settings.LANGUAGES}
    if code not in known and code.split("-")[0] not in known:
        raise ImproperlyConfigured(f"LANGUAGE_CODE {code[:40]!r} is unknown. Use a code like en-us, nl or pt-br.")
    return code


def email(env: environ.Env) -> dict[str, Any]:
    """Django's EMAIL_* settings from EMAIL_URL; messages are printed to the log when it is not given."""
    try:
        return dict(env.email_url("EMAIL_URL", default="consolemail://"))
    except (ValueError, KeyError, ImproperlyConfigured):
        # The value is not shown: it can carry a password.
        raise ImproperlyConfigured(
            "EMAIL_URL is not understood. Use smtp+tls://USER:PASSWORD@HOST:587, or consolemail:// to print messages."
        ) from None


def allowed_hosts(env: environ.Env, *, debug: bool, plain_http: bool) -> list[str]:
    """ALLOWED_HOSTS. Plain http outside DEBUG is for this machine alone, so other names are refused with it."""
    hosts: list[str] = [host.strip() for host in env.list("ALLOWED_HOSTS", default=[]) if host.strip()]
    if not plain_http or debug:
        return hosts
    others = [host for host in hosts if host not in LOOPBACK_HOSTS]
    if others:
        raise ImproperlyConfigured(
            f"ALLOWED_HOSTS has {others[0]!r} while PLAIN_HTTP_ON_LOOPBACK is on, which serves this machine only."
            " Take PLAIN_HTTP_ON_LOOPBACK out to serve over https."
        )
    return hosts or list(LOOPBACK_HOSTS)
