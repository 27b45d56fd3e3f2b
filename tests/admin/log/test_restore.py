"""*Restore*: the value that lost a conflict is an edit again, unless the person changed since."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from syncer.models import ActivityLogEntry, Conflict, FieldMapping, PendingChange, Person, SyncUser
from tests.admin.pages import words

BUTTON = "Restore the overwritten value"


def conflict(person: Person, **values: Any) -> Conflict:
    """Salesforce's *CFO* was overwritten by our *Buyer*."""
    known = {"field": "title", "base": "Clerk", "here": "Buyer", "there": "CFO", "winner": "marketo"}
    return Conflict.objects.create(person_id=person.pk, person_name=str(person), **known | values)


def press(client: Client, lost: Conflict) -> str:
    return words(client.post(reverse("admin:syncer_conflict_restore", args=[lost.pk]), follow=True))


def test_the_value_that_lost_is_written_logged_and_waits_to_be_sent(admin: Client, person: Person) -> None:
    lost = conflict(person)
    url = reverse("admin:syncer_conflict_change", args=[lost.pk])
    assert BUTTON in words(admin.get(url))
    page = press(admin, lost)
    assert "Restored: Title is “CFO” again. The next cycle sends it to Salesforce." in page
    assert BUTTON not in page
    person.refresh_from_db()
    assert person.title == "CFO"
    assert PendingChange.objects.filter(person=person).exists()
    entry = ActivityLogEntry.objects.get()
    assert (entry.type, entry.actor, entry.field) == ("Change Data Value", "eva", "title")
    assert (entry.detail["old"], entry.detail["new"], entry.detail["conflict"]) == ("Buyer", "CFO", lost.pk)
    lost.refresh_from_db()
    assert lost.restored_at is not None
    assert "This value was restored already" in press(admin, lost)


@pytest.mark.parametrize(
    ("field", "kept", "lost", "stored"),
    [
        ("unsubscribed", None, True, True),
        ("title", "Buyer", None, ""),
        ("Region__c", "APAC", "EMEA", "EMEA"),
        ("Region__c", "APAC", None, None),
        ("Budget__c", "1250.00", "99.50", "99.50"),
    ],
)
def test_each_kind_of_value_comes_back_as_it_is_stored(
    admin: Client, person: Person, field: str, kept: Any, lost: Any, stored: Any
) -> None:
    press(admin, conflict(person, field=field, winner="salesforce", there=kept, here=lost))
    person.refresh_from_db()
    found = person.custom.get(field) if field.endswith("__c") else getattr(person, field)
    assert found == stored
    assert person.custom["Grade__c"] == "B"


def test_it_is_refused_when_the_value_changed_since(admin: Client, person: Person) -> None:
    Person.objects.filter(pk=person.pk).update(title="Director")
    page = press(admin, conflict(person))
    assert "Title was changed since this conflict: it is “Director” now. Nothing was restored." in page
    person.refresh_from_db()
    assert person.title == "Director"
    assert not ActivityLogEntry.objects.exists()


def test_it_is_refused_where_it_would_be_overwritten_again(admin: Client, person: Person) -> None:
    lost = conflict(person)
    FieldMapping.objects.filter(person_field="title").update(direction="receive")
    assert "Title is only received" in press(admin, lost)
    FieldMapping.objects.filter(person_field="title").update(enabled=False)
    assert "Title is not synced any more" in press(admin, lost)
    person.delete()
    assert "The person was deleted here." in press(admin, lost)
    assert BUTTON not in words(admin.get(reverse("admin:syncer_conflict_change", args=[lost.pk])))


def test_restoring_takes_post_a_permission_and_a_token(
    admin: Client, staff: Callable[..., Client], sync_user: SyncUser, person: Person
) -> None:
    lost = conflict(person)
    url = reverse("admin:syncer_conflict_restore", args=[lost.pk])
    assert admin.get(url).status_code == 405
    viewer = staff("view_conflict", "view_person")
    assert viewer.post(url).status_code == 403
    assert BUTTON not in words(viewer.get(reverse("admin:syncer_conflict_change", args=[lost.pk])))
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(User.objects.get(username="eva"), backend="django.contrib.auth.backends.ModelBackend")
    assert careful.post(url).status_code == 403
    person.refresh_from_db()
    assert person.title == "Buyer"
