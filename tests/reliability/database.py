"""A database of its own for processes of their own: a file, or one on the PostgreSQL that the suite runs on."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import environ
import psycopg
from psycopg import sql


@contextmanager
def fresh(directory: Path) -> Iterator[str]:
    """The DATABASE_URL of a new, empty database."""
    url = os.environ.get("TEST_DATABASE_URL", "")
    if url.startswith(("postgres://", "postgresql://")):
        with _on_postgres(url) as made:
            yield made
    else:
        yield f"sqlite:///{directory / 'db.sqlite3'}"


@contextmanager
def _on_postgres(url: str) -> Iterator[str]:
    name = f"test_killed_{os.getpid()}_{secrets.token_hex(4)}"
    config = environ.Env.db_url_config(url)
    with psycopg.connect(
        host=config["HOST"] or None,
        port=config["PORT"] or None,
        user=config["USER"] or None,
        password=config["PASSWORD"] or None,
        dbname="postgres",
        autocommit=True,
    ) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield f"{url.partition('?')[0].rpartition('/')[0]}/{name}"
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
