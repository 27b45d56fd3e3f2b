"""``manage.py restored``: the database was restored from a backup."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from syncer.sync.connection.connect import RESTORED
from syncer.sync.connection.high_water import WentBack
from syncer.sync.store import restored


class Command(BaseCommand):
    help = (
        "Say that the database was restored from a backup, before the worker is started again. What waits in it may "
        "have been sent already, and been written over since: nothing is sent until everything was read. A cycle "
        "notices most restores by itself; this is sure."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        restored.begin(WentBack("manage.py restored was run"))
        self.stdout.write(RESTORED)
