"""What an action refuses before anything is asked."""

from __future__ import annotations

import pytest

from syncer.models import ActivityLogEntry, Person, SyncMode
from syncer.sync.actions.registry import SPECS
from syncer.sync.options import Action, SyncOptions
from syncer.sync.outcomes import Code, Result

pytestmark = pytest.mark.django_db

ANSWERS = {Action.OWNER: {"owner": "005000000000001"}, Action.CAMPAIGN: {"campaign": "701000000000001"}}
WITH_RECORD = [spec.action for spec in SPECS.values() if spec.needs_record]
ONLY_WRITING = [spec.action for spec in SPECS.values() if spec.makes_record_first or spec.needs_record and spec.writes]


def options(action: Action, **answers: str) -> SyncOptions:
    return SyncOptions(action=action, **ANSWERS.get(action, {}) | answers)  # type: ignore[arg-type]


@pytest.fixture
def kim(sandbox, sync_user, cycle) -> Person:
    """A lead in Salesforce, synced."""
    sandbox.lead()
    cycle()
    return Person.objects.get()


@pytest.mark.parametrize("action", WITH_RECORD)
def test_an_action_on_a_record_refuses_whoever_has_none(sandbox, sync_person, sync_user, action: Action) -> None:
    nobody = Person.objects.create(last_name="Ode", company="Acme")
    outcome = sync_person(nobody, options=options(action))
    assert (outcome.result, outcome.code) == (Result.REFUSED, Code.NOT_LINKED)
    assert outcome.message.startswith("This person is not in Salesforce: there is nothing to ")


@pytest.mark.parametrize("action", ONLY_WRITING)
def test_an_action_that_writes_is_refused_while_the_connection_receives_only(
    sync_user, sync_person, kim: Person, action: Action
) -> None:
    sync_user.refresh_from_db()
    sync_user.mode = SyncMode.RECEIVE_ONLY
    sync_user.save()
    entries = ActivityLogEntry.objects.count()
    outcome = sync_person(kim, options=options(action))
    assert (outcome.result, outcome.code) == (Result.REFUSED, Code.RECEIVE_ONLY)
    assert ActivityLogEntry.objects.count() == entries


@pytest.mark.parametrize(("action", "option"), [(Action.OWNER, "owner"), (Action.CAMPAIGN, "campaign")])
def test_what_is_no_id_is_refused_in_salesforces_place(sync_person, kim: Person, action: Action, option: str) -> None:
    outcome = sync_person(kim, options=options(action, **{option: "nonsense"}))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "MALFORMED_ID")
    assert "“nonsense” is not the id of" in outcome.message


@pytest.mark.parametrize(("action", "code"), [(Action.OWNER, Code.NO_OWNER), (Action.CAMPAIGN, Code.NO_CAMPAIGN)])
def test_what_has_to_be_chosen_is_asked_for(sync_person, kim: Person, action: Action, code: Code) -> None:
    outcome = sync_person(kim, options=SyncOptions(action=action))
    assert (outcome.result, outcome.code) == (Result.REFUSED, code)
