"""Batches that fail because of a value in them: they are halved down to the item at fault, and all others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from django.db import DataError, IntegrityError, connection

T = TypeVar("T")

#: SQLSTATE of a row that somebody else has made meanwhile, and of one that somebody else has removed.
_RACES = frozenset({"23505", "23503"})
_SQLITE_RACES = frozenset({"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_FOREIGNKEY"})


def because_of_a_value(error: Exception) -> bool:
    """Whether a value is what is wrong: the database does not take it (SQLSTATE class 22 or 23, which are these two
    exceptions of Django's), or no text or number can be made of it. Never a lock, a deadlock, a lost lease, a full disk
    or a lost database: those are wrong for every batch."""
    return isinstance(error, DataError | IntegrityError | ValueError | OverflowError)


def is_race(error: IntegrityError) -> bool:
    """Whether somebody else has made or removed a row meanwhile: a next try finds it so."""
    cause = error.__cause__
    if connection.vendor == "postgresql":
        return getattr(cause, "sqlstate", None) in _RACES
    return getattr(cause, "sqlite_errorname", None) in _SQLITE_RACES


def in_halves(
    items: Sequence[T], do: Callable[[Sequence[T]], Iterable[T]], at_fault: Callable[[T, Exception], None]
) -> list[T]:
    """Do something with items, in transactions of its own; when that fails because of a value, with each half of them.
    Return what ``do`` returns of all. A single item with which it fails is handed to ``at_fault``."""
    if not items:
        return []
    try:
        return list(do(items))
    except Exception as error:
        if not because_of_a_value(error):
            raise
        if len(items) == 1:
            at_fault(items[0], error)
            return []
    half = len(items) // 2
    return [*in_halves(items[:half], do, at_fault), *in_halves(items[half:], do, at_fault)]
