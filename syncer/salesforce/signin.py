"""Signing in through simple-salesforce's SalesforceLogin, at the configured host, with errors that people understand.

SalesforceLogin can only name hosts as ``{domain}.salesforce.com``. The session that it is given here sends its one
POST to the login URL instead, follows no redirect with the credentials, and keeps the answer, because the library
turns every kind of failure into one exception and drops the ids of user and organisation.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError

import requests
from jwt.exceptions import PyJWTError
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from simple_salesforce.util import getUniqueElementValueFromXmlString

from syncer.salesforce import faults, jsontext
from syncer.salesforce.errors import (
    ConfigurationError,
    RequestLimitExceeded,
    SalesforceError,
    SignInRefused,
    Unavailable,
    one_line,
)
from syncer.salesforce.ids import is_salesforce_id, to_18
from syncer.salesforce.rows import RowError, errors_of
from syncer.salesforce.transport import CONNECT_TIMEOUT, READ_TIMEOUT, base_of, check_url, host_and_port, is_loopback
from syncer.salesforce.ways import WAYS, Credentials, SignInWay

OLDEST_VERSION = 46  # since then an upsert tells whether it created (docs/salesforce.md 4.7)

_VERSION = re.compile(r"(\d{2,3})\.0")
_TOKEN = re.compile(r"[\x21-\x7e]+")  # what can stand in a header
_IDENTITY = re.compile(r"/id/([A-Za-z0-9]{15,18})/([A-Za-z0-9]{15,18})$")
# Refusals that pass: parallel sign-ins of one user collide, or the sign-in service is down.
_PASSING = frozenset(
    {"unknown_error", "server_error", "temporarily_unavailable", "SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW"}
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignIn:
    """An open session. ``instance_url`` is checked; ids are empty where the answer did not tell them."""

    access_token: str = field(repr=False)
    instance_url: str
    signed_in_at: datetime
    user_id: str = ""
    organisation_id: str = ""


def check(credentials: Credentials, allowed_hosts: Collection[str] = ()) -> None:
    """ConfigurationError if the credentials can't work, whatever Salesforce says. Sends nothing."""
    check_url(credentials.login_url, allowed_hosts)
    version = _VERSION.fullmatch(credentials.api_version)
    if version is None or int(version[1]) < OLDEST_VERSION:
        raise ConfigurationError(
            f"{credentials.api_version[:20]!r} is not an API version: a number such as 62.0, from {OLDEST_VERSION}.0."
        )
    way = WAYS.get(credentials.method)
    if way is None:
        raise ConfigurationError(f"{credentials.method[:40]!r} is not a way to sign in.")
    way.check(credentials)


def sign_in(
    credentials: Credentials,
    session: requests.Session,
    *,
    allowed_hosts: Collection[str] = (),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
) -> SignIn:
    """Signs in once, without any retry.

    Raises ConfigurationError (nothing sent, or the answer leads to a strange host), SignInRefused, Unreachable,
    Unavailable (also a broken answer: signing in again does no harm) or RequestLimitExceeded.
    """
    check(credentials, allowed_hosts)
    host = host_and_port(credentials.login_url)
    way = WAYS[credentials.method]
    route = _LoginRoute(session, base_of(credentials.login_url), timeout)
    opened = _open(way, credentials, route, host)
    if isinstance(opened, SalesforceError):
        logger.warning("Sign-in at %s failed: %s", host, opened)
        raise opened  # outside of the handlers: the library's exceptions hold the server's raw words
    token, instance, answer = opened
    instance_url = _checked(way.instance_url(credentials, answer, instance), credentials.login_url, allowed_hosts)
    organisation_id, user_id = _identity(answer)
    logger.info("Signed in at %s (%s)", host, credentials.method)
    return SignIn(token, instance_url, now(), user_id, organisation_id)


def _open(
    way: SignInWay, credentials: Credentials, route: _LoginRoute, host: str
) -> tuple[str, str, requests.Response] | SalesforceError:
    """The token, the instance's host and the answer that told them; or what the failure means, not raised."""
    try:
        with warnings.catch_warnings():  # its advice about approving the app repeats what the refusal says
            warnings.simplefilter("ignore", UserWarning)
            token, instance = way.call(credentials, route)
    except requests.RequestException as error:
        if isinstance(error, ValueError) and route.answer is not None:
            # Where simplejson happens to be installed, requests reads with it, and the library lets its errors pass.
            return _unreadable(route.answer, host, credentials)
        return faults.of_connection(error, host, safe=True)
    except SalesforceAuthenticationFailed as error:
        if route.answer is not None and str(error.code).isdigit():  # the library found no code of Salesforce's
            error = _first_error(route.answer)
        return _refusal(error, route.answer, host, credentials)
    except (ValueError, TypeError, AttributeError, ExpatError, RecursionError, PyJWTError) as error:
        # The library assumes a well-formed answer; without an answer it is our own key that it choked on.
        if route.answer is None:
            return ConfigurationError(f"The private key can't be used ({type(error).__name__}): PEM is expected.")
        return _unreadable(route.answer, host, credentials)
    if route.answer is None or not (instance and isinstance(token, str) and _TOKEN.fullmatch(token)):
        return faults.of_nonsense("it holds no session", host, safe=True)
    return token, instance, route.answer


def _unreadable(answer: requests.Response, host: str, credentials: Credentials) -> SalesforceError:
    if answer.status_code >= 400:
        return _refusal(_first_error(answer), answer, host, credentials)
    return faults.of_nonsense(_shape(answer), host, safe=True)


class _LoginRoute:
    """Stands in for the session of SalesforceLogin, which calls its ``post`` once: same path, our host."""

    def __init__(self, session: requests.Session, base: str, timeout: tuple[float, float]) -> None:
        self._session = session
        self._base = base
        self._timeout = timeout
        self.answer: requests.Response | None = None

    def post(self, url: str, data: Any, *, headers: Any = None, proxies: Any = None) -> requests.Response:
        """Sends the library's request to the configured host."""
        self.answer = self._session.post(
            self._base + urlsplit(url).path,
            data,
            headers=headers,
            proxies=proxies,
            allow_redirects=False,
            timeout=self._timeout,
        )
        return self.answer


def _refusal(
    error: SalesforceAuthenticationFailed, answer: requests.Response | None, host: str, credentials: Credentials
) -> SalesforceError:
    """What an answered sign-in means: its own fault (refused for good), or that of the service (passes)."""
    status = answer.status_code if answer is not None else None
    code = str(error.code or "").removeprefix("sf:")
    words = one_line(error.auth_message or "", credentials.secrets)
    if status is not None and 300 <= status < 400:
        return ConfigurationError(f"{host} sends us elsewhere ({status}). Use the My Domain URL.", http_status=status)
    if code == "UNSUPPORTED_API_VERSION":
        return ConfigurationError(f"{host} does not offer this API version: {words}", code=code, http_status=status)
    limit = RowError(code, words)
    if faults.is_daily_limit(limit):
        return RequestLimitExceeded(words, code=code, http_status=status)
    answered = bool(code) and not code.isdigit()
    passing = code in _PASSING or faults.is_concurrent_limit(limit)
    if passing or (not answered and (status is None or status in (200, 408, 429) or status >= 500)):
        return Unavailable(f"The sign-in service of {host} answered {status}: {words}", code=code, http_status=status)
    if not answered:
        return SignInRefused(f"{host} refused the sign-in with the status {status}: {words}", http_status=status)
    return SignInRefused(
        f"Salesforce refused the sign-in: {words or 'no reason given'} ({code})", code=code, http_status=status
    )


def _checked(instance_url: str, login_url: str, allowed_hosts: Collection[str]) -> str:
    """The instance's URL, checked like the login URL: a token is never sent to a host that an answer made up."""
    check_url(instance_url, allowed_hosts)
    if _is_local(instance_url) and not _is_local(login_url):
        raise ConfigurationError("The sign-in names this computer as the instance. Refused.")
    return instance_url.rstrip("/")


def _is_local(url: str) -> bool:
    return is_loopback((urlsplit(url).hostname or "").lower())


def _identity(answer: requests.Response) -> tuple[str, str]:
    """Ids of organisation and user, from a token answer's ``id`` URL or SOAP's ``userInfo``; empty if not told."""
    if answer.headers.get("Content-Type", "").startswith("application/json"):
        body = jsontext.loads(answer.content)
        found = _IDENTITY.search(str(body.get("id") or "")) if isinstance(body, dict) else None
        ids = (found[1], found[2]) if found else ("", "")
    else:
        ids = (
            getUniqueElementValueFromXmlString(answer.content, "organizationId") or "",
            getUniqueElementValueFromXmlString(answer.content, "userId") or "",
        )
    organisation, user = (to_18(text) if is_salesforce_id(text) else "" for text in ids)
    return organisation, user


def _first_error(answer: requests.Response) -> SalesforceAuthenticationFailed:
    """An answer in the form of the REST API (a list), which SalesforceLogin does not expect of a sign-in."""
    try:
        error = errors_of(jsontext.loads(answer.content), answer.status_code)[0]
    except (ValueError, RecursionError):
        return SalesforceAuthenticationFailed(answer.status_code, answer.text)
    return SalesforceAuthenticationFailed(error.code.removeprefix("HTTP_"), error.message)


def _shape(answer: requests.Response) -> str:
    kind = answer.headers.get("Content-Type", "no content type").partition(";")[0]
    return f"status {answer.status_code}, {kind}, {len(answer.content)} bytes, but no session in it"
