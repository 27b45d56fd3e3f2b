"""Database expressions that Django has for one database only, written for SQLite and PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.lookups import In


class RandomUUID(Func):
    """A random UUID made by the database, so that rows inserted by raw SQL have one, too."""

    template = "%(function)s()"
    function = "GEN_RANDOM_UUID"
    arity = 0
    output_field = models.UUIDField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return super().as_sql(compiler, connection, template="lower(hex(randomblob(16)))", **extra)


class Unindexed(Func):
    """A column by which the database is not to look rows up, although it has an index of it: nearly all rows agree.

    SQLite has no statistics of a database that was never analysed, and takes any index on equality for a good one; a
    unary plus keeps it from that ("The SQLite Query Optimizer Overview", 8.2). PostgreSQL knows by itself.
    """

    template = "%(expressions)s"
    arity = 1

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return super().as_sql(compiler, connection, template="+%(expressions)s", **extra)


def unindexed(column: str, *values: str) -> Q:
    """That a column has one of these values, without looking rows up by it (``Unindexed``)."""
    return Q(In(Unindexed(column), values))


class NoText(Func):
    """The empty text written into the statement: SQLite takes a partial index (``… WHERE NOT column = ''``) only for a
    condition that it can read there ("Partial Indexes", 2)."""

    template = "''"
    arity = 0
    output_field = models.CharField()


class PatchJSON(Func):
    """``column`` with the keys of ``patch`` set, and those whose value is None removed; the other keys as they are.

    SQLite: ``json_patch`` (RFC 7396). PostgreSQL: ``||`` with the set keys, ``-`` with the removed ones.
    """

    output_field = models.JSONField()

    def __init__(self, column: str, patch: dict[str, Any]) -> None:
        self.column = column
        self.patch = patch
        super().__init__(F(column))

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        column, params = compiler.compile(self.source_expressions[0])
        return f"json_patch({column}, %s)", [*params, json.dumps(self.patch)]

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        column, params = compiler.compile(self.source_expressions[0])
        kept = {key: value for key, value in self.patch.items() if value is not None}
        gone = [key for key, value in self.patch.items() if value is None]
        return f"(({column} || %s::jsonb) - %s::text[])", [*params, json.dumps(kept), gone]
