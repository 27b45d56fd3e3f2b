"""The table of synced objects fits the person, the ids and the organisation that it speaks of."""

from __future__ import annotations

import pytest

from sandbox.schema.standard import standard_objects
from syncer.models import FieldMapping, SfdcType
from syncer.salesforce.ids import KEY_PREFIXES
from syncer.sync.fields.object_map import PERSON_COLUMNS
from syncer.sync.fields.synced_objects import CONSENT_FIELDS, FOLLOWED, OBJECTS, SYNCED, SyncedObject

STANDARD = {item.name: item for item in standard_objects()}


def test_persons_and_mappings_know_the_same_objects() -> None:
    assert set(OBJECTS) == {value for value in SfdcType.values if value}
    assert set(OBJECTS) == {value for value, _ in FieldMapping._meta.get_field("object").choices or ()}


def test_every_object_is_known_by_its_ids() -> None:
    assert {*SYNCED, *FOLLOWED} <= set(KEY_PREFIXES)


@pytest.mark.parametrize("synced", SYNCED.values(), ids=OBJECTS)
def test_each_default_mapping_leads_to_a_field_of_the_person_of_its_own(synced: SyncedObject) -> None:
    mapped = list(synced.default_mapping.values())
    assert set(mapped) <= set(PERSON_COLUMNS)
    assert len(mapped) == len(set(mapped))


@pytest.mark.parametrize("synced", SYNCED.values(), ids=OBJECTS)
def test_all_that_is_read_of_an_object_is_in_a_standard_organisation(synced: SyncedObject) -> None:
    own = {
        *synced.system_fields,
        *synced.own_fields,
        synced.country_field,
        synced.state_field,
        *filter(None, [synced.ends_as]),
    }
    assert own <= set(STANDARD[synced.name].fields)
    for parent in synced.parents:
        reference = STANDARD[synced.name].fields[parent.reference]
        assert parent.object in reference.reference_to
        assert reference.relationship_name == parent.relationship
        assert set(parent.read_fields) <= set(STANDARD[parent.object].fields)


def test_every_column_but_the_score_is_mapped_for_one_object_at_least() -> None:
    mapped = {name for synced in SYNCED.values() for name in synced.default_mapping.values()}
    assert set(PERSON_COLUMNS) - mapped == {"person_score"}
    assert mapped >= CONSENT_FIELDS


def test_what_is_received_from_a_parent_is_never_sent() -> None:
    for parent in FOLLOWED.values():
        for described in parent.fields.values():
            assert described.name.startswith(f"{parent.relationship}.")
            assert described.read_only
