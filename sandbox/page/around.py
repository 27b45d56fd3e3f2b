"""What stands around a record: who owns it and could, its account, and the campaigns that it is in."""

from __future__ import annotations

from typing import Any

from sandbox.org import Org
from sandbox.page.markup import text
from sandbox.schema.sobject import SObject
from sandbox.store.database import quote


def name_of(org: Org, record_id: str | None, table: str = "Name") -> str:
    """A record's name, ready for the page; its id if there is none."""
    row = org.database.one(f"SELECT Name FROM {quote(table)} WHERE Id = ?", (record_id,)) if record_id else None
    return text(row[0]) if row else text(record_id)


def campaigns(org: Org, item: SObject, record_id: str) -> str:
    """The campaigns that the person is a member of, and as what."""
    sql = (
        "SELECT c.Name, m.Status FROM CampaignMember m JOIN Campaign c ON c.Id = m.CampaignId "
        f"WHERE m.{quote(f'{item.name}Id')} = ? AND m.IsDeleted = 0 ORDER BY c.Name"
    )
    return ", ".join(f"{text(name)} ({text(status)})" for name, status in org.database.execute(sql, (record_id,)))


def owner_form(org: Org, item: SObject, record_id: str, values: dict[str, Any], token: str) -> str:
    """A choice of active users, and for leads of queues."""
    choices = org.database.execute(
        "SELECT Id, Name FROM User WHERE IsActive = 1 AND UserType = 'Standard' UNION ALL SELECT g.Id, g.Name "
        'FROM "Group" g JOIN QueueSobject q ON q.QueueId = g.Id AND q.SobjectType = ? ORDER BY Name',
        (item.name,),
    )
    options = "".join(
        f'<option value="{pk}"{" selected" if pk == values["OwnerId"] else ""}>{text(name)}</option>'
        for pk, name in choices
    )
    return (
        f'<form method=post action="/{record_id}/owner" class=bar style="align-items:end">{token}'
        f"<label for=owner>Owner<select id=owner name=owner>{options}</select></label>"
        "<button class=plain>Change owner</button></form>"
    )
