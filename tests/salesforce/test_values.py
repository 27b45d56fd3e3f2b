from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.salesforce import jsontext
from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.kinds import BadValue
from syncer.salesforce.values import from_csv, from_text, from_wire, to_csv, to_wire
from syncer.sync.merge import FieldRule, same

TEXTS = ["string", "textarea", "email", "phone", "url", "picklist", "combobox", "encryptedstring", "base64", "anyType"]
ALL = [
    *TEXTS, "boolean", "int", "long", "double", "currency", "percent", "date", "datetime", "time",
    "multipicklist", "reference", "id", "address", "location",
]  # fmt: skip


def field(kind: str, scale: int = 2) -> FieldDescribe:
    return FieldDescribe("X__c", "Some Field", kind, precision=18, scale=scale)


def rule(kind: str) -> FieldRule:
    return FieldRule("X__c", boolean=kind == "boolean")


storable = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), st.text(), st.dates(), st.datetimes(),
    st.datetimes(timezones=st.timezones()), st.times(), st.lists(st.text()), st.dictionaries(st.text(), st.text()),
)  # fmt: skip


@given(st.sampled_from(ALL), anything)
def test_whatever_comes_is_canonical_or_a_clear_refusal(kind: str, raw: object) -> None:
    for read in (from_text, from_wire):
        try:
            value = read(field(kind), raw)
        except BadValue as error:
            assert str(error).startswith("Some Field: ")  # noqa: PT017
            assert error.field == "X__c"  # noqa: PT017
        else:
            assert value is None or isinstance(value, (bool, str))
            assert value != ""
            assert read(field(kind), value) == value
            json.dumps(value)


@given(st.sampled_from(ALL), anything)
def test_what_salesforce_gets_comes_back_equal(kind: str, raw: object) -> None:
    try:
        value = from_text(field(kind), raw)
    except BadValue:
        return
    sent = jsontext.dumps(to_wire(field(kind), value))
    assert same(rule(kind), from_wire(field(kind), jsontext.loads(sent)), value)


@given(st.sampled_from(ALL), anything)
def test_what_a_file_carries_comes_back_equal(kind: str, raw: object) -> None:
    try:
        value = from_text(field(kind), raw)
        cell = to_csv(field(kind), value)
    except BadValue:
        return
    assert cell
    assert same(rule(kind), from_csv(field(kind), "" if cell == "#N/A" else cell), value)


@given(storable)
def test_a_text_loses_nothing_but_blanks_at_its_ends_and_carriage_returns(text: str) -> None:
    value = from_text(field("string"), text)
    assert (value or "") == text.replace("\r\n", "\n").replace("\r", "\n").strip("".join(map(chr, range(33))))


@given(st.integers(-(10**20), 10**20), st.integers(0, 18))
def test_a_number_with_the_fields_decimals_keeps_every_digit(units: int, scale: int) -> None:
    number = Decimal(units).scaleb(-scale)
    value = from_wire(field("double", scale), number)
    sent = to_wire(field("double", scale), value)
    assert isinstance(sent, (int, Decimal))
    assert Decimal(sent) == number
    assert Decimal(jsontext.dumps(sent)) == number


@pytest.mark.parametrize(
    ("kind", "scale", "raw", "value"),
    [
        ("currency", 2, 1000, "1000.00"),
        ("currency", 2, Decimal("9999999999999999.99"), "9999999999999999.99"),
        ("double", 0, Decimal("7.0"), "7"),
        ("double", 0, Decimal("2.5"), "3"),
        ("double", 1, Decimal("-0.04"), "0.0"),
        ("int", 5, 12, "12"),
        ("percent", 2, "1e1", "10.00"),
        ("double", 2, 0.1, "0.10"),
        ("double", 15, Decimal("52.370216000000001"), "52.370216000000001"),
    ],
)
def test_numbers_have_one_form(kind: str, scale: int, raw: object, value: str) -> None:
    assert from_wire(field(kind, scale), raw) == from_text(field(kind, scale), raw) == value


@pytest.mark.parametrize(
    "raw", ["1,5", "1_000", "0x10", "NaN", "Infinity", "12 34", True, "1e999", "9" * 50, Decimal("sNaN"), [1]]
)
def test_other_numbers_are_refused(raw: object) -> None:
    with pytest.raises(BadValue):
        from_text(field("double"), raw)


@pytest.mark.parametrize("kind", ["double", "string", "boolean", "date"])
def test_a_number_without_end_is_refused(kind: str) -> None:
    with pytest.raises(BadValue, match="more than 40 digits is too large"):
        from_wire(field(kind), 10**5000)


@pytest.mark.parametrize(
    "raw",
    [
        "2026-01-02T03:04:05.000+0000",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.999Z",
        "2026-01-02 05:04:05+02:00",
        "2026-01-01T22:04:05-0500",
    ],
)
def test_datetimes_have_one_form(raw: str) -> None:
    assert from_wire(field("datetime"), raw) == "2026-01-02T03:04:05Z"


def test_python_dates_and_times_are_taken() -> None:
    moment = datetime(2026, 1, 2, 4, 4, 5, 7, timezone(timedelta(hours=1)))
    assert from_text(field("datetime"), moment) == "2026-01-02T03:04:05Z"
    assert from_text(field("date"), date(2026, 1, 2)) == "2026-01-02"
    assert from_text(field("time"), time(3, 4, 5, 6000)) == "03:04:05.006Z"
    assert from_text(field("time"), "03:04") == "03:04:00.000Z"
    assert from_wire(field("time"), "03:04:05.000Z") == "03:04:05.000Z"


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("date", "2026-02-30"),
        ("date", "02/01/2026"),
        ("date", "1500-01-01"),
        ("date", 20260102),
        ("datetime", "2026-01-02T03:04:05"),
        ("datetime", datetime(2026, 1, 2)),
        ("datetime", "2026-01-02"),
        ("datetime", "2026-13-02T03:04:05Z"),
        ("datetime", datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))),
        ("datetime", datetime(1, 1, 1, tzinfo=UTC)),
        ("time", "25:00"),
        ("boolean", "maybe"),
        ("boolean", 2),
        ("reference", "00Q"),
        ("reference", 5),
        ("string", "a\0b"),
        ("string", "\ud800"),
        ("multipicklist", 5),
        ("multipicklist", ["a;b"]),
        ("multipicklist", ["a", None]),
    ],
)
def test_what_a_field_cannot_hold_is_refused_in_a_sentence(kind: str, raw: object) -> None:
    with pytest.raises(BadValue, match=r"^Some Field: .+\.$"):
        from_text(field(kind), raw)


def test_an_absurd_date_from_salesforce_is_kept() -> None:
    assert from_wire(field("date"), "1066-10-14") == "1066-10-14"


@pytest.mark.parametrize(
    ("raw", "value"), [("yes", True), ("0", False), ("TRUE", True), (False, False), (1, True), ("", None)]
)
def test_booleans_are_understood(raw: object, value: object) -> None:
    assert from_text(field("boolean"), raw) is value


def test_unknown_agrees_with_a_box_that_is_not_ticked() -> None:
    assert same(rule("boolean"), None, False)
    assert not same(rule("boolean"), None, True)
    assert not same(rule("string"), None, "false")
    assert to_wire(field("boolean"), None) is False


def test_several_values_compare_as_a_set() -> None:
    kind = field("multipicklist")
    assert from_wire(kind, "b;a;b; c ;") == from_text(kind, ["c", "b", "a"]) == "a;b;c"
    assert from_text(kind, []) is None


def test_ids_become_18_characters() -> None:
    assert from_wire(field("reference"), "001A0000006Vm9r") == "001A0000006Vm9rIAC"


def test_a_megabyte_of_text_is_kept_and_not_repeated_in_the_refusal() -> None:
    text = "x" * 1_000_000
    assert from_text(field("textarea"), text) == text
    with pytest.raises(BadValue) as caught:
        from_text(field("double"), text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["#N/A x", ' "quoted", with comma', "שלום", "🎉\n=1+1", "#n/a"])
def test_texts_survive_a_bulk_file(text: str) -> None:
    value = from_text(field("string"), text)
    assert from_csv(field("string"), to_csv(field("string"), value)) == value


def test_the_word_for_null_cannot_be_sent_in_a_bulk_file() -> None:
    assert to_csv(field("string"), None) == "#N/A"
    with pytest.raises(BadValue):
        to_csv(field("string"), "#N/A")
    assert to_wire(field("string"), "#N/A") == "#N/A"
