"""``manage.py qcluster``: the background worker, with schedules that are right when it starts.

A clock that was days ahead leaves schedules that are due in days, also the heartbeat's, which puts the others right.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, connections
from django_q.management.commands import qcluster

from syncer import schedule

logger = logging.getLogger(__name__)


class Command(qcluster.Command):  # type: ignore[misc]
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            schedule.ensure()
        except DatabaseError as error:  # the worker waits for the database by itself
            logger.warning("The schedules could not be looked at: %s", error)
        connections.close_all()  # its processes have their own
        super().handle(*args, **options)
