"""What an organisation keeps in its database: schema, switches, users and records, and the clock they are stamped with.

Saving (``sandbox.dml``) and bulk jobs need this much of an organisation and no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sandbox.clock import Clock, wire_datetime, zone_of
from sandbox.schema import places
from sandbox.schema.catalog import Catalog
from sandbox.schema.sobject import SObject
from sandbox.settings import Settings
from sandbox.soql.scope import Reader
from sandbox.store.database import Database, quote
from sandbox.users import ASSIGNMENT_RULE, QUEUE, SYSTEM_USER, Users


class OrgData:
    """The kept part of an organisation. Whoever reads or changes it holds the organisation's lock."""

    def __init__(self, path: str, clock: Clock) -> None:
        self.clock = clock
        self.catalog = Catalog()
        self.settings = Settings()
        self.database = Database(path, lambda: wire_datetime(self.clock.now()), lambda: self.today().isoformat())
        self.users = Users(self.database)
        self.schema_changed = self.clock.now()
        self._open()

    # Opening and emptying

    def _open(self) -> None:
        with self.database.atomic():
            self.database.create([])
        if self.database.meta("settings") is None:
            self._deliver()
        else:
            self.load()

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

    def load(self) -> None:
        """An organisation from its database."""
        self.settings = Settings.loads(self.database.meta("settings") or "{}")
        stored = json.loads(self.database.meta("schema") or "{}")
        self.catalog = Catalog()
        self.catalog.switch_places(self.settings.state_country_picklists)
        self.catalog.switch_record_types(self.settings.record_types)
        self.catalog.switch_person_accounts(self.settings.person_accounts)
        for definition in stored.get("fields", []):
            self.catalog.put_field(definition)
        self.catalog.replace_access({tuple(key.split("\t")): value for key, value in stored.get("access", {}).items()})
        self.schema_changed = datetime.fromisoformat(stored["changed"])
        self.clock.offset = timedelta(seconds=float(self.database.meta("clock") or 0))
        with self.database.atomic():
            self.database.create(list(self.catalog.objects.values()))

    def empty(self) -> None:
        """Back to an organisation as delivered, without records; the users keep their ids."""
        with self.database.atomic():
            self.database.drop_all()
        self.clock.offset = timedelta()
        self._open()

    # Settings and schema

    def save_settings(self) -> None:
        """Keep the switches."""
        self.database.set_meta("settings", self.settings.dumps())
        self.database.set_meta("clock", str(self.clock.offset.total_seconds()))

    def switch_places(self, on: bool) -> None:
        """Use state and country picklists, or free text again; what stands in the records keeps its text."""
        self.settings.state_country_picklists = on
        with self._other_fields():
            self.catalog.switch_places(on)
        if on:
            for item in list(self.catalog.objects.values()):
                self._fill_codes(item)

    def switch_person_accounts(self, on: bool) -> None:
        """Let accounts be persons, or not: the accounts that were are companies afterwards."""
        self.settings.person_accounts = on
        with self._other_fields():
            self.catalog.switch_person_accounts(on)

    def put_record_type(self, object_name: str, record_type: dict[str, Any]) -> None:
        """Give an object one record type more."""
        self.settings.record_types.setdefault(object_name, []).append(record_type)
        with self._other_fields():
            self.catalog.switch_record_types(self.settings.record_types)

    @contextmanager
    def _other_fields(self) -> Iterator[None]:
        """Inside, objects get other standard fields: their columns come and go with them."""
        before = dict(self.catalog.objects)
        with self.database.atomic():
            yield
            objects = list(self.catalog.objects.values())
            self.database.create(objects)
            for item in objects:
                for name, gone in before[item.name].fields.items():
                    if not item.has(name):
                        self.database.drop_column(item, gone)
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

    def switch_time_zone(self, name: str) -> None:
        """Another time zone of the organisation and its users. Raises ValueError if there is none of this name."""
        zone_of(name)
        self.settings.time_zone = name
        for table in ("Organization", "User"):
            self.database.execute(f"UPDATE {quote(table)} SET TimeZoneSidKey = ?", (name,))

    def _local(self) -> datetime:
        """The time where the organisation is."""
        return self.clock.now().astimezone(zone_of(self.settings.time_zone))

    def today(self) -> date:
        """The day where the organisation is."""
        return self._local().date()

    # Reading

    def reader(self, user_id: str, version: str = "59.0", *, deleted_too: bool = False) -> Reader:
        """How a user reads now."""
        hides = self.database.one("SELECT 1 FROM _hidden WHERE user = ? LIMIT 1", (user_id,)) is not None
        return Reader(
            view=self.catalog.view(user_id),
            whole=self.catalog.whole,
            user_id=user_id,
            now=self._local(),
            version=version,
            deleted_too=deleted_too,
            hides=hides,
            private=frozenset(self.settings.private.get(user_id, ())),
            sees_encrypted=user_id in self.settings.view_encrypted,
            most_formulas=self.settings.query_formulas,
            most_characters=self.settings.query_length,
        )

    def system_reader(self) -> Reader:
        """How the platform itself reads: everything."""
        whole = self.catalog.whole
        return Reader(
            view=whole, whole=whole, user_id=SYSTEM_USER, now=self._local(), deleted_too=True, sees_encrypted=True
        )

    def is_hidden(self, user_id: str, record_id: str) -> bool:
        """Whether sharing keeps the record from the user."""
        item = self.catalog.whole.object_of(record_id)
        if item is not None and item.name in self.settings.private.get(user_id, ()):
            own = self.database.one(
                f"SELECT 1 FROM {quote(item.name)} WHERE Id = ? AND OwnerId = ?", (record_id, user_id)
            )
            if own is None:
                return True
        return self.database.one("SELECT 1 FROM _hidden WHERE user = ? AND id = ?", (user_id, record_id)) is not None

    def counts(self) -> dict[str, dict[str, int]]:
        """How many records each object has."""
        counts = {}
        for name, item in sorted(self.catalog.objects.items()):
            deleted = "COALESCE(SUM(IsDeleted), 0)" if item.has("IsDeleted") else "0"
            total, gone = self.database.one(f'SELECT COUNT(*), {deleted} FROM "{name}"')
            counts[name] = {"count": total - gone, "deleted": gone}
        return counts
