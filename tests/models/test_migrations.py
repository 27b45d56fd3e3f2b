"""What older versions stored is carried over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models.signals import pre_migrate
from django.test import Client
from django.urls import reverse

from syncer.models import PendingChange, Person, RunPerson, SyncRun, triggers
from syncer.sync.store import run_persons
from tests.admin.pages import words

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = ("syncer", "0003_claimed_index")
AFTER = ("syncer", "0004_runs_say_what_they_are")

OUTCOME = {
    "person_id": 7,
    "name": "Kim Ode",
    "result": "Created",
    "message": "Created Lead 00Q000000000001AAA.",
    "code": "",
    "remedy": "",
    "sfdc_type": "Lead",
    "sfdc_id": "00Q000000000001AAA",
    "sent": ["last_name"],
    "received": [],
}
FAILED = OUTCOME | {"person_id": 8, "result": "Failed", "message": "No.", "code": "X", "sfdc_id": "", "sent": []}

#: The bag as it was stored, by the kind of run.
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "cycle": ("cycle", {"objects": ["Lead", "Contact"], "full": False}),
    "out of time": ("cycle", {"objects": ["Lead"], "full": True, "unfinished": True}),
    "preview": ("preview", {"objects": ["Lead", "Contact"], "full": False}),
    "reconnect": ("preview", {"reconnect": True}),
    "sync": ("persons", {"persons": 3, "left": [9], "outcomes": [OUTCOME, FAILED]}),
    "owner": (
        "persons",
        {
            "persons": 1,
            "action": "owner",
            "owner": "005000000000001AAA",
            "asked": [["Owner", "Sally Sales"]],
            "left": [],
            "outcomes": [OUTCOME],
        },
    ),
    "in the queue": ("persons", {"persons": 40, "action": "refresh"}),
    "empty": ("cycle", {}),
}


def migrate(target: tuple[str, str]) -> Any:
    """Put the database to this version. Return its models."""
    call_command("migrate", *target, verbosity=0)
    return MigrationExecutor(connection).loader.project_state([target]).apps if target[1] != "zero" else None


@contextmanager
def database_of(version: tuple[str, str]) -> Iterator[Any]:
    """The models of an older version, of a database of that version; put back afterwards."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes("syncer")[0]
    try:
        yield migrate(version)
    finally:
        migrate(newest)


@pytest.fixture
def old() -> Iterator[Any]:
    with database_of(BEFORE) as models:
        yield models


def test_runs_and_what_became_of_their_persons_are_carried_over_and_back(old: Any) -> None:
    user = old.get_model("syncer", "SyncUser").objects.create(name="Sandbox", login_url="http://127.0.0.1:1")
    kept: dict[str, int] = {}
    for name, (kind, options) in OPTIONS.items():
        run = old.get_model("syncer", "SyncRun").objects.create(sync_user=user, kind=kind, options=options)
        kept[name] = run.pk
    old.get_model("syncer", "OptOut").objects.create(address_hash="x")

    new = migrate(AFTER)
    runs = {name: new.get_model("syncer", "SyncRun").objects.get(pk=pk) for name, pk in kept.items()}
    assert {name: run.kind for name, run in runs.items()} == {
        name: "reconnect" if name == "reconnect" else kind for name, (kind, _) in OPTIONS.items()
    }
    assert runs["cycle"].sobjects == ["Lead", "Contact"]
    assert (runs["out of time"].sobjects, runs["out of time"].full, runs["out of time"].unfinished) == (
        ["Lead"],
        True,
        True,
    )
    assert (runs["sync"].action, runs["sync"].asked, runs["sync"].person_count) == ("sync", {}, 3)
    assert runs["owner"].action == "owner"
    assert runs["owner"].asked == {"owner": "005000000000001AAA"}
    assert runs["owner"].asked_in_words == [["Owner", "Sally Sales"]]
    assert (runs["in the queue"].action, runs["in the queue"].person_count) == ("refresh", 40)
    rows = list(runs["sync"].persons.order_by("position").values())
    for row, outcome in zip(rows, (OUTCOME, FAILED), strict=False):
        assert {name: row[name] for name in outcome} == outcome
    assert [(row["person_id"], row["result"]) for row in rows] == [(7, "Created"), (8, "Failed"), (9, "")]

    back = migrate(BEFORE)
    for name, pk in kept.items():
        run = back.get_model("syncer", "SyncRun").objects.get(pk=pk)
        kind, options = OPTIONS[name]
        nobody: dict[str, Any] = {"left": [], "outcomes": []} if kind == "persons" else {}
        usual: dict[str, Any] = {} if kind == "persons" or name == "reconnect" else {"objects": [], "full": False}
        assert (run.kind, run.options) == (kind, nobody | usual | options)
    assert not back.get_model("syncer", "OptOut").objects.exists()


def test_an_old_run_still_has_its_pages(old: Any, admin_client: Client) -> None:
    user = old.get_model("syncer", "SyncUser").objects.create(name="Sandbox", login_url="http://127.0.0.1:1")
    kind, options = OPTIONS["sync"]
    old.get_model("syncer", "SyncRun").objects.create(sync_user=user, kind=kind, options=options, status="interrupted")
    migrate(AFTER)
    run = SyncRun.objects.get()
    assert [told.name for told in run_persons.outcomes(run)] == ["Kim Ode", "Kim Ode"]
    assert RunPerson.objects.filter(run=run).count() == 3
    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes("syncer")[0])
    page = words(admin_client.get(reverse("admin:syncer_person_sync_run", args=[run.pk])))
    assert "Interrupted after 2 of 3 persons." in page
    assert "Created Lead 00Q000000000001AAA." in page
    page = words(admin_client.get(reverse("admin:syncer_syncrun_change", args=[run.pk])))
    assert "Persons 3: 1 created, 1 failed" in page


BEFORE_CLAIMS, CLAIMS = ("syncer", "0008_portions_and_places"), ("syncer", "0009_claims_and_postponed")


@pytest.fixture
def before_claims() -> Iterator[Any]:
    with database_of(BEFORE_CLAIMS) as models:
        yield models


def test_what_waited_under_a_claim_waits_and_what_only_carried_one_goes(before_claims: Any) -> None:
    people, outbox = (before_claims.get_model("syncer", name).objects for name in ("Person", "PendingChange"))
    rows = {
        "carries a claim only": {"revision": 0, "state": "in_flight", "claim": "cycle-1"},
        "was being sent": {"revision": 3, "state": "in_flight", "claim": "cycle-1"},
        "lost its answer": {"revision": 0, "state": "in_flight", "claim": "cycle-1", "in_doubt": {"city": "Ghent"}},
        "was refused": {"revision": 2, "state": "failed", "claim": "persons-1", "error_code": "X"},
        "was refused before": {"revision": 0, "state": "in_flight", "claim": "persons-1", "error_code": "X"},
        "waits": {"revision": 1, "state": "pending"},
    }
    for name, values in rows.items():
        outbox.create(person=people.create(last_name=name), **values)
    new = migrate(CLAIMS).get_model("syncer", "PendingChange").objects
    assert dict(new.values_list("person__last_name", "state")) == {
        "was being sent": "pending",
        "lost its answer": "pending",
        "was refused": "failed",
        "was refused before": "pending",
        "waits": "pending",
    }


def test_what_is_postponed_is_carried_over_and_back(before_claims: Any) -> None:
    user = before_claims.get_model("syncer", "SyncUser").objects.create(name="Sandbox", login_url="http://127.0.0.1:1")
    lists = {"Lead": ["00QA", "00QB"], "Contact": ["003A"], "Account": []}
    for name, waiting in lists.items():
        before_claims.get_model("syncer", "SyncCursor").objects.create(sync_user=user, object=name, postponed=waiting)
    rows = migrate(CLAIMS).get_model("syncer", "PostponedRecord").objects.order_by("pk")
    assert sorted(rows.values_list("object", "record_id")) == [("Contact", "003A"), ("Lead", "00QA"), ("Lead", "00QB")]
    back = migrate(BEFORE_CLAIMS)
    assert dict(back.get_model("syncer", "SyncCursor").objects.values_list("object", "postponed")) == lists


def test_a_column_that_a_trigger_names_can_go_and_come_back(without_triggers: Any, linked: Person) -> None:
    with without_triggers:
        assert triggers.missing() == [
            t.name for t in triggers.triggers_for(connection)
        ]  # those of this version name the column; an older one would bring its own
    PendingChange.objects.all().delete()
    Person.objects.filter(pk=linked.pk).update(fax="+44 20 7946 0018")
    assert PendingChange.objects.filter(person=linked).exists()


def test_an_edit_while_a_migration_goes_on_is_sent(without_triggers: Any, linked: Person) -> None:
    """A page that was open saves in the middle of it: there is no trigger that could notice."""
    with without_triggers:
        Person.objects.filter(pk=linked.pk).update(title="Buyer")
        assert not PendingChange.objects.exists()
    assert triggers.missing() == []
    assert PendingChange.objects.filter(person=linked).exists()


def test_a_migration_of_other_tables_leaves_the_triggers(linked: Person) -> None:
    seen: list[list[str]] = []

    def look(**kwargs: Any) -> None:
        seen.append(triggers.missing())

    pre_migrate.connect(look)  # after the application's own
    try:
        migrate(("sessions", "zero"))
        migrate(("sessions", "0001_initial"))
    finally:
        pre_migrate.disconnect(look)
    assert seen
    assert not any(seen)
    assert not PendingChange.objects.exists()


@pytest.fixture
def linked(transactional_db: None) -> Person:
    return Person.objects.create(last_name="Ode", sfdc_type="Lead", sfdc_id="00Q000000000001AAA")


@pytest.fixture
def without_triggers(settings: Any) -> AbstractContextManager[None]:
    """In the middle of a migration that takes a column of the person away and brings it back."""

    @contextmanager
    def migration() -> Iterator[None]:
        newest = MigrationExecutor(connection).loader.graph.leaf_nodes("syncer")[0]
        settings.MIGRATION_MODULES = {"syncer": "tests.models.without_fax"}
        try:
            migrate(("syncer", "9999_without_fax"))
            yield
        finally:
            migrate(newest)

    return migration()
