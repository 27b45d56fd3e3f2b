"""On PostgreSQL, a role that owns its database is all that an installation needs."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from marketo.dotenv import new_field_encryption_key, new_secret_key

PROJECT = Path(__file__).resolve().parents[2]
SERVER = os.environ.get("TEST_DATABASE_URL", "")


@pytest.fixture
def of_a_plain_role() -> Iterator[str]:
    """The address of an empty database, for the role that owns it and may do nothing else."""
    name, password = f"marketo_{secrets.token_hex(4)}", secrets.token_hex(8)
    with psycopg.connect(SERVER, dbname="postgres", autocommit=True) as server:
        own = server.execute("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        if own != (True,):
            pytest.skip("the role that the tests have may not make another one")
        try:
            server.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
            server.execute(f"GRANT {name} TO CURRENT_USER")  # who makes a database for it has to be a member
            server.execute(f"CREATE DATABASE {name} OWNER {name} ENCODING 'UTF8'")
            host = urlsplit(SERVER).netloc.rpartition("@")[2]
            yield urlunsplit(("postgres", f"{name}:{password}@{host}", f"/{name}", "", ""))
        finally:
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            server.execute(f"DROP ROLE IF EXISTS {name}")


@pytest.mark.skipif(not SERVER, reason="there is no PostgreSQL to try it on")
def test_it_is_enough_to_own_the_database(of_a_plain_role: str) -> None:
    def manage(*arguments: str) -> str:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "marketo.settings",
            "ENV_FILE": "",
            "DATABASE_URL": of_a_plain_role,
            "SECRET_KEY": new_secret_key(),
            "FIELD_ENCRYPTION_KEY": new_field_encryption_key(),
        }
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    manage("migrate", "--verbosity", "0")
    missing = "from syncer.models import triggers; print(triggers.missing())"
    assert manage("shell", "--no-imports", "-v", "0", "-c", missing).strip() == "[]"
    with psycopg.connect(of_a_plain_role) as database:
        assert database.execute("SELECT extname FROM pg_extension").fetchall() == [("plpgsql",)]
