"""Only what the sync user can access takes part; new fields appear and are filled for all; lost ones blank nothing."""

from __future__ import annotations

import pytest

from syncer.models import Backfill, FieldMapping, PendingChange, Person
from syncer.sync.upkeep.change_type import take_new_type

pytestmark = pytest.mark.django_db


def access(sandbox, field: str, level: str) -> None:
    sandbox.time.pass_(5)
    sandbox.control("POST", "access", username="sync@example.com", object="Lead", field=field, access=level)


def test_every_custom_field_is_mapped_and_the_external_id_is_not(sandbox, cycle):
    cycle()
    names = set(FieldMapping.objects.filter(object="Lead", automatic=True).values_list("salesforce_field", flat=True))
    assert {"Newsletter__c", "Interests__c", "Budget__c", "Region__c", "Territory__c", "Notes__c"} <= names
    assert "Person_Id__c" not in names
    assert FieldMapping.objects.get(object="Lead", salesforce_field="Lead_Score__c").person_field == "person_score"


def test_a_hidden_field_is_no_longer_touched_and_nothing_is_blanked(sandbox, cycle):
    lead = sandbox.lead(Title="Buyer", Phone="1")
    cycle()
    access(sandbox, "Title", "hidden")
    sandbox.edit(lead, Phone="2")
    assert cycle().status == "completed"
    person = Person.objects.get()
    assert (person.title, person.phone) == ("Buyer", "2")
    assert not FieldMapping.objects.get(object="Lead", salesforce_field="Title").readable
    Person.objects.update(title="Head Buyer", city="Ghent")
    run = cycle()
    there = sandbox.read(lead)
    assert run.counters["sent"] == {"created": 0, "updated": 1, "unchanged": 0, "failed": 0}
    assert (there["Title"], there["City"]) == ("Buyer", "Ghent")


def test_a_field_that_is_visible_again_is_merged_and_sent(sandbox, cycle):
    lead = sandbox.lead(Title="Buyer")
    cycle()
    access(sandbox, "Title", "hidden")
    cycle()
    Person.objects.update(title="Head Buyer")
    cycle()
    access(sandbox, "Title", "edit")
    cycle()
    assert sandbox.read(lead)["Title"] == Person.objects.get().title == "Head Buyer"


def test_a_field_that_is_readable_only_is_received_and_never_sent(sandbox, cycle, log):
    lead = sandbox.lead(Title="Buyer")
    access(sandbox, "Title", "read")
    cycle()
    sandbox.edit(lead, Title="Head Buyer")
    cycle()
    assert Person.objects.get().title == "Head Buyer"
    Person.objects.update(title="Mine", city="Ghent")
    cycle()
    person = Person.objects.get()
    assert person.title == sandbox.read(lead)["Title"] == "Head Buyer"  # restored, and told
    assert sandbox.read(lead)["City"] == "Ghent"
    assert log(person, "Conflict")[0].detail["lost"] == "Mine"
    assert not PendingChange.objects.exists()


def test_a_field_lost_in_mid_cycle_fails_nothing(sandbox, cycle):
    """The describe still shows it to a conditional request, the query and the update refuse it."""
    lead = sandbox.lead(Title="Buyer")
    cycle()
    Person.objects.update(title="Head Buyer", city="Ghent")
    sandbox.fault("/sobjects/Lead/describe", "status", status=304, nth=1, times=1)
    access(sandbox, "Title", "hidden")
    run = cycle()
    assert run.status == "completed"
    assert sandbox.read(lead)["City"] == "Ghent"


def test_a_new_custom_field_is_there_after_the_next_cycle_filled_for_all(sandbox, cycle):
    leads = [sandbox.lead(LastName=f"Ode {n}") for n in range(3)]
    cycle()
    sandbox.time.pass_(3600)
    cycle()
    sandbox.control("POST", "fields", object="Lead", name="Tier__c", type="Text", length=20)
    sandbox.control("POST", "access", username="sync@example.com", object="Lead", field="Tier__c", access="hidden")
    for lead in leads:
        sandbox.edit(lead, Tier__c="Gold")
    cycle()
    sandbox.time.pass_(3600)
    cycle()
    assert not any("Tier__c" in person.custom for person in Person.objects.all())
    access(sandbox, "Tier__c", "edit")
    cycle()
    assert [person.custom.get("Tier__c") for person in Person.objects.all()] == ["Gold"] * 3
    job = Backfill.objects.get()
    assert (job.fields, job.records) == (["Tier__c"], 3)
    assert job.finished_at is not None
    assert sandbox.count() == 3
    cycle()
    assert Backfill.objects.count() == 1


def test_filling_in_only_receives(sandbox, cycle):
    """A value that stood here before the field was mapped is not sent by the filling in; the other side's comes."""
    leads = [sandbox.lead(LastName=name) for name in ("Here", "There", "Both")]
    cycle()
    Person.objects.filter(last_name__in=["Here", "Both"]).update(custom={"Tier__c": "Ours"})
    cycle()
    sandbox.control("POST", "fields", object="Lead", name="Tier__c", type="Text", length=20)
    for lead in leads[1:]:
        sandbox.edit(lead, Tier__c="Theirs")
    FieldMapping.objects.filter(salesforce_field="Tier__c").delete()
    sandbox.time.pass_(700)  # their edits are older than what the cycle reads of itself
    cycle()
    by_name = {p.last_name: p.custom.get("Tier__c") for p in Person.objects.all()}
    assert by_name == {"Here": "Ours", "There": "Theirs", "Both": "Theirs"}
    assert [sandbox.read(lead)["Tier__c"] for lead in leads] == [None, "Theirs", "Theirs"]


def test_a_retyped_field_is_suspended_and_loses_nothing(sandbox, cycle):
    sandbox.lead(Notes__c="long text")
    cycle()
    sandbox.time.pass_(10)
    sandbox.control("POST", "fields", object="Lead", name="Notes__c", type="Checkbox")
    assert cycle().status == "completed"
    mapping = FieldMapping.objects.get(object="Lead", salesforce_field="Notes__c")
    assert "type changed" in mapping.problem
    assert Person.objects.get().custom["Notes__c"] == "long text"


def test_a_retyped_field_goes_on_with_its_new_type_when_somebody_says_so(sandbox, cycle, log):
    lead = sandbox.lead(Notes__c="long text")
    cycle()
    sandbox.time.pass_(10)
    sandbox.control("POST", "fields", object="Lead", name="Notes__c", type="Number", precision=18, scale=0)
    sandbox.control("POST", "fields", object="Contact", name="Notes__c", type="Number", precision=18, scale=0)
    cycle()
    sandbox.edit(lead, Notes__c=5)
    for mapping in FieldMapping.objects.filter(salesforce_field="Notes__c"):
        assert take_new_type(mapping) == ""
    cycle()
    kim = Person.objects.get()
    assert kim.custom["Notes__c"] == "5"
    assert "long text" in str([entry.detail for entry in log(kim, "Conflict")])
    Person.objects.filter(pk=kim.pk).update(custom=kim.custom | {"Notes__c": "7"})
    cycle()
    assert sandbox.read(lead)["Notes__c"] == 7


def test_a_new_type_that_the_other_objects_field_can_not_share_is_refused(sandbox, cycle):
    cycle()
    sandbox.time.pass_(10)
    sandbox.control("POST", "fields", object="Lead", name="Notes__c", type="Checkbox")
    cycle()
    mapping = FieldMapping.objects.get(object="Lead", salesforce_field="Notes__c")
    assert "Contact.Notes__c" in take_new_type(mapping)
    mapping.refresh_from_db()
    assert mapping.problem


def test_a_describe_is_read_in_full_every_hour(sandbox, cycle, sync_user):
    """Whether If-Modified-Since notices a change of permissions is not documented, so it is not relied on."""
    cycle()
    [first] = set(sync_user.described.values_list("described_at", flat=True))
    cycle()
    assert set(sync_user.described.values_list("described_at", flat=True)) == {first}
    sandbox.time.pass_(3600)
    cycle()
    assert min(sync_user.described.values_list("described_at", flat=True)) > first
