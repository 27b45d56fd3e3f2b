"""Field mappings: the list that is edited in place, a mapping by hand, and the field list asked for right now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from syncer.models import FieldMapping, PendingChange, Person, SyncUser
from syncer.salesforce.describe import ObjectDescribe, by_name
from syncer.sync.pull.describes import store_describes
from tests.admin.conftest import LEAD_FIELDS, connected, described
from tests.admin.pages import form_data, words

LIST = "/admin/syncer/fieldmapping/"
ADD = "/admin/syncer/fieldmapping/add/"

MORE = [
    described("CreatedDate", "Created Date", "datetime", createable=False, updateable=False),
    described("Jigsaw", "Data.com Key", "string", length=20),
    described("PartnerId", "Partner", "reference"),
    described("IsUnread", "Unread", "boolean"),
    described("Address", "Address", "address"),
    described("SystemModstamp", "Stamp", "datetime"),
]


@pytest.fixture
def more_fields(sync_user: SyncUser) -> SyncUser:
    """Standard fields that are not mapped by default, and a contact with another kind of field under the same name."""
    describe(sync_user, "Lead", [*LEAD_FIELDS, *MORE])
    describe(sync_user, "Contact", [described("LastName", "Last Name", "string", length=80), *MORE[:2]])
    return sync_user


def describe(sync_user: SyncUser, name: str, fields: list[Any]) -> None:
    now = ObjectDescribe(name, name, "00Q", True, True, True, True, by_name(fields))
    store_describes(sync_user, [now], timezone.now())


def rows(client: Client) -> tuple[dict[str, Any], dict[str, str]]:
    """The list as its form sends it, and the prefix of each mapping's row by Salesforce field."""
    data = form_data(client.get(LIST))
    prefixes = {}
    for i in range(int(data["form-TOTAL_FORMS"])):
        mapping = FieldMapping.objects.get(pk=data[f"form-{i}-id"])
        prefixes[mapping.salesforce_field] = f"form-{i}"
    data.pop("action", None)
    return data | {"_save": "Save"}, prefixes


def test_a_suspended_mapping_goes_on_by_an_action_and_a_renamed_field_is_pointed_out(
    admin: Client, sync_user: SyncUser
) -> None:
    describe(sync_user, "Lead", [*LEAD_FIELDS, described("Tier__c", "Tier", "string", custom=True, length=20)])
    describe(sync_user, "Lead", [*LEAD_FIELDS, described("Tier__c", "Tier", "boolean", custom=True)])
    mapping = FieldMapping.objects.get(salesforce_field="Tier__c")
    assert "Go on with the new type" in words(admin.get(LIST))
    admin.post(LIST, {"action": "take_new_type", "_selected_action": [mapping.pk]})
    mapping.refresh_from_db()
    assert (mapping.problem, mapping.described["type"]) == ("", "boolean")
    assert LogEntry.objects.filter(object_id=str(mapping.pk), change_message="Goes on with the new type.").exists()
    describe(sync_user, "Lead", [*LEAD_FIELDS, described("Level__c", "Tier", "boolean", custom=True)])
    assert "Renamed to Level__c?" in words(admin.get(LIST))


# -- the list ---------------------------------------------------------------------------------------------------------


def test_several_mappings_are_set_in_the_list_with_one_save(admin: Client, sync_user: SyncUser) -> None:
    data, row = rows(admin)
    data |= {f"{row['Title']}-direction": "receive", f"{row['Rating']}-winner": "salesforce"}
    data.pop(f"{row['Street']}-enabled")
    page = words(admin.post(LIST, data, follow=True))
    assert "3 field mappings were changed" in page
    assert FieldMapping.objects.get(salesforce_field="Title").direction == "receive"
    assert FieldMapping.objects.get(salesforce_field="Rating").winner == "salesforce"
    assert not FieldMapping.objects.get(salesforce_field="Street").enabled
    assert LogEntry.objects.count() == 3


def test_a_formula_is_received_whatever_is_sent(admin: Client, sync_user: SyncUser) -> None:
    data, row = rows(admin)
    assert f"{row['Grade__c']}-direction" not in data  # its select is disabled
    data |= {f"{row['Grade__c']}-direction": "two-way"}
    data.pop(f"{row['Grade__c']}-enabled")
    admin.post(LIST, data)
    grade = FieldMapping.objects.get(salesforce_field="Grade__c")
    assert (grade.enabled, grade.direction) == (False, "receive")


def test_the_direction_that_was_set_is_back_when_access_is_given_later(admin: Client, sync_user: SyncUser) -> None:
    FieldMapping.objects.filter(salesforce_field="Title").update(createable=False, updateable=False)
    data, row = rows(admin)
    data.pop(f"{row['Title']}-enabled")
    admin.post(LIST, data)
    title = FieldMapping.objects.get(salesforce_field="Title")
    assert (title.enabled, title.direction) == (False, "two-way")


def test_the_list_shows_type_access_filling_and_what_an_empty_setting_means(admin: Client, sync_user: SyncUser) -> None:
    FieldMapping.objects.filter(salesforce_field="Title").update(filled=True, updateable=False)
    FieldMapping.objects.filter(salesforce_field="Rating").update(readable=False)
    FieldMapping.objects.filter(salesforce_field="Company").update(filled=False)
    SyncUser.objects.update(lead_winner="salesforce")
    page = words(admin.get(LIST))
    assert "Title Lead string (128) Title" in page.replace(" Title Title ", " Title ")
    assert "May see. May create. May not edit. Yes On" in page
    assert "May not see." in page
    assert "Hidden in Salesforce" in page
    assert "With the next cycle" in page
    assert "Default: Salesforce" in page
    assert "As for leads (Salesforce)" in words(admin.get(ADD))


def test_whoever_may_only_look_reads_words(staff: Callable[..., Client], sync_user: SyncUser) -> None:
    viewer = staff("view_fieldmapping")
    content = viewer.get(LIST).content.decode()
    assert "Two-way" in content
    assert "<select" not in content
    assert "Refresh field list" not in content
    assert "Add a mapping" not in content
    assert viewer.post(LIST, {"form-TOTAL_FORMS": "0", "form-INITIAL_FORMS": "0", "_save": "Save"}).status_code == 403


def test_the_list_costs_the_same_queries_however_many_mappings_there_are(admin: Client, sync_user: SyncUser) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin.get(LIST)
        return len(captured)

    queries()
    few = queries()
    extra = [described(f"More_{i}__c", f"More {i}", "string", custom=True, length=20) for i in range(40)]
    describe(sync_user, "Lead", [*LEAD_FIELDS, *extra])
    assert queries() == few


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_a_standard_field_becomes_a_custom_field_of_the_same_name(admin: Client, more_fields: SyncUser) -> None:
    page = admin.get(ADD)
    offered = page.content.decode()
    assert "Created Date – CreatedDate (datetime, received only)" in offered
    for hidden in ('value="Address"', 'value="SystemModstamp"', 'value="Title"', 'value="title"'):
        assert hidden not in offered
    response = admin.post(ADD, form_data(page) | {"salesforce_field": "Jigsaw"}, follow=True)
    assert "Added: Lead.Jigsaw ↔ Jigsaw. The next cycle fills it in for every record." in words(response)
    mapping = FieldMapping.objects.get(salesforce_field="Jigsaw")
    assert (mapping.object, mapping.person_field, mapping.label, mapping.automatic) == (
        "Lead",
        "Jigsaw",
        "Data.com Key",
        False,
    )
    assert (mapping.readable, mapping.updateable, mapping.filled, mapping.direction) == (True, True, False, "two-way")
    assert mapping.described["length"] == 20


def test_a_field_of_a_contact_goes_to_a_free_column(admin: Client, more_fields: SyncUser) -> None:
    url = f"{ADD}?object=Contact"
    page = admin.get(url)
    assert 'aria-current="true">Contact' in page.content.decode()
    admin.post(url, form_data(page) | {"salesforce_field": "Jigsaw", "person_field": "fax", "direction": "receive"})
    mapping = FieldMapping.objects.get(salesforce_field="Jigsaw")
    assert (mapping.object, mapping.person_field, mapping.direction) == ("Contact", "fax", "receive")


def test_a_reference_is_only_received(admin: Client, more_fields: SyncUser) -> None:
    admin.post(ADD, form_data(admin.get(ADD)) | {"salesforce_field": "PartnerId", "direction": "two-way"})
    assert FieldMapping.objects.get(salesforce_field="PartnerId").direction == "receive"


@pytest.mark.parametrize(
    ("field", "person_field", "complaint"),
    [
        ("IsUnread", "fax", "A checkbox can't be kept in “fax”, which is text."),
        ("Jigsaw", "do_not_call", "can't be kept in “do not call”, which is a checkbox."),
        ("Jigsaw", "title", "not one of the available choices"),
        ("Title", "", "not one of the available choices"),
        ("", "", "This field is required."),
    ],
)
def test_what_cannot_be_mapped_is_refused(
    admin: Client, more_fields: SyncUser, field: str, person_field: str, complaint: str
) -> None:
    before = FieldMapping.objects.count()
    data = form_data(admin.get(ADD)) | {"salesforce_field": field, "person_field": person_field}
    assert complaint in words(admin.post(ADD, data))
    assert FieldMapping.objects.count() == before


def test_the_other_objects_field_of_another_kind_keeps_its_own_place(admin: Client, more_fields: SyncUser) -> None:
    admin.post(ADD, form_data(admin.get(ADD)) | {"salesforce_field": "Jigsaw"})
    describe(more_fields, "Contact", [described("Jigsaw", "Key", "date")])
    url = f"{ADD}?object=Contact"
    admin.post(url, form_data(admin.get(url)) | {"salesforce_field": "Jigsaw"})
    mapping = FieldMapping.objects.get(object="Contact", salesforce_field="Jigsaw")
    assert mapping.person_field == "Contact.Jigsaw"


def test_adding_takes_a_permission_and_a_known_field_list(
    admin: Client, staff: Callable[..., Client], sync_user: SyncUser
) -> None:
    assert staff("view_fieldmapping", "change_fieldmapping").get(ADD).status_code == 403
    sync_user.described.all().delete()
    assert "The field list is not known yet" in words(admin.get(ADD, follow=True))


# -- refresh field list -----------------------------------------------------------------------------------------------


def test_the_field_list_is_refreshed_and_says_what_changed(
    admin: Client, db: None, organisation: dict[str, str]
) -> None:
    connected(organisation)
    url = reverse("admin:syncer_fieldmapping_refresh")
    page = words(admin.post(url, follow=True))
    assert "Lead: " in page
    assert "appeared. The next cycle fills them in for every record." in page
    assert "Nothing changed: Lead has" in words(admin.post(url, follow=True))


def test_a_refresh_that_cannot_be_made_says_why(admin: Client, db: None) -> None:
    page = words(admin.post(reverse("admin:syncer_fieldmapping_refresh"), follow=True))
    assert "No Salesforce connection is set up." in page


def test_refreshing_takes_post_a_permission_and_a_token(
    admin: Client, staff: Callable[..., Client], sync_user: SyncUser
) -> None:
    url = reverse("admin:syncer_fieldmapping_refresh")
    assert admin.get(url).status_code == 405
    assert staff("view_fieldmapping").post(url).status_code == 403
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(User.objects.get(username="eva"), backend="django.contrib.auth.backends.ModelBackend")
    assert careful.post(url).status_code == 403
    assert careful.post(LIST, {"_save": "Save"}).status_code == 403


def test_a_changed_mapping_puts_back_what_was_refused(admin: Client, person: Person) -> None:
    def refused() -> PendingChange:
        return PendingChange.objects.get(person=person)

    PendingChange.objects.update_or_create(
        person=person, defaults={"state": "failed", "error_code": "STRING_TOO_LONG", "error_message": "x"}
    )
    data, row = rows(admin)
    admin.post(LIST, data)
    assert refused().state == "failed"  # nothing was changed
    admin.post(LIST, data | {f"{row['Title']}-direction": "receive"})
    assert refused().state == "pending"
    PendingChange.objects.update(state="failed")
    mapping = FieldMapping.objects.get(salesforce_field="Title")
    admin.post(LIST, {"action": "switch_off", "_selected_action": [mapping.pk]})
    assert refused().state == "pending"
