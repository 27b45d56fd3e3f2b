"""A cycle moves its cursors, and actions beside it postpone records: neither loses what the other has stored."""

from __future__ import annotations

import pytest

from syncer.models import SyncCursor, SyncRun
from syncer.salesforce.caller import Timing
from syncer.sync.context import Context
from syncer.sync.pull.database import Database
from syncer.sync.store import cursors, postponed

pytestmark = pytest.mark.django_db


@pytest.fixture
def context(sandbox, sync_user, time):
    from syncer.sync.connection.connect import connect

    org = connect(sync_user, sandbox.open_session, Timing(now=time))
    run = SyncRun.objects.create(sync_user=sync_user)
    return Context(sync_user, org, run, claim="test", actor="test", store=Database(), now=time)


def stored() -> SyncCursor:
    return SyncCursor.objects.get(object="Contact")


def test_what_an_action_postpones_while_a_cycle_reads_is_not_lost(context, time):
    postponed.postpone(context, "Contact", ["003A", "003B"], context.no_reading())
    cursor = cursors.cursor_for(context, "Contact")
    reading = context.no_reading()
    postponed.postpone(
        context, "Contact", ["003C", "003B"], context.no_reading()
    )  # of 003B the cycle has an older state
    cursor.read_to = time()
    cursors.store(context, cursor)
    postponed.settle(context, "Contact", ["003A", "003B"], reading)
    assert stored().read_to == time()
    assert postponed.of(context, "Contact") == ["003B", "003C"]
    postponed.settle(context, "Contact", ["003B", "003C"], context.no_reading())
    assert postponed.of(context, "Contact") == []


def test_a_cursor_that_was_forgotten_while_a_cycle_read_stays_forgotten(context, time):
    cursors.store(context, cursors.cursor_for(context, "Contact"))
    cursor = cursors.cursor_for(context, "Contact")
    cursors.forget(context.sync_user)
    cursor.read_to = time()
    cursors.store(context, cursor)
    assert not SyncCursor.objects.exists()


def test_more_records_are_postponed_than_one_statement_takes(context):
    ids = [f"003{number:012}AAA" for number in range(40_000)]
    postponed.postpone(context, "Contact", ids, context.no_reading())
    assert postponed.of(context, "Contact") == ids
