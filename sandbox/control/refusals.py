"""Saves that fail although describe allows them: of single records, and of more records than a trigger bears."""

from __future__ import annotations

from typing import Any

from sandbox.control.given import field, record_id, sobject
from sandbox.dml import checks, refusals
from sandbox.dml.context import Saver
from sandbox.org import Org
from sandbox.users import SYSTEM_USER


def refuse(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{object, id?, when?, fields?, code?, message?, status?}``: saves fail that describe allows.

    Of one record, of those that fulfil a SOQL condition, or of all; only those that write one of ``fields``, or any.
    """
    item = sobject(org, given["object"])
    found = None if given.get("id") is None else record_id(given["id"])
    if found is not None and found[:3] != item.key_prefix:
        raise ValueError(f"{found} is not the id of a {item.name}")
    when = given.get("when")
    if when is not None:
        checks.matches(Saver(org, SYSTEM_USER), item, "", str(when))
    fields = [field(item, name).name for name in given.get("fields") or []]
    words = f"{item.label}: bad field names on insert/update call: {', '.join(fields)}"
    rule = {
        "object": item.name,
        "id": found,
        "when": None if when is None else str(when),
        "fields": fields,
        "code": str(given.get("code") or refusals.FIELD_CODE),
        "message": str(given.get("message") or words),
        "status": int(given.get("status", 400)),
        "hits": 0,
    }
    org.settings.refusals.append(rule)
    org.save_settings()
    return rule


def list_refusals(org: Org, _: dict[str, Any]) -> dict[str, Any]:
    """All refusals, with how often each has struck."""
    return {"refusals": org.settings.refusals}


def remove_refusals(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """All of them, or those of ``object`` and of the record ``id``."""
    name = sobject(org, given["object"]).name if "object" in given else None
    found = record_id(given["id"]) if "id" in given else None
    org.settings.refusals = [
        rule for rule in org.settings.refusals if name not in (None, rule["object"]) or found not in (None, rule["id"])
    ]
    org.save_settings()
    return list_refusals(org, {})


def limit_trigger(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{object, rows, code?, message?}``: an automation that bears so many rows a transaction; with more all fail."""
    item = sobject(org, given["object"])
    rows = int(given["rows"])
    if rows < 1:
        raise ValueError("rows must be at least 1")
    org.settings.trigger_limits[item.name] = {
        "rows": rows,
        "code": str(given.get("code") or refusals.TRIGGER_CODE),
        "message": str(
            given.get("message") or f"{item.name}Trigger: System.LimitException: Apex CPU time limit exceeded"
        ),
        "hits": 0,
    }
    org.save_settings()
    return list_triggers(org, {})


def list_triggers(org: Org, _: dict[str, Any]) -> dict[str, Any]:
    """The limits by object, with how often each has struck."""
    return {"triggers": org.settings.trigger_limits}


def remove_triggers(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """All of them, or that of ``object``."""
    if "object" in given:
        org.settings.trigger_limits.pop(sobject(org, given["object"]).name, None)
    else:
        org.settings.trigger_limits.clear()
    org.save_settings()
    return list_triggers(org, {})
