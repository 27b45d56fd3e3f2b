"""The organisation: its data, schema, users, rules and clock, and the lock that guards them."""

from __future__ import annotations

import copy
import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.bulk.jobs import Jobs
from sandbox.clock import Clock, read_wire, wire_datetime
from sandbox.faults import Faults
from sandbox.schema import places
from sandbox.schema.catalog import Catalog
from sandbox.schema.sobject import SObject
from sandbox.sessions import Sessions
from sandbox.settings import Settings
from sandbox.soql.cursors import Cursors
from sandbox.soql.scope import Reader
from sandbox.store.database import Database, quote
from sandbox.usage import Usage
from sandbox.users import ASSIGNMENT_RULE, QUEUE, SYSTEM_USER, Users


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The organisation at one moment, to return to."""

    image: bytes
    state: Any


class Org:
    """One Salesforce organisation. Whoever reads or changes it holds ``lock``."""

    def __init__(
        self,
        path: str = ":memory:",
        *,
        clock: Clock | None = None,
        seed: int = 0,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.clock = clock or Clock(now)
        self.seed = seed
        self.random = random.Random(seed)
        self.sessions = Sessions(self.random)
        self.faults = Faults(self.random)
        self.usage = Usage()
        self.catalog = Catalog()
        self.settings = Settings()
        self.database = Database(path, lambda: wire_datetime(self.clock.now()))
        self.users = Users(self.database)
        self.cursors = Cursors(self.database)
        self.bulk = Jobs(self)
        self.schema_changed = self.clock.now()
        self._open()

    # Opening and emptying

    def _open(self) -> None:
        with self.database.atomic():
            self.database.create([])
        if self.database.meta("settings") is None:
            self._deliver()
        else:
            self._load()

    def _deliver(self) -> None:
        """A new organisation, as delivered."""
        self.catalog = Catalog()
        self.catalog.deliver()
        self.settings = Settings(assignment_rule_id=ASSIGNMENT_RULE, assignment_owner=QUEUE)
        with self.database.atomic():
            self.database.create(list(self.catalog.objects.values()))
            self.users.deliver(wire_datetime(self.clock.now()))
            self.schema_changed = self.clock.now().replace(microsecond=0)
            self.save_settings()
            self._save_schema()

    def _load(self) -> None:
        """An organisation from its file."""
        self.settings = Settings.loads(self.database.meta("settings") or "{}")
        stored = json.loads(self.database.meta("schema") or "{}")
        self.catalog = Catalog()
        for definition in stored.get("fields", []):
            self.catalog.put_field(definition)
        self.catalog.switch_places(self.settings.state_country_picklists)
        self.catalog.replace_access({tuple(key.split("\t")): value for key, value in stored.get("access", {}).items()})
        self.schema_changed = datetime.fromisoformat(stored["changed"])
        self.clock.offset = timedelta(seconds=float(self.database.meta("clock") or 0))
        with self.database.atomic():
            self.database.create(list(self.catalog.objects.values()))

    def reset(self) -> None:
        """Back to an organisation as delivered, without records. Sessions stay open; the users keep their ids."""
        database = self.database
        with database.atomic():
            database.execute('DROP VIEW IF EXISTS "Name"')
            tables = database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
            for (name,) in tables:
                database.execute(f'DROP TABLE "{name}"')
        self.clock.offset = timedelta()
        self.faults.clear()
        self.usage.clear()
        self.cursors.open.clear()
        self.bulk.clear()
        self._open()

    def close(self) -> None:
        """Stop working and let go of the database."""
        self.bulk.close()
        self.database.close()

    # Settings and schema

    def save_settings(self) -> None:
        """Keep the switches."""
        self.database.set_meta("settings", self.settings.dumps())
        self.database.set_meta("clock", str(self.clock.offset.total_seconds()))

    def switch_places(self, on: bool) -> None:
        """Use state and country picklists, or free text again; what stands in the records keeps its text."""
        before = list(self.catalog.objects.values())
        self.settings.state_country_picklists = on
        self.catalog.switch_places(on)
        objects = list(self.catalog.objects.values())
        with self.database.atomic():
            self.database.create(objects)
            for old, new in zip(before, objects, strict=True):
                for gone in (field for name, field in old.fields.items() if not new.has(name)):
                    self.database.drop_column(new, gone)
                if on:
                    self._fill_codes(new)
        self.schema_moved()

    def _fill_codes(self, item: SObject) -> None:
        """Each known country and state that stands in a record gets its code."""
        for prefix in places.prefixes(item):
            country, state = quote(f"{prefix}Country"), quote(f"{prefix}State")
            for label, code in places.COUNTRIES.items():
                table = f"UPDATE {quote(item.name)} SET"
                self.database.execute(f"{table} {quote(f'{prefix}CountryCode')} = ? WHERE {country} = ?", (code, label))
                for name, short in places.STATES.get(label, {}).items():
                    self.database.execute(
                        f"{table} {quote(f'{prefix}StateCode')} = ? WHERE {country} = ? AND {state} = ?",
                        (short, label, name),
                    )

    def schema_moved(self) -> None:
        """The schema, or who may see what, has changed: describe's Last-Modified moves, by a second at least."""
        earliest = self.schema_changed + timedelta(seconds=1)
        self.schema_changed = max(self.clock.now().replace(microsecond=0), earliest)
        self._save_schema()

    def _save_schema(self) -> None:
        access = {"\t".join(key): value for key, value in self.catalog.access.items()}
        stored = {
            "fields": self.catalog.definitions,
            "access": access,
            "changed": self.schema_changed.astimezone(UTC).isoformat(),
        }
        self.database.set_meta("schema", json.dumps(stored))

    # Reading

    def reader(self, user_id: str, version: str = "59.0", *, deleted_too: bool = False) -> Reader:
        """How a user reads now."""
        hides = self.database.one("SELECT 1 FROM _hidden WHERE user = ? LIMIT 1", (user_id,)) is not None
        return Reader(
            view=self.catalog.view(user_id),
            user_id=user_id,
            now=self.clock.now(),
            version=version,
            deleted_too=deleted_too,
            hides=hides,
            sees_encrypted=user_id in self.settings.view_encrypted,
        )

    def system_reader(self) -> Reader:
        """How the platform itself reads: everything."""
        return Reader(
            view=self.catalog.whole, user_id=SYSTEM_USER, now=self.clock.now(), deleted_too=True, sees_encrypted=True
        )

    def is_hidden(self, user_id: str, record_id: str) -> bool:
        """Whether sharing keeps the record from the user."""
        return self.database.one("SELECT 1 FROM _hidden WHERE user = ? AND id = ?", (user_id, record_id)) is not None

    def is_uncommitted(self, record_id: str) -> bool:
        """Whether a save of this record has not committed yet."""
        return self.database.one("SELECT 1 FROM _late WHERE id = ?", (record_id,)) is not None

    def commit_late(self) -> None:
        """Make visible what was saved earlier and commits now. Called before each request."""
        database = self.database
        if database.one("SELECT 1 FROM _late LIMIT 1") is None:
            return
        now = wire_datetime(self.clock.now())
        for record_id, name, row in database.execute(
            "SELECT id, object, row FROM _late WHERE at <= ?", (now,)
        ).fetchall():
            item = self.catalog.objects[name]
            # a field may have been removed meanwhile
            values = {key: value for key, value in json.loads(row).items() if item.has(key)}
            if database.one(f'SELECT 1 FROM "{name}" WHERE Id = ?', (record_id,)):
                database.update(name, record_id, values)
            else:
                database.insert(name, values)
            database.execute("DELETE FROM _late WHERE id = ?", (record_id,))

    def counts(self) -> dict[str, dict[str, int]]:
        """How many records each object has."""
        counts = {}
        for name, item in sorted(self.catalog.objects.items()):
            deleted = "COALESCE(SUM(IsDeleted), 0)" if item.has("IsDeleted") else "0"
            total, gone = self.database.one(f'SELECT COUNT(*), {deleted} FROM "{name}"')
            counts[name] = {"count": total - gone, "deleted": gone}
        return counts

    # Snapshots

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
            self._load()
            sessions, faults, usage, offset, chance = copy.deepcopy(snapshot.state)
            self.sessions.open = sessions
            self.random.setstate(chance)
            self.faults = faults
            self.faults.share(self.random)
            self.usage = usage
            self.clock.offset = offset


def schema_moment(text: str) -> datetime:
    """A date/time given by the control path, in the wire's or any ISO form."""
    try:
        return read_wire(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
