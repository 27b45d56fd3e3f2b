"""The organisation of the cases: the sandbox, and what happens in the middle of what the application asks of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from sandbox.inprocess import mount
from sandbox.org import Org
from tests.scenarios.sides import Clock, SalesforceSide


@dataclass(slots=True)
class Event:
    """Something that happens once, at the first request in whose address or body the pattern is found."""

    pattern: str
    do: Callable[[], object]
    happened: bool = False


class NotSetUp(Exception):
    """A case did not come about as it is told. No assertion: a test that is to fail must fail for what is wrong."""


def given(situation: object, told: str) -> None:
    if not situation:
        raise NotSetUp(told)


class Watched(requests.Session):
    """Lets something happen between the application and its transport, for as long as that takes."""

    def __init__(self, org: Org, before: Sequence[Event], after: Sequence[Event]) -> None:
        super().__init__()
        mount(self, org)
        self._before, self._after = before, after

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        _happen(self._before, request)
        response = super().send(request, **options)
        _happen(self._after, request)
        return response


class Organisation(SalesforceSide):
    """The sandbox of this process, and what happens while the application talks to it."""

    def __init__(self, time: Clock) -> None:
        super().__init__(time)
        self._before: list[Event] = []
        self._after: list[Event] = []

    def control(self, method: str, path: str, **body: Any) -> Any:
        try:
            return super().control(method, path, **body)
        except AssertionError as error:
            raise NotSetUp(f"{method} {path}") from error

    def open_session(self, login_url: str) -> requests.Session:
        return Watched(self.org, self._before, self._after)

    def once_before(self, pattern: str, do: Callable[[], object]) -> Event:
        """Do something right before the first request with this pattern gets there."""
        self._before.append(event := Event(pattern, do))
        return event

    def once_after(self, pattern: str, do: Callable[[], object]) -> Event:
        """Do something when the first request with this pattern is answered, before the application knows of it."""
        self._after.append(event := Event(pattern, do))
        return event

    def put(self, record_id: str, **values: Any) -> None:
        """Values that no client could save stand in a record."""
        self.time.pass_(1)
        self.control("POST", "records", id=record_id, fields=values)

    def rename_field(self, name: str, to: str, sobject: str = "Lead") -> None:
        self.time.pass_(5)
        self.control("POST", "fields", object=sobject, name=name, rename=to)

    def faults_struck(self) -> int:
        return sum(fault["hits"] for fault in self.control("GET", "faults")["faults"])


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
