"""One call to Salesforce: signed in, repeated when that is harmless, every failure turned into what it means.

The library's own sign-in on expiry is not used: it loses the call's headers and may recurse without end
(docs/salesforce.md 1.2). `Salesforce` is made from a session id, so it never signs in, and the rules below hold for
every call.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError as LibraryError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from syncer.salesforce import answers, faults, signin, texts
from syncer.salesforce.clock import OrgClock, backoff
from syncer.salesforce.errors import SalesforceError, Unavailable, Unreachable, one_line
from syncer.salesforce.signin import SignIn
from syncer.salesforce.transport import CONNECT_TIMEOUT, READ_TIMEOUT, base_of, check_url, guard, host_and_port
from syncer.salesforce.usage import DailyUsage, parse_usage
from syncer.salesforce.validity import Clock, Validity, uptime
from syncer.salesforce.ways import Credentials

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answered call: status below 300, parsed body, headers in any case, and the organisation's time of asking.
    ``sound``: its text was UTF-8; otherwise what could not be read was replaced."""

    status: int
    body: Any
    headers: Mapping[str, str]
    asked_at: datetime
    sound: bool = True


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a call is waited for, how often it is tried, by which clock, and how much of an answer is read.

    ``timeout``: seconds for connecting, and between two pieces of an answer. ``attempts``: tries of a call in all;
    ``sleep`` waits between them, ``random`` spreads them (None: a new one for each caller). ``monotonic``: in seconds,
    also while the machine sleeps. ``clocks``: others by which it shows that this process stood still. ``most_bytes``:
    of one answer, unpacked.
    """

    timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT)
    attempts: int = 5
    sleep: Callable[[float], None] = time.sleep
    random: Random | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = uptime
    clocks: tuple[Clock, ...] = ()
    most_bytes: int = answers.MOST_BYTES


USUAL_TIMING = Timing()


class SessionExpired(Exception):
    """Internal: the session is no longer taken. Nothing was done."""


class InstanceGone(Exception):
    """Internal: the organisation is not at this address (any more). Nothing was done. ``means``: what that is, when
    signing in anew leads there again."""

    def __init__(self, means: SalesforceError) -> None:
        super().__init__(str(means))
        self.means = means


@dataclass(slots=True)
class _Arrived:
    """An answer, when its headers came (`monotonic`), and whether its text was sound."""

    response: requests.Response
    at: float
    sound: bool = True


class _Client(Salesforce):
    """The library's client, with our own reading of JSON."""

    def parse_result_to_json(self, result: requests.Response) -> Any:
        """What the answer says, with every text storable."""
        return answers.parse(result.content)


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
        self._validity: Validity | None = None
        guard(session, lambda: self._validity.check() if self._validity else None)

    def validity(self, lasts: timedelta) -> Validity:
        """A time that begins now, by every clock there is."""
        now, monotonic, told = self._timing.now, self._timing.monotonic, self._clock.told
        return Validity([lambda: now().timestamp(), monotonic, told, *self._timing.clocks], lasts)

    @contextmanager
    def only_while(self, validity: Validity) -> Iterator[None]:
        """Requests made inside leave, at every try, only while this lasts. They raise TooLate."""
        self._validity = validity
        try:
            yield
        finally:
            self._validity = None

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
        asked_twice = signed_in_for_address = False

        def attempt() -> Reply:
            nonlocal asked_twice, signed_in_for_address
            if not safe:
                self._before_write()
            was_open = self.signed_in is not None
            try:
                reply = self._once(use, safe)
                if safe and not reply.sound and not asked_twice:
                    asked_twice = True  # what comes like this again is how Salesforce has it
                    raise faults.of_nonsense("its text is no UTF-8", self.host, safe=True)
                judge(reply)
                return reply
            except (SessionExpired, InstanceGone) as error:
                fault = error
            self._forget()
            if isinstance(fault, InstanceGone):
                if signed_in_for_address or not was_open:
                    raise fault.means
                signed_in_for_address = True
            elif not was_open:  # the session was made for this very try
                raise self._sessions_end(fault)
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

    def _sessions_end(self, expired: SessionExpired) -> Unavailable:
        """No refused sign-in: nobody is locked by another one, a little later."""
        return Unavailable(
            f"{self.host} takes the sign-in but ends the session that it gave: {str(expired) or 'no reason given'}",
            code="INVALID_SESSION_ID",
            http_status=401,
        )

    def _salesforce(self) -> Salesforce:
        """The library's client for the open session; signs in first if there is none."""
        if self._client is None:
            session = self.signed_in or self._sign_in()
            check_url(session.instance_url, self._allowed_hosts)  # a saved one may come from a tampered database
            self._client = _Client(
                session_id=session.access_token,
                instance=base_of(session.instance_url).removeprefix("https://"),
                session=self._session,
                version=self.credentials.api_version,
            )
        return self._client

    def _once(self, use: Callable[[Salesforce, dict[str, Any]], Any], safe: bool) -> Reply:
        """One request. Raises SessionExpired, InstanceGone, or what the failure means for a safe or an unsafe call."""
        client = self._salesforce()
        seen: list[_Arrived] = []

        def note(response: requests.Response, *_: object, **__: object) -> None:
            seen.append(arrived := _Arrived(response, self._timing.monotonic()))
            self._count(response)
            arrived.sound = answers.read(response, self._timing.most_bytes)

        hooks = {"response": [*self._session.hooks.get("response", ()), note]}
        sent = self._timing.monotonic()
        problem: Exception
        try:
            body = use(client, {"hooks": hooks, "allow_redirects": False, "timeout": self._timing.timeout})
            if seen:
                response, answered = seen[-1].response, seen[-1].at
                asked_at = self._clock.asked_at(response.headers.get("Date"), sent, answered)
                return Reply(response.status_code, body, response.headers, asked_at, seen[-1].sound)
            problem = faults.of_nonsense("nothing came", self.host, safe=safe)
        except answers.AnswerTooLarge:
            problem = faults.of_size(self._timing.most_bytes, self.host, safe=safe)
        except requests.RequestException as error:
            means = faults.of_connection(error, self.host, safe=safe)
            if not seen and not isinstance(means, Unreachable):
                self.api_calls += 1  # the answer was lost, the call was not
            problem = InstanceGone(means) if faults.is_unknown_host(error) else means
        except LibraryError as error:
            problem = self._refused(error, safe)
        except (ValueError, TypeError, RecursionError):  # the library assumes JSON with a length
            problem = faults.of_nonsense(_shape(seen), self.host, safe=safe)
        raise problem  # outside of the handlers, so that no response with our token hangs on to it

    def _refused(self, error: LibraryError, safe: bool) -> Exception:
        """What an answered refusal means: SessionExpired or InstanceGone where a new sign-in may end it."""
        content = texts.storable_json(error.content)
        if error.status == 401 or (error.status == 403 and "Bad_OAuth_Token" in str(content)):
            return SessionExpired(one_line(str(content), self._secrets()))
        means = faults.of_answer(error.status, content, self.host, safe=safe, secrets=self._secrets())
        return InstanceGone(means) if faults.is_address_gone(error.status, content) else means

    def _count(self, response: requests.Response) -> None:
        if response.status_code != 401 and "/services/data/" in (response.url or ""):
            self.api_calls += 1
        self.api_usage = parse_usage(response.headers.get("Sforce-Limit-Info")) or self.api_usage

    def _secrets(self) -> tuple[str, ...]:
        token = self.signed_in.access_token if self.signed_in else ""
        return (*self.credentials.secrets, token)


def _shape(seen: list[_Arrived]) -> str:
    if not seen:
        return "nothing came"
    response = seen[-1].response
    kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
    return f"status {response.status_code}, {kind}, {len(response.content)} bytes that are not the JSON expected"
