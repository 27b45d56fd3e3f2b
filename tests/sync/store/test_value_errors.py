"""Batches that fail because of a value in them, and those that fail for another reason."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from syncer.models import SyncLease, SyncUser
from syncer.sync.errors import LeaseLost
from syncer.sync.store.value_errors import because_of_a_value, in_halves, is_race

pytestmark = pytest.mark.django_db

POSTGRESQL = pytest.mark.skipif(connection.vendor != "postgresql", reason="asks PostgreSQL for its codes")


def failing(numbers, wrong):
    """Does something with numbers, in a transaction; fails with those that are wrong."""
    done, told = [], []

    def do(some):
        with transaction.atomic():
            for number in some:
                if number in wrong:
                    raise wrong[number]
            done.extend(some)
        return [number for number in some if number % 10 == 0]

    busy = in_halves(numbers, do, lambda number, error: told.append((number, type(error).__name__)))
    return done, busy, told


def test_a_batch_is_halved_down_to_what_is_at_fault():
    numbers = range(100)
    wrong = {7: ValueError("no"), 8: UnicodeError("no"), 99: OverflowError("no")}
    done, busy, told = failing(numbers, wrong)
    assert done == [n for n in numbers if n not in wrong]
    assert busy == list(range(0, 100, 10))
    assert told == [(7, "ValueError"), (8, "UnicodeError"), (99, "OverflowError")]


@pytest.mark.parametrize("error", [LeaseLost(), DatabaseError("disk full"), KeyError("x"), OSError("no space")])
def test_what_is_wrong_with_every_batch_is_not_the_values(error):
    with pytest.raises(type(error)):
        failing(range(10), {3: error})


def database_error(statement: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert isinstance(caught.value, DatabaseError)
    return caught.value


@POSTGRESQL
@pytest.mark.parametrize(
    ("state", "value"),
    [
        ("22001", True),  # too long
        ("22021", True),  # no character of the encoding
        ("22P05", True),  # no character of the server's encoding
        ("22003", True),  # out of range
        ("23502", True),  # null
        ("23514", True),  # a check
        ("40P01", False),  # deadlock
        ("40001", False),  # serialization
        ("55P03", False),  # lock not available
        ("53100", False),  # disk full
        ("57P01", False),  # shutdown
        ("08006", False),  # connection lost
        ("25P02", False),  # the transaction is broken already
    ],
)
def test_postgresql_says_whether_it_is_a_value(state, value):
    error = database_error(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$")
    assert because_of_a_value(error) is value


def test_a_row_that_somebody_else_has_made_is_a_race(sync_user):
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        SyncUser.objects.create(name=sync_user.name, method="jwt", login_url="x", is_active=False)
    assert is_race(caught.value)
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        SyncLease(sync_user=sync_user, **{"holder": None}).save()
    assert because_of_a_value(caught.value)
    assert not is_race(caught.value)
