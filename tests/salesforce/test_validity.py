"""How long what was decided may still be sent, and that it is looked at right before each request leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import requests
from requests.adapters import BaseAdapter

from syncer.salesforce.client import Org, Subrequest
from syncer.salesforce.errors import TooLate
from syncer.salesforce.transport import guard
from syncer.salesforce.validity import Validity, uptime
from tests.salesforce.server import Say, Scripted, composite, refusal

TWO_MINUTES = timedelta(minutes=2)


class Hand:
    """A clock that is moved by hand."""

    def __init__(self, at: float | None = 0.0) -> None:
        self.at = at

    def __call__(self) -> float | None:
        return self.at


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_the_clock_that_has_gone_furthest_counts(moved: int) -> None:
    clocks = [Hand(100.0), Hand(5.0), Hand(70.0)]
    validity = Validity(clocks, TWO_MINUTES)
    clocks[moved].at = (clocks[moved].at or 0) + 120
    validity.check()
    clocks[moved].at = (clocks[moved].at or 0) + 1
    with pytest.raises(TooLate, match="121 s after"):
        validity.check()


def test_a_clock_that_was_set_back_or_does_not_know_says_nothing() -> None:
    back, silent, forgetful = Hand(1000.0), Hand(None), Hand(3.0)
    validity = Validity([back, silent, forgetful], TWO_MINUTES)
    back.at, silent.at, forgetful.at = 0.0, 9999.0, None
    validity.check()
    assert validity.age == timedelta(0)


def test_uptime_goes_on_while_the_machine_sleeps() -> None:
    """It can't be put to sleep here: the clock is the system's that is said to."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert uptime() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=1)
    assert uptime() <= uptime()


def test_it_is_looked_at_in_the_transport_right_before_it_sends() -> None:
    told: list[str] = []

    class Adapter(BaseAdapter):
        def send(self, *_: object, **__: object) -> requests.Response:
            told.append("sent")
            answer = requests.Response()
            answer.status_code = 200
            return answer

        def close(self) -> None:
            told.append("closed")

    session = requests.Session()
    session.mount("https://", Adapter())
    guard(session, lambda: told.append("looked"))
    session.get("https://acme.my.salesforce.com/")
    session.close()
    assert told[:2] == ["looked", "sent"]
    assert "closed" in told


def test_a_request_that_is_too_late_at_a_later_try_is_not_sent(server: Scripted, make_org: Callable[..., Org]) -> None:
    """Here the session has expired, and the process stood still while it signed in anew."""
    clock = Hand()

    def stand_still(_: object) -> None:
        clock.at = (clock.at or 0) + 500

    org = make_org(on_sign_in=stand_still)
    org.sign_in()
    server.script.append(Say(401, refusal("INVALID_SESSION_ID", "Session expired or invalid")))
    server.script.append(composite(("r", 200, {})))
    with pytest.raises(TooLate), org.only_while(Validity([clock], TWO_MINUTES)):
        org.composite([Subrequest("GET", "/limits", "r")], safe=False)
    assert [call.path for call in server.calls if "composite" in call.path] == ["/services/data/v62.0/composite"]
    assert org.composite([Subrequest("GET", "/limits", "r")], safe=True)["r"].ok


def test_the_organisations_date_is_one_of_the_clocks(server: Scripted, org: Org) -> None:
    server.script.append(composite(("r", 200, {})))
    org.composite([Subrequest("GET", "/limits", "r")], safe=True)
    validity = org.validity(TWO_MINUTES)
    later = "Fri, 01 Jan 2100 00:00:00 GMT"
    server.script.append(replace(composite(("r", 200, {})), date=later))
    org.composite([Subrequest("GET", "/limits", "r")], safe=True)
    with pytest.raises(TooLate):
        validity.check()
