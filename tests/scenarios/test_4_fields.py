"""docs/behaviour.md 4: fields."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from syncer.models import Backfill, FieldMapping, Person, SalesforceRecord
from syncer.salesforce.bulk import Bulk
from syncer.salesforce.describe import FieldDescribe
from syncer.sync.connection.connect import connect
from syncer.sync.fields.object_map import object_map
from tests.admin.pages import form_data, words
from tests.scenarios.sides import meanwhile

pytestmark = pytest.mark.django_db


def mapping(field: str, sobject: str = "Lead") -> FieldMapping:
    return FieldMapping.objects.get(object=sobject, salesforce_field=field)


def set_mapping(field: str, sobject: str = "Lead", **values: Any) -> None:
    FieldMapping.objects.filter(object=sobject, salesforce_field=field).update(**values)


# -- 4.1 --------------------------------------------------------------------------------------------------------------


def test_4_1_a_field_that_is_not_in_the_describe_is_not_touched(salesforce, here, cycle):
    salesforce.access("Title", "hidden")
    lead = salesforce.lead(Title="Buyer")
    cycle()
    kim = here.person(lead)
    here.edit(kim, title="Mine", phone="1")
    cycle()
    assert here.again(kim).title == "Mine"
    assert (salesforce.read(lead)["Title"], salesforce.read(lead)["Phone"]) == ("Buyer", "1")


def test_4_1_a_field_that_may_not_be_created_is_left_out_of_a_create(salesforce, here, sync_person):
    salesforce.access("Title", "read")
    kim = here.add(title="Buyer", phone="1")
    assert sync_person(kim).ok
    there = salesforce.read(here.again(kim).sfdc_id)
    assert (there["Title"], there["Phone"]) == (None, "1")


def test_4_1_a_field_that_may_not_be_updated_is_only_received(salesforce, here, in_sync, cycle):
    salesforce.access("Title", "read")
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Mine", phone="1")
    cycle()
    assert (salesforce.read(lead)["Title"], salesforce.read(lead)["Phone"]) == ("Buyer", "1")
    salesforce.edit(lead, Title="Head Buyer")
    cycle()
    assert here.again(kim).title == "Head Buyer"


def test_4_1_access_is_read_again_on_every_cycle(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    for level, title in (("read", "Buyer"), ("edit", "Sent")):
        salesforce.access("Title", level)
        cycle()
        here.edit(kim, title="Sent")
        cycle()
        assert salesforce.read(lead)["Title"] == title


def test_4_1_a_field_that_disappears_while_it_is_read_fails_no_cycle(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    salesforce.fault("/sobjects/Lead/describe", "status", status=304)  # does not show it yet
    salesforce.access("Title", "hidden")
    salesforce.edit(lead, Phone="1")
    assert cycle().status == "completed"
    assert (here.again(kim).title, here.again(kim).phone) == ("Buyer", "1")


def test_4_1_a_field_that_disappears_while_it_is_sent_fails_no_cycle(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer", phone="1")
    with meanwhile("Receiving Contacts", lambda: salesforce.access("Title", "hidden")):
        run = cycle()
    assert (run.status, run.counters["sent"]["failed"]) == ("completed", 0)
    assert salesforce.read(lead)["Phone"] == "1"
    assert not mapping("Title").readable


def test_4_1_and_is_told_with_the_cycle(salesforce, here, in_sync, cycle, eva):
    _, kim = in_sync(Title="Buyer")
    here.edit(kim, title="Head Buyer")
    with meanwhile("Receiving Contacts", lambda: salesforce.access("Title", "hidden")):
        run = cycle()
    page = words(eva.get(reverse("admin:syncer_syncrun_change", args=[run.pk])))
    assert "Lead: no longer visible to the sync user, kept here and not synced: Title." in page


def test_4_1_discover_fields_reads_the_field_list_now(salesforce, here, in_sync, capsys):
    in_sync()
    salesforce.field("Tier__c", "Text", length=20)
    salesforce.access("Title", "hidden")
    call_command("discover_fields")
    assert capsys.readouterr().out.splitlines() == ["Lead: new: Tier__c.", "Lead: gone: Title."]
    assert (mapping("Tier__c").readable, mapping("Title").readable) == (True, False)


# -- 4.2 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sobject", "field", "value"),
    [
        ("Lead", "Street", "Kouter 1"),
        ("Lead", "Industry", "Energy"),
        ("Lead", "AnnualRevenue", 5_000_000),
        ("Lead", "HasOptedOutOfEmail", True),
        ("Contact", "MailingCity", "Ghent"),
        ("Contact", "Salutation", "Ms."),
    ],
)
def test_4_2_useful_standard_fields_are_mapped_by_default(salesforce, here, cycle, sobject, field, value):
    record = getattr(salesforce, sobject.lower())(**{field: value})
    cycle()
    found = mapping(field, sobject)
    assert getattr(here.person(record), found.person_field) == value


def test_4_2_every_custom_field_is_mapped_to_a_custom_field_as_soon_as_it_appears(salesforce, here, in_sync, cycle):
    lead, kim = in_sync()
    salesforce.field("Tier__c", "Text", length=20)
    salesforce.edit(lead, Tier__c="Gold")
    cycle()
    assert here.again(kim).custom["Tier__c"] == "Gold"
    here.edit(kim, Tier__c="Silver")
    cycle()
    assert salesforce.read(lead)["Tier__c"] == "Silver"


def map_by_hand(eva, field: str, **more: str) -> None:
    """Eva adds a mapping in the admin."""
    url = reverse("admin:syncer_fieldmapping_add")
    eva.post(url, form_data(eva.get(url)) | {"salesforce_field": field} | more)


def test_4_2_other_standard_fields_can_be_mapped_by_hand(salesforce, here, in_sync, cycle, eva):
    _, kim = in_sync(Jigsaw="jig")
    assert not FieldMapping.objects.filter(salesforce_field="Jigsaw").exists()
    map_by_hand(eva, "Jigsaw")
    cycle()
    assert here.again(kim).custom["Jigsaw"] == "jig"


def test_4_2_a_newly_visible_field_is_filled_for_all_existing_records_without_anyone_asking(
    salesforce, here, cycle, quiet
):
    salesforce.field("Tier__c", "Text", length=20)
    salesforce.access("Tier__c", "hidden")
    leads = [salesforce.lead(LastName=name, Tier__c="Gold") for name in ("Kim", "Alex")]
    cycle()
    quiet()
    salesforce.access("Tier__c", "edit")
    cycle()
    assert [here.person(lead).custom.get("Tier__c") for lead in leads] == ["Gold", "Gold"]


def test_4_2_this_backfill_only_receives(salesforce, here, in_sync, cycle, quiet):
    """Kim has a value here that Salesforce has not, Alex one that differs."""
    (kim_lead, kim), (alex_lead, alex) = in_sync(LastName="Kim"), in_sync(LastName="Alex")
    for person in (kim, alex):
        here.edit(person, Tier__c="Ours")
    salesforce.field("Tier__c", "Text", length=20)
    salesforce.access("Tier__c", "hidden")
    salesforce.edit(alex_lead, Tier__c="Theirs")
    quiet()
    salesforce.access("Tier__c", "edit")
    cycle()
    assert Backfill.objects.get().fields == ["Tier__c"]
    assert (here.again(kim).custom["Tier__c"], here.again(alex).custom["Tier__c"]) == ("Ours", "Theirs")
    assert [salesforce.read(lead)["Tier__c"] for lead in (kim_lead, alex_lead)] == [None, "Theirs"]


@pytest.mark.parametrize(
    ("of_contacts", "kept_as"),
    [({"kind": "LongTextArea"}, "Tier__c"), ({"kind": "Number", "precision": 9, "scale": 0}, "Contact.Tier__c")],
    ids=["values fit both", "another kind of value"],
)
def test_4_2_a_custom_field_of_leads_and_contacts_is_one_here_if_its_values_fit_both(
    salesforce, here, cycle, of_contacts, kept_as
):
    salesforce.field("Tier__c", "Text", length=20)
    salesforce.field("Tier__c", sobject="Contact", **of_contacts)
    value: Any = 7 if kept_as == "Contact.Tier__c" else "7"
    lead, contact = salesforce.lead(Tier__c="Gold"), salesforce.contact(Tier__c=value)
    cycle()
    assert mapping("Tier__c", "Contact").person_field == kept_as
    assert here.person(lead).custom["Tier__c"] == "Gold"
    assert here.person(contact).custom[kept_as] == "7"


# -- 4.3 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "arrives_here", "arrives_there"),
    [("two-way", True, True), ("receive", True, False), ("send", False, True)],
)
def test_4_3_a_mapping_has_a_direction(salesforce, here, in_sync, cycle, direction, arrives_here, arrives_there):
    lead, kim = in_sync(Title="Buyer")
    set_mapping("Title", direction=direction)
    salesforce.edit(lead, Title="Theirs")
    cycle()
    assert (here.again(kim).title == "Theirs") is arrives_here
    here.edit(kim, title="Ours")
    cycle()
    assert (salesforce.read(lead)["Title"] == "Ours") is arrives_there


def test_4_3_and_can_be_switched_off(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer", Phone="1")
    set_mapping("Title", enabled=False)
    set_mapping("Phone", enabled=False)
    salesforce.edit(lead, Title="Theirs")
    here.edit(kim, phone="2")
    cycle()
    assert (here.again(kim).title, salesforce.read(lead)["Phone"]) == ("Buyer", "1")


@pytest.mark.parametrize(
    "field",
    [
        {"name": "Grade__c", "kind": "Text", "length": 20, "formula": "UPPER(LastName)"},
        {"name": "Number__c", "kind": "AutoNumber"},
        {"name": "Fixed__c", "kind": "Text", "length": 20, "updateable": False, "createable": False},
    ],
    ids=["formula", "auto-number", "read-only"],
)
def test_4_3_formula_auto_number_and_read_only_fields_are_received_whatever_is_set(
    salesforce, here, in_sync, cycle, field
):
    name = field["name"]
    salesforce.field(**field)
    lead, kim = in_sync()
    set_mapping(name, direction="two-way")
    there = salesforce.read(lead)[name]
    here.edit(kim, **{name: "Mine"}, title="Buyer")
    run = cycle()
    assert run.counters["sent"]["failed"] == 0
    assert salesforce.read(lead)["Title"] == "Buyer"
    assert salesforce.read(lead)[name] == there == here.again(kim).custom.get(name)


def test_4_3_system_fields_are_received_whatever_is_set(salesforce, here, in_sync, cycle, eva):
    lead, kim = in_sync()
    map_by_hand(eva, "CreatedDate", direction="two-way")
    set_mapping("CreatedDate", direction="two-way")
    cycle()
    here.edit(kim, title="Buyer")
    cycle()
    assert here.again(kim).custom["CreatedDate"] == "2026-03-02T09:00:00Z"
    assert salesforce.read(lead)["Title"] == "Buyer"


def test_4_3_it_can_block_updates_from_salesforce_to_a_field_that_already_has_a_value(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title="Buyer")
    set_mapping("Title", keep_filled=True)
    set_mapping("Phone", keep_filled=True)
    salesforce.edit(lead, Title="Theirs", Phone="1")
    cycle()
    assert (here.again(kim).title, here.again(kim).phone) == ("Buyer", "1")


# -- 4.4 --------------------------------------------------------------------------------------------------------------

CHOICES = ["Red", "Green", "Blue"]
#: type: (definition, a value in Salesforce, the same here, another one here, the same in Salesforce)
TYPES: dict[str, tuple[dict[str, Any], Any, Any, Any, Any]] = {
    "string": ({"kind": "Text", "length": 40}, "Gold", "Gold", "Silver 🥈", "Silver 🥈"),
    "textarea": ({"kind": "LongTextArea"}, "a\r\nb", "a\nb", "c\nd", "c\nd"),
    "email": ({"kind": "Email"}, "a@example.com", "a@example.com", "b@example.com", "b@example.com"),
    "phone": ({"kind": "Phone"}, "+32 9 1", "+32 9 1", "+32 9 2", "+32 9 2"),
    "url": ({"kind": "Url"}, "a.example", "a.example", "https://b.example", "https://b.example"),
    "picklist": ({"kind": "Picklist", "values": CHOICES}, "Red", "Red", "Blue", "Blue"),
    "multipicklist": (
        {"kind": "MultiselectPicklist", "values": CHOICES},
        "Green;Red",
        {"Red", "Green"},
        "Blue;Red",
        {"Red", "Blue"},
    ),
    "boolean": ({"kind": "Checkbox"}, True, True, False, False),
    "int": ({"kind": "Int"}, 7, "7", "8", 8),
    "double": ({"kind": "Number", "precision": 18, "scale": 3}, 0.1, "0.100", "12.345", 12.345),
    "currency": ({"kind": "Currency", "precision": 18, "scale": 2}, 10, "10.00", "1250.5", 1250.5),
    "percent": ({"kind": "Percent", "precision": 5, "scale": 1}, 12.5, "12.5", "99.9", 99.9),
    "date": ({"kind": "Date"}, "2026-02-28", "2026-02-28", "2028-02-29", "2028-02-29"),
    "datetime": (
        {"kind": "DateTime"},
        "2026-03-29T02:30:00.000+0000",
        "2026-03-29T02:30:00Z",
        "2026-10-25T01:30:00+02:00",
        "2026-10-24T23:30:00.000+0000",
    ),
    "time": ({"kind": "Time"}, "09:30:00.000Z", "09:30:00.000Z", "23:59:59.000Z", "23:59:59.000Z"),
    "combobox": ({"kind": "Combobox", "values": CHOICES}, "Red", "Red", "Mauve", "Mauve"),
}


def as_set(value: Any, like: Any) -> Any:
    return set(value.split(";")) if isinstance(like, set) else value


@pytest.mark.parametrize("kind", TYPES)
def test_4_4_every_type_is_converted_both_ways(salesforce, here, in_sync, cycle, kind):
    definition, there, received, ours, sent = TYPES[kind]
    salesforce.field("Value__c", **definition)
    lead, kim = in_sync(Value__c=there)
    assert as_set(here.again(kim).custom["Value__c"], received) == received
    here.edit(kim, Value__c=ours)
    cycle()
    assert as_set(salesforce.read(lead)["Value__c"], sent) == sent


@pytest.fixture
def all_types(salesforce, in_sync) -> tuple[str, Person]:
    """A lead and its person with a field of every type, and a value in each."""
    for kind, (definition, *_) in TYPES.items():
        salesforce.field(f"A_{kind}__c", **definition)
    lead, kim = in_sync(**{f"A_{kind}__c": there for kind, (_, there, *_) in TYPES.items()})
    return lead, kim


def test_4_4_every_type_has_a_canonical_form_so_that_nothing_is_sent_back_and_forth(here, all_types, cycle):
    _, kim = all_types
    assert cycle().counters["sent"]["updated"] == 0
    here.edit(kim, **{f"A_{kind}__c": ours for kind, (*_, ours, _) in TYPES.items()})
    assert cycle().counters["sent"]["updated"] == 1
    run = cycle(full=True)
    assert (run.counters["received"]["updated"], run.counters["sent"]["updated"]) == (0, 0)


WIDGETS = {
    "textarea": "<textarea",
    "picklist": "<select",
    "multipicklist": "<select",
    "boolean": "<select",
    "date": 'type="date"',
    "datetime": 'type="datetime-local"',
    "time": 'type="time"',
}


def test_4_4_every_type_has_a_form_widget(here, all_types, eva):
    _, kim = all_types
    before = here.again(kim).custom
    url = reverse("admin:syncer_person_change", args=[kim.pk])
    page = eva.get(url)
    for kind in TYPES:
        [widget] = [part for part in page.content.decode().split("<") if f'name="custom-A_{kind}-c"' in part]
        assert WIDGETS.get(kind, "<input") in f"<{widget}"
    eva.post(url, form_data(page))  # saved as it was shown: nobody edited anything
    assert (here.again(kim).custom, here.waits(kim)) == (before, "")


def test_4_4_references_and_ids_are_received(salesforce, here, in_sync, cycle):
    salesforce.field("Partner__c", "Lookup", referenceTo="Account")
    account = salesforce.sales.Account.create({"Name": "Partner"})["id"]
    lead, kim = in_sync(Partner__c=account)
    assert here.again(kim).custom["Partner__c"] == account
    here.edit(kim, Partner__c="", title="Buyer")
    cycle()
    assert (salesforce.read(lead)["Partner__c"], salesforce.read(lead)["Title"]) == (account, "Buyer")


def test_4_4_an_address_crosses_through_its_parts(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Street="Kouter 1", City="Ghent")
    assert (kim.street, kim.city) == ("Kouter 1", "Ghent")
    here.edit(kim, city="Bruges")
    cycle()
    assert salesforce.read(lead)["Address"]["city"] == "Bruges"


def test_4_4_a_location_crosses_through_its_parts(salesforce, here, in_sync, cycle):
    salesforce.field("Spot__c", "Geolocation", scale=5)
    lead, kim = in_sync(Spot__Latitude__s=51.05434, Spot__Longitude__s=3.71742)
    assert here.again(kim).custom["Spot__Latitude__s"] == "51.05434"
    here.edit(kim, title="Buyer")
    cycle()
    assert salesforce.read(lead)["Spot__c"] == {"latitude": 51.05434, "longitude": 3.71742}


def test_4_4_empty_string_and_null_are_the_same_value(salesforce, here, in_sync, cycle):
    lead, kim = in_sync(Title=None, Phone="1")
    here.edit(kim, title="", phone="")
    cycle()
    assert salesforce.read(lead)["Phone"] is None
    assert here.again(kim).phone == ""
    assert here.waits(kim) == ""
    assert cycle().counters["sent"]["updated"] == 0


@pytest.mark.parametrize(("ours", "theirs"), [("  Head  Buyer ", "Head  Buyer"), ("Buyer\t", "Buyer")])
def test_4_4_a_value_that_comes_back_changed_from_a_push_is_accepted_here(
    salesforce, here, in_sync, cycle, ours, theirs
):
    lead, kim = in_sync()
    here.edit(kim, title=ours)
    cycle()
    assert salesforce.read(lead)["Title"] == here.again(kim).title == theirs


def test_4_4_and_never_pushed_again(salesforce, here, in_sync, cycle):
    _, kim = in_sync()
    here.edit(kim, title="  Buyer ", Budget__c="10.005")
    assert cycle().counters["sent"]["updated"] == 1
    salesforce.clear_requests()
    assert [cycle().counters["sent"]["updated"] for _ in range(3)] == [0, 0, 0]


def test_4_4_a_value_that_salesforces_type_cannot_hold_is_not_sent_and_the_log_says_which(
    salesforce, here, in_sync, cycle
):
    lead, kim = in_sync(Budget__c=1)
    here.edit(kim, Budget__c="a lot")
    salesforce.clear_requests()
    run = cycle()
    assert (run.api_calls, salesforce.read(lead)["Budget__c"]) == (1, 1)  # nothing was asked of Salesforce
    [entry] = here.log(kim, "Sync failed")
    assert "Budget" in entry.field
    assert "a lot" in entry.summary
    assert here.waits(kim) == "failed"


# -- 4.5 --------------------------------------------------------------------------------------------------------------


def test_4_5_a_contacts_company_is_its_accounts_name(salesforce, here, cycle):
    account = salesforce.sales.Account.create({"Name": "Umbrella"})["id"]
    contact = salesforce.contact(AccountId=account)
    cycle()
    assert here.person(contact).company == "Umbrella"


def test_4_5_a_renamed_account_is_received_although_it_moves_no_stamp_on_the_record(salesforce, here, cycle, quiet):
    account = salesforce.sales.Account.create({"Name": "Umbrella"})["id"]
    contact = salesforce.contact(AccountId=account)
    cycle()
    quiet()
    stamp = salesforce.read(contact)["SystemModstamp"]
    salesforce.rename_account(account, "Umbrella Group")
    run = cycle()
    assert salesforce.read(contact)["SystemModstamp"] == stamp
    assert (here.person(contact).company, run.api_calls) == ("Umbrella Group", 1)


def test_4_5_and_so_is_a_renamed_user_who_owns_records(salesforce, here, in_sync, cycle, quiet):
    _, kim = in_sync(OwnerId=salesforce.sally)
    quiet()
    assert SalesforceRecord.objects.get(person=kim).owner_name == "Sally Sales"
    salesforce.rename_user("sales@example.com", "Married")
    run = cycle()
    assert (SalesforceRecord.objects.get(person=kim).owner_name, run.api_calls) == ("Sally Married", 1)


def test_4_5_text_that_salesforce_masks_is_receive_only(salesforce, here, in_sync, cycle):
    salesforce.field("Secret__c", "EncryptedText", length=20)
    lead, kim = in_sync(Secret__c="1234567")
    assert here.again(kim).custom["Secret__c"] == "*******"
    here.edit(kim, Secret__c="Mine", title="Buyer")
    cycle()
    salesforce.control("POST", "switches", username="sales@example.com", view_encrypted=True)
    there = salesforce.read(lead)
    assert (there["Secret__c"], there["Title"]) == ("1234567", "Buyer")


# -- 4.6 --------------------------------------------------------------------------------------------------------------

HARD = {
    "quotes": 'She said "yes", twice',
    "commas": "a,b,,c",
    "newlines": "one\ntwo\n\nfour",
    "leading #N/A": "#N/A is not a value",
    "emoji": "👩‍💻 🥈",
    "right-to-left": "שלום, עולם",
    "formula": "=1+1",
    "blanks inside": "a  b",
}


@pytest.fixture
def bulk(salesforce, sync_user, cycle) -> Bulk:
    """Bulk jobs of the connection, after its first cycle."""
    cycle()
    sync_user.refresh_from_db()

    def a_moment(seconds: float) -> None:
        Event().wait(0.005)  # the organisation works on the job in a thread of its own

    return Bulk(connect(sync_user), pause=a_moment)


def field(sync_user, name: str) -> FieldDescribe:
    return next(f.describe for f in object_map(sync_user, "Lead").fields if f.salesforce_field == name)


ID = FieldDescribe("Id", "Id", "id")


@pytest.mark.parametrize("what", HARD)
def test_4_6_every_text_round_trips_through_bulk_csv(salesforce, sync_user, bulk, what):
    lead = salesforce.lead()
    [done] = bulk.ingest("Lead", "update", [ID, field(sync_user, "Notes__c")], [{"Id": lead, "Notes__c": HARD[what]}])
    assert done.results[lead].success
    assert salesforce.read(lead)["Notes__c"] == HARD[what]
    [page] = bulk.query("SELECT Id, Notes__c FROM Lead")
    assert [row["Notes__c"] for row in page.records] == [HARD[what]]


def test_4_6_an_empty_cell_is_leave_alone_and_n_a_is_set_to_null(salesforce, sync_user, bulk):
    leads = [salesforce.lead(Title="Buyer", Phone="1") for _ in range(2)]
    fields = [ID, field(sync_user, "Title"), field(sync_user, "Phone")]
    rows = [{"Id": leads[0], "Title": "Head Buyer"}, {"Id": leads[1], "Title": "Head Buyer", "Phone": None}]
    list(bulk.ingest("Lead", "update", fields, rows))
    assert [salesforce.read(lead)["Phone"] for lead in leads] == ["1", None]
    assert [salesforce.read(lead)["Title"] for lead in leads] == ["Head Buyer"] * 2
