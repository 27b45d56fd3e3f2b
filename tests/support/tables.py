"""Watches every statement of the suite: each table of the engine is written by one file, and no condition of such a
write looks at another table.

On PostgreSQL a condition that joins another table, or selects from it, is not looked at again when the row was changed
by a transaction that commits meanwhile: an edit would be lost. One file per table makes that easy to see.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from django.db import connection
from django.db.backends.signals import connection_created

ROOT = Path(__file__).resolve().parents[2]
STORE = "syncer/sync/store"
#: They carry over what older versions stored.
MIGRATION = "syncer/migrations/0004_runs_say_what_they_are.py"
ROWS_MIGRATION = "syncer/migrations/0009_claims_and_postponed.py"

#: Table → the files that may write it. The first is its home; the others are exceptions, each with its reason.
HOMES: dict[str, tuple[str, ...]] = {
    "syncer_pendingchange": (
        f"{STORE}/outbox.py",
        "syncer/models/triggers.py",  # compare_everything: puts everybody in, as the trigger would
        ROWS_MIGRATION,
    ),
    "syncer_claim": (f"{STORE}/claims.py",),
    "syncer_salesforcerecord": (f"{STORE}/links.py",),
    "syncer_formerid": (f"{STORE}/former_ids.py",),
    "syncer_tombstone": (f"{STORE}/tombstones.py",),
    "syncer_recordatfault": (f"{STORE}/at_fault.py",),
    "syncer_createintent": (f"{STORE}/intents.py",),
    "syncer_synccursor": (f"{STORE}/cursors.py", ROWS_MIGRATION),
    "syncer_postponedrecord": (f"{STORE}/postponed.py", ROWS_MIGRATION),
    "syncer_person": (
        f"{STORE}/persons.py",
        "syncer/admin/persons/admin.py",  # people edit persons: the trigger notices it, like any other edit
        "syncer/admin/log/restore.py",
    ),
    "syncer_activitylogentry": (
        f"{STORE}/activity.py",
        "syncer/admin/persons/admin.py",  # what was edited by hand, in the transaction of the edit
        "syncer/admin/log/restore.py",
        "syncer/sync/upkeep/retention.py",  # removes what is old
    ),
    "syncer_conflict": (
        f"{STORE}/activity.py",
        "syncer/admin/log/restore.py",  # marks it as restored
        "syncer/sync/upkeep/retention.py",
    ),
    "syncer_beforeimage": (f"{STORE}/activity.py", "syncer/sync/upkeep/retention.py"),
    "syncer_syncrun": ("syncer/sync/connection/runs.py", MIGRATION),
    "syncer_runperson": (f"{STORE}/run_persons.py", MIGRATION),
    "syncer_readsequence": ("syncer/sync/context.py",),
    "syncer_databaseidentity": ("syncer/sync/connection/high_water.py",),
    "syncer_synclease": ("syncer/sync/connection/lease.py",),
    "syncer_apiusage": ("syncer/sync/connection/api_budget.py",),
    "syncer_backfill": ("syncer/sync/pull/database.py",),
}
#: Django deletes what belongs to a row before the row: these delete persons, a run, or a connection with all it has.
CASCADES = (
    f"{STORE}/persons.py",
    "syncer/admin/persons/admin.py",
    "syncer/admin/connections/admin.py",
    "syncer/sync/upkeep/retention.py",
)
#: Mends texts that no read can decode, wherever they stand.
EVERY_TABLE = "syncer/sync/upkeep/broken_texts.py"
#: Not the askers: they write for whoever calls them.
CARRIERS = (f"{STORE}/bulk_sql.py", "syncer/models/")

_WRITE = re.compile(r'\s*(INSERT INTO|INSERT OR \w+ INTO|UPDATE|DELETE FROM)\s+"?(\w+)"?', re.IGNORECASE)
_TABLE = re.compile(r'"(syncer_\w+|auth_\w+|django_\w+)"(?!\.)')
_SUBSELECT = re.compile(r"\bIN \(\s*SELECT\b|\bEXISTS\s*\(|\bJOIN\b", re.IGNORECASE)
#: Rows of ours as SQLite takes them, where there is no DELETE … USING: a sub-select of the table itself.
_ROWS_OF_OURS = "json_each("

violations: list[str] = []


def watch_every_connection() -> None:
    """Watch the connections of this process, those of other threads, too."""
    connection_created.connect(_install, weak=False)
    _install(connection=connection)


def _install(connection: Any, **_: Any) -> None:
    if _watch not in connection.execute_wrappers:
        connection.execute_wrappers.append(_watch)


def _watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    write = _WRITE.match(sql)
    if write and write[2].lower() in HOMES:
        problem = _problem(write[1].upper(), write[2].lower(), sql)
        if problem:
            violations.append(problem)
    return execute(sql, params, many, context)


def _problem(verb: str, table: str, sql: str) -> str:
    asker = _asker()
    if asker in ("", EVERY_TABLE) or (asker in CASCADES and verb == "DELETE FROM"):
        return ""
    if asker not in HOMES[table]:
        return f"{asker} writes {table}, which is {HOMES[table][0]}'s: {sql[:200]}"
    if verb.startswith("INSERT") or asker == "syncer/models/triggers.py":
        return ""
    others = {name.lower() for name in _TABLE.findall(sql)} - {table}
    if others or (_SUBSELECT.search(sql) and _ROWS_OF_OURS not in sql):
        return f"{asker}: the condition of a write of {table} looks at {others or 'a sub-select'}: {sql[:400]}"
    return ""


def _asker() -> str:
    """The file of ours that asked for the statement; empty when it was a test, or none of ours."""
    frame: FrameType | None = sys._getframe(3)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(str(ROOT)):
            path = Path(name).relative_to(ROOT).as_posix()
            if path.startswith("tests/"):
                if path != "tests/support/tables.py":
                    return ""
            elif path.startswith("syncer/"):
                if path == "syncer/models/triggers.py" or not path.startswith(CARRIERS):
                    return path
            elif path.startswith("marketo/"):
                return path
        frame = frame.f_back
    return ""
