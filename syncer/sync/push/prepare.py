"""What is to be sent of a person: what differs from the base, without what Salesforce refused before and would refuse
again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncer.models.triggers import agreeing_writes
from syncer.salesforce.kinds import BadValue
from syncer.salesforce.rows import RowError
from syncer.sync.context import Context
from syncer.sync.fields.object_map import MappedField, ObjectMap
from syncer.sync.merge import Value, merge
from syncer.sync.outcomes import Code, PersonOutcome, Result, outcome
from syncer.sync.persons.person_state import PersonState
from syncer.sync.push.failures import failed_outcome, failure
from syncer.sync.push.refused_fields import earlier, still_refused, with_unsendable
from syncer.sync.push.sending import Sending
from syncer.sync.store import outbox
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import lock


def prepare(context: Context, fields: ObjectMap, person: PersonState, *, retry: bool = True) -> Sending | PersonOutcome:
    """What is to be sent of a person, by the merge of its values with the base. Persons that can't be are let go."""
    link = person.link
    if link is None or person.sfdc_is_deleted or link.weak_base:
        return outcome(person, Result.UNCHANGED, "Waits for its record to be read.")
    if link.hidden_since is not None:
        message = f"{link.object} {link.record_id} is no longer visible to the sync user. What was edited here waits."
        return outcome(person, Result.REFUSED, message, Code.NOT_VISIBLE)
    here, bad = fields.here(person.values)
    # What was agreed on stands for the record's values: what was edited there meanwhile shows before the update.
    merged = merge(
        [rule for rule in fields.rules if rule.field not in bad], link.base, here, link.base, sending=context.may_send
    )
    if bad and not (context.sync_user.hold_refused_fields and merged.to_send):
        return _refuse_values(context, fields, person, bad)
    waiting = {} if retry else still_refused(context, fields, person, merged.to_send)
    values = {name: value for name, value in merged.to_send.items() if name not in waiting}
    values |= {partner: here[partner] for n in values if (partner := fields.together.get(n)) in here}
    unsent = earlier(fields, person, waiting)
    if bad:
        unsent = with_unsendable(person, unsent, _unsendable(fields, person, bad), _unsendable_errors(fields, bad))
    return Sending(person, values, merged.received, unsent)


def _refuse_values(
    context: Context, fields: ObjectMap, person: PersonState, bad: Mapping[str, BadValue]
) -> PersonOutcome:
    """Values that Salesforce's types can't hold are refused here, without asking Salesforce."""
    errors = _unsendable_errors(fields, bad)
    values = _unsendable(fields, person, bad)
    journal = Journal(context)
    with agreeing_writes():
        context.fence()
        if lock(context, {person.id: person.revision}):
            outbox.fail(context.claim, [result := failure(context, fields, person, errors, values, journal)])
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
