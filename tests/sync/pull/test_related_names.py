"""Accounts and users that are renamed: no stamp of a person's record moves, and the new name arrives all the same."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from syncer.models import ActivityLogEntry, FieldMapping, Person, PostponedRecord, SalesforceRecord, SyncCursor
from syncer.salesforce.describe import FieldDescribe
from syncer.sync.cycle import run_cycle
from syncer.sync.errors import CannotSync
from syncer.sync.fields.synced_objects import ACCOUNT
from syncer.sync.plan import Plan, Planned
from syncer.sync.pull import related_names

pytestmark = pytest.mark.django_db


def account(sandbox, name: str) -> str:
    return str(sandbox.sales.Account.create({"Name": name})["id"])


def user(sandbox, username: str = "sales@example.com", **changes: str) -> str:
    """Make a user, or change one; gives the id."""
    sandbox.time.pass_(1)
    return str(sandbox.control("POST", "users", username=username, **changes)["id"])


def access(sandbox, sobject: str, level: str) -> None:
    sandbox.time.pass_(5)
    sandbox.control("POST", "access", username="sync@example.com", object=sobject, access=level)


def queries_of_accounts(sandbox) -> int:
    requests = sandbox.control("GET", "requests")["requests"]
    return sum(n for name, n in requests.items() if name.startswith("GET") and "/query" in name)


def in_collections(sandbox, method: str, rows: list[dict[str, Any]]) -> list[str]:
    """Make or change accounts, 200 a call; gives their ids."""
    found = []
    for start in range(0, len(rows), 200):
        body = {"records": [{"attributes": {"type": "Account"}} | row for row in rows[start : start + 200]]}
        found += [row["id"] for row in sandbox.sales.restful("composite/sobjects", method=method, json=body)]
    return found


def cursor(name: str) -> SyncCursor:
    return SyncCursor.objects.get(object=name)


def test_a_renamed_account_reaches_all_of_its_contacts_and_nobody_else(sandbox, cycle, log):
    acme, other = account(sandbox, "Acme"), account(sandbox, "Other")
    ours = [sandbox.contact(LastName=f"Ode {n}", AccountId=acme) for n in range(3)]
    theirs, alone = sandbox.contact(AccountId=other), sandbox.contact()
    cycle()
    assert set(SalesforceRecord.objects.filter(record_id__in=ours).values_list("account_id", flat=True)) == {acme}
    sandbox.edit(acme, Name="Acme Group")
    run = cycle()
    assert set(Person.objects.filter(sfdc_id__in=ours).values_list("company", flat=True)) == {"Acme Group"}
    assert Person.objects.get(sfdc_id=theirs).company == "Other"
    assert Person.objects.get(sfdc_id=alone).company == ""
    assert run.counters["received"]["updated"] == 3
    assert run.api_calls == 1
    [entry] = [e for e in log(Person.objects.get(sfdc_id=ours[0]), "Change Data Value") if e.field == "company"]
    assert (entry.detail["old"], entry.detail["new"]) == ("Acme", "Acme Group")


def test_what_was_followed_is_not_applied_again_and_a_quiet_cycle_is_one_call(sandbox, cycle):
    acme = account(sandbox, "Acme")
    sandbox.contact(AccountId=acme)
    sandbox.lead()
    cycle()
    sandbox.edit(acme, Name="Acme Group")
    user(sandbox, last_name="Seller")
    cycle()
    records = list(SalesforceRecord.objects.order_by("pk").values())
    persons = list(Person.objects.order_by("pk").values())
    logged = ActivityLogEntry.objects.count()
    for _ in range(2):  # the first one reads both again, in the overlap
        sandbox.clear_requests()
        run = cycle()
        assert sandbox.api_calls == run.api_calls == 1
        sandbox.time.pass_(900)
    assert list(SalesforceRecord.objects.order_by("pk").values()) == records
    assert list(Person.objects.order_by("pk").values()) == persons
    assert ActivityLogEntry.objects.count() == logged


def test_a_first_cycle_reads_no_history_of_accounts(sandbox, cycle):
    """Nor do later ones: what was there before is known from the contacts."""
    in_collections(sandbox, "POST", [{"Name": f"Account {n}"} for n in range(2200)])
    sandbox.contact(AccountId=account(sandbox, "Acme"))
    sandbox.time.pass_(900)
    sandbox.clear_requests()
    run = cycle()
    assert Person.objects.get().company == "Acme"
    assert queries_of_accounts(sandbox) == 2  # which organisation it is, who we are
    assert "Following Accounts" not in [phase["name"] for phase in run.phases]
    assert cycle().api_calls == 1
    assert cursor("Account").resume_stamp is None


def test_a_contact_that_moved_is_followed_by_its_new_account(sandbox, cycle):
    acme, other = account(sandbox, "Acme"), account(sandbox, "Other")
    contact = sandbox.contact(AccountId=acme)
    cycle()
    sandbox.edit(contact, AccountId=other)
    sandbox.edit(acme, Name="Acme Group")
    cycle()
    assert (Person.objects.get().company, SalesforceRecord.objects.get().account_id) == ("Other", other)
    assert not ActivityLogEntry.objects.filter(summary__contains="Acme Group").exists()
    sandbox.edit(other, Name="Another")
    cycle()
    assert Person.objects.get().company == "Another"
    sandbox.edit(contact, AccountId=None)
    cycle()
    assert (Person.objects.get().company, SalesforceRecord.objects.get().account_id) == ("", "")


def test_a_contact_that_is_no_longer_visible_keeps_its_company_until_it_is_seen_again(sandbox, cycle):
    acme = account(sandbox, "Acme")
    contact = sandbox.contact(AccountId=acme)
    cycle()
    sandbox.control("POST", "sharing", id=contact, visible=False)
    SalesforceRecord.objects.update(hidden_since=sandbox.time())
    sandbox.edit(acme, Name="Acme Group")
    cycle()
    assert Person.objects.get().company == "Acme"
    assert SalesforceRecord.objects.get().hidden_since is not None
    sandbox.control("POST", "sharing", id=contact, visible=True)
    sandbox.edit(contact, Title="Buyer")
    cycle()
    assert Person.objects.get().company == "Acme Group"
    assert SalesforceRecord.objects.get().hidden_since is None


def test_an_edit_here_of_the_company_of_a_contact_loses_to_the_new_name_and_is_logged(sandbox, cycle, log):
    acme = account(sandbox, "Acme")
    contact = sandbox.contact(AccountId=acme)
    cycle()
    Person.objects.update(company="Ours", title="Buyer")
    sandbox.edit(acme, Name="Acme Group")
    cycle()
    person = Person.objects.get()
    assert person.company == "Acme Group"
    assert log(person, "Conflict")[0].detail["lost"] == "Ours"
    assert sandbox.read(contact)["Title"] == "Buyer"


def test_a_renamed_user_is_the_renamed_owner_of_his_records(sandbox, cycle, log):
    sally = user(sandbox)
    lead, contact = sandbox.lead(OwnerId=sally), sandbox.contact(OwnerId=sally)
    kim = user(sandbox, "kim@example.com", first_name="Kim", last_name="Ode")
    other = sandbox.lead(OwnerId=kim)
    cycle()
    owners = {link.record_id: (link.owner_name, link.owner_email) for link in SalesforceRecord.objects.all()}
    assert owners[lead] == owners[contact] == ("Sally Sales", "sales@example.com")
    user(sandbox, last_name="Seller", email="sally@example.com")
    assert cycle().api_calls == 1
    owners = {link.record_id: (link.owner_name, link.owner_email) for link in SalesforceRecord.objects.all()}
    assert owners[lead] == owners[contact] == ("Sally Seller", "sally@example.com")
    assert owners[other] == ("Kim Ode", "kim@example.com")
    assert not log(Person.objects.get(sfdc_id=lead), "Change Owner")


def test_a_lead_of_a_queue_has_no_owner_with_a_name(sandbox, cycle):
    queue = sandbox.control("POST", "queues", name="Hot leads", objects=["Lead"])["id"]
    lead = sandbox.lead(OwnerId=queue)
    cycle()
    link = SalesforceRecord.objects.get()
    assert (link.owner_id, link.owner_name, link.owner_email) == (queue, "", "")
    sally = user(sandbox)
    sandbox.edit(lead, OwnerId=sally)
    cycle()
    assert SalesforceRecord.objects.get().owner_name == "Sally Sales"
    sandbox.edit(lead, OwnerId=queue)
    cycle()
    link = SalesforceRecord.objects.get()
    assert (link.owner_id, link.owner_name, link.owner_email) == (queue, "", "")


def test_a_converted_lead_is_followed_as_the_contact(sandbox, cycle):
    acme = account(sandbox, "Acme")
    lead = sandbox.lead()
    cycle()
    contact = sandbox.convert(lead, account=acme)
    cycle()
    link = SalesforceRecord.objects.get()
    assert (link.record_id, link.account_id) == (contact, acme)
    sandbox.edit(acme, Name="Acme Group")
    cycle()
    assert Person.objects.get().company == "Acme Group"


@pytest.fixture
def nightly_job(sandbox, cycle) -> list[str]:
    """4,100 accounts that were touched in one second, and a contact at the first and at the last of them."""
    accounts = in_collections(sandbox, "POST", [{"Name": f"Account {n}"} for n in range(4100)])
    for sample in (accounts[0], accounts[-1]):
        sandbox.contact(AccountId=sample)
    cycle()
    sandbox.time.pass_(900)
    cycle()  # from now on the contacts lie behind the overlap
    in_collections(sandbox, "PATCH", [{"id": key, "Name": f"Renamed {n}"} for n, key in enumerate(accounts)])
    return accounts


def companies() -> list[str]:
    return list(Person.objects.order_by("sfdc_id").values_list("company", flat=True))


def test_a_nightly_job_is_spread_over_cycles(sandbox, cycle, nightly_job, monkeypatch):
    monkeypatch.setattr(related_names, "PAGES_A_CYCLE", 1)
    begun = cursor("Account").read_to
    assert cycle().api_calls == 1
    assert companies() == ["Renamed 0", "Account 4099"]
    assert (cursor("Account").resume_id, cursor("Account").read_to) == (nightly_job[1999], begun)
    assert cycle().api_calls == 1
    sandbox.edit(nightly_job[0], Name="Once more")  # behind the place that was reached
    cycle()
    assert companies() == ["Once more", "Renamed 4099"]
    assert cursor("Account").resume_stamp is None
    assert cursor("Account").read_to != begun
    assert cursor("Account").reading_since is None


def test_within_the_budget_all_pages_are_read_at_once(sandbox, cycle, nightly_job):
    assert cycle().api_calls == 3
    assert companies() == ["Renamed 0", "Renamed 4099"]


def test_a_cycle_that_fails_behind_the_first_page_loses_nothing(sandbox, cycle, nightly_job):
    sandbox.fault("/query", "status", status=500, code="UNKNOWN_EXCEPTION", nth=5, times=100)
    with pytest.raises(CannotSync):
        cycle()
    sandbox.control("DELETE", "faults")
    assert companies() == ["Renamed 0", "Account 4099"]
    assert cursor("Account").resume_id == nightly_job[1999]
    sandbox.clear_requests()
    assert cycle().api_calls == 2
    assert companies() == ["Renamed 0", "Renamed 4099"]


def test_a_dry_run_tells_the_new_names_and_writes_nothing(sandbox, cycle):
    acme = account(sandbox, "Acme")
    quiet, edited = (sandbox.contact(LastName=name, AccountId=acme) for name in ("Quiet", "Edited"))
    cycle()
    sandbox.time.pass_(900)
    sandbox.edit(acme, Name="Acme Group")
    sandbox.edit(edited, Title="Buyer")
    user(sandbox, last_name="Seller")
    Person.objects.filter(sfdc_id=quiet).update(city="Ghent")
    before = [list(model.objects.order_by("pk").values()) for model in (Person, SalesforceRecord, SyncCursor)]
    told: list[Planned] = []
    cycle(plan=Plan(tell=told.append))
    assert [list(model.objects.order_by("pk").values()) for model in (Person, SalesforceRecord, SyncCursor)] == before
    values = sorted((p.record_id, f.field, f.side, f.new) for p in told for f in p.fields)
    assert values == sorted(
        [
            (quiet, "company", "here", "Acme Group"),
            (quiet, "city", "there", "Ghent"),
            (edited, "company", "here", "Acme Group"),
            (edited, "title", "here", "Buyer"),
        ]
    )


def test_a_first_dry_run_leaves_no_cursor(sandbox, cycle):
    sandbox.contact(AccountId=account(sandbox, "Acme"))
    cycle(plan=Plan())
    assert not SyncCursor.objects.exists()


@pytest.mark.parametrize("seen_first", [True, False])
def test_accounts_that_the_sync_user_may_not_see_stop_nothing(sandbox, cycle, seen_first):
    acme = account(sandbox, "Acme")
    contact = sandbox.contact(AccountId=acme, Title="Buyer")
    if seen_first:
        cycle()
    access(sandbox, "Account", "hidden")
    sandbox.edit(contact, Title="Head Buyer")
    assert cycle().status == "completed"
    person = Person.objects.get()
    assert (person.title, person.company) == ("Head Buyer", "Acme" if seen_first else "")
    assert not FieldMapping.objects.get(salesforce_field="Account.Name").readable
    sandbox.time.pass_(900)
    sandbox.clear_requests()
    assert cycle().api_calls == 1
    sandbox.edit(acme, Name="Acme Group")
    cycle()
    access(sandbox, "Account", "edit")
    cycle()
    assert Person.objects.get().company == "Acme Group"
    sandbox.edit(acme, Name="Acme Holding")
    cycle()
    assert Person.objects.get().company == "Acme Holding"


def test_users_that_the_sync_user_may_not_see_stop_nothing(sandbox, cycle):
    contact = sandbox.contact(OwnerId=user(sandbox))
    cycle()
    access(sandbox, "User", "hidden")
    sandbox.edit(contact, Title="Buyer")
    assert cycle().status == "completed"
    assert Person.objects.get().title == "Buyer"
    access(sandbox, "User", "edit")
    sandbox.edit(contact, Title="Head Buyer")
    cycle()
    cycle()
    assert SalesforceRecord.objects.get().owner_name == "Sally Sales"


def test_a_hidden_object_is_told_by_a_dry_run_without_a_trace(sandbox, cycle, sync_user):
    sandbox.contact(AccountId=account(sandbox, "Acme"))
    cycle()
    access(sandbox, "Account", "hidden")
    cycle(plan=Plan())
    assert FieldMapping.objects.get(salesforce_field="Account.Name").readable
    assert not sync_user.described.filter(name="Account").exists()


def test_a_name_that_is_not_received_is_not_asked_for_until_it_is_again(sandbox, cycle):
    acme = account(sandbox, "Acme")
    sandbox.contact(AccountId=acme)
    cycle()
    mapping = FieldMapping.objects.filter(salesforce_field__in=[field.name for field in ACCOUNT.fields.values()])
    assert mapping.update(enabled=False) == len(ACCOUNT.fields)
    sandbox.edit(acme, Name="Acme Group")
    cycle()
    assert Person.objects.get().company == "Acme"
    assert not SyncCursor.objects.filter(object="Account").exists()
    mapping.update(enabled=True)
    cycle()
    assert Person.objects.get().company == "Acme Group"
    sandbox.edit(acme, Name="Acme Holding")
    cycle()
    assert Person.objects.get().company == "Acme Holding"


def test_contacts_read_before_accounts_were_followed_are_followed_too(sandbox, cycle):
    """A database of an earlier version does not know whose contacts they are."""
    acme = account(sandbox, "Acme")
    sandbox.contact(AccountId=acme)
    cycle()
    SalesforceRecord.objects.update(account_id="")
    SyncCursor.objects.filter(object__in=["Account", "User"]).delete()
    sandbox.time.pass_(900)
    cycle()
    assert SalesforceRecord.objects.get().account_id == acme
    sandbox.edit(acme, Name="Acme Group")
    cycle()
    assert Person.objects.get().company == "Acme Group"


def test_one_more_field_of_accounts_is_mapped_filled_in_and_followed(sandbox, cycle, monkeypatch):
    """An entry in the table is all it takes, also where contacts were synced without it before."""
    sandbox.control("POST", "fields", object="Account", name="Partner__c", type="Checkbox")
    [acme, other] = in_collections(
        sandbox, "POST", [{"Name": "Acme", "Industry": "Energy", "Partner__c": True}, {"Name": "Other"}]
    )
    ours, theirs = sandbox.contact(AccountId=acme), sandbox.contact(AccountId=other)
    cycle()
    monkeypatch.setitem(ACCOUNT.fields, "industry", FieldDescribe("Account.Industry", "Industry", "picklist"))
    monkeypatch.setitem(ACCOUNT.fields, "Partner", FieldDescribe("Account.Partner__c", "Partner", "boolean"))

    def received(contact: str) -> tuple[str, str, bool | None]:
        person = Person.objects.get(sfdc_id=contact)
        return person.company, person.industry, person.custom.get("Partner")

    sandbox.time.pass_(3700)  # the field list is read in full once an hour
    cycle()
    assert received(ours) == ("Acme", "Energy", True)
    assert received(theirs) == ("Other", "", None)
    mapping = FieldMapping.objects.get(salesforce_field="Account.Industry")
    assert (mapping.object, mapping.person_field, mapping.updateable) == ("Contact", "industry", False)

    sandbox.time.pass_(900)
    cycle()
    sandbox.edit(acme, Industry="Media")
    sandbox.edit(other, Partner__c=True)
    assert cycle().counters["received"]["updated"] == 2
    assert received(ours) == ("Acme", "Media", True)
    assert received(theirs) == ("Other", "", True)

    renamed = merged_by(monkeypatch)
    cycle()  # reads both again, in the overlap
    assert renamed == []


def merged_by(monkeypatch) -> list[int]:
    """The persons that are loaded from now on because their account changed."""
    loaded: list[int] = []
    load = related_names._merged

    def told(context, fields, accounts, ids):
        loaded.extend(ids)
        return load(context, fields, accounts, ids)

    monkeypatch.setattr(related_names, "_merged", told)
    return loaded


def test_a_full_cycle_repairs_owners_and_accounts(sandbox, cycle):
    acme = account(sandbox, "Acme")
    sandbox.contact(AccountId=acme, OwnerId=user(sandbox))
    cycle()
    SalesforceRecord.objects.update(account_id="", owner_name="Nobody", owner_email="")
    sandbox.time.pass_(900)
    cycle(full=True)
    link = SalesforceRecord.objects.get()
    assert (link.account_id, link.owner_name, link.owner_email) == (acme, "Sally Sales", "sales@example.com")


def test_an_older_answer_does_not_undo_a_forced_sync(sandbox, sync_user, cycle, sync_person, time):
    """*Sync Person to SFDC* has read the newest names before the cycle applies those that it was told before."""
    acme = account(sandbox, "Acme")
    sandbox.contact(AccountId=acme, OwnerId=user(sandbox))
    cycle()
    sandbox.edit(acme, Name="Older")
    user(sandbox, last_name="Older")
    time.pass_(60)

    def meanwhile(phase: str, done: int, total: int | None) -> None:
        if phase == "Receiving Contacts":
            sandbox.edit(acme, Name="Newer")
            user(sandbox, last_name="Newer")
            sync_person(Person.objects.get())

    run_cycle(trigger="test", around=sandbox.around(progress=meanwhile))
    assert (Person.objects.get().company, SalesforceRecord.objects.get().owner_name) == ("Newer", "Sally Newer")
    cycle()
    assert (Person.objects.get().company, SalesforceRecord.objects.get().owner_name) == ("Newer", "Sally Newer")
    assert not PostponedRecord.objects.exists()


def test_the_records_of_an_account_and_of_a_user_are_found_by_index(sandbox, cycle, sync_user):
    """They must not be looked for among all records: the queries imply the conditions of the partial indexes."""
    acme = account(sandbox, "Acme")
    sandbox.contact(AccountId=acme, OwnerId=user(sandbox))
    cycle()
    sync_user.refresh_from_db()
    others = Person.objects.bulk_create(Person(last_name=f"Ode {n}") for n in range(2000))
    SalesforceRecord.objects.bulk_create(
        SalesforceRecord(
            person=person,
            organisation=sync_user.organisation_id,
            object="Contact",
            record_id=f"003{n:015}",
            account_id=f"001{n:015}",
            owner_id=f"005{n:015}",
        )
        for n, person in enumerate(others)
    )
    sandbox.edit(acme, Name="Acme Group")
    user(sandbox, last_name="Seller")
    with CaptureQueriesContext(connection) as captured:
        cycle()
    asked = [query["sql"] for query in captured if query["sql"].startswith('SELECT t."person_id"')]
    assert len(asked) == 2
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as plain:
        plain.execute("ANALYZE syncer_salesforcerecord")
        for sql, index in zip(asked, ("syncer_record_account", "syncer_record_owner"), strict=True):
            plain.execute(f"{explain} {sql}")
            assert index in str(plain.fetchall())
