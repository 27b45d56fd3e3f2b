"""What happens outside the REST API: convert, merge, undelete, put odd values, empty the bin, refresh a sandbox."""

from __future__ import annotations

from typing import Any

from sandbox import rawtext
from sandbox.control.given import field, record_id
from sandbox.dml import convert as conversion
from sandbox.dml import merge as merging
from sandbox.dml import raw, remove
from sandbox.dml.context import Saver
from sandbox.errors import unknown_id
from sandbox.org import Org
from sandbox.users import SYSTEM_USER


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


def put_raw(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{id, fields?, bytes?, stamp?}``: values put into a record past every check.

    ``bytes``: texts by their bytes in hex. The record's stamps move, unless ``stamp`` is false or a value is a stamp.
    """
    found = record_id(given["id"])
    item = org.catalog.whole.object_of(found)
    if item is None:
        raise unknown_id()
    texts = {name: rawtext.of_bytes(bytes.fromhex(str(data))) for name, data in (given.get("bytes") or {}).items()}
    values = {field(item, name): value for name, value in ((given.get("fields") or {}) | texts).items()}
    unfit = [each.name for each in values if not each.stored or each.name == "Id"]
    if unfit:
        raise ValueError(f"cannot be put into a record: {', '.join(unfit)}")
    raw.put(Saver(org, SYSTEM_USER), item, found, values, stamp=given.get("stamp", True) is not False)
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
