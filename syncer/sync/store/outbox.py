"""The outbox (``PendingChange``): who waits, who is being sent, who failed. Every write of that table but the
trigger's.

Claims are one conditional statement and commit alone. No write joins another table: on PostgreSQL the joined condition
would not be looked at again when the row was changed by a transaction that commits meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Max, Q, QuerySet
from django.db.models.functions import Now

from syncer.models import PendingChange, PendingState, Person
from syncer.sync.outcomes import Code
from syncer.sync.store import bulk_sql

_TABLE = PendingChange._meta.db_table
#: Parameters of one statement; SQLite takes some 32,000.
IDS_A_STATEMENT = 10_000
#: A claim of a worker that died can be taken over after this time. Longer than any one call to Salesforce takes.
CLAIM_LASTS = timedelta(seconds=120)


def due(limit: int, now: datetime, *, after: int = 0, until: datetime | None = None) -> list[int]:
    """Persons that have something to send now, in the order of their ids, behind the person ``after``.

    ``until``: only who waited at this time (``newest``) already. What is edited while a cycle sends is the next
    cycle's; otherwise the sending has no end while people edit faster than it sends.
    """
    rows = PendingChange.objects.filter(
        Q(next_attempt__isnull=True) | Q(next_attempt__lte=now),
        Q(claim="") | Q(claimed_until__lt=Now()),
        state=PendingState.PENDING,
        person_id__gt=after,
        person__record__weak_base=False,
        person__record__hidden_since__isnull=True,
    )
    if until is not None:
        # SQLite compares times as text, and its own clock writes "05.000" where Django writes "05".
        rows = rows.filter(since__lt=until + timedelta(milliseconds=1))
    return list(rows.order_by("person_id").values_list("person_id", flat=True)[:limit])


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
    return PendingChange.objects.filter(state=PendingState.FAILED, next_attempt__lte=now)


def creates_to_repeat(now: datetime, limit: int) -> set[int]:
    """Persons who are not in Salesforce, whose create was refused and who were corrected since, or whose nightly retry
    has come. Nobody has asked for a create of those whom a cycle could not link."""
    not_there = PendingChange.objects.filter(person__sfdc_type="").exclude(error_code=Code.AMBIGUOUS)
    due_now = Q(next_attempt__isnull=True) | Q(next_attempt__lte=now)
    corrected = not_there.filter(due_now, state=PendingState.PENDING, claim="")
    found = set(corrected.values_list("person_id", flat=True)[:limit])
    nightly = not_there.filter(state=PendingState.FAILED, next_attempt__lte=now)
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
    return _put_back_of(failed, failed.filter(person__sfdc_type__in=types).values_list("person_id", flat=True))


def _put_back_of(rows: QuerySet[PendingChange], person_ids: Iterable[int]) -> int:
    ids = list(person_ids)
    parts = [ids[start : start + IDS_A_STATEMENT] for start in range(0, len(ids), IDS_A_STATEMENT)]
    return sum(_put_back(rows.filter(person_id__in=part)) for part in parts)


def _put_back(rows: QuerySet[PendingChange], **columns: Any) -> int:
    return rows.update(**{"state": PendingState.PENDING, "attempts": 0, "next_attempt": None, "held": {}} | columns)


# -- what a read leaves -----------------------------------------------------------------------------------------------


def put_in(persons: Iterable[tuple[int, int]], *, anew: bool) -> None:
    """Something of these persons (id, the revision that was merged) waits to be sent. ``anew``: what was refused is
    tried again, because the record has changed; otherwise it goes on waiting as it did."""
    state = f"CASE {_TABLE}.state WHEN 'failed' THEN 'pending' ELSE {_TABLE}.state END"
    also = f", next_attempt = NULL, attempts = 0, held = '{{}}', state = {state}" if anew else ""
    bulk_sql.insert(
        PendingChange,
        ["person_id", "revision"],
        [[*pair] for pair in persons],
        conflict=f"(person_id) DO UPDATE SET revision = excluded.revision{also}",
    )


def settle(person_ids: Iterable[int]) -> None:
    """Nothing of these persons is left to be sent. The caller holds them locked; what another worker has claimed
    stays."""
    if ids := list(person_ids):
        PendingChange.objects.filter(Q(claim="") | Q(claimed_until__lt=Now()), person_id__in=ids).delete()


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


def mark_in_doubt(token: str, sending: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Before the call: the values that it sends, so that a lost answer or a killed process leaves a trace."""
    rows = [[pk, token, values] for pk, values in sending]
    bulk_sql.update(PendingChange, ["in_doubt"], rows, keys=("person_id", "claim"))


def waiting(now: datetime) -> int:
    return PendingChange.objects.filter(
        Q(next_attempt__isnull=True) | Q(next_attempt__lte=now), state=PendingState.PENDING
    ).count()


def claim(person_ids: Iterable[int], token: str) -> set[int]:
    """Take persons for one worker, making outbox rows where there are none. Return those that were free.

    One statement, in a transaction of its own: the row count of a conditional upsert decides, on both databases.
    """
    ids = sorted(person_ids)
    if not ids:
        return set()
    try:
        return _claim(ids, token)
    except IntegrityError:  # somebody has deleted one of them meanwhile
        return claim(Person.objects.filter(id__in=ids).values_list("id", flat=True), token)


def _claim(ids: Sequence[int], token: str) -> set[int]:
    now = _DATABASE_NOW[connection.vendor]
    with transaction.atomic(durable=True):
        # A row made only to carry the claim has revision 0: it goes with the claim.
        taken = bulk_sql.insert(
            PendingChange,
            ["person_id", "revision", "state", "claim"],
            [[pk, 0, PendingState.IN_FLIGHT, token] for pk in ids],
            conflict="(person_id) DO UPDATE SET claim = excluded.claim, "
            f"state = CASE {_TABLE}.state WHEN 'failed' THEN 'failed' ELSE excluded.state END "
            f"WHERE {_TABLE}.claim IN ('', excluded.claim) OR {_TABLE}.claimed_until IS NULL "
            f"OR {_TABLE}.claimed_until < {now}",
            returning=["person_id"],
        )
        claimed = {row[0] for row in taken}
        PendingChange.objects.filter(person_id__in=claimed, claim=token).update(claimed_until=Now() + CLAIM_LASTS)
    return claimed


def renew(token: str, person_ids: Iterable[int]) -> set[int]:
    """Before writing there: lengthen claims. Return the persons who are still this worker's."""
    claimed = PendingChange.objects.filter(claim=token, person_id__in=list(person_ids))
    claimed.update(claimed_until=Now() + CLAIM_LASTS)
    return set(claimed.values_list("person_id", flat=True))


def renew_all(token: str) -> None:
    """Between two tries of a call: several of them take longer than a claim lasts."""
    PendingChange.objects.filter(claim=token).update(claimed_until=Now() + CLAIM_LASTS)


_DATABASE_NOW = {"postgresql": "statement_timestamp()", "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"}


def release(token: str, settled: Iterable[int], waiting: Iterable[int] = ()) -> None:
    """Inside the transaction that locked the persons: rows of ``settled`` persons (nothing left to send at the revision
    that was handled) go; ``waiting`` ones are to be sent later. The answer has come: nothing is in doubt."""
    claimed = PendingChange.objects.filter(claim=token)
    claimed.filter(person_id__in=list(settled)).delete()
    claimed.filter(person_id__in=list(waiting)).update(
        state=PendingState.PENDING, claim="", claimed_until=None, in_doubt={}
    )


def go_on(token: str, person_ids: Iterable[int]) -> None:
    """The answer says that the record is not what it was, which is followed: what waits is sent to what it became."""
    PendingChange.objects.filter(claim=token, person_id__in=list(person_ids)).update(
        state=PendingState.PENDING,
        claim="",
        claimed_until=None,
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


def fail(token: str, failures: Sequence[Failure]) -> None:
    """Keep why these persons were not sent, in one statement, and let go of them. An edit made meanwhile is tried; a
    person that was deleted, or that another worker has taken over, is left alone."""
    claimed = PendingChange.objects.filter(person_id__in=[f.person_id for f in failures], claim=token)
    owned = set(claimed.order_by("person_id").select_for_update().values_list("person_id", flat=True))
    bulk_sql.insert(
        PendingChange,
        [
            "person_id",
            "revision",
            "state",
            "claim",
            "attempts",
            "next_attempt",
            "in_doubt",
            "held",
            "error_code",
            "error_message",
            "error_detail",
        ],
        [
            [
                f.person_id,
                0,
                PendingState.FAILED if f.failed else PendingState.PENDING,
                "",
                1,
                f.retry_at,
                {},
                dict(f.held),
                f.code[:80],
                f.message,
                f.detail,
            ]
            for f in failures
            if f.person_id in owned
        ],
        conflict=f"(person_id) DO UPDATE SET state = excluded.state, claim = '', claimed_until = NULL, "
        f"attempts = {_TABLE}.attempts + 1, next_attempt = excluded.next_attempt, error_code = excluded.error_code, "
        f"in_doubt = excluded.in_doubt, held = excluded.held, error_message = excluded.error_message, "
        f"error_detail = excluded.error_detail WHERE {_TABLE}.claim = '{token}'",
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


def let_go(token: str) -> None:
    """Give back everything that this worker still holds."""
    _free(PendingChange.objects.filter(claim=token))


def recover(cycles: bool = False) -> None:
    """Let go of what workers left behind that died: claims that ran out and, for a cycle that has just taken the lease,
    those of earlier cycles."""
    dead = Q(claimed_until__lt=Now())
    if cycles:
        dead |= Q(claim__startswith=CYCLE_CLAIM)
    _free(PendingChange.objects.exclude(claim="").filter(dead))


def _free(rows: QuerySet[PendingChange]) -> None:
    """What was claimed waits as before; rows that were made only to carry the claim go. Persons that are not in
    Salesforce, or were deleted there, have nothing to send, also when they were edited while the row carried the claim;
    except where a create was refused before: that is tried again."""
    nowhere = list(
        rows.filter(Q(person__sfdc_type="") | Q(person__sfdc_is_deleted=True)).values_list("person_id", flat=True)
    )
    rows.filter(Q(revision=0) | Q(person_id__in=nowhere), error_code="", in_doubt={}).delete()
    # What was refused goes on waiting as such (a Refresh tried nothing), unless an answer was lost.
    refused = rows.filter(state=PendingState.FAILED)
    refused.filter(in_doubt={}).update(claim="", claimed_until=None)
    refused.update(next_attempt=None)
    rows.update(state=PendingState.PENDING, claim="", claimed_until=None)


#: How the claims of cycles begin: the holder of the lease may take over those of earlier cycles at once.
CYCLE_CLAIM = "cycle-"
