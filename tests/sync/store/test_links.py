"""Which records a cycle looks at again is found by an index: a quiet cycle costs the same with many persons."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from syncer.models import Person, SalesforceRecord
from syncer.sync.store import links

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("may_send", [True, False])
def test_what_was_left_undecided_is_found_by_its_index(may_send):
    persons = Person.objects.bulk_create(
        Person(last_name=str(number), sfdc_type="Lead", sfdc_id=f"00Q{number:015}") for number in range(3000)
    )
    SalesforceRecord.objects.bulk_create(
        SalesforceRecord(
            person=one, organisation="00D", object="Lead", record_id=one.sfdc_id, weak_base=one is persons[7]
        )
        for one in persons
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as asked:
        found = links.undecided("00D", "Lead", 100, may_send=may_send)
    assert found == [persons[7].sfdc_id]
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {asked.captured_queries[0]['sql']}")  # as it was asked, with its values
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert "syncer_record_undecided" in plan, plan
