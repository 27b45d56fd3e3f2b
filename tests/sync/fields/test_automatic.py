"""What is mapped by itself does not depend on the order in which anything is described."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import pytest
from django.utils import timezone

from syncer.models import FieldMapping, SyncUser
from syncer.salesforce.describe import FieldDescribe, ObjectDescribe, by_name
from syncer.sync.fields.automatic import collisions
from syncer.sync.pull.describes import store_describes
from syncer.sync.upkeep.choose_score import take_as_score

pytestmark = pytest.mark.django_db

SCORE, RIVAL = "Lead_Score__c", "mkto71__Lead_Score__c"


def field(name: str, kind: str = "string", label: str = "", **more: object) -> FieldDescribe:
    standard = {"createable": True, "updateable": True, "custom": name.endswith("__c")}
    return FieldDescribe(name, label or name, kind, **standard | more)  # type: ignore[arg-type]


def score(name: str) -> FieldDescribe:
    return field(name, "double", "Lead Score", precision=18)


def described(name: str, fields: Iterable[FieldDescribe]) -> ObjectDescribe:
    return ObjectDescribe(name, name, None, True, True, True, True, by_name(fields))


def mapped(sync_user: SyncUser) -> dict[str, str]:
    return {f"{m.object}.{m.salesforce_field}": m.person_field for m in sync_user.mappings.all()}


def told(sync_user: SyncUser) -> dict[str, str]:
    mappings = list(sync_user.mappings.all())
    found = collisions(mappings)
    return {f"{m.object}.{m.salesforce_field}": found[m.pk] for m in mappings if m.pk in found}


LEAD = [field("Email", "email"), field("Region__c"), score(SCORE), score(RIVAL)]
CONTACT = [field("REGION__c"), score(RIVAL), score(SCORE)]


@pytest.mark.parametrize("lead", [*itertools.permutations(LEAD)][::7])
@pytest.mark.parametrize("contact", [*itertools.permutations(CONTACT)][::2])
@pytest.mark.parametrize("contacts_first", [False, True])
def test_any_order_of_fields_and_objects_gives_the_same_mapping(
    sync_user, lead: Sequence[FieldDescribe], contact: Sequence[FieldDescribe], contacts_first: bool
):
    both = [described("Lead", lead), described("Contact", contact)]
    store_describes(sync_user, reversed(both) if contacts_first else both, timezone.now())
    found = mapped(sync_user)
    assert found.pop("Lead.Region__c") == found.pop("Contact.REGION__c")  # one field, whoever is read first
    assert found == {
        "Lead.Email": "email",
        f"Lead.{SCORE}": SCORE,
        f"Lead.{RIVAL}": RIVAL,
        f"Contact.{SCORE}": SCORE,
        f"Contact.{RIVAL}": RIVAL,
    }


@pytest.mark.parametrize("contacts_first", [False, True])
def test_two_fields_that_are_each_the_only_one_of_their_object_are_no_score_either(sync_user, contacts_first):
    both = [described("Lead", [score(SCORE)]), described("Contact", [score(RIVAL)])]
    store_describes(sync_user, reversed(both) if contacts_first else both, timezone.now())
    assert "person_score" not in mapped(sync_user).values()
    assert len(told(sync_user)) == 2


def test_the_score_is_who_it_is_by_its_name_whatever_the_other_object_calls_it(sync_user):
    renamed = field(SCORE.upper().replace("__C", "__c"), "double", "Score of the lead", precision=18)
    store_describes(sync_user, [described("Lead", [score(SCORE)]), described("Contact", [renamed])], timezone.now())
    assert mapped(sync_user) == {f"Lead.{SCORE}": "person_score", f"Contact.{renamed.name}": "person_score"}
    assert told(sync_user) == {}


def test_a_second_field_with_that_label_takes_nothing_away(sync_user):
    store_describes(sync_user, [described(name, [score(SCORE)]) for name in ("Lead", "Contact")], timezone.now())
    store_describes(sync_user, [described("Lead", [score(RIVAL), score(SCORE)])], timezone.now())
    assert mapped(sync_user)[f"Lead.{SCORE}"] == "person_score"
    assert mapped(sync_user)[f"Lead.{RIVAL}"] == RIVAL


def test_a_field_whose_place_is_taken_gets_one_of_its_own_and_says_so(sync_user):
    FieldMapping.objects.create(
        sync_user=sync_user, object="Lead", salesforce_field="Town__c", person_field="city", label="Town"
    )
    store_describes(sync_user, [described("Lead", [field("City"), field("Town__c")])], timezone.now())
    assert mapped(sync_user) == {"Lead.Town__c": "city", "Lead.City": "Lead.City"}
    assert told(sync_user) == {"Lead.City": "Its place is taken by Town__c: kept beside it, as Lead.City."}


def test_fields_of_one_name_whose_values_do_not_fit_are_kept_apart_and_say_so(sync_user):
    both = [described("Lead", [field("Tier__c")]), described("Contact", [field("Tier__c", "double")])]
    store_describes(sync_user, both, timezone.now())
    assert mapped(sync_user) == {"Lead.Tier__c": "Tier__c", "Contact.Tier__c": "Contact.Tier__c"}
    assert set(told(sync_user)) == {"Lead.Tier__c", "Contact.Tier__c"}


def test_another_score_can_be_chosen_and_the_first_one_goes_on_as_a_field_of_its_own(sync_user):
    store_describes(sync_user, [described(name, [score(SCORE)]) for name in ("Lead", "Contact")], timezone.now())
    store_describes(sync_user, [described("Lead", [score(RIVAL), score(SCORE)])], timezone.now())
    assert take_as_score(sync_user.mappings.get(object="Lead", salesforce_field=RIVAL)) == ""
    assert mapped(sync_user) == {f"Lead.{RIVAL}": "person_score", f"Lead.{SCORE}": SCORE, f"Contact.{SCORE}": SCORE}
    assert set(sync_user.mappings.values_list("filled", flat=True)) == {False}
    text = field("Words__c")
    store_describes(sync_user, [described("Contact", [text, score(SCORE)])], timezone.now())
    assert "can't be kept" in take_as_score(sync_user.mappings.get(salesforce_field="Words__c"))
