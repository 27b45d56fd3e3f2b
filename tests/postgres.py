"""Tells whether tests can run on a PostgreSQL: `python -m tests.postgres URL` exits 0, or 1 after saying why not."""

from __future__ import annotations

import sys

import environ
import psycopg


def why_not(url: str) -> str:
    """One sentence on what keeps tests from running there; empty when nothing does."""
    if not url.startswith(("postgres://", "postgresql://")):
        return "that is not a postgres:// address."
    try:
        config = environ.Env.db_url_config(url)
        with psycopg.connect(
            host=config["HOST"] or None,
            port=config["PORT"] or None,
            user=config["USER"] or None,
            password=config["PASSWORD"] or None,
            dbname="postgres",
            connect_timeout=3,
        ) as connection:
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except (psycopg.Error, KeyError, ValueError) as error:
        first_line = (str(error).strip().splitlines() or ["no answer"])[0]
        return f"no usable PostgreSQL there ({first_line})."
    if not (row and row[0]):
        return "the PostgreSQL user may not create databases."
    return ""


def main() -> int:
    """Print the reason, if any, and return the exit code."""
    reason = why_not(sys.argv[1])
    if reason:
        print(reason)
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
