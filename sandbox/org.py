"""The organisation: what it keeps, what runs in it, and the lock that guards both."""

from __future__ import annotations

import copy
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.bulk.jobs import Jobs
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.org_data import OrgData
from sandbox.sessions import Sessions
from sandbox.soql.cursors import Cursors
from sandbox.usage import Usage


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The organisation at one moment, to return to."""

    image: bytes
    state: Any


class Org(OrgData):
    """One Salesforce organisation. Whoever reads or changes it holds ``lock``."""

    def __init__(
        self,
        path: str = ":memory:",
        *,
        clock: Clock | None = None,
        seed: int = 0,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__(path, clock or Clock(now))
        self.lock = threading.RLock()
        self.seed = seed
        self.random = random.Random(seed)
        self.sessions = Sessions(self.random)
        self.faults = Faults(self.random)
        self.usage = Usage()
        self.cursors = Cursors(self.database)
        self.bulk = Jobs(self, self.lock)

    def reset(self) -> None:
        """Back to an organisation as delivered, without records. Sessions stay open; the users keep their ids."""
        self.faults.clear()
        self.usage.clear()
        self.cursors.open.clear()
        self.bulk.clear()
        self.empty()

    def close(self) -> None:
        """Stop working and let go of the database."""
        self.bulk.close()
        self.database.close()

    def snapshot(self) -> Snapshot:
        """Everything at this moment: data, schema, sessions, faults, counters, chance and clock."""
        with self.lock:
            state = (self.sessions.open, self.faults, self.usage, self.clock.offset, self.random.getstate())
            return Snapshot(self.database.serialize(), copy.deepcopy(state))

    def restore(self, snapshot: Snapshot) -> None:
        """Return to a snapshot. Open queries and bulk jobs are gone, as after a restart."""
        with self.lock:
            self.database.restore(snapshot.image)
            self.cursors.open.clear()
            self.bulk.clear()
            self.load()
            sessions, faults, usage, offset, chance = copy.deepcopy(snapshot.state)
            self.sessions.open = sessions
            self.random.setstate(chance)
            self.faults = faults
            self.faults.share(self.random)
            self.usage = usage
            self.clock.offset = offset
