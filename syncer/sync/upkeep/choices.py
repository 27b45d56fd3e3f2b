"""Whom a record can be given to, and which campaigns there are: what the pages of the actions offer. One API call."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from syncer.salesforce import soql
from syncer.salesforce.caller import Timing
from syncer.salesforce.client import Subrequest
from syncer.sync.connection.connect import active_sync_user, check_ready, connect, one_line_errors
from syncer.sync.context import OpenSession, default_session

#: Entries of one list; a page with more than these is a search, not a choice.
MOST = 2000


@dataclass(frozen=True, slots=True)
class Choice:
    id: str
    name: str
    detail: str = ""  # a user's e-mail address


@dataclass(frozen=True, slots=True)
class CampaignChoice:
    """``statuses``: what a member can be, the default one first; empty when Salesforce does not show them."""

    id: str
    name: str
    statuses: tuple[str, ...] = ()


@dataclass(slots=True)
class Directory:
    users: list[Choice] = field(default_factory=list)
    queues: list[Choice] = field(default_factory=list)
    campaigns: list[CampaignChoice] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # what the sync user may not see, in Salesforce's words


QUERIES = {
    "users": soql.select(
        ["Id", "Name", "Email"],
        "User",
        where="IsActive = true AND UserType = 'Standard'",
        order_by=["Name"],
        limit=MOST,
    ),
    "queues": soql.select(
        ["Id", "Name"],
        "Group",
        where="Type = 'Queue' AND Id IN (SELECT QueueId FROM QueueSobject WHERE SobjectType = 'Lead')",
        order_by=["Name"],
        limit=MOST,
    ),
    "campaigns": soql.select(["Id", "Name"], "Campaign", where="IsActive = true", order_by=["Name"], limit=MOST),
    "statuses": soql.select(
        ["CampaignId", "Label", "IsDefault"],
        "CampaignMemberStatus",
        where="CampaignId IN (SELECT Id FROM Campaign WHERE IsActive = true)",
        order_by=["CampaignId", "SortOrder"],
        limit=MOST,
    ),
}


def read_directory(
    open_session: OpenSession = default_session, *, pause: Callable[[float], None] = time.sleep
) -> Directory:
    """Active users, lead queues and active campaigns. Raises CannotSync when Salesforce can't be asked."""
    sync_user = active_sync_user()
    check_ready(sync_user, timezone.now())
    org = connect(sync_user, open_session, Timing(attempts=2, sleep=pause))
    with one_line_errors(sync_user, org):
        org.sign_in()
        answer = org.composite(
            [Subrequest("GET", soql.query_path(text), name) for name, text in QUERIES.items()], safe=True
        )
    found: dict[str, Sequence[Mapping[str, Any]]] = {}
    told = Directory()
    for name in QUERIES:
        response = answer[name]
        if (error := response.error()) is not None:
            told.missing.append(f"{name}: {error.message}")
        found[name] = answer.rows(name)
    told.users = [Choice(row["Id"], _name(row), str(row.get("Email") or "")) for row in found["users"]]
    told.queues = [Choice(row["Id"], _name(row)) for row in found["queues"]]
    statuses: dict[str, list[Mapping[str, Any]]] = {}
    for row in found["statuses"]:
        if isinstance(row.get("CampaignId"), str) and row.get("Label"):
            statuses.setdefault(row["CampaignId"], []).append(row)
    told.campaigns = [
        CampaignChoice(
            row["Id"],
            _name(row),
            tuple(str(s["Label"]) for s in sorted(statuses.get(row["Id"], ()), key=lambda s: not s.get("IsDefault"))),
        )
        for row in found["campaigns"]
    ]
    return told


def _name(row: Mapping[str, Any]) -> str:
    return str(row.get("Name") or row["Id"])
