"""What the sister actions share: a call that can safely be repeated, and the record of a refusal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from syncer.models import ActivityType
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.errors import OutcomeUnknown, explain
from syncer.salesforce.rows import RowError
from syncer.sync.context import Context
from syncer.sync.merge import Value
from syncer.sync.outcomes import PersonOutcome, Result, outcome, same_for
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading
from syncer.sync.store.activity import Journal

#: Tries when answers are lost. Only for calls that change nothing more when they are carried out twice.
ROUNDS = 3


def repeatable(context: Context, requests: Sequence[Subrequest]) -> tuple[Answer, Reading] | None:
    """Make a call, again while its outcome is unknown; None when it stays so."""
    for attempt in range(ROUNDS):
        if attempt:
            context.pause(min(2.0**attempt, 8.0) * (0.5 + context.random.random() / 2))
        try:
            return context.ask(requests, safe=False)
        except OutcomeUnknown:
            continue
    return None


def refused(
    journal: Journal, person: PersonState, kind: ActivityType, error: RowError, sent: Mapping[str, Value]
) -> PersonOutcome:
    """A refusal in Salesforce's words, with an entry in the person's log. It is not tried again by itself."""
    explanation = explain(error, sent)
    journal.entry(
        person.id,
        person.name,
        kind,
        f"{error.code}: {error.message}",
        field=", ".join(error.fields),
        code=error.code,
        detail={
            "errors": [{"code": error.code, "message": error.message, "fields": list(error.fields)}],
            "values": dict(sent),
            "cause": explanation.cause,
            "remedy": explanation.remedy,
        },
    )
    told = outcome(person, Result.FAILED, error.message, error.code)
    return replace(told, remedy=explanation.remedy)


def unknown(persons: Iterable[PersonState]) -> dict[int, PersonOutcome]:
    """For persons about whom no answer came."""
    return same_for(
        persons,
        Result.UNKNOWN,
        "The connection broke before Salesforce answered: it may have been done or not. Run the action again.",
        EdgeCode.OUTCOME_UNKNOWN,
    )
