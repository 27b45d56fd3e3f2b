"""A refreshed sandbox has another id and the same records: pairs are checked, and nothing is sent unseen."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command

from syncer.models import (
    ActivityType,
    FormerId,
    PendingChange,
    Person,
    SalesforceRecord,
    SyncLease,
    SyncMode,
    SyncRun,
    SyncUser,
    Tombstone,
)
from syncer.sync.connection.lease import acquire
from syncer.sync.errors import CannotSync, LeaseHeld
from syncer.sync.upkeep import reconnect_sandbox as module

pytestmark = pytest.mark.django_db


@pytest.fixture
def reconnect(sandbox, time):
    def run():
        time.pass_(60)
        return module.reconnect(module.start_run(SyncUser.objects.get(), "Eva"), around=sandbox.around())

    return run


@pytest.fixture
def leads(sandbox, sync_user, cycle):
    """Three leads with their persons, in sync."""
    ids = [sandbox.lead(LastName=name, Email=f"{name}@example.com", Title="Buyer") for name in ("a", "b", "c")]
    cycle()
    return ids


def refresh(sandbox) -> str:
    found = sandbox.control("POST", "refresh")
    sandbox.sales = sandbox._client("sales@example.com")
    return str(found["id"])


def person_of(lead: str) -> Person:
    return Person.objects.get(sfdc_id=lead)


def test_a_refreshed_sandbox_is_refused_until_somebody_reconnects(sandbox, cycle, leads, reconnect):
    new = refresh(sandbox)
    with pytest.raises(CannotSync) as refused:
        cycle()
    assert refused.value.code == "WRONG_ORGANISATION"
    assert SyncRun.objects.filter(kind="cycle").latest("pk").error_code == "WRONG_ORGANISATION"
    found = reconnect()
    assert (found.agreed, found.missing, found.other_address) == (3, 0, 0)
    assert "3 reconnected, 0 not found, 0 with another e-mail address. The connection receives only now" in str(found)
    sync_user = SyncUser.objects.get()
    assert (sync_user.organisation_id, sync_user.mode) == (new, SyncMode.RECEIVE_ONLY)
    assert {(r.organisation, str(r.base), r.system_modstamp) for r in SalesforceRecord.objects.all()} == {
        (new, "{}", None)
    }
    run = cycle()
    assert run.counters["received"]["failed"] == 0
    assert Person.objects.count() == 3
    assert {r.base["title"] for r in SalesforceRecord.objects.all()} == {"Buyer"}
    sync_user.refresh_from_db()
    sync_user.mode = SyncMode.TWO_WAY
    sync_user.save()
    Person.objects.filter(sfdc_id=leads[0]).update(title="Head Buyer")
    cycle()
    assert sandbox.read(leads[0])["Title"] == "Head Buyer"


def test_what_differs_is_settled_by_the_rules_of_first_contact(sandbox, cycle, leads, reconnect, log):
    Person.objects.filter(sfdc_id=leads[0]).update(title="Ours")
    refresh(sandbox)
    sandbox.edit(leads[0], Title="Theirs")
    sandbox.clear_requests()
    reconnect()
    cycle()
    person = person_of(leads[0])
    assert person.title == "Theirs"
    [lost] = log(person, ActivityType.CONFLICT)
    assert lost.detail["lost"] == "Ours"
    assert sandbox.read(leads[0])["Title"] == "Theirs"
    cycle()
    assert not [name for name in sandbox.writes() if "sobjects" in name]


def test_a_record_that_is_not_there_or_is_somebody_elses_is_let_go_and_its_old_id_finds_the_person(
    sandbox, cycle, leads, reconnect, log
):
    gone, other = person_of(leads[1]), person_of(leads[2])
    Person.objects.filter(pk=gone.pk).update(title="Waits")
    refresh(sandbox)
    sandbox.sales.Lead.delete(leads[1])
    sandbox.edit(leads[2], Email="stranger@example.com", LastName="Stranger")
    found = reconnect()
    assert (found.agreed, found.missing, found.other_address) == (1, 1, 1)
    for person, lead in ((gone, leads[1]), (other, leads[2])):
        person.refresh_from_db()
        assert (person.sfdc_type, person.sfdc_id) == ("", "")
        assert FormerId.objects.get(record_id=lead).person_id == person.pk
        assert "No longer linked" in log(person, ActivityType.LINK)[-1].summary
    assert not PendingChange.objects.exists()
    assert not Tombstone.objects.exists()
    cycle()
    # The stranger is a person of its own; the record that came back under another id is found by its address.
    assert person_of(leads[2]).pk != other.pk
    back = sandbox.lead(LastName="b", Email="b@example.com")
    cycle()
    assert person_of(back).pk == gone.pk


def test_the_address_that_the_person_has_now_agrees_too(sandbox, cycle, leads, reconnect):
    Person.objects.filter(sfdc_id=leads[0]).update(email="new@example.com")
    refresh(sandbox)
    sandbox.edit(leads[0], Email="NEW@example.com")
    assert reconnect().agreed == 3


def test_contacts_are_checked_and_a_converted_leads_person_is_found_by_its_contact(sandbox, cycle, leads, reconnect):
    contact = sandbox.contact(LastName="d", Email="d@example.com")
    cycle()
    person = person_of(leads[0])
    refresh(sandbox)
    became = sandbox.convert(leads[0])
    found = reconnect()
    assert (found.agreed, found.missing) == (3, 1)
    assert SalesforceRecord.objects.get(object="Contact").record_id == contact
    cycle()
    person.refresh_from_db()
    assert (person.sfdc_type, person.sfdc_id) == ("Contact", became)
    assert Person.objects.count() == 4


def test_a_person_who_was_deleted_there_stays_deleted(sandbox, cycle, leads, reconnect):
    sandbox.sales.Lead.delete(leads[0])
    cycle()
    sandbox.control("POST", "purge", id=leads[0])
    refresh(sandbox)
    assert reconnect().agreed == 3
    assert person_of(leads[0]).sfdc_is_deleted
    cycle()
    assert person_of(leads[0]).sfdc_is_deleted


def test_a_person_who_was_deleted_here_does_not_come_back(sandbox, cycle, leads, reconnect):
    person_of(leads[0]).delete()
    refresh(sandbox)
    reconnect()
    cycle()
    assert Person.objects.count() == 2


def test_a_production_organisation_is_refused(sandbox, cycle, leads, reconnect):
    sandbox.control("POST", "refresh", is_sandbox=False)
    before = list(SalesforceRecord.objects.values())
    with pytest.raises(CannotSync, match="not a sandbox") as refused:
        reconnect()
    assert refused.value.code == "NOT_A_SANDBOX"
    assert list(SalesforceRecord.objects.values()) == before
    assert SyncUser.objects.get().mode == SyncMode.TWO_WAY
    assert SyncLease.objects.get().expires_at is None


def test_a_sandbox_without_any_of_the_records_is_no_copy(sandbox, cycle, leads, reconnect):
    refresh(sandbox)
    for lead in leads:
        sandbox.edit(lead, Email="stranger@example.com")
    before = list(SalesforceRecord.objects.values())
    with pytest.raises(CannotSync, match="none of the records") as refused:
        reconnect()
    assert refused.value.code == "OTHER_RECORDS"
    assert list(SalesforceRecord.objects.values()) == before
    assert SyncUser.objects.get().mode == SyncMode.TWO_WAY
    sandbox.edit(leads[0], Email="a@example.com")
    found = reconnect()
    assert (found.agreed, found.other_address) == (1, 2)


def test_the_same_organisation_has_nothing_to_reconnect(sandbox, cycle, leads, reconnect):
    with pytest.raises(CannotSync, match="nothing to reconnect"):
        reconnect()
    assert SyncUser.objects.get().mode == SyncMode.TWO_WAY


def test_it_goes_on_where_it_was_broken_off(sandbox, cycle, leads, reconnect, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 1)
    new = refresh(sandbox)
    store, batches = module._store, []

    def killed(*args):
        batches.append(1)
        if len(batches) == 3:
            raise KeyboardInterrupt
        return store(*args)

    monkeypatch.setattr(module, "_store", killed)
    with pytest.raises(KeyboardInterrupt):
        reconnect()
    assert SyncUser.objects.get().mode == SyncMode.RECEIVE_ONLY
    assert SalesforceRecord.objects.filter(organisation=new).count() == 2
    with pytest.raises(CannotSync):
        cycle()
    monkeypatch.setattr(module, "_store", store)
    assert reconnect().agreed == 1
    cycle()
    assert Person.objects.count() == 3


def test_one_query_and_a_few_statements_for_a_batch(
    sandbox, cycle, leads, reconnect, django_assert_max_num_queries, monkeypatch
):
    refresh(sandbox)
    asked: list[str] = []
    addresses = module._addresses

    def noted(context, sobject, ids):
        asked.append(sobject)
        return addresses(context, sobject, ids)

    monkeypatch.setattr(module, "_addresses", noted)
    with django_assert_max_num_queries(60):
        reconnect()
    assert asked == ["Lead", "Lead"]  # a sample, then all


def test_it_waits_for_no_cycle_and_none_runs_beside_it(sandbox, sync_user, cycle, leads, reconnect):
    refresh(sandbox)
    lease = acquire(sync_user)
    with pytest.raises(LeaseHeld):
        reconnect()
    lease.release()
    assert reconnect().agreed == 3


def test_the_run_says_what_was_found(sandbox, cycle, leads, reconnect):
    refresh(sandbox)
    found = reconnect()
    run = SyncRun.objects.get(kind="reconnect")
    assert (run.status, run.notes, run.trigger) == ("completed", [str(found)], "Eva")


def test_the_background_worker_does_it_and_a_dead_one_is_told_apart(sandbox, sync_user, cycle, leads, monkeypatch):
    from syncer import tasks

    died = module.start_run(sync_user, "Eva")
    run = module.start_run(sync_user, "Eva")
    monkeypatch.setattr(tasks, "reconnect", lambda run: module.reconnect(run, around=sandbox.around()))
    refresh(sandbox)
    assert tasks.reconnect_sandbox(run.pk)["status"] == "completed"
    died.refresh_from_db()
    assert died.status == "interrupted"
    again = module.start_run(sync_user, "Eva")
    assert tasks.reconnect_sandbox(again.pk)["code"] == "SAME_ORGANISATION"
    again.refresh_from_db()
    assert (again.status, again.error_code) == ("failed", "SAME_ORGANISATION")


def test_the_command_asks_first_and_says_what_it_found(sandbox, cycle, leads, monkeypatch):
    lead, reconnect = module.where_it_leads, module.reconnect
    monkeypatch.setattr(module, "where_it_leads", lambda: lead(sandbox.open_session))
    monkeypatch.setattr(module, "reconnect", lambda run, **_: reconnect(run, around=sandbox.around()))
    refresh(sandbox)
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit):
        call_command("reconnectsandbox", stdout=out, stderr=err)
    assert "--yes" in err.getvalue()
    assert SyncUser.objects.get().mode == SyncMode.TWO_WAY
    call_command("reconnectsandbox", "--yes", stdout=out, stderr=err)
    assert "3 reconnected" in out.getvalue()
    with pytest.raises(SystemExit):
        call_command("reconnectsandbox", "--yes", stdout=out, stderr=err)
    assert "nothing to reconnect" in err.getvalue()
