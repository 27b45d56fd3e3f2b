"""What is worth knowing about a run is said in its notes, one sentence each."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from django.db import connection

from syncer.models import FieldMapping, Person, PostponedRecord, SyncRun
from syncer.sync.cycle import run_cycle
from syncer.sync.fields.synced_objects import ACCOUNT
from tests.support.around import put_around

pytestmark = pytest.mark.django_db


def access(sandbox, field: str, level: str, sobject: str = "Lead") -> None:
    sandbox.time.pass_(5)
    sandbox.control("POST", "access", username="sync@example.com", object=sobject, field=field, access=level)


def test_a_first_cycle_and_a_quiet_one_have_nothing_to_tell(sandbox, cycle):
    sandbox.lead()
    assert cycle().notes == []
    assert cycle().notes == []


def test_fields_that_come_and_go_are_told_once(sandbox, cycle):
    cycle()
    sandbox.time.pass_(5)
    sandbox.control("POST", "fields", object="Lead", name="Tier__c", type="Text", length=20)
    assert cycle().notes == ["Lead: appeared, and received for all records: Tier__c."]
    access(sandbox, "Tier__c", "hidden")
    access(sandbox, "Title", "hidden")
    assert cycle().notes == ["Lead: no longer visible to the sync user, kept here and not synced: Tier__c, Title."]
    assert cycle().notes == []


def test_changed_access_is_told(sandbox, cycle):
    cycle()
    access(sandbox, "Title", "read")
    access(sandbox, "Rating", "read")
    assert cycle().notes == ["Lead: the sync user may no longer edit Rating, Title."]
    access(sandbox, "Title", "edit")
    assert cycle().notes == ["Lead: the sync user may now edit Title."]


def test_many_fields_are_counted(sandbox, cycle):
    cycle()
    sandbox.time.pass_(5)
    for n in range(10):
        sandbox.control("POST", "fields", object="Lead", name=f"New_{n}__c", type="Text", length=20)
    [note] = cycle().notes
    assert "New_7__c and 2 more." in note
    assert "New_8__c" not in note


def test_a_suspended_field_is_told_with_the_reason(sandbox, cycle):
    sandbox.lead(Notes__c="long text")
    cycle()
    sandbox.time.pass_(10)
    sandbox.control("POST", "fields", object="Lead", name="Notes__c", type="Checkbox")
    [note] = cycle().notes
    assert note.startswith("Lead: Notes__c is suspended. Its type changed from textarea to boolean")
    assert cycle().notes == []


def test_a_field_lost_in_mid_cycle_is_told(sandbox, cycle):
    """The describe still shows it to a conditional request; the query and the update refuse it."""
    sandbox.lead(Title="Buyer")
    cycle()
    sandbox.fault("/sobjects/Lead/describe", "status", status=304, nth=1, times=1)
    access(sandbox, "Title", "hidden")
    run = cycle()
    assert (run.status, len(run.notes)) == ("completed", 1)
    assert "no longer visible to the sync user, kept here and not synced: Title" in run.notes[0]
    assert not FieldMapping.objects.get(object="Lead", salesforce_field="Title").readable


def test_an_object_that_cannot_be_seen_is_told_by_every_run(sandbox, cycle):
    cycle()
    sandbox.time.pass_(5)
    for name in ("Account", "User"):
        sandbox.control("POST", "access", username="sync@example.com", object=name, access="hidden")
    first, second = cycle().notes, cycle().notes
    names = ", ".join(sorted(field.name for field in ACCOUNT.fields.values()))
    assert f"Contact: no longer visible to the sync user, kept here and not synced: {names}." in first
    assert second == [
        "The companies of contacts are not followed: the sync user can't see the object Account (INVALID_TYPE).",
        "The names of owners are not followed: the sync user can't see the object User (INVALID_TYPE).",
    ]


def test_accounts_that_could_not_be_read_are_told_and_read_by_the_next_cycle(sandbox, cycle):
    account = sandbox.sales.Account.create({"Name": "Acme"})["id"]
    sandbox.contact(AccountId=account)
    cycle()
    sandbox.time.pass_(900)
    cycle()
    sandbox.edit(account, Name="Acme Group")
    sandbox.fault("FROM%20Account", "status", status=400, code="QUERY_TOO_COMPLICATED", nth=1, times=1)
    run = cycle()
    assert run.status == "completed"
    assert [note.split(":")[0] for note in run.notes] == ["The companies of contacts are not followed"]
    assert Person.objects.get().company == "Acme"
    assert cycle().notes == []
    assert Person.objects.get().company == "Acme Group"


def test_repaired_triggers_are_told(sandbox, cycle):
    sandbox.lead()
    cycle()
    with connection.cursor() as cursor:
        on_table = " ON syncer_person" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER syncer_person_pending{on_table}")
    assert cycle().notes == [
        "Triggers of the database were missing. They are back, and every linked person is compared once."
    ]
    assert cycle().notes == []


def test_postponed_records_are_told(sandbox, cycle, sync_person, sync_user, time):
    """Sync Person to SFDC sends the person while the cycle merges the account's older name: it is read again."""
    account = sandbox.sales.Account.create({"Name": "Acme"})["id"]
    sandbox.contact(AccountId=account)
    cycle()
    sandbox.edit(account, Name="Acme Group")
    time.pass_(60)

    def meanwhile(phase: str, done: int, total: int | None) -> None:
        if phase == "Receiving Contacts":
            sandbox.edit(account, Name="Acme Holding")
            sync_person(Person.objects.get())

    run = run_cycle(trigger="test", around=sandbox.around(progress=meanwhile))
    assert run.notes == ["1 Contact records could not be merged now; the next cycle reads them again."]
    assert PostponedRecord.objects.get().object == "Contact"
    assert cycle().notes == []
    assert Person.objects.get().company == "Acme Holding"


@pytest.fixture
def runsync(sandbox, sync_user, time, capsys, monkeypatch):
    """``manage.py runsync`` with the organisation in this process; what it prints."""
    put_around(sandbox.around(), monkeypatch)

    def run(*arguments: str) -> str:
        capsys.readouterr()
        call_command("runsync", *arguments)
        return str(capsys.readouterr().out)

    return run


def test_runsync_prints_the_notes(sandbox, cycle, runsync):
    cycle()
    access(sandbox, "Title", "hidden")
    expected = "Lead: no longer visible to the sync user, kept here and not synced: Title."
    assert f"Note: {expected}\nNothing was written." in runsync("--dry-run")
    assert json.loads(runsync("--dry-run", "--json"))["notes"] == [expected]
    printed = runsync()
    assert f"Note: {expected}\nRun {SyncRun.objects.latest('pk').pk} completed" in printed
    assert json.loads(runsync("--json"))["notes"] == []
    access(sandbox, "Title", "edit")
    assert json.loads(runsync("--json"))["notes"] == ["Lead: appeared, and received for all records: Title."]
