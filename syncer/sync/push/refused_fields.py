"""A refused update in two parts: the fields that Salesforce named wait, the others are sent.

That is the connection's option *send the other fields, hold the refused one* (``SyncUser.hold_refused_fields``).
Without it the whole record waits, but for an opt-out, which is sent whatever else is refused. What is held is not sent
again before it, its record, its mapping or the describe changes, somebody asks for it, or at night.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.errors import Recovery
from syncer.salesforce.rows import RowError
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.merge import Value
from syncer.sync.merge import same as is_same
from syncer.sync.persons.person_state import PersonState
from syncer.sync.push.failures import recovery
from syncer.sync.push.sending import Held, Sending, Sent


def still_refused(
    context: Context, fields: ObjectMap, person: PersonState, to_send: Mapping[str, Value]
) -> dict[str, Value]:
    """The values to be sent that are those refused before. Of a state and its country both have to be."""
    if not context.sync_user.hold_refused_fields:
        return {}
    rules = {rule.field: rule for rule in fields.rules}
    same = {n: v for n, v in person.held.items() if n in to_send and is_same(rules[n], to_send[n], v)}
    return {n: v for n, v in same.items() if (partner := fields.together.get(n)) not in to_send or partner in same}


def earlier(fields: ObjectMap, person: PersonState, waiting: Mapping[str, Value]) -> Held | None:
    """Why they are held: the stored refusals that name them."""
    if not waiting:
        return None
    about = tuple(error for error in person.errors if not fields.named(error.fields).isdisjoint(waiting))
    return Held(
        waiting, about or person.errors or (RowError(EdgeCode.UNKNOWN, "Salesforce refused it before."),), new=False
    )


def with_unsendable(
    person: PersonState, unsent: Held | None, values: Mapping[str, Value], errors: Sequence[RowError]
) -> Held:
    """Values that Salesforce's types can't hold wait with what it refused."""
    before = unsent or Held({}, (), new=False)
    new = any(person.held.get(name) != value for name, value in values.items())
    return Held({**before.values, **values}, (*errors, *before.errors), new)


def in_parts(context: Context, fields: ObjectMap, results: Sequence[Sent]) -> dict[Sent, Sending]:
    """Return what can be sent of refused updates after all, without the fields that Salesforce named."""
    parts = {s: _without_refused(context, fields, s) for s in results if not s.missing}
    return {s: part for s, part in parts.items() if part is not None}


def _without_refused(context: Context, fields: ObjectMap, s: Sent) -> Sending | None:
    """What can be sent of a refused update; None when all of it waits."""
    if not s.errors or any(recovery(context, error) is not Recovery.WAIT_FOR_CHANGE for error in s.errors):
        return None
    values, named = s.sending.values, _named(fields, s)
    refused = {name for group in named for name in group}
    refused |= {fields.together[name] for name in refused if fields.together.get(name) in values}
    if context.sync_user.hold_refused_fields and all(named):
        waiting = {name: values[name] for name in refused}
        rest = {name: value for name, value in values.items() if name not in refused}
    else:
        waiting, rest = {}, _opt_outs(fields, values, refused)
    if not rest or len(rest) == len(values):
        return None
    before = s.sending.held or Held({}, (), new=False)
    return replace(
        s.sending, values=rest, held=Held({**before.values, **waiting}, (*s.errors, *before.errors), new=True)
    )


def _named(fields: ObjectMap, s: Sent) -> list[set[str]]:
    """The person fields of this update that each of its errors names."""
    return [fields.named(error.fields) & set(s.sending.values) for error in s.errors]


def _opt_outs(fields: ObjectMap, values: Mapping[str, Value], refused: Collection[str]) -> dict[str, Value]:
    """What is sent whatever else is refused."""
    consent = {rule.field for rule in fields.rules if rule.consent} - set(refused)
    return {name: value for name, value in values.items() if name in consent and value is True}


def whole_and_rest(whole: Sent, rest: Sent) -> Sent:
    """What came of the update and of its repetition without the refused fields."""
    if rest.errors:
        return replace(whole, errors=(*rest.errors, *whole.errors), put_off=rest.put_off)
    return rest
