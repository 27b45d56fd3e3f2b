"""Both sides of each case in this process, with one time for all.

Each test stands for a fault that people who do this job have met. What is wrong today is marked as
``xfail(strict=True)``: whoever mends it is told by the test, and takes the mark away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from syncer.models import FieldMapping, Person, SalesforceObject, SyncRun, SyncUser
from syncer.sync.errors import CannotSync
from syncer.sync.upkeep.access_check import refresh_fields
from tests.cases.organisation import Organisation
from tests.scenarios.sides import Clock, HereSide


@pytest.fixture
def time() -> Iterator[Clock]:
    clock = Clock()
    with time_machine.travel(clock.now, tick=False) as clock.shown:
        yield clock
    clock.shown = None


@pytest.fixture
def salesforce(time: Clock) -> Organisation:
    return Organisation(time)


@pytest.fixture
def sandbox(salesforce: Organisation) -> Organisation:
    """What the cycle and the actions talk to."""
    return salesforce


@pytest.fixture(scope="session")
def field_list() -> list[Any]:
    """What the organisation as delivered describes, read once: rows of a connection, to be stored anew."""
    return []


@pytest.fixture
def described(sync_user: SyncUser, salesforce: Organisation, field_list: list[Any]) -> None:
    """The fields of the organisation as delivered are known, as `add_sync_user` leaves a connection."""
    if not field_list:
        refresh_fields(sync_user, actor="Eva", open_session=salesforce.open_session)
        field_list += [*sync_user.described.all(), *sync_user.mappings.all()]
        return
    for model in (SalesforceObject, FieldMapping):
        rows = [row for row in field_list if isinstance(row, model)]
        for row in rows:
            row.pk, row.sync_user_id = None, sync_user.pk
        model._default_manager.bulk_create(rows)


@pytest.fixture
def here(sync_user: SyncUser, time: Clock) -> HereSide:
    return HereSide(time)


@pytest.fixture
def ending(cycle: Callable[..., SyncRun]) -> Callable[[], str]:
    """Runs a cycle; "completed", or the code of what kept it from being done."""

    def run() -> str:
        try:
            return str(cycle().status)
        except CannotSync as error:
            return error.code

    return run


@pytest.fixture
def quiet(time: Clock, cycle: Callable[..., SyncRun]) -> Callable[[], None]:
    """Lets time pass until nothing is read again because it might have been committed late."""

    def wait() -> None:
        for _ in range(2):
            time.pass_(700)
            cycle()

    return wait


@pytest.fixture
def in_sync(
    salesforce: Organisation, here: HereSide, cycle: Callable[..., SyncRun]
) -> Callable[..., tuple[str, Person]]:
    """A new lead and its person, which agree."""

    def make(**values: Any) -> tuple[str, Person]:
        lead = salesforce.lead(**values)
        cycle()
        return lead, here.person(lead)

    return make


@pytest.fixture
def eva(time: Clock, db: None) -> Client:
    """Eva's browser: she may do everything in the admin."""
    cache.clear()  # the lists to choose from are kept for a while
    client = Client()
    user = User.objects.create_superuser("eva", password="correct horse battery")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client
