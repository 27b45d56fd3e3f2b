"""Who is who: pure decisions over persons and records."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncer.models import CreateIntent
from syncer.sync.fields.object_map import PERSON_COLUMNS
from syncer.sync.identity.candidates import Found, PersonCandidates, SameAddress
from syncer.sync.identity.decide import Sorted, records_of, sort_page
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import Result
from syncer.sync.persons.person_state import Link, PersonState
from syncer.sync.persons.record import Reading, RemoteRecord

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
SYNC_USER, SOMEBODY = "005000000000001AAA", "005000000000002AAA"
EMPTY = {name: (None if field.null else "") for name, field in PERSON_COLUMNS.items()}


def record(number: int = 1, **more: Any) -> RemoteRecord:
    values = {"last_name": "Ode", "email": None} | more.pop("values", {})
    usual: dict[str, Any] = {
        "object": "Lead",
        "id": f"00Q00000000000{number}AAA",
        "stamp": NOW,
        "values": values,
        "is_deleted": False,
        "is_converted": False,
        "contact_id": "",
        "master_id": "",
        "owner_id": "",
        "owner_name": "",
        "owner_email": "",
        "owner_is_hidden": False,
        "account_id": "",
        "out_of_sight": frozenset(),
        "editor": "",
        "external_id": "",
        "created_at": NOW,
        "created_by": SYNC_USER,
    }
    return RemoteRecord(**usual | more)


def person(number: int = 1, **more: Any) -> PersonState:
    values = EMPTY | {"custom": {}, "last_name": "Ode"} | more.pop("values", {})
    usual: dict[str, Any] = {
        "id": number,
        "uuid": uuid.UUID(int=number),
        "revision": 1,
        "values": values,
        "sfdc_type": "",
        "sfdc_id": "",
        "sfdc_is_deleted": False,
        "updated_at": NOW,
        "link": None,
        "pending": "",
        "attempts": 0,
        "error_code": "",
        "in_doubt": {},
        "sent_to_create": None,
        "held": {},
        "errors": (),
        "asked": {},
    }
    return PersonState(**usual | more)


def linked_to(one: RemoteRecord, number: int = 1) -> PersonState:
    link = Link(
        organisation="00D000000000001AAA",
        object=one.object,
        record_id=one.id,
        base={},
        weak_base=False,
        system_modstamp=None,
        read_at=None,
        read_sequence=0,
        undecided=None,
        awaits_sending=False,
        owner_id="",
        owner_name="",
        owner_email="",
        account_id="",
        merged_into="",
        received_at=None,
        sent_at=None,
        hidden_since=None,
    )
    return person(number, sfdc_type=one.object, sfdc_id=one.id, link=link)


def sort(*records: RemoteRecord, converting: tuple[str, ...] = (), follow: bool = False, **known: Any) -> Sorted:
    candidates = PersonCandidates(**{"linked": {}} | known)
    return sort_page(records, candidates, user_id=SYNC_USER, converting=converting, creates_follow=follow)


def intent(of: PersonState, **sent: Any) -> tuple[CreateIntent, PersonState]:
    asked = CreateIntent(person_id=of.id, object="Lead", asked_at=NOW, external_id=False, values_sent=sent)
    return asked, of


KIMS = "kim@example.com"


def same(*unlinked: PersonState, deleted: Sequence[PersonState] = (), others: int = 0, records: int = 1) -> Any:
    """Who has an address: these persons and others with a record, and so many records."""
    persons = len(unlinked) + len(deleted) + others
    return {KIMS: SameAddress(persons, list(unlinked), list(deleted), [{"id": str(n)} for n in range(records)])}


# -- a page of records ------------------------------------------------------------------------------------------------


def test_a_record_of_a_linked_person_is_merged_with_it():
    lead = record()
    owner = linked_to(lead)
    assert sort(lead, linked={lead.id: owner}) == Sorted(linked=[(owner, lead)])


@pytest.mark.parametrize("fate", [{"is_deleted": True}, {"is_converted": True, "contact_id": "003000000000001AAA"}])
def test_a_record_of_a_linked_person_that_is_gone_is_followed(fate):
    lead = record(**fate)
    owner = linked_to(lead)
    assert sort(lead, linked={lead.id: owner}) == Sorted(deleted_or_converted=[(owner, lead)])


def test_a_record_that_nobody_knows_makes_a_person():
    assert sort(record()) == Sorted(new=[record()])


def test_a_record_that_was_gone_before_anybody_knew_it_makes_none():
    assert sort(record(is_deleted=True)) == Sorted()


def test_what_it_became_is_remembered():
    page = sort(record(is_converted=True, contact_id="003000000000001AAA"))
    assert [(one.survivor, one.reason) for one in page.became] == [("003000000000001AAA", "converted")]


def test_the_contact_of_a_lead_whose_person_is_busy_waits_for_it():
    contact = record(object="Contact", id="003000000000001AAA")
    assert sort(contact, converting=(contact.id,)) == Sorted(later=[contact.id])


def test_a_record_that_another_one_of_the_page_was_merged_into_is_looked_at_when_that_was_followed():
    winner, loser = record(1), record(2, is_deleted=True, master_id=record(1).id)
    owner = linked_to(loser)
    page = sort(winner, loser, linked={loser.id: owner})
    assert page == Sorted(deleted_or_converted=[(owner, loser)], unsettled=[winner])


def test_a_person_deleted_here_comes_back_only_when_its_record_has_changed_since():
    lead = record()
    assert sort(lead, tombstones={lead.id: NOW}) == Sorted()
    assert sort(lead, tombstones={lead.id: NOW - timedelta(seconds=1)}).new == [lead]


def test_by_its_external_id_before_its_address():
    by_uuid, by_email = person(1), person(2, values={"email": "kim@example.com"})
    lead = record(external_id=str(by_uuid.uuid), values={"email": "kim@example.com"})
    page = sort(lead, by_uuid={lead.external_id: by_uuid}, by_email=same(by_email))
    assert [(m.person, m.made) for m in page.matched] == [(by_uuid, True)]


def test_by_its_external_id_also_when_it_was_converted_meanwhile_unless_it_was_somebodys_before():
    owner = person()
    lead = record(external_id=str(owner.uuid), is_converted=True, contact_id="003000000000001AAA")
    assert [m.person for m in sort(lead, by_uuid={lead.external_id: owner}).matched] == [owner]
    page = sort(lead, by_uuid={lead.external_id: owner}, former=frozenset({lead.id}))
    assert (page.matched, len(page.became)) == ([], 1)


def test_of_two_records_with_one_external_id_the_one_that_is_there():
    owner = person()
    gone = record(1, external_id=str(owner.uuid), is_deleted=True)
    there = record(2, external_id=str(owner.uuid))
    assert [m.record for m in sort(gone, there, by_uuid={gone.external_id: owner}).matched] == [there]


@pytest.mark.parametrize(
    ("made", "is_ours"),
    [
        ({}, True),
        ({"created_by": SOMEBODY}, False),
        ({"created_at": NOW - timedelta(seconds=1)}, False),
        ({"values": {"email": "other@example.com"}}, False),
        ({"object": "Contact"}, False),
    ],
)
def test_by_an_open_create_only_what_the_sync_user_has_made_since_with_what_was_sent(made, is_ours):
    owner = person()
    made["values"] = {"email": "kim@example.com"} | made.get("values", {})
    page = sort(record(**made), intents=[intent(owner, email="kim@example.com")])
    assert bool(page.matched) is is_ours


def test_who_is_to_become_a_member_of_a_campaign_is_left_to_the_repetition_of_the_create():
    owner = person(sent_to_create={"email": "kim@example.com"}, asked={"campaign": "701000000000001AAA"})
    lead = record(values={"email": "kim@example.com"})
    known: dict[str, Any] = {"intents": [intent(owner, email="kim@example.com")]}
    assert sort(lead, follow=True, **known) == Sorted(later=[lead.id])
    assert [m.person for m in sort(lead, follow=False, **known).matched] == [owner]


@pytest.mark.parametrize(("name", "joins"), [("Ode", True), ("ODE", True), ("", True), ("Other", False)])
def test_by_address_only_under_the_same_last_name_or_without_one(name, joins):
    page = sort(record(values={"email": KIMS, "last_name": name}), by_email=same(person()))
    assert (bool(page.matched), bool(page.new), bool(page.questions)) == (joins, not joins, False)


def test_a_lead_that_is_made_again_is_that_of_the_one_person_whose_record_was_deleted():
    gone = replace(linked_to(record(2)), sfdc_is_deleted=True)
    [match] = sort(record(values={"email": KIMS}), by_email=same(deleted=[gone])).matched
    assert (match.person, match.reason) == (gone, f"made again in Salesforce, with the same e-mail address, {KIMS}.")


@pytest.mark.parametrize(
    "who",
    [
        same(person(1), person(2)),
        same(person(1), others=1),
        same(person(1), records=2),
        same(person(1), deleted=[person(2)]),
    ],
    ids=["two without a record", "one with a record", "two records", "one who was deleted there"],
)
def test_nobody_is_picked_by_an_address_that_is_not_theirs_alone(who):
    lead = record(values={"email": KIMS})
    page = sort(lead, by_email=who)
    assert (page.matched, page.new) == ([], [lead])  # a person of its own
    assert [question.person for question in page.questions] == who[KIMS].unlinked


def test_two_records_of_one_page_are_two_records():
    first, second = (record(n, values={"email": KIMS}) for n in (1, 2))
    page = sort(first, second, by_email=same(person()))
    assert (page.matched, page.new, len(page.questions)) == ([], [first, second], 1)


# -- persons who are not in Salesforce yet ----------------------------------------------------------------------------


def found(**more: Any) -> Found:
    return Found(Reading(1, NOW), **more)


def decide(one: PersonState, what: Found, still_open: tuple[int, ...] = (), **options: Any):
    return records_of([one], what, {one.id: SyncOptions(**options)}, actor="Eva", still_open=still_open)


KIM = person(values={"email": "kim@example.com"})


def test_who_is_found_nowhere_gets_a_lead():
    assert decide(KIM, found()).to_create == [KIM]


def test_one_free_record_with_the_address_is_the_persons():
    lead = record(values={"email": "kim@example.com"})
    [link] = decide(KIM, found(by_email={KIMS: [lead]})).links["Lead"]
    assert (link.person, link.record) == (KIM, lead)


def test_contacts_come_before_leads():
    lead = record(1, values={"email": "kim@example.com"})
    contact = record(2, object="Contact", values={"email": "kim@example.com"})
    assert list(decide(KIM, found(by_email={"kim@example.com": [lead, contact]})).links) == ["Contact"]


def test_of_several_free_ones_somebody_has_to_choose():
    leads = [record(n, values={"email": "kim@example.com"}) for n in (1, 2)]
    decided = decide(KIM, found(by_email={"kim@example.com": leads}))
    assert decided.refused[1].result is Result.NEEDS_DECISION
    assert [choice["id"] for choice in decided.choices[1]] == [lead.id for lead in leads]


def test_somebody_may_say_that_a_lead_is_made_anyway():
    leads = [record(n, values={"email": "kim@example.com"}) for n in (1, 2)]
    decided = decide(KIM, found(by_email={"kim@example.com": leads}), create_anyway=True)
    assert decided.to_create == [KIM]


def test_a_record_of_another_person_makes_nothing():
    lead = record(values={"email": "kim@example.com"})
    decided = decide(KIM, found(by_email={KIMS: [lead]}, owners={lead.id: (7, "Kim Two")}))
    assert decided.refused[1].code == "MATCH_IS_TAKEN"
    assert "person 7 (Kim Two)" in decided.refused[1].message


def test_a_create_that_may_still_come_through_is_waited_for():
    asked = CreateIntent(person_id=1, object="Lead", external_id=False, values_sent={"email": "kim@example.com"})
    decided = decide(KIM, found(intents={1: asked}), still_open=(1,))
    assert (decided.unknown, decided.to_create) == ([KIM], [])
    assert decide(KIM, found(intents={1: asked})).to_create == [KIM]


def test_two_persons_of_a_selection_with_one_address_get_one_lead():
    other = replace(KIM, id=2, uuid=uuid.UUID(int=2))
    decided = records_of([KIM, other], found(), {1: SyncOptions(), 2: SyncOptions()}, actor="Eva")
    assert (decided.to_create, decided.refused[2].code) == ([KIM], "MATCH_IS_TAKEN")


def test_a_contact_can_not_go_to_a_queue():
    contact = record(object="Contact", values={"email": "kim@example.com"})
    what = found(by_email={KIMS: [contact]})
    queue = "00G000000000001AAA"
    assert decide(KIM, what, owner=queue).refused[1].code == "CONTACT_AND_QUEUE"
    assert decide(KIM, what, owner=queue, lead_for_contact=True).to_create == [KIM]
