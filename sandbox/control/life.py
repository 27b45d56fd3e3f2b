"""What people do outside the REST API: convert, merge, undelete, empty the recycle bin, refresh a sandbox."""

from __future__ import annotations

from typing import Any

from sandbox.control.given import record_id
from sandbox.dml import convert as conversion
from sandbox.dml import merge as merging
from sandbox.dml import remove
from sandbox.dml.context import Saver
from sandbox.org import Org


def convert(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{lead, contact?, account?}``."""
    contact = record_id(given["contact"]) if given.get("contact") else None
    account = record_id(given["account"]) if given.get("account") else None
    return conversion.convert(Saver.on_page(org), record_id(given["lead"]), contact, account)


def merge(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{object, winner, losers}``."""
    losers = [record_id(each) for each in given["losers"]]
    merging.merge(Saver.on_page(org), str(given["object"]), record_id(given["winner"]), losers)
    return {"winner": record_id(given["winner"]), "losers": losers}


def undelete(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{id}``."""
    found = record_id(given["id"])
    remove.undelete(Saver.on_page(org), found)
    return {"id": found}


def purge(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{id}``: take a deleted record out of the recycle bin; without ``id`` empty it."""
    if "id" in given:
        wanted = [record_id(given["id"])]
    else:
        wanted = [row[0] for row in org.database.execute("SELECT id FROM _deleted").fetchall()]
    for found in wanted:
        remove.purge(Saver.on_page(org), found)
    return {"purged": wanted}


def refresh(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{is_sandbox}``: the organisation as a refresh leaves it: another id, the same records. Everybody is signed out.

    ``is_sandbox: false`` makes it a production organisation that has the same records.
    """
    is_sandbox = given.get("is_sandbox", True)
    if not isinstance(is_sandbox, bool):
        raise ValueError("is_sandbox is true or false")
    org.sessions.end_all()
    return {"id": org.users.refresh(is_sandbox), "is_sandbox": is_sandbox}
