"""Histories of edits, faults and crashes, each driven by one seed, and the promises of the sync after each.

``SEED=17`` replays one history and ``SEEDS=1-500`` runs many; without them a fixed few run.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.check import Check
from tests.simulation.history import History

A_FEW = range(1, 21)


def seeds() -> list[int]:
    if one := os.environ.get("SEED"):
        return [int(one)]
    first, _, last = os.environ.get("SEEDS", "").partition("-")
    return list(range(int(first), int(last or first) + 1)) if first else list(A_FEW)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", seeds())
def test_the_promises_hold_after_the_history_of_seed(seed: int, database: None) -> None:
    history = History(seed)
    with history.world.running():
        history.run()
        problems = Check(history).run()
    concerned = {who for _, owners in problems[:3] for who in owners}
    told = "\n".join(text for text, _ in problems)
    assert not problems, f"seed {seed}\n{told}\n\n{history.journal.story(concerned)}"
