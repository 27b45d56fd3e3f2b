"""Edits by any path raise the revision and fill the outbox; the sync's own agreeing writes do not."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from syncer.models import PendingChange, Person, SalesforceRecord, Tombstone, triggers
from syncer.sync.store import bulk_sql

pytestmark = pytest.mark.django_db


@pytest.fixture
def linked() -> Person:
    return make_linked()


def make_linked(record_id: str = "00Q000000000001AAA", **values: object) -> Person:
    with triggers.agreeing_writes():
        person = Person.objects.create(first_name="Alice", last_name="Ode", custom={"A__c": "1", "B__c": "2"}, **values)
        Person.objects.filter(pk=person.pk).update(sfdc_type="Lead", sfdc_id=record_id)
        SalesforceRecord.objects.create(person=person, organisation="00D", object="Lead", record_id=record_id)
    return Person.objects.get(pk=person.pk)


def edit_by_save(person: Person) -> None:
    person.title = "Buyer"
    person.save()


def edit_custom_by_save(person: Person) -> None:
    person.custom["A__c"] = "9"
    person.save()


def edit_by_update(person: Person) -> None:
    Person.objects.filter(pk=person.pk).update(title="Buyer")


def edit_by_bulk_update(person: Person) -> None:
    person.title = "Buyer"
    Person.objects.bulk_update([person], ["title"])


def edit_by_upsert(person: Person) -> None:
    person.title = "Buyer"
    Person.objects.bulk_create([person], update_conflicts=True, unique_fields=["id"], update_fields=["title"])


def edit_by_raw_sql(person: Person) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE syncer_person SET title = 'Buyer' WHERE id = %s", [person.pk])


def columns_of_person() -> str:
    return ", ".join(f'"{field.column}"' for field in Person._meta.concrete_fields)


def edit_by_replacing(person: Person) -> None:
    """As tools that import do: the row as it was read, with a new title."""
    values = columns_of_person().replace('"title"', "'Buyer'")
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                f"INSERT OR REPLACE INTO syncer_person ({columns_of_person()}) SELECT {values} FROM syncer_person "  # noqa: S608
                "WHERE id = %s",
                [person.pk],
            )
            return
        with transaction.atomic():
            cursor.execute("CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT * FROM syncer_person")
            cursor.execute("DELETE FROM syncer_person WHERE id = %s", [person.pk])
            cursor.execute(
                f"INSERT INTO syncer_person ({columns_of_person()}) SELECT {values} FROM kept WHERE id = %s",  # noqa: S608
                [person.pk],
            )


@pytest.mark.parametrize(
    "edit",
    [
        edit_by_replacing,
        edit_by_save,
        edit_custom_by_save,
        edit_by_update,
        edit_by_bulk_update,
        edit_by_upsert,
        edit_by_raw_sql,
    ],
)
def test_an_edit_by_any_path_raises_the_revision_and_waits_to_be_sent(linked, edit):
    before = linked.revision
    edit(linked)
    revision = Person.objects.values_list("revision", flat=True).get(pk=linked.pk)
    assert revision > before
    pending = PendingChange.objects.get(person=linked)
    assert (pending.revision, pending.state) == (revision, "pending")


def test_the_revision_can_not_be_lowered(linked):
    Person.objects.filter(pk=linked.pk).update(revision=0, title="Buyer")
    assert Person.objects.get(pk=linked.pk).revision == linked.revision + 1


def test_a_row_that_is_replaced_by_defaults_stays_linked_and_its_revision_does_not_fall(linked):
    for _ in range(3):
        edit_by_update(linked)
    before = Person.objects.get(pk=linked.pk).revision
    row = "INTO syncer_person (id, last_name, created_at) VALUES (%s, 'Poe', '2026-01-01 00:00:00+00:00')"
    with connection.cursor() as cursor, transaction.atomic():
        if connection.vendor != "sqlite":
            cursor.execute("DELETE FROM syncer_person WHERE id = %s", [linked.pk])
        how = "INSERT OR REPLACE" if connection.vendor == "sqlite" else "INSERT"
        cursor.execute(f"{how} {row}", [linked.pk])
    now = Person.objects.get(pk=linked.pk)
    assert (now.last_name, now.first_name, now.sfdc_type, now.sfdc_id) == ("Poe", "", "Lead", linked.sfdc_id)
    assert now.revision > before
    assert PendingChange.objects.get(person=now).revision == now.revision
    edit_by_raw_sql(now)
    assert Person.objects.get(pk=linked.pk).revision == now.revision + 1


def test_a_write_that_changes_no_value_is_nothing_to_send(linked):
    Person.objects.filter(pk=linked.pk).update(first_name="Alice")
    assert not PendingChange.objects.exists()


def test_an_agreeing_write_raises_the_revision_and_is_not_sent(linked):
    with triggers.agreeing_writes():
        Person.objects.filter(pk=linked.pk).update(title="Buyer")
    assert Person.objects.get(pk=linked.pk).revision > linked.revision
    assert not PendingChange.objects.exists()


def test_the_flag_ends_with_its_transaction_even_when_that_fails(linked):
    with pytest.raises(ZeroDivisionError), triggers.agreeing_writes():
        raise ZeroDivisionError
    edit_by_update(linked)
    assert PendingChange.objects.filter(person=linked).exists()


def test_a_person_that_is_not_in_salesforce_has_nothing_to_send():
    person = Person.objects.create(last_name="Ode")
    edit_by_update(person)
    assert not PendingChange.objects.exists()


def test_an_edit_frees_a_failed_person(linked):
    PendingChange.objects.create(person=linked, state="failed", revision=1, attempts=3)
    edit_by_update(linked)
    assert PendingChange.objects.values_list("state", "attempts").get() == ("pending", 0)


def test_an_edit_of_a_person_whose_create_was_refused_is_noted():
    person = Person.objects.create(last_name="Ode")
    PendingChange.objects.create(person=person, state="failed")
    edit_by_update(person)
    assert PendingChange.objects.get().revision == person.revision + 1


def test_dropped_triggers_are_missed_and_repaired_and_everything_is_compared(linked):
    assert triggers.missing() == []
    on_table = " ON syncer_person" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER syncer_person_pending{on_table}")
    edit_by_update(linked)
    assert not PendingChange.objects.exists()
    assert triggers.repair() == ["syncer_person_pending"]
    assert PendingChange.objects.filter(person=linked, state="pending").exists()
    assert triggers.repair() == []


def test_deleting_a_person_leaves_a_tombstone_for_its_record(linked):
    Person.objects.filter(pk=linked.pk).delete()
    assert Tombstone.objects.values_list("record_id", flat=True).get() == "00Q000000000001AAA"


def test_saving_keeps_what_others_changed_meanwhile(linked):
    mine, theirs = Person.objects.get(pk=linked.pk), Person.objects.get(pk=linked.pk)
    theirs.title, theirs.custom["A__c"], theirs.custom["C__c"] = "Buyer", "9", "3"
    theirs.save()
    mine.city, mine.custom["B__c"] = "Ghent", None
    mine.save()
    after = Person.objects.get(pk=linked.pk)
    assert (after.title, after.city, after.custom) == ("Buyer", "Ghent", {"A__c": "9", "C__c": "3"})


def test_saving_nothing_writes_nothing(linked):
    linked.save()
    assert Person.objects.get(pk=linked.pk).revision == linked.revision


def test_a_row_inserted_by_raw_sql_is_a_whole_person():
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO syncer_person (last_name) VALUES ('Ode')")
        cursor.execute("INSERT INTO syncer_person (last_name) VALUES ('Ray')")
    ode, ray = Person.objects.order_by("last_name")
    assert ode.uuid != ray.uuid
    assert (ode.custom, ode.email, ode.sfdc_type, ode.revision) == ({}, "", "", 1)


def test_one_statement_updates_the_rows_whose_revision_matches(linked):
    other = make_linked("00Q000000000002AAA")
    rows = [[linked.pk, linked.revision, "Buyer", {"A__c": True}], [other.pk, other.revision - 1, "Seller", {}]]
    written = bulk_sql.update(Person, ["title", "custom"], rows, keys=("id", "revision"), returning=("id",))
    assert written == [(linked.pk,)]
    linked.refresh_from_db()
    other.refresh_from_db()
    assert (linked.title, linked.custom, other.title) == ("Buyer", {"A__c": True}, "")
