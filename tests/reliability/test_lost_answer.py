"""What is known of an update whose answer was lost: a value that somebody had entered there meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from syncer.models import ActivityLogEntry, ActivityType, Conflict, Person, SyncRun, SyncUser
from syncer.sync.cycle import run_cycle
from tests.support.salesforce import Sandbox, Time

SENDS = "/composite/sobjects"


def test_a_value_entered_between_reading_and_sending_is_a_conflict_in_the_log(
    sandbox: Sandbox, cycle: Callable[..., SyncRun], sync_user: SyncUser, time: Time
) -> None:
    assert overwrite_in_the_gap(sandbox, cycle, time, lose_the_answer=False) == ["theirs"]


def test_when_the_answer_was_lost_the_log_tells_that_something_may_have_been_overwritten(
    sandbox: Sandbox, cycle: Callable[..., SyncRun], sync_user: SyncUser, time: Time
) -> None:
    assert overwrite_in_the_gap(sandbox, cycle, time, lose_the_answer=True) == []
    entry = ActivityLogEntry.objects.get(type=ActivityType.CONFLICT, field="title")
    assert "the answer was lost" in entry.summary


def overwrite_in_the_gap(
    sandbox: Sandbox, cycle: Callable[..., SyncRun], time: Time, *, lose_the_answer: bool
) -> list[str]:
    """A salesperson edits a field after the cycle has read it and before ours is sent over it; gives the values
    that are known to have lost."""
    lead = sandbox.lead(LastName="Ode", Title="old")
    cycle()
    time.pass_(3600)  # the overlap of reads is over: what is found later was found because it changed
    cycle()
    Person.objects.filter(sfdc_id=lead).update(title="ours")
    edited: list[str] = []

    def open_session(login_url: str) -> requests.Session:
        session = sandbox.open_session(login_url)
        send = session.send

        def with_a_salesperson(request: requests.PreparedRequest, **options: Any) -> requests.Response:
            if not edited and SENDS in str(request.body):
                edited.append(lead)
                sandbox.edit(lead, Title="theirs")
                if lose_the_answer:
                    sandbox.fault("/composite", "drop_after", nth=1, times=1)
            return send(request, **options)

        session.send = with_a_salesperson  # type: ignore[method-assign]
        return session

    time.pass_(60)
    run_cycle(trigger="test", around=sandbox.around(open_session=open_session))
    assert edited
    for _ in range(2):
        cycle()
    assert sandbox.read(lead)["Title"] == Person.objects.get(sfdc_id=lead).title == "ours"
    return [str(conflict.there) for conflict in Conflict.objects.filter(field="title")]
