"""A describe changes in any way that does not suspend the mapping, then somebody edits on one side: nothing is lost,
whichever form the describe of then has given to what is stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from syncer.models import FieldMapping, SyncUser
from syncer.salesforce import values
from syncer.salesforce.describe import FieldDescribe
from syncer.salesforce.kinds import KINDS, kind_of, scale
from syncer.sync.fields.object_map import MappedField, NotTold, mapped_field, told
from syncer.sync.merge import Decision, Outcome, Value, merge, same
from syncer.sync.pull.describes import take_over

SETTINGS = settings(max_examples=300, deadline=None, derandomize=True)
NAMES = ("Wanted__c", "wanted__c", "WANTED__C")
#: Types between which a field may change without being suspended.
FREE_TEXT = sorted(name for name, kind in KINDS.items() if kind.free_text)
EDITABLE = ["double", "currency", "percent", "boolean", "date", "multipicklist", *FREE_TEXT]

numbers = st.decimals(min_value=-999, max_value=999, places=3, allow_nan=False, allow_infinity=False)
SAMPLES: dict[str, st.SearchStrategy[Any]] = {
    "number": numbers,
    "boolean": st.booleans(),
    "date": st.sampled_from(["2026-01-31", "2026-02-01"]),
    "multipicklist": st.sampled_from(["a;b", "b;a", "c"]),
}
describes = st.builds(
    FieldDescribe,
    name=st.sampled_from(NAMES),
    label=st.sampled_from(["Wanted", "WANTED", "Lead Score"]),
    type=st.sampled_from(EDITABLE),
    scale=st.integers(0, 3),
    length=st.integers(20, 255),
    precision=st.just(18),
    createable=st.just(True),
    updateable=st.just(True),
    custom=st.just(True),
    unique=st.booleans(),
)


def wire(described: FieldDescribe, value: Any) -> Any:
    """The value as it is entered, and as an answer has it: with as many decimals as the field has. What was entered
    when it had more stays, and shows again when it gets them back."""
    if not isinstance(value, Decimal):
        return value
    return value.quantize(Decimal(1).scaleb(-scale(described)), ROUND_HALF_UP)


@dataclass
class Pair:
    """A person and its record with one mapped field, in step, and what became of them."""

    mapping: FieldMapping
    described: FieldDescribe
    there: Any
    here: Value = None
    base: dict[str, Value] = field(default_factory=dict)

    @property
    def fields(self) -> MappedField:
        return mapped_field(SyncUser(), self.mapping)

    @property
    def canonical(self) -> Value:
        return values.from_wire(self.described, wire(self.described, self.there))

    def sync(self) -> Decision:
        """Receive, then send: what a cycle does with the pair."""
        mapped, key = self.fields, self.mapping.person_field
        here = mapped.here({"custom": {key: self.here}})
        there = mapped.there({self.described.name: wire(self.described, self.there)})
        merged = merge([mapped.rule], self.base, {key: here}, {key: there})
        [decision] = merged.decisions
        self.base = merged.base_after_reading(self.base)
        if decision.outcome is Outcome.RECEIVE:
            self.here = decision.there
        if decision.outcome is Outcome.SEND:
            sent = mapped.to_wire(decision.here)
            self.there = Decimal(sent) if isinstance(sent, int) and not isinstance(sent, bool) else sent
            self.base[key] = self.here = self.canonical
        return decision

    def change(self, described: FieldDescribe) -> None:
        take_over(self.mapping, described)
        assume(not self.mapping.problem)
        self.described = described


def in_step(described: FieldDescribe, value: Any) -> Pair:
    mapping = FieldMapping(object="Lead", person_field="Wanted__c", salesforce_field=described.name)
    take_over(mapping, described)
    pair = Pair(mapping, described, wire(described, value))
    pair.here = pair.canonical
    pair.base = {"Wanted__c": pair.here}
    return pair


@st.composite
def histories(draw: st.DrawFn) -> tuple[FieldDescribe, Any, list[tuple[FieldDescribe, str, Any]]]:
    """A field, a value that both sides have, and changes of its describe, each with an edit (or none) behind it."""
    first = draw(describes)
    of_its_kind = SAMPLES.get(kind_of(first).family, st.sampled_from(["a", "b", "2026", "1.50"]))
    steps = draw(
        st.lists(
            st.tuples(describes, st.sampled_from(["here", "there", "nobody", "unread"]), of_its_kind),
            min_size=1,
            max_size=4,
        )
    )
    alike = first.type if not kind_of(first).free_text else None
    return first, draw(of_its_kind), [(replace(d, type=alike) if alike else d, who, value) for d, who, value in steps]


NUMBER = FieldDescribe("Wanted__c", "Wanted", "double", precision=18, createable=True, updateable=True, custom=True)


@example((NUMBER, Decimal(5), [(replace(NUMBER, scale=2), "there", Decimal("7.25"))]))
@example((replace(NUMBER, scale=2), Decimal(12), [(NUMBER, "there", Decimal(14))]))
@example(
    (
        replace(NUMBER, scale=2),
        Decimal("12.50"),
        [(NUMBER, "nobody", Decimal(0)), (replace(NUMBER, scale=2), "there", Decimal(20))],
    )
)
@given(histories())
@SETTINGS
def test_an_edit_on_one_side_stands_whatever_the_describe_was_before(history):
    first, value, steps = history
    assume(first.type in FREE_TEXT or all(d.type == first.type for d, _, _ in steps))
    pair = in_step(first, value)
    for described, who, edited in steps:
        pair.change(described)
        if who == "unread":
            continue
        here, there = pair.fields.here({"custom": {"Wanted__c": pair.here}}), pair.canonical
        entered = values.from_text(described, str(edited))
        if who == "here" and entered != here:  # else it is what its writer read, and no edit
            pair.here = wanted = entered
        elif who == "there":
            pair.there = wire(described, edited)
            wanted = pair.canonical
        else:
            wanted = there
        decision = pair.sync()
        assert not decision.conflict
        rule = pair.fields.rule
        now = pair.fields.here({"custom": {"Wanted__c": pair.here}})
        assert same(rule, now, wanted), (who, here, there, decision)
        assert same(rule, pair.canonical, wanted), (who, here, there, decision)


@example((replace(NUMBER, scale=3), Decimal("12.345"), [(NUMBER, "here", Decimal("13.7"))]))
@example((replace(NUMBER, scale=2), Decimal("12.00"), [(NUMBER, "there", Decimal("14.00")), (NUMBER, "nobody", 0)]))
@given(histories())
@SETTINGS
def test_an_edit_that_waits_while_the_describe_changes_stands_in_the_form_of_the_new_one(history):
    """It is made before the change, and first compared after it. Digits that the field did not show when both sides
    last agreed are left out: they are news when it shows them again."""
    first, value, steps = history
    assume(first.type in FREE_TEXT or all(d.type == first.type for d, _, _ in steps))
    pair, editors = in_step(first, value), set()
    shown = wire(first, value)
    for described, who, edited in steps:
        if who == "here":
            pair.here = values.from_text(pair.described, str(edited))
            assume(pair.there == shown)
        elif who == "there":
            pair.there = wire(pair.described, edited)
        editors |= {who} & {"here", "there"}
        assume(len(editors) < 2)
        pair.change(described)
        if who == "unread":
            continue
        rule = pair.fields.rule
        here, there = pair.fields.here({"custom": {"Wanted__c": pair.here}}), pair.canonical
        wanted = there if same(rule, here, pair.base["Wanted__c"]) else here
        decision = pair.sync()
        assert not decision.conflict
        now = pair.fields.here({"custom": {"Wanted__c": pair.here}})
        assert same(rule, now, wanted), (who, here, there, decision)
        assert same(rule, pair.canonical, wanted), (who, here, there, decision)
        shown, editors = wire(described, pair.there), set()


def test_values_in_doubt_and_held_are_compared_with_the_decimals_of_now():
    rule = mapped_field(SyncUser(), in_step(replace(NUMBER, scale=2), Decimal(1)).mapping).rule
    assert same(rule, "12", "12.00")
    assert not same(rule, "12", "12.01")
    assert rule.as_of_now("not a number") == "not a number"


@pytest.mark.parametrize("name", NAMES)
def test_a_value_is_found_under_its_name_in_any_case_of_its_letters(name):
    """The describe is read every hour; until then answers may name a field otherwise."""
    assert told({"Id": "1", name: None}, "Wanted__c") is None


def test_a_value_that_an_answer_does_not_have_is_not_empty():
    with pytest.raises(NotTold):
        told({"Id": "1"}, "Wanted__c")
