"""Every type of field, both ways: what is written by REST or by a Bulk file is read back equal by either."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syncer.salesforce import soql, values, writing
from syncer.salesforce.bulk import Bulk
from syncer.salesforce.bulkcsv import canonical
from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.ids import to_18
from syncer.salesforce.kinds import Canonical
from syncer.sync.merge import FieldRule, same
from tests.salesforce.test_sandbox import World

SETTINGS = settings(max_examples=50, deadline=None, derandomize=True)
POOL = 4

DEFINED: list[dict[str, Any]] = [
    {"name": "Text__c", "type": "text", "length": 255},
    {"name": "Area__c", "type": "textarea", "length": 255},
    {"name": "Long__c", "type": "longtextarea", "length": 131072},
    {"name": "Rich__c", "type": "html", "length": 32768},
    {"name": "Mail__c", "type": "email"},
    {"name": "Phone__c", "type": "phone"},
    {"name": "Url__c", "type": "url"},
    {"name": "Pick__c", "type": "picklist", "values": ["a", "b"]},
    {"name": "Strict__c", "type": "picklist", "values": ["Yes, please", 'The "other"', "naïve"], "restricted": True},
    {"name": "Multi__c", "type": "multipicklist", "values": ["b", "a", "c d", "é"]},
    {"name": "Box__c", "type": "checkbox"},
    {"name": "Whole__c", "type": "int"},
    {"name": "Number__c", "type": "number", "precision": 18, "scale": 0},
    {"name": "Exact__c", "type": "number", "precision": 18, "scale": 17},
    {"name": "Money__c", "type": "currency", "precision": 18, "scale": 2},
    {"name": "Share__c", "type": "percent", "precision": 5, "scale": 2},
    {"name": "Day__c", "type": "date"},
    {"name": "Moment__c", "type": "datetime"},
    {"name": "Hour__c", "type": "time"},
    {"name": "Account__c", "type": "lookup", "referenceTo": "Account"},
    {"name": "Combo__c", "type": "combobox", "values": ["a"]},
    {"name": "Secret__c", "type": "encryptedtext", "length": 175},
    {"name": "Place__c", "type": "location", "scale": 6},
]

HARD = [
    "",
    " ",
    "#N/A",
    "#N/A or not",
    " #N/A ",
    'say "no", or:\r\n two lines',
    '"',
    '""',
    ",",
    "\n,\n",
    "-",
    "=1+1",
    "0012",
    "true",
    "null",
    "שלום, עולם\u200f",
    "👩‍👩‍👧 \U0001f1fa\U0001f1e6",
    "\ufeffmark",
    "a\u2028b\x85c\x1cd",
    "x;y",
    "e\u0301",
]
storable = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
texts = st.sampled_from(HARD) | st.text(storable, max_size=30)
decimals = st.integers(-(10**18) + 1, 10**18 - 1)

RAW: dict[str, st.SearchStrategy[object]] = {
    "Text__c": texts,
    "Area__c": texts,
    "Long__c": texts | st.just("long " * 20_000 + "end"),
    "Rich__c": texts | st.just('<p class="x">a &amp; b</p>'),
    "Mail__c": st.sampled_from(["", " Ada.Lovelace+x@Example.example ", "o'neil@x.example", None]),
    "Phone__c": st.sampled_from(["", "+1 (555) 010-9999", "0012", None]),
    "Url__c": st.sampled_from(["https://x.example/?a=1,2&b=%22", " x.example ", None]),
    "Pick__c": st.text(storable, max_size=20) | st.sampled_from(["a", " b ", "not in the list"]),
    "Strict__c": st.sampled_from(["Yes, please", 'The "other"', " naïve ", "", None]),
    "Multi__c": st.lists(st.sampled_from(["a", "b", "c d", "é", " b ", ""]), max_size=5).map(";".join),
    "Box__c": st.booleans() | st.none(),
    "Whole__c": st.integers(-(10**8) + 1, 10**8 - 1) | st.none(),
    "Number__c": decimals | st.none(),
    "Exact__c": decimals.map(lambda n: Decimal(n).scaleb(-17)) | st.none(),
    "Money__c": decimals.map(lambda n: Decimal(n).scaleb(-2)) | st.just(Decimal("0.005")) | st.none(),
    "Share__c": st.integers(-99999, 99999).map(lambda n: Decimal(n).scaleb(-2)) | st.just("12.345"),
    "Day__c": st.dates(date(1700, 1, 1), date(3999, 12, 31)) | st.none(),
    "Moment__c": st.datetimes(datetime(1700, 1, 2), datetime(3999, 12, 30), timezones=st.timezones()) | st.none(),
    "Hour__c": st.times() | st.just(time(23, 59, 59, 999_999)) | st.none(),
    "Account__c": st.sampled_from(["{account}", "{account15}", None]),
    "Combo__c": texts,
    "Secret__c": texts,
    "Place__Latitude__s": st.decimals(-90, 90, places=6) | st.none(),
    "Place__Longitude__s": st.decimals(-180, 180, places=6) | st.none(),
}
EVERYTHING = st.fixed_dictionaries({}, optional=RAW)


class Rig:
    """An organisation whose leads have a field of each type, and a few leads to write to."""

    def __init__(self) -> None:
        self.world = World()
        for definition in DEFINED:
            self.world.control("fields", object="Lead", **definition)
        self.world.control("switches", username="sync@example.com", view_encrypted=True)
        self.account = self._account()
        self.leads = [self.world.create() for _ in range(POOL)]
        described = self.world.org.describe("Lead").fields
        self.id = described["Id"]
        self.fields: dict[str, FieldDescribe] = {name: described[name] for name in RAW}
        self.bulk = Bulk(self.world.org, pause=self.world.nap, page=3)

    def _account(self) -> str:
        answer = self.world.org.composite([writing.create("a", "Account", [{"Name": "Acme"}])], safe=False)
        return str(writing.results(answer["a"])[0].id)

    def canonical(self, given: dict[str, object]) -> dict[str, Canonical]:
        """What a person, a file or a database column says, as it is kept here."""
        known = {"{account}": self.account, "{account15}": self.account[:15]}
        return {
            name: values.from_text(self.fields[name], known.get(str(value), value)) for name, value in given.items()
        }

    def write(self, lead: str, row: dict[str, Canonical]) -> None:
        sent = {"Id": lead} | {name: values.to_wire(self.fields[name], value) for name, value in row.items()}
        answer = self.world.org.composite([writing.update("u", "Lead", [sent])], safe=False)
        (result,) = writing.results(answer["u"])
        assert result.success, result

    def write_bulk(self, rows: dict[str, dict[str, Canonical]], unsaid: set[str]) -> None:
        fields = [self.id, *self.fields.values()]
        (outcome,) = self.bulk.ingest("Lead", "update", fields, [{"Id": lead} | row for lead, row in rows.items()])
        assert outcome.unprocessed == unsaid
        assert all(outcome.results[lead].success for lead in rows.keys() - unsaid), outcome

    def read(self) -> dict[str, dict[str, Canonical]]:
        """All leads by REST."""
        found = {}
        for record in self.world.org.query(soql.select(["Id", *self.fields], "Lead")).records:
            found[record["Id"]] = {name: values.from_wire(f, record[name]) for name, f in self.fields.items()}
        return found

    def read_bulk(self) -> dict[str, dict[str, Canonical]]:
        """All leads by a Bulk query."""
        found = {}
        for page in self.bulk.query(soql.select(["Id", *self.fields], "Lead")):
            for record in page.records:
                row = {name: str(cell or "") for name, cell in record.items()}
                found[row["Id"]] = canonical(self.fields.values(), row)
        return found

    def agrees(self, found: dict[str, Canonical], row: dict[str, Canonical]) -> bool:
        rules = {name: FieldRule(name, boolean=field.type == "boolean") for name, field in self.fields.items()}
        return all(same(rules[name], found[name], value) for name, value in row.items())


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.world.session.close()
    made.world.sandbox.close()


def test_each_type_is_among_them(rig: Rig) -> None:
    kinds = {field.type for field in rig.fields.values()}
    assert kinds == {
        "string", "textarea", "email", "phone", "url", "picklist", "multipicklist", "boolean", "int", "double",
        "currency", "percent", "date", "datetime", "time", "reference", "combobox", "encryptedstring",
    }  # fmt: skip


@SETTINGS
@given(given_=EVERYTHING)
@example(dict.fromkeys(("Text__c", "Area__c", "Long__c", "Combo__c"), "#N/A"))
@example({"Money__c": Decimal("9999999999999999.99"), "Number__c": 10**18 - 1, "Exact__c": "9.99999999999999999"})
@example({"Moment__c": datetime(2026, 3, 29, 1, 30, 0, 999_999, tzinfo=UTC)})
def test_what_is_written_by_rest_is_read_back_equal(rig: Rig, given_: dict[str, object]) -> None:
    row = rig.canonical(given_)
    rig.write(rig.leads[0], row)
    before = rig.read()
    assert rig.agrees(before[rig.leads[0]], row)
    assert rig.read_bulk() == before
    # what was read is written back, and nothing moves
    rig.write(rig.leads[0], {name: before[rig.leads[0]][name] for name in row})
    assert rig.read() == before


@SETTINGS
@given(rows=st.lists(EVERYTHING, min_size=1, max_size=POOL))
@example([dict.fromkeys(RAW)])
@example([{}, {"Text__c": "the others keep what they have"}])
def test_what_is_written_by_a_bulk_file_is_read_back_equal(rig: Rig, rows: list[dict[str, object]]) -> None:
    before = rig.read()
    sent = {lead: rig.canonical(row) for lead, row in zip(rig.leads, rows, strict=False)}
    unsaid = {lead for lead, row in sent.items() if "#N/A" in row.values()}
    rig.write_bulk(sent, unsaid)
    for lead in unsaid:  # the one thing that a file can't say goes another way
        rig.write(lead, sent[lead])
    after = rig.read()
    assert rig.read_bulk() == after
    for lead in rig.leads:
        assert rig.agrees(after[lead], before[lead] | sent.get(lead, {}))


@SETTINGS
@given(text=texts, name=st.sampled_from(["Text__c", "Area__c", "Long__c", "Pick__c", "Combo__c", "Secret__c"]))
def test_what_a_salesperson_typed_is_kept_as_here_and_written_back_unchanged(rig: Rig, text: str, name: str) -> None:
    """Not trimmed, with the line ends of a browser: wire, canonical, wire."""
    rig.world.org.composite([writing.update("u", "Lead", [{"Id": rig.leads[0], name: text}])], safe=False)
    found = rig.read()[rig.leads[0]][name]
    assert found == values.from_text(rig.fields[name], text)
    rig.write(rig.leads[0], {name: found})
    assert rig.read()[rig.leads[0]][name] == found


def test_ids_are_kept_with_18_characters(rig: Rig) -> None:
    rig.write(rig.leads[0], rig.canonical({"Account__c": "{account15}"}))
    assert rig.read()[rig.leads[0]]["Account__c"] == rig.account == to_18(rig.account[:15])


def test_the_parts_of_a_place_and_an_address(rig: Rig) -> None:
    described = rig.world.org.describe("Lead").fields
    assert described["Place__Latitude__s"].compound == "Place__c"
    assert described["Street"].compound == "Address"
    assert described["Place__c"].read_only
    assert described["Address"].read_only
    rig.write(rig.leads[0], {"Place__Latitude__s": "52.520008", "Place__Longitude__s": "-13.404954"})
    record = rig.world.read(rig.leads[0], "Place__c", "Place__Latitude__s")
    assert record["Place__c"] == {"latitude": Decimal("52.520008"), "longitude": Decimal("-13.404954")}
    assert values.from_wire(described["Place__c"], record["Place__c"]) == (
        '{"latitude":52.520008,"longitude":-13.404954}'
    )
