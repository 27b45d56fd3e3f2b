# ruff: noqa: S608 - the names in these statements come from the models, never from people
"""Database triggers: every edit of a person, by whatever path, raises its revision and fills the outbox.

A row that is replaced is an edit, too: by SQLite's ``INSERT OR REPLACE``, which sets off no other trigger, or by a
deletion and an insertion in one transaction. What shows it is an insertion of a person that has a link. The revision
that it had is gone with the old row, so it gets one beyond any that was counted: the time in milliseconds. Which record
it is linked with stays.

Generated from the model after each migration, because Django's ``AlterField`` on SQLite rebuilds the table and drops
them silently, and dropped before it, because a column that a trigger names can't go. Each cycle verifies them
first (``missing``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection as default_connection
from django.db import models, transaction

from syncer.models.person import Person, Tombstone
from syncer.models.record import PendingChange, SalesforceRecord, SyncWriting

#: The models whose tables the triggers name.
NAMED: tuple[type[models.Model], ...] = (Person, PendingChange, SalesforceRecord, Tombstone, SyncWriting)
PERSON = Person._meta.db_table
PENDING = PendingChange._meta.db_table
RECORD = SalesforceRecord._meta.db_table
TOMBSTONE = Tombstone._meta.db_table
WRITING = SyncWriting._meta.db_table
#: How the names of all triggers begin.
PREFIX = "syncer_"
#: What was refused may be taken now.
_TRY_AGAIN = "attempts = 0, next_attempt = NULL, state = 'pending'"


#: Persons that are put in the outbox with one statement, and how often all are gone through for those being edited.
COMPARED_AT_ONCE, PASSES = 5_000, 5
#: Which persons (``p``) have a record that they could be compared with, and are not in the outbox.
_TO_COMPARE = (
    "p.sfdc_type <> '' AND NOT p.sfdc_is_deleted "
    f"AND NOT EXISTS (SELECT 1 FROM {PENDING} AS o WHERE o.person_id = p.id) "
    f"AND NOT EXISTS (SELECT 1 FROM {RECORD} AS r WHERE r.person_id = p.id AND r.hidden_since IS NOT NULL)"
)


@dataclass(frozen=True, slots=True)
class Trigger:
    name: str
    table: str
    statements: tuple[str, ...]  # run in order to create it

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.statements).encode()).hexdigest()[:16]


def value_columns() -> list[str]:
    """The columns of a person that hold values: a change in one of them is something to send."""
    return [f.column for f in Person._meta.concrete_fields if f.name not in Person.BOOKKEEPING]


def _sqlite() -> list[Trigger]:
    differs = " OR ".join(f'OLD."{c}" IS NOT NEW."{c}"' for c in value_columns())
    columns = ", ".join(f'"{c}"' for c in value_columns())
    revision = f"""CREATE TRIGGER syncer_person_revision AFTER UPDATE ON {PERSON} FOR EACH ROW
WHEN NEW.revision <= OLD.revision
BEGIN
  UPDATE {PERSON} SET revision = OLD.revision + 1 WHERE id = NEW.id;
END"""
    pending = f"""CREATE TRIGGER syncer_person_pending AFTER UPDATE OF {columns} ON {PERSON} FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM {WRITING}) AND ({differs})
BEGIN
  UPDATE {PENDING} SET revision = OLD.revision + 1, {_TRY_AGAIN} WHERE person_id = NEW.id;
  INSERT OR IGNORE INTO {PENDING} (person_id, revision)
    SELECT NEW.id, OLD.revision + 1 WHERE NEW.sfdc_type <> '' AND NOT NEW.sfdc_is_deleted;
END"""
    put_back = f"""CREATE TRIGGER syncer_person_put_back AFTER INSERT ON {PERSON} FOR EACH ROW
WHEN EXISTS (SELECT 1 FROM {RECORD} WHERE person_id = NEW.id)
BEGIN
  UPDATE {PERSON} SET revision = max(NEW.revision + 1, CAST(strftime('%s', 'now') AS INTEGER) * 1000),
    (sfdc_type, sfdc_id) = (SELECT object, record_id FROM {RECORD} WHERE person_id = NEW.id) WHERE id = NEW.id;
  INSERT INTO {PENDING} (person_id, revision) SELECT id, revision FROM {PERSON} WHERE id = NEW.id
    ON CONFLICT (person_id) DO UPDATE SET revision = excluded.revision, {_TRY_AGAIN};
END"""
    tombstone = f"""CREATE TRIGGER syncer_record_tombstone AFTER DELETE ON {RECORD} FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM {WRITING})
BEGIN
  INSERT OR REPLACE INTO {TOMBSTONE} (organisation, object, record_id, stamp, read_sequence)
    VALUES (
      OLD.organisation, OLD.object, OLD.record_id, coalesce(OLD.system_modstamp, OLD.read_at), OLD.read_sequence
    );
END"""
    return [
        Trigger("syncer_person_revision", PERSON, (revision,)),
        Trigger("syncer_person_pending", PERSON, (pending,)),
        Trigger("syncer_person_put_back", PERSON, (put_back,)),
        Trigger("syncer_record_tombstone", RECORD, (tombstone,)),
    ]


def _postgresql() -> list[Trigger]:
    differs = " OR ".join(f'OLD."{c}" IS DISTINCT FROM NEW."{c}"' for c in value_columns())
    writing = "coalesce(current_setting('syncer.writing', true), '') = '1'"
    return [
        _with_function(
            "syncer_person_revision",
            PERSON,
            "BEFORE UPDATE",
            "  NEW.revision := OLD.revision + 1;\n  RETURN NEW;",
        ),
        _with_function(
            "syncer_person_pending",
            PERSON,
            "AFTER UPDATE",
            f"""  IF {writing} THEN RETURN NULL; END IF;
  UPDATE {PENDING} SET revision = NEW.revision, {_TRY_AGAIN} WHERE person_id = NEW.id;
  IF NOT FOUND AND NEW.sfdc_type <> '' AND NOT NEW.sfdc_is_deleted THEN
    INSERT INTO {PENDING} (person_id, revision) VALUES (NEW.id, NEW.revision)
      ON CONFLICT (person_id) DO UPDATE SET revision = EXCLUDED.revision, {_TRY_AGAIN};
  END IF;
  RETURN NULL;""",
            f"WHEN ({differs})",
        ),
        _with_function(
            "syncer_record_tombstone",
            RECORD,
            "AFTER DELETE",
            f"""  IF {writing} THEN RETURN NULL; END IF;
  INSERT INTO {TOMBSTONE} (organisation, object, record_id, stamp, read_sequence)
    VALUES (
      OLD.organisation, OLD.object, OLD.record_id, coalesce(OLD.system_modstamp, OLD.read_at), OLD.read_sequence
    )
    ON CONFLICT (organisation, record_id)
      DO UPDATE SET stamp = EXCLUDED.stamp, read_sequence = EXCLUDED.read_sequence, deleted_at = now();
  RETURN NULL;""",
        ),
    ]


def _postgresql_put_back() -> list[Trigger]:
    """What makes an insertion of a person that has a link an edit."""
    linked = f"EXISTS (SELECT 1 FROM {RECORD} WHERE person_id = NEW.id)"
    return [
        _with_function(
            "syncer_person_replaced",
            PERSON,
            "BEFORE INSERT",
            f"""  IF {linked} THEN
    NEW.revision := greatest(NEW.revision + 1, floor(extract(epoch FROM clock_timestamp()) * 1000));
    NEW.sfdc_type := (SELECT object FROM {RECORD} WHERE person_id = NEW.id);
    NEW.sfdc_id := (SELECT record_id FROM {RECORD} WHERE person_id = NEW.id);
  END IF;
  RETURN NEW;""",
        ),
        _with_function(
            "syncer_person_put_back",
            PERSON,
            "AFTER INSERT",
            f"""  IF {linked} THEN
    INSERT INTO {PENDING} (person_id, revision) VALUES (NEW.id, NEW.revision)
      ON CONFLICT (person_id) DO UPDATE SET revision = EXCLUDED.revision, {_TRY_AGAIN};
  END IF;
  RETURN NULL;""",
        ),
    ]


def _with_function(name: str, table: str, when: str, body: str, condition: str = "") -> Trigger:
    """A trigger of PostgreSQL, and the function that it calls."""
    function = (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $body$\nBEGIN\n{body}\nEND $body$"
    )
    create = f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW {condition} EXECUTE FUNCTION {name}()"
    return Trigger(name, table, (function, create))


def triggers_for(connection: Any) -> list[Trigger]:
    return [*_postgresql(), *_postgresql_put_back()] if connection.vendor == "postgresql" else _sqlite()


def missing(connection: Any = default_connection) -> list[str]:
    """The names of triggers that are not there as they should be."""
    wanted = {trigger.name: trigger for trigger in triggers_for(connection)}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT tgname, obj_description(oid, 'pg_trigger') FROM pg_trigger "
                "WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgname = ANY(%s)",
                [list(wanted)],
            )
            present = {name for name, comment in cursor.fetchall() if comment == wanted[name].digest}
        else:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            present = {name for name, sql in cursor.fetchall() if name in wanted and sql == wanted[name].statements[0]}
    return [name for name in wanted if name not in present]


def install(connection: Any = default_connection) -> None:
    """Create the triggers anew, in one transaction."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for trigger in triggers_for(connection):
            cursor.execute(_drop(trigger.name, trigger.table, connection))
            for statement in trigger.statements:
                cursor.execute(statement)
            if connection.vendor == "postgresql":
                cursor.execute(f"COMMENT ON TRIGGER {trigger.name} ON {trigger.table} IS '{trigger.digest}'")


def uninstall(connection: Any = default_connection) -> None:
    """Drop all of the application's triggers, also those of another version."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE %s",
                [f"{PREFIX}%"],
            )
        else:
            cursor.execute(
                "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE %s", [f"{PREFIX}%"]
            )
        for name, table in cursor.fetchall():
            cursor.execute(_drop(name, table, connection))


def _drop(name: str, table: str, connection: Any) -> str:
    on_table = f" ON {table}" if connection.vendor == "postgresql" else ""
    return f"DROP TRIGGER IF EXISTS {name}{on_table}"


def can_be_installed(connection: Any = default_connection) -> bool:
    """Whether the tables are those of this version: after a migration back to an older one they lack columns, and the
    older version installs its own triggers when it migrates, or with its first cycle."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        for model in NAMED:
            if model._meta.db_table not in tables:
                return False
            described = connection.introspection.get_table_description(cursor, model._meta.db_table)
            if not {field.column for field in model._meta.concrete_fields} <= {column.name for column in described}:
                return False
    return True


def repair(connection: Any = default_connection) -> list[str]:
    """Put missing triggers back and have every linked person compared once. Return the names that were missing.

    Edits made while a trigger was missing are found because a waiting change makes the push compare the person with
    its base: those that are equal cost nothing.
    """
    absent = missing(connection)
    if absent:
        install(connection)
        compare_everything(connection)
    return absent


def compare_everything(connection: Any = default_connection) -> None:
    """Put every linked person in the outbox: the push compares it with its base, and sends only what differs. Records
    that are not visible are compared when they are seen again.

    Batch by batch, and without waiting for anybody who is being edited: the edit itself puts him there. Should it not
    (only his bookkeeping was written), he is looked at a few times more.
    """
    for _ in range(PASSES):
        after: int | None = 0
        while after is not None:
            after = _compare_some(connection, after)
        if connection.vendor != "postgresql" or not _is_any_left(connection):
            return


def _compare_some(connection: Any, after: int) -> int | None:
    """The next persons behind this one who are not in the outbox. Return the last of them; None when there are no more.
    SQLite has one writer at a time, and nobody waits for long."""
    wanted = f"SELECT id, revision FROM {PERSON} AS p WHERE {_TO_COMPARE}"
    into = f"INSERT INTO {PENDING} (person_id, revision)"
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.execute(f"{into} {wanted}")
            return None
        locked = f"{wanted} AND id > %s ORDER BY id LIMIT %s FOR NO KEY UPDATE OF p SKIP LOCKED"
        cursor.execute(
            f"WITH found AS ({locked}), added AS ({into} SELECT id, revision FROM found ON CONFLICT DO NOTHING) "
            "SELECT max(id), count(*) FROM found",
            [after, COMPARED_AT_ONCE],
        )
        last, count = cursor.fetchone()
    return last if count == COMPARED_AT_ONCE else None


def _is_any_left(connection: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {PERSON} AS p WHERE {_TO_COMPARE} LIMIT 1")
        return cursor.fetchone() is not None


@contextmanager
def agreeing_writes(connection: Any = default_connection) -> Iterator[None]:
    """A transaction in which the sync writes values that both sides agree on: nothing of it is put in the outbox.

    Revisions are raised all the same. Not for writes of ours that have to be sent (a restored value, a merge fill).
    """
    with transaction.atomic(using=connection.alias):
        _flag(connection, True)
        yield
        _flag(connection, False)


@contextmanager
def to_be_sent(connection: Any = default_connection) -> Iterator[None]:
    """Inside ``agreeing_writes``: writes of ours that have to reach Salesforce, such as a summed score."""
    _flag(connection, False)
    yield
    _flag(connection, True)


def _flag(connection: Any, on: bool) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config('syncer.writing', %s, true)", ["1" if on else ""])
        elif on:
            cursor.execute(f"INSERT INTO {WRITING} (active) VALUES (1)")
        else:
            cursor.execute(f"DELETE FROM {WRITING}")
