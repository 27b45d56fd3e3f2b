"""The Date of an answer is believed as far as the database's clock lets it be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncer.models import SalesforceRecord, SyncCursor
from syncer.sync.connection.org_date import TOLERANCE, OrgDate

pytestmark = pytest.mark.django_db

AHEAD, BEHIND = 7_200, -7_200


@pytest.fixture
def wrong_date(sandbox):
    """The next answers (None: all) are dated so many seconds late."""

    def plan(seconds, times=None, nth=1):
        sandbox.fault("/services", "date", seconds=seconds, times=times, nth=nth)

    return plan


def read_to():
    return SyncCursor.objects.get(object="Lead").read_to


@pytest.mark.parametrize("which", [1, None])
def test_a_date_far_ahead_moves_no_cursor_beyond_the_bound(sandbox, cycle, time, wrong_date, which):
    sandbox.lead()
    cycle()
    before = read_to()
    wrong_date(AHEAD, which)
    run = cycle()
    assert before < read_to() <= time() + TOLERANCE
    assert any("changes count as read up to" in note for note in run.notes)
    assert SalesforceRecord.objects.get().read_at <= time() + TOLERANCE


def test_one_wrong_date_among_right_ones_is_forgotten_with_the_next_cycle(sandbox, cycle, time, wrong_date, sync_user):
    cycle()
    wrong_date(AHEAD, 1)
    cycle()
    sandbox.control("DELETE", "faults")
    run = cycle()
    sync_user.refresh_from_db()
    assert sync_user.date_doubts == 0
    assert run.notes == []
    assert time() - timedelta(seconds=5) <= read_to() <= time()


def test_three_cycles_that_agree_are_believed(sandbox, cycle, time, wrong_date, sync_user):
    """The organisation's clock was put right, or the database's."""
    cycle()
    wrong_date(AHEAD)
    notes = [bool(cycle().notes) for _ in range(5)]
    assert notes == [True, True, True, False, False]
    assert read_to() > time() + timedelta(seconds=AHEAD - 60)


def test_three_cycles_that_contradict_each_other_are_not(sandbox, cycle, time, wrong_date):
    cycle()
    for seconds in (AHEAD, 2 * AHEAD, 3 * AHEAD, AHEAD, 2 * AHEAD):
        sandbox.control("DELETE", "faults")
        wrong_date(seconds)
        assert cycle().notes
    assert read_to() <= time() + TOLERANCE


def test_a_date_behind_reads_more_and_is_no_new_pair_at_once(sandbox, cycle, time, wrong_date, sync_user):
    cycle()
    wrong_date(BEHIND)
    assert cycle().notes == []
    sandbox.control("DELETE", "faults")
    assert cycle().notes == []  # the pair of before the wrong one stands
    assert read_to() >= time() - timedelta(seconds=5)


def test_nothing_that_changes_meanwhile_is_lost(sandbox, cycle, time, wrong_date):
    lead = sandbox.lead(City="A")
    cycle()
    wrong_date(AHEAD)
    cycle()
    sandbox.control("DELETE", "faults")
    sandbox.edit(lead, City="B")
    time.pass_(3 * AHEAD)
    cycle()
    from syncer.models import Person

    assert Person.objects.get().city == "B"


def test_a_worker_that_sleeps_for_a_day_believes_the_next_answer(sandbox, cycle, time):
    cycle()
    time.pass_(86_400)
    assert cycle().notes == []
    assert read_to() >= time() - timedelta(seconds=5)


def test_a_clock_of_the_database_that_was_put_back_delays_nothing_for_long(sandbox, cycle, time, sync_user):
    cycle()
    sync_user.refresh_from_db()
    sync_user.date_told_at += timedelta(hours=3)  # it was three hours ahead then
    sync_user.save()
    assert [bool(cycle().notes) for _ in range(4)] == [True, True, True, False]


def test_an_action_does_not_store_what_it_hears(sandbox, cycle, time, sync_user, wrong_date):
    cycle()
    sync_user.refresh_from_db()
    org_date = OrgDate(sync_user, time)
    bound = org_date.believed(time() + timedelta(seconds=AHEAD))
    assert time() + TOLERANCE - timedelta(seconds=1) <= bound <= time() + TOLERANCE
    before = (sync_user.date_told, sync_user.date_doubts)
    sync_user.refresh_from_db()
    assert (sync_user.date_told, sync_user.date_doubts) == before
