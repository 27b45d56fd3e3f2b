"""Looking at the organisation, resetting it, moving its clock."""

from __future__ import annotations

from typing import Any

from sandbox.clock import read_moment, wire_datetime
from sandbox.dml import late
from sandbox.org import Org
from sandbox.seed import seed


def reset(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{leads, contacts, seed}``: as delivered, with so many new records."""
    leads, contacts, number = (
        int(given.get("leads", 0)),
        int(given.get("contacts", 0)),
        int(given.get("seed", org.seed)),
    )
    if min(leads, contacts) < 0:
        raise ValueError("leads and contacts must not be negative")
    org.reset()
    seed(org, leads, contacts, number)
    return state(org, {})


def state(org: Org, _: dict[str, Any]) -> dict[str, Any]:
    """The time and how many records there are."""
    return {"now": wire_datetime(org.clock.now()), "objects": org.counts()}


def requests(org: Org, _: dict[str, Any]) -> dict[str, Any]:
    """Requests since they were last cleared. Ids, external-id values and locators appear as place-holders."""
    return {"api_calls": org.usage.api_calls, "requests": dict(sorted(org.usage.requests.items()))}


def clear_requests(org: Org, _: dict[str, Any]) -> dict[str, Any]:
    """Count anew."""
    org.usage.clear()
    return requests(org, {})


def drop_locators(org: Org, _: dict[str, Any]) -> dict[str, Any]:
    """Forget the open queries: their further pages are INVALID_QUERY_LOCATOR from now on."""
    dropped = len(org.cursors.open)
    org.cursors.open.clear()
    return {"dropped": dropped}


def clock(org: Org, _: dict[str, Any]) -> dict[str, Any]:
    """The organisation's time."""
    return {"now": wire_datetime(org.clock.now())}


def set_clock(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{now}`` or ``{advance_seconds}``."""
    if "now" in given:
        org.clock.set(read_moment(str(given["now"])))
    else:
        org.clock.advance(float(given["advance_seconds"]))
    org.save_settings()
    late.commit(org)
    return clock(org, {})
