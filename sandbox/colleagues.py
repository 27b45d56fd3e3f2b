"""Who else works in a seeded organisation: users, lead queues and campaigns, so that there is something to choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.clock import wire_datetime
from sandbox.dml import campaigns, save
from sandbox.dml.campaigns import Status
from sandbox.dml.context import Saver
from sandbox.org_data import OrgData
from sandbox.users import QUEUE, SALES_USER, SYNC_USER

_USERS = (
    ("maria.lopez@example.com", "Maria", "Lopez"),
    ("james.okafor@example.com", "James", "Okafor"),
    ("yuki.tanaka@example.com", "Yuki", "Tanaka"),
    ("left.company@example.com", "Lena", "Former"),
)
_LEFT = "left.company@example.com"
_QUEUES = ("Partner Leads", "Enterprise Leads")
_CAMPAIGNS: tuple[tuple[str, str, Sequence[Status]], ...] = (
    ("Customer Newsletter", "Email", campaigns.DELIVERED),
    (
        "Autumn Webinar",
        "Webinar",
        (
            Status("Invited", default=True),
            Status("Registered", responded=True),
            Status("Attended", responded=True),
            Status("No Show"),
        ),
    ),
    ("Spring Trade Show", "Trade Show", (*campaigns.DELIVERED, Status("Visited Booth", responded=True))),
)


@dataclass(frozen=True, slots=True)
class Owners:
    """Who owns records: active users, and for leads queues too."""

    users: Sequence[str] = (SALES_USER,)
    queues: Sequence[str] = (QUEUE,)


def settle(data: OrgData) -> Owners:
    """Make them, unless an earlier seeding did; gives who can own records."""
    stamp = wire_datetime(data.clock.now())
    known = {name for (name,) in data.database.execute('SELECT Name FROM "Group"')}
    for name in _QUEUES:
        if name not in known:
            data.users.put_queue(name, ["Lead"], stamp)
    for username, first, last in _USERS:
        data.users.put(username, {"first_name": first, "last_name": last, "active": username != _LEFT}, stamp)
    by = Saver(data, SALES_USER)
    known = {name for (name,) in data.database.execute("SELECT Name FROM Campaign")}
    for name, kind, statuses in _CAMPAIGNS:
        if name not in known:
            values = {"Name": name, "Type": kind, "IsActive": 1, "Status": "In Progress"}
            campaigns.put_statuses(by, save.insert_stored(by, by.whole("Campaign"), values), statuses)
    sql = "SELECT Id FROM User WHERE IsActive = 1 AND UserType = 'Standard' AND Id <> ? ORDER BY Id"
    users = [user for (user,) in data.database.execute(sql, (SYNC_USER,))]
    queues = [queue for (queue,) in data.database.execute("SELECT Id FROM \"Group\" WHERE Type = 'Queue' ORDER BY Id")]
    return Owners(users, queues)
