"""Why the engine can't do what it was asked to, as a whole: one clear sentence each."""

from __future__ import annotations

from django.db import OperationalError

from syncer.salesforce.errors import ConfigurationError, SalesforceError
from syncer.salesforce.usage import DailyUsage
from syncer.sync.outcomes import Code


class CannotSync(Exception):
    """Nothing can be done. ``message`` is one sentence that says what is wrong and what to do; ``code`` names it."""

    def __init__(self, message: str, code: Code | str = Code.CANNOT_SYNC) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class LeaseHeld(CannotSync):
    """Another cycle is running."""

    def __init__(self, holder: str) -> None:
        super().__init__(
            f"Another cycle is running ({holder}). It was left alone; try again when it has finished.", Code.BUSY
        )


class LeaseLost(CannotSync):
    """This cycle was too slow to renew its lease, and another one took over: it must not write any more."""

    def __init__(self) -> None:
        super().__init__("Another cycle took over because this one had not reported for too long.", Code.LEASE_LOST)


#: SQLSTATE of a transaction that is ended for another one's sake: deadlock_detected, serialization_failure,
#: lock_not_available.
_ENDED = frozenset({"40P01", "40001", "55P03"})


def was_ended(error: OperationalError) -> bool:
    """Whether the database has ended a transaction for another one's sake."""
    return getattr(error.__cause__, "sqlstate", None) in _ENDED


class DatabaseBusy(CannotSync):
    """The database has ended a transaction again and again for the sake of others."""

    def __init__(self) -> None:
        super().__init__(
            "The database was too busy with other work to write down what was read: what was done is kept, and the "
            "next cycle goes on.",
            Code.DATABASE_BUSY,
        )


class ReserveReached(CannotSync):
    """All apps together have used the share of the day's API calls at which this one leaves the rest to others."""

    def __init__(self, who: str, share: int, usage: DailyUsage) -> None:
        super().__init__(
            f"{who} stop at {share} % of the organisation's API calls of 24 hours, and all apps together have used "
            f"{usage.used:,} of {usage.limit:,}: what was done is kept, and it goes on when the use has fallen.",
            Code.API_RESERVE,
        )


class WritesStopped(ConfigurationError):
    """Somebody has stopped everything that writes to Salesforce, while something was under way."""

    default_code = Code.WRITES_STOPPED


class ManyAtFault(CannotSync):
    """So many records of one page could not be taken in that it is not the records."""

    def __init__(self, sobject: str, most: int, reason: str) -> None:
        super().__init__(
            f"More than {most} {sobject} records of one page could not be taken in, so it is not the records: {reason} "
            "Nothing was passed over; the next cycle begins with that page.",
            Code.MANY_AT_FAULT,
        )


class FieldsChanged(Exception):
    """Salesforce refused a field that the last describe showed: the describe has to be read again."""


class TooMuchAsked(FieldsChanged):
    """Salesforce found a query too complicated or too long: fewer fields have to be asked for at a time."""

    def __init__(self, refusal: SalesforceError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


#: Tries with a fresh describe before a cycle or an action gives up.
DESCRIBE_TRIES = 3


def fields_keep_changing() -> CannotSync:
    """Salesforce took fields away again while they were being described."""
    return CannotSync(
        "Salesforce's fields changed again while they were being read; the next cycle goes on.", Code.FIELDS_CHANGED
    )


class Stopped(Exception):
    """Somebody stopped the run: what is done is committed."""


class OutOfTime(Exception):
    """A background cycle has worked as long as it may: what is done is committed, the next one goes on from there."""
