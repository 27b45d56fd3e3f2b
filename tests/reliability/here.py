"""This side of a history, in a process of its own: `python -m tests.reliability.here`.

It reads one JSON list per line, ``[name, {arguments}]``, calls the function of that name, and answers with one line of
JSON. The tests' own process has another database.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import django
from django.db import connection
from django.db.models.functions import Now


def people() -> list[dict[str, Any]]:
    """All persons, with what they are linked to."""
    from syncer.models import Person

    return [
        {"id": p.pk, "uuid": str(p.uuid), "sfdc_type": p.sfdc_type, "sfdc_id": p.sfdc_id}
        for p in Person.objects.order_by("pk")
    ]


def add(persons: list[dict[str, Any]]) -> list[int]:
    """New persons; gives their ids."""
    from syncer.models import Person

    return [Person.objects.create(**values).pk for values in persons]


def edit(person: int, field: str, value: str, way: str) -> None:
    """Change one field by one of the ways in which applications write."""
    from syncer.models import Person

    if way == "save":
        loaded = Person.objects.get(pk=person)
        setattr(loaded, field, value)
        loaded.save()
    elif way == "update":
        Person.objects.filter(pk=person).update(**{field: value})
    elif way == "bulk_update":
        loaded = Person.objects.get(pk=person)
        setattr(loaded, field, value)
        Person.objects.bulk_update([loaded], [field])
    else:
        assert field.isidentifier()
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE syncer_person SET {field} = %s WHERE id = %s", [value, person])  # noqa: S608


def values(fields: list[str]) -> dict[str, dict[str, str]]:
    """The persons' values of these fields, by record id."""
    from syncer.models import Person

    return {p["sfdc_id"]: p for p in Person.objects.exclude(sfdc_id="").values("sfdc_id", *fields)}


def disagreements() -> list[str]:
    """Where a linked person, its base and its record differ, in any mapped field; and records without a person."""
    from syncer.models import SalesforceRecord
    from syncer.salesforce import soql
    from syncer.sync.connection.connect import active_sync_user, connect
    from syncer.sync.fields.object_map import object_map
    from syncer.sync.merge import same
    from syncer.sync.persons import person_state

    sync_user = active_sync_user()
    org = connect(sync_user)
    found = []
    for name in ("Lead", "Contact"):
        fields = object_map(sync_user, name)
        records = {row["Id"]: row for row in org.query(soql.select(list(fields.select), name)).records}
        linked = SalesforceRecord.objects.filter(object=name).values_list("record_id", flat=True)
        persons = person_state.by_record_ids(sync_user.organisation_id, linked)
        found += [f"{name} {key} has no person" for key in records.keys() - persons.keys()]
        found += [f"{name} {key} is not there" for key in persons.keys() - records.keys()]
        for key in records.keys() & persons.keys():
            there = fields.there(records[key])
            here, bad = fields.here(persons[key].values)
            link = persons[key].link
            base = link.base if link else {}
            for rule in fields.rules:
                triple = (here.get(rule.field), base.get(rule.field), there.get(rule.field))
                if rule.field in bad or not (same(rule, triple[0], triple[1]) and same(rule, triple[1], triple[2])):
                    found.append(f"{name} {key} {rule.field}: here, base and there are {triple}")
    return found


def left_over() -> dict[str, int]:
    """What only a killed process leaves: claims, creates under way, persons waiting although nothing is amiss."""
    from syncer.models import Claim, CreateIntent, PendingChange, SyncLease

    return {
        "claims": Claim.objects.count(),
        "waiting": PendingChange.objects.count(),
        "intents": CreateIntent.objects.count(),
        "leases": SyncLease.objects.filter(expires_at__isnull=False).count(),
    }


def holder() -> str:
    """Who holds the lease, by the database's clock; empty while it is free."""
    from syncer.models import SyncLease

    held = SyncLease.objects.filter(expires_at__gte=Now()).values_list("holder", flat=True)
    return held.first() or ""


def let_time_run_out() -> None:
    """The two minutes that a lease and a claim outlive their process, without waiting for them."""
    from syncer.models import Claim, SyncLease

    past = "2000-01-01T00:00:00+00:00"
    SyncLease.objects.filter(expires_at__isnull=False).update(expires_at=past)
    Claim.objects.update(until=past)


def log() -> str:
    """Everything that the activity log and the conflicts tell, as one text."""
    from syncer.models import ActivityLogEntry, Conflict

    rows = [*ActivityLogEntry.objects.values("detail"), *Conflict.objects.values("here", "there")]
    return json.dumps(rows, default=str)


def doubts() -> list[tuple[str, str]]:
    """The record and field of each update whose answer was lost, as the activity log tells it."""
    from syncer.models import ActivityLogEntry, ActivityType, Person

    records = dict(Person.objects.values_list("pk", "sfdc_id"))
    told = ActivityLogEntry.objects.filter(type=ActivityType.CONFLICT, summary__contains="the answer was lost")
    return [(records[person], field) for person, field in told.values_list("person_id", "field")]


def ask_for_a_cycle() -> None:
    """What the scheduler does when a cycle is due."""
    from django_q.tasks import async_task

    async_task("syncer.tasks.run_cycle")


def runs() -> dict[str, int]:
    """How many cycles ended in which way."""
    from collections import Counter

    from syncer.models import SyncRun

    return dict(Counter(SyncRun.objects.values_list("status", flat=True)))


CALLS = {
    f.__name__: f
    for f in (
        *(
            people,
            add,
            edit,
            values,
            disagreements,
            left_over,
            holder,
            let_time_run_out,
            log,
            doubts,
            ask_for_a_cycle,
            runs,
        ),
    )
}


def main() -> None:
    """Answer until the input ends."""
    django.setup()
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(CALLS[name](**arguments)), flush=True)


if __name__ == "__main__":
    main()
