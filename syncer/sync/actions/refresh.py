"""*Refresh from Salesforce*: receives what changed there, sends and makes nothing; what waits here goes on waiting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syncer.sync.actions import checks
from syncer.sync.actions.receive import receive
from syncer.sync.actions.spec import ActionSpec, Asked
from syncer.sync.context import Context
from syncer.sync.create.lookup import find
from syncer.sync.options import Action
from syncer.sync.outcomes import Outcomes, Result, same_for
from syncer.sync.persons.person_state import PersonState


def refresh(context: Context, persons: Sequence[PersonState], asked: Asked) -> Iterator[Outcomes]:
    if not persons:
        return
    found = find(context, persons)
    context.keep_reserve()
    received = receive(context, persons, found).outcomes
    yield received
    context.give_up_in_time()
    nothing_new = [p for p in persons if p.id not in received]
    yield same_for(nothing_new, Result.UNCHANGED, "Nothing new in Salesforce.")


SPEC = ActionSpec(
    action=Action.REFRESH,
    name="refresh_person",
    title="Refresh from Salesforce",
    carry_out=refresh,
    short="Refresh",
    description="Receives what changed in Salesforce, sends nothing",
    busy="Refreshing…",
    refusals=(checks.linked_to("to refresh from"), checks.well_formed_ids),
    needs_record=True,
    writes=False,
)
