"""The three-way merge: what happens to each field of a person and its record. Pure; the only place that decides it.

Values are canonical (``syncer.salesforce.values``): ``None``, ``bool`` or ``str``. *Base* is what both sides last
agreed on, *here* the person's value, *there* the record's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

Value = None | bool | str


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What may happen to one field: its mapping's direction and settings, narrowed by the sync user's access."""

    field: str
    receive: bool = True
    send: bool = True
    winner: str = "marketo"
    keep_filled: bool = False  # Salesforce must not change a value that the person already has
    boolean: bool = False  # None and False are the same value
    unfilled: bool = False  # new here, and not received for all records yet: until then it only receives
    consent: bool = False  # without a base, the opted-out value wins


class Outcome(StrEnum):
    AGREE = "agree"  # both sides have the same value already
    RECEIVE = "receive"  # the record's value is taken here
    SEND = "send"  # the person's value goes to Salesforce
    HOLD = "hold"  # they differ, and neither side may take the other's value


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one field, and why. ``conflict``: a value that somebody entered loses and must be logged."""

    field: str
    outcome: Outcome
    reason: str
    has_base: bool
    base: Value
    here: Value
    there: Value
    conflict: bool = False
    waits: bool = False  # held only because nothing is sent now: the edit is not settled
    forget_base: bool = False  # held: what was agreed with another record means nothing for this one
    start_anew: bool = False  # held: an edit here is from now on one against this record's value

    @property
    def value(self) -> Value:
        """The value that both sides will have (AGREE, RECEIVE, SEND)."""
        return self.here if self.ours_stays else self.there

    @property
    def ours_stays(self) -> bool:
        """The person's value goes to Salesforce, now or as soon as something may be sent."""
        return self.outcome is Outcome.SEND or self.start_anew

    @property
    def loser(self) -> Value:
        return self.there if self.ours_stays else self.here

    @property
    def winner(self) -> str:
        return "marketo" if self.ours_stays else "salesforce"


@dataclass(frozen=True, slots=True)
class Merge:
    """The decisions for one record, by field, and what follows from them for each side."""

    decisions: tuple[Decision, ...]

    @property
    def received(self) -> dict[str, Value]:
        return {d.field: d.there for d in self.decisions if d.outcome is Outcome.RECEIVE}

    @property
    def to_send(self) -> dict[str, Value]:
        return {d.field: d.here for d in self.decisions if d.outcome is Outcome.SEND}

    @property
    def conflicts(self) -> list[Decision]:
        return [d for d in self.decisions if d.conflict]

    @property
    def waits(self) -> bool:
        """Something is to be sent, once sending is allowed."""
        return any(d.waits for d in self.decisions)

    @property
    def waits_anew(self) -> bool:
        """Something waits that perhaps nobody has edited here: it is only the record that is another one now."""
        return any(d.waits and d.start_anew for d in self.decisions)

    def base_after_reading(self, base: Mapping[str, Value], *, of_another: bool = False) -> dict[str, Value]:
        """The base once what was received is written here and before anything is sent.

        A field to be sent gets the record's value as its base: from then on it is a field changed here only, so the
        conflict is logged once, and the push needs no memory of it. A held field keeps the base that it had.

        ``of_another``: the base was agreed with another record. Of fields that were not decided now, because this one
        does not have them or the sync user can't see them, nothing is agreed any more: what they hold when they appear
        must not blank anything here.
        """
        decided = {d.field for d in self.decisions}
        after = {name: value for name, value in base.items() if name in decided} if of_another else dict(base)
        for d in self.decisions:
            if d.outcome is not Outcome.HOLD or d.start_anew:
                after[d.field] = d.there
            elif d.forget_base:
                after.pop(d.field, None)
        return after


def merge(
    rules: Iterable[FieldRule],
    base: Mapping[str, Value],
    here: Mapping[str, Value],
    there: Mapping[str, Value],
    *,
    weak: bool = False,
    sending: bool = True,
    first_contact_sends: bool = True,
) -> Merge:
    """Decide every field that ``there`` has a value for.

    ``weak``: the base was agreed with another record (conversion, re-link). ``sending``: the connection is two-way;
    without it, what would be sent is held. ``first_contact_sends``: False in a backfill, which only receives.
    """
    decisions = []
    for rule in rules:
        if rule.field not in there:
            continue
        decisions.append(
            _decide(
                rule,
                rule.field in base,
                base.get(rule.field),
                here.get(rule.field),
                there[rule.field],
                weak=weak,
                sending=sending,
                first_contact_sends=first_contact_sends,
            )
        )
    return Merge(tuple(decisions))


def same(rule: FieldRule, a: Value, b: Value) -> bool:
    """Equal as values: an unset checkbox equals an unticked one."""
    return bool(a) == bool(b) if rule.boolean else a == b


def _decide(
    rule: FieldRule,
    has_base: bool,
    base: Value,
    here: Value,
    there: Value,
    *,
    weak: bool,
    sending: bool,
    first_contact_sends: bool,
) -> Decision:
    def decision(outcome: Outcome, reason: str, conflict: bool = False) -> Decision:
        return Decision(rule.field, outcome, reason, has_base, base, here, there, conflict)

    def send(reason: str, conflict: bool = False) -> Decision:
        if not sending:
            return replace(decision(Outcome.HOLD, "Nothing is sent now: it waits here."), waits=True)
        return decision(Outcome.SEND, reason, conflict)

    may_receive = rule.receive and not (rule.keep_filled and here is not None)

    if same(rule, here, there):
        return decision(Outcome.AGREE, "Both sides are equal.")

    if not has_base:
        if rule.consent and (here is True or there is True):
            if here is True:
                if rule.send:
                    return send("Opted out here, and nothing was agreed before.", conflict=there is not None)
                return decision(Outcome.HOLD, "Opted out here; an opt-out is never undone.")
            if rule.receive:
                return decision(Outcome.RECEIVE, "Opted out in Salesforce.", conflict=here is not None)
        if here is None:
            if may_receive:
                return decision(Outcome.RECEIVE, "Empty here.")
            return decision(Outcome.HOLD, "This field is not received.")
        if there is None:
            if not rule.send:
                return decision(Outcome.HOLD, "This field is not sent.")
            if rule.unfilled or not first_contact_sends:
                return decision(Outcome.HOLD, "Filling in a new field only receives.")
            return send("Empty in Salesforce.")
        if may_receive:
            return decision(Outcome.RECEIVE, "Nothing was agreed before: Salesforce's value stays.", conflict=True)
        return decision(Outcome.HOLD, "Nothing was agreed before, and this field is not received.")

    edited_here = not same(rule, here, base)
    edited_there = not same(rule, there, base)

    if weak:
        # A checkbox that nobody ticked on the new record is empty: a conversion leaves most of them like that. Not one
        # that only Salesforce may tick, as a formula does.
        empty_there = there is None or (rule.boolean and there is False and (rule.send or rule.consent))
        if edited_here and rule.send:
            sent = send("Edited here; the record is another one now.", conflict=not empty_there)
            return replace(sent, start_anew=not sending, conflict=not empty_there)
        opted_out_there = rule.consent and there is True and rule.receive
        if not empty_there and (may_receive or opted_out_there):
            return decision(Outcome.RECEIVE, "From the new record.", conflict=edited_here)
        if empty_there and here is not None and rule.send:
            # Where it can't be sent now, a text that is entered on the new record later wins over this one.
            sent = send("Empty on the new record.")
            return replace(sent, start_anew=not sending and rule.boolean, forget_base=not sending and not rule.boolean)
        return replace(decision(Outcome.HOLD, "The new record lacks it; nothing is blanked."), forget_base=True)

    if edited_here and not edited_there:
        if rule.send:
            return send("Only changed here.")
        if may_receive:
            return decision(Outcome.RECEIVE, "This field only receives: the last value is restored.", conflict=True)
        return decision(Outcome.HOLD, "This field is not sent.")

    if edited_there and not edited_here:
        if may_receive:
            return decision(Outcome.RECEIVE, "Only changed in Salesforce.")
        return decision(
            Outcome.HOLD, "A filled field is not overwritten." if rule.receive else "This field is not received."
        )

    # Both changed. The winner is asked only where both ways are open, so that a blocked field never sticks.
    if rule.send and (rule.winner == "marketo" or not may_receive):
        return send("Both changed: this database wins.", conflict=True)
    if may_receive:
        return decision(Outcome.RECEIVE, "Both changed: Salesforce wins.", conflict=True)
    return decision(Outcome.HOLD, "Both changed, and the mapping lets neither value through.")
