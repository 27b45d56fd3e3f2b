"""`kill -9` of `runsync` at random moments, while people work on both sides: nothing is lost, nothing stays stuck."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.world import FIELDS, SYNC_USER, Editors, World, world

CYCLES = 9
ACTIONS = 6
#: More seconds than Salesforce keeps a request alive: a create that was lost can't come through any more.
NO_LATE_COMMIT = 16 * 60


@pytest.fixture
def small_world(tmp_path: Path) -> Iterator[World]:
    """30 leads and 10 contacts, synced once."""
    with world(tmp_path, leads=30, contacts=10) as made:
        made.sync()
        yield made


class Moments:
    """Random moments to kill at, of which most come before the end: the range follows what a run takes here."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._range = 0.8
        self.kills = 0

    def kill(self, world: World, *arguments: str) -> None:
        started = time.monotonic()
        if world.kill_during_sync(self._chance.uniform(0, self._range), *arguments):
            self.kills += 1
        else:
            self._range = min(self._range, (time.monotonic() - started) / 2)


def check_promises(world: World, editors: Editors, before: dict[str, dict[str, str]]) -> None:
    """After two quiet cycles both sides and the base agree, and each value is the one that somebody entered last.

    Of two last ones, the one that lost is in the activity log, or the log tells that an update whose answer was lost
    may have overwritten something: what that was is known from the answer only.
    """
    for _ in range(2):
        world.sync()
    assert world.here("disagreements") == []
    here, there = world.here("values", fields=list(FIELDS)), world.there.values()
    log, doubts = world.here("log"), world.here("doubts")
    assert there.keys() == here.keys() == before.keys()
    for record_id, old in before.items():
        for field in FIELDS:
            now = there[record_id][field]
            last = editors.last.get((record_id, field), {})
            assert here[record_id][field] == now
            assert now in (last.values() or [old[field]]), f"{record_id} {field}: {last} became {now!r}"
            for value in last.values():
                traced = value == now or value in log or [record_id, field] in doubts
                assert traced, f"{record_id} {field}: {value!r} became {now!r} without a trace"
    assert world.here("left_over") == {"claims": 0, "waiting": 0, "intents": 0, "leases": 0}


def test_a_cycle_killed_anywhere_ends_where_it_would_have_ended(small_world: World) -> None:
    before, moments = small_world.there.values(), Moments(1)
    pairs = {p["sfdc_id"]: p["id"] for p in small_world.here("people")}
    editors = Editors(small_world, 1)
    with editors.at_work(pairs):
        for _ in range(CYCLES):
            moments.kill(small_world)
    assert moments.kills >= CYCLES // 2
    check_promises(small_world, editors, before)


@pytest.mark.parametrize("external_id", [True, False], ids=["with an external id", "without one"])
def test_sync_person_killed_anywhere_makes_one_lead_for_each_person(small_world: World, external_id: bool) -> None:
    if not external_id:
        small_world.there.control(
            "POST", "access", username=SYNC_USER, object="Lead", field="Person_Id__c", access="hidden"
        )
        small_world.sync()
    people = [
        {"last_name": f"Ode {n}", "company": "Acme", "email": f"kim.{n}@example.com", "title": f"No. {n}"}
        for n in range(12)
    ]
    ids = small_world.here("add", persons=people)
    known = {row["Id"] for row in small_world.there.query("SELECT Id FROM Lead")}
    chance, moments = random.Random(3), Moments(4)
    for _ in range(ACTIONS):
        chosen = chance.sample(ids, 4)
        moments.kill(small_world, *(word for pk in chosen for word in ("--person", str(pk))))
    assert moments.kills >= ACTIONS // 2

    def made() -> list[dict[str, Any]]:
        rows = small_world.there.query("SELECT Id, Email FROM Lead")
        return [row for row in rows if row["Id"] not in known]

    assert max(Counter(row["Email"] for row in made()).values(), default=0) <= 1
    small_world.there.control("POST", "clock", advance_seconds=NO_LATE_COMMIT)
    everybody = [word for pk in ids for word in ("--person", str(pk))]
    small_world.sync(*everybody)
    assert sorted(row["Email"] for row in made()) == sorted(person["email"] for person in people)
    linked = {p["sfdc_id"] for p in small_world.here("people") if p["id"] in ids}
    assert linked == {row["Id"] for row in made()}
    for _ in range(2):
        small_world.sync()
    assert small_world.here("disagreements") == []
    assert small_world.here("left_over") == {"claims": 0, "waiting": 0, "intents": 0, "leases": 0}
