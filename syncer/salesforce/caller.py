"""One call to Salesforce: signed in, repeated when that is harmless, every failure turned into what it means.

The library's own sign-in on expiry is not used: it loses the call's headers and may recurse without end
(docs/salesforce.md 1.2). `Salesforce` is made from a session id, so it never signs in, and the rules below hold for
every call.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError as LibraryError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from syncer.salesforce import faults, signin
from syncer.salesforce.clock import OrgClock, backoff
from syncer.salesforce.errors import SalesforceError, SignInRefused, Unavailable, Unreachable, one_line
from syncer.salesforce.signin import SignIn
from syncer.salesforce.transport import CONNECT_TIMEOUT, READ_TIMEOUT, base_of, check_url, host_and_port
from syncer.salesforce.usage import DailyUsage, parse_usage
from syncer.salesforce.ways import Credentials

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answered call: status below 300, parsed body, headers in any case, and the organisation's time of asking."""

    status: int
    body: Any
    headers: Mapping[str, str]
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a call is waited for, how often it is tried, and by which clock.

    ``timeout``: seconds for connecting, and between two pieces of an answer. ``attempts``: tries of a call in all;
    ``sleep`` waits between them, ``random`` spreads them (None: a new one for each caller). ``monotonic``: in seconds.
    """

    timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT)
    attempts: int = 5
    sleep: Callable[[float], None] = time.sleep
    random: Random | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


USUAL_TIMING = Timing()


class SessionExpired(Exception):
    """Internal: the session is no longer taken. Nothing was done."""


class Caller:
    """Makes calls for one user of one organisation. One per thread: the session and the counters are not shared.

    ``api_calls`` counts those that Salesforce counts against the day's limit, as far as can be seen from here: every
    answered one but refused sessions, and those whose answer was lost. ``api_usage`` is Salesforce's own last word.
    ``saved`` is an earlier session; ``on_sign_in`` hears of each new one and refuses it by raising. ``before_write`` is
    called before each try of a call that may change something, and forbids it by raising.
    """

    def __init__(
        self,
        credentials: Credentials,
        session: requests.Session,
        *,
        allowed_hosts: Collection[str] = (),
        timing: Timing = USUAL_TIMING,
        saved: SignIn | None = None,
        on_sign_in: Callable[[SignIn], None] = lambda _: None,
        before_write: Callable[[], None] = lambda: None,
    ) -> None:
        self.credentials = credentials
        self.signed_in: SignIn | None = saved
        self.api_calls = 0
        self.api_usage: DailyUsage | None = None
        self._session = session
        self._on_sign_in = on_sign_in
        self._before_write = before_write
        self._allowed_hosts = tuple(allowed_hosts)
        self._timing = timing
        self._random = timing.random or Random()  # noqa: S311 - spreads retries, guards nothing
        self._clock = OrgClock(timing.now, timing.monotonic)
        self._client: Salesforce | None = None
        signin.check(credentials, self._allowed_hosts)

    @property
    def base_path(self) -> str:
        """``/services/data/vXX.X``."""
        return f"/services/data/v{self.credentials.api_version}"

    @property
    def host(self) -> str:
        """The host that calls go to; before the first sign-in, that of the login URL."""
        return host_and_port(self.signed_in.instance_url if self.signed_in else self.credentials.login_url)

    def sign_in(self) -> None:
        """Signs in unless there is a session already. Raises what `signin.sign_in` does, after retries of passing
        faults; a refusal is never repeated."""
        if self.signed_in is None:
            self.repeat(self._sign_in)

    def get(self, path: str, *, safe: bool = True) -> Reply:
        """GET of a path below the version's root, without a slash in front."""
        return self.call("GET", path, safe=safe)

    def call(
        self, method: str, path: str, *, safe: bool, data: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Any request below the version's root (``path`` without a slash in front). ``data`` is JSON text.

        safe: it changes nothing, so it may be repeated. Otherwise it is sent again only when certainly nothing was
        done. Raises the exceptions of errors.py.
        """
        given: dict[str, Any] = {"headers": dict(headers or {})}
        if data is not None:
            given["data"] = data.encode()
        return self.through(lambda client, rest: client.restful(path, method=method, **given, **rest), safe=safe)

    def follow(self, url_path: str) -> Reply:
        """GET of an absolute path that an answer gave (nextRecordsUrl). Raises ValueError for any other text."""
        # "@evil.example/x" would make our host a user name of another one.
        if not url_path.startswith("/services/data/") or not url_path.isascii() or set(url_path) & set(" \\#\r\n\t"):
            raise ValueError(f"{url_path[:80]!r} is not the path of a page of this organisation.")
        return self.through(lambda client, rest: client.query_more(url_path, identifier_is_url=True, **rest), safe=True)

    def through(
        self,
        use: Callable[[Salesforce, dict[str, Any]], Any],
        *,
        safe: bool,
        judge: Callable[[Reply], None] = lambda _: None,
    ) -> Reply:
        """Calls one method of simple-salesforce under the rules of this class. ``use`` gets the client and keyword
        arguments that it must hand on to the request; ``judge`` may raise what the answer means, as if it were the
        call's own failure."""
        signed_in_again = False

        def attempt() -> Reply:
            nonlocal signed_in_again
            if not safe:
                self._before_write()
            try:
                reply = self._once(use, safe)
                judge(reply)
                return reply
            except SessionExpired as expired:
                words = str(expired)
            if signed_in_again:
                self._forget()
                raise SignInRefused(
                    f"{self.host} takes the sign-in but refuses the session that it gave: {words}",
                    code="INVALID_SESSION_ID",
                    http_status=401,
                )
            signed_in_again = True
            self._forget()
            return attempt()

        return self.repeat(attempt)

    def org_time(self) -> datetime:
        """The organisation's time now, or a little earlier, by the last answer's date."""
        moment = self._timing.monotonic()
        return self._clock.asked_at(None, moment, moment)

    def repeat(self, attempt: Callable[[], T]) -> T:
        """Repeats after faults that pass and did nothing: Unreachable, Unavailable; 1–60 s apart, growing, spread."""

        def wait(state: RetryCallState) -> float:
            return backoff(state.attempt_number, self._random.random())

        def note(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            logger.info("Try %s failed, next in %.1f s: %s", state.attempt_number, state.upcoming_sleep, error)

        return Retrying(
            stop=stop_after_attempt(self._timing.attempts),
            wait=wait,
            sleep=self._timing.sleep,
            retry=retry_if_exception_type((Unreachable, Unavailable)),
            before_sleep=note,
            reraise=True,
        )(attempt)

    def _sign_in(self) -> SignIn:
        session = signin.sign_in(
            self.credentials,
            self._session,
            allowed_hosts=self._allowed_hosts,
            now=self._timing.now,
            timeout=self._timing.timeout,
        )
        self.signed_in, self._client = session, None
        self._on_sign_in(session)
        return session

    def _forget(self) -> None:
        self.signed_in = self._client = None

    def _salesforce(self) -> Salesforce:
        """The library's client for the open session; signs in first if there is none."""
        if self._client is None:
            session = self.signed_in or self._sign_in()
            check_url(session.instance_url, self._allowed_hosts)  # a saved one may come from a tampered database
            self._client = Salesforce(
                session_id=session.access_token,
                instance=base_of(session.instance_url).removeprefix("https://"),
                session=self._session,
                version=self.credentials.api_version,
                parse_float=Decimal,
                object_pairs_hook=dict,
            )
        return self._client

    def _once(self, use: Callable[[Salesforce, dict[str, Any]], Any], safe: bool) -> Reply:
        """One request. Raises SessionExpired, or what the failure means for a safe or an unsafe call."""
        client = self._salesforce()
        seen: list[tuple[requests.Response, float]] = []

        def note(response: requests.Response, *_: object, **__: object) -> None:
            seen.append((response, self._timing.monotonic()))
            self._count(response)

        hooks = {"response": [*self._session.hooks.get("response", ()), note]}
        sent = self._timing.monotonic()
        problem: SalesforceError
        try:
            body = use(client, {"hooks": hooks, "allow_redirects": False, "timeout": self._timing.timeout})
            if seen:
                response, answered = seen[-1]
                asked_at = self._clock.asked_at(response.headers.get("Date"), sent, answered)
                return Reply(response.status_code, body, response.headers, asked_at)
            problem = faults.of_nonsense("nothing came", self.host, safe=safe)
        except requests.exceptions.JSONDecodeError:
            problem = faults.of_nonsense(_shape(seen), self.host, safe=safe)
        except requests.RequestException as error:
            problem = faults.of_connection(error, self.host, safe=safe)
            if not seen and not isinstance(problem, Unreachable):
                self.api_calls += 1  # the answer was lost, the call was not
        except LibraryError as error:
            if error.status == 401 or (error.status == 403 and "Bad_OAuth_Token" in str(error.content)):
                raise SessionExpired(one_line(str(error.content), self._secrets())) from None
            problem = faults.of_answer(error.status, error.content, self.host, safe=safe, secrets=self._secrets())
        except (ValueError, TypeError, RecursionError):  # the library assumes JSON with a length
            problem = faults.of_nonsense(_shape(seen), self.host, safe=safe)
        raise problem  # outside of the handlers, so that no response with our token hangs on to it

    def _count(self, response: requests.Response) -> None:
        if response.status_code != 401 and "/services/data/" in (response.url or ""):
            self.api_calls += 1
        self.api_usage = parse_usage(response.headers.get("Sforce-Limit-Info")) or self.api_usage

    def _secrets(self) -> tuple[str, ...]:
        token = self.signed_in.access_token if self.signed_in else ""
        return (*self.credentials.secrets, token)


def _shape(seen: list[tuple[requests.Response, float]]) -> str:
    if not seen:
        return "nothing came"
    response = seen[-1][0]
    kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
    return f"status {response.status_code}, {kind}, {len(response.content)} bytes that are not the JSON expected"
