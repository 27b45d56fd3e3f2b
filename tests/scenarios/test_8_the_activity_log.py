"""docs/behaviour.md 8: the activity log."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from syncer.models import ActivityLogEntry, Person, SyncRun
from syncer.sync.options import Action, SyncOptions
from tests.admin.pages import form_data

pytestmark = pytest.mark.django_db

KIM = "kim@example.com"
LOG = "admin:syncer_activitylogentry_changelist"


def test_8_one_entry_per_event_with_type_time_actor_run_status_and_detail(salesforce, here, in_sync, cycle, time):
    lead, kim = in_sync(Title="Buyer")
    salesforce.edit(lead, Title="Head Buyer")
    run = cycle()
    [entry] = here.log(kim, "Change Data Value")
    assert (entry.at, entry.run_id, entry.status) == (time(), run.pk, "ok")
    assert entry.actor == "Salesforce: Sally Sales"
    assert (entry.detail["old"], entry.detail["new"]) == ("Buyer", "Head Buyer")
    cycle()
    assert len(here.log(kim)) == 2  # with "New Person": nothing is told twice


def test_8_the_actor_is_a_user_the_schedule_or_the_salesforce_user(salesforce, here, in_sync, cycle, sync_person, eva):
    lead, kim = in_sync()
    url = reverse("admin:syncer_person_change", args=[kim.pk])
    eva.post(url, form_data(eva.get(url)) | {"title": "By a user"})
    cycle()
    salesforce.edit(lead, Phone="1")
    sync_person(kim)
    actors = [(entry.type, entry.actor) for entry in here.log(kim)]
    assert actors == [
        ("New Person", "Salesforce"),
        ("Change Data Value", "eva"),
        ("Sync Person Updates to SFDC", "schedule"),
        ("Change Data Value", "Salesforce: Sally Sales"),
    ]


def test_8_it_is_append_only(here, in_sync, eva):
    _, kim = in_sync()
    [entry] = here.log(kim)
    page = reverse("admin:syncer_activitylogentry_change", args=[entry.pk])
    assert eva.get(page).status_code == 200
    assert eva.post(page, {"summary": "Nothing happened"}).status_code == 403
    for name in ("add", "delete"):
        arguments = [entry.pk] if name == "delete" else []
        assert eva.get(reverse(f"admin:syncer_activitylogentry_{name}", args=arguments)).status_code == 403
    assert [e.summary for e in here.log(kim)] == [entry.summary]


def test_8_it_outlives_the_person(here, in_sync):
    _, kim = in_sync()
    number = kim.pk
    kim.delete()
    assert ActivityLogEntry.objects.filter(person_id=number, person_name="Ode").exists()


# -- the types --------------------------------------------------------------------------------------------------------


class Story:
    """Everything that can happen to somebody, by the type of its entry."""

    def __init__(self, salesforce, here, in_sync, cycle, sync_person) -> None:
        self.salesforce, self.here, self.cycle, self.sync_person = salesforce, here, cycle, sync_person
        self.in_sync = in_sync

    def new_person(self) -> Person:
        return self.in_sync()[1]

    def change_data_value(self) -> Person:
        lead, kim = self.in_sync(Title="Buyer")
        self.salesforce.edit(lead, Title="Head Buyer")
        self.cycle()
        return kim

    def sync_person_to_sfdc(self) -> Person:
        kim = self.here.add()
        self.sync_person(kim)
        return kim

    def sync_person_updates_to_sfdc(self) -> Person:
        _, kim = self.in_sync()
        self.here.edit(kim, title="Buyer")
        self.cycle()
        return kim

    def link_to_salesforce(self) -> Person:
        kim = self.here.add(email=KIM)
        self.salesforce.lead(Email=KIM)
        self.cycle()
        return kim

    def conflict(self) -> Person:
        lead, kim = self.in_sync(Title="Buyer")
        self.salesforce.edit(lead, Title="Theirs")
        self.here.edit(kim, title="Ours")
        self.cycle()
        return kim

    def sync_failed(self) -> Person:
        _, kim = self.in_sync()
        self.here.edit(kim, title="x" * 200)
        self.cycle()
        return kim

    def convert_lead(self) -> Person:
        lead, kim = self.in_sync()
        self.salesforce.convert(lead)
        self.cycle()
        return kim

    def merge_people(self) -> Person:
        (winner, kim), (loser, _) = self.in_sync(), self.in_sync()
        self.salesforce.merge(winner, loser)
        self.cycle()
        return kim

    def delete_from_sfdc(self) -> Person:
        _, kim = self.in_sync()
        self.sync_person(kim, options=SyncOptions(action=Action.DELETE))
        return kim

    def deleted_in_sfdc(self) -> Person:
        lead, kim = self.in_sync()
        self.salesforce.delete(lead)
        self.cycle()
        return kim

    def undeleted_in_sfdc(self) -> Person:
        kim = self.deleted_in_sfdc()
        self.salesforce.undelete(kim.sfdc_id)
        self.cycle()
        return kim

    def change_owner(self) -> Person:
        lead, kim = self.in_sync()
        self.salesforce.edit(lead, OwnerId=self.salesforce.user("sync@example.com"))
        self.cycle()
        return kim


TYPES = {
    "New Person": Story.new_person,
    "Change Data Value": Story.change_data_value,
    "Sync Person to SFDC": Story.sync_person_to_sfdc,
    "Sync Person Updates to SFDC": Story.sync_person_updates_to_sfdc,
    "Link to Salesforce": Story.link_to_salesforce,
    "Conflict": Story.conflict,
    "Sync failed": Story.sync_failed,
    "Convert Lead": Story.convert_lead,
    "Merge People": Story.merge_people,
    "Delete from SFDC": Story.delete_from_sfdc,
    "Deleted in SFDC": Story.deleted_in_sfdc,
    "Undeleted in SFDC": Story.undeleted_in_sfdc,
    "Change Owner": Story.change_owner,
}


@pytest.mark.parametrize("kind", TYPES)
def test_8_every_event_has_a_type(salesforce, here, in_sync, cycle, sync_person, eva, kind):
    kim = TYPES[kind](Story(salesforce, here, in_sync, cycle, sync_person))
    entries = here.log(kim, kind)
    assert entries
    assert entries[-1].summary
    assert entries[-1].run_id is not None


# -- finding ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def busy_day(salesforce, here, cycle) -> tuple[Person, Person, SyncRun]:
    """Alex was refused in Salesforce on Monday; Kim was changed there after midnight."""
    leads = [salesforce.lead(LastName=name, Title="Buyer") for name in ("Kim", "Alex")]
    cycle()
    kim, alex = (here.person(lead) for lead in leads)
    here.edit(alex, last_name="x" * 100)
    cycle()
    salesforce.time.pass_(16 * 3600)
    salesforce.edit(leads[0], Title="Head Buyer")
    return kim, alex, cycle()


def found(eva, **wanted: Any) -> list[str]:
    """What the log shows with this search and these filters: persons and types."""
    page = eva.get(reverse(LOG), wanted)
    assert page.status_code == 200
    return sorted(f"{entry.person_name[:4]}: {entry.type}" for entry in page.context["cl"].queryset)


def test_8_it_is_searchable(busy_day, eva):
    assert found(eva, q="Kim") == ["Kim: Change Data Value", "Kim: New Person"]


@pytest.mark.parametrize(
    ("by", "shows"),
    [
        ("type", ["Kim: Change Data Value"]),
        ("person", ["Alex: New Person", "xxxx: Sync failed"]),
        ("run", ["Kim: Change Data Value"]),
        ("error code", ["xxxx: Sync failed"]),
        ("date", ["Kim: Change Data Value"]),
    ],
)
def test_8_and_filterable_by_type_person_run_error_code_and_date(busy_day, eva, by, shows):
    kim, alex, run = busy_day
    wanted = {
        "type": {"type__exact": "Change Data Value"},
        "person": {"person_id": alex.pk},
        "run": {"run__id__exact": run.pk},
        "error code": {"code__exact": "STRING_TOO_LONG"},
        "date": {"since": "2026-03-03"},
    }
    assert found(eva, **wanted[by]) == shows


def test_8_it_is_exportable_as_csv(busy_day, eva):
    answer = eva.get(reverse("admin:syncer_activitylogentry_export"), {"q": "Kim"})
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 2
    assert any("Head Buyer" in str(row) for row in rows)


def test_8_a_retention_command_prunes_old_entries(salesforce, here, busy_day):
    kim, alex, _ = busy_day
    salesforce.time.pass_(91 * 86_400)
    call_command("pruneactivity", verbosity=0)
    assert [entry.type for entry in here.log(kim)] == ["New Person"]  # this one is kept
    assert [entry.type for entry in here.log(alex)] == ["New Person"]
