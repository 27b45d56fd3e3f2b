from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
import requests

from syncer.salesforce.caller import Timing
from syncer.salesforce.client import Org
from syncer.salesforce.transport import open_session
from syncer.salesforce.ways import Credentials
from tests.salesforce.server import Scripted


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.close()


@pytest.fixture
def session(server: Scripted) -> Iterator[requests.Session]:
    with open_session(server.url) as opened:
        yield opened


@pytest.fixture
def naps() -> list[float]:
    """The pauses that were made between two tries, in seconds."""
    return []


@pytest.fixture
def credentials(server: Scripted) -> Credentials:
    return Credentials("client-credentials", server.url, {"client_id": "the-key", "client_secret": "the-secret"})


@pytest.fixture
def make_org(credentials: Credentials, session: requests.Session, naps: list[float]) -> Callable[..., Org]:
    def make(**settings: Any) -> Org:
        given = {field.name: settings.pop(field.name) for field in fields(Timing) if field.name in settings}
        timing = replace(Timing(sleep=naps.append, random=random.Random(7)), **given)
        return Org(credentials, settings.pop("session", session), timing=timing, **settings)

    return make


@pytest.fixture
def org(make_org: Callable[..., Org]) -> Org:
    return make_org()
