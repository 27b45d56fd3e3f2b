"""Both sides of each story: an organisation behind a real HTTP server, this database, and one time for all.

The server is started once for a worker and put back to an organisation as delivered before each story. Nothing is
mounted in the application: it opens its ordinary session. Only the time is handed in, so that no story waits.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from syncer.models import FieldMapping, Person, SalesforceObject, SyncRun, SyncUser
from syncer.sync.actions.run_action import sync_persons
from syncer.sync.context import Surroundings
from syncer.sync.cycle import CycleOptions, run_cycle
from syncer.sync.upkeep.access_check import refresh_fields
from tests.scenarios.sides import Clock, HereSide, Printed, SalesforceSide
from tests.support.around import put_around
from tests.support.salesforce import new_org
from tests.support.server import served

MONDAY_MORNING = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def organisation() -> Iterator[Callable[[], SalesforceSide]]:
    """Gives the organisation as delivered, on a Monday morning."""
    time = Clock()
    org = new_org(time)
    with served(org) as url:
        side = SalesforceSide(time, org, url)
        delivered, sally = org.snapshot(), side.sales

        def put_back() -> SalesforceSide:
            time.now = MONDAY_MORNING
            org.restore(delivered)
            side.sales = sally
            return side

        yield put_back
        side.http.close()
    org.close()


@pytest.fixture
def salesforce(organisation: Callable[[], SalesforceSide]) -> Iterator[SalesforceSide]:
    side = organisation()
    assert isinstance(side.time, Clock)
    with time_machine.travel(side.time.now, tick=False) as side.time.shown:
        yield side
    side.time.shown = None


@pytest.fixture
def time(salesforce: SalesforceSide, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Everybody's time; it moves only when a story, or a pause of the application, moves it."""
    assert isinstance(salesforce.time, Clock)
    put_around(Surroundings(pause=salesforce.time.pass_, database_now=salesforce.time), monkeypatch)
    return salesforce.time


@pytest.fixture(scope="session")
def field_list() -> list[Any]:
    """What the organisation as delivered describes, read once: rows of a connection, to be stored anew."""
    return []


@pytest.fixture
def sync_user(db: None, salesforce: SalesforceSide, time: Clock, field_list: list[Any]) -> SyncUser:
    """A connection with the organisation as `add_sync_user` leaves it: its field list is known, nothing was synced."""
    user = SyncUser(name="Sandbox", method="client-credentials", login_url=salesforce.url, api_version="62.0")
    user.set_secrets({"client_id": "sandbox-client", "client_secret": "sandbox-secret"})
    user.save()
    if not field_list:
        refresh_fields(user, actor="Eva")
        user.runs.all().delete()
        field_list += [*user.described.all(), *user.mappings.all()]
        return user
    for model in (SalesforceObject, FieldMapping):
        rows = [row for row in field_list if isinstance(row, model)]
        for row in rows:
            row.pk, row.sync_user_id = None, user.pk
        model._default_manager.bulk_create(rows)
    return user


@pytest.fixture
def here(sync_user: SyncUser, time: Clock) -> HereSide:
    return HereSide(time)


@pytest.fixture
def cycle(sync_user: SyncUser, time: Clock) -> Callable[..., SyncRun]:
    """Runs a cycle, five minutes after whatever happened before."""

    def run(**options: Any) -> SyncRun:
        time.pass_(300)
        return run_cycle(trigger="schedule", options=CycleOptions(**options))

    return run


@pytest.fixture
def sync_person(sync_user: SyncUser, time: Clock) -> Callable[..., Any]:
    """Eva runs *Sync Person to SFDC* on one or more persons; the outcome, or the outcomes."""

    def run(*persons: Person, **options: Any) -> Any:
        time.pass_(60)
        ids = [person.pk for person in persons]
        outcomes = sync_persons(ids, actor="Eva", **options)
        return outcomes[0] if len(persons) == 1 else outcomes

    return run


@pytest.fixture
def in_sync(salesforce: SalesforceSide, here: HereSide, cycle: Callable[..., SyncRun]) -> Callable[..., Any]:
    """A new lead and its person, which agree."""

    def make(**values: Any) -> tuple[str, Person]:
        lead = salesforce.lead(**values)
        cycle()
        return lead, here.person(lead)

    return make


@pytest.fixture
def quiet(time: Clock, cycle: Callable[..., SyncRun]) -> Callable[[], None]:
    """Lets time pass until nothing is read again because it might have been committed late."""

    def wait() -> None:
        for _ in range(2):
            time.pass_(1200)
            cycle()

    return wait


@pytest.fixture
def runsync(here: HereSide, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Printed]]:
    """``manage.py runsync`` with these arguments."""
    on_term = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str, stdout: Any = None) -> Printed:
        capsys.readouterr()
        code = 0
        try:
            call_command("runsync", *arguments, stdout=stdout)
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        printed = capsys.readouterr()
        return Printed(code, printed.out, printed.err)

    yield run
    signal.signal(signal.SIGTERM, on_term)


@pytest.fixture
def eva(db: None, salesforce: SalesforceSide) -> Client:
    """Eva's browser: she may do everything in the admin."""
    cache.clear()  # the lists to choose from are kept for a while
    client = Client()
    user = User.objects.create_superuser("eva", password="correct horse battery")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client
