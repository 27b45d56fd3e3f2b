"""Users, queues, campaigns, sharing and sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sandbox import ids
from sandbox.clock import wire_datetime
from sandbox.control.given import sobject, user
from sandbox.dml import campaigns, checks, persons, save
from sandbox.dml.context import Saver
from sandbox.errors import unknown_id
from sandbox.org import Org
from sandbox.sessions import MOVES, Moved
from sandbox.signin.jwt import public_key
from sandbox.users import SALES_USER, SYNC_USERNAME, SYSTEM_USER


def put_user(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{username, first_name?, last_name?, email?, active?}`` and what the user signs in with: make, change."""
    for pem in given.get("certificates", []):
        public_key(str(pem))
    username = str(given["username"])
    user_id = org.users.put(username, given, wire_datetime(org.clock.now()))
    return {"id": user_id, "username": username}


def put_queue(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{name, objects?}``: a new queue."""
    name = str(given["name"])
    return {
        "id": org.users.put_queue(
            name, [str(item) for item in given.get("objects", ["Lead"])], wire_datetime(org.clock.now())
        ),
        "name": name,
    }


def put_campaign(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{name, active?, statuses?}``: a new campaign; ``{id, statuses}``: other member statuses.

    ``statuses``: ``[{label, default?, responded?}]`` in their order.
    """
    # the campaign's own page in Salesforce is the only place where statuses are edited
    by = Saver(org, SYSTEM_USER)
    campaign_id = str(given["id"]) if "id" in given else None
    if campaign_id is None:
        fields = {"Name": str(given["name"]), "IsActive": int(bool(given.get("active", True)))}
        campaign_id = save.insert_stored(by, by.whole("Campaign"), {**fields, "OwnerId": SALES_USER})
    if "statuses" in given:
        entries = [
            campaigns.Status(str(entry["label"]), bool(entry.get("default")), bool(entry.get("responded")))
            for entry in given["statuses"]
        ]
        campaigns.put_statuses(by, campaign_id, entries)
    return {"id": campaign_id}


def put_person_account(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{fields}``: a new person account, by the fields of the contact behind it."""
    if not org.settings.person_accounts:
        raise ValueError("the organisation has no person accounts; switch person_accounts on first")
    by = Saver(org, SALES_USER)
    values = checks.read_fields(by, by.whole("Contact"), given["fields"], creating=True)
    account_id, contact_id = persons.make(by, values, {})
    return {"account": account_id, "contact": contact_id}


def share(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{id or object, visible, username?}``: let sharing hide a record from a user, or show it again. No stamp moves.

    With ``object`` all of its records that the user does not own, those to come as well.
    """
    user_id = user(org, given.get("username", SYNC_USERNAME))
    visible = given["visible"]
    if not isinstance(visible, bool):
        raise ValueError("visible must be true or false")
    if "object" in given:
        item = sobject(org, given["object"])
        if not item.has("OwnerId"):
            raise ValueError(f"records of {item.name} have no owner")
        others = [name for name in org.settings.private.get(user_id, ()) if name != item.name]
        org.settings.private[user_id] = others if visible else [*others, item.name]
        org.save_settings()
        return {"object": item.name, "visible": visible}
    record_id = ids.long_form(str(given["id"]))
    found = org.catalog.whole.object_of(record_id) if record_id else None
    if record_id is None or found is None or org.database.row(found.name, record_id) is None:
        raise unknown_id()
    if visible:
        org.database.execute("DELETE FROM _hidden WHERE user = ? AND id = ?", (user_id, record_id))
    else:
        org.database.execute("INSERT OR IGNORE INTO _hidden VALUES (?, ?)", (user_id, record_id))
    return {"id": record_id, "visible": visible}


def move(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{username?, how?, to?}``: the organisation moves to another instance, whose address only a new sign-in tells.

    What the user's sessions of now get at the old one: ``page`` (404, "URL No Longer Exists"), ``redirect`` (301 to
    ``to``, or to the other name of this machine), or ``not_reset`` (URL_NOT_RESET).
    """
    how = str(given.get("how", "page"))
    if how not in MOVES:
        raise ValueError(f"how must be one of {', '.join(MOVES)}")
    user_id = user(org, given.get("username", SYNC_USERNAME))
    return {"sessions": org.sessions.move(user_id, Moved(how, str(given.get("to") or "")))}


def set_sessions(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{lifetime_seconds}``: how long a session lives unused; for those that start from now on and at each use."""
    org.sessions.lifetime = timedelta(seconds=float(given["lifetime_seconds"]))
    return {"lifetime_seconds": org.sessions.lifetime.total_seconds(), "open": len(org.sessions.open)}


def end_sessions(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """End every session, or those of ``username``."""
    return {"ended": org.sessions.end_all(user(org, given["username"]) if "username" in given else None)}
