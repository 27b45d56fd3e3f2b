"""The merge for records of many fields with any rules: what holds for all of them (behaviour, section 5)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from syncer.sync.merge import FieldRule, Merge, Outcome, Value, merge, same

SETTINGS = settings(max_examples=100, deadline=None, derandomize=True)
TEXTS, BOXES = ("title", "city", "email"), ("newsletter", "unsubscribed")
FIELDS = (*TEXTS, *BOXES)

texts = st.sampled_from([None, "a", "b", "c"])
boxes = st.sampled_from([None, False, True])


def value_of(name: str) -> st.SearchStrategy[Value]:
    return boxes if name in BOXES else texts


def rule_of(name: str) -> st.SearchStrategy[FieldRule]:
    return st.builds(
        FieldRule,
        field=st.just(name),
        receive=st.booleans(),
        send=st.booleans(),
        winner=st.sampled_from(["marketo", "salesforce"]),
        keep_filled=st.booleans(),
        boolean=st.just(name in BOXES),
        unfilled=st.booleans(),
        consent=st.just(name == "unsubscribed"),
    )


sides = st.fixed_dictionaries({name: value_of(name) for name in FIELDS})
#: a box there is never empty, Salesforce knows ticked and not ticked
there_sides = st.fixed_dictionaries(dict.fromkeys(TEXTS, texts) | dict.fromkeys(BOXES, st.booleans()))
bases = st.fixed_dictionaries({}, optional={name: value_of(name) for name in FIELDS})


@dataclass(frozen=True)
class Pair:
    """A person and its record under some rules, and how they are to be merged."""

    rules: tuple[FieldRule, ...]
    base: dict[str, Value]
    here: dict[str, Value]
    there: dict[str, Value]
    weak: bool = False
    sending: bool = True
    first_contact_sends: bool = True

    def merged(self) -> Merge:
        return merge(
            self.rules,
            self.base,
            self.here,
            self.there,
            weak=self.weak,
            sending=self.sending,
            first_contact_sends=self.first_contact_sends,
        )

    def after(self) -> Pair:
        """Once everything is done that was decided: received, then sent, and what was sent is agreed on."""
        merged = self.merged()
        sent = merged.to_send
        return replace(
            self,
            base=merged.base_after_reading(self.base) | sent,
            here=self.here | merged.received,
            there=self.there | sent,
            weak=False,
        )

    def rule(self, name: str) -> FieldRule:
        return next(rule for rule in self.rules if rule.field == name)


any_pairs = st.builds(
    Pair,
    rules=st.tuples(*[rule_of(name) for name in FIELDS]),
    base=bases,
    here=sides,
    there=there_sides,
    weak=st.booleans(),
    sending=st.booleans(),
    first_contact_sends=st.booleans(),
)
#: both sides agreed on every field, with this record
agreed = st.builds(
    Pair, rules=st.tuples(*[rule_of(name) for name in FIELDS]), base=sides, here=sides, there=there_sides
)


def open_both_ways(rule: FieldRule) -> bool:
    return rule.receive and rule.send and not rule.keep_filled


@SETTINGS
@given(pair=any_pairs, order=st.permutations(range(len(FIELDS))))
def test_fields_do_not_influence_each_other(pair: Pair, order: list[int]) -> None:
    as_given = {d.field: d for d in pair.merged().decisions}
    shuffled = replace(pair, rules=tuple(pair.rules[i] for i in order), here=dict(reversed(pair.here.items())))
    assert {d.field: d for d in shuffled.merged().decisions} == as_given
    for name in FIELDS:
        alone = replace(pair, rules=(pair.rule(name),), there={name: pair.there[name]})
        assert alone.merged().decisions == (as_given[name],)


@SETTINGS
@given(pair=any_pairs)
@example(
    Pair(  # nothing may be sent, and the new record lacks it
        rules=(FieldRule("title"),),
        base={"title": "a"},
        here={"title": "a"},
        there={"title": None},
        weak=True,
        sending=False,
    )
)
def test_a_second_merge_finds_nothing_to_do(pair: Pair) -> None:
    once = pair.after()
    again = once.merged()
    assert (again.received, again.to_send, again.conflicts) == ({}, {}, [])
    assert once.after() == once
    for decision in again.decisions:
        if open_both_ways(pair.rule(decision.field)) and pair.sending and pair.first_contact_sends:
            assert decision.outcome is Outcome.AGREE or pair.rule(decision.field).unfilled
        if decision.outcome is Outcome.AGREE:
            assert same(pair.rule(decision.field), once.here[decision.field], once.there[decision.field])


@SETTINGS
@given(pair=any_pairs)
def test_nothing_goes_where_its_rule_does_not_let_it(pair: Pair) -> None:
    merged = pair.merged()
    for name in merged.received:
        assert pair.rule(name).receive
        # an edit to a kept field that can't be sent either stays where it is
        assert not pair.rule(name).keep_filled or pair.here[name] is None or pair.rule(name).consent
    for name in merged.to_send:
        assert pair.sending
        assert pair.rule(name).send
    assert merged.received.keys().isdisjoint(merged.to_send)


@SETTINGS
@given(pair=agreed)
def test_a_field_edited_on_one_side_only_is_never_overwritten_by_the_other(pair: Pair) -> None:
    """Promise 2. What only Salesforce may change is restored when it was edited here, and that is told."""
    after = pair.after()
    for d in pair.merged().decisions:
        rule = pair.rule(d.field)
        edited_here, edited_there = not same(rule, d.here, d.base), not same(rule, d.there, d.base)
        if edited_there and not edited_here:
            assert after.there[d.field] == d.there
            if open_both_ways(rule):
                assert after.here[d.field] == d.there
        if edited_here and not edited_there:
            if rule.send:
                assert after.here[d.field] == after.there[d.field] == d.here
            else:
                assert after.there[d.field] == d.there
                assert after.here[d.field] == d.here or d.conflict
        if not edited_here and not edited_there:
            assert d.outcome is Outcome.AGREE


@SETTINGS
@given(pair=agreed)
def test_a_field_edited_on_both_sides_ends_with_the_winners_value_and_the_losers_is_told(pair: Pair) -> None:
    """Promise 3."""
    after = pair.after()
    for d in pair.merged().decisions:
        rule = pair.rule(d.field)
        if same(rule, d.here, d.base) or same(rule, d.there, d.base) or same(rule, d.here, d.there):
            continue
        if d.outcome is Outcome.LEAVE:
            assert not rule.send
            assert (after.here[d.field], after.there[d.field]) == (d.here, d.there)
            continue
        assert d.conflict
        assert {d.value, d.loser} == {d.here, d.there}
        assert after.here[d.field] == after.there[d.field] == d.value
        if open_both_ways(rule):
            assert d.winner == rule.winner


@SETTINGS
@given(pair=any_pairs)
def test_a_value_that_somebody_entered_is_kept_or_told(pair: Pair) -> None:
    """Also on first contact and with a new record: what is gone on both sides stands among the conflicts, unless
    nobody had touched it since both sides agreed."""
    merged, after = pair.merged(), pair.after()
    told = {d.field: d.loser for d in merged.conflicts}
    for d in merged.decisions:
        rule = pair.rule(d.field)
        for value in (d.here, d.there):
            kept = any(same(rule, value, left) for left in (after.here[d.field], after.there[d.field]))
            nobodys = value is None or (rule.boolean and value is False)
            old = d.has_base and same(rule, value, d.base)
            assert kept or nobodys or old or same(rule, told.get(d.field), value)


@SETTINGS
@given(pair=any_pairs)
@example(
    Pair(  # a box that only Salesforce may tick is not empty, it says no
        rules=(FieldRule("newsletter", boolean=True, send=False),),
        base={"newsletter": True},
        here={"newsletter": True},
        there={"newsletter": False},
        weak=True,
    )
)
def test_after_a_conversion_nothing_is_blanked_and_no_old_value_is_sent_over_the_contacts(pair: Pair) -> None:
    pair = replace(pair, weak=True, first_contact_sends=True)
    merged, after = pair.merged(), pair.after()
    for d in merged.decisions:
        rule = pair.rule(d.field)
        if not d.has_base or rule.unfilled:
            continue
        edited_here = not same(rule, d.here, d.base)
        if d.outcome is Outcome.RECEIVE and not edited_here:
            assert d.there is not None
            assert not (rule.boolean and d.there is False and rule.send), "a box that was ticked is not unticked"
        if d.outcome is Outcome.SEND and not edited_here:
            assert d.there is None or d.there is False
        if edited_here and rule.send:
            assert after.here[d.field] == d.here
    # the same holds for every later merge of the same values
    assert after.merged().received == {}


@SETTINGS
@given(pair=any_pairs, edits=st.dictionaries(st.sampled_from(TEXTS), st.just("d"), min_size=1))
def test_whatever_was_held_before_a_later_edit_goes_its_way(pair: Pair, edits: dict[str, Value]) -> None:
    """A blocked or one-way field never leaves anything stuck: an edit on the open side arrives in the next cycle."""
    settled = pair.after()
    mine = replace(settled, here=settled.here | edits).after()
    theirs = replace(settled, there=settled.there | edits).after()
    for name in edits:
        rule = pair.rule(name)
        if rule.send and pair.sending and name in settled.base:
            assert mine.there[name] == "d" or (rule.receive and rule.winner == "salesforce")
        unedited = same(rule, settled.here[name], settled.base.get(name))
        if rule.receive and not rule.keep_filled and name in settled.base and unedited:
            assert theirs.here[name] == "d"
    assert mine.after() == mine
    assert theirs.after() == theirs


@SETTINGS
@given(pair=any_pairs)
def test_when_a_connection_becomes_two_way_what_was_held_is_sent_or_settled(pair: Pair) -> None:
    receiving = replace(pair, sending=False, first_contact_sends=True, weak=pair.weak).after()
    for decision in replace(receiving, sending=True).merged().decisions:
        rule = pair.rule(decision.field)
        if open_both_ways(rule) and not rule.unfilled:
            assert decision.outcome is not Outcome.LEAVE


@SETTINGS
@given(pair=any_pairs)
def test_a_merge_changes_nothing_that_it_was_given(pair: Pair) -> None:
    copies = dict(pair.base), dict(pair.here), dict(pair.there)
    pair.merged().base_after_reading(pair.base)
    assert (pair.base, pair.here, pair.there) == copies


@SETTINGS
@given(pair=any_pairs, absent=st.sets(st.sampled_from(FIELDS)))
def test_what_was_not_read_takes_no_part(pair: Pair, absent: set[str]) -> None:
    assume(absent)
    partly = replace(pair, there={name: value for name, value in pair.there.items() if name not in absent})
    decided = partly.merged()
    assert {d.field for d in decided.decisions} == set(FIELDS) - absent
    after = decided.base_after_reading(pair.base)
    assert all(after.get(name, "none") == pair.base.get(name, "none") for name in absent)


CASES: list[tuple[str, tuple[Value, ...], tuple[Value, ...]]] = [
    ("title", (None, "a", "b", "c"), (None, "a", "b", "c"))
]
CASES += [(name, (None, False, True), (False, True)) for name in BOXES]


@pytest.mark.parametrize(("name", "mine", "theirs"), CASES)
def test_every_rule_and_value_of_one_field_settles_in_one_merge(
    name: str, mine: tuple[Value, ...], theirs: tuple[Value, ...]
) -> None:
    """Not by chance: all of them."""
    flags = (True, False)
    for receive, send, keep, weak, sending in itertools.product(flags, repeat=5):
        for winner in ("marketo", "salesforce"):
            rule = FieldRule(name, receive, send, winner, keep, boolean=name in BOXES, consent=name == "unsubscribed")
            for base, here, there in itertools.product([{}, *({name: value} for value in mine)], mine, theirs):
                once = Pair((rule,), base, {name: here}, {name: there}, weak=weak, sending=sending).after()
                assert once.after() == once, (rule, base, here, there, weak, sending)
