"""What a cycle costs follows from what changed: no statement of it reads a large table from end to end, be it row by
row, or by an index on columns in which nearly all rows agree: SQLite, without statistics, takes any for a good one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from syncer.models import Person

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "sqlite", reason="PostgreSQL plans by statistics, of tables that are filled."
    ),
]

#: Tables with a row per person, or per event: they have millions of rows.
LARGE = "syncer_(person|salesforcerecord|pendingchange|activitylogentry|formerid|tombstone|conflict|runperson)"
#: Columns in which nearly all rows agree.
ALIKE = "organisation|object|sfdc_type|sfdc_is_deleted|state|claim|sync_user_id"


@contextmanager
def statements() -> Iterator[dict[str, tuple[str, Any]]]:
    """Each different statement, as it came first, with its parameters."""
    made: dict[str, tuple[str, Any]] = {}

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not many and re.match(r"(?i)(select|update|delete|with|insert)\b", sql.strip()):
            made.setdefault(re.sub(r"%s(, %s)+", "%s…", sql), (sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield made


def whole_tables(sql: str, params: Any) -> list[str]:
    """The steps of the statement's plan that read a large table from end to end."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        steps = [str(row[3]) for row in cursor.fetchall()]
    row_by_row = re.compile(rf"SCAN {LARGE}\b(?! USING .*INDEX)")
    by_what_all_have = re.compile(rf"SEARCH {LARGE} USING .*INDEX .*\((({ALIKE})=\?( AND )?)+\)")
    # A partial index has the rows of its condition only.
    return [
        s for s in steps if row_by_row.match(s) or (by_what_all_have.match(s) and "syncer_record_undecided" not in s)
    ]


def of_whole_tables(made: dict[str, tuple[str, Any]]) -> list[str]:
    """The statements that read a large table from end to end, each with the steps of its plan that do."""
    found = {sql: steps for sql, params in made.values() if (steps := whole_tables(sql, params))}
    return [f"{steps}: {re.sub('SELECT .* FROM', 'SELECT … FROM', sql)[:1000]}" for sql, steps in found.items()]


def test_no_statement_of_a_cycle_reads_a_large_table_from_end_to_end(sandbox, cycle, sync_person):
    leads = [sandbox.lead(LastName=f"No. {n}", Email=f"n{n}@example.com", Company="A") for n in range(30)]
    account = sandbox.sales.Account.create({"Name": "Acme"})["id"]
    sandbox.contact(LastName="Jane", Email="jane@example.com", AccountId=account)
    Person.objects.create(last_name="Here", email="n3@example.com")
    created = Person.objects.create(last_name="New", company="B")
    cycle(objects=("Contact",))  # what was edited while the triggers were not there is looked for once
    with statements() as made:
        cycle()  # the first read
        cycle()  # nothing has changed
    kim, gone = (Person.objects.get(sfdc_id=leads[n]) for n in (5, 11))
    with statements() as more:
        Person.objects.filter(pk=kim.pk).update(city="Oslo")
        sandbox.sales.Lead.update(leads[6], {"City": "Oslo"})
        sandbox.sales.Lead.delete(leads[7])
        sandbox.convert(leads[8])
        sandbox.control("POST", "merge", object="Lead", winner=leads[9], losers=[leads[10]])
        gone.delete()
        sandbox.sales.Account.update(account, {"Name": "Ace"})
        cycle()
        sync_person(kim, created)
        cycle()
    assert not (found := "\n".join(of_whole_tables(made | more))), found


def test_a_full_cycle_goes_through_persons_and_links_in_steps(sandbox, cycle):
    for number in range(3):
        sandbox.lead(LastName=f"No. {number}", Company="A")
    cycle()
    with statements() as made:
        cycle(full=True)
    assert not (found := "\n".join(of_whole_tables(made))), found
