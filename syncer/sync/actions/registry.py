"""Every action on persons, in the order in which pages offer them."""

from __future__ import annotations

from collections.abc import Mapping

from syncer.sync.actions import add_to_campaign, change_owner, delete_record, refresh, sync_person
from syncer.sync.actions.spec import ActionSpec
from syncer.sync.options import Action

SPECS: Mapping[Action, ActionSpec] = {
    spec.action: spec
    for spec in (
        sync_person.SPEC,
        refresh.SPEC,
        change_owner.SPEC,
        add_to_campaign.SPEC,
        delete_record.SPEC,
    )
}
