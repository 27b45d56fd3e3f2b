"""Campaigns' member statuses, and who is a member of a campaign.

Sources: Object Reference, "CampaignMember" and "CampaignMemberStatus"; Salesforce Help, "What happens when I convert
leads?"; the first API guide's "CampaignMember" for a status that the campaign does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.dml.context import Saver
from sandbox.errors import SalesforceError, unknown_id


@dataclass(frozen=True, slots=True)
class Status:
    """What a member of a campaign can be."""

    label: str
    default: bool = False
    responded: bool = False


#: what a new campaign has
DELIVERED = (Status("Sent", default=True), Status("Responded", responded=True))


def put_statuses(saver: Saver, campaign_id: str, statuses: Sequence[Status]) -> None:
    """Give a campaign these statuses in place of those that it has."""
    if sum(status.default for status in statuses) != 1 or not any(status.responded for status in statuses):
        raise ValueError("a campaign has one default status, and one at least that counts as responded")
    database = saver.database
    if database.row("Campaign", campaign_id) is None:
        raise unknown_id()
    stamp = saver.stamp()
    database.execute("DELETE FROM CampaignMemberStatus WHERE CampaignId = ?", (campaign_id,))
    for number, status in enumerate(statuses, 1):
        row = {
            "Id": database.next_id(saver.whole("CampaignMemberStatus").key_prefix),
            "CampaignId": campaign_id,
            "Label": status.label,
            "SortOrder": number,
            "IsDefault": int(status.default),
            "HasResponded": int(status.responded),
            "CreatedDate": stamp,
            "CreatedById": saver.user_id,
            "LastModifiedDate": stamp,
            "LastModifiedById": saver.user_id,
            "SystemModstamp": stamp,
        }
        database.insert("CampaignMemberStatus", row)


def complete(saver: Saver, row: dict[str, Any]) -> None:
    """What Salesforce makes of a member as given.

    A status that is left out, or that the campaign does not have, becomes the campaign's default: it is not refused.
    Given a lead and a contact, only the contact is taken.
    """
    if row["ContactId"] and row["LeadId"] and not _is_converted(saver, row["LeadId"]):
        row["LeadId"] = None
    found = saver.database.one(
        "SELECT Label, HasResponded FROM CampaignMemberStatus WHERE CampaignId = ? "
        "ORDER BY Label = ? COLLATE NOCASE DESC, IsDefault DESC LIMIT 1",
        (row["CampaignId"], row["Status"] or ""),
    )
    if found is not None:
        row["Status"], row["HasResponded"] = found
    if row["HasResponded"] and row["FirstRespondedDate"] is None:
        row["FirstRespondedDate"] = saver.data.today().isoformat()


def _is_converted(saver: Saver, lead_id: str) -> bool:
    found = saver.database.one("SELECT IsConverted FROM Lead WHERE Id = ?", (lead_id,))
    return bool(found and found[0])


def check_member(saver: Saver, row: dict[str, Any]) -> None:
    """A member is a lead or a contact, and each is a member of a campaign once."""
    people = [name for name in ("LeadId", "ContactId") if row[name]]
    if not people:
        raise SalesforceError(
            400,
            "FIELD_INTEGRITY_EXCEPTION",
            "A campaign member must be one lead or one contact.",
            ["LeadId", "ContactId"],
        )
    if people == ["LeadId"] and _is_converted(saver, row["LeadId"]):
        raise SalesforceError(400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", [])
    for name in people:
        sql = f"SELECT 1 FROM CampaignMember WHERE CampaignId = ? AND {name} = ? AND IsDeleted = 0 AND Id <> ?"
        if saver.database.one(sql, (row["CampaignId"], row[name], row["Id"])):
            raise SalesforceError(400, "DUPLICATE_VALUE", "Already a campaign member.", [])


def follow_conversion(saver: Saver, lead_id: str, contact_id: str) -> None:
    """A converted lead's memberships become the contact's as well."""
    saver.database.execute(
        "UPDATE CampaignMember SET ContactId = ?, SystemModstamp = ? WHERE LeadId = ? AND IsDeleted = 0",
        (contact_id, saver.stamp(), lead_id),
    )
    keep_one(saver, "ContactId", contact_id)


def keep_one(saver: Saver, field: str, person_id: str) -> None:
    """Where two persons of one campaign became one, the membership that is further along stays."""
    if field not in ("LeadId", "ContactId"):
        return
    stamp = saver.stamp()
    doubled = saver.database.execute(
        "SELECT Id FROM (SELECT m.Id, ROW_NUMBER() OVER (PARTITION BY m.CampaignId "
        "ORDER BY m.HasResponded DESC, s.SortOrder DESC, m.Id) AS place FROM CampaignMember m "
        "LEFT JOIN CampaignMemberStatus s ON s.CampaignId = m.CampaignId AND s.Label = m.Status "
        f"WHERE m.{field} = ? AND m.IsDeleted = 0) WHERE place > 1",
        (person_id,),
    ).fetchall()
    for (member,) in doubled:
        saver.database.update("CampaignMember", member, {"IsDeleted": 1, "SystemModstamp": stamp})
        saver.database.execute("INSERT OR REPLACE INTO _deleted VALUES (?, ?, ?)", (member, "CampaignMember", stamp))
