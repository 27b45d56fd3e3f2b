"""The three-way merge: each rule of it, and what must hold for all values."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.sync.merge import FieldRule, Outcome, Value, merge, same

values = st.sampled_from([None, "a", "b", "c"])
rules = st.builds(
    FieldRule,
    field=st.just("title"),
    receive=st.booleans(),
    send=st.booleans(),
    winner=st.sampled_from(["marketo", "salesforce"]),
    keep_filled=st.booleans(),
)


def decide(rule: FieldRule, base: dict[str, Value], here: Value, there: Value, **options: bool):
    return merge([rule], base, {rule.field: here}, {rule.field: there}, **options).decisions[0]


def settle(rule: FieldRule, base: dict[str, Value], here: Value, there: Value, **options: bool):
    """What both sides and the base are after a cycle that does what was decided, read and then sent."""
    merged = merge([rule], base, {rule.field: here}, {rule.field: there}, **options)
    base = merged.base_after_reading(base)
    here = merged.received.get(rule.field, here)
    if rule.field in merged.to_send:
        there = here
        base[rule.field] = there
    return base, here, there


@pytest.mark.parametrize(
    ("base", "here", "there", "outcome", "conflict"),
    [
        ("a", "a", "a", Outcome.AGREE, False),
        ("a", "b", "b", Outcome.AGREE, False),
        ("a", "b", "a", Outcome.SEND, False),
        ("a", "a", "b", Outcome.RECEIVE, False),
        ("a", "b", "c", Outcome.SEND, True),  # Marketo wins
        ("a", None, "b", Outcome.SEND, True),
        ("a", "a", None, Outcome.RECEIVE, False),
    ],
)
def test_it_decides_by_what_changed_since_both_sides_agreed(base, here, there, outcome, conflict):
    decision = decide(FieldRule("title"), {"title": base}, here, there)
    assert (decision.outcome, decision.conflict) == (outcome, conflict)


def test_salesforce_wins_where_the_rule_says_so():
    decision = decide(FieldRule("title", winner="salesforce"), {"title": "a"}, "b", "c")
    assert decision.outcome is Outcome.RECEIVE
    assert (decision.loser, decision.winner) == ("b", "salesforce")


@pytest.mark.parametrize(
    ("here", "there", "outcome", "conflict"),
    [
        ("a", "a", Outcome.AGREE, False),
        (None, "a", Outcome.RECEIVE, False),
        ("a", None, Outcome.SEND, False),
        ("a", "b", Outcome.RECEIVE, True),  # nothing is overwritten there on first contact
    ],
)
def test_first_contact_fills_the_empty_side_and_keeps_salesforces_value(here, there, outcome, conflict):
    decision = decide(FieldRule("title"), {}, here, there)
    assert (decision.outcome, decision.conflict) == (outcome, conflict)


def test_a_backfill_never_sends():
    assert decide(FieldRule("title"), {}, "a", None, first_contact_sends=False).outcome is Outcome.LEAVE


@pytest.mark.parametrize("winner", ["marketo", "salesforce"])
@pytest.mark.parametrize(("here", "there"), [(True, False), (True, None), (False, True), (None, True)])
def test_without_a_base_the_opt_out_wins(winner, here, there):
    rule = FieldRule("unsubscribed", boolean=True, consent=True, winner=winner)
    assert decide(rule, {}, here, there).value is True


def test_an_unset_checkbox_agrees_with_an_unticked_one():
    rule = FieldRule("unsubscribed", boolean=True, consent=True)
    decision = decide(rule, {}, None, False)
    assert decision.outcome is Outcome.AGREE
    assert merge([rule], {}, {"unsubscribed": None}, {"unsubscribed": False}).to_send == {}


def test_after_a_base_a_withdrawn_opt_out_syncs_like_any_change():
    rule = FieldRule("unsubscribed", boolean=True, consent=True)
    assert decide(rule, {"unsubscribed": True}, True, False).outcome is Outcome.RECEIVE


@pytest.mark.parametrize(
    ("base", "here", "there", "outcome"),
    [
        ("a", "a", "b", Outcome.RECEIVE),  # nobody edited it here: the new record's value
        ("a", "a", None, Outcome.SEND),  # nothing is blanked because the contact lacks it
        ("a", "b", "c", Outcome.SEND),  # edited here
        ("a", "b", None, Outcome.SEND),
    ],
)
def test_a_weak_base_blanks_nothing_and_sends_no_old_values_over_the_contacts(base, here, there, outcome):
    assert decide(FieldRule("title"), {"title": base}, here, there, weak=True).outcome is outcome


@pytest.mark.parametrize(
    ("base", "here", "there"),
    [
        ("a", "a", None),  # found: the second merge blanked it
        ("a", "b", "c"),  # found: with Salesforce as the winner the second merge dropped the edit
        ("a", "b", None),
        (True, True, False),
        (False, True, False),
    ],
)
@pytest.mark.parametrize("winner", ["marketo", "salesforce"])
def test_a_connection_that_only_receives_keeps_what_a_converted_lead_had(base, here, there, winner):
    rule = FieldRule("title", winner=winner, boolean=isinstance(there, bool))
    after, mine, theirs = settle(rule, {"title": base}, here, there, weak=True, sending=False)
    assert (mine, theirs) == (here, there)
    assert decide(rule, after, mine, theirs, sending=False).outcome is Outcome.LEAVE
    assert decide(rule, after, mine, theirs).outcome is Outcome.SEND


def test_what_a_converted_lead_had_is_not_sent_over_what_the_contact_was_given_since():
    after, mine, _ = settle(FieldRule("title"), {"title": "a"}, "a", None, weak=True, sending=False)
    assert decide(FieldRule("title"), after, mine, "c").outcome is Outcome.RECEIVE


def test_a_box_that_only_salesforce_may_tick_has_a_value_on_a_new_record():
    """Found: held by the first merge, and unticked by the second as if somebody had lost a value."""
    formula = FieldRule("is_vip", boolean=True, send=False)
    assert decide(formula, {"is_vip": True}, True, False, weak=True).outcome is Outcome.RECEIVE
    opt_out = FieldRule("unsubscribed", boolean=True, send=False, consent=True)
    assert decide(opt_out, {"unsubscribed": True}, True, False, weak=True).outcome is Outcome.LEAVE


def test_an_opt_out_of_the_contact_is_taken_at_once():
    """Found: the first merge kept the filled field, and the second, then without a base, took the opt-out."""
    rule = FieldRule("unsubscribed", boolean=True, consent=True, keep_filled=True, send=False)
    assert decide(rule, {"unsubscribed": False}, False, True, weak=True).outcome is Outcome.RECEIVE


def test_an_edit_to_a_field_that_only_receives_is_restored_and_told():
    decision = decide(FieldRule("title", send=False), {"title": "a"}, "b", "a")
    assert (decision.outcome, decision.value, decision.conflict) == (Outcome.RECEIVE, "a", True)


def test_a_filled_field_can_be_kept_from_being_overwritten():
    rule = FieldRule("title", keep_filled=True)
    assert decide(rule, {"title": "a"}, "a", "b").outcome is Outcome.LEAVE
    assert decide(rule, {"title": None}, None, "b").outcome is Outcome.RECEIVE
    assert decide(rule, {"title": "a"}, "b", "c").outcome is Outcome.SEND


def test_a_blocked_winner_never_leaves_the_field_stuck():
    """The winner is decided after directions: Salesforce's win on a field that only sends is no win."""
    assert (
        decide(FieldRule("title", receive=False, winner="salesforce"), {"title": "a"}, "b", "c").outcome is Outcome.SEND
    )
    assert decide(FieldRule("title", send=False, winner="marketo"), {"title": "a"}, "b", "c").outcome is Outcome.RECEIVE


def test_a_connection_that_only_receives_holds_what_it_would_send():
    assert decide(FieldRule("title"), {"title": "a"}, "b", "a", sending=False).outcome is Outcome.LEAVE
    assert decide(FieldRule("title"), {"title": "a"}, "a", "b", sending=False).outcome is Outcome.RECEIVE


def test_a_field_that_was_not_read_is_not_touched():
    assert merge([FieldRule("title")], {"title": "a"}, {"title": "b"}, {}).decisions == ()


@given(rule=rules, base=st.none() | values.map(lambda v: {"title": v}), here=values, there=values, weak=st.booleans())
def test_the_second_merge_finds_nothing_more_to_do(rule, base, here, there, weak):
    base, here, there = settle(rule, base or {}, here, there, weak=weak and bool(base))
    again = decide(rule, base, here, there)
    if again.outcome is not Outcome.LEAVE:
        assert again.outcome is Outcome.AGREE
        assert base["title"] == here == there


@given(base=values, here=values, there=values, winner=st.sampled_from(["marketo", "salesforce"]))
def test_a_two_way_field_always_ends_equal_and_a_losing_edit_is_always_told(base, here, there, winner):
    rule = FieldRule("title", winner=winner)
    after, mine, theirs = settle(rule, {"title": base}, here, there)
    assert after["title"] == mine == theirs
    if here == base:
        assert mine == there  # promise 2: only changed there
    elif there == base:
        assert mine == here  # only changed here
    elif here != there:
        decision = decide(rule, {"title": base}, here, there)
        assert decision.conflict  # promise 3
        assert {decision.value, decision.loser} == {here, there}
        assert mine == (here if winner == "marketo" else there)


@given(here=values, there=values)
def test_first_contact_never_loses_a_value_without_telling(here, there):
    decision = decide(FieldRule("title"), {}, here, there)
    _, mine, theirs = settle(FieldRule("title"), {}, here, there)
    assert mine == theirs
    lost = {v for v in (here, there) if v is not None} - {mine}
    assert lost == ({decision.loser} if decision.conflict else set())


fields = ["email", "title", "city"]


@given(
    base=st.dictionaries(st.sampled_from(fields), values),
    here=st.fixed_dictionaries(dict.fromkeys(fields, values)),
    there=st.fixed_dictionaries(dict.fromkeys(fields, values)),
)
def test_unrelated_fields_do_not_influence_each_other(base, here, there):
    by_order = [
        {d.field: (d.outcome, d.value) for d in merge([FieldRule(f) for f in order], base, here, there).decisions}
        for order in itertools.permutations(fields)
    ]
    assert all(found == by_order[0] for found in by_order)
    for name in fields:
        alone = merge([FieldRule(name)], base, here, {name: there[name]}).decisions[0]
        assert by_order[0][name] == (alone.outcome, alone.value)


def test_same_treats_booleans_by_truth_and_the_rest_by_value():
    assert same(FieldRule("a", boolean=True), None, False)
    assert not same(FieldRule("a"), None, "False")
