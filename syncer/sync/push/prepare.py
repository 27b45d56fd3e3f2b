"""What is to be sent of a person: what differs from the base, without what Salesforce refused before and would refuse
again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syncer.models import Winner
from syncer.salesforce.kinds import BadValue
from syncer.salesforce.rows import RowError
from syncer.sync.context import Context
from syncer.sync.fields.object_map import MappedField, ObjectMap
from syncer.sync.merge import Merge, Value, merge
from syncer.sync.outcomes import Code, PersonOutcome, Result, outcome
from syncer.sync.persons.person_state import Link, PersonState
from syncer.sync.push.failures import failed_outcome, failure
from syncer.sync.push.refused_fields import earlier, still_refused, with_unsendable
from syncer.sync.push.sending import Sending
from syncer.sync.store import outbox
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import lock
from syncer.sync.store.transactions import repeated, write_transaction


@dataclass(frozen=True, slots=True)
class Sendable:
    """What is new of a person since its values were agreed on. ``bad``: values that Salesforce's types can't hold.
    ``waiting``: what was refused before and would be again."""

    merged: Merge
    here: Mapping[str, Value]
    bad: Mapping[str, BadValue]
    waiting: Mapping[str, Value]
    all_wait: bool  # because of the bad ones


def sendable(context: Context, fields: ObjectMap, person: PersonState, link: Link, *, retry: bool) -> Sendable:
    """Return what could be sent of a person, by the merge of its values with the base. What was agreed on stands for
    the record's values: what was edited there meanwhile shows before the update."""
    here, bad = fields.here(person.values)
    good = [rule for rule in fields.rules if rule.field not in bad]
    merged = merge(good, link.base, here, link.base, sending=context.may_send)
    return Sendable(
        merged=merged,
        here=here,
        bad=bad,
        waiting={} if retry else still_refused(context, fields, person, merged.to_send),
        all_wait=bool(bad) and not (context.sync_user.hold_refused_fields and merged.to_send),
    )


def why_not_now(person: PersonState) -> PersonOutcome | None:
    """Why nothing is sent of a person, whatever is new; None when it may be."""
    link = person.link
    if link is None or person.sfdc_is_deleted or link.weak_base:
        return outcome(person, Result.UNCHANGED, "Waits for its record to be read.")
    if link.hidden_since is not None:
        message = f"{link.object} {link.record_id} is no longer visible to the sync user. What was edited here waits."
        return outcome(person, Result.REFUSED, message, Code.NOT_VISIBLE)
    return None


def prepare(context: Context, fields: ObjectMap, person: PersonState, *, retry: bool = True) -> Sending | PersonOutcome:
    """What is to be sent of a person. Persons that can't be are let go."""
    if (not_now := why_not_now(person)) is not None:
        return not_now
    assert person.link is not None  # why_not_now() says so otherwise
    found = sendable(context, fields, person, person.link, retry=retry)
    bad = found.bad
    if found.all_wait:
        return _refuse_values(context, fields, person, bad)
    not_yet = _not_yet(context, fields, found.merged)
    values = {name: v for name, v in found.merged.to_send.items() if name not in found.waiting and name not in not_yet}
    if not_yet and (person.in_doubt or (not values and not found.merged.received)):
        # An answer that did not come is still to be found out for all of its fields: a part would forget the others.
        return outcome(person, Result.UNCHANGED, "Waits for its record to be read.")
    partners = [partner for name in values if (partner := fields.together.get(name)) is not None]
    values |= {partner: found.here[partner] for partner in partners if partner in found.here}
    unsent = earlier(fields, person, found.waiting)
    if bad:
        unsent = with_unsendable(person, unsent, _unsendable(fields, person, bad), _unsendable_errors(fields, bad))
    return Sending(person, values, found.merged.received, unsent, in_part=bool(not_yet))


def _not_yet(context: Context, fields: ObjectMap, merged: Merge) -> frozenset[str]:
    """Fields that Salesforce wins, while its record may have changed in the part of a long reading that is still to
    come; and those that are sent together with one of them. An opt-out goes at once: whoever changed it there has opted
    out, too."""
    if fields.object not in context.unread:
        return frozenset()
    theirs = {
        rule.field
        for rule in fields.rules
        if rule.receive
        and rule.winner == Winner.SALESFORCE
        and not (rule.consent and merged.to_send.get(rule.field) is True)
    }
    return frozenset(name for name in merged.to_send if theirs & {name, fields.together.get(name)})


@repeated
def _refuse_values(
    context: Context, fields: ObjectMap, person: PersonState, bad: Mapping[str, BadValue]
) -> PersonOutcome:
    """Values that Salesforce's types can't hold are refused here, without asking Salesforce."""
    errors = _unsendable_errors(fields, bad)
    values = _unsendable(fields, person, bad)
    journal = Journal(context)
    with write_transaction(context):
        if lock(context, {person.id: person.revision}):
            outbox.fail([result := failure(context, fields, person, errors, values, journal)])
            journal.write()
        else:
            return outcome(person, Result.BUSY, "The person was being edited; it is sent next time.")
    context.sent["failed"] += 1
    return failed_outcome(person, result)


def _unsendable_errors(fields: ObjectMap, bad: Mapping[str, BadValue]) -> list[RowError]:
    mapped = {f.person_field: f.salesforce_field for f in fields.fields}
    return [RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", str(e), (mapped[name],)) for name, e in bad.items()]


def _unsendable(fields: ObjectMap, person: PersonState, bad: Mapping[str, BadValue]) -> dict[str, Value]:
    return {f.person_field: str(_raw(person, f)) for f in fields.fields if f.person_field in bad}


def _raw(person: PersonState, field: MappedField) -> Any:
    return person.values[field.person_field] if field.is_column else person.values["custom"].get(field.person_field)
