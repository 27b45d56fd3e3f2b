"""An organisation for each test, in process and over real HTTP, with unmodified clients on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from simple_salesforce import Salesforce

from sandbox.clock import Clock
from sandbox.inprocess import mount
from sandbox.org import Org
from tests.support.server import PlainHttpAdapter, served

START = datetime(2026, 11, 2, 9, 30, 0, tzinfo=UTC)
BASE = "/services/data/v59.0"
CLIENT = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}


class Time:
    """A time that moves only when told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Rig:
    """One organisation and ways to talk to it."""

    org: Org
    time: Time
    url: str
    session: requests.Session

    def token(self) -> str:
        """A session of the sync user."""
        answer = self.session.post(f"{self.url}/services/oauth2/token", data=CLIENT)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """A REST call below ``/services/data/v59.0``, signed in."""
        if "Authorization" not in self.session.headers:
            self.session.headers["Authorization"] = f"Bearer {self.token()}"
        url = (
            path if path.startswith("http") else self.url + (path if path.startswith("/services") else f"{BASE}/{path}")
        )
        return self.session.request(method, url, **kwargs)

    def get(self, path: str, **kwargs: Any) -> Any:
        """The JSON of a successful GET."""
        answer = self.call("GET", path, **kwargs)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def query(self, soql: str, resource: str = "query") -> Any:
        """The answer to a query."""
        return self.get(resource, params={"q": soql})

    def records(self, soql: str, resource: str = "query") -> list[dict[str, Any]]:
        """The records of a query without their attributes."""
        found = self.query(soql, resource)["records"]
        return [{key: value for key, value in record.items() if key != "attributes"} for record in found]

    def create(self, name: str = "Lead", **fields: Any) -> str:
        """A new record; assignment rules off."""
        values = {"LastName": "Lovelace", **({"Company": "Analytical Engines"} if name == "Lead" else {}), **fields}
        answer = self.call("POST", f"sobjects/{name}", json=values, headers={"Sforce-Auto-Assign": "FALSE"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def read(self, record_id: str, name: str = "Lead") -> dict[str, Any]:
        """A record."""
        return dict(self.get(f"sobjects/{name}/{record_id}"))

    def control(self, method: str, name: str, body: Any = None) -> Any:
        """A control call that succeeds."""
        answer = self.session.request(method, f"{self.url}/sandbox/{name}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, method: str, path: str, **kwargs: Any) -> tuple[int, str, str]:
        """Status, code and message of a call that is refused."""
        answer = self.call(method, path, **kwargs)
        assert answer.status_code >= 300, answer.text
        entry = answer.json()[0]
        return answer.status_code, entry["errorCode"], entry["message"]


@pytest.fixture
def rig() -> Iterator[Rig]:
    """An organisation without records, in process, at a fixed time."""
    time = Time()
    org = Org(clock=Clock(time, time.sleep), seed=7)
    with requests.Session() as session:
        yield Rig(org, time, "http://127.0.0.1:8900", mount(session, org))
    org.close()


@pytest.fixture
def live() -> Iterator[Rig]:
    """The same over real HTTP on a free port."""
    time = Time()
    org = Org(clock=Clock(time, time.sleep), seed=7)
    with served(org) as url, requests.Session() as session:
        session.mount("https://", PlainHttpAdapter())
        yield Rig(org, time, url, session)
    org.close()


@pytest.fixture
def salesforce(live: Rig) -> Any:
    """An unmodified simple-salesforce client, signed in with client credentials."""
    client: Callable[..., Any] = Salesforce
    return client(session_id=live.token(), instance_url=live.url.replace("http://", "https://"), session=live.session)
