"""The project's settings as the tests (and mypy) see them: independent of this machine's `.env` and of its data.

TEST_DATABASE_URL and TEST_REDIS_URL choose another database and Redis.
"""

from __future__ import annotations

import atexit
import os
import shutil
from pathlib import Path

for _name in (
    "ALLOWED_HOSTS",
    "EMAIL_URL",
    "INSTALLATION_ID",
    "LANGUAGE_CODE",
    "LOG_LEVEL",
    "PLAIN_HTTP_ON_LOOPBACK",
    "SALESFORCE_ALLOWED_HOSTS",
    "SECRET_KEY",
    "SYNC_INTERVAL_MINUTES",
    "TIME_ZONE",
):
    os.environ.pop(_name, None)
# Beside manage.py; made by the first test that uses the cache.
_cache_dir = f"build/test-cache-{os.getpid()}"
_state_dir = f"{_cache_dir}/state"
atexit.register(shutil.rmtree, Path(__file__).parent.parent / _cache_dir, ignore_errors=True)
os.environ.update(
    ENV_FILE="",
    DEBUG="true",  # http and plain static files; pytest-django itself turns settings.DEBUG off again
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL") or "sqlite:///test.sqlite3",
    REDIS_URL=os.environ.get("TEST_REDIS_URL", ""),
    CACHE_DIR=_cache_dir,
    STATE_DIR=_state_dir,
    FIELD_ENCRYPTION_KEY="dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
)

from marketo.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; nothing is protected by it here

# The queue of the tests' own process is in its database, where a test can look into it and where it goes away with the
# test; Redis would share it between all tests. Real workers on Redis are started by tests/reliability.
Q_CLUSTER = {name: value for name, value in Q_CLUSTER.items() if name != "redis"} | {"orm": "default"}  # noqa: F405
CACHES["default"]["KEY_PREFIX"] = f"test-{os.getpid()}"  # noqa: F405
