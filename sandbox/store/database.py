"""The organisation's data in SQLite: one table per object, and a few tables of its own."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sandbox import ids
from sandbox.schema.field import Field
from sandbox.schema.sobject import SObject

_OWN_TABLES = """
CREATE TABLE IF NOT EXISTS _meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS _counter (prefix TEXT PRIMARY KEY, last INTEGER NOT NULL);
-- what getDeleted answers: entries leave when the recycle bin is emptied or the record comes back
CREATE TABLE IF NOT EXISTS _deleted (id TEXT PRIMARY KEY, object TEXT NOT NULL, at TEXT NOT NULL);
-- records that sharing hides from a user
CREATE TABLE IF NOT EXISTS _hidden (user TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (user, id)) WITHOUT ROWID;
-- saved rows whose transaction has not committed yet: they replace the visible row when their time has come
CREATE TABLE IF NOT EXISTS _late (id TEXT PRIMARY KEY, object TEXT NOT NULL, at TEXT NOT NULL, row TEXT NOT NULL);
"""
#: fields that are looked up often enough to need an index, whatever the object
_INDEXED = ("Email", "Username", "MasterRecordId", "AccountId", "LeadId", "ContactId", "CampaignId", "QueueId", "Name")


def quote(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


@lru_cache(maxsize=256)
def _like_pattern(pattern: str) -> re.Pattern[str]:
    out, escaped = [], False
    for letter in pattern:
        if escaped:
            out.append(re.escape(letter))
            escaped = False
        elif letter == "\\":
            escaped = True
        else:
            out.append({"%": ".*", "_": "."}.get(letter) or re.escape(letter))
    return re.compile("".join(out) + r"\Z", re.IGNORECASE | re.DOTALL)


def _wide_like(value: str | None, pattern: str) -> bool:
    """LIKE without regard to case for letters beyond ASCII, which SQLite's own LIKE does not know."""
    return value is not None and _like_pattern(pattern).match(value) is not None


def _wide_collation(left: str, right: str) -> int:
    """Compares without regard to case, for letters beyond ASCII as well."""
    a, b = left.casefold(), right.casefold()
    return (a > b) - (a < b)


class Database:
    """The connection; callers hold the organisation's lock."""

    def __init__(self, path: str, now: Callable[[], str], today: Callable[[], str]) -> None:
        self.path = path
        self._now = now
        self._today = today
        self._depth = 0
        self.connection = self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, cached_statements=1024)
        connection.create_function("org_now", 0, lambda: self._now())
        connection.create_function("org_today", 0, lambda: self._today())
        connection.create_function("wide_like", 2, _wide_like, deterministic=True)
        connection.create_function(
            "casefold", 1, lambda text: text.casefold() if isinstance(text, str) else text, deterministic=True
        )
        connection.create_collation("WIDE", _wide_collation)
        if self.path != ":memory:":
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA cache_size=-65536")
        return connection

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    # Statements

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self.connection.execute(sql, parameters)

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first row of a query, or None."""
        return self.connection.execute(sql, parameters).fetchone()

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All or nothing; may be nested."""
        name = f"s{self._depth}"
        self.connection.execute("BEGIN IMMEDIATE" if self._depth == 0 else f"SAVEPOINT {name}")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self.connection.execute("ROLLBACK")
            else:
                self.connection.execute(f"ROLLBACK TO {name}")
                self.connection.execute(f"RELEASE {name}")
            raise
        self._depth -= 1
        self.connection.execute("COMMIT" if self._depth == 0 else f"RELEASE {name}")

    # Tables

    def create(self, objects: Sequence[SObject]) -> None:
        """Make the tables and columns that are missing."""
        for statement in _OWN_TABLES.split(";"):
            self.execute(statement)
        for item in objects:
            existing = {row[1] for row in self.execute(f"PRAGMA table_info({quote(item.name)})")}
            stored = [field for field in item.fields.values() if field.stored]
            if not existing:
                columns = ", ".join(f"{quote(field.name)} {field.column_type}" for field in stored)
                self.execute(f"CREATE TABLE {quote(item.name)} (_row INTEGER PRIMARY KEY, {columns})")
            for field in stored:
                if existing and field.name not in existing:
                    self.execute(f"ALTER TABLE {quote(item.name)} ADD COLUMN {quote(field.name)} {field.column_type}")
            self._index(item)
        # Lead.Owner is a user or a queue: queries reach both through the pseudo-object Name.
        self.execute(
            'CREATE VIEW IF NOT EXISTS "Name" AS SELECT Id, Name, FirstName, LastName, Username, Alias, Email, '
            "Title, Phone, IsActive, "
            "'User' AS Type FROM User UNION ALL SELECT Id, Name, NULL, NULL, NULL, NULL, Email, NULL, NULL, 1, "
            'Type FROM "Group"'
        )

    def drop_all(self) -> None:
        """Take every table away."""
        self.execute('DROP VIEW IF EXISTS "Name"')
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        for (name,) in self.execute(tables).fetchall():
            self.execute(f"DROP TABLE {quote(name)}")

    def _index(self, item: SObject) -> None:
        table = quote(item.name)
        self.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {quote(item.name + '_Id')} ON {table} (Id)")
        if item.has("SystemModstamp"):
            # the order in which a sync reads changes; with IsDeleted the rows of a page are found in the index alone
            deleted = ", IsDeleted" if item.has("IsDeleted") else ""
            stamp = quote(item.name + "_Stamp")
            self.execute(f"CREATE INDEX IF NOT EXISTS {stamp} ON {table} (SystemModstamp, Id{deleted})")
        for field in item.fields.values():
            if field.stored and (field.name in _INDEXED or field.external_id or field.unique):
                self.index(item, field)

    def index(self, item: SObject, field: Field) -> None:
        """An index for a field that records are found by."""
        name = quote(f"{item.name}_{field.name}")
        self.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {quote(item.name)} ({quote(field.name)})")

    @contextmanager
    def unindexed(self, item: SObject) -> Iterator[None]:
        """Without the object's indexes for a while: making them once is faster than keeping them up row by row."""
        found = self.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
            (item.name,),
        ).fetchall()
        for name, _ in found:
            self.execute(f"DROP INDEX {quote(name)}")
        yield
        for _, sql in found:
            self.execute(sql)

    def add_column(self, item: SObject, field: Field) -> None:
        """The column of a new custom field."""
        if field.stored:
            self.execute(f"ALTER TABLE {quote(item.name)} ADD COLUMN {quote(field.name)} {field.column_type}")
            if field.external_id or field.unique:
                self.index(item, field)

    def rename_column(self, item: SObject, field: Field, name: str) -> None:
        """The column of a renamed field, and its index."""
        self.execute(f"DROP INDEX IF EXISTS {quote(f'{item.name}_{field.name}')}")
        self.execute(f"ALTER TABLE {quote(item.name)} RENAME COLUMN {quote(field.name)} TO {quote(name)}")
        if field.external_id or field.unique:
            self.index(item, replace(field, name=name))

    def drop_column(self, item: SObject, field: Field) -> None:
        """Take a removed field's values away."""
        if field.stored:
            self.execute(f"DROP INDEX IF EXISTS {quote(f'{item.name}_{field.name}')}")
            self.execute(f"ALTER TABLE {quote(item.name)} DROP COLUMN {quote(field.name)}")

    # Ids

    def next_id(self, prefix: str) -> str:
        """A new record id."""
        return ids.make(prefix, self.next_number(prefix))

    def next_number(self, key: str, step: int = 1) -> int:
        """The next number of a running count; with ``step`` the first of so many."""
        row = self.one("UPDATE _counter SET last = last + ? WHERE prefix = ? RETURNING last", (step, key))
        if row is None:
            self.execute("INSERT INTO _counter VALUES (?, ?)", (key, step))
            row = (step,)
        return int(row[0]) - step + 1

    # Settings of the organisation

    def meta(self, key: str) -> str | None:
        """A stored setting."""
        row = self.one("SELECT value FROM _meta WHERE key = ?", (key,))
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Store a setting."""
        self.execute("INSERT OR REPLACE INTO _meta VALUES (?, ?)", (key, value))

    # Rows

    def insert(self, object_name: str, row: dict[str, Any]) -> None:
        """Store a new row."""
        columns = ", ".join(map(quote, row))
        marks = ", ".join("?" * len(row))
        self.execute(f"INSERT INTO {quote(object_name)} ({columns}) VALUES ({marks})", tuple(row.values()))

    def update(self, object_name: str, record_id: str, changes: dict[str, Any]) -> None:
        """Change columns of a row."""
        assignments = ", ".join(f"{quote(name)} = ?" for name in changes)
        self.execute(f"UPDATE {quote(object_name)} SET {assignments} WHERE Id = ?", (*changes.values(), record_id))

    def row(self, object_name: str, record_id: str) -> dict[str, Any] | None:
        """A stored row, deleted ones too."""
        cursor = self.execute(f"SELECT * FROM {quote(object_name)} WHERE Id = ?", (record_id,))
        found = cursor.fetchone()
        if found is None:
            return None
        return dict(zip((column[0] for column in cursor.description), found, strict=True))

    # Snapshots

    def serialize(self) -> bytes:
        """The whole database as bytes."""
        return self.connection.serialize()

    def restore(self, image: bytes) -> None:
        """Put back what ``serialize`` gave."""
        # Not deserialize() on our own connection: its prepared statements would point into freed memory.
        source = sqlite3.connect(":memory:")
        try:
            source.deserialize(image)
            source.backup(self.connection)
        finally:
            source.close()
