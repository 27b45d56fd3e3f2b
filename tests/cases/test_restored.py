"""A database that was restored from a backup sends nothing that is older than what stands in Salesforce."""

from __future__ import annotations

from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from syncer import schedule
from syncer.models import ActivityLogEntry, DatabaseIdentity, Person, ReadSequence, SyncRun, SyncUser
from syncer.sync.connection import high_water
from syncer.sync.errors import CannotSync
from syncer.sync.options import Action, SyncOptions
from syncer.sync.outcomes import Result
from syncer.sync.plan import Plan
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]


def go_back(steps: int = 3) -> None:
    """The sequence of an older database, beside what the newer one has left."""
    given(high_water.file_of(high_water.identity()).exists(), "a cycle said how far it had come")
    ReadSequence.objects.update(value=max(0, high_water.reached() - steps))


@pytest.fixture
def old_edit(salesforce, here, in_sync, quiet):
    """A person with an edit that waits, as in a backup, and a record in which somebody has since entered another."""

    def make(ours: dict[str, object], theirs: dict[str, object], **values: object) -> tuple[str, Person]:
        lead, kim = in_sync(**values)
        quiet()
        here.edit(kim, **ours)
        salesforce.edit(lead, **theirs)
        go_back()
        return lead, kim

    return make


def test_of_two_values_salesforces_stays_and_ours_can_be_read_in_the_log(salesforce, here, old_edit, cycle, quiet):
    lead, kim = old_edit({"city": "ours, old"}, {"City": "sales, newer"}, City="A")
    run = cycle()
    quiet()
    assert (here.again(kim).city, salesforce.read(lead)["City"]) == ("sales, newer", "sales, newer")
    assert ActivityLogEntry.objects.filter(person_id=kim.pk, type="Conflict", summary__contains="ours, old").exists()
    assert any("restored from a backup" in note for note in run.notes)


def test_what_waits_where_salesforce_has_nothing_is_sent_after_everything_was_read(
    salesforce, here, old_edit, cycle, quiet
):
    lead, kim = old_edit({"city": "Oslo"}, {"Title": "CEO"})
    quiet()
    assert (here.again(kim).title, salesforce.read(lead)["City"]) == ("CEO", "Oslo")


def test_an_opt_out_that_waits_is_sent(salesforce, old_edit, quiet):
    lead, _ = old_edit({"unsubscribed": True}, {"Title": "CEO"})
    quiet()
    assert salesforce.read(lead)["HasOptedOutOfEmail"] is True


def test_nothing_is_sent_by_hand_before_everything_was_read(salesforce, old_edit, sync_person, cycle):
    lead, kim = old_edit({"city": "ours, old"}, {"City": "sales, newer"}, City="A")
    with pytest.raises(CannotSync) as refused:
        sync_person(kim)
    assert refused.value.code == "RESTORED_DATABASE"
    assert salesforce.read(lead)["City"] == "sales, newer"
    cycle()
    assert sync_person(kim).result is Result.UNCHANGED


def test_refreshing_by_hand_goes_on(here, old_edit, sync_person):
    _, kim = old_edit({"city": "ours, old"}, {"City": "sales, newer", "Title": "CEO"}, City="A")
    sync_person(kim, options=SyncOptions(action=Action.REFRESH))
    assert (here.again(kim).title, here.again(kim).city) == ("CEO", "sales, newer")


def test_until_each_object_was_read_it_receives_only(salesforce, old_edit, cycle):
    lead, _ = old_edit({"city": "Oslo"}, {"Title": "CEO"})
    cycle(objects=("Contact",))
    assert salesforce.read(lead)["City"] is None
    assert SyncUser.objects.get().restored_at is not None
    cycle()
    cycle()
    assert salesforce.read(lead)["City"] == "Oslo"
    assert SyncUser.objects.get().restored_at is None


def test_a_dry_run_tells_that_nothing_is_sent_and_writes_nothing(old_edit, here, cycle):
    _, kim = old_edit({"city": "Oslo"}, {"Title": "CEO"})
    cycle(plan=(plan := Plan()))
    assert (plan.counts["values received"], plan.counts["values sent"]) == (1, 0)
    assert SyncUser.objects.get().restored_at is None
    assert here.waits(kim)


def test_a_file_that_is_lost_spoilt_or_behind_says_nothing(in_sync, quiet, cycle):
    in_sync()
    quiet()
    path = high_water.file_of(high_water.identity())
    for text in ("{", "[]", '{"sequence": "many"}', '{"sequence": 1}'):
        path.write_text(text)
        given(high_water.behind() is None, f"{text} says nothing")
    path.unlink()
    assert high_water.behind() is None
    cycle()
    assert path.exists()


@pytest.mark.skipif(not settings.REDIS_URL, reason="Redis does not answer here.")
def test_redis_tells_it_where_the_file_is_lost(in_sync, quiet):
    in_sync()
    quiet()
    given(high_water.behind() is None, "nothing has gone back")
    go_back()
    high_water.file_of(high_water.identity()).unlink()
    assert high_water.behind() is not None


def test_the_pages_say_why_nothing_is_sent(in_sync, eva):
    _, kim = in_sync()
    SyncUser.objects.update(restored_at="2026-03-02T09:00Z", restored_why="manage.py restored was run")
    words = "restored from a backup"
    schedule.beat()
    assert words in eva.get(reverse("admin:index")).text
    assert words in eva.get(reverse("admin:syncer_syncuser_change", args=[SyncUser.objects.get().pk])).text
    Person.objects.filter(pk=kim.pk).update(city="Oslo")
    assert words in eva.get(reverse("admin:syncer_person_change", args=[kim.pk])).text


def test_a_directory_that_cannot_be_written_stops_nothing(in_sync, settings, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    settings.STATE_DIR = tmp_path / "file"
    in_sync()
    assert SyncRun.objects.latest("pk").status == "completed"
    assert "a restored backup will not be noticed" in caplog.text


def test_another_database_beside_it_is_not_taken_for_this_one(in_sync, quiet):
    in_sync()
    quiet()
    DatabaseIdentity.objects.all().delete()
    ReadSequence.objects.update(value=0)
    assert high_water.behind() is None


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is a file and knows no cluster.")
def test_a_dump_that_was_restored_into_another_cluster_is_noticed(salesforce, here, in_sync, quiet):
    lead, kim = in_sync(City="A")
    quiet()
    given(high_water.identity().cluster.count("/") == 2, "the cluster is known")
    here.edit(kim, city="ours, old")
    salesforce.edit(lead, City="sales, newer")
    DatabaseIdentity.objects.update(cluster="7/1/16384")
    quiet()
    assert (here.again(kim).city, salesforce.read(lead)["City"]) == ("sales, newer", "sales, newer")


def test_it_is_said_by_hand(salesforce, here, in_sync, quiet):
    lead, kim = in_sync(City="A")
    here.edit(kim, city="ours, old")
    salesforce.edit(lead, City="sales, newer")
    out = StringIO()
    call_command("restored", stdout=out)
    assert "nothing is sent until a cycle has read everything" in out.getvalue()
    quiet()
    assert (here.again(kim).city, salesforce.read(lead)["City"]) == ("sales, newer", "sales, newer")
