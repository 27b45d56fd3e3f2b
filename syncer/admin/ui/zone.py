"""Times in the zone of whoever looks: the browser names it in a cookie (static/syncer/app.js)."""

from __future__ import annotations

import zoneinfo
from datetime import tzinfo
from functools import lru_cache
from urllib.parse import unquote

from django.http import HttpRequest
from django.utils import timezone

COOKIE = "timezone"


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def zone_of(request: HttpRequest) -> tzinfo:
    """The browser's zone, or the server's when the cookie is missing or names none."""
    name = unquote(request.COOKIES.get(COOKIE, ""))
    return zoneinfo.ZoneInfo(name) if name in _known() else timezone.get_default_timezone()
