"""What the sister actions share: a call that can safely be repeated, and the record of a refusal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncer.models import ActivityType
from syncer.salesforce import writing
from syncer.salesforce.client import Answer, Subrequest, Subresponse
from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.errors import OutcomeUnknown, explain
from syncer.salesforce.rows import RowError
from syncer.sync.context import Context
from syncer.sync.merge import Value
from syncer.sync.outcomes import Outcomes, PersonOutcome, Result, outcome, same_for
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Reading
from syncer.sync.push.portions import Answered, in_portions, perhaps_because_of_others
from syncer.sync.store.activity import Journal

#: Tries when answers are lost. Only for calls that change nothing more when they are carried out twice.
ROUNDS = 3


def repeatable(context: Context, requests: Sequence[Subrequest]) -> tuple[Answer, Reading] | None:
    """Make a call, again while its outcome is unknown; None when it stays so. Rows that were refused together are tried
    with fewer at a time, and the answer tells what came of each in the end."""
    answered = _call(context, requests)
    if answered is None:
        return None
    answer, reading = answered
    in_parts = {r.reference: found for r in requests if (found := _in_portions(context, r, answer[r.reference]))}
    if not in_parts:
        return answered
    reads = [request for request in requests if request.method == "GET"]
    after, reading = context.ask(reads) if reads else (answer, context.no_reading())
    return replace(answer, responses={**answer.responses, **after.responses, **in_parts}), reading


def _call(context: Context, requests: Sequence[Subrequest]) -> tuple[Answer, Reading] | None:
    for attempt in range(ROUNDS):
        if attempt:
            context.pause(min(2.0**attempt, 8.0) * (0.5 + context.random.random() / 2))
        try:
            return context.send(requests)
        except OutcomeUnknown:
            continue
    return None


def _in_portions(context: Context, request: Subrequest, response: Subresponse) -> Subresponse | None:
    """The answer to a write whose rows were refused together, when they were tried with fewer others."""
    if request.rows == 0:
        return None
    rows = _Rows(context, request, writing.rows_of(response))
    together = rows.refused_together(range(request.rows), response)
    if not together or request.rows == 1:
        return None
    most = max(1, request.rows // 2)
    for _ in in_portions(context, writing.object_of_rows(request), together, rows, most=most, key=int):
        pass  # it stands in the rows
    return replace(response, status=200, body=rows.answers)


class _Rows:
    """Sends rows of a write again, by their places, and keeps what was answered for each."""

    def __init__(self, context: Context, request: Subrequest, answers: list[Any]) -> None:
        self.answers = answers
        self._context, self._request = context, request

    def send(self, portion: Sequence[int]) -> Answered:
        """Rows of which no answer came keep their refusal: they may have been saved, or can be tried again."""
        request = writing.part(self._request, portion)
        answered = _call(self._context, [request])
        if answered is None:
            return Answered({}, False, (), True)
        response = answered[0][request.reference]
        for row, answer in zip(portion, writing.rows_of(response), strict=True):
            self.answers[row] = answer
        together = self.refused_together(portion, response)
        taken = any(result.success for result in writing.results(response))
        return Answered({}, taken, together, len(portion) == 1)

    def put_off(self, keys: Collection[int]) -> Outcomes:
        return {}

    def refused_together(self, rows: Sequence[int], response: Subresponse) -> list[int]:
        """Of rows that were sent, those that may be taken with fewer others."""
        found = zip(rows, writing.results(response), strict=True)
        whole = not response.ok
        return [
            row
            for row, result in found
            if result.errors and perhaps_because_of_others(self._context, result.errors, whole=whole, tried=False)
        ]


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
