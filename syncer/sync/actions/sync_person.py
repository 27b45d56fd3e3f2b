"""*Sync Person to SFDC*: both ways, and made there when it is not there; then the owner and the campaign asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syncer.sync.actions import add_to_campaign, change_owner, checks
from syncer.sync.actions.spec import ActionSpec, Asked
from syncer.sync.actions.synchronise import sync_then
from syncer.sync.context import Context
from syncer.sync.options import Action, Ask
from syncer.sync.outcomes import Outcomes
from syncer.sync.persons.person_state import PersonState


def sync(context: Context, persons: Sequence[PersonState], asked: Asked) -> Iterator[Outcomes]:
    """A record that has the owner already is not written again: it was just read."""
    return sync_then(context, persons, asked, (change_owner.give_others, add_to_campaign.add), only_new=False)


SPEC = ActionSpec(
    action=Action.SYNC,
    name="sync_person",
    title="Sync Person to SFDC",
    carry_out=sync,
    button="Sync to SFDC",
    busy="Syncing…",
    asks=frozenset({Ask.OWNER, Ask.CAMPAIGN, Ask.LEAD_FOR_CONTACT, Ask.RECREATE_DELETED}),
    refusals=(checks.well_formed_ids,),
)
