"""The outbox (``PendingChange``): who waits, and who failed. Every write of that table but the trigger's.

A row is taken out only when what it stood for was handled, at the revision that was handled. What a write needs to know
stands in the row itself: on PostgreSQL a condition that looks at another table is not looked at again when the row was
changed by a transaction that commits meanwhile. What is written of persons, not of failures as a whole, is written with
them locked (``locking.lock``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet

from syncer.models import PendingChange, PendingState, Person, moments
from syncer.models.expressions import unindexed
from syncer.sync.fields.synced_objects import CONSENT_FIELDS
from syncer.sync.outcomes import Code
from syncer.sync.store import bulk_sql

_TABLE = PendingChange._meta.db_table
#: Parameters of one statement; SQLite takes some 32,000.
IDS_A_STATEMENT = 10_000


def due(
    limit: int,
    now: datetime,
    objects: Collection[str],
    *,
    after: int = 0,
    until: datetime | None = None,
    only_opt_outs: bool = False,
) -> list[int]:
    """Persons with a record of one of these objects that have something to send now, in the order of their ids, behind
    the person ``after``. ``only_opt_outs``: those who have opted out here, and have not in what was agreed last.

    ``until``: only who waited at this time (``newest``) already. What is edited while a cycle sends is the next
    cycle's; otherwise the sending has no end while people edit faster than it sends.
    """
    rows = PendingChange.objects.filter(
        _tried_now(now),
        state=PendingState.PENDING,
        person_id__gt=after,
        person__record__weak_base=False,
        person__record__hidden_since__isnull=True,
        person__record__object__in=objects,
    )
    if only_opt_outs:
        here = {name: Q(**{f"person__{name}": True}) for name in CONSENT_FIELDS}
        rows = rows.filter(reduce(or_, (here[name] & ~Q(**{f"person__record__base__{name}": True}) for name in here)))
    if until is not None:
        # SQLite compares times as text, and its own clock writes "05.000" where Django writes "05".
        rows = rows.filter(since__lt=until + timedelta(milliseconds=1))
    return list(rows.order_by("person_id").values_list("person_id", flat=True)[:limit])


def _has_come(now: datetime) -> Q:
    return moments.past("next_attempt", now, moments.NEXT_TRY)


def _tried_now(now: datetime) -> Q:
    return Q(next_attempt__isnull=True) | _has_come(now)


def newest() -> datetime | None:
    """Since when the last one waits, by the database's clock; None when nobody does."""
    waiting = PendingChange.objects.filter(state=PendingState.PENDING)
    found: datetime | None = waiting.aggregate(newest=Max("since"))["newest"]
    return found


def next_try_within(wait: timedelta, tries: int, now: datetime) -> datetime | None:
    """The first repeated try that is due within this time from now, of those tried at most so many times."""
    rows = PendingChange.objects.filter(
        state=PendingState.PENDING, attempts__lte=tries, next_attempt__gt=now, next_attempt__lte=now + wait
    )
    return rows.order_by("next_attempt").values_list("next_attempt", flat=True).first()


# -- trying again what failed -----------------------------------------------------------------------------------------

#: Refusals that only a person can settle: no other day and no other field list changes them.
DECISIONS = frozenset(
    {
        Code.AMBIGUOUS,
        Code.SEVERAL_MATCHES,
        Code.MATCH_IS_TAKEN,
        Code.HELD_UNSEEN,
        Code.DELETED_IN_SFDC,
        Code.CONTACT_AND_QUEUE,
        Code.NOT_VISIBLE,
    }
)


def due_for_nightly_retry(now: datetime) -> QuerySet[PendingChange]:
    """What failed and whose nightly retry has come."""
    return PendingChange.objects.filter(_has_come(now), state=PendingState.FAILED)


def creates_to_repeat(now: datetime, limit: int) -> set[int]:
    """Persons who are not in Salesforce, whose create was refused and who were corrected since, or whose nightly retry
    has come. Nobody has asked for a create of those whom a cycle could not link."""
    unlinked = unindexed("person__sfdc_type", "")
    not_there = PendingChange.objects.filter(unlinked).exclude(error_code=Code.AMBIGUOUS)
    corrected = not_there.filter(_tried_now(now), state=PendingState.PENDING)
    found = set(corrected.values_list("person_id", flat=True)[:limit])
    nightly = not_there.filter(_has_come(now), state=PendingState.FAILED)
    return found | set(nightly.values_list("person_id", flat=True)[:limit])


def requeue_due(now: datetime) -> int:
    """The nightly retry: what is due waits again. What it costs depends on those that are due, by an index."""
    return _put_back(due_for_nightly_retry(now), attempts=F("attempts"))


def retry(persons: QuerySet[Person] | Iterable[int] | None = None, codes: Iterable[str] = ()) -> int:
    """Somebody wants it tried again: put failed rows of these persons (None: of all), with these error codes (empty:
    with any), back among those that wait, as if they had not been tried yet. Return how many."""
    failed = PendingChange.objects.filter(state=PendingState.FAILED)
    wanted = list(codes)
    if wanted:
        failed = failed.filter(error_code__in=wanted)
    if persons is None:
        return _put_back(failed)
    if isinstance(persons, QuerySet):
        persons = failed.filter(person__in=persons.order_by().values("pk")).values_list("person_id", flat=True)
    return _put_back_of(failed, persons)


def retry_object(sobject: str) -> int:
    """The describe or a mapping of this object changed: what Salesforce refused may be accepted now, also of persons
    who are not in Salesforce yet, for whom a Lead is made."""
    types = ["Lead", ""] if sobject == "Lead" else [sobject]
    failed = PendingChange.objects.filter(state=PendingState.FAILED).exclude(error_code__in=DECISIONS)
    concerned = failed.filter(unindexed("person__sfdc_type", *types))
    return _put_back_of(failed, concerned.values_list("person_id", flat=True))


def _put_back_of(rows: QuerySet[PendingChange], person_ids: Iterable[int]) -> int:
    return sum(_put_back(rows.filter(person_id__in=part)) for part in _parts(person_ids))


def _put_back(rows: QuerySet[PendingChange], **columns: Any) -> int:
    """In the order of the ids, without those that somebody has: an edit puts them back by itself (the trigger)."""
    wanted = {"state": PendingState.PENDING, "attempts": 0, "next_attempt": None, "held": {}} | columns
    with transaction.atomic():
        free = rows.order_by("person_id").select_for_update(skip_locked=True, of=("self",))
        parts = _parts(free.values_list("person_id", flat=True))
        return sum(PendingChange.objects.filter(person_id__in=part).update(**wanted) for part in parts)


def _parts(person_ids: Iterable[int]) -> list[list[int]]:
    """So many as one statement takes."""
    ids = list(person_ids)
    return [ids[start : start + IDS_A_STATEMENT] for start in range(0, len(ids), IDS_A_STATEMENT)]


# -- what a read leaves -----------------------------------------------------------------------------------------------


def put_in(persons: Iterable[tuple[int, int]], *, anew: bool) -> None:
    """Something of these persons (id, the revision that was merged) waits to be sent. ``anew``: what was refused is
    tried again, because the record has changed; otherwise it goes on waiting as it did."""
    also = ", next_attempt = NULL, attempts = 0, held = '{}', state = excluded.state" if anew else ""
    bulk_sql.insert(
        PendingChange,
        ["person_id", "revision"],
        [[*pair] for pair in persons],
        conflict=f"(person_id) DO UPDATE SET revision = excluded.revision{also}",
    )


def settle(handled: Iterable[tuple[int, int]]) -> None:
    """Nothing of these persons (id, the revision that was handled) is left to be sent. What is newer stays."""
    bulk_sql.delete_up_to(PendingChange, "person_id", "revision", [[*pair] for pair in handled])


def forget(person_ids: Iterable[int]) -> None:
    """There is nothing any more that something of these persons could be sent to."""
    PendingChange.objects.filter(person_id__in=list(person_ids)).delete()


def start_over(person_ids: Iterable[int]) -> None:
    """What was sent without an answer, or refused, was so by another organisation."""
    PendingChange.objects.filter(person_id__in=list(person_ids)).update(
        state=PendingState.PENDING, in_doubt={}, held={}, error_code="", error_message="", error_detail={}
    )


def remember_options(options: Mapping[int, Mapping[str, Any]]) -> None:
    """How refused creates were asked for (person → options), so that they are tried again in the same way."""
    rows = [[person_id, dict(asked)] for person_id, asked in options.items()]
    bulk_sql.update(PendingChange, ["options"], rows, keys=("person_id",))


# -- sending ----------------------------------------------------------------------------------------------------------


def waiting(now: datetime) -> int:
    return PendingChange.objects.filter(_tried_now(now), state=PendingState.PENDING).count()


def mark_in_doubt(sending: Iterable[tuple[int, int, Mapping[str, Any]]]) -> None:
    """Before the call: the values that it sends (person, revision, values), so that a lost answer or a killed process
    leaves a trace, which is sent again."""
    bulk_sql.insert(
        PendingChange,
        ["person_id", "revision", "in_doubt"],
        [[pk, revision, dict(values)] for pk, revision, values in sending],
        conflict="(person_id) DO UPDATE SET in_doubt = excluded.in_doubt, state = excluded.state, next_attempt = NULL",
    )


def wait_on(handled: Iterable[tuple[int, int]]) -> None:
    """The answer has come, and something of these persons (id, revision) is still to be sent."""
    bulk_sql.insert(
        PendingChange,
        ["person_id", "revision"],
        [[*pair] for pair in handled],
        conflict="(person_id) DO UPDATE SET state = excluded.state, in_doubt = excluded.in_doubt",
    )


def go_on(person_ids: Iterable[int]) -> None:
    """The answer says that the record is not what it was, which is followed: what waits is sent to what it became."""
    PendingChange.objects.filter(person_id__in=list(person_ids)).update(
        state=PendingState.PENDING,
        attempts=0,
        next_attempt=None,
        in_doubt={},
        error_code="",
        error_message="",
        error_detail={},
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a person was not sent. ``failed``: waits for a change, for somebody, or for the night (``retry_at``)."""

    person_id: int
    code: str
    message: str
    detail: dict[str, Any]
    failed: bool
    retry_at: datetime | None
    held: Mapping[str, Any] = field(default_factory=dict)  # refused, while the other fields were sent


def fail(failures: Iterable[Failure]) -> None:
    """Keep why these persons were not sent, in one statement. The answer has come: nothing is in doubt."""
    columns = ["state", "next_attempt", "in_doubt", "held", "error_code", "error_message", "error_detail"]
    bulk_sql.insert(
        PendingChange,
        ["person_id", "attempts", *columns],
        [
            [
                f.person_id,
                1,
                PendingState.FAILED if f.failed else PendingState.PENDING,
                f.retry_at,
                {},
                dict(f.held),
                f.code[:80],
                f.message,
                f.detail,
            ]
            for f in failures
        ],
        conflict=f"(person_id) DO UPDATE SET attempts = {_TABLE}.attempts + 1, "
        + ", ".join(f"{name} = excluded.{name}" for name in columns),
    )


def ask(questions: Iterable[Failure], now: datetime) -> set[int]:
    """Keep what somebody has to decide about persons of whom nothing else waits. Return who they are."""
    asked = bulk_sql.insert(
        PendingChange,
        ["person_id", "revision", "state", "since", "error_code", "error_message", "error_detail"],
        [[q.person_id, 0, PendingState.FAILED, now, q.code, q.message, q.detail] for q in questions],
        conflict="(person_id) DO NOTHING",
        returning=["person_id"],
    )
    return {person_id for (person_id,) in asked}


def ask_again(person_ids: Iterable[int]) -> None:
    """An edit has not settled what somebody has to decide about these persons."""
    PendingChange.objects.filter(person_id__in=list(person_ids), error_code=Code.AMBIGUOUS).update(
        state=PendingState.FAILED
    )
