"""A record that became another one while the person of that other one is in another worker's hands, and whose change is
no longer among what is read once more because it might have been committed late."""

from __future__ import annotations

import pytest

from syncer.models import Person
from syncer.sync.store import claims
from tests.cases.organisation import given

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("described")]


@pytest.fixture
def while_busy(cycle, quiet, time):
    """A cycle after eleven minutes, in which a person is another worker's; then some without."""

    def run(person: Person) -> None:
        time.pass_(660)
        given(claims.take([person.pk], "another worker") == {person.pk}, "the person is another worker's")
        cycle()
        claims.let_go("another worker")
        quiet()

    return run


def test_a_lead_that_was_converted_becomes_the_contact_when_its_person_is_free(salesforce, here, quiet, while_busy):
    lead, contact = salesforce.lead(LastName="Kim"), salesforce.contact(LastName="Kim")
    quiet()
    salesforce.convert(lead, contact=contact)
    while_busy(here.person(contact))
    assert [person.sfdc_id for person in Person.objects.all()] == [contact]


def test_an_opt_out_of_the_loser_reaches_the_survivor_whose_person_was_busy(salesforce, here, quiet, while_busy):
    loser, winner = salesforce.lead(LastName="Kim", HasOptedOutOfEmail=True), salesforce.lead(LastName="Kim")
    quiet()
    salesforce.merge(winner, loser)
    while_busy(here.person(winner))
    assert [(p.sfdc_id, p.unsubscribed) for p in Person.objects.all()] == [(winner, True)]
    assert salesforce.read(winner)["HasOptedOutOfEmail"] is True
