from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.salesforce import jsontext

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters())
    | st.decimals(allow_nan=False, allow_infinity=False, places=4)
)
trees = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(trees)
def test_what_is_written_reads_the_same(value: object) -> None:
    assert jsontext.loads(jsontext.dumps(value)) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i)
    )
)
def test_it_writes_what_the_standard_library_writes(value: object) -> None:
    assert jsontext.dumps(value) == json.dumps(value, separators=(",", ":"))


def test_decimals_keep_every_digit() -> None:
    assert jsontext.dumps({"a": Decimal("9999999999999999.99"), "b": Decimal("1E+3"), "c": [1.5]}) == (
        '{"a":9999999999999999.99,"b":1000,"c":[1.5]}'
    )


@pytest.mark.parametrize("value", [Decimal("NaN"), float("inf"), [Decimal("-Infinity")]])
def test_what_json_lacks_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="JSON has no"):
        jsontext.dumps(value)


@pytest.mark.parametrize("value", [{1: 2}, object(), {"a": {1, 2}}, b"x"])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        jsontext.dumps(value)
