"""The django-q2 schedule of the cycle: created and healed by the application itself.

One MINUTES row whose period is the longest cycle that is tolerated; each cycle sets ``next_run`` to the wait after its
own end. A killed worker is thereby followed by another run after at most that period, without anybody's help.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django_q.models import Schedule

NAME = "Salesforce sync"
TASK = "syncer.tasks.run_cycle"
#: Minutes after which the scheduler starts a cycle although the last one never said that it ended.
TOLERANCE = 16


def ensure() -> Schedule:
    """Make sure that exactly one right schedule is there; keeps ``next_run`` (None: paused) of one that was."""
    rows = list(Schedule.objects.filter(name=NAME).order_by("id"))
    for extra in rows[1:]:
        extra.delete()
    wanted = {"func": TASK, "schedule_type": Schedule.MINUTES, "minutes": TOLERANCE, "repeats": -1, "cluster": None}
    wanted |= {"args": None, "kwargs": None, "hook": None}
    if not rows:
        return Schedule.objects.create(name=NAME, next_run=timezone.now(), **wanted)
    row = rows[0]
    if any(getattr(row, key) != value for key, value in wanted.items()):
        Schedule.objects.filter(pk=row.pk).update(**wanted)
        row.refresh_from_db()
    return row


def next_run() -> datetime | None:
    return Schedule.objects.filter(name=NAME).values_list("next_run", flat=True).first()


def run_after_the_wait() -> datetime:
    """The cycle has ended: the next one starts after the wait (SYNC_INTERVAL_MINUTES)."""
    ensure()
    when = timezone.now() + timedelta(minutes=settings.SYNC_INTERVAL_MINUTES)
    Schedule.objects.filter(name=NAME, next_run__isnull=False).update(next_run=when)
    return when


def pause() -> None:
    ensure()
    Schedule.objects.filter(name=NAME).update(next_run=None)


def resume() -> None:
    ensure()
    Schedule.objects.filter(name=NAME).update(next_run=timezone.now())
