"""Redis, where there is one, may be away: what is kept there helps, and everything goes on without it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from django.core.cache import cache

T = TypeVar("T")

#: How it shows.
AWAY: tuple[type[Exception], ...] = (OSError,)
with suppress(ImportError):  # it is an extra
    from redis.exceptions import RedisError

    AWAY = (RedisError, OSError)


def may_be_away() -> suppress:
    """Around what can be left out."""
    return suppress(*AWAY)


def kept(key: str, seconds: int, find: Callable[[], T]) -> T:
    """What was found a short time ago, or else is found now and kept for so long."""
    with may_be_away():
        found: T | None = cache.get(key)
        if found is not None:
            return found
    now = find()
    with may_be_away():
        cache.set(key, now, seconds)
    return now
