"""A transaction of the sync that the database ends for another one's sake is made again, as a whole."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from syncer.models import Claim, Person
from syncer.sync.errors import DatabaseBusy
from syncer.sync.store import claims
from syncer.sync.store.transactions import repeated, wait_briefly
from tests.support.beside import AT_MOST, Beside

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time."),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def two() -> list[int]:
    return [Person.objects.create(last_name=name).pk for name in ("Kim", "Lee")]


def write(pk: int, city: str) -> None:
    Person.objects.filter(pk=pk).update(city=city)


def test_a_deadlock_ends_neither(two):
    """Two who take the same rows in another order: one of them is ended (40P01), and writes both rows later."""
    both, tries = threading.Barrier(2), []

    @repeated
    def take(ids: list[int], city: str) -> None:
        tries.append(city)
        with transaction.atomic():
            write(ids[0], city)
            if tries.count(city) == 1:
                both.wait(AT_MOST)
            write(ids[1], city)

    others = [Beside(lambda: take(two, "A")), Beside(lambda: take(two[::-1], "B"))]
    for other in others:
        other.end()
    assert len(tries) > 2
    assert len(set(Person.objects.values_list("city", flat=True))) == 1


def test_a_state_that_has_changed_is_read_anew(two):
    """What was read is not what is there any more (40001)."""
    seen = []

    @repeated
    def take() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            seen.append(Person.objects.get(pk=two[0]).city)
            if len(seen) == 1:
                Beside(lambda: write(two[0], "newer")).end()
            write(two[0], f"{seen[-1]}, completed")

    take()
    assert seen == ["", "newer"]
    assert Person.objects.get(pk=two[0]).city == "newer, completed"


class StandsStill(Beside):
    """A worker that stands still in the middle of a transaction, until it is told to go on."""

    def __init__(self, pk: int) -> None:
        self.has_it, self.go_on = threading.Event(), threading.Event()
        self._pk = pk
        super().__init__(self._hold)

    def _hold(self) -> None:
        with transaction.atomic():
            write(self._pk, "held")
            self.has_it.set()
            assert self.go_on.wait(AT_MOST)


def test_a_lock_that_does_not_come_is_asked_for_again(two):
    """Ours gives up (55P03) before PostgreSQL looks for whom to end, lets go of all that it has, and begins anew."""
    other, tries = StandsStill(two[1]), []
    assert other.has_it.wait(AT_MOST)

    @repeated
    def take() -> None:
        tries.append(1)
        if len(tries) == 2:
            other.go_on.set()
        with transaction.atomic():
            wait_briefly()
            for pk in two:
                write(pk, "ours")

    take()
    other.end()
    assert len(tries) >= 2
    assert set(Person.objects.values_list("city", flat=True)) == {"ours"}


def test_a_worker_that_stands_still_with_its_claims_holds_up_nobody_for_ever(two):
    def stand_still() -> None:
        with transaction.atomic():
            Claim.objects.create(person_id=two[0], token="still", until="2026-03-02T09:00:00Z")
            has_it.set()
            assert go_on.wait(AT_MOST)

    has_it, go_on = threading.Event(), threading.Event()
    other = Beside(stand_still)
    assert has_it.wait(AT_MOST)
    with pytest.raises(DatabaseBusy, match="too busy"):
        claims.take(two, "other")
    assert claims.take(two[1:], "other") == set(two[1:])
    go_on.set()
    other.end()
