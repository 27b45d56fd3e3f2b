"""One cycle at a time, by the database's clock, with a token that fences off a cycle that was too slow.

No renewal thread: a wedged process would keep the lease for ever. The cycle renews before and after each call.
"""

from __future__ import annotations

import os
import socket

from django.db.models import F, Q
from django.db.models.functions import Now

from syncer.models import SyncLease, SyncUser, moments
from syncer.sync.errors import LeaseHeld, LeaseLost


class Lease:
    """A held lease. ``token`` is newer than that of any cycle before."""

    def __init__(self, sync_user: SyncUser, token: int) -> None:
        self._rows = SyncLease.objects.filter(sync_user=sync_user, token=token)
        self.token = token

    def renew(self) -> None:
        """Hold it for as long again; inside a transaction this is the fence. Raises LeaseLost."""
        if not self._rows.update(expires_at=Now() + moments.LEASE):
            raise LeaseLost

    def release(self) -> None:
        """Give it back, if it is still ours."""
        self._rows.update(expires_at=None, holder="")


def acquire(sync_user: SyncUser) -> Lease:
    """Take the lease if it is free or ran out. Raises LeaseHeld."""
    SyncLease.objects.get_or_create(sync_user=sync_user)
    rows = SyncLease.objects.filter(sync_user=sync_user)
    free = rows.filter(Q(expires_at__isnull=True) | moments.past("expires_at", Now(), moments.LEASE))
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    taken = free.update(token=F("token") + 1, holder=holder, expires_at=Now() + moments.LEASE)
    current = rows.get()
    if not taken or current.holder != holder:
        raise LeaseHeld(current.holder or "unknown")
    return Lease(sync_user, current.token)


def break_lease() -> list[str]:
    """Somebody knows that whoever holds a lease is gone, or wants it gone: it is free, and what that one writes from
    now on is refused. Return who held one."""
    held = SyncLease.objects.filter(expires_at__isnull=False)
    holders = list(held.values_list("holder", flat=True))
    held.update(token=F("token") + 1, expires_at=None, holder="")
    return holders
