"""Each way to sign in, and each thing that it needs: whatever stands in the registry, tests go through it."""

from __future__ import annotations

from typing import Any

import pytest

from syncer.salesforce.ways import WAYS

LOGIN_URL = "https://acme.my.salesforce.com"

each_way: Any = pytest.mark.parametrize("way", [pytest.param(way, id=way.name) for way in WAYS.values()])
each_need: Any = pytest.mark.parametrize(
    ("way", "need"),
    [pytest.param(way, need, id=f"{way.name}: {need.words}") for way in WAYS.values() for need in way.needs],
)
