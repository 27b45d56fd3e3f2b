"""Fields that an administrator changes, fields that look alike, fields that are hidden."""

from __future__ import annotations

import pytest
from django.urls import reverse

from syncer.models import FieldMapping, Person
from tests.cases.organisation import given

pytestmark = pytest.mark.django_db

SCORE, RIVAL = "Lead_Score__c", "mkto71__Lead_Score__c"


@pytest.mark.parametrize(
    ("kind", "scale", "later", "before", "after", "shown"),
    [
        ("double", 0, 2, 5, 7.25, "7.25"),
        ("currency", 0, 2, 12, 14, "14.00"),
        ("currency", 2, 0, 12, 14, "14"),
    ],
)
def test_a_number_field_gets_other_decimals_and_a_salesperson_corrects_the_number(
    salesforce, here, in_sync, quiet, kind, scale, later, before, after, shown
):
    def decimals(digits: int) -> None:
        for sobject in ("Lead", "Contact"):
            salesforce.field("Seats__c", kind, sobject=sobject, precision=18, scale=digits)

    decimals(scale)
    lead, kim = in_sync(Seats__c=before)
    given(float(kim.custom["Seats__c"]) == before, "the number was received")
    decimals(later)
    salesforce.edit(lead, Seats__c=after)
    quiet()
    assert salesforce.read(lead)["Seats__c"] == after
    assert here.again(kim).custom["Seats__c"] == shown
    assert not here.log(kim, "Conflict")


def test_a_field_goes_on_under_its_name_in_other_upper_and_lower_case(salesforce, here, in_sync, quiet):
    salesforce.field("crm_tier__c", "Text")
    lead, kim = in_sync(crm_tier__c="Gold")
    given(kim.custom["crm_tier__c"] == "Gold", "the tier was received")
    here.edit(kim, crm_tier__c="Platinum")
    salesforce.rename_field("crm_tier__c", "CRM_Tier__c")
    quiet()
    assert salesforce.read(lead)["CRM_Tier__c"] == "Platinum"
    tiers = {name: value for name, value in here.again(kim).custom.items() if name.lower() == "crm_tier__c"}
    assert list(tiers.values()) == ["Platinum"]


def test_of_two_fields_with_one_label_none_is_the_score_until_somebody_chooses_and_then_on_both_objects(
    salesforce, here, cycle, eva
):
    salesforce.field(RIVAL, "Number", label="Lead Score")
    salesforce.field(RIVAL, "Number", sobject="Contact", label="Lead Score")
    salesforce.control("POST", "field-order", object="Contact", first=[RIVAL])
    lead = salesforce.lead(**{SCORE: 10, RIVAL: 95})
    cycle()
    mapped = FieldMapping.objects.filter(salesforce_field__in=[SCORE, RIVAL])
    assert sorted(mapped.values_list("object", "person_field")) == [
        ("Contact", SCORE),
        ("Contact", RIVAL),
        ("Lead", SCORE),
        ("Lead", RIVAL),
    ]
    told = "Several fields are labelled Lead Score"
    assert told in eva.get(reverse("admin:index")).content.decode()
    mappings = reverse("admin:syncer_fieldmapping_changelist")
    assert eva.get(mappings).content.decode().count(told) == 4
    chosen = mapped.get(object="Contact", salesforce_field=RIVAL)
    eva.post(mappings, {"action": "take_as_score", "_selected_action": chosen.pk})
    assert set(mapped.filter(person_field="person_score").values_list("object", "salesforce_field")) == {
        ("Lead", RIVAL),
        ("Contact", RIVAL),
    }
    assert told not in eva.get(reverse("admin:index")).content.decode()
    cycle()
    assert here.person(lead).person_score == 95
    salesforce.edit(lead, **{RIVAL: 96})
    cycle()
    contact = salesforce.convert(lead)
    cycle()
    cycle()
    assert here.person(contact).person_score == 96


@pytest.fixture
def initech(salesforce):
    """An account, and what makes further ones."""

    def account(name):
        return salesforce.sales.Account.create({"Name": name})["id"]

    return account("Initech"), account


def test_the_company_of_another_account_does_not_stay_when_the_new_one_is_hidden(salesforce, here, quiet, eva, initech):
    """It is no part of what is looked for or made: a lead made anew for the person does not carry it."""
    old, account = initech
    new = account("Globex")
    contact = salesforce.contact(AccountId=old, Email="bolton@example.com")
    quiet()
    bolton = here.person(contact)
    salesforce.share(new, visible=False)
    salesforce.edit(contact, AccountId=new, Title="VP")
    quiet()
    now = here.again(bolton)
    assert (now.title, now.company) == ("VP", "")
    [entry] = [e for e in here.log(bolton, "Change Data Value") if e.field == "company"]
    assert (entry.detail["old"], entry.detail["new"]) == ("Initech", None)
    assert "can't see" in entry.detail["reason"]
    page = reverse("admin:syncer_person_change", args=[bolton.pk])
    assert "Not visible: the contact belongs to an account" in eva.get(page).content.decode()
    salesforce.edit(contact, Title="CEO")
    quiet()
    assert not here.log(bolton, "Conflict")
    salesforce.share(new, visible=True)
    salesforce.edit(contact, Title="VP")
    quiet()
    assert here.again(bolton).company == "Globex"
    assert "Not visible" not in eva.get(page).content.decode()


def test_an_account_that_is_taken_from_a_contact_empties_the_company(salesforce, here, quiet, initech):
    contact = salesforce.contact(AccountId=initech[0])
    quiet()
    salesforce.edit(contact, AccountId=None)
    quiet()
    assert here.person(contact).company == ""


def test_a_contact_whose_account_was_always_hidden_keeps_what_the_person_had(salesforce, here, quiet, eva, initech):
    account, _ = initech
    salesforce.share(account, visible=False)
    lonely = salesforce.contact(AccountId=account)
    kim = here.add(last_name="Ode", email="kim@example.com", company="Known here")
    contact = salesforce.contact(LastName="Ode", Email="kim@example.com", AccountId=account)
    quiet()
    assert here.person(lonely).company == ""
    page = reverse("admin:syncer_person_change", args=[here.person(lonely).pk])
    assert "Not visible: the contact belongs to an account" in eva.get(page).content.decode()
    assert (here.again(kim).sfdc_id, here.again(kim).company) == (contact, "Known here")
    salesforce.share(account, visible=True)
    salesforce.edit(account, Phone="1")
    quiet()
    assert here.person(lonely).company == here.again(kim).company == "Initech"


def test_the_name_of_an_owner_whom_the_sync_user_cannot_see_any_more_is_kept(salesforce, here, quiet, ending):
    lead = salesforce.lead()
    quiet()
    link = here.person(lead).record
    given(link.owner_name, "the owner's name was received")

    salesforce.share(link.owner_id, visible=False)
    salesforce.edit(lead, Title="VP")
    ending()
    assert here.person(lead).title == "VP"
    assert here.person(lead).record.owner_name == link.owner_name


def test_the_company_of_a_contact_stays_when_its_account_is_hidden(salesforce, here, quiet):
    account = salesforce.sales.Account.create({"Name": "Initech"})["id"]
    contact = salesforce.contact(AccountId=account)
    quiet()
    bolton = here.person(contact)
    given(bolton.company == "Initech", "the company was received")
    salesforce.share(account, visible=False)
    salesforce.edit(contact, Title="VP")
    quiet()
    given(here.again(bolton).title == "VP", "the contact's own change was received")
    assert here.again(bolton).company == "Initech"


def test_more_formulas_than_one_query_may_select_stop_no_cycle(salesforce, ending):
    formulas = [{"name": f"Formula_{n:03}__c", "type": "Text", "formula": "Company"} for n in range(120)]
    salesforce.control("POST", "fields", object="Lead", fields=formulas)
    salesforce.control("POST", "limits", formulas=60)
    salesforce.lead(LastName="Formula")
    assert ending() == "completed"
    assert Person.objects.filter(last_name="Formula").exists()
