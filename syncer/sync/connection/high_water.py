"""Whether the database has gone back: it was restored from a backup, or lost its last commits.

The sequence of reads and pushes only grows. How far it has come is kept beside the database, too: in a file of the
installation (STATE_DIR) and, where there is one, in Redis. A database that is behind either has gone back. A file that
is behind the database is normal: another machine ran the last cycle, or it is a new one. On PostgreSQL the cluster that
the database was last seen in tells as well: a dump is restored into another one.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection, transaction

from syncer.away import may_be_away
from syncer.models import DatabaseIdentity, ReadSequence
from syncer.sync.context import raise_sequence

log = logging.getLogger(__name__)

#: What tells one database of PostgreSQL's from another; any role may read it.
_CLUSTER = """
SELECT (SELECT system_identifier FROM pg_control_system()) || '/' ||
       (SELECT timeline_id FROM pg_control_checkpoint()) || '/' ||
       (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def identity() -> DatabaseIdentity:
    """The row that names this database; a copy of the database has the same."""
    found, _ = DatabaseIdentity.objects.get_or_create(pk=1, defaults={"cluster": cluster()})
    return found


def cluster() -> str:
    """PostgreSQL: system identifier, timeline and oid. Empty on SQLite, and where the role may not read them."""
    if connection.vendor != "postgresql":
        return ""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_CLUSTER)
            return str(cursor.fetchone()[0])
    except DatabaseError:
        return ""


def reached() -> int:
    """How far the sequence has come, as the database has it."""
    found: int | None = ReadSequence.objects.filter(pk=1).values_list("value", flat=True).first()
    return found or 0


def mark() -> None:
    """After the last commit of a cycle or an action: keep beside the database how far it has come."""
    known, number = identity(), reached()
    if number > (_in_file(known) or 0):
        _write_file(known, number)
    # Redis is a second witness: without it the file tells.
    if settings.REDIS_URL and number > (_in_redis(known) or 0):
        with may_be_away():
            cache.set(_redis_key(known), number, timeout=None)


@dataclass(frozen=True, slots=True)
class WentBack:
    """The database is older than it was. ``why`` is the part of a sentence behind "because", ``reached`` how far the
    sequence had come."""

    why: str
    reached: int = 0


def behind() -> WentBack | None:
    """Why the database has gone back; None when it has not."""
    known = identity()
    # What is beside the database is read first: others go on committing, and then mark what they have committed.
    beside = max(_in_file(known) or 0, _in_redis(known) or 0)
    number = reached()
    if number < beside:
        return WentBack(f"it is at step {number:,} of the sync, and was at {beside:,} before", beside)
    now = cluster()
    if known.cluster and now and known.cluster != now:
        return WentBack(f"it was in another PostgreSQL cluster before: {known.cluster}, and now {now}")
    if now and not known.cluster:
        DatabaseIdentity.objects.filter(pk=known.pk).update(cluster=now)
    return None


def take_as_new(found: WentBack) -> None:
    """From now on the database is the one that counts: what was told beside it is behind it again."""
    raise_sequence(found.reached)
    DatabaseIdentity.objects.filter(pk=1).update(cluster=cluster())


# -- beside the database ----------------------------------------------------------------------------------------------


def file_of(known: DatabaseIdentity) -> Path:
    return Path(settings.STATE_DIR) / f"reached-{known.key}.json"


def _in_file(known: DatabaseIdentity) -> int | None:
    try:
        stored: Any = json.loads(file_of(known).read_text())
        return int(stored["sequence"])
    except (OSError, ValueError, TypeError, KeyError):
        return None  # a file that is lost or spoilt tells nothing


def _write_file(known: DatabaseIdentity, number: int) -> None:
    """Whole or not at all: written beside it, then renamed. A machine that dies may leave the older one."""
    path = file_of(known)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as written:
            json.dump({"sequence": number}, written)
        os.replace(written.name, path)
    except OSError as error:
        log.warning("STATE_DIR (%s) can't be written: a restored backup will not be noticed. %s", path.parent, error)


def _redis_key(known: DatabaseIdentity) -> str:
    return f"reached-{known.key}"


def _in_redis(known: DatabaseIdentity) -> int | None:
    if settings.REDIS_URL:
        with may_be_away():
            stored = cache.get(_redis_key(known))
            return stored if isinstance(stored, int) else None
    return None
