"""What became of each person in an action, as data: for pages, commands and logs to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from syncer.salesforce.codes import EdgeCode
from syncer.sync.persons.person_state import PersonState


class Code(StrEnum):
    """Why something did not go well, as this application calls it: of a person's outcome, a run, a log entry, or of
    everything that was asked for (``errors.CannotSync``).

    Salesforce has codes of its own, which stay as they come, also where something is refused in its place before it is
    asked (``MALFORMED_ID``). What the edge says where there is none is ``salesforce.codes.EdgeCode``.
    """

    # A person's own
    BUSY = "BUSY"  # somebody else is at it; also of runs
    AMBIGUOUS = "AMBIGUOUS"  # a cycle did not link a person: its address is not its alone
    SEVERAL_MATCHES = "SEVERAL_MATCHES"
    MATCH_IS_TAKEN = "MATCH_IS_TAKEN"
    HELD_UNSEEN = "HELD_UNSEEN"  # a record that is not to be seen has the person's external id, or was made for it
    CHOSEN_IS_GONE = "CHOSEN_IS_GONE"
    CONTACT_AND_QUEUE = "CONTACT_AND_QUEUE"
    DELETED_IN_SFDC = "DELETED_IN_SFDC"
    NOT_VISIBLE = "NOT_VISIBLE"
    GONE = "GONE"  # deleted or converted there, and not followed yet
    RECORD_CHANGED = "RECORD_CHANGED"
    PERSON_DELETED = "PERSON_DELETED"
    NO_SUCH_PERSON = "NO_SUCH_PERSON"
    NOT_LINKED = "NOT_LINKED"
    VALUE_NOT_STORED = "VALUE_NOT_STORED"
    RECORD_AT_FAULT = "RECORD_AT_FAULT"  # it can't be taken in, because of itself
    # How an action was asked for
    RECEIVE_ONLY = "RECEIVE_ONLY"
    NO_OWNER = "NO_OWNER"
    NO_CAMPAIGN = "NO_CAMPAIGN"
    UNKNOWN_STATUS = "UNKNOWN_STATUS"
    # The connection
    NO_SYNC_USER = "NO_SYNC_USER"
    COPIED_DATABASE = "COPIED_DATABASE"
    RESTORED_DATABASE = "RESTORED_DATABASE"
    SECRETS_UNREADABLE = "SECRETS_UNREADABLE"
    WRONG_ORGANISATION = "WRONG_ORGANISATION"
    NOT_A_SANDBOX = "NOT_A_SANDBOX"
    SAME_ORGANISATION = "SAME_ORGANISATION"
    OTHER_RECORDS = "OTHER_RECORDS"
    WRITES_STOPPED = "WRITES_STOPPED"
    API_RESERVE = "API_RESERVE"
    # A run
    CANNOT_SYNC = "CANNOT_SYNC"
    FIELDS_CHANGED = "FIELDS_CHANGED"
    MANY_AT_FAULT = "MANY_AT_FAULT"  # so many records of one page can't be taken in that it is not the records
    LEASE_LOST = "LEASE_LOST"
    DATABASE_BUSY = "DATABASE_BUSY"
    STOPPED = "STOPPED"  # by somebody
    INTERRUPTED = "INTERRUPTED"
    DIED = "DIED"
    INTERNAL_ERROR = "INTERNAL_ERROR"


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
    code: Code | str = ""
    remedy: str = ""
    sfdc_type: str = ""
    sfdc_id: str = ""
    sent: tuple[str, ...] = ()
    received: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.result in GOOD

    def after(self, first: PersonOutcome | None) -> PersonOutcome:
        """The outcome of two steps that follow each other: what the second refuses counts, with what the first did."""
        if first is None or (first.result is Result.UNCHANGED and self.ok):
            return self
        both = f"{first.message} {self.message}"
        if not self.ok:
            return replace(self, message=both, sent=first.sent, received=first.received)
        return replace(first, message=both)


#: What came of persons, by id. A later one of the same person takes the place of an earlier one.
Outcomes = Mapping[int, PersonOutcome]


def outcome(person: PersonState, result: Result, message: str, code: Code | str = "") -> PersonOutcome:
    return PersonOutcome(
        person.id, person.name, result, message, code=code, sfdc_type=person.sfdc_type, sfdc_id=person.sfdc_id
    )


def same_for(
    persons: Iterable[PersonState], result: Result, message: str, code: Code | str = ""
) -> dict[int, PersonOutcome]:
    """One outcome for all of them."""
    return {person.id: outcome(person, result, message, code) for person in persons}


def busy(person: PersonState) -> PersonOutcome:
    """For a person in another worker's hands."""
    return outcome(person, Result.BUSY, "This person is being synced right now; try again in a moment.", Code.BUSY)


def late(person: PersonState) -> PersonOutcome:
    """For a person of whom nothing was sent, because it was too late for what had been decided."""
    message = "Too much time passed before the change could leave this computer, so nothing was sent. It is tried anew."
    return outcome(person, Result.BUSY, message, Code.BUSY)


def being_edited(person: PersonState) -> PersonOutcome:
    """For a person whose row somebody here is saving."""
    return outcome(person, Result.BUSY, "The person is being edited right now.", Code.BUSY)


def not_visible(person: PersonState) -> PersonOutcome:
    return outcome(
        person,
        Result.REFUSED,
        f"{person.sfdc_type} {person.sfdc_id} is no longer visible to the sync user. Nothing was changed.",
        Code.NOT_VISIBLE,
    )


def deleted(person: PersonState) -> PersonOutcome:
    return outcome(
        person,
        Result.NEEDS_DECISION,
        f"{person.sfdc_type} {person.sfdc_id} was deleted in Salesforce. Changes stay here only.",
        Code.DELETED_IN_SFDC,
    )


def contact_and_queue(person: PersonState, contact: str) -> PersonOutcome:
    """Salesforce gives contacts to users only ("Queues", Salesforce Help)."""
    return outcome(
        person,
        Result.REFUSED,
        f"{contact} can't be owned by a queue. Nothing was done, and no lead was made beside it.",
        Code.CONTACT_AND_QUEUE,
    )


def unknown(person: PersonState) -> PersonOutcome:
    """For a person whose lead was asked for, without an answer."""
    return PersonOutcome(
        person.id,
        person.name,
        Result.UNKNOWN,
        "The connection broke before Salesforce answered; the lead may have been made or not. "
        "It is looked up before anything is tried again.",
        code=EdgeCode.OUTCOME_UNKNOWN,
    )
