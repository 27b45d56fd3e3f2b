"""What every test shares."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from syncer.models import ActivityLogEntry, Person, SalesforceRecord, SyncRun, SyncUser
from tests.support import tables
from tests.support.salesforce import ORIGIN, Sandbox, Time

tables.watch_every_connection()


@pytest.fixture(autouse=True)
def each_table_is_written_by_one_file() -> Iterator[None]:
    """Fails a test in which a table was written by another file than its own (``tests.support.tables``)."""
    tables.violations.clear()
    yield
    assert not tables.violations, "\n".join(dict.fromkeys(tables.violations))


@pytest.fixture(autouse=True)
def a_command_quiets_its_own_process_only() -> Iterator[None]:
    """Commands lower what the log tells, for the rest of their process; here that is the next test's, too."""
    level = logging.getLogger("syncer").level
    yield
    logging.getLogger("syncer").setLevel(level)


@pytest.fixture(autouse=True)
def emptying_the_database_buries_no_record(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test of its own transactions all tables are emptied, on SQLite by DELETE: the trigger then remembers each
    record as deleted here, after its own table was emptied, or before, as it happens. So the records go first."""
    mark = request.node.get_closest_marker("django_db")
    if not (mark and mark.kwargs.get("transaction")):
        yield
        return
    request.getfixturevalue("transactional_db")
    yield
    SalesforceRecord.objects.all()._raw_delete(SalesforceRecord.objects.db)


@pytest.fixture
def time() -> Time:
    """The time of both sides; it moves only when the test moves it."""
    return Time()


@pytest.fixture
def sandbox(time: Time) -> Sandbox:
    """An empty organisation in this process."""
    return Sandbox(time)


@pytest.fixture
def sync_user(db: None) -> SyncUser:
    """A connection with the sandbox organisation, not used yet."""
    user = SyncUser(name="Sandbox", method="client-credentials", login_url=ORIGIN, api_version="62.0")
    user.set_secrets({"client_id": "sandbox-client", "client_secret": "sandbox-secret"})
    user.save()
    return user


@pytest.fixture
def cycle(sandbox: Sandbox, sync_user: SyncUser, time: Time) -> Callable[..., SyncRun]:
    """Runs a cycle, a minute after whatever happened before."""
    from syncer.sync.cycle import CycleOptions, run_cycle

    def run(**options: Any) -> SyncRun:
        time.pass_(60)
        return run_cycle(trigger="test", options=CycleOptions(**options), around=sandbox.around())

    return run


@pytest.fixture
def sync_person(sandbox: Sandbox, sync_user: SyncUser, time: Time) -> Callable[..., Any]:
    """*Sync Person to SFDC* for one or more persons; the outcome, or the outcomes."""
    from syncer.sync.actions.run_action import sync_persons

    def run(*persons: Person, **options: Any) -> Any:
        time.pass_(60)
        outcomes = sync_persons([person.pk for person in persons], actor="Eva", around=sandbox.around(), **options)
        return outcomes[0] if len(persons) == 1 else outcomes

    return run


@pytest.fixture
def log() -> Callable[..., list[ActivityLogEntry]]:
    """The activity log of a person, of one type if wanted."""

    def entries(person: Person, kind: str = "") -> list[ActivityLogEntry]:
        found = ActivityLogEntry.objects.filter(person_id=person.pk).order_by("id")
        return list(found.filter(type=kind) if kind else found)

    return entries
