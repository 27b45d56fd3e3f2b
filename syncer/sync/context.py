"""What a cycle or an action works with: the connection, the maps of the fields, the clock, the run it reports to."""

from __future__ import annotations

import random as random_module
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils import timezone

from syncer.models import ReadSequence, RunKind, SyncMode, SyncRun, SyncUser
from syncer.salesforce.client import Org
from syncer.sync.errors import OutOfTime, ReserveReached
from syncer.sync.fields.defaults import OBJECTS
from syncer.sync.fields.object_map import ObjectMap, object_map
from syncer.sync.persons.record import Gone
from syncer.sync.plan import Plan

#: What is counted for each direction (``runsync --json``).
COUNTERS = ("created", "updated", "unchanged", "failed")

Progress = Callable[[str, int, int | None], None]


def no_progress(phase: str, done: int, total: int | None) -> None:
    """Nobody watches."""


@dataclass(slots=True)
class Context:
    """``claim`` names this worker in the outbox. ``fence`` is called first in every write transaction: it raises when
    another cycle has taken the lease. ``checkpoint`` is called before and after each call to Salesforce."""

    sync_user: SyncUser
    org: Org
    run: SyncRun
    claim: str
    actor: str
    now: Callable[[], datetime] = timezone.now
    fence: Callable[[], None] = lambda: None
    checkpoint: Callable[[], None] = lambda: None
    progress: Progress = no_progress
    share: int | None = None  # percent of the day's API calls, used by all apps, from which on nothing more is asked
    deadline: datetime | None = None  # give up at the end of a batch after this time
    plan: Plan | None = None  # a dry run: what is decided is told to the plan and not applied
    save_duplicates: bool = False  # records that a duplicate rule only warns of are saved
    full: bool = False  # everything is compared by value, whatever its stamp says
    pause: Callable[[float], None] = time.sleep  # seconds
    random: random_module.Random = field(default_factory=random_module.Random)
    maps: dict[str, ObjectMap] = field(default_factory=dict)
    gone: list[Gone] = field(default_factory=list)  # became others before anybody here was linked with them
    short_pages: bool = False  # Salesforce has cut what a request was to read before it writes
    converting: set[str] = field(default_factory=set)  # contacts of converted leads whose persons were busy
    received: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    conflicts: int = 0

    @property
    def organisation(self) -> str:
        return self.sync_user.organisation_id

    @property
    def sending(self) -> bool:
        return self.sync_user.mode == SyncMode.TWO_WAY and not self.sync_user.writes_stopped

    def next_batch(self) -> None:
        """Called by a cycle before it asks Salesforce for more, with its position committed. Raises OutOfTime or
        ReserveReached: the next cycle goes on from there."""
        self.give_up_in_time()
        self.keep_reserve()

    def give_up_in_time(self) -> None:
        """Called at the end of a batch, with its position committed. Raises OutOfTime."""
        if self.deadline is not None and self.now() > self.deadline:
            raise OutOfTime

    def keep_reserve(self) -> None:
        """Raises ReserveReached when the last answer told that the others need what is left of the day's calls."""
        usage, share = self.org.api_usage, self.share
        if share is not None and usage is not None and usage.reaches(share):
            who = "Actions on persons" if self.run.kind == RunKind.PERSONS else "Cycles"
            raise ReserveReached(who, share, usage)

    def note(self, sentence: str) -> None:
        """Something worth knowing about the run, told once."""
        if sentence not in self.run.notes:
            self.run.notes.append(sentence)

    def load_maps(self) -> None:
        self.maps = {name: object_map(self.sync_user, name) for name in OBJECTS}

    def counters(self) -> dict[str, Any]:
        return {"received": dict(self.received), "sent": dict(self.sent)}


def next_sequence() -> int:
    """A new number of the application's sequence of reads and pushes; taken before the request that it stands for."""
    while True:
        if ReadSequence.objects.filter(pk=1).update(value=F("value") + 1):
            return ReadSequence.objects.values_list("value", flat=True).get(pk=1)
        ReadSequence.objects.get_or_create(pk=1)
