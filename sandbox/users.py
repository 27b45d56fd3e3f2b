"""The organisation's users and queues, and how its users sign in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox import ids
from sandbox.store.database import Database

SYNC_USERNAME = "sync@example.com"
SALES_USERNAME = "sales@example.com"
PASSWORD = "sandbox"
SECURITY_TOKEN = "token"
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret"
QUEUE_NAME = "New Leads"

SYNC_USER = ids.make("005", 1)
SALES_USER = ids.make("005", 2)
SYSTEM_USER = ids.make("005", 3)
QUEUE = ids.make("00G", 1)
ORGANIZATION = ids.make("00D", 1)
ASSIGNMENT_RULE = ids.make("01Q", 1)
_PROFILE = ids.make("00e", 1)


@dataclass
class Login:
    """What a user signs in with, and what may keep the user out."""

    password: str = PASSWORD
    security_token: str = SECURITY_TOKEN
    locked: bool = False
    password_expired: bool = False
    certificates: list[str] = field(default_factory=list)


class Users:
    """Users and queues, as rows of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def deliver(self, stamp: str) -> None:
        """The users, the queue and the organisation that are there from the start."""
        people = (
            (SYNC_USER, SYNC_USERNAME, "Sync", "User", "sync", "Standard"),
            (SALES_USER, SALES_USERNAME, "Sally", "Sales", "sally", "Standard"),
            (SYSTEM_USER, "autoproc@example.com", None, "Automated Process", "autoproc", "AutomatedProcess"),
        )
        for record_id, username, first, last, alias, user_type in people:
            self._add_user(record_id, username, first, last, alias, user_type, stamp)
        audit = {
            "CreatedDate": stamp,
            "CreatedById": SYSTEM_USER,
            "LastModifiedDate": stamp,
            "LastModifiedById": SYSTEM_USER,
        }
        self._database.insert(
            "Group",
            {
                "Id": QUEUE,
                "Name": QUEUE_NAME,
                "DeveloperName": QUEUE_NAME.replace(" ", "_"),
                "Type": "Queue",
                **audit,
                "SystemModstamp": stamp,
            },
        )
        queue_row = {
            "Id": ids.make("03g", 1),
            "QueueId": QUEUE,
            "SobjectType": "Lead",
            "CreatedById": SYSTEM_USER,
            "SystemModstamp": stamp,
        }
        self._database.insert("QueueSobject", queue_row)
        organisation = {
            "Id": ORGANIZATION,
            "Name": "Sandbox",
            "DefaultLocaleSidKey": "en_US",
            "TimeZoneSidKey": "Etc/UTC",
            "LanguageLocaleKey": "en_US",
            "FiscalYearStartMonth": 1,
            "OrganizationType": "Enterprise Edition",
            "InstanceName": "LOCAL",
            "IsSandbox": 1,
        }
        self._database.insert("Organization", {**organisation, **audit, "SystemModstamp": stamp})
        for prefix, number in (("005", 3), ("00G", 1), ("00D", 1), ("03g", 1)):
            self._database.execute("INSERT OR REPLACE INTO _counter VALUES (?, ?)", (prefix, number))

    @property
    def organisation(self) -> str:
        """The organisation's id; a refresh gives it another one."""
        return str(self._database.one('SELECT Id FROM "Organization"')[0])

    def refresh(self, is_sandbox: bool) -> str:
        """The copy that a refresh makes has an id of its own."""
        fresh = self._database.next_id("00D")
        self._database.update("Organization", self.organisation, {"Id": fresh, "IsSandbox": int(is_sandbox)})
        return fresh

    def _add_user(
        self, record_id: str, username: str, first: str | None, last: str, alias: str, user_type: str, stamp: str
    ) -> None:
        name = " ".join(part for part in (first, last) if part)
        row = {
            "Id": record_id,
            "Username": username,
            "FirstName": first,
            "LastName": last,
            "Name": name,
            "Email": username,
            "Alias": alias,
            "CommunityNickname": alias,
            "IsActive": 1,
            "UserType": user_type,
            "TimeZoneSidKey": "Etc/UTC",
            "LocaleSidKey": "en_US",
            "EmailEncodingKey": "UTF-8",
            "LanguageLocaleKey": "en_US",
            "ProfileId": _PROFILE,
            "CreatedDate": stamp,
            "CreatedById": SYSTEM_USER,
            "LastModifiedDate": stamp,
            "LastModifiedById": SYSTEM_USER,
            "SystemModstamp": stamp,
        }
        self._database.insert("User", row)

    def put(self, username: str, changes: dict[str, Any], stamp: str) -> str:
        """Make a user, or change one: ``active``, ``first_name``, ``last_name``, ``email`` and those of ``Login``."""
        found = self.by_username(username)
        if found is None:
            found = self._database.next_id("005")
            last = str(changes.get("last_name") or username.partition("@")[0])
            self._add_user(found, username, changes.get("first_name"), last, last[:8], "Standard", stamp)
        self._change(found, changes, stamp)
        login = self.login(found)
        for name in Login.__dataclass_fields__:
            if name in changes:
                setattr(login, name, changes[name])
        self._database.set_meta(f"login:{found}", json.dumps(asdict(login)))
        return found

    def _change(self, user_id: str, changes: dict[str, Any], stamp: str) -> None:
        """Fields that a query shows. The user's own stamp moves; records that the user owns keep theirs."""
        row = self.row(user_id)
        names = {"first_name": "FirstName", "last_name": "LastName", "email": "Email"}
        after = row | {names[key]: value for key, value in changes.items() if key in names}
        if "active" in changes:
            after["IsActive"] = int(bool(changes["active"]))
        after["Name"] = " ".join(part for part in (after["FirstName"], after["LastName"]) if part)
        changed = {name: value for name, value in after.items() if value != row[name]}
        if changed:
            self._database.update("User", user_id, changed | {"LastModifiedDate": stamp, "SystemModstamp": stamp})

    def put_queue(self, name: str, objects: list[str], stamp: str) -> str:
        """Make a queue for these objects."""
        record_id = self._database.next_id("00G")
        audit = {
            "CreatedDate": stamp,
            "CreatedById": SYSTEM_USER,
            "LastModifiedDate": stamp,
            "LastModifiedById": SYSTEM_USER,
        }
        developer_name = "".join(letter if letter.isalnum() else "_" for letter in name)
        row = {
            "Id": record_id,
            "Name": name,
            "DeveloperName": developer_name,
            "Type": "Queue",
            **audit,
            "SystemModstamp": stamp,
        }
        self._database.insert("Group", row)
        for item in objects:
            link = {
                "Id": self._database.next_id("03g"),
                "QueueId": record_id,
                "SobjectType": item,
                "CreatedById": SYSTEM_USER,
                "SystemModstamp": stamp,
            }
            self._database.insert("QueueSobject", link)
        return record_id

    def by_username(self, username: str) -> str | None:
        """The id of the user with this name."""
        row = self._database.one("SELECT Id FROM User WHERE Username = ?", (username,))
        return None if row is None else str(row[0])

    def row(self, user_id: str) -> dict[str, Any]:
        """A user's stored row."""
        return self._database.row("User", user_id) or {}

    def login(self, user_id: str) -> Login:
        """What the user signs in with."""
        text = self._database.meta(f"login:{user_id}")
        return Login(**json.loads(text)) if text else Login()

    def is_active(self, user_id: str) -> bool:
        """Whether the user can own records and sign in."""
        row = self._database.one("SELECT IsActive FROM User WHERE Id = ?", (user_id,))
        return bool(row and row[0])

    def is_queue_for(self, group_id: str, object_name: str) -> bool:
        """Whether this group is a queue that may own records of the object."""
        return (
            self._database.one(
                "SELECT 1 FROM QueueSobject WHERE QueueId = ? AND SobjectType = ?", (group_id, object_name)
            )
            is not None
        )
