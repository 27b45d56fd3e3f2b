"""The three-way merge: what happens to each field of a person and its record. Pure; the only place that decides it.

Values are canonical (``syncer.salesforce.values``): ``None``, ``bool`` or ``str``. *Base* is what both sides last
agreed on, *here* the person's value, *there* the record's. What was stored under an earlier describe, as a base is, is
compared in the form that the describe of now gives it (``FieldRule.as_of_now``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

Value = None | bool | str


def _as_it_is(stored: Value) -> Value:
    return stored


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
    #: a stored value in the form of the describe of now: a field's number of decimals may have changed since
    as_of_now: Callable[[Value], Value] = dataclasses.field(default=_as_it_is, compare=False, repr=False)


class Outcome(StrEnum):
    AGREE = "agree"  # both sides have the same value already
    RECEIVE = "receive"  # the record's value is taken here
    SEND = "send"  # the person's value goes to Salesforce
    LEAVE = "leave"  # they differ, and neither side may take the other's value


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
    waits: bool = False  # left only because nothing is sent now: the edit is not settled
    forget_base: bool = False  # what was agreed with another record means nothing for this one
    start_anew: bool = False  # left: an edit here is from now on one against this record's value

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

    def without_sending(self) -> Merge:
        """The decisions that send nothing."""
        return Merge(tuple(d for d in self.decisions if d.outcome is not Outcome.SEND))

    def base_after_reading(self, base: Mapping[str, Value], *, of_another: bool = False) -> dict[str, Value]:
        """The base once what was received is written here and before anything is sent.

        A field to be sent gets the record's value as its base: from then on it is a field changed here only, so the
        conflict is logged once, and the push needs no memory of it. A field that is left keeps the base that it had.
        So does one that nobody has changed there, in the form in which it was stored: its digits count again when the
        field gets its decimals back.

        ``of_another``: the base was agreed with another record. Of fields that were not decided now, because this one
        does not have them or the sync user can't see them, nothing is agreed any more: what they hold when they appear
        must not blank anything here.
        """
        decided = {d.field for d in self.decisions}
        after = {name: value for name, value in base.items() if name in decided} if of_another else dict(base)
        for d in self.decisions:
            if d.forget_base:
                after.pop(d.field, None)
            elif d.outcome is Outcome.LEAVE and not d.start_anew:
                continue
            elif d.outcome is Outcome.RECEIVE or d.field not in after or d.base != d.there:
                after[d.field] = d.there
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
    without it, what would be sent is left. ``first_contact_sends``: False in a backfill, which only receives.
    """
    return Merge(
        tuple(
            _decide(
                _Field(
                    rule,
                    rule.field in base,
                    rule.as_of_now(base.get(rule.field)),
                    here.get(rule.field),
                    rule.as_of_now(there[rule.field]),
                    sending,
                    first_contact_sends and not rule.unfilled,
                ),
                weak,
            )
            for rule in rules
            if rule.field in there
        )
    )


def same(rule: FieldRule, a: Value, b: Value) -> bool:
    """Equal as values: an unset checkbox equals an unticked one, and of a number the decimals count that the field has
    now."""
    return bool(a) == bool(b) if rule.boolean else rule.as_of_now(a) == rule.as_of_now(b)


# -- one field: docs/behaviour.md 5 has the same rules as a table -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Field:
    """One field, as both sides have it, and what may happen to it."""

    rule: FieldRule
    has_base: bool
    base: Value
    here: Value
    there: Value
    sending: bool
    fills: bool  # a value here may fill an empty field there although nothing was ever agreed

    @property
    def may_receive(self) -> bool:
        return self.rule.receive and not (self.rule.keep_filled and self.here is not None)

    @property
    def edited_here(self) -> bool:
        return not same(self.rule, self.here, self.base)

    @property
    def edited_there(self) -> bool:
        return not same(self.rule, self.there, self.base)

    def receive(self, reason: str, *, conflict: bool = False) -> Decision:
        """The record's value is taken here."""
        return self._decision(Outcome.RECEIVE, reason, conflict)

    def send(self, reason: str, *, conflict: bool = False) -> Decision:
        """The person's value goes to Salesforce; while nothing is sent, it waits."""
        if not self.sending:
            return replace(self.leave("Nothing is sent now: it waits here."), waits=True)
        return self._decision(Outcome.SEND, reason, conflict)

    def leave(self, reason: str) -> Decision:
        """They differ, and neither side may take the other's value."""
        return self._decision(Outcome.LEAVE, reason, False)

    def agree(self) -> Decision:
        """Nothing has to cross."""
        return self._decision(Outcome.AGREE, "Both sides are equal.", False)

    def _decision(self, outcome: Outcome, reason: str, conflict: bool) -> Decision:
        return Decision(self.rule.field, outcome, reason, self.has_base, self.base, self.here, self.there, conflict)


def _decide(field: _Field, weak: bool) -> Decision:
    if same(field.rule, field.here, field.there):
        return field.agree()
    if field.rule.consent and field.here is None:
        return _no_statement(field)
    if not field.has_base:
        return _consent(field) or _first_contact(field)
    if weak:
        return _another_record(field)
    return _three_way(field)


def _no_statement(field: _Field) -> Decision:
    """Opted out in Salesforce, emptied here. Empty means that nobody knows: it is never sent as *opted in*."""
    why = "An emptied consent is no statement."
    return field.receive(f"{why} Salesforce's value comes back.") if field.rule.receive else field.leave(why)


def _consent(field: _Field) -> Decision | None:
    """Nothing was agreed before, and one side has opted out: that wins, and is never undone."""
    if not field.rule.consent or True not in (field.here, field.there):
        return None
    if field.here is True:
        if field.rule.send:
            return field.send("Opted out here, and nothing was agreed before.", conflict=field.there is not None)
        return field.leave("Opted out here; an opt-out is never undone.")
    if field.rule.receive:
        return field.receive("Opted out in Salesforce.", conflict=field.here is not None)
    return None


def _first_contact(field: _Field) -> Decision:
    """Nothing was agreed before: what is empty is filled, and of two values Salesforce's stays."""
    if field.here is None:
        return field.receive("Empty here.") if field.may_receive else field.leave("This field is not received.")
    if field.there is None:
        if not field.rule.send:
            return field.leave("This field is not sent.")
        return (
            field.send("Empty in Salesforce.") if field.fills else field.leave("Filling in a new field only receives.")
        )
    if field.may_receive:
        return field.receive("Nothing was agreed before: Salesforce's value stays.", conflict=True)
    return field.leave("Nothing was agreed before, and this field is not received.")


def _another_record(field: _Field) -> Decision:
    """The base was agreed with another record (a converted lead): it decides nothing but what was edited here since.
    The new record's values come, what it lacks is filled from here, and nothing is blanked."""
    rule = field.rule
    # A checkbox that nobody ticked on the new record is empty: a conversion leaves most of them like that. Not one
    # that only Salesforce may tick, as a formula does.
    empty_there = field.there is None or (rule.boolean and field.there is False and (rule.send or rule.consent))
    if field.edited_here and rule.send:
        sent = field.send("Edited here; the record is another one now.")
        return replace(sent, start_anew=not field.sending, conflict=not empty_there)
    opted_out_there = rule.consent and field.there is True and rule.receive
    if not empty_there and (field.may_receive or opted_out_there):
        return field.receive("From the new record.", conflict=field.edited_here)
    if empty_there and field.here is not None and rule.send:
        sent = field.send("Empty on the new record.")
        if field.sending:
            return sent
        # Where it can't be sent now, a text that is entered on the new record later wins over this one.
        return replace(sent, start_anew=rule.boolean, forget_base=not rule.boolean)
    return replace(field.leave("The new record lacks it; nothing is blanked."), forget_base=True)


def _three_way(field: _Field) -> Decision:
    """Both sides had agreed on a value: who has changed it since, wins; when both have, the winner of the mapping."""
    rule = field.rule
    if not field.edited_there:
        if rule.send:
            return field.send("Only changed here.")
        if rule.consent and field.here is True:
            return field.leave("Opted out here; an opt-out is never undone.")
        if field.may_receive:
            return field.receive("This field only receives: the last value is restored.", conflict=True)
        return field.leave("This field is not sent.")
    if not field.edited_here:
        if field.may_receive:
            return field.receive("Only changed in Salesforce.")
        return field.leave("A filled field is not overwritten." if rule.receive else "This field is not received.")
    # Both changed. The winner is asked only where both ways are open, so that a blocked field never sticks.
    if rule.send and (rule.winner == "marketo" or not field.may_receive):
        return field.send("Both changed: this database wins.", conflict=True)
    if field.may_receive:
        return field.receive("Both changed: Salesforce wins.", conflict=True)
    return field.leave("Both changed, and the mapping lets neither value through.")
