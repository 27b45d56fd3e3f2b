"""The table of field types: every row works from set-up to a query."""

from __future__ import annotations

import pytest

from sandbox.schema.kinds import KINDS, SET_UP_NAMES
from sandbox.schema.standard import standard_objects
from tests.sandbox.conftest import Rig

#: how values are kept -> one in JSON, and the same in a condition
SAMPLES = {
    "text": ("a@b.example", "'A@b.example'"),
    "boolean": (True, "TRUE"),
    "decimal": (2, "2.0"),
    "integer": (2, "2"),
    "date": ("2026-01-31", "2026-01-31"),
    "datetime": ("2026-01-31T10:00:00Z", "2026-01-31T11:00:00+01:00"),
    "time": ("10:00:00", "'10:00:00.000Z'"),
}
#: what nobody writes: tests/sandbox/test_schema_control.py
BY_SYSTEM = {"autonumber", "location", "geolocation"}


def test_the_standard_objects_have_types_of_the_table() -> None:
    used = {field.type for item in standard_objects() for field in item.fields.values()}
    assert used <= set(KINDS)
    assert {"id", "reference", "address", "boolean", "double", "int"} <= used


@pytest.mark.parametrize("name", sorted(set(SET_UP_NAMES) - BY_SYSTEM))
def test_a_field_of_every_type_is_made_saved_and_found(rig: Rig, name: str) -> None:
    described = rig.control(
        "POST", "fields", {"object": "Lead", "name": "Extra__c", "type": name, "referenceTo": "Contact"}
    )
    kind = KINDS[described["type"]]
    assert described["soapType"] == kind.soap_type
    contact = rig.create("Contact")
    given, literal = SAMPLES.get(kind.kept, (contact, f"'{contact}'"))
    lead = rig.create(Extra__c=given)
    assert rig.read(lead)["Extra__c"] is not None
    if described["filterable"]:
        assert rig.records(f"SELECT Id FROM Lead WHERE Extra__c = {literal}") == [{"Id": lead}]  # noqa: S608 - SOQL
