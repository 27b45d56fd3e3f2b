"""The watcher of ``tests.support.tables`` sees what it is there for."""

from __future__ import annotations

import pytest

from syncer.models import PendingChange, Person
from tests.support import tables

pytestmark = pytest.mark.django_db


def write_from(path: str, statement: str) -> list[str]:
    """Run a statement as if it stood in that file; what the watcher says of it."""
    code = compile(statement, str(tables.ROOT / path), "exec")
    exec(code, {"PendingChange": PendingChange, "Person": Person})  # noqa: S102 - a statement of this file
    found = list(tables.violations)
    tables.violations.clear()
    return found


def test_a_write_by_another_file_is_noticed():
    [problem] = write_from("syncer/sync/cycle.py", "PendingChange.objects.update(attempts=1)")
    assert problem.startswith("syncer/sync/cycle.py writes syncer_pendingchange, which is")


def test_a_write_by_the_tables_own_file_is_not():
    assert write_from("syncer/sync/store/outbox.py", "PendingChange.objects.filter(state='a').update(attempts=1)") == []


@pytest.mark.parametrize(
    "statement",
    [
        "PendingChange.objects.filter(person__sfdc_type='').update(attempts=1)",
        "PendingChange.objects.filter(person__in=Person.objects.filter(email='').values('pk')).delete()",
    ],
)
def test_a_condition_that_looks_at_another_table_is_noticed(statement):
    [problem] = write_from("syncer/sync/store/outbox.py", statement)
    assert "the condition of a write of syncer_pendingchange looks at" in problem


def test_every_home_is_there():
    files = {path for homes in tables.HOMES.values() for path in homes} | set(tables.CASCADES)
    assert [path for path in sorted(files) if not (tables.ROOT / path).exists()] == []
