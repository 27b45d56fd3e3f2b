"""Send the other fields, hold the refused one: an option of the connection, for updates."""

from __future__ import annotations

import pytest

from syncer.models import PendingChange, Person, SalesforceRecord, SyncUser
from syncer.sync.plan import Plan, Planned
from syncer.sync.store import outbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def holding(sync_user) -> SyncUser:
    sync_user.hold_refused_fields = True
    sync_user.save()
    return sync_user


@pytest.fixture
def kim(sandbox, cycle) -> Person:
    sandbox.lead(FirstName="Kim", Title="Buyer")
    cycle()
    sandbox.time.pass_(1200)
    cycle()
    return Person.objects.get()


def edit(person: Person, **values: object) -> None:
    Person.objects.filter(pk=person.pk).update(**values)


def refuse_titles(sandbox, field: str = "Title") -> None:
    sandbox.rule("Titles", "Title = 'Head Buyer'", "No such title.", field=field)


def pending() -> PendingChange:
    return PendingChange.objects.get()


def failures(log, person: Person) -> list[str]:
    return [entry.code for entry in log(person, "Sync failed")]


@pytest.fixture
def held(sandbox, cycle, holding, kim) -> Person:
    """A person whose title was refused, and whose city was sent."""
    refuse_titles(sandbox)
    edit(kim, title="Head Buyer", city="Ghent")
    cycle()
    return kim


# -- the second request -----------------------------------------------------------------------------------------------


def test_off_by_default_the_whole_record_waits(sandbox, cycle, kim):
    refuse_titles(sandbox)
    edit(kim, title="Head Buyer", city="Ghent")
    cycle()
    assert sandbox.read(kim.sfdc_id)["City"] is None
    assert (pending().state, pending().held) == ("failed", {})


def test_the_other_fields_are_sent_in_the_same_cycle(sandbox, cycle, held, log):
    there = sandbox.read(held.sfdc_id)
    assert (there["Title"], there["City"]) == ("Buyer", "Ghent")
    row = pending()
    assert (row.state, row.held, row.error_code) == (
        "failed",
        {"title": "Head Buyer"},
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    )
    assert row.in_doubt == {}
    assert row.error_detail["values"] == {"Title": "Head Buyer"}
    base = SalesforceRecord.objects.get().base
    assert (base["title"], base["city"]) == ("Buyer", "Ghent")
    assert failures(log, held) == ["FIELD_CUSTOM_VALIDATION_EXCEPTION"]
    assert "city" in log(held, "Sync Person Updates to SFDC")[-1].summary
    assert Person.objects.get().title == "Head Buyer"


def test_one_more_request_for_all_such_records_together(sandbox, cycle, holding):
    for n in range(5):
        sandbox.lead(FirstName=f"Kim {n}")
    cycle()
    sandbox.time.pass_(1200)
    cycle()
    refuse_titles(sandbox)
    Person.objects.update(title="Head Buyer", city="Ghent")
    Person.objects.filter(first_name="Kim 4").update(title="Buyer")
    run = cycle()
    assert run.api_calls == 1 + 2
    assert run.counters["sent"] == {"created": 0, "updated": 5, "unchanged": 0, "failed": 4}
    assert PendingChange.objects.count() == 4


def test_it_is_quiet_afterwards(sandbox, cycle, held, log):
    for _ in range(3):
        assert cycle().counters["sent"] == {"created": 0, "updated": 0, "unchanged": 0, "failed": 0}
    sandbox.time.pass_(1200)
    cycle()
    assert cycle().api_calls == 1
    assert len(failures(log, held)) == 1


def test_several_refused_fields_are_held_together(sandbox, cycle, holding, kim):
    """Salesforce names both at once."""
    refuse_titles(sandbox)
    edit(kim, title="Head Buyer", city="Ghent", email="kim@example.com", custom={"Region__c": "Atlantis"})
    cycle()
    # Restricted picklists are checked before rules, so the rule is found by the repetition: nothing is sent then.
    row = pending()
    assert {error["code"] for error in row.error_detail["errors"]} == {
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    }
    assert (row.state, row.held) == ("failed", {})
    assert sandbox.read(kim.sfdc_id)["City"] is None


def test_an_error_that_names_no_field_holds_everything(sandbox, cycle, holding, kim):
    refuse_titles(sandbox, field="")
    edit(kim, title="Head Buyer", city="Ghent")
    run = cycle()
    assert run.api_calls == 2
    assert sandbox.read(kim.sfdc_id)["City"] is None
    assert (pending().state, pending().held) == ("failed", {})


def test_an_error_about_all_fields_sent_holds_everything(sandbox, cycle, holding, kim):
    refuse_titles(sandbox)
    edit(kim, title="Head Buyer")
    assert cycle().api_calls == 2
    assert (pending().state, pending().held) == ("failed", {})


def test_a_value_that_no_field_can_hold_is_held_like_a_refused_one(sandbox, cycle, holding, kim, log):
    edit(kim, city="Ghent", custom={"Renewal_Date__c": "tomorrow"})
    cycle()
    assert sandbox.read(kim.sfdc_id)["City"] == "Ghent"
    assert (pending().state, pending().held) == ("failed", {"Renewal_Date__c": "tomorrow"})
    edit(kim, city="Bruges")
    cycle()
    assert sandbox.read(kim.sfdc_id)["City"] == "Bruges"
    assert len(failures(log, kim)) == 1


def test_a_lost_answer_to_the_second_request_is_found_out(sandbox, cycle, holding, kim):
    refuse_titles(sandbox)
    edit(kim, title="Head Buyer", city="Ghent")
    sandbox.fault("PATCH", "drop_after", nth=2, times=1)
    cycle()
    there = sandbox.read(kim.sfdc_id)
    assert (there["Title"], there["City"]) == ("Buyer", "Ghent")
    assert (pending().state, pending().held) == ("failed", {"title": "Head Buyer"})


# -- afterwards -------------------------------------------------------------------------------------------------------


def test_another_edit_is_sent_without_the_held_value(sandbox, cycle, held, log):
    edit(held, city="Bruges")
    run = cycle()
    assert run.api_calls == 2  # and not a third one for the title
    assert sandbox.read(held.sfdc_id)["City"] == "Bruges"
    row = pending()
    assert (row.state, row.held) == ("failed", {"title": "Head Buyer"})
    assert row.error_code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert len(failures(log, held)) == 1
    for _ in range(3):
        cycle()
    assert len(failures(log, held)) == 1


def test_a_changed_held_value_is_tried_again(sandbox, cycle, held):
    edit(held, title="Chief Buyer")
    cycle()
    assert sandbox.read(held.sfdc_id)["Title"] == "Chief Buyer"
    assert not PendingChange.objects.exists()


def test_a_held_value_that_is_taken_back_leaves_nothing(sandbox, cycle, held):
    edit(held, title="Buyer")
    cycle()
    assert not PendingChange.objects.exists()


def test_an_edit_that_is_taken_back_leaves_it_held(sandbox, cycle, held, log):
    edit(held, city="Bruges")
    edit(held, city="Ghent")
    assert cycle().counters["sent"]["updated"] == 0
    assert (pending().state, pending().held) == ("failed", {"title": "Head Buyer"})
    assert len(failures(log, held)) == 1


def test_a_second_refused_field_joins_the_first(sandbox, cycle, held, log):
    sandbox.rule("Cities", "City = 'Atlantis'", "No such city.", field="City")
    edit(held, city="Atlantis", phone="1")
    cycle()
    assert sandbox.read(held.sfdc_id)["Phone"] == "1"
    assert pending().held == {"title": "Head Buyer", "city": "Atlantis"}
    edit(held, city="Bruges")
    cycle()
    assert sandbox.read(held.sfdc_id)["City"] == "Bruges"
    row = pending()
    assert (row.state, row.held, row.error_message) == ("failed", {"title": "Head Buyer"}, "No such title.")
    assert len(failures(log, held)) == 2


def test_an_edit_of_the_record_tries_it_again(sandbox, cycle, held):
    sandbox.control("DELETE", "rules")
    sandbox.edit(held.sfdc_id, Phone="1")
    cycle()
    assert sandbox.read(held.sfdc_id)["Title"] == "Head Buyer"
    assert not PendingChange.objects.exists()


def test_the_night_tries_it_again(sandbox, cycle, held, log):
    sandbox.time.pass_(86_400)
    cycle()
    assert len(failures(log, held)) == 2
    sandbox.control("DELETE", "rules")
    sandbox.time.pass_(86_400)
    cycle()
    assert sandbox.read(held.sfdc_id)["Title"] == "Head Buyer"


def test_somebody_who_retries_tries_it_again(sandbox, cycle, held, sync_person):
    sandbox.control("DELETE", "rules")
    outbox.retry([held.pk])
    assert pending().held == {}
    cycle()
    assert sandbox.read(held.sfdc_id)["Title"] == "Head Buyer"


def test_sync_person_tries_what_is_held_and_says_what_became_of_it(sandbox, cycle, held, sync_person):
    edit(held, phone="1")
    outcome = sync_person(held)
    assert (outcome.result, outcome.sent) == ("Failed", ("phone",))
    assert "Sent: Phone." in outcome.message
    assert "No such title." in outcome.message
    assert pending().held == {"title": "Head Buyer"}
    sandbox.control("DELETE", "rules")
    assert sync_person(held).ok
    assert sandbox.read(held.sfdc_id)["Title"] == "Head Buyer"
    assert not PendingChange.objects.exists()


def test_a_dry_run_does_not_tell_of_what_is_held(sandbox, cycle, held):
    edit(held, city="Bruges")
    sandbox.time.pass_(1200)
    told: list[Planned] = []
    cycle(plan=Plan(tell=told.append))
    assert [f.field for p in told for f in p.fields] == ["city"]


def test_switched_off_everything_waits_again(sandbox, cycle, held, holding):
    holding.hold_refused_fields = False
    holding.save()
    edit(held, city="Bruges")
    cycle()
    assert sandbox.read(held.sfdc_id)["City"] == "Ghent"
    assert (pending().state, pending().held) == ("failed", {})


def test_an_edit_there_of_a_held_field_is_a_conflict_like_any_other(sandbox, cycle, held, log):
    sandbox.edit(held.sfdc_id, Title="Theirs")
    cycle()
    [entry] = log(held, "Conflict")
    assert entry.detail["lost"] == "Theirs"
    assert pending().state == "failed"
    assert Person.objects.get().title == "Head Buyer"


# -- opt-outs ---------------------------------------------------------------------------------------------------------


def test_an_opt_out_is_sent_even_when_the_rest_is_refused(sandbox, cycle, kim):
    refuse_titles(sandbox, field="")
    edit(kim, title="Head Buyer", city="Ghent", unsubscribed=True)
    cycle()
    there = sandbox.read(kim.sfdc_id)
    assert (there["HasOptedOutOfEmail"], there["City"]) == (True, None)
    assert (pending().state, pending().held) == ("failed", {})
    assert cycle().counters["sent"] == {"created": 0, "updated": 0, "unchanged": 0, "failed": 0}


def test_an_opt_out_that_is_refused_itself_waits(sandbox, cycle, kim):
    sandbox.rule("Consent", "HasOptedOutOfEmail = true", "No.", field="HasOptedOutOfEmail")
    edit(kim, city="Ghent", unsubscribed=True)
    assert cycle().api_calls == 2
    assert pending().state == "failed"
