"""Ids: 15 and 18 characters."""

from __future__ import annotations

import pytest

from sandbox import ids


def test_it_makes_the_check_characters_of_known_ids() -> None:
    # a well-known pair of Salesforce's documentation
    assert ids.long_form("0011r00002HkT9t") == "0011r00002HkT9tAAF"
    assert ids.long_form("0011r00002HkT9tAAF") == "0011r00002HkT9tAAF"
    assert ids.long_form("012000000000000") == "012000000000000AAA"


@pytest.mark.parametrize("text", ["", "00Q", "0011r00002HkT9tAAA", "0011r00002HkT9t!", "0011r00002HkT9tAA"])
def test_it_refuses_what_is_no_id(text: str) -> None:
    assert ids.long_form(text) is None


def test_running_numbers_make_different_ids() -> None:
    made = [ids.make("00Q", number) for number in range(1, 5000)]
    assert len(set(made)) == len(made)
    assert all(len(each) == 18 and each.startswith("00Q") and ids.long_form(each[:15]) == each for each in made)
