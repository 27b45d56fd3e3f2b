"""The table of field types: which there are, and that what the rest of the code asks of a row holds for its values."""

from __future__ import annotations

from typing import get_args

import pytest

from sandbox.schema.kinds import KINDS as SANDBOX_KINDS
from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.kinds import KINDS, BadValue, Family, kind_of, scale
from syncer.salesforce.values import from_text, from_wire, to_wire
from syncer.sync.fields.types import lossless

#: As a describe spells them ("Field Types" and "Primitive Data Types").
PRIMITIVE = {"base64", "boolean", "date", "datetime", "double", "int", "long", "string", "time"}
FIELD_TYPES = {
    "address", "anyType", "combobox", "complexvalue", "currency", "datacategorygroupreference", "email",
    "encryptedstring", "id", "junctionIdList", "location", "masterrecord", "multipicklist", "percent", "phone",
    "picklist", "reference", "textarea", "url",
}  # fmt: skip

ANY_TEXT = "Any text, of\ntwo lines"
SAMPLES = {"boolean": True, "number": "12", "date": "2026-01-31", "datetime": "2026-01-31T10:00:00Z", "time": "10:00"}


def field(kind: str) -> FieldDescribe:
    return FieldDescribe("X__c", "Some Field", kind, scale=2)


def test_every_type_of_the_documentation_is_in_the_table() -> None:
    assert set(KINDS) == PRIMITIVE | FIELD_TYPES
    assert set(SANDBOX_KINDS) <= set(KINDS)


def test_every_family_has_a_type() -> None:
    assert {kind.family for kind in KINDS.values()} == set(get_args(Family))


def test_numbers_are_one_family_whatever_they_are_called() -> None:
    numbers = {name for name, kind in KINDS.items() if kind.family == "number"}
    assert numbers == {"int", "long", "double", "currency", "percent"}
    assert {name: scale(field(name)) for name in numbers} == {
        "int": 0, "long": 0, "double": 2, "currency": 2, "percent": 2,
    }  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_value_of_every_type_comes_back_from_the_wire(name: str) -> None:
    kind = kind_of(field(name))
    given = SAMPLES.get(kind.family, "00Q000000000001" if name in ("id", "reference") else "a;b")
    value = from_text(field(name), given)
    assert value is not None
    assert from_wire(field(name), to_wire(field(name), value)) == value
    assert to_wire(field(name), None) is kind.empty


@pytest.mark.parametrize("name", KINDS)
def test_fields_share_one_here_only_where_each_holds_what_the_other_has(name: str) -> None:
    others = [other for other in KINDS if other != name and lossless(field(name), field(other))]
    assert bool(others) == KINDS[name].free_text
    for other in others:
        assert from_text(field(other), ANY_TEXT) == from_text(field(name), ANY_TEXT) == ANY_TEXT
    assert lossless(field(name), field(name))
    assert not lossless(field(name), FieldDescribe("X__c", "Some Field", name, scale=3))


def test_a_type_that_nobody_knows_yet_is_text_that_shares_with_nothing() -> None:
    unknown = field("hologram")
    assert from_wire(unknown, " a ") == "a"
    assert from_wire(unknown, {"b": 1}) == '{"b":1}'
    assert to_wire(unknown, "a") == "a"
    assert not any(lossless(unknown, field(name)) for name in KINDS)


def test_a_checkbox_is_never_null_and_nothing_else_is_filled() -> None:
    assert {name: kind.empty for name, kind in KINDS.items() if kind.empty is not None} == {"boolean": False}
    with pytest.raises(BadValue, match="is not yes or no"):
        to_wire(field("boolean"), "true")
