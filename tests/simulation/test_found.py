"""What the simulation found, each reduced to the smallest history that shows it."""

from __future__ import annotations

import pytest

from syncer.models import Person, SalesforceRecord

pytestmark = pytest.mark.django_db


@pytest.mark.xfail(strict=True, reason="The action does not learn which organisation it works with.")
def test_a_person_synced_before_the_first_cycle_is_linked_with_the_organisation(sandbox, sync_person, cycle, sync_user):
    sandbox.lead(LastName="There")
    kim = Person.objects.create(last_name="Here", company="Acme")
    assert sync_person(kim).ok
    cycle()
    assert SalesforceRecord.objects.get(person=kim).organisation.startswith("00D")
    assert Person.objects.filter(last_name="There").count() == 1
