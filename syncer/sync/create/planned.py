"""What a dry run tells of creates that would be tried."""

from __future__ import annotations

from collections.abc import Sequence

from syncer.sync.context import Context
from syncer.sync.create import link
from syncer.sync.create.after_create import Creation
from syncer.sync.create.at_most_once import prepare
from syncer.sync.create.lookup import find
from syncer.sync.options import SyncOptions
from syncer.sync.persons import person_state
from syncer.sync.plan import Plan, Planned, sent_fields


def plan_creates(context: Context, plan: Plan, ids: Sequence[int]) -> None:
    """The same look-up and the same decisions as *Sync Person to SFDC*; what would be made or refused is told."""
    persons = [p for p in person_state.by_ids(ids).values() if not p.linked]
    asked = {p.id: SyncOptions.from_dict(p.asked) for p in persons}
    found = find(context, persons)
    matched = link.match(context, persons, found, asked)
    told = {**matched.unchanged, **matched.refused, **link.link(context, matched.links, found)}
    refused = [(one.person_id, one.name, one.message) for one in told.values() if not one.ok]
    for person in matched.to_create:
        prepared = prepare(context, context.maps["Lead"], person, asked[person.id])
        if isinstance(prepared, Creation):
            fields = sent_fields(prepared.values)
            plan.add(Planned("create lead", person.id, person.name, "Lead", "", fields=fields))
        else:
            refused.append((person.id, person.name, prepared.errors[0].message))
    for person_id, name, why in refused:
        plan.add(Planned("refuse", person_id, name, "", "", why))
