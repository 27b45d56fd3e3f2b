"""The django-q2 schedules: created and healed by the application itself, never set up by hand.

*The cycle* is one MINUTES row whose period is the longest cycle that is tolerated; each cycle sets ``next_run`` to the
wait after its own end. A killed worker is thereby followed by another run after at most that period, without anybody's
help. *The heartbeat* runs every minute, proves that scheduler, broker, worker and database work together, and puts the
cycle's row right. *The clearing-up* of old traces runs once a day, and so does *the check* of the data.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone
from django_q.models import Schedule

from syncer.models import Heartbeat, SyncLease, SyncUser, SyncUserState, moments

CYCLE = "Salesforce sync"
HEARTBEAT = "Heartbeat"
CLEARING_UP = "Remove old activity"
CHECK = "Check the data"
#: Minutes after which the scheduler starts a cycle although the last one never said that it ended: a little more than
#: a task may take (Q_CLUSTER's timeout of 15 minutes).
TOLERANCE = 16
#: A worker that is alive beats every minute; django-q2 looks at its schedules every 30 seconds.
SILENT_AFTER = timedelta(minutes=3)

_ROWS: dict[str, dict[str, Any]] = {
    CYCLE: {"func": "syncer.tasks.run_cycle", "minutes": TOLERANCE},
    HEARTBEAT: {"func": "syncer.tasks.heartbeat", "minutes": 1},
    CLEARING_UP: {"func": "syncer.tasks.prune_activity", "minutes": 24 * 60},
    CHECK: {"func": "syncer.tasks.check_data", "minutes": 24 * 60},
}
_COMMON: dict[str, Any] = {
    "schedule_type": Schedule.MINUTES,
    "repeats": -1,
    "cluster": None,
    "args": None,
    "kwargs": None,
    "hook": None,
}


def ensure() -> None:
    """Make sure that each schedule is there once, right, and due within its period."""
    now = timezone.now()
    for name, own in _ROWS.items():
        wanted = _COMMON | own
        rows = list(Schedule.objects.filter(name=name).order_by("id"))
        for extra in rows[1:]:
            extra.delete()
        if not rows:
            Schedule.objects.create(name=name, next_run=now, **wanted)
            continue
        row = rows[0]
        latest = now + timedelta(minutes=max(wanted["minutes"], settings.SYNC_INTERVAL_MINUTES))
        if row.next_run is None or row.next_run > latest:
            wanted["next_run"] = now
        if any(getattr(row, key) != value for key, value in wanted.items()):
            Schedule.objects.filter(pk=row.pk).update(**wanted)
    if _a_cycle_died():
        Schedule.objects.filter(name=CYCLE, next_run__gt=now).update(next_run=now)
    elif not _a_cycle_runs():
        # Later than a cycle's end would set it, and none runs: the task that was to run it was lost between the queue
        # and the worker, or is being taken right now. In the latter case it sets the time itself when it ends.
        wait = timedelta(minutes=settings.SYNC_INTERVAL_MINUTES)
        Schedule.objects.filter(name=CYCLE, next_run__gt=now + wait).update(next_run=now + timedelta(minutes=1))


def _a_cycle_runs() -> bool:
    return SyncLease.objects.filter(moments.ahead("expires_at", Now(), moments.LEASE)).exists()


def _a_cycle_died() -> bool:
    """A lease ran out without being given back: its holder was killed, and nobody has said when the next cycle starts.

    Otherwise that would be only after TOLERANCE, to which the scheduler moves the row when it starts a cycle.
    """
    over = moments.past("expires_at", Now(), moments.LEASE)
    return SyncLease.objects.filter(over, sync_user__is_active=True, sync_user__state=SyncUserState.READY).exists()


def next_run() -> datetime | None:
    """When the next cycle starts; None while the sync is paused."""
    if SyncUser.objects.filter(is_active=True, state=SyncUserState.PAUSED).exists():
        return None
    start: datetime | None = Schedule.objects.filter(name=CYCLE).values_list("next_run", flat=True).first()
    return start


def run_after_the_wait() -> datetime:
    """A cycle has ended: the next one starts after the wait (SYNC_INTERVAL_MINUTES)."""
    return _run_at(timezone.now() + timedelta(minutes=settings.SYNC_INTERVAL_MINUTES))


def run_at_once() -> datetime:
    """The next cycle starts as soon as the scheduler looks, within 30 seconds."""
    return _run_at(timezone.now())


def _run_at(when: datetime) -> datetime:
    ensure()
    Schedule.objects.filter(name=CYCLE).update(next_run=when)
    return when


def pause(actor: str = "") -> bool:
    """Stop the scheduled cycles; actions on persons keep working. False when there is nothing to pause."""
    sync_user = SyncUser.objects.filter(is_active=True).exclude(state=SyncUserState.PAUSED).first()
    if sync_user is None:
        return False
    sync_user.set_state(SyncUserState.PAUSED, f"Paused by {actor}." if actor else "Paused.")
    return True


def stop_writing() -> bool:
    """Nothing is written to Salesforce any more, by nobody, from now on, whichever connection is the active one. False
    when that is so already."""
    return bool(SyncUser.objects.filter(writes_stopped=False).update(writes_stopped=True))


def allow_writing() -> bool:
    """What waits goes out with the next cycle. False when writing was allowed."""
    return bool(SyncUser.objects.filter(writes_stopped=True).update(writes_stopped=False))


def resume() -> bool:
    """Go on with the scheduled cycles, at once; also after a refused sign-in or a used-up limit."""
    sync_user = SyncUser.objects.filter(is_active=True).exclude(state=SyncUserState.READY).first()
    if sync_user is None:
        return False
    sync_user.set_state(SyncUserState.READY)
    run_at_once()
    return True


def beat() -> None:
    """The background worker is alive."""
    Heartbeat.objects.update_or_create(name="worker", defaults={"at": timezone.now()})


def last_beat() -> datetime | None:
    return Heartbeat.objects.filter(name="worker").values_list("at", flat=True).first()


def worker_is_silent() -> bool:
    """No heartbeat for SILENT_AFTER, or none ever; one that is to come is none."""
    at = last_beat()
    return at is None or abs(timezone.now() - at) > SILENT_AFTER
