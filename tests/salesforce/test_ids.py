from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.salesforce.ids import KEY_PREFIXES, is_salesforce_id, object_of, to_18

ids = st.text(string.ascii_letters + string.digits, min_size=15, max_size=15)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("001A0000006Vm9r", "001A0000006Vm9rIAC"),
        ("0D5B000000SKZ7V", "0D5B000000SKZ7VKAX"),
        ("012000000000000", "012000000000000AAA"),
    ],
)
def test_known_ids_get_their_known_suffix(short: str, long: str) -> None:
    assert to_18(short) == to_18(long) == long


@given(ids)
def test_a_long_id_stays_as_it_is(short: str) -> None:
    assert to_18(to_18(short)) == to_18(short)
    assert to_18(short).startswith(short)


@given(ids, ids)
def test_two_ids_never_differ_in_case_only_once_they_are_long(one: str, other: str) -> None:
    assert (one == other) == (to_18(one).lower() == to_18(other).lower())


@pytest.mark.parametrize(
    "text", ["", "x", "001A0000006Vm9", "001A0000006Vm9r?", "001A0000006Vm9rIA", None, 7, "é" * 15]
)
def test_anything_else_is_refused_with_a_clear_text(text: object) -> None:
    assert not is_salesforce_id(text)
    with pytest.raises(ValueError, match="is not a Salesforce id"):
        to_18(text)


def test_a_wrong_suffix_is_refused() -> None:
    with pytest.raises(ValueError, match="should be 'IAC'"):
        to_18("001A0000006Vm9rIAA")


def test_the_object_is_known_by_the_prefix() -> None:
    for name, prefix in KEY_PREFIXES.items():
        assert object_of(prefix + "000000000001") == name
    assert object_of("a0X000000000001") is None
