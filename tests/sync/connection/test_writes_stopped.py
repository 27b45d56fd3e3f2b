"""*Stop everything that writes to Salesforce*: at once, for cycles and actions; receiving goes on, edits are kept."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command

from syncer import schedule
from syncer.admin.state.why import why
from syncer.models import ActivityType, Claim, CreateIntent, PendingChange, Person, SyncMode, SyncUser, SyncUserState
from syncer.sync.errors import CannotSync
from syncer.sync.options import Action, SyncOptions

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair(sandbox, cycle):
    """A lead and its person, in sync."""
    lead = sandbox.lead(Title="Buyer", Phone="020-1")
    cycle()
    return lead, Person.objects.get()


def edit(person, **values):
    Person.objects.filter(pk=person.pk).update(**values)


def test_cycles_only_receive_and_what_waits_goes_out_afterwards(sandbox, cycle, pair, log):
    lead, person = pair
    edit(person, title="Head Buyer")
    assert schedule.stop_writing()
    sandbox.edit(lead, Phone="020-9")
    sandbox.clear_requests()
    run = cycle()
    assert run.status == "completed"
    person.refresh_from_db()
    assert (person.phone, sandbox.read(lead)["Title"]) == ("020-9", "Buyer")
    assert PendingChange.objects.get().state == "pending"
    cycle()
    assert schedule.allow_writing()
    cycle()
    assert sandbox.read(lead)["Title"] == "Head Buyer"
    assert log(person, ActivityType.SYNC_UPDATES)


def test_an_edit_waits_for_a_connection_that_receives_only_to_become_two_way(sandbox, cycle, pair):
    lead, person = pair
    SyncUser.objects.update(mode=SyncMode.RECEIVE_ONLY)
    edit(person, title="Head Buyer")
    sandbox.edit(lead, Phone="020-9")
    cycle()
    assert PendingChange.objects.get().state == "pending"
    SyncUser.objects.update(mode=SyncMode.TWO_WAY)
    cycle()
    assert sandbox.read(lead)["Title"] == "Head Buyer"


def test_what_both_sides_changed_meanwhile_is_settled_by_the_rule_afterwards(sandbox, cycle, pair, log):
    lead, person = pair
    schedule.stop_writing()
    edit(person, title="Ours")
    sandbox.edit(lead, Title="Theirs")
    cycle()
    cycle()
    person.refresh_from_db()
    assert (person.title, sandbox.read(lead)["Title"]) == ("Ours", "Theirs")
    schedule.allow_writing()
    cycle()
    assert sandbox.read(lead)["Title"] == "Ours"
    [lost] = log(person, ActivityType.CONFLICT)
    assert lost.detail["lost"] == "Theirs"


def test_actions_that_write_are_refused_and_refresh_works(sandbox, sync_person, pair):
    lead, person = pair
    newcomer = Person.objects.create(last_name="New", company="Acme")
    schedule.stop_writing()
    sandbox.clear_requests()
    for action in Action:
        if action is not Action.REFRESH:
            with pytest.raises(CannotSync, match="stopped.*dashboard.*resumesync --everything") as refused:
                sync_person(newcomer, options=SyncOptions(action=action))
            assert refused.value.code == "WRITES_STOPPED"
    assert sandbox.api_calls == 0
    sandbox.edit(lead, Phone="020-9")
    assert sync_person(person, options=SyncOptions(action=Action.REFRESH)).ok
    person.refresh_from_db()
    assert person.phone == "020-9"


def test_it_works_at_once_in_a_cycle_that_has_begun(sandbox, cycle, pair, monkeypatch):
    """The switch is turned between the cycle's reading and its sending."""
    from syncer.sync.push import updates

    lead, person = pair
    edit(person, title="Head Buyer")
    send_waiting = updates.send_waiting
    monkeypatch.setattr(updates, "send_waiting", lambda context: (schedule.stop_writing(), send_waiting(context)))
    run = cycle()
    assert run.status == "completed"
    assert "is stopped, so nothing was sent" in run.notes[0]
    assert sandbox.read(lead)["Title"] == "Buyer"
    assert PendingChange.objects.get().state == "pending"
    assert not Claim.objects.exists()
    monkeypatch.undo()
    assert cycle().status == "completed"
    schedule.allow_writing()
    cycle()
    assert sandbox.read(lead)["Title"] == "Head Buyer"


def test_a_create_that_was_stopped_leaves_no_doubt_behind(sandbox, sync_person, pair, monkeypatch):
    from syncer.sync.store import intents

    newcomer = Person.objects.create(last_name="New", company="Acme")
    store = intents.remember
    monkeypatch.setattr(
        intents, "remember", lambda *args, **options: (store(*args, **options), schedule.stop_writing())[0]
    )
    with pytest.raises(CannotSync) as stopped:
        sync_person(newcomer)
    assert stopped.value.code == "WRITES_STOPPED"
    assert not CreateIntent.objects.exists()
    monkeypatch.undo()
    schedule.allow_writing()
    assert sync_person(newcomer).ok
    assert sandbox.count() == 2


def test_the_reason_stands_on_the_persons_page(sandbox, cycle, pair):
    _, person = pair
    newcomer = Person.objects.create(last_name="New", company="Acme")
    edit(person, title="Head Buyer")
    schedule.stop_writing()
    sync_user = SyncUser.objects.get()
    assert "everything that writes to Salesforce is stopped" in why(Person.objects.get(pk=person.pk), sync_user)
    assert "everything that writes to Salesforce is stopped" in why(newcomer, sync_user)


def test_the_commands(sync_user):
    def said(name: str, *options: str) -> str:
        out = StringIO()
        call_command(name, *options, stdout=out, stderr=out)
        return " ".join(out.getvalue().split())

    assert "Nothing is written to Salesforce any more. Paused." in said("pausesync", "--everything")
    sync_user.refresh_from_db()
    assert (sync_user.writes_stopped, sync_user.state) == (True, SyncUserState.PAUSED)
    assert said("pausesync", "--everything") == "There is nothing to pause."
    assert "still stopped" in said("resumesync")
    sync_user.refresh_from_db()
    assert (sync_user.writes_stopped, sync_user.state) == (True, SyncUserState.READY)
    assert "allowed again" in said("resumesync", "--everything")
    sync_user.refresh_from_db()
    assert not sync_user.writes_stopped
    assert said("resumesync", "--everything") == "The sync is not paused."
    said("pausesync")
    sync_user.refresh_from_db()
    assert not sync_user.writes_stopped
