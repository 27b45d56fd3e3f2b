"""What has to be true of every person: each sentence is broken by hand, found, and put right."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from syncer import tasks
from syncer.models import CreateIntent, FormerId, PendingChange, Person, SalesforceRecord, Tombstone, triggers
from syncer.sync.upkeep.check_data import check


@pytest.fixture
def kim(sandbox, cycle):
    Tombstone.objects.all().delete()  # emptying the database after a test buries whoever was in it
    sandbox.lead(LastName="Ode", Title="Buyer")
    cycle()
    cycle()
    assert list(check(mend=False)) == []
    return Person.objects.get()


def _edit_is_forgotten(kim):
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    PendingChange.objects.all().delete()


def _base_is_another(kim):
    link = SalesforceRecord.objects.get()
    SalesforceRecord.objects.update(base=link.base | {"title": "Clerk"})


def _columns_differ(kim):
    with triggers.agreeing_writes():
        Person.objects.filter(pk=kim.pk).update(sfdc_id="00Q000000000009AAA")


def _link_is_gone(kim):
    SalesforceRecord.objects.all().delete()


def _waits_in_vain(kim):
    with triggers.agreeing_writes():
        Person.objects.filter(pk=kim.pk).update(sfdc_is_deleted=True)
    PendingChange.objects.create(person=kim, revision=1)


def _create_is_under_way(kim):
    CreateIntent.objects.create(person=kim, object="Lead", asked_at="2026-03-02T09:00Z", values_sent={})


def _former_id_is_a_record(kim):
    link = SalesforceRecord.objects.get()
    FormerId.objects.create(
        person=kim, organisation=link.organisation, object="Lead", record_id=link.record_id, reason="converted"
    )


def _is_buried(kim):
    link = SalesforceRecord.objects.get()
    Tombstone.objects.create(organisation=link.organisation, object="Lead", record_id=link.record_id)


def _trigger_is_gone(kim):
    triggers.uninstall(connection)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "break_it",
    [
        _edit_is_forgotten,
        _base_is_another,
        _columns_differ,
        _link_is_gone,
        _waits_in_vain,
        _create_is_under_way,
        _former_id_is_a_record,
        _is_buried,
        _trigger_is_gone,
    ],
)
def test_what_is_broken_is_found_told_and_put_right(kim, break_it):
    break_it(kim)
    told = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("checkdata", dry_run=True, stdout=told, stderr=StringIO())
    assert ended.value.code == 1
    assert "Not so in" in told.getvalue()
    assert list(check(mend=False)), "a dry run changes nothing"
    call_command("checkdata", stdout=(told := StringIO()), stderr=StringIO())
    assert "Put right." in told.getvalue()
    assert list(check(mend=False)) == []
    call_command("checkdata", stdout=(told := StringIO()), stderr=StringIO())
    assert told.getvalue() == "All is as it has to be. Persons: 1.\n"


@pytest.mark.django_db(transaction=True)
def test_a_forgotten_edit_is_sent_after_the_daily_check(kim, sandbox, cycle):
    _edit_is_forgotten(kim)
    assert sum(tasks.check_data().values()) == 1
    cycle()
    assert sandbox.read(kim.sfdc_id)["Title"] == "Head Buyer"
