"""What an earlier version has let into SQLite is mended."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import OperationalError, connection

from syncer.models import ActivityLogEntry, Conflict, PendingChange, Person, SalesforceRecord
from syncer.models.triggers import agreeing_writes
from syncer.sync.upkeep.broken_texts import repair

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL never took any"),
]


def mend() -> int:
    with agreeing_writes():
        return repair(apps.get_app_config("syncer").get_models(), connection)


@pytest.fixture
def broken(sandbox, cycle):
    """A lead with half an emoji, as it was stored: bytes in the columns, an escape in JSON."""
    lead = sandbox.lead(LastName="Kim", Description="cut X")
    sandbox.lead(LastName="Ann", Description="whole \U0001f600")
    cycle()
    kim = Person.objects.get(sfdc_id=lead)
    sandbox.control("POST", "records", id=lead, fields={"Description": "cut \ud83d", "Notes__c": "\ud83d"})
    entry = ActivityLogEntry.objects.filter(person_id=kim.pk).earliest("pk")
    conflict = Conflict.objects.create(person_id=kim.pk, field="description", winner="marketo")
    half, escape = r'"cut \ud83d"', r'"\ud83d"'
    statements = (
        ("UPDATE syncer_person SET description = json_extract(%s, '$') WHERE id = %s", half, kim.pk),
        ("UPDATE syncer_person SET custom = %s WHERE id = %s", f'{{"Notes__c": {escape}}}', kim.pk),
        (
            "UPDATE syncer_salesforcerecord SET base = json_set(base, '$.description', json(%s)) WHERE person_id = %s",
            half,
            kim.pk,
        ),
        (
            "UPDATE syncer_salesforcerecord SET base = json_set(base, '$.Notes__c', json(%s)) WHERE person_id = %s",
            escape,
            kim.pk,
        ),
        ("UPDATE syncer_activitylogentry SET summary = json_extract(%s, '$') WHERE id = %s", half, entry.pk),
        ("UPDATE syncer_conflict SET here = %s WHERE id = %s", escape, conflict.pk),
    )
    with agreeing_writes(), connection.cursor() as cursor:
        for statement, text, pk in statements:
            cursor.execute(statement, [text, pk])
    return kim


def test_broken_texts_are_mended_and_not_sent_back(sandbox, cycle, broken):
    with pytest.raises(OperationalError):
        list(Person.objects.all())
    assert mend() == 5
    assert mend() == 0
    kim = Person.objects.get(pk=broken.pk)
    assert (kim.description, kim.custom["Notes__c"]) == ("cut \ufffd", "\ufffd")
    link = SalesforceRecord.objects.get(person=kim)
    assert (link.base["description"], link.base["Notes__c"]) == ("cut \ufffd", "\ufffd")
    assert Conflict.objects.get().here == "\ufffd"
    assert Person.objects.get(last_name="Ann").description == "whole \U0001f600"
    assert not PendingChange.objects.exists()
    for _ in range(3):
        sandbox.time.pass_(900)
        cycle()
    assert sandbox.read(kim.sfdc_id)["Description"] == "cut \ud83d"
    assert not PendingChange.objects.exists()


def test_what_is_whole_stays_as_it_is(sandbox, cycle):
    sandbox.lead(LastName="Kim", Notes__c="back\\slash \\ud83d \U0001f600 é")
    cycle()
    before = list(Person.objects.values())
    assert mend() == 0
    assert list(Person.objects.values()) == before
