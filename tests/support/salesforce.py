"""A sandbox organisation, and somebody who edits there, both through the real wire format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from simple_salesforce.api import Salesforce

from sandbox.clock import Clock
from sandbox.inprocess import mount
from sandbox.org import Org
from syncer.sync.context import Surroundings
from tests.support.server import PlainHttpAdapter

#: In Salesforce's own pages assignment rules run only where somebody ticks a box.
AS_A_PERSON = {"Sforce-Auto-Assign": "FALSE"}
ORIGIN = "http://127.0.0.1:8900"


class Time:
    """Both sides' time in a test: stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def new_org(time: Time) -> Org:
    return Org(clock=Clock(time, time.pass_), seed=1)


def over_http() -> requests.Session:
    """A session with sockets, for clients that address https to a server that has plain http."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", PlainHttpAdapter())
    return session


class Sandbox:
    """The organisation as a test uses it: control calls, and a second user who edits records.

    It is a new one in this process, or the one that a server has at ``url``.
    """

    def __init__(self, time: Time, org: Org | None = None, url: str = "") -> None:
        self.time = time
        self.org = org or new_org(time)
        self.url = url or ORIGIN
        self.http = mount(requests.Session(), self.org) if not url else over_http()
        # Tests move the time by days; sessions expire where a test ends them.
        self.control("POST", "sessions", lifetime_seconds=10**9)
        self.sales = self._client("sales@example.com")

    def open_session(self, login_url: str) -> requests.Session:
        """What the application is handed in place of a session with sockets."""
        return mount(requests.Session(), self.org)

    def around(self, **others: Any) -> Surroundings:
        """The world around a cycle or an action: this organisation, and its time."""
        usual = Surroundings(self.open_session, now=self.time, database_now=self.time, pause=self.time.pass_)
        return replace(usual, **others)

    def control(self, method: str, path: str, **body: Any) -> Any:
        answer = self.http.request(method, f"{self.url}/sandbox/{path}", json=body or None)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def fault(self, route: str, kind: str, **options: Any) -> None:
        self.control("POST", "faults", route=route, kind=kind, **options)

    def rule(self, name: str, when: str, message: str, *, sobject: str = "Lead", field: str = "") -> None:
        self.control("POST", "rules", object=sobject, name=name, when=when, field=field, message=message)

    @property
    def api_calls(self) -> int:
        return int(self.control("GET", "requests")["api_calls"])

    def writes(self) -> dict[str, int]:
        """The requests since the count was cleared that could have written something."""
        found: dict[str, int] = self.control("GET", "requests")["requests"]
        return {name: n for name, n in found.items() if not name.startswith("GET")}

    def clear_requests(self) -> None:
        self.control("DELETE", "requests")

    # -- a salesperson --------------------------------------------------------------------------------------------

    def lead(self, **values: Any) -> str:
        """A new lead, as a salesperson enters it; gives its id."""
        return str(
            self._sales_object("Lead").create({"LastName": "Ode", "Company": "Acme"} | values, headers=AS_A_PERSON)[
                "id"
            ]
        )

    def contact(self, **values: Any) -> str:
        return str(self._sales_object("Contact").create({"LastName": "Ode"} | values)["id"])

    def edit(self, record_id: str, **values: Any) -> None:
        self.time.pass_(1)
        getattr(self.sales, _object(record_id)).update(record_id, values, headers=AS_A_PERSON)

    def convert(self, lead: str, **to: str) -> str:
        """Convert a lead, to a new contact or an existing one; gives the contact's id."""
        self.time.pass_(1)
        self.control("POST", "convert", lead=lead, **to)
        return str(self.read(lead)["ConvertedContactId"])

    def read(self, record_id: str) -> dict[str, Any]:
        return dict(getattr(self.sales, _object(record_id)).get(record_id))

    def _sales_object(self, sobject: str) -> Any:
        return getattr(self.sales, sobject)

    def count(self, sobject: str = "Lead") -> int:
        return int(self.control("GET", "state")["objects"][sobject]["count"])

    def _client(self, username: str) -> Salesforce:
        session = self.http
        answer = session.post(
            f"{self.url}/services/oauth2/token",
            data={
                "grant_type": "password",
                "client_id": "sandbox-client",
                "client_secret": "sandbox-secret",
                "username": username,
                "password": "sandboxtoken",
            },
        ).json()
        address = self.url.replace("http://", "https://")
        return Salesforce(session_id=answer["access_token"], instance_url=address, session=session)


def _object(record_id: str) -> str:
    return {"00Q": "Lead", "003": "Contact", "001": "Account"}[record_id[:3]]


Opener = Callable[[str], requests.Session]
