"""Leads that were found under the external ids of persons who are not in Salesforce here: they are theirs."""

from __future__ import annotations

from collections.abc import Sequence

from syncer.sync.context import Context
from syncer.sync.create import link, refusals
from syncer.sync.create.after_create import Creation, Made, RefusedCreate, link_created
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.identity.candidates import Found
from syncer.sync.identity.decide import Decided, by_external_id
from syncer.sync.outcomes import Code, PersonOutcome, Result, outcome, unknown
from syncer.sync.persons import person_state
from syncer.sync.store import intents


def take_found(
    context: Context, fields: ObjectMap, creations: Sequence[Creation], found: Found, verb: str
) -> dict[int, PersonOutcome]:
    """Link persons with what stands under their UUIDs, and go on with what became of it. Return the outcomes of those
    for whom there is something; some of it only somebody can decide about, or can't be read. ``verb`` says how it
    came."""
    by_id = {c.person.id: c for c in creations if str(c.person.uuid) in found.by_uuid}
    unread = {c.person.id: unknown(c.person) for c in creations if c.person.id in found.unreadable.keys() - by_id}
    intents.mark_unknown(unread)
    if not by_id:
        return unread
    persons = person_state.by_ids(by_id)  # with what was sent, which is what both sides have agreed on
    decided = Decided()
    for pk, person in persons.items():
        if not person.linked:
            by_external_id(person, by_id[pk].options, found, decided)
    linked_meanwhile = [pk for pk, person in persons.items() if person.linked]
    links = [one for group in decided.links.values() for one in group]
    gone = [one for one in links if one.record.gone]
    there = {one.person.id: one.record for one in links if not one.record.gone}
    there |= {pk: found.by_uuid[str(persons[pk].uuid)] for pk in linked_meanwhile}
    outcomes = unread | link_created(
        context, fields, found.reading, [Made(by_id[pk], r, verb) for pk, r in there.items()]
    )
    outcomes |= link.link(context, {"Lead": gone} if gone else {}, found)
    options = {pk: one.options for pk, one in by_id.items()}
    refusals.keep(context, list(decided.refused.values()), list(persons.values()), decided.choices, options)
    return outcomes | decided.refused


def is_held_unseen(fields: ObjectMap, refusal: RefusedCreate) -> bool:
    """Whether nothing that the sync user sees stands under the external id, and yet it is taken. The message names the
    field by its API name in every language; another unique field that was sent may be meant, too."""
    external = fields.external_id_field
    if external is None:
        return False
    sent = {f for f in fields.fields if f.person_field in refusal.creation.values}
    others = any(f.describe.unique for f in sent)
    return any(e.code == "DUPLICATE_VALUE" and (external in e.message or not others) for e in refusal.errors)


def keep_held_unseen(context: Context, fields: ObjectMap, refused: Sequence[RefusedCreate]) -> dict[int, PersonOutcome]:
    """Somebody has to decide about persons whose external id stands in a record that the sync user can't see."""
    message = f"A record that the sync user can't see has this person's UUID in {fields.external_id_field}. "
    persons = [r.creation.person for r in refused]
    told = {p.id: outcome(p, Result.NEEDS_DECISION, f"{message}Nothing was made.", Code.HELD_UNSEEN) for p in persons}
    refusals.keep(
        context, list(told.values()), persons, {}, {r.creation.person.id: r.creation.options for r in refused}
    )
    return told
