"""Histories of edits, faults and crashes, each driven by one seed, and the promises of the sync after each.

``SEED=17`` replays one history and ``SEEDS=1-500`` runs many; without them a fixed few run. ``JOURNALS=folder`` writes
what happened in each history there, to compare two states of the code word for word.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from syncer.models import ActivityLogEntry, PendingChange, SalesforceRecord, SyncRun
from syncer.sync.upkeep.check_data import check
from tests.simulation.check import Check
from tests.simulation.history import History

A_FEW = range(1, 21)


def seeds() -> list[int]:
    if one := os.environ.get("SEED"):
        return [int(one)]
    first, _, last = os.environ.get("SEEDS", "").partition("-")
    return list(range(int(first), int(last or first) + 1)) if first else list(A_FEW)


def whole_story(history: History) -> str:
    """Everything that people entered, that struck, and that the application told of it."""
    told = [f"{text}  {sorted(map(str, who))}" for text, who in history.journal.history]
    entries = ActivityLogEntry.objects.order_by("pk").values_list(
        "person_name", "type", "at", "actor", "summary", "detail"
    )
    runs = SyncRun.objects.order_by("pk").values_list("kind", "status", "error", "notes", "counters", "api_calls")
    links = SalesforceRecord.objects.order_by("pk").values_list("object", "record_id", "base", "read_sequence")
    waiting = PendingChange.objects.order_by("pk").values_list("person_id", "state", "attempts", "error_code", "held")
    whole = "\n".join([*told, *(str(row) for rows in (entries, runs, links, waiting) for row in rows)])
    whole = re.sub(r"process \d+ on [^)]+", "process on host", whole)  # who holds the lease
    return re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID", whole)  # of a person that was received


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", seeds())
def test_the_promises_hold_after_the_history_of_seed(seed: int, database: None) -> None:
    history = History(seed)
    with history.world.running():
        history.run()
        problems = Check(history).run()
        problems += [(str(found), set()) for found in check(mend=False)]
        if folder := os.environ.get("JOURNALS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            Path(folder, f"{seed}.txt").write_text(whole_story(history), encoding="utf-8")
    concerned = {who for _, owners in problems[:3] for who in owners}
    told = "\n".join(text for text, _ in problems)
    assert not problems, f"seed {seed}\n{told}\n\n{history.journal.story(concerned)}"
