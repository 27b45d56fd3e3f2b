"""What became of each person in an action, as data: for pages, commands and logs to show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from syncer.sync.persons.person_state import PersonState


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


def outcome(person: PersonState, result: Result, message: str, code: str = "") -> PersonOutcome:
    return PersonOutcome(
        person.id, person.name, result, message, code=code, sfdc_type=person.sfdc_type, sfdc_id=person.sfdc_id
    )


def busy(person: PersonState) -> PersonOutcome:
    """For a person in another worker's hands."""
    return outcome(person, Result.BUSY, "This person is being synced right now; try again in a moment.", "BUSY")


def deleted(person: PersonState) -> PersonOutcome:
    return outcome(
        person,
        Result.NEEDS_DECISION,
        f"{person.sfdc_type} {person.sfdc_id} was deleted in Salesforce. Changes stay here only.",
        "DELETED_IN_SFDC",
    )


def contact_and_queue(person: PersonState, contact: str) -> PersonOutcome:
    """Salesforce gives contacts to users only ("Queues", Salesforce Help)."""
    return outcome(
        person,
        Result.REFUSED,
        f"{contact} can't be owned by a queue. Nothing was done, and no lead was made beside it.",
        "CONTACT_AND_QUEUE",
    )


def unknown(person: PersonState) -> PersonOutcome:
    """For a person whose lead was asked for, without an answer."""
    return PersonOutcome(
        person.id,
        person.name,
        Result.UNKNOWN,
        "The connection broke before Salesforce answered; the lead may have been made or not. "
        "It is looked up before anything is tried again.",
        code="OUTCOME_UNKNOWN",
    )
