"""An interrupt (SIGTERM, Ctrl-C, a task's time-out) can strike between sending a query and waiting for its answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import requests
from django.db import connection

from syncer.models import SyncLease, SyncUser
from syncer.sync.context import Surroundings
from syncer.sync.cycle import run_cycle
from tests.support.salesforce import Sandbox


@pytest.mark.skipif(not os.environ.get("TEST_DATABASE_URL"), reason="only PostgreSQL has a connection to break")
@pytest.mark.django_db(transaction=True)
def test_an_interrupt_in_the_middle_of_a_query_gives_the_lease_back(
    sandbox: Sandbox, sync_user: SyncUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = psycopg.Connection.wait

    def interrupted(self: psycopg.Connection[Any], steps: Iterator[Any], **options: Any) -> Any:
        monkeypatch.setattr(psycopg.Connection, "wait", wait)
        next(steps)  # it has been sent
        raise KeyboardInterrupt

    def open_session(login_url: str) -> requests.Session:
        """The lease has been taken; the next query is interrupted."""
        monkeypatch.setattr(psycopg.Connection, "wait", interrupted)
        return sandbox.open_session(login_url)

    try:
        with pytest.raises(KeyboardInterrupt):
            run_cycle(trigger="test", around=Surroundings(open_session))
        assert SyncLease.objects.get().expires_at is None
    finally:
        connection.close()  # whatever state it is in
