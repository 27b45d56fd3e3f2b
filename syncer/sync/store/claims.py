"""Who is in whose hands (``Claim``): every write of that table.

A worker claims the persons that it handles, and lets go of them when it has done. Nobody but workers writes this table,
and each write of it commits alone: whoever saves a person never waits for a claim, and a claim never waits for them.
Rows are locked in the order of their ids, so that two workers never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from syncer.models import Claim, moments
from syncer.sync.store import bulk_sql
from syncer.sync.store.transactions import repeated, wait_briefly

#: How the claims of cycles begin: the holder of the lease may take over those of earlier cycles at once.
CYCLE = "cycle-"

_TABLE = Claim._meta.db_table
#: Now, and twice as far ahead as a claim lasts.
_NOW = {"postgresql": "statement_timestamp()", "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"}
_TOO_FAR = {
    "postgresql": f"statement_timestamp() + interval '{2 * moments.CLAIM.seconds} seconds'",
    "sqlite": f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '+{2 * moments.CLAIM.seconds} seconds')",
}


@repeated
def take(person_ids: Iterable[int], token: str) -> set[int]:
    """Claim persons for one worker. Return those that were free: the row count of a conditional upsert decides."""
    ids = sorted(set(person_ids))
    if not ids:
        return set()
    with transaction.atomic(durable=True):
        wait_briefly()
        taken = bulk_sql.insert(
            Claim,
            ["person_id", "token"],
            [[pk, token] for pk in ids],
            conflict="(person_id) DO UPDATE SET token = excluded.token "
            f"WHERE {_TABLE}.token = excluded.token OR {_TABLE}.until < {_NOW[connection.vendor]} "
            f"OR {_TABLE}.until > {_TOO_FAR[connection.vendor]}",
            returning=["person_id"],
        )
        claimed = {row[0] for row in taken}
        _lengthen(Claim.objects.filter(token=token, person_id__in=claimed))
    return claimed


@repeated
def renew(token: str, person_ids: Iterable[int] | None = None) -> set[int]:
    """Lengthen a worker's claims (None: all of them): before it writes there, and between two tries of a call, several
    of which take longer than a claim lasts. Return the persons who are still this worker's."""
    mine = Claim.objects.filter(token=token)
    if person_ids is not None:
        mine = mine.filter(person_id__in=list(person_ids))
    with transaction.atomic():
        wait_briefly()
        still = _locked(mine)
        _lengthen(Claim.objects.filter(token=token, person_id__in=still))
    return set(still)


def held(prefix: str = "") -> Q:
    """The claims that hold; ``prefix``: on the way to them from another table."""
    return moments.ahead(f"{prefix}until", Now(), moments.CLAIM)


def of_others(person_ids: Iterable[int], token: str) -> set[int]:
    """Return the persons who are in another worker's hands."""
    theirs = Claim.objects.filter(held(), person_id__in=list(person_ids)).exclude(token=token)
    return set(theirs.values_list("person_id", flat=True))


def is_held(person_id: int) -> bool:
    """Whether a worker is at this person right now."""
    return bool(of_others([person_id], ""))


def let_go(token: str) -> None:
    """Give back everything that this worker still holds."""
    _remove(Claim.objects.filter(token=token))


def recover(*, cycles: bool = False) -> None:
    """Let go of what workers left behind that died: claims that ran out and, for a cycle that has just taken the lease,
    those of earlier cycles."""
    dead = moments.past("until", Now(), moments.CLAIM)
    if cycles:
        dead |= Q(token__startswith=CYCLE)
    _remove(Claim.objects.filter(dead))


def _lengthen(claims: QuerySet[Claim]) -> None:
    claims.update(until=Now() + moments.CLAIM)


@repeated
def _remove(claims: QuerySet[Claim]) -> None:
    with transaction.atomic():
        wait_briefly()
        claims.filter(person_id__in=_locked(claims)).delete()


def _locked(claims: QuerySet[Claim]) -> Sequence[int]:
    return list(claims.order_by("person_id").select_for_update().values_list("person_id", flat=True))
