"""Rows as CSV, both ways ("Prepare CSV Files", Bulk API 2.0 Developer Guide)."""

from __future__ import annotations

import pytest

from syncer.salesforce import bulkcsv
from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.kinds import BadValue

NAME, BUDGET, TICKED = (
    FieldDescribe("LastName", "Last Name", "string"),
    FieldDescribe("Budget__c", "Budget", "currency", precision=18, scale=2),
    FieldDescribe("Newsletter__c", "Newsletter", "boolean"),
)
HARD = [
    'a "quoted" word, and a comma',
    "two\nlines",
    '"',
    "=1+1",
    "#N/A is what we write",
    "#n/a",
    "שלום, עולם",
    "👩‍👩‍👧 family",
    "tab\there",
    "semi;colon|pipe",
    "\ufeffmark",
    "'single'",
]


def test_three_things_that_a_cell_can_say() -> None:
    content = bulkcsv.write(
        [NAME, BUDGET, TICKED],
        [{"LastName": "Ode", "Budget__c": "9999999999999999.99"}, {"Budget__c": None, "Newsletter__c": None}, {}],
    )
    assert content == b"LastName,Budget__c,Newsletter__c\nOde,9999999999999999.99,\n,#N/A,false\n,,\n"


@pytest.mark.parametrize("text", HARD)
def test_texts_come_back_as_they_were(text: str) -> None:
    (row,) = bulkcsv.read(bulkcsv.write([NAME], [{"LastName": text}]))
    assert bulkcsv.canonical([NAME], row) == {"LastName": text}


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(BadValue, match="means empty in a Bulk file"):
        bulkcsv.write([NAME], [{"LastName": "#N/A"}])
    with pytest.raises(ValueError, match="no column for Title"):
        bulkcsv.write([NAME], [{"LastName": "Ode", "Title": "Dr."}])
    with pytest.raises(ValueError, match="not a name"):
        bulkcsv.write([FieldDescribe("Last,Name", "x", "string")], [])


def test_the_word_for_null_is_text_in_a_result() -> None:
    assert bulkcsv.canonical([NAME, BUDGET], {"LastName": "#N/A", "Budget__c": ""}) == {
        "LastName": "#N/A",
        "Budget__c": None,
    }


def test_line_ends_inside_and_outside_of_quotes() -> None:
    (row,) = bulkcsv.read(b'"LastName","Budget__c"\r\n"two\r\nlines","1"\r\n')
    assert bulkcsv.canonical([NAME, BUDGET], row) == {"LastName": "two\nlines", "Budget__c": "1.00"}


def test_the_longest_text_of_salesforce_is_read() -> None:
    text = "x" * 131_072
    assert bulkcsv.read(bulkcsv.write([NAME], [{"LastName": text}])) == [{"LastName": text}]


@pytest.mark.parametrize(
    "content", [b'"Id","Name"\n"1","cut o', b'"Id","Name"\n"1"\n', b'"Id"\n"1"x\n', b"Id\n\xff\n", b"Id\n1"]
)
def test_a_result_that_is_cut_off_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        bulkcsv.read(content)


def test_an_empty_result() -> None:
    assert bulkcsv.read(b'"Id"\n') == []
    assert bulkcsv.read(b"") == []


def test_parents_are_nested_as_in_rest() -> None:
    row = {"Id": "1", "Title": "", "Owner.Name": "Eva", "Owner.Manager.Name": "", "Account.Name": ""}
    assert bulkcsv.record(row) == {
        "Id": "1",
        "Title": None,
        "Owner": {"Name": "Eva", "Manager": None},
        "Account": None,
    }
