"""Planning faults."""

from __future__ import annotations

from typing import Any

from sandbox import ids
from sandbox.org import Org


def plan(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{route, nth|probability, times, kind, seconds?, status?, code?, ids?, name?, …}``: see `sandbox.faults`."""
    if "ids" in given:
        full = [ids.long_form(str(each)) for each in given["ids"]]
        if None in full:
            raise ValueError(f"not a record id among {given['ids']}")
        given = {**given, "ids": full}
    return org.faults.plan(given).shown()


def planned(org: Org, _: dict[str, Any]) -> dict[str, Any]:
    """All plans, with how often each matched and struck."""
    return {"faults": [fault.shown() for fault in org.faults.planned]}


def clear(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """Nothing goes wrong any more; with ``name`` only those faults go."""
    org.faults.clear(str(given["name"]) if "name" in given else None)
    return planned(org, {})
