"""Two persons become one, because their records did in Salesforce.

The survivor's values stay, but nothing that somebody has entered here and that was not agreed on is lost with the
other person: it goes through the merge against the survivor, like an edit of a record that was changed there. Of two
consents the opted-out one is the survivor's. What is taken over is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncer.models import ActivityType
from syncer.salesforce.kinds import BadValue
from syncer.sync.context import Context, next_sequence
from syncer.sync.fields.automatic import SCORE
from syncer.sync.fields.object_map import PERSON_COLUMNS, ObjectMap, received_columns
from syncer.sync.fields.synced_objects import CONSENT_FIELDS
from syncer.sync.merge import Decision, FieldRule, Outcome, Value, merge, same
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import activity, former_ids, persons
from syncer.sync.store.activity import Journal, label, shown
from syncer.sync.store.former_ids import FormerRow
from syncer.sync.store.locking import lock
from syncer.sync.store.transactions import repeated, write_transaction

OPTED_OUT = "Opted out before the merge: an opt-out is never undone by one."
OWN_EDIT_STAYS = "The survivor was edited here, too: that stays."


@repeated
def merge_people(
    context: Context, winner: PersonState, loser: PersonState, reason: str, *, former: FormerRow | None, actor: str
) -> bool:
    """Merge two persons into one, in one transaction with the loser's removal; False if one of them is busy.

    ``former``: the id of the loser's record, which finds the winner from now on. ``actor``: who has merged them. The
    winner's blanks are filled from the loser in fields
    that do not sync with the winner's record; the scores are summed. Activities, conflicts and former ids move. The
    loser's values stay in the log.
    """
    journal, sequence = Journal(context), next_sequence()
    with write_transaction(context):
        both = {winner.id: winner.revision, loser.id: loser.revision}
        if lock(context, both) != set(both):
            return False
        filled = _blanks_filled(context, winner, loser)
        decided = _unsettled(context, winner, loser)
        edits = _edits(context, winner, filled, decided)
        persons.take_in(context, winner.id, filled, edits | _summed_score(winner, loser))
        activity.move(loser.id, winner.id)
        former_ids.move(loser.id, winner.id)
        former_ids.write(context, [former] if former else [], sequence)
        _log_merge(journal, winner, loser, f"{reason}.", sorted(filled), actor)
        _log_values(journal, winner, loser, decided)
        journal.write()
        persons.delete(loser.id)
    context.count_received(updated=1)
    return True


def _summed_score(winner: PersonState, loser: PersonState) -> dict[str, Any]:
    """The score that the winner gets, where the loser has one to add."""
    ours, theirs = winner.values[SCORE], loser.values[SCORE]
    return {} if theirs is None else {SCORE: theirs + (ours or 0)}


def _blanks_filled(context: Context, winner: PersonState, loser: PersonState) -> dict[str, Any]:
    fields = context.maps.get(winner.sfdc_type)
    kept = {f.person_field for f in fields.fields} if fields else set()
    kept.add(SCORE)
    filled = {
        name: loser.values[name]
        for name in PERSON_COLUMNS
        if name not in kept and winner.values[name] in (None, "") and loser.values[name] not in (None, "")
    }
    ours, theirs = winner.values["custom"], loser.values["custom"]
    blanks = {key: value for key, value in theirs.items() if key not in kept and ours.get(key) is None}
    return filled | ({"custom": {**ours, **blanks}} if blanks else {})


# -- what was entered and not agreed on -------------------------------------------------------------------------------


def _unsettled(context: Context, winner: PersonState, loser: PersonState) -> list[Decision]:
    """What becomes of the loser's consent, and of its values that were not agreed on with its record: each decided
    against the winner's value."""
    return [*_consent(context, winner, loser), *_pending(context, winner, loser)]


def _consent(context: Context, winner: PersonState, loser: PersonState) -> list[Decision]:
    """The loser's opt-outs that the winner does not have. Nothing was ever agreed between the two, so an opt-out
    wins; also where it can't be sent it is the survivor's here."""
    fields = context.maps.get(winner.sfdc_type)
    rules = {rule.field: rule for rule in fields.rules} if fields else {}
    decided: list[Decision] = []
    for name in sorted(CONSENT_FIELDS):
        here, there = winner.values[name], loser.values[name]
        if there is True and here is not True:
            rule = replace(rules.get(name, FieldRule(name)), send=True, consent=True)
            decided += merge([rule], {}, {name: True}, {name: here}).decisions
    return [replace(d, reason=OPTED_OUT) for d in decided]


def _pending(context: Context, winner: PersonState, loser: PersonState) -> list[Decision]:
    """The loser's edits that its record does not have; without a record, all its values. Where the winner was edited,
    too, that stays."""
    fields = context.maps.get(winner.sfdc_type)
    if fields is None:
        return []
    own = context.maps.get(loser.sfdc_type, fields)
    edited = _not_agreed(own, loser)
    edited_there = _not_agreed(fields, winner)
    theirs, _ = fields.here(winner.values)
    rules = [r for r in fields.rules if r.field in edited and r.field in theirs and r.field != SCORE and not r.consent]
    decided = []
    for decision in merge(rules, loser.link.base if loser.link else {}, edited, theirs).decisions:
        if decision.outcome is Outcome.AGREE:
            continue
        if decision.field in edited_there:
            decision = replace(decision, outcome=Outcome.LEAVE, reason=OWN_EDIT_STAYS)
        # Whatever does not come through is lost with its person.
        decided.append(replace(decision, conflict=decision.conflict or decision.outcome is not Outcome.SEND))
    return decided


def _not_agreed(fields: ObjectMap, person: PersonState) -> dict[str, Value]:
    """The values of a person that are not those of its record, as far as that is known."""
    base = person.link.base if person.link else {}
    here, _ = fields.here(person.values)
    rules = [rule for rule in fields.rules if rule.field in here]
    return {r.field: here[r.field] for r in rules if not same(r, here[r.field], base.get(r.field))}


def _edits(
    context: Context, winner: PersonState, filled: Mapping[str, Any], decided: Iterable[Decision]
) -> dict[str, Any]:
    """The columns of the winner that get a value of the loser's which has to be sent."""
    fields = context.maps.get(winner.sfdc_type)
    values = {**winner.values, **filled}
    columns: dict[str, Any] = {}
    for decision in decided:
        if decision.outcome is not Outcome.SEND:
            continue
        if fields is None or fields.field(decision.field) is None:
            columns[decision.field] = decision.here  # a consent that does not sync
            continue
        try:
            columns |= received_columns({**values, **columns}, fields, {decision.field: decision.here})
        except BadValue:
            continue  # its person had it, so the column of another one can hold it
    return columns


# -- the log ----------------------------------------------------------------------------------------------------------


def _log_merge(
    journal: Journal, winner: PersonState, loser: PersonState, reason: str, filled: Sequence[str], actor: str
) -> None:
    journal.entry(
        winner.id,
        winner.name,
        ActivityType.MERGE_PEOPLE,
        f"Merged with person {loser.id} ({loser.name}): {reason}",
        actor=actor,
        detail={
            "person": loser.id,
            "uuid": str(loser.uuid),
            "values": {name: value for name, value in loser.values.items() if value not in (None, "", {})},
            "filled": filled,
        },
    )


def _log_values(journal: Journal, winner: PersonState, loser: PersonState, decided: Sequence[Decision]) -> None:
    for d in decided:
        if d.outcome is Outcome.SEND:
            journal.entry(
                winner.id,
                winner.name,
                ActivityType.CHANGE_DATA_VALUE,
                f"{label(d.field)}: {shown(d.there)} → {shown(d.here)}",
                field=d.field,
                detail={"old": d.there, "new": d.here, "source": f"Person {loser.id}", "reason": d.reason},
            )
        if d.conflict:
            journal.conflict(winner.id, winner.name, d)
