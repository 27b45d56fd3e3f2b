"""What a cycle or an action works with: the connection, the maps of the fields, the clock, the run it reports to."""

from __future__ import annotations

import random as random_module
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import requests
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from syncer.models import Backfill, ReadSequence, RunKind, SyncCursor, SyncMode, SyncRun, SyncUser
from syncer.salesforce.client import Answer, Org, Page, Subrequest
from syncer.salesforce.transport import open_session
from syncer.salesforce.validity import Validity, uptime
from syncer.sync.errors import OutOfTime, ReserveReached
from syncer.sync.fields.object_map import Bears, ObjectMap, object_map
from syncer.sync.fields.synced_objects import OBJECTS
from syncer.sync.persons.merged import Applied, Merged, Pair, Question
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Became, Gap, Reading, RemoteRecord

#: What was looked at before something is sent (claims, an intent) counts for so long, by whichever clock has gone
#: furthest: no longer than a claim lasts, and so much less than ``intents.LATE_COMMIT`` that Salesforce, which ends a
#: request after ten minutes, has ended it by then.
SENT_WITHIN = timedelta(seconds=120)

#: What is counted for each direction (``runsync --json``).
COUNTERS = ("created", "updated", "unchanged", "failed")

OpenSession = Callable[[str], requests.Session]
Progress = Callable[[str, int, int | None], None]


def default_session(login_url: str) -> requests.Session:
    return open_session(login_url, allowed_hosts=settings.SALESFORCE_ALLOWED_HOSTS)


def no_progress(phase: str, done: int, total: int | None) -> None:
    """Nobody watches."""


def database_now() -> datetime:
    """The time by the database's clock, which all machines share."""
    found: datetime = SyncUser.objects.values_list(Now(), flat=True)[:1].get()
    return found


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a cycle or an action takes from the world around it. ``pause`` waits, ``monotonic`` counts, in seconds;
    ``database_now`` is the time by the database's clock;
    ``random`` spreads the tries of a call (None: a new one for each run); ``progress`` hears of each phase how much is
    done, and of how much.
    """

    open_session: OpenSession = default_session
    now: Callable[[], datetime] = timezone.now
    pause: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = uptime
    database_now: Callable[[], datetime] = database_now
    random: random_module.Random | None = None
    progress: Progress = no_progress


REAL_WORLD = Surroundings()


@dataclass(slots=True)
class Context:
    """``claim`` names this worker in the claims. ``fence`` is called first in every write transaction: it raises when
    another cycle has taken the lease. ``checkpoint`` is called before and after each call to Salesforce. ``believed``:
    the organisation's time of a request, as far as it is believed. ``store`` takes what is decided: it writes it, or in
    a dry run tells it."""

    sync_user: SyncUser
    org: Org
    run: SyncRun
    claim: str
    actor: str
    store: Store
    now: Callable[[], datetime] = timezone.now
    believed: Callable[[datetime], datetime] = lambda asked_at: asked_at
    fence: Callable[[], None] = lambda: None
    checkpoint: Callable[[], None] = lambda: None
    progress: Progress = no_progress
    share: int | None = None  # percent of the day's API calls, used by all apps, from which on nothing more is asked
    deadline: datetime | None = None  # give up at the end of a batch after this time
    turn_ends: datetime | None = None  # make way for others at the end of a batch after this time
    unread: frozenset[str] = frozenset()  # objects whose changes this cycle has not, or not yet, read to the end
    never_read: frozenset[str] = frozenset()  # objects of which no reading has ended yet: of them nothing is sent
    save_duplicates: bool = False  # records that a duplicate rule only warns of are saved
    full: bool = False  # everything is compared by value, whatever its stamp says
    pause: Callable[[float], None] = time.sleep  # seconds
    random: random_module.Random = field(default_factory=random_module.Random)
    maps: dict[str, ObjectMap] = field(default_factory=dict)
    fields_are_fresh: bool = False  # the describes were read in this run: what is refused about a field is no surprise
    bears: dict[str, Bears] = field(default_factory=dict)  # object → what a query bears, found out in this run
    short_pages: bool = False  # Salesforce has cut what a request was to read before it writes
    converting: set[str] = field(default_factory=set)  # contacts of converted leads whose persons were busy
    received: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    conflicts: int = 0
    earlier_calls: int = 0  # of the run, by the workers that were at it before

    @property
    def organisation(self) -> str:
        return self.sync_user.organisation_id

    @property
    def may_send(self) -> bool:
        """Whether anything may be written there at all."""
        user = self.sync_user
        return user.mode == SyncMode.TWO_WAY and not user.writes_stopped and user.restored_at is None

    def ask(self, requests: Sequence[Subrequest]) -> tuple[Answer, Reading]:
        """One Composite call that changes nothing there, and is repeated when it fails in passing; the answer, and its
        place in the sequence of reads and pushes. Raises what the edge raises, and LeaseLost."""
        self.checkpoint()
        sequence = next_sequence()
        answer = self.org.composite(list(requests), safe=True)
        self.checkpoint()
        return answer, Reading(sequence, self.believed(answer.asked_at))

    def send(self, requests: Sequence[Subrequest], validity: Validity | None = None) -> tuple[Answer, Reading]:
        """One Composite call that may change something there, made once; its place in the sequence is behind its
        answer. ``validity``: begun before it was looked at whether this may be sent (None: now). Raises TooLate when
        this process stood still since then and it did not leave; else as ``ask``."""
        validity = validity or self.validity()
        self.checkpoint()
        first = next_sequence()
        with self.org.only_while(validity):
            answer = self.org.composite(list(requests), safe=False)
        sequence = next_sequence()
        self.checkpoint()
        return answer, Reading(sequence, self.believed(answer.asked_at), first)

    def validity(self) -> Validity:
        """How long what is looked at from now on may be sent."""
        return self.org.validity(SENT_WITHIN)

    def query(self, text: str, *, deleted: bool = False) -> tuple[Page, Reading]:
        """The first page of a query, as ``ask``. ``deleted``: deleted records are asked for, too."""
        self.checkpoint()
        sequence = next_sequence()
        page = self.org.query(text, deleted=deleted)
        self.checkpoint()
        return page, Reading(sequence, self.believed(page.asked_at))

    def query_more(self, next_url: str) -> Page:
        """A further page, which belongs to the reading of the first one."""
        self.checkpoint()
        page = self.org.query_more(next_url)
        self.checkpoint()
        return page

    def no_reading(self) -> Reading:
        """A place in the sequence for what needs no call."""
        return Reading(next_sequence(), self.now())

    def next_batch(self) -> None:
        """Called by a cycle before it asks Salesforce for more, with its position committed. Raises OutOfTime or
        ReserveReached: the next cycle goes on from there."""
        self.give_up_in_time()
        self.keep_reserve()

    def turn_is_over(self) -> bool:
        """Whether others are to have their turn (``pull.turns``); asked at the end of a batch."""
        return self.turn_ends is not None and self.now() >= self.turn_ends

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

    def count_received(self, *, updated: int = 0, created: int = 0) -> None:
        """Records that were counted as unchanged when they were read have brought something."""
        self.received["updated"] += updated
        self.received["created"] += created
        self.received["unchanged"] -= updated + created

    def note(self, sentence: str) -> None:
        """Something worth knowing about the run, told once."""
        if sentence not in self.run.notes:
            self.run.notes.append(sentence)

    def load_maps(self) -> None:
        maps = {name: object_map(self.sync_user, name) for name in OBJECTS}
        self.maps = {name: fields.bearing(self.bears.get(name, Bears())) for name, fields in maps.items()}

    def counters(self) -> dict[str, Any]:
        return {"received": dict(self.received), "sent": dict(self.sent)}


def database_time() -> float:
    """The database's time of day in seconds, not that of its transaction."""
    postgresql = connection.vendor == "postgresql"
    now = "extract(epoch FROM clock_timestamp())" if postgresql else "(julianday('now') - 2440587.5) * 86400"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {now}")
        return float(cursor.fetchone()[0])


def next_sequence() -> int:
    """A new number of the application's sequence of reads and pushes; taken before the request that it stands for, and
    of a push once more behind it."""
    table = ReadSequence._meta.db_table
    while True:
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET value = value + 1 WHERE id = 1 RETURNING value")  # noqa: S608
            rows = cursor.fetchall()
        if rows:
            return int(rows[0][0])
        ReadSequence.objects.get_or_create(pk=1)


def raise_sequence(above: int) -> None:
    """Go on above this number: the database was restored, and had reached it."""
    next_sequence()
    ReadSequence.objects.filter(pk=1, value__lte=above).update(value=above + 1)


class Store(Protocol):
    """What becomes of that which is decided. One writes it (``pull.database``), one tells it (``plan``): a dry run is
    the same cycle with the other store, and later steps read from it what earlier ones have told."""

    dry_run: bool  # it tells

    def begin(self, context: Context) -> None:
        """A cycle begins: what earlier ones left behind is put right."""

    def mappings(self) -> AbstractContextManager[None]:
        """A transaction around what a describe changes in the mappings."""

    def by_record_ids(self, context: Context, record_ids: Iterable[str]) -> dict[str, PersonState]:
        """The linked persons of records, by record id."""

    def apply(
        self,
        context: Context,
        fields: ObjectMap,
        reading: Reading,
        merged: Sequence[Merged],
        *,
        also: Callable[[Sequence[Merged]], None] | None = None,
    ) -> Applied:
        """Merged records: persons, links, log and outbox. ``also`` runs in the same transaction, with those written."""

    def as_applied(self, context: Context, fields: ObjectMap, merged: Sequence[Merged]) -> dict[int, PersonState]:
        """The persons as ``apply`` has left them, by id."""

    def new_persons(
        self, context: Context, fields: ObjectMap, reading: Reading, records: Sequence[RemoteRecord]
    ) -> tuple[int, list[RemoteRecord]]:
        """Persons for records that nobody here is linked to: how many, and the records to be looked at again."""

    def follow(self, context: Context, reading: Reading, pairs: Sequence[Pair]) -> list[RemoteRecord]:
        """Records that were deleted, merged away or converted; those whose person was busy are returned."""

    def hide(self, context: Context, reading: Reading, persons: Sequence[PersonState]) -> int:
        """Records that Salesforce does not show any more; how many were hidden by this."""

    def mark_compared(self, context: Context, reading: Reading, persons: Sequence[PersonState]) -> None:
        """What a complete read found as it was."""

    def not_compared(self, links: Sequence[tuple[int, str]]) -> list[str]:
        """Of links (person, record id) that no complete read has shown, the record ids."""

    def became(self, gone: Iterable[Became]) -> None:
        """Records that became others before anybody here was linked with them."""

    def wait_for_somebody(self, context: Context, questions: Sequence[Question]) -> None:
        """Persons who are not linked because their address is not theirs alone: somebody decides."""

    def bury(self, context: Context, reading: Reading, records: Sequence[RemoteRecord]) -> None:
        """Records whose persons were deleted here: they come back with the next change there."""

    def keep_former_ids(self, context: Context, gone: Iterable[Became] = ()) -> None:
        """Keep their ids (and those that ``became`` was told of) with the persons whom they lead to; those of persons
        who are busy are kept with the next ones."""

    def set_aside(self, context: Context, sobject: str, reasons: Mapping[str, str]) -> None:
        """Records (id → why) that can't be taken in: the read goes on without them."""

    def set_gap_aside(self, context: Context, sobject: str, gap: Gap) -> None:
        """A row without a readable Id: the read goes on without it."""

    def taken_in(self, context: Context, sobject: str, record_ids: Collection[str]) -> None:
        """Records that were set aside before, and no longer have to be."""

    def store_cursor(self, context: Context, cursor: SyncCursor) -> None:
        """How far a read has come."""

    def postpone(self, context: Context, sobject: str, record_ids: Iterable[str], reading: Reading) -> None:
        """Records that could not be merged now are read by the next cycle."""

    def forget_cursor(self, context: Context, sobject: str) -> None:
        """An object is not followed any more."""

    def refill(self, context: Context, sobject: str, salesforce_field: str) -> None:
        """A field has to be filled in for all records."""

    def unfill(self, context: Context, sobject: str) -> None:
        """Fields that are switched off or only sent have to be received anew when that changes."""

    def to_read(self, sobject: str) -> list[str]:
        """Records that a run would read because of what it wrote, and that were not decided yet."""

    def were_read(self, context: Context, sobject: str, record_ids: Iterable[str], reading: Reading) -> None:
        """Records that were postponed have been merged."""

    def is_decided(self, person_id: int) -> bool:
        """Whether this person's record was decided in this very run, so that nothing is left to tell."""

    def rename_owners(self, context: Context, rows: Collection[tuple[str, str, str]], reading: Reading) -> int:
        """Users (id, name, address) are called otherwise; the number of records that they own."""

    def store_backfill(self, context: Context, job: Backfill) -> None:
        """How far a backfill has come."""

    def finish_backfill(self, context: Context, job: Backfill, fields: ObjectMap) -> None:
        """Fields are filled in for all records."""

    def give_new_uuids(self, context: Context, persons: Sequence[PersonState]) -> list[PersonState]:
        """Persons whose UUIDs are spent, as they are with new ones; those who are busy are left out."""

    def mark_unknown(self, person_ids: Iterable[int]) -> None:
        """Creates that may still come through."""
