from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from syncer.salesforce.clock import OrgClock, backoff
from syncer.salesforce.usage import DailyUsage, parse_usage

HEADER = "Sun, 22 Nov 2026 10:00:30 GMT"


def clock() -> OrgClock:
    return OrgClock(lambda: datetime(2026, 11, 22, 8, 0, 0, 5000, UTC), lambda: 100.0)


def test_what_elapsed_is_taken_off_the_answers_date() -> None:
    assert clock().asked_at(HEADER, 10.0, 15.5) == datetime(2026, 11, 22, 10, 0, 24, tzinfo=UTC)
    assert clock().asked_at(HEADER, 10.0, 10.0) == datetime(2026, 11, 22, 10, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("header", [None, "", "yesterday", "Sun, 99 Nov 2026 10:00:30 GMT"])
def test_without_a_date_an_earlier_one_helps(header: str | None) -> None:
    org = clock()
    org.asked_at(HEADER, 10.0, 11.0)
    assert org.asked_at(header, 21.0, 29.0) == datetime(2026, 11, 22, 10, 0, 40, tzinfo=UTC)


def test_without_any_date_an_hour_is_given_away() -> None:
    assert clock().asked_at(None, 98.0, 99.0) == datetime(2026, 11, 22, 6, 59, 58, tzinfo=UTC)


def test_pauses_grow_to_a_minute_and_are_spread() -> None:
    draws = random.Random(1)
    for attempt in range(1, 2000):
        assert 1 <= backoff(attempt, draws.random()) <= 60
    assert backoff(1, 0.999) < 2
    assert backoff(6, 0.999) > 59
    assert backoff(9, 0.0) == 1


@pytest.mark.parametrize(
    ("header", "usage"),
    [
        ("api-usage=18/5000", DailyUsage(18, 5000)),
        ("api-usage=25/5000; per-app-api-usage=17/250(appName=x)", DailyUsage(25, 5000)),
        ("per-app-api-usage=17/250(appName=x); api-usage=25/5000", DailyUsage(25, 5000)),
        ("per-app-api-usage=17/250(appName=x)", None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_the_usage_is_read(header: str | None, usage: DailyUsage | None) -> None:
    assert parse_usage(header) == usage


def test_the_share_of_the_limit() -> None:
    assert DailyUsage(80, 100).reaches(80)
    assert not DailyUsage(79, 100).reaches(80)
    assert DailyUsage(1, 0).reaches(100)
