from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.salesforce import soql

UNESCAPED = {"\\\\": "\\", "\\'": "'", '\\"': '"', "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\b": "\b", "\\f": "\f"}


def read_literal(text: str) -> str:
    """Reads a quoted SOQL text as Salesforce does; fails if it ends early."""
    assert text[0] == text[-1] == "'"
    pieces = re.findall(r"\\.|[^\\]", text[1:-1], re.DOTALL)
    assert "'" not in pieces
    return "".join(UNESCAPED.get(piece, piece) for piece in pieces)


@given(st.text(st.characters(exclude_characters="\0")))
def test_any_text_stays_inside_its_quotes(text: str) -> None:
    assert read_literal(soql.literal(text)) == text


@given(st.text() | st.sampled_from(["Id FROM User", "Id--", "1a", "", "Id,Name", "Näme", "Id\n", "a b"]))
def test_only_names_are_let_through(name: str) -> None:
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]*", name):
        assert soql.identifier(name) == name
    else:
        with pytest.raises(ValueError, match="not a name"):
            soql.select([name], "Lead")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (Decimal("1E+2"), "100"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5, 999999, UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:05Z"),
        (datetime(900, 1, 2, tzinfo=UTC), "0900-01-02T00:00:00Z"),
    ],
)
def test_values_are_written_as_soql_wants_them(value: object, text: str) -> None:
    assert soql.literal(value) == text


@pytest.mark.parametrize("value", [datetime(2026, 1, 2), "a\0b", Decimal("NaN")])
def test_values_that_can_only_be_guessed_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        soql.literal(value)


@pytest.mark.parametrize("value", [1.5, b"x", [1]])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        soql.literal(value)


def test_a_select_puts_its_parts_together() -> None:
    where = soql.and_(soql.in_("Id", ["a", "b", "a"]), None, soql.or_(soql.equals("X__c", None), "Y = 1"))
    assert soql.select(["Id", "Owner.Name"], "Lead", where, ["SystemModstamp", "Id DESC NULLS LAST"], 10) == (
        "SELECT Id, Owner.Name FROM Lead WHERE (Id IN ('a','b')) AND ((X__c = null) OR (Y = 1)) "
        "ORDER BY SystemModstamp, Id DESC NULLS LAST LIMIT 10"
    )


def test_one_condition_needs_no_parentheses() -> None:
    assert soql.and_(None, "Id = 'x'", None) == "Id = 'x'"
    assert soql.or_(None) == ""


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ValueError, match="No values"):
        soql.in_("Id", [])


@pytest.mark.parametrize("parts", [{"fields": []}, {"order_by": "Id; DELETE"}, {"limit": -1}, {"where": "x" * 100_001}])
def test_a_select_that_salesforce_would_refuse_is_refused(parts: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        soql.select(**{"fields": ["Id"], "object": "Lead"} | parts)  # type: ignore[arg-type]


def test_600_fields_fit_into_a_statement() -> None:
    names = [f"An_Uncommonly_Long_Field_Name_{number:04}__c" for number in range(600)]
    assert len(soql.select(names, "Lead")) > 16_000


def test_a_read_begins_at_the_bound_and_goes_on_after_the_last_row() -> None:
    since, last = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    assert soql.changed_since(None, None) is None
    assert soql.changed_since(since, None) == "SystemModstamp >= 2026-01-02T00:00:00Z"
    assert soql.changed_since(since, (last, "00Q000000000001EAA")) == (
        "(SystemModstamp > 2026-01-03T00:00:00Z OR "
        "(SystemModstamp = 2026-01-03T00:00:00Z AND Id > '00Q000000000001EAA'))"
    )


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_query_survives_its_way_in_a_url(text: str) -> None:
    path = soql.query_path(text, deleted=True)
    assert path.isascii()
    assert not re.search(r"[\s#@{]", path)
    assert parse_qs(urlsplit(path).query, keep_blank_values=True)["q"] == [text]
    assert urlsplit(path).path == "/queryAll"
