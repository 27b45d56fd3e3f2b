"""Tells whether a Redis answers: `python -m tests.project.redis_answers URL` exits 0, or 1 after saying why not."""

from __future__ import annotations

import sys

import redis


def why_not(url: str) -> str:
    """One sentence on what keeps tests from using it; empty when nothing does."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3) as connection:
            connection.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        first_line = (str(error).strip().splitlines() or ["no answer"])[0]
        return f"no usable Redis there ({first_line})."
    return ""


def main() -> int:
    """Print the reason, if any, and return the exit code."""
    reason = why_not(sys.argv[1])
    if reason:
        print(reason)
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
