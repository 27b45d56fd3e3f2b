"""What people do outside the REST API: convert, merge, undelete, empty the recycle bin, refresh a sandbox."""

from __future__ import annotations

from typing import Any

from sandbox import ids
from sandbox.dml import convert as conversion
from sandbox.dml import merge as merging
from sandbox.dml import remove
from sandbox.dml.context import Saver
from sandbox.errors import SalesforceError
from sandbox.org import Org


def _id(given: dict[str, Any], key: str) -> str:
    full = ids.long_form(str(given[key]))
    if full is None:
        raise SalesforceError(400, "MALFORMED_ID", f"malformed id {given[key]}")
    return full


def convert(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{lead, contact?, account?}``."""
    contact = _id(given, "contact") if given.get("contact") else None
    account = _id(given, "account") if given.get("account") else None
    return conversion.convert(Saver.on_page(org), _id(given, "lead"), contact, account)


def merge(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{object, winner, losers}``."""
    losers = [_id({"id": each}, "id") for each in given["losers"]]
    merging.merge(Saver.on_page(org), str(given["object"]), _id(given, "winner"), losers)
    return {"winner": _id(given, "winner"), "losers": losers}


def undelete(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{id}``."""
    record_id = _id(given, "id")
    remove.undelete(Saver.on_page(org), record_id)
    return {"id": record_id}


def purge(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{id}``: take a deleted record out of the recycle bin; without ``id`` empty it."""
    if "id" in given:
        wanted = [_id(given, "id")]
    else:
        wanted = [row[0] for row in org.database.execute("SELECT id FROM _deleted").fetchall()]
    for record_id in wanted:
        remove.purge(Saver.on_page(org), record_id)
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
