"""How an action on persons was asked for: which action, which owner, which campaign, what was decided by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from syncer.salesforce.ids import is_queue


class Action(StrEnum):
    """*Sync Person to SFDC* and its sisters (``actions.registry``). The value is stored with the run, and stands in
    addresses."""

    SYNC = "sync"  # both ways; not there: linked or created
    REFRESH = "refresh"  # receive only
    OWNER = "owner"  # Change owner in SFDC
    CAMPAIGN = "campaign"  # Add to SFDC campaign
    DELETE = "delete"  # Delete from SFDC


class Ask(StrEnum):
    """What an action's page can ask; the answers are fields of ``SyncOptions``."""

    OWNER = "owner"
    CAMPAIGN = "campaign"  # and the member status
    LEAD_FOR_CONTACT = "lead_for_contact"  # where a contact may be among the persons
    RECREATE_DELETED = "recreate_deleted"  # where a record was deleted there
    NUMBER_OF_RECORDS = "number_of_records"  # typed, by somebody who has seen which


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """Marketo's choices of the flow action, and the decisions that only a person takes.

    ``owner``: a user (005…) or a lead queue (00G…); empty: assignment rules when a lead is made, and otherwise as it
    is. ``campaign`` (701…) and ``member_status`` (empty: the campaign's default). ``link_to``: the record that somebody
    chose for this one person; ``same_person``: it is another person's, and the two are one. ``create_anyway``: make a
    lead although similar records were found (of another person, several, or under another name).
    ``recreate_deleted``: make a new lead for a person whose record was deleted there.
    ``lead_for_contact``: a contact that is to go to a queue gets a lead beside it, as in Marketo; otherwise it is
    refused. ``save_duplicate``: save although a duplicate rule warns.
    """

    action: Action = Action.SYNC
    owner: str = ""
    campaign: str = ""
    member_status: str = ""
    link_to: str = ""
    same_person: bool = False
    create_anyway: bool = False
    recreate_deleted: bool = False
    lead_for_contact: bool = False
    save_duplicate: bool = False

    @property
    def to_queue(self) -> bool:
        return is_queue(self.owner)

    def of_create(self) -> dict[str, Any]:
        """What a create that is tried again later has to remember."""
        again = SyncOptions(
            owner=self.owner,
            campaign=self.campaign,
            member_status=self.member_status,
            create_anyway=self.create_anyway,
            lead_for_contact=self.lead_for_contact,
            save_duplicate=self.save_duplicate,
        )
        return again.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """What differs from the defaults, for a task's argument or a JSON column."""
        usual = SyncOptions()
        return {name: value for name, value in asdict(self).items() if value != getattr(usual, name)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> SyncOptions:
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in stored.items() if name in known}
        return cls(**values | {"action": Action(values.get("action", Action.SYNC))})


#: *Sync Person to SFDC* without any options.
SYNC = SyncOptions()
