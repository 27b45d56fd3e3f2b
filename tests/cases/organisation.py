"""An organisation that the sandbox cannot be yet: on the wire, something is laid over what it answers.

The application's sessions go through the overlay; whoever works in Salesforce talks to the sandbox itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote_plus

import requests

from sandbox.inprocess import InProcessAdapter
from sandbox.org import Org
from tests.scenarios.sides import Clock, SalesforceSide

#: What Salesforce shows at an address that an organisation has moved away from.
MOVED_AWAY = (
    b"<html><head><title>URL No Longer Exists</title></head><body>You have attempted to reach a URL that no longer "
    b"exists on salesforce.com.</body></html>"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the application."""

    status: int
    headers: dict[str, str]
    body: bytes


Instead = Callable[[requests.PreparedRequest], Answer | None]
Change = Callable[[requests.PreparedRequest, Answer], Answer]


@dataclass(slots=True)
class Event:
    """Something that happens once, at the first request in whose address or body the pattern is found."""

    pattern: str
    do: Callable[[], object]
    happened: bool = False


@dataclass(slots=True)
class Plan:
    """What is laid over the sandbox: what happens before and after requests, what is answered in place of it (it gets
    to know nothing of the request), and what becomes of its answers."""

    before: list[Event] = field(default_factory=list)
    after: list[Event] = field(default_factory=list)
    instead: list[Instead] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


class NotSetUp(Exception):
    """A case did not come about as it is told. No assertion: a test that is to fail must fail for what is wrong."""


def given(situation: object, told: str) -> None:
    if not situation:
        raise NotSetUp(told)


class Overlay(InProcessAdapter):
    """Carries out a plan between the application and the organisation."""

    def __init__(self, org: Org, plan: Plan) -> None:
        super().__init__(org)
        self._plan = plan

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        _happen(self._plan.before, request)
        for instead in self._plan.instead:
            if (answer := instead(request)) is not None:
                return super()._response(request, answer.status, answer.headers, answer.body, stream=False)
        response = super().send(request, *args, **options)
        _happen(self._plan.after, request)
        return response

    def _response(
        self, request: requests.PreparedRequest, status: int, headers: dict[str, str], body: bytes, stream: bool
    ) -> requests.Response:
        answer = Answer(status, headers, body)
        for change in self._plan.changes:
            answer = change(request, answer)
        return super()._response(request, answer.status, answer.headers, answer.body, stream)


class Organisation(SalesforceSide):
    """The sandbox of this process, and what is laid over it."""

    def __init__(self, time: Clock) -> None:
        super().__init__(time)
        self.plan = Plan()

    def control(self, method: str, path: str, **body: Any) -> Any:
        try:
            return super().control(method, path, **body)
        except AssertionError as error:
            raise NotSetUp(f"{method} {path}") from error

    def open_session(self, login_url: str) -> requests.Session:
        session = requests.Session()
        for prefix in ("http://", "https://"):
            session.mount(prefix, Overlay(self.org, self.plan))
        return session

    def once_before(self, pattern: str, do: Callable[[], object]) -> Event:
        """Do something right before the first request with this pattern gets there."""
        self.plan.before.append(event := Event(pattern, do))
        return event

    def once_after(self, pattern: str, do: Callable[[], object]) -> Event:
        """Do something when the first request with this pattern is answered, before the application knows of it."""
        self.plan.after.append(event := Event(pattern, do))
        return event

    def say(self, text: str, instead_of: str) -> None:
        """The organisation has this text (as in JSON) wherever the sandbox has another."""
        old, new = instead_of.encode(), text.encode()
        self.plan.changes.append(lambda request, answer: replace(answer, body=answer.body.replace(old, new)))

    def refuse_queries(self, those: Callable[[str], bool], code: str, message: str) -> None:
        """Queries whose SOQL is one of those are refused, alone or as a part of a Composite request."""
        refusal = [{"errorCode": code, "message": message}]

        def refuse(request: requests.PreparedRequest, answer: Answer) -> Answer:
            if "/query" in (request.url or "") and those(unquote_plus(request.url or "")):
                return replace(answer, status=400, body=json.dumps(refusal).encode())
            if not (request.url or "").endswith("/composite") or answer.status != 200:
                return answer
            parts = json.loads(_body(request))["compositeRequest"]
            asked = {part["referenceId"]: unquote_plus(part["url"]) for part in parts}
            body = json.loads(answer.body)
            for part in body["compositeResponse"]:
                url = asked[part["referenceId"]]
                if "/query" in url and those(url):
                    part |= {"httpStatusCode": 400, "body": refusal}
            return replace(answer, body=json.dumps(body).encode())

        self.plan.changes.append(refuse)

    def move(self) -> None:
        """To another instance: the address of the old one shows a web page until somebody signs in anew."""

        def gone(request: requests.PreparedRequest) -> Answer | None:
            if "/services/data/" not in (request.url or ""):
                return None
            return Answer(404, {"Content-Type": "text/html;charset=utf-8"}, MOVED_AWAY)

        self.plan.instead.append(gone)
        self.once_before("/services/oauth2/token", lambda: self.plan.instead.remove(gone))

    def as_delivered(self) -> None:
        """Nothing is laid over the sandbox any more."""
        self.plan.before.clear()
        self.plan.after.clear()
        self.plan.instead.clear()
        self.plan.changes.clear()


def _body(request: requests.PreparedRequest) -> str:
    body = request.body or ""
    assert isinstance(body, str | bytes), "the application sends no streams"
    return body if isinstance(body, str) else body.decode()


def _happen(events: Sequence[Event], request: requests.PreparedRequest) -> None:
    asked = f"{request.url} {_body(request)}"
    for event in events:
        if not event.happened and re.search(event.pattern, asked):
            event.happened = True
            event.do()
