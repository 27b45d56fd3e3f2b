"""A database that is the same for every history: a copy of the migrated one, put back before each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection

from tests.simulation.world import image, restore


@pytest.fixture(scope="session")
def migrated(django_db_setup: None, django_db_blocker):
    with django_db_blocker.unblock():
        if connection.vendor != "sqlite":
            return None
        call_command("flush", interactive=False, verbosity=0)  # other tests may have left something behind
        return image()


@pytest.fixture
def database(migrated, transactional_db: None) -> Iterator[None]:
    """Not inside a transaction: crashes and switches need real ones."""
    if migrated is None:
        pytest.skip("The simulation takes images of an SQLite database.")
    restore(migrated)
    yield
    restore(migrated)
