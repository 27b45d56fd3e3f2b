"""Several at the same time on PostgreSQL: an action, a cycle, and a user whose transaction takes long.

Each case is held at the moment that it is about, until the others have done what they do then or wait for a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from syncer.models import Person
from syncer.sync.actions.run_action import sync_persons
from syncer.sync.context import next_sequence
from syncer.sync.options import Action, SyncOptions
from tests.cases.organisation import NotSetUp, Organisation, given
from tests.reliability.waiting import eventually
from tests.support.beside import AT_MOST, Beside

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time."),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("described"),
]


def wait(event: threading.Event) -> None:
    given(event.wait(AT_MOST), "it happens")


def until(situation: Callable[[], object], told: str) -> None:
    try:
        eventually(situation, told, AT_MOST)
    except AssertionError:
        raise NotSetUp(told) from None


def waits_for_a_lock(*, long: bool = False) -> bool:
    """Whether a statement waits for somebody else's lock; ``long``: until PostgreSQL has looked for deadlocks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
            "AND clock_timestamp() - query_start > %s * current_setting('deadlock_timeout')::interval",
            [1.5 if long else 0],
        )
        return cursor.fetchone() is not None


class LongTransaction(Beside):
    """A user's import: it has changed a person (``changed``), and is committed when told so (``commit``)."""

    def __init__(self, person: Person, **values: Any) -> None:
        self._person, self._values = person, values
        self.changed, self.commit = threading.Event(), threading.Event()
        self.then: Callable[[], object] = lambda: None
        super().__init__(self._import)

    def _import(self) -> None:
        with transaction.atomic():
            Person.objects.filter(pk=self._person.pk).update(**self._values)
            self.changed.set()
            wait(self.commit)
            self.then()


@pytest.fixture
def edited_beside(salesforce, quiet):
    """Edits a person in a transaction that begins when an action has taken the person, and is committed when the action
    waits for it or has ended."""

    def edit(lead, kim, act):
        quiet()  # the record is not read again, which would show the edit, too
        imports = []

        def begin():
            imports.append(LongTransaction(kim, city="edited here"))
            wait(imports[0].changed)

        salesforce.once_after("linkedLead", begin)
        action = Beside(act)
        until(lambda: imports and (waits_for_a_lock() or not action.is_alive()), "the action has met the import")
        imports[0].commit.set()
        imports[0].end()
        action.end()
        quiet()
        return salesforce.read(lead)["City"]

    return edit


def test_an_edit_that_is_committed_while_a_refresh_gives_the_person_back_is_sent(edited_beside, in_sync, sync_person):
    lead, kim = in_sync(City="A")
    refresh = SyncOptions(action=Action.REFRESH)
    assert edited_beside(lead, kim, lambda: sync_person(kim, options=refresh)) == "edited here"


def test_an_edit_that_is_committed_while_an_action_syncs_the_person_is_sent(
    salesforce, edited_beside, in_sync, sync_person
):
    lead, kim = in_sync(City="A")

    def act():
        salesforce.edit(lead, Title="new there")  # something to receive: the action has to write the person
        sync_person(kim)

    assert edited_beside(lead, kim, act) == "edited here"


@pytest.fixture
def import_and_cycle(salesforce, quiet, cycle):
    """Four persons wait to be sent; an import has one of them, and a cycle begins."""
    salesforce.leads(4, City="A")
    quiet()
    first, second, *_ = Person.objects.order_by("pk")
    Person.objects.update(city="B")
    user = LongTransaction(second, title="import")
    wait(user.changed)
    running = Beside(cycle)
    yield first, user, running
    user.commit.set()
    user.join(AT_MOST)
    running.join(AT_MOST)


def test_an_import_and_a_cycle_do_not_end_each_other(import_and_cycle):
    first, user, running = import_and_cycle
    user.then = lambda: Person.objects.filter(pk=first.pk).update(title="import")
    until(lambda: waits_for_a_lock(long=True) or not running.is_alive(), "the cycle has met the import")
    user.commit.set()
    user.join(AT_MOST)
    running.join(AT_MOST)
    assert not [one.error for one in (user, running) if isinstance(one.error, OperationalError)]
    user.end()
    running.end()


def test_a_cycle_does_not_wait_for_an_import(import_and_cycle):
    _, _, running = import_and_cycle
    until(lambda: waits_for_a_lock(long=True) or not running.is_alive(), "the cycle has met the import")
    assert not running.is_alive()


@pytest.fixture
def crowd(salesforce, quiet):
    """A hundred and twenty leads and their persons, who agree."""
    salesforce.leads(120, City="A")
    quiet()
    return list(Person.objects.order_by("pk").values_list("pk", flat=True))


def cities(salesforce: Organisation) -> dict[int, str]:
    """Of each person: what Salesforce has."""
    there = {row["Id"]: row["City"] for row in salesforce.sales.query_all("SELECT Id, City FROM Lead")["records"]}
    return {pk: there[record] for pk, record in Person.objects.values_list("pk", "sfdc_id")}


class Writer(Beside):
    """A user's import without end: edits persons in any order, several in one transaction (``written``: the last value
    of each), until it is told to ``stop``. Half of its edits put back what both sides had agreed on."""

    def __init__(self, seed: int, ids: Sequence[int]) -> None:
        self.stop, self.written = threading.Event(), dict.fromkeys(ids, "A")
        self._random = Random(seed)
        super().__init__(self._write)

    def _write(self) -> int:
        count = 0
        while not self.stop.is_set():
            count += 1
            with transaction.atomic():
                for pk in self._random.sample(list(self.written), 5):
                    self.written[pk] = self._random.choice("AB")
                    Person.objects.filter(pk=pk).update(city=self.written[pk])
        return count


def test_no_edit_of_an_import_beside_a_refresh_of_the_same_persons_is_lost(salesforce, crowd, sync_person, quiet):
    importing = Writer(0, crowd)
    for _ in range(5):
        sync_person(*Person.objects.order_by("pk"), options=SyncOptions(action=Action.REFRESH))
    importing.stop.set()
    assert importing.end() > 0
    quiet()
    assert cities(salesforce) == importing.written


def test_cycles_and_actions_beside_eight_writers_end_nobody_and_lose_nothing(
    salesforce, crowd, cycle, sync_person, quiet
):
    """Each writer has persons of its own: nothing but the sync could be in its way."""
    writers = [Writer(number, crowd[number::8]) for number in range(8)]
    some = list(Person.objects.filter(pk__in=crowd[:20]))
    for _ in range(3):
        cycle()
        sync_person(*some)
    for writer in writers:
        writer.stop.set()
    assert min(writer.end() for writer in writers) > 0
    quiet()
    assert cities(salesforce) == {pk: city for writer in writers for pk, city in writer.written.items()}


def test_a_cycle_comes_back_to_who_was_busy(salesforce, crowd, cycle):
    """An import of one person is committed while the cycle sends the others."""
    Person.objects.update(city="B")
    user = LongTransaction(Person.objects.get(pk=crowd[0]), title="import")
    wait(user.changed)

    def committed() -> None:
        user.commit.set()
        user.end()

    salesforce.once_after('"update0"', committed)
    cycle()
    assert set(cities(salesforce).values()) == {"B"}


def test_an_action_tries_again_with_who_is_busy(salesforce, in_sync):
    lead, kim = in_sync(City="A")
    Person.objects.update(city="B")
    user = LongTransaction(kim, title="import")
    wait(user.changed)
    asked = []

    def paused(seconds: float) -> None:
        asked.append(seconds)
        user.commit.set()
        user.end()

    [told] = sync_persons([kim.pk], actor="Eva", around=salesforce.around(pause=paused))
    assert (told.ok, salesforce.read(lead)["City"], bool(asked)) == (True, "B", True)


def test_a_page_that_was_answered_before_a_push_was_saved_is_not_merged_over_it(
    salesforce, here, in_sync, cycle, sync_person, quiet
):
    lead, kim = in_sync(HasOptedOutOfEmail=False)
    salesforce.edit(lead, Title="moved")  # so that the record is in the cycle's page
    here.edit(kim, unsubscribed=True)
    pushing, paged, pushed = threading.Event(), threading.Event(), threading.Event()

    def travels_slowly():
        pushing.set()
        wait(paged)

    def is_answered_slowly():
        paged.set()
        wait(pushed)

    salesforce.once_before('"update0"', travels_slowly)
    salesforce.once_after("changesLead", is_answered_slowly)

    def act():
        try:
            return sync_person(kim)
        finally:
            pushed.set()

    action = Beside(act)
    wait(pushing)
    running = Beside(cycle)
    action.end()
    running.end()
    assert here.again(kim).unsubscribed
    given(salesforce.read(lead)["HasOptedOutOfEmail"], "the opt-out was sent")
    quiet()
    assert here.again(kim).unsubscribed


def test_two_reads_never_have_the_same_number():
    """Each takes one, and goes on when the other has counted up, too, or has to wait for it."""
    next_sequence()
    counted: set[int] = set()

    def together(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if threading.get_ident() not in counted:
            counted.add(threading.get_ident())
            until(lambda: len(counted) == 2 or waits_for_a_lock(), "both count up")
        return result

    def take():
        with connection.execute_wrapper(together):
            return next_sequence()

    one, other = Beside(take), Beside(take)
    assert one.end() != other.end()
