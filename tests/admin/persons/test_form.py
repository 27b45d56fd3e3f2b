"""A person's form saves what was edited in it, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from syncer.models import ActivityLogEntry, PendingChange, Person, SyncUser
from syncer.models.triggers import agreeing_writes
from tests.admin.pages import form_data, words


def url_of(person: Person) -> str:
    return reverse("admin:syncer_person_change", args=[person.pk])


def sync_writes(person: Person, **values: Any) -> None:
    """What a sync does while somebody has the form open."""
    with agreeing_writes():
        Person.objects.filter(pk=person.pk).update(**values)


def stored(person: Person) -> dict[str, Any]:
    return dict(Person.objects.filter(pk=person.pk).values().get())


def save(client: Client, person: Person, data: dict[str, Any]) -> Any:
    return client.post(url_of(person), data | {"_continue": "1"}, follow=True)


def test_a_form_that_nobody_touched_changes_nothing(admin: Client, person: Person) -> None:
    before = stored(person)
    data = form_data(admin.get(url_of(person)))
    assert save(admin, person, data).redirect_chain
    assert stored(person) == before
    assert not ActivityLogEntry.objects.exists()
    assert not PendingChange.objects.exists()


def test_an_edit_is_saved_logged_with_its_author_and_waits_to_be_sent(admin: Client, person: Person) -> None:
    data = form_data(admin.get(url_of(person)))
    save(admin, person, data | {"title": "Head Buyer", "custom-Region-c": "EMEA", "custom-VIP-c": "true"})
    person.refresh_from_db()
    assert (person.title, person.custom["Region__c"], person.custom["VIP__c"]) == ("Head Buyer", "EMEA", True)
    entries = {entry.field: entry for entry in ActivityLogEntry.objects.all()}
    assert set(entries) == {"title", "Region__c", "VIP__c"}
    assert entries["title"].detail == {"old": "Buyer", "new": "Head Buyer", "source": "Form"}
    assert {(entry.type, entry.actor) for entry in entries.values()} == {("Change Data Value", "eva")}
    assert PendingChange.objects.get().person_id == person.pk


def test_a_value_that_the_sync_replaced_meanwhile_is_not_written_back(admin: Client, person: Person) -> None:
    data = form_data(admin.get(url_of(person)))
    sync_writes(person, title="Chief Buyer", custom=person.custom | {"Budget__c": "99.00"})
    save(admin, person, data | {"company": "Globex"})
    person.refresh_from_db()
    assert (person.title, person.company, person.custom["Budget__c"]) == ("Chief Buyer", "Globex", "99.00")
    assert [entry.field for entry in ActivityLogEntry.objects.all()] == ["company"]


def test_the_same_field_changed_meanwhile_is_told_and_the_input_kept(admin: Client, person: Person) -> None:
    data = form_data(admin.get(url_of(person)))
    sync_writes(person, title="Chief Buyer", company="Initech")
    response = admin.post(url_of(person), data | {"title": "Head Buyer"})
    assert "Changed to Chief Buyer by somebody else after this page was opened (it showed Buyer)" in words(response)
    assert stored(person)["title"] == "Chief Buyer"

    # The page that came back keeps the input, shows what is current elsewhere, and a second save is deliberate.
    again = form_data(response)
    assert (again["title"], again["company"]) == ("Head Buyer", "Initech")
    save(admin, person, again)
    assert stored(person)["title"] == "Head Buyer"
    assert stored(person)["company"] == "Initech"
    assert ActivityLogEntry.objects.get().detail["old"] == "Chief Buyer"


def test_both_made_the_same_edit(admin: Client, person: Person) -> None:
    data = form_data(admin.get(url_of(person)))
    sync_writes(person, title="Head Buyer")
    save(admin, person, data | {"title": "Head Buyer"})
    assert stored(person)["title"] == "Head Buyer"
    assert not PendingChange.objects.exists()


def test_a_refused_form_keeps_a_cleared_list_and_takes_over_what_changed_elsewhere(
    admin: Client, person: Person
) -> None:
    data = form_data(admin.get(url_of(person)))
    sync_writes(person, custom=person.custom | {"Region__c": "EMEA"})
    response = admin.post(url_of(person), data | {"custom-Interests-c": [], "custom-Budget-c": "a lot"})
    assert "is not a number" in words(response)
    again = form_data(response)
    assert again["custom-Interests-c"] == []
    assert again["custom-Region-c"] == "EMEA"
    save(admin, person, again | {"custom-Budget-c": "7.5"})
    person.refresh_from_db()
    assert "Interests__c" not in person.custom
    assert (person.custom["Region__c"], person.custom["Budget__c"]) == ("EMEA", "7.50")


def test_nobody_ever_set_it_stays_so(admin: Client, person: Person) -> None:
    assert person.unsubscribed is None
    data = form_data(admin.get(url_of(person)))
    save(admin, person, data | {"title": "CFO"})
    assert stored(person)["unsubscribed"] is None
    data = form_data(admin.get(url_of(person)))
    save(admin, person, data | {"unsubscribed": "false"})
    assert stored(person)["unsubscribed"] is False


@pytest.mark.parametrize(
    ("field", "entered", "key", "kept"),
    [
        ("custom-Interests-c", ["Sync", "Mobile"], "Interests__c", "Mobile;Sync"),
        ("custom-Renewal-c", "2028-01-31", "Renewal__c", "2028-01-31"),
        ("custom-Budget-c", "9999999999999.999", "Budget__c", "10000000000000.00"),
        ("custom-Notes-c", "one\r\ntwo", "Notes__c", "one\ntwo"),
        ("custom-VIP-c", "false", "VIP__c", False),
        ("custom-Region-c", "", "Region__c", None),
    ],
)
def test_each_kind_of_custom_field_is_stored_in_its_canonical_form(
    admin: Client, person: Person, field: str, entered: Any, key: str, kept: Any
) -> None:
    data = form_data(admin.get(url_of(person)))
    save(admin, person, data | {field: entered})
    person.refresh_from_db()
    assert person.custom.get(key) == kept
    assert (key in person.custom) == (kept is not None)


def test_a_moment_is_entered_in_the_zone_of_the_browser(admin: Client, person: Person) -> None:
    admin.cookies["timezone"] = "Europe/Brussels"
    data = form_data(admin.get(url_of(person)))
    assert data["custom-Last_Demo-c"] == "2026-11-03T10:30:00"
    save(admin, person, data | {"custom-Last_Demo-c": "2026-07-01T12:00"})
    person.refresh_from_db()
    assert person.custom["Last_Demo__c"] == "2026-07-01T10:00:00Z"


def test_a_select_keeps_a_value_that_salesforce_no_longer_lists(admin: Client, person: Person) -> None:
    data = form_data(admin.get(url_of(person)))
    assert (data["rating"], data["custom-Region-c"]) == ("Lukewarm", "APAC")
    save(admin, person, data | {"title": "CFO"})
    assert (stored(person)["rating"], stored(person)["custom"]["Region__c"]) == ("Lukewarm", "APAC")


def test_what_is_only_received_cannot_be_entered(admin: Client, person: Person) -> None:
    data = form_data(admin.get(url_of(person)))
    assert "custom-Grade-c" not in data
    save(admin, person, data | {"custom-Grade-c": "A"})
    assert stored(person)["custom"]["Grade__c"] == "B"


def test_a_text_longer_than_salesforce_takes_is_refused(admin: Client, person: Person) -> None:
    data = form_data(admin.get(url_of(person)))
    response = admin.post(url_of(person), data | {"first_name": "x" * 41})
    assert "at most 40 characters" in words(response)
    # Unless it is there already: then an edit of something else goes through.
    sync_writes(person, first_name="x" * 60)
    data = form_data(admin.get(url_of(person)))
    save(admin, person, data | {"title": "CFO"})
    assert stored(person)["title"] == "CFO"


@pytest.mark.parametrize("text", ["", "made-up", None])
def test_a_form_without_its_snapshot_saves_nothing(admin: Client, person: Person, text: str | None) -> None:
    data = form_data(admin.get(url_of(person))) | {"title": "CFO"}
    del data["shown_values"]
    response = admin.post(url_of(person), data if text is None else data | {"shown_values": text})
    assert "edit them again" in words(response)
    assert stored(person)["title"] == "Buyer"


def test_the_snapshot_of_another_person_is_refused(admin: Client, person: Person) -> None:
    other = Person.objects.create(last_name="Ode", title="Buyer")
    data = form_data(admin.get(url_of(other)))
    response = admin.post(url_of(person), data | {"title": "CFO"})
    assert "another person" in words(response)
    assert stored(person)["title"] == "Buyer"


def test_adding_a_person(admin: Client, sync_user: SyncUser) -> None:
    url = reverse("admin:syncer_person_add")
    data = form_data(admin.get(url))
    assert "Enter at least a name" in words(admin.post(url, data))
    response = admin.post(url, data | {"last_name": "Berg", "custom-Region-c": "EMEA"}, follow=True)
    assert response.status_code == 200
    person = Person.objects.get()
    assert (person.last_name, person.custom, person.unsubscribed) == ("Berg", {"Region__c": "EMEA"}, None)
    entry = ActivityLogEntry.objects.get()
    assert (entry.type, entry.actor, entry.person_id) == ("New Person", "eva", person.pk)
    assert entry.detail["values"] == {"last_name": "Berg", "Region__c": "EMEA"}
    # It does not go to Salesforce by itself.
    assert not PendingChange.objects.exists()


def test_a_person_can_be_added_before_there_is_a_connection(admin: Client, db: None) -> None:
    url = reverse("admin:syncer_person_add")
    admin.post(url, form_data(admin.get(url)) | {"email": "anna@example.com"})
    assert Person.objects.get().email == "anna@example.com"
