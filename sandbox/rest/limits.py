"""Versions, the list of resources, limits and record counts."""

from __future__ import annotations

from sandbox.org import Org
from sandbox.rest.call import Call
from sandbox.wire import Response

FIRST_VERSION, LAST_VERSION = 41, 68
_SEASONS = ("Spring", "Summer", "Winter")
_RESOURCES = ("composite", "jobs", "limits", "query", "queryAll", "sobjects")


def label(number: int) -> str:
    """The release of a version: 59 is Winter '24, 60 Spring '24, 61 Summer '24."""
    season = _SEASONS[(number - 60) % 3]
    year = 24 + (number - 60) // 3 + (1 if season == "Winter" else 0)
    return f"{season} '{year:02d}"


def versions() -> Response:
    """GET /services/data, without a session."""
    return Response.json(
        [
            {"label": label(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
            for number in range(FIRST_VERSION, LAST_VERSION + 1)
        ]
    )


def resources(call: Call) -> Response:
    """GET /services/data/vXX.X."""
    return Response.json({name: f"{call.base}/{name}" for name in _RESOURCES})


def usage(org: Org) -> tuple[int, int]:
    """Calls in the last 24 hours, and how many are allowed."""
    return org.usage.used(org.clock.now()), org.settings.daily_limit


def limits(call: Call) -> Response:
    """GET /limits."""
    used, allowed = usage(call.org)
    entries = {
        "DailyApiRequests": (allowed, allowed - used),
        "DailyAsyncApexExecutions": (250_000, 250_000),
        "DailyBulkApiBatches": (15_000, 15_000),
        "DailyBulkV2QueryFileStorageMB": (976_562, 976_562),
        "DailyBulkV2QueryJobs": (10_000, 10_000),
        "ConcurrentAsyncGetReportInstances": (200, 200),
        "DataStorageMB": (1024, 1024),
        "FileStorageMB": (1024, 1024),
        "SingleEmail": (5000, 5000),
    }
    return Response.json({name: {"Max": most, "Remaining": max(0, left)} for name, (most, left) in entries.items()})


def record_count(call: Call) -> Response:
    """GET /limits/recordCount?sObjects=Lead,Contact."""
    asked = call.request.query.get("sObjects")
    names = [part.strip() for part in asked.split(",")] if asked else sorted(call.view.objects)
    counts = call.org.counts()
    found = [item for name in names if (item := call.view.object(name)) is not None]
    return Response.json({"sObjects": [{"count": counts[item.name]["count"], "name": item.name} for item in found]})
