"""Cursors are written by a cycle and by actions beside it: neither loses what the other has stored."""

from __future__ import annotations

import pytest

from syncer.models import SyncCursor, SyncRun
from syncer.salesforce.caller import Timing
from syncer.sync.context import Context
from syncer.sync.pull.database import Database
from syncer.sync.store import cursors

pytestmark = pytest.mark.django_db


@pytest.fixture
def context(sandbox, sync_user, time):
    from syncer.sync.connection.connect import connect

    org = connect(sync_user, sandbox.open_session, Timing(now=time))
    run = SyncRun.objects.create(sync_user=sync_user)
    return Context(sync_user, org, run, claim="test", actor="test", store=Database(), now=time)


def stored() -> SyncCursor:
    return SyncCursor.objects.get(object="Contact")


def test_an_action_may_make_the_cursor_that_a_first_read_has_not_stored_yet(context, time):
    cursor = cursors.cursor_for(context, "Contact")
    cursors.postpone(context, "Contact", ["003A"])
    cursor.read_to = time()
    cursors.store(context, cursor)
    assert (stored().read_to, stored().postponed) == (time(), ["003A"])


def test_what_an_action_postpones_while_a_cycle_reads_is_not_lost(context, time):
    cursors.postpone(context, "Contact", ["003A", "003B"])
    cursor = cursors.cursor_for(context, "Contact")
    cursors.postpone(context, "Contact", ["003C"])
    cursor.postponed = ["003B", "003D"]  # 003A was read now, 003D has to be read again
    cursors.store(context, cursor)
    assert stored().postponed == ["003B", "003D", "003C"]
    cursor.postponed = []
    cursors.store(context, cursor)
    assert stored().postponed == []
