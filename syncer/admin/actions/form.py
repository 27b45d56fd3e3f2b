"""The choices of an action on persons: owner, campaign with member status, and what only a person decides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from syncer.away import kept
from syncer.models import SyncUser
from syncer.sync.actions.spec import ActionSpec
from syncer.sync.options import Ask, SyncOptions
from syncer.sync.upkeep.choices import MOST, CampaignChoice, Choice, Directory, read_directory

#: How long a list read from Salesforce is offered, in seconds: a page and its answer need it once each.
FRESH = 300

BY_RULES = "By Salesforce's assignment rules"


def directory(sync_user: SyncUser) -> Directory:
    """Whom and what Salesforce offers: one API call, then kept for a while. Raises CannotSync."""
    key = f"syncer-directory-{sync_user.pk}-{sync_user.organisation_id}"
    return kept(key, FRESH, read_directory)


class CampaignSelect(forms.Select):
    """Each campaign carries its member statuses, for the script that offers only those."""

    statuses: dict[str, tuple[str, ...]] = {}

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if (known := self.statuses.get(str(value))) is not None:
            option["attrs"]["data-statuses"] = json.dumps(known)
        return option


class ChoicesForm(forms.Form):
    """What the page of an action asks for. A choice that Salesforce did not offer is refused."""

    def __init__(
        self,
        *args: Any,
        spec: ActionSpec,
        found: Directory | None,
        contacts: int = 0,
        deleted: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.spec = spec
        self.found = found or Directory()
        self.campaigns = {campaign.id: campaign for campaign in self.found.campaigns}
        self.contacts, self.deleted = contacts, deleted
        for ask, add_fields in FIELDS.items():
            if ask in spec.asks:
                add_fields(self)

    def _add_owner(self) -> None:
        wanted = Ask.OWNER in self.spec.needs
        choices: list[Any] = [("", "Choose a user or a lead queue" if wanted else BY_RULES)]
        choices += _group("Users", self.found.users)
        choices += _group("Lead queues", self.found.queues)
        text = "" if wanted else "Of new leads. A chosen owner is also given to records that are in Salesforce already."
        self.fields["owner"] = forms.ChoiceField(
            label="New owner" if wanted else "Owner",
            choices=choices,
            required=wanted,
            help_text=f"{text} {_listed(self.found.users, self.found.queues)}".strip(),
        )

    def _add_campaign(self) -> None:
        wanted = Ask.CAMPAIGN in self.spec.needs
        widget = CampaignSelect(attrs={"data-member-statuses": "id_member_status"})
        widget.statuses = {campaign.id: campaign.statuses for campaign in self.found.campaigns}
        listed: list[Any] = [(campaign.id, campaign.name) for campaign in self.found.campaigns]
        self.fields["campaign"] = forms.ChoiceField(
            label="Campaign",
            choices=[("", "Choose a campaign" if wanted else "None"), *listed],
            required=wanted,
            widget=widget,
            help_text=_listed(self.found.campaigns),
        )
        statuses = sorted({status for campaign in self.found.campaigns for status in campaign.statuses})
        self.fields["member_status"] = forms.ChoiceField(
            label="Member status",
            choices=[("", "The campaign's own default"), *((status, status) for status in statuses)],
            required=False,
        )

    def _add_lead_for_contact(self) -> None:
        if self.contacts and self.found.queues:
            self.fields["lead_for_contact"] = forms.BooleanField(
                required=False,
                label="Make a lead beside contacts that are to go to a queue",
                help_text="A contact can't be owned by a queue. Without this it is refused, with that reason; with it "
                "the queue gets a lead of a second person, as Marketo does silently.",
            )

    def _add_recreate_deleted(self) -> None:
        if self.deleted:
            self.fields["recreate_deleted"] = forms.BooleanField(
                required=False,
                label="Make a new lead for persons whose record was deleted in Salesforce",
                help_text="Without this they stay as they are. The deleted records stay deleted.",
            )

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        campaign = self.campaigns.get(cleaned.get("campaign") or "")
        status = cleaned.get("member_status") or ""
        if status and campaign is None and "campaign" not in self.errors:
            self.add_error("campaign", ValidationError("Choose the campaign that this status belongs to."))
        elif status and campaign is not None and campaign.statuses and status not in campaign.statuses:
            known = ", ".join(campaign.statuses)
            self.add_error("member_status", ValidationError(f"“{campaign.name}” has no such status, only: {known}."))
        return cleaned

    def options(self) -> SyncOptions:
        return SyncOptions(action=self.spec.action, **self.cleaned_data)

    def asked(self) -> list[tuple[str, str]]:
        """What was chosen, as people read it."""
        chosen = dict(self.cleaned_data)
        owner, campaign, status = (chosen.pop(name, "") for name in ("owner", "campaign", "member_status"))
        told = []
        if owner:
            names = {choice.id: choice.name for choice in (*self.found.users, *self.found.queues)}
            told.append(("Owner", names[owner]))
        elif "owner" in self.fields:
            told.append(("Owner of new leads", BY_RULES))
        if campaign:
            told.append(("Campaign", self.campaigns[campaign].name + (f", {status}" if status else "")))
        others = ((name, value) for name, value in chosen.items() if value)
        told += [(str(self.fields[name].label), "yes" if value is True else str(value)) for name, value in others]
        return told


#: The fields for what an action asks, in the order of the page. The number of records has a page of its own.
FIELDS: Mapping[Ask, Callable[[ChoicesForm], None]] = {
    Ask.OWNER: ChoicesForm._add_owner,
    Ask.CAMPAIGN: ChoicesForm._add_campaign,
    Ask.LEAD_FOR_CONTACT: ChoicesForm._add_lead_for_contact,
    Ask.RECREATE_DELETED: ChoicesForm._add_recreate_deleted,
}


def _group(title: str, choices: Iterable[Choice]) -> list[Any]:
    listed = [(one.id, f"{one.name} ({one.detail})" if one.detail else one.name) for one in choices]
    return [(title, listed)] if listed else []


def _listed(*lists: list[Choice] | list[CampaignChoice]) -> str:
    return f"The first {MOST:,} by name are listed." if any(len(one) >= MOST for one in lists) else ""
