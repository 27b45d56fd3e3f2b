"""When something refused is tried again: at once for what passes, at night, and when something changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from syncer.models import PendingChange, Person
from syncer.sync.plan import Plan, Planned
from syncer.sync.push.failures import tonight
from syncer.sync.store import outbox

pytestmark = pytest.mark.django_db

TWO_AT_NIGHT = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)


@pytest.fixture
def kim(sandbox, cycle) -> Person:
    sandbox.lead(FirstName="Kim", Title="Buyer")
    cycle()
    return Person.objects.get()


@pytest.fixture
def refused(sandbox, cycle, kim) -> Person:
    """A person whose update Salesforce refuses, as found by one cycle."""
    sandbox.rule("Titles", "Title = 'Head Buyer'", "No such title.", field="Title")
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    cycle()
    return kim


def tries(log, person: Person) -> int:
    return len(log(person, "Sync failed"))


def pending() -> PendingChange:
    return PendingChange.objects.get()


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_what_was_refused_is_not_hammered_and_costs_the_quiet_cycle_nothing(sandbox, cycle, refused, log):
    sandbox.time.pass_(1200)
    cycle()
    for _ in range(3):
        assert cycle().api_calls == 1
    assert tries(log, refused) == 1
    assert (pending().state, pending().next_attempt) == ("failed", TWO_AT_NIGHT)


def test_each_night_it_is_tried_once(sandbox, cycle, refused, log):
    for night in (1, 2):
        sandbox.time.pass_(86_400)
        cycle()
        cycle()
        assert tries(log, refused) == 1 + night
        assert (pending().state, pending().next_attempt) == ("failed", TWO_AT_NIGHT + timedelta(days=night))
    sandbox.control("DELETE", "rules")
    sandbox.time.pass_(86_400)
    cycle()
    assert sandbox.read(refused.sfdc_id)["Title"] == "Head Buyer"
    assert not PendingChange.objects.exists()


def test_the_night_is_the_installations(settings):
    settings.TIME_ZONE = "America/New_York"
    assert tonight(datetime(2026, 3, 2, 6, 59, tzinfo=UTC)) == datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
    assert tonight(datetime(2026, 3, 2, 7, 0, tzinfo=UTC)) == datetime(2026, 3, 3, 7, 0, tzinfo=UTC)
    summer = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
    assert tonight(summer) == datetime(2026, 3, 9, 6, 0, tzinfo=UTC)


def test_a_dry_run_at_night_tells_of_the_retry_and_leaves_it_asleep(sandbox, cycle, refused):
    sandbox.time.pass_(86_400)
    told: list[Planned] = []
    cycle(plan=Plan(tell=told.append))
    assert [(p.person_id, [f.field for f in p.fields]) for p in told] == [(refused.pk, ["title"])]
    assert pending().state == "failed"


def test_waking_goes_by_its_index_whatever_the_number_of_failures(db):
    people = Person.objects.bulk_create(
        Person(last_name="Ode", sfdc_type="Lead", sfdc_id=f"00Q{number:015}") for number in range(500)
    )
    PendingChange.objects.bulk_create(
        PendingChange(person=person, state="failed", error_code="X", next_attempt=TWO_AT_NIGHT) for person in people
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    assert "syncer_pending_nightly" in outbox.due_for_nightly_retry(TWO_AT_NIGHT - timedelta(seconds=1)).explain()
    assert outbox.requeue_due(TWO_AT_NIGHT - timedelta(seconds=1)) == 0
    assert outbox.requeue_due(TWO_AT_NIGHT) == 500


# -- what passes by itself --------------------------------------------------------------------------------------------


def test_a_row_that_stays_locked_is_tried_in_this_cycle_in_three_more_and_then_at_night(sandbox, cycle, kim, log):
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    sandbox.fault("/composite", "lock", ids=[kim.sfdc_id], times=5000)
    found = []
    for _ in range(5):
        sandbox.time.pass_(300)
        cycle()
        found.append((tries(log, kim), pending().state))
    assert found == [(6, "pending"), (7, "pending"), (8, "pending"), (9, "failed"), (9, "failed")]
    assert pending().next_attempt == TWO_AT_NIGHT
    sandbox.control("DELETE", "faults")
    sandbox.time.pass_(86_400)
    cycle()
    assert sandbox.read(kim.sfdc_id)["Title"] == "Head Buyer"


def test_a_failing_automation_is_left_to_the_next_cycles(sandbox, cycle, kim, log):
    sandbox.control("POST", "flows", object="Lead", failing=True, name="Router")
    Person.objects.filter(pk=kim.pk).update(title="Head Buyer")
    found = []
    for _ in range(5):
        sandbox.time.pass_(300)
        cycle()
        found.append((tries(log, kim), pending().state))
    assert found == [(1, "pending"), (2, "pending"), (3, "pending"), (4, "failed"), (4, "failed")]


def test_a_create_that_failed_in_passing_waits_for_its_time(sandbox, cycle, sync_person, log):
    kim = Person.objects.create(last_name="Ode", company="Acme")
    sandbox.fault("/composite", "lock", ids=[], times=1)
    sandbox.control("POST", "flows", object="Lead", failing=True, name="Router")
    assert sync_person(kim).code == "CANNOT_EXECUTE_FLOW_TRIGGER"
    PendingChange.objects.update(next_attempt=sandbox.time() + timedelta(hours=1))
    cycle()
    assert tries(log, kim) == 1
    sandbox.control("POST", "flows", object="Lead", failing=False, name="Router")
    sandbox.time.pass_(3600)
    cycle()
    kim.refresh_from_db()
    assert kim.sfdc_type == "Lead"


# -- when something changed -------------------------------------------------------------------------------------------


def test_an_edit_of_the_record_in_salesforce_tries_it_again(sandbox, cycle, refused, log):
    sandbox.control("DELETE", "rules")
    sandbox.edit(refused.sfdc_id, Phone="1")
    cycle()
    assert sandbox.read(refused.sfdc_id)["Title"] == "Head Buyer"
    assert not PendingChange.objects.exists()


def test_an_edit_of_the_person_tries_it_again(sandbox, cycle, refused):
    Person.objects.filter(pk=refused.pk).update(title="Buyer II")
    cycle()
    assert sandbox.read(refused.sfdc_id)["Title"] == "Buyer II"


def test_a_changed_describe_tries_it_again(sandbox, cycle, kim, log):
    Person.objects.filter(pk=kim.pk).update(custom={"Region__c": "Atlantis"})
    cycle()
    cycle()
    assert tries(log, kim) == 1
    values = ["Atlantis", "EMEA"]
    sandbox.control("POST", "fields", object="Lead", name="Region__c", type="picklist", values=values, restricted=True)
    cycle()
    assert sandbox.read(kim.sfdc_id)["Region__c"] == "Atlantis"
    assert not PendingChange.objects.exists()


def test_a_changed_describe_of_contacts_leaves_leads_alone(sandbox, cycle, refused, log):
    sandbox.control("POST", "fields", object="Contact", name="Shoe__c", type="text", length=20)
    cycle()
    cycle()
    assert tries(log, refused) == 1
    sandbox.control("POST", "fields", object="Lead", name="Shoe__c", type="text", length=20)
    cycle()
    cycle()
    assert tries(log, refused) == 2


def test_a_changed_mapping_tries_the_leads_and_those_who_are_to_become_leads(sandbox, cycle, refused, sync_person, log):
    nobody = Person.objects.create(last_name="Nobody")  # no company: refused
    assert not sync_person(nobody).ok
    outbox.retry_object("Contact")
    assert set(PendingChange.objects.values_list("state", flat=True)) == {"failed"}
    assert outbox.retry_object("Lead") == 2
    cycle()
    assert (tries(log, refused), tries(log, nobody)) == (2, 2)


def test_a_refresh_is_no_retry(sandbox, cycle, refused, sync_person, log):
    from syncer.sync.options import Action, SyncOptions

    assert sync_person(refused, options=SyncOptions(action=Action.REFRESH)).ok
    assert (pending().state, pending().next_attempt) == ("failed", TWO_AT_NIGHT)
    cycle()
    assert tries(log, refused) == 1
    assert not sync_person(refused).ok
    assert pending().state == "failed"
    assert tries(log, refused) == 2


def test_a_lost_answer_to_somebodys_retry_is_found_out_by_the_next_cycle(sandbox, cycle, refused, sync_person):
    from syncer.salesforce.errors import OutcomeUnknown
    from syncer.sync.errors import CannotSync

    sandbox.control("DELETE", "rules")
    sandbox.fault("/composite/sobjects", "drop_before", times=1)
    with pytest.raises((CannotSync, OutcomeUnknown)):
        sync_person(refused)
    assert pending().state == "pending"
    cycle()
    assert sandbox.read(refused.sfdc_id)["Title"] == "Head Buyer"


def test_a_mapping_that_goes_on_with_a_new_type_tries_it_again(sandbox, cycle, refused):
    from syncer.models import FieldMapping
    from syncer.sync.upkeep.change_type import take_new_type

    for sobject in ("Lead", "Contact"):
        sandbox.control("POST", "fields", object=sobject, name="Notes__c", type="Number", precision=18, scale=0)
    cycle()
    assert pending().state == "failed"
    for mapping in FieldMapping.objects.filter(salesforce_field="Notes__c"):
        assert take_new_type(mapping) == ""
    assert pending().state == "pending"


# -- creates ----------------------------------------------------------------------------------------------------------


def test_a_refused_create_is_tried_again_at_night(sandbox, cycle, sync_person, log):
    sandbox.rule("Titles", "Title = 'Head Buyer'", "No such title.", field="Title")
    kim = Person.objects.create(last_name="Ode", company="Acme", title="Head Buyer")
    assert not sync_person(kim).ok
    cycle()
    assert tries(log, kim) == 1
    sandbox.time.pass_(86_400)
    cycle()
    assert tries(log, kim) == 2
    sandbox.control("DELETE", "rules")
    sandbox.time.pass_(86_400)
    cycle()
    kim.refresh_from_db()
    assert kim.sfdc_type == "Lead"
    assert not PendingChange.objects.exists()


def test_what_only_a_person_can_decide_waits_for_a_person(sandbox, cycle, sync_person, log):
    for _ in range(2):
        sandbox.lead(Email="kim@example.com")
    cycle()
    sandbox.time.pass_(1200)
    cycle()
    Person.objects.all().delete()
    kim = Person.objects.create(last_name="Ode", company="Acme", email="kim@example.com")
    assert sync_person(kim).code == "SEVERAL_MATCHES"
    assert pending().next_attempt is None
    sandbox.control("POST", "fields", object="Lead", name="Shoe__c", type="text", length=20)
    sandbox.time.pass_(86_400)
    cycle()
    assert pending().state == "failed"
    assert len(log(kim, "Sync Person to SFDC")) == 1
    assert outbox.retry([kim.pk]) == 1  # somebody has merged them there and says so
    cycle()
    assert len(log(kim, "Sync Person to SFDC")) == 2


# -- somebody wants it ------------------------------------------------------------------------------------------------


def failures(**codes: str) -> dict[str, Person]:
    persons = {}
    for name, code in codes.items():
        persons[name] = Person.objects.create(last_name=name, sfdc_type="Lead", sfdc_id=f"00Q00000000000{name}")
        PendingChange.objects.create(
            person=persons[name], state="failed", error_code=code, attempts=4, held={"title": "x"}, revision=1
        )
    return persons


def waiting() -> set[str]:
    return set(PendingChange.objects.filter(state="pending").values_list("person__last_name", flat=True))


def test_retry_takes_ids_or_a_query_and_codes(db):
    persons = failures(a="STRING_TOO_LONG", b="STRING_TOO_LONG", c="REQUIRED_FIELD_MISSING", d="X")
    assert outbox.retry([persons["a"].pk, persons["c"].pk], ["STRING_TOO_LONG"]) == 1
    assert waiting() == {"a"}
    row = PendingChange.objects.get(person=persons["a"])
    assert (row.attempts, row.next_attempt, row.held) == (0, None, {})
    assert outbox.retry(Person.objects.filter(last_name__in="bc").order_by("-last_name")) == 2
    assert waiting() == {"a", "b", "c"}
    assert outbox.retry() == 1
    assert outbox.retry() == 0


def test_the_command_tells_how_many_by_reason(db):
    persons = failures(a="STRING_TOO_LONG", b="STRING_TOO_LONG", c="REQUIRED_FIELD_MISSING", d="X")

    def run(*arguments: str) -> str:
        out = StringIO()
        call_command("retryfailed", *arguments, stdout=out)
        return " ".join(out.getvalue().split())

    assert run("--code", "NO_SUCH") == "0 put back. No sync error was found."
    assert run("--person", str(persons["a"].uuid)).startswith("1 STRING_TOO_LONG 1 put back.")
    assert run("--code", "X", "--person", str(persons["b"].pk)).startswith("0 put back.")
    found = run("--code", "STRING_TOO_LONG", "--code", "REQUIRED_FIELD_MISSING")
    assert found == "1 REQUIRED_FIELD_MISSING 1 STRING_TOO_LONG 2 put back. The next cycle tries them."
    assert waiting() == {"a", "b", "c"}
    assert run() == "1 X 1 put back. The next cycle tries them."


def test_the_command_refuses_an_unknown_person_and_does_nothing(db, capsys):
    failures(a="X")
    with pytest.raises(SystemExit) as stopped:
        call_command("retryfailed", "--person", "999999", "--person", "x")
    assert stopped.value.code == 1
    assert "no person '999999'" in capsys.readouterr().err
    assert waiting() == set()
