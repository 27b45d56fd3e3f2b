"""What became of each person in an action, as data: for pages, commands and logs to show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """The value is the word shown."""

    CREATED = "Created"
    LINKED = "Linked"
    UPDATED = "Updated"
    UNCHANGED = "No change"
    FAILED = "Failed"
    REFUSED = "Refused"
    UNKNOWN = "Outcome unknown"
    BUSY = "Busy"
    NEEDS_DECISION = "Needs a decision"


GOOD = frozenset({Result.CREATED, Result.LINKED, Result.UPDATED, Result.UNCHANGED})


@dataclass(frozen=True, slots=True)
class PersonOutcome:
    """``message`` is one sentence for people; ``code`` Salesforce's (or our) error code, empty when it went well;
    ``sent`` and ``received`` name the fields that crossed."""

    person_id: int
    name: str
    result: Result
    message: str
    code: str = ""
    remedy: str = ""
    sfdc_type: str = ""
    sfdc_id: str = ""
    sent: tuple[str, ...] = ()
    received: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.result in GOOD
