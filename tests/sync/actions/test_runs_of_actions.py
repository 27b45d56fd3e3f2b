"""An action on persons is a run with a row for each of them: lost tasks, killed workers, two at once, *Stop*."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

from syncer import tasks
from syncer.models import Person, RunPerson, RunStatus, SyncRun, SyncUser
from syncer.sync.actions import batch as module
from syncer.sync.actions.run_action import carry_on, start_run, sync_persons
from syncer.sync.connection import runs
from syncer.sync.errors import CannotSync
from syncer.sync.options import Action, SyncOptions
from syncer.sync.outcomes import Result
from syncer.sync.store import run_persons
from tests.support.around import put_around
from tests.support.salesforce import Sandbox

pytestmark = pytest.mark.django_db

REFRESH = SyncOptions(action=Action.REFRESH)


def persons(count: int) -> list[int]:
    made = [Person(last_name=f"Ode {i}", company="Acme", email=f"p{i}@example.com") for i in range(count)]
    return [person.pk for person in Person.objects.bulk_create(made)]


def results(run: SyncRun) -> list[Result]:
    return [told.result for told in run_persons.outcomes(run)]


def silent(run: SyncRun) -> None:
    """As if nothing had been heard of it for longer than a worker needs for a batch."""
    SyncRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=6))


@pytest.fixture
def worker(sandbox: Sandbox, sync_user: SyncUser, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, Any]]:
    """The background worker takes the oldest task of the queue and carries it out."""
    put_around(sandbox.around(), monkeypatch)

    def work() -> dict[str, Any]:
        row = OrmQ.objects.order_by("pk")[0]
        task = row.task
        row.delete()
        name = task["func"].removeprefix("syncer.tasks.")
        done: dict[str, Any] = getattr(tasks, name)(*task["args"])
        return done

    return work


# -- nothing is lost --------------------------------------------------------------------------------------------------


def test_an_action_whose_task_was_lost_before_it_began_is_carried_out(sandbox, sync_user, worker):
    ids = persons(3)
    run = start_run(ids, actor="eva")
    tasks.heartbeat()
    assert not OrmQ.objects.exists()  # it may still be in the queue
    silent(run)
    tasks.heartbeat()
    tasks.heartbeat()
    [queued] = [row.task for row in OrmQ.objects.all()]
    assert (queued["func"], queued["args"]) == ("syncer.tasks.sync_persons_task", (run.pk,))
    assert worker() == {"run": run.pk, "status": "completed"}
    assert results(run) == [Result.CREATED] * 3
    assert sandbox.count("Lead") == 3


def test_what_was_asked_for_is_in_the_run_and_reaches_the_worker(sandbox, sync_user, worker):
    queue = sandbox.sales.query("SELECT Id FROM Group WHERE Type = 'Queue'")["records"][0]["Id"]
    run = start_run(persons(1), actor="eva", options=SyncOptions(owner=queue), asked_in_words=[("Owner", "New Leads")])
    assert (run.action, run.asked, run.asked_in_words) == ("sync", {"owner": queue}, [["Owner", "New Leads"]])
    tasks.go_on(run)
    worker()
    assert sandbox.read(Person.objects.get().sfdc_id)["OwnerId"] == queue


def test_an_action_whose_worker_was_killed_goes_on_with_those_who_were_left(sandbox, sync_user, worker, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 2)
    ids = persons(5)
    run = start_run(ids, actor="eva")

    def too_slow(phase: str, done: int, total: int | None) -> None:
        if done == 2:
            sandbox.time.pass_(60)

    assert carry_on(run, budget=timedelta(seconds=30), around=sandbox.around(progress=too_slow))
    # Killed: it could not hand back.
    SyncRun.objects.update(claim="persons-dead")
    assert not carry_on(run, around=sandbox.around())
    assert run_persons.waiting(run, 9) == ids[2:]
    run.refresh_from_db()
    calls = run.api_calls
    silent(run)
    tasks.heartbeat()
    worker()
    run.refresh_from_db()
    assert (run.status, results(run)) == ("completed", [Result.CREATED] * 5)
    assert sandbox.count("Lead") == 5
    # It tells of both workers.
    assert run.counters["sent"]["created"] == 5
    assert run.api_calls > calls > 0


def test_a_worker_that_died_after_the_last_batch_had_finished(sync_user):
    run = start_run([], actor="eva")
    silent(run)
    tasks.heartbeat()
    run.refresh_from_db()
    assert (run.status, run.error) == ("completed", "")
    assert run.finished_at is not None


def test_a_run_of_which_nobody_knows_for_whom_it_was_is_told_to_have_died(sync_user):
    """Its persons were in the arguments of a task: so it was until runs had rows of persons."""
    run = SyncRun.objects.create(sync_user=sync_user, kind="persons", action="sync", person_count=40)
    silent(run)
    tasks.heartbeat()
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("interrupted", "DIED")
    assert not OrmQ.objects.exists()


def test_a_reconnect_whose_task_was_lost_is_carried_out(sync_user):
    from syncer.sync.upkeep import reconnect_sandbox

    run = reconnect_sandbox.start_run(sync_user, "eva")
    silent(run)
    tasks.heartbeat()
    [queued] = [row.task for row in OrmQ.objects.all()]
    assert (queued["func"], queued["args"]) == ("syncer.tasks.reconnect_sandbox", (run.pk,))


def test_a_run_and_its_persons_are_stored_together_or_not_at_all(sync_user, monkeypatch):
    ids = persons(2)
    with connection.execute_wrapper(_fails_at("syncer_runperson")), pytest.raises(RuntimeError):
        start_run(ids, actor="eva")
    assert not SyncRun.objects.exists()


def _fails_at(table: str) -> Callable[..., Any]:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(f'INSERT INTO "{table}"'):
            raise RuntimeError
        return execute(sql, params, many, context)

    return wrapper


def test_what_cannot_begin_leaves_no_run(sync_user):
    SyncUser.objects.update(writes_stopped=True)
    with pytest.raises(CannotSync):
        start_run(persons(1), actor="eva")
    assert not SyncRun.objects.exists()
    start_run(persons(1), actor="eva", options=REFRESH)


# -- two at once ------------------------------------------------------------------------------------------------------


def test_a_task_that_comes_twice_is_carried_out_once(sandbox, sync_user, worker):
    ids = persons(2)
    run = start_run(ids, actor="eva")
    tasks.go_on(run)
    tasks.go_on(run)
    told: list[dict[str, Any]] = []

    def meanwhile(phase: str, done: int, total: int | None) -> None:
        if done == 0:
            calls = sandbox.api_calls
            told.append(worker())
            assert sandbox.api_calls == calls

    assert not carry_on(run, around=sandbox.around(progress=meanwhile))
    assert told == [{"run": run.pk, "status": "running"}]
    assert worker() == {"run": run.pk, "status": "completed"}
    assert results(run) == [Result.CREATED] * 2
    assert not OrmQ.objects.exists()


def test_what_a_worker_did_counts_although_another_one_took_over_and_found_its_persons_busy(
    sandbox, sync_user, monkeypatch
):
    """The first one was believed to be dead: it waited for Salesforce for more than five minutes."""
    monkeypatch.setattr(module, "BATCH", 2)
    run = start_run(persons(4), actor="eva")
    others: list[SyncRun] = []

    def take_over(seconds: float) -> None:
        """While the first one waits between two tries of a call."""
        if not others:
            silent(run)
            others.extend(runs.take_over(timezone.now()))
            assert not carry_on(SyncRun.objects.get(pk=run.pk), around=sandbox.around())
            assert results(run) == [Result.BUSY] * 2 + [Result.CREATED] * 2

    sandbox.fault("/composite", "status", status=503, code="SERVER_UNAVAILABLE", nth=3, times=1)
    carry_on(run, around=sandbox.around(pause=take_over))
    assert [other.pk for other in others] == [run.pk]
    assert results(run) == [Result.CREATED] * 4
    assert sandbox.count("Lead") == 4
    run.refresh_from_db()
    # The one that took over has said how it ended.
    assert (run.status, run.counters["sent"]["created"]) == ("completed", 2)


def test_outcomes_of_two_runs_do_not_mix(sandbox, sync_user):
    kim, ann = persons(2)
    mine = start_run([kim], actor="eva")

    def colleague(phase: str, done: int, total: int | None) -> None:
        if done == 0:
            told = sync_persons([ann], actor="bob", around=sandbox.around())
            assert [one.person_id for one in told] == [ann]

    carry_on(mine, around=sandbox.around(progress=colleague))
    assert [one.person_id for one in run_persons.outcomes(mine)] == [kim]
    assert SyncRun.objects.latest("pk").trigger == "bob"


# -- stop -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pressed_at", "done"),
    [(0, 1), (1, 2), (2, 2)],
    ids=["in the first batch", "in the last batch", "after the last batch"],
)
def test_a_run_that_somebody_stopped_says_so_and_how_many_were_done(sandbox, sync_user, monkeypatch, pressed_at, done):
    monkeypatch.setattr(module, "BATCH", 1)
    run = start_run(persons(2), actor="eva")

    def stop(phase: str, done: int, total: int | None) -> None:
        """``progress`` is told before each batch, and after the last one."""
        if done == pressed_at:
            assert runs.stop(run, "bob")

    assert not carry_on(run, around=sandbox.around(progress=stop))
    for told in (run, SyncRun.objects.get(pk=run.pk)):
        assert (told.status, told.error) == (RunStatus.INTERRUPTED, "Stopped by bob.")
    assert run_persons.done_count(run) == sandbox.count("Lead") == done
    assert SyncRun.objects.get(pk=run.pk).counters["sent"]["created"] == done


def test_a_run_that_was_stopped_before_it_began_does_nothing(sandbox, sync_user, worker):
    run = start_run(persons(2), actor="eva")
    tasks.go_on(run)
    assert runs.stop(run, "eva")
    assert worker() == {"run": run.pk, "status": "interrupted"}
    run.refresh_from_db()
    assert (run.error, len(run_persons.waiting(run, 9)), sandbox.count("Lead")) == ("Stopped by eva.", 2, 0)
    assert not runs.stop(run, "eva")


# -- persons ----------------------------------------------------------------------------------------------------------


def test_a_person_who_was_deleted_before_its_turn_is_told(sandbox, sync_user):
    kim, gone, ann = persons(3)
    run = start_run([kim, gone, ann], actor="eva")
    Person.objects.get(pk=gone).delete()
    carry_on(run, around=sandbox.around())
    told = run_persons.outcomes(run)
    assert [one.person_id for one in told] == [kim, gone, ann]
    assert (told[1].result, told[1].code) == (Result.REFUSED, "PERSON_DELETED")
    assert run.status == RunStatus.COMPLETED


def test_what_became_of_a_person_outlives_the_person(sandbox, sync_user):
    [kim] = persons(1)
    [told] = sync_persons([kim, kim], actor="eva", around=sandbox.around())
    Person.objects.get(pk=kim).delete()
    row = RunPerson.objects.get()
    assert (row.name, row.result, row.sfdc_type, row.sfdc_id) == ("Ode 0", "Created", "Lead", told.sfdc_id)
    assert run_persons.outcomes(SyncRun.objects.get()) == [told]


def test_long_names_and_codes_fit(sandbox, sync_user):
    [kim] = persons(1)
    Person.objects.filter(pk=kim).update(first_name="f" * 255, last_name="l" * 255)
    [told] = sync_persons([kim], actor="e" * 200, around=sandbox.around())
    assert told.result is Result.FAILED
    assert len(told.name) == 255
    assert len(SyncRun.objects.get().trigger) == 150


# -- very many --------------------------------------------------------------------------------------------------------


def statements(captured: CaptureQueriesContext) -> Sequence[str]:
    return [query["sql"] for query in captured.captured_queries]


def test_three_thousand_persons_take_a_few_statements_a_batch_and_none_a_person(sandbox, sync_user, cycle):
    cycle()
    ids = persons(3000)
    with CaptureQueriesContext(connection) as starting:
        run = start_run(ids, actor="eva", options=REFRESH)
    assert len(starting) <= 14
    few = start_run(ids[: module.BATCH], actor="eva", options=REFRESH)
    with CaptureQueriesContext(connection) as one_batch:
        carry_on(few, around=sandbox.around())
    with CaptureQueriesContext(connection) as all_batches:
        carry_on(run, around=sandbox.around())
    further = 3000 // module.BATCH - 1
    assert (len(all_batches) - len(one_batch)) / further <= 20
    of_rows = [sql for sql in statements(all_batches) if "syncer_runperson" in sql]
    assert len(of_rows) <= 2 * (further + 1) + 2  # who waits, what became of them; at the ends one more
    assert set(results(run)) == {Result.REFUSED}
    assert run.status == RunStatus.COMPLETED


def test_a_hundred_thousand_persons_are_stored_in_portions(sync_user):
    with CaptureQueriesContext(connection) as captured:
        run = start_run(range(1, 100_001), actor="eva", options=REFRESH)
    assert len(captured) <= 100_000 // run_persons.BATCH + 15
    assert run.person_count == RunPerson.objects.count() == 100_000
    assert run_persons.waiting(run, 3) == [1, 2, 3]


def test_those_who_wait_are_found_by_an_index(sync_user):
    old, run = (start_run(range(1, 20_001), actor="eva", options=REFRESH) for _ in range(2))
    RunPerson.objects.filter(run=old).update(result=Result.CREATED.value)
    RunPerson.objects.filter(run=run, position__lt=19_000).update(result=Result.CREATED.value)
    with CaptureQueriesContext(connection) as captured:
        assert len(run_persons.waiting(run, 200)) == 200
        run_persons.done_count(run)
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as plain:
        plain.execute("ANALYZE syncer_runperson")
        plain.execute(f"{explain} {captured.captured_queries[0]['sql']}")
        plan = str(plain.fetchall())
    assert "syncer_run_person_result" in plan
    assert "sort" not in plan.lower()
    assert "temp b-tree" not in plan.lower()
