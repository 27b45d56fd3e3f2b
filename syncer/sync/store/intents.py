"""Creates under way (``CreateIntent``), remembered before the call: every write of that table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from syncer.models import CreateIntent, IntentState, Person, SfdcType
from syncer.models.expressions import unindexed
from syncer.sync.context import Context
from syncer.sync.merge import Value
from syncer.sync.store import bulk_sql, claims
from syncer.sync.store.locking import lock_as_they_are
from syncer.sync.store.transactions import repeated, wait_briefly

#: Salesforce ends a request after ten minutes at the latest; one that timed out here may be saved until then. It leaves
#: at most ``context.SENT_WITHIN`` after its intent.
LATE_COMMIT = timedelta(minutes=15)
#: Of intents: the person has no record, or a deleted one in whose place a lead is made. Looked at intent by intent, of
#: which there are few: SQLite might as well begin a join with all persons.
UNLINKED = Exists(
    Person.objects.filter(Q(sfdc_type=SfdcType.NONE) | Q(sfdc_is_deleted=True), pk=OuterRef("person_id")).values("pk")
)


@dataclass(frozen=True, slots=True)
class IntentRow:
    """A person whose Lead is about to be asked for, the values to be sent, and how it was asked for."""

    person_id: int
    values_sent: Mapping[str, Value]
    options: Mapping[str, Any]
    replaces: str = ""  # the id of the person's record, which was deleted


@repeated
def remember(context: Context, rows: Sequence[IntentRow], *, external_id: bool) -> set[int]:
    """Store what is about to be asked for, durable before the call: on SQLite the commit is synced to the disk, too.
    Return the persons that may be created. The intents are this worker's: whoever took the persons over before it could
    ask has stored others, which it leaves alone.

    ``external_id``: the organisation has a field that makes the create repeatable. A claim that ran out while
    Salesforce was slow may be another worker's by now, and its create under way. Nothing is made either for a person
    that was deleted or linked meanwhile, whose deleted record came back, or that is being edited right now."""
    asked_at = context.org.org_time()
    columns = ["object", "state", "asked_at", "claim", "external_id", "values_sent", "options", "created_at"]
    claimed = claims.renew(context.claim, [row.person_id for row in rows])
    with synced_to_disk(), transaction.atomic(durable=True):
        wait_briefly()
        free = lock_as_they_are(context, claimed)
        nowhere = unindexed("sfdc_type", SfdcType.NONE) | Q(sfdc_is_deleted=True)
        records = dict(Person.objects.filter(nowhere, id__in=free).values_list("id", "sfdc_id"))
        owned = {row.person_id for row in rows if records.get(row.person_id) == row.replaces}
        bulk_sql.insert(
            CreateIntent,
            ["person_id", *columns],
            [
                [
                    row.person_id,
                    "Lead",
                    IntentState.OPEN,
                    asked_at,
                    context.claim,
                    external_id,
                    dict(row.values_sent),
                    dict(row.options),
                    context.now(),
                ]
                for row in rows
                if row.person_id in owned
            ],
            conflict="(person_id) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in columns),
        )
    return owned


def forget(person_ids: Iterable[int]) -> None:
    """Their records are known: whoever asked for them."""
    if ids := list(person_ids):
        with _locked(ids) as intents:
            intents.delete()


def take_back(context: Context, person_ids: Iterable[int]) -> None:
    """What this worker asked for was refused, or certainly not carried out."""
    if ids := list(person_ids):
        with _locked(ids, claim=context.claim) as intents:
            intents.delete()


def mark_unknown(person_ids: Iterable[int]) -> None:
    """The answer did not come: the leads may have been made or not."""
    if ids := list(person_ids):
        with _locked(ids) as intents:
            intents.update(state=IntentState.UNKNOWN)


@contextmanager
def _locked(person_ids: Iterable[int], **of: Any) -> Iterator[QuerySet[CreateIntent]]:
    """The intents of these persons, without those of persons who are being deleted right now."""
    intents = CreateIntent.objects.filter(person_id__in=list(person_ids), **of).order_by("person_id")
    with transaction.atomic():
        free = intents.select_for_update(skip_locked=True).values_list("person_id", flat=True)
        yield CreateIntent.objects.filter(person_id__in=list(free))


def may_still_come_through(context: Context, intent: CreateIntent) -> bool:
    """Whether what was asked for may still be carried out: until Salesforce's clock says that it can't."""
    return intent.asked_at is not None and context.org.org_time() <= intent.asked_at + LATE_COMMIT


def that_may_come_through(context: Context, person_ids: Iterable[int]) -> set[int]:
    """Those of these persons for whom a lead was asked for that may still be made."""
    found = CreateIntent.objects.filter(person_id__in=list(person_ids))
    return {intent.person_id for intent in found if may_still_come_through(context, intent)}


def of_unknown_outcome(limit: int) -> set[int]:
    """Persons whose lead may have been made or not."""
    unknown = CreateIntent.objects.filter(UNLINKED, state=IntentState.UNKNOWN)
    return set(unknown.values_list("person_id", flat=True)[:limit])


def recover() -> None:
    """Creates whose process died between the call and its answer: their outcome is unknown. A live one holds its
    claim on the person."""
    forget(list(CreateIntent.objects.exclude(UNLINKED).values_list("pk", flat=True)))
    dead = CreateIntent.objects.filter(state=IntentState.OPEN).exclude(claims.held("person__claim__"))
    mark_unknown(list(dead.values_list("pk", flat=True)))


@contextmanager
def synced_to_disk() -> Iterator[None]:
    """On SQLite in WAL mode a commit survives a crash of the process, and only with FULL a loss of power, too."""
    pragma = connection.vendor == "sqlite" and not connection.in_atomic_block
    with connection.cursor() as cursor:
        if pragma:
            cursor.execute("PRAGMA synchronous=FULL")
        try:
            yield
        finally:
            if pragma:
                cursor.execute("PRAGMA synchronous=NORMAL")
