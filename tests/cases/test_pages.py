"""Pages of organisations that have more of everything: fields, persons, odd values in picklists."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from syncer.models import Person
from syncer.salesforce.describe import ObjectDescribe, by_name
from syncer.sync.pull.describes import store_describes
from tests.admin.acting import LIST
from tests.admin.conftest import described, in_salesforce
from tests.admin.pages import form_data
from tests.cases.organisation import given

pytestmark = pytest.mark.django_db

ADD = reverse("admin:syncer_person_add")


def page_of(person: Person) -> str:
    return reverse("admin:syncer_person_change", args=[person.pk])


def save(client, url, **values):
    return client.post(url, form_data(client.get(url)) | values)


# -- hundreds of fields -----------------------------------------------------------------------------------------------


@pytest.fixture
def wide(sync_user):
    """Leads have 700 fields of their own and contacts 700 others; Salesforce allows 900 an object."""
    standard = [described("LastName", "Last Name", "string"), described("Title", "Title", "string")]
    for name, prefix in (("Lead", "00Q"), ("Contact", "003")):
        own = [described(f"{name}_{n:03}__c", f"{name} {n}", "string", length=255, custom=True) for n in range(700)]
        fields = [*standard, *own]
        now = ObjectDescribe(name, name, prefix, True, True, True, True, by_name(fields))
        store_describes(sync_user, [now], timezone.now())


def test_a_person_of_a_wide_organisation_can_be_opened_and_saved(wide, here, eva):
    kim = in_salesforce(here.add())
    save(eva, page_of(kim), title="Head")
    assert here.again(kim).title == "Head"


def test_a_person_can_be_added_in_a_wide_organisation(wide, eva):
    form = form_data(eva.get(ADD))
    given(len(form) > 700, "the form has the fields of the organisation")
    assert eva.post(ADD, form | {"last_name": "Newcomer", "email": "new@example.com"}).status_code == 302
    assert Person.objects.filter(email="new@example.com").exists()


# -- picklists as they are --------------------------------------------------------------------------------------------

#: Value and label: labels are translated, and there is every character that a separator could be.
TIERS = [
    ("A, B; C", "Alpha"),
    ('<b>x</b> & "y"', '<b>x</b> & "y"'),
    ("old", "Old one"),
    ("high\u00a0end", "high\u00a0end"),
    ("0", "Zero"),
    ("", ""),
]
COLOURS = [("Red", "Red"), ("Grün, hell", "Light green"), ("gone", "Gone")]
INACTIVE = {"old", "gone"}
TWICE = {"A, B; C", "Red"}


def put_picklists(salesforce, inactive=()):
    for name, kind, values in (("Tier__c", "picklist", TIERS), ("Colours__c", "multipicklist", COLOURS)):
        listed = [each for each in values for _ in range(1 + (each[0] in TWICE))]
        entries = [{"value": value, "label": label, "active": value not in inactive} for value, label in listed]
        salesforce.field(name, kind, values=entries, restrictedPicklist=True)


@pytest.fixture
def with_picklists(described, salesforce, here, cycle):
    """Makes a lead with these values, of which some are inactive by now, and its person."""

    def make(tier, colours):
        put_picklists(salesforce)
        lead = salesforce.lead(Tier__c=tier, Colours__c=colours)
        put_picklists(salesforce, INACTIVE)
        cycle()
        return lead, here.person(lead)

    return make


@pytest.mark.parametrize(
    ("tier", "colours"),
    [("old", "gone;Red"), ("high\u00a0end", "Grün, hell"), ('<b>x</b> & "y"', "Red;Grün, hell;gone"), ("0", None)],
)
def test_the_page_keeps_odd_values_that_nobody_touches(salesforce, here, with_picklists, cycle, eva, tier, colours):
    lead, kim = with_picklists(tier, colours)
    before = salesforce.read(lead)
    assert kim.custom["Tier__c"] == tier
    save(eva, page_of(kim), title="T")
    assert (here.again(kim).title, here.again(kim).custom) == ("T", kim.custom)
    cycle()
    after = salesforce.read(lead)
    assert after["Title"] == "T"
    assert {name: after[name] for name in ("Tier__c", "Colours__c")} == {
        name: before[name] for name in ("Tier__c", "Colours__c")
    }


def test_a_chosen_value_is_sent_and_not_its_label(salesforce, with_picklists, cycle, eva):
    lead, kim = with_picklists("0", None)
    save(eva, page_of(kim), **{"custom-Tier-c": "A, B; C", "custom-Colours-c": ["Red", "Grün, hell"]})
    cycle()
    there = salesforce.read(lead)
    assert there["Tier__c"] == "A, B; C"
    assert sorted(there["Colours__c"].split(";")) == ["Grün, hell", "Red"]


def test_a_value_that_is_listed_twice_is_offered_once(with_picklists, eva):
    _, kim = with_picklists("0", None)
    page = eva.get(page_of(kim)).content.decode()
    given(">Zero<" in page, "the page offers the values")
    assert page.count(">Alpha<") == 1


# -- an action on all of many persons ---------------------------------------------------------------------------------


@pytest.fixture
def select_all(here, eva):
    """*Select all* of so many persons, and an action: what was answered, and how many queries it took."""

    def select(action, number):
        Person.objects.all().delete()
        persons = [Person(last_name=f"N{n}", email=f"m{n}@example.com") for n in range(number)]
        first, *_ = Person.objects.bulk_create(persons)
        chosen = {"action": action, "select_across": "1", "index": "0", "_selected_action": first.pk}
        with CaptureQueriesContext(connection) as queries:
            answer = eva.post(LIST, chosen, follow=True)
        assert answer.status_code == 200
        return answer.content.decode(), len(queries)

    return select


@pytest.mark.parametrize("action", ["refresh_person", "delete_selected"])
def test_an_action_on_all_of_many_persons_takes_no_query_for_each(select_all, action):
    select_all(action, 50)  # what is read once per process
    _, few = select_all(action, 50)
    _, many = select_all(action, 300)
    assert many <= few + 10


def test_deleting_all_of_many_persons_asks_without_naming_each(select_all):
    some, _ = select_all("delete_selected", 300)
    many, _ = select_all("delete_selected", 600)
    assert len(many) < len(some) + 1_000  # characters


def test_exactly_those_are_deleted_who_were_asked_about(select_all, eva):
    page, _ = select_all("delete_selected", 30)
    assert page.count("<li>N") == 20
    assert "and 10 more" in page
    Person.objects.create(last_name="Later")
    [url] = re.findall(r'action="(/admin/syncer/person/delete/[^"]+)"', page)
    assert "Deleted 30 persons here." in eva.post(url, follow=True).content.decode()
    assert [person.last_name for person in Person.objects.all()] == ["Later"]
    assert "Select the persons again" in eva.post(url, follow=True).content.decode()
    assert Person.objects.exists()


def test_who_may_not_delete_is_neither_asked_nor_obeyed(select_all, eva, client, django_user_model):
    page, _ = select_all("delete_selected", 3)
    [url] = re.findall(r'action="(/admin/syncer/person/delete/[^"]+)"', page)
    staff = django_user_model.objects.create_user("sam", password="x", is_staff=True)
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(url).status_code == 403
    assert Person.objects.count() == 3
