"""The world around whatever takes none: commands, tasks and pages."""

from __future__ import annotations

import pytest

from syncer.sync.actions.run_action import carry_on, sync_persons
from syncer.sync.context import Surroundings
from syncer.sync.cycle import run_cycle


def put_around(everything: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs are the defaults of the engine's entrances."""
    for entrance in (run_cycle, sync_persons, carry_on):
        assert entrance.__kwdefaults__ is not None
        monkeypatch.setitem(entrance.__kwdefaults__, "around", everything)
    monkeypatch.setattr("syncer.management.commands.runsync.REAL_WORLD", everything)
