"""Where requests may go, and the session that carries them: time-outs, kept connections, plain http for loopback only.

simple-salesforce builds every URL as https and sets no time-out anywhere (docs/salesforce.md 1.1); both are put right
below it, in the adapter, so that the client itself stays as it was published.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from syncer.salesforce.errors import ConfigurationError
from syncer.salesforce.validity import uptime

CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 60.0  # seconds between two pieces of an answer
LONGEST_IDLE = 50.0  # seconds; an older connection may have been dropped on the way without a word

# Hosts that answer the API: My Domain and instance hosts, Government Cloud, Salesforce on Alibaba Cloud, older names
# ("My Domain URL Formats", Salesforce help). Not force.com: pages and sites, never the API.
SALESFORCE_DOMAINS = (
    "salesforce.com",
    "salesforce.mil",
    "sfcrmproducts.cn",
    "cloudforce.com",
    "cloudforce.mil",
    "database.com",
)

_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def check_url(url: str, allowed_hosts: Collection[str] = ()) -> None:
    """Lets through https on a Salesforce domain or an allowed host, and http or https on loopback.

    url: scheme and host, optionally a port; a path is refused unless it is ``/``. allowed_hosts: exact host names,
    optionally ``host:port``. Raises ConfigurationError for anything else, also for a name and password in the URL.
    """
    parts, host = _split(url)
    if parts.scheme not in ("http", "https"):
        raise ConfigurationError(f"{_shown(url)} must begin with https://.")
    if is_loopback(host):
        return
    if parts.scheme == "http":
        raise ConfigurationError(f"{_shown(url)} is not encrypted: http is for this computer only. Use https://{host}.")
    allowed = {name.strip().lower() for name in allowed_hosts}
    if host in allowed or f"{host}:{parts.port or 443}" in allowed:
        return
    if not any(host == domain or host.endswith("." + domain) for domain in SALESFORCE_DOMAINS):
        raise ConfigurationError(
            f"{host} is not a Salesforce domain. Use the My Domain URL, for example https://acme.my.salesforce.com."
        )
    if parts.port not in (None, 443):
        raise ConfigurationError(f"{_shown(url)} has an unusual port; Salesforce answers at 443 only.")


def is_loopback(host: str) -> bool:
    """Whether the host is this computer: ``localhost``, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_and_port(url: str) -> str:
    """``host`` or ``host:port`` as it stands in a URL, lower case, without the port that https has anyway."""
    parts, host = _split(url)
    shown = f"[{host}]" if ":" in host else host
    default = 443 if parts.scheme == "https" else 80
    port = parts.port or default
    return shown if port == 443 else f"{shown}:{port}"


def base_of(url: str) -> str:
    """The URL that simple-salesforce would call: https, host and port. The adapter turns it to http on loopback."""
    return f"https://{host_and_port(url)}"


def open_session(login_url: str, *, allowed_hosts: Collection[str] = ()) -> requests.Session:
    """A session with time-outs and kept connections. Raises ConfigurationError as `check_url` does.

    If the login URL is http (then it is loopback), https calls to that host and port are sent as http; only those.
    """
    check_url(login_url, allowed_hosts)
    session = requests.Session()
    session.auth = _leave_as_it_is
    session.mount("https://", TimeoutAdapter())
    session.mount("http://", TimeoutAdapter())
    parts, _ = _split(login_url)
    if parts.scheme == "http":
        session.mount(f"{base_of(login_url)}/", PlainLoopbackAdapter())
    return session


def _leave_as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from replacing our Authorization header by an entry of a ~/.netrc file."""
    return request


class TimeoutAdapter(HTTPAdapter):
    """Gives every request a time-out, and lets go of connections that idled so long that they may be dead."""

    def __init__(
        self,
        connect: float = CONNECT_TIMEOUT,
        read: float = READ_TIMEOUT,
        idle: float = LONGEST_IDLE,
        monotonic: Callable[[], float] = uptime,
    ) -> None:
        self._timeout = (connect, read)
        self._idle = idle
        self._monotonic = monotonic
        self._last = monotonic()
        super().__init__(max_retries=0)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Sends; a time-out that the caller gave wins over the default."""
        if self._monotonic() - self._last > self._idle:
            self.close()  # a write lost on a dead connection would count as an unknown outcome
        try:
            return super().send(request, stream, timeout or self._timeout, verify, cert, dict(proxies or {}))
        finally:
            self._last = self._monotonic()


class PlainLoopbackAdapter(TimeoutAdapter):
    """Sends https requests as http. Mounted for one loopback host and port only; never through a proxy."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Sends without encryption. Raises ConfigurationError if the host is not loopback after all."""
        url = request.url or ""
        if not is_loopback(urlsplit(url).hostname or ""):
            raise ConfigurationError("A request without encryption is for this computer only.")
        request.url = "http://" + url.removeprefix("https://")
        return super().send(request, stream, timeout, verify, cert, {})


def guard(session: requests.Session, look: Callable[[], None]) -> None:
    """Have ``look`` called right before each request of a session leaves, at every try; it forbids it by raising."""
    for prefix, adapter in list(session.adapters.items()):
        session.mount(prefix, _Guarded(adapter, look))


class _Guarded(BaseAdapter):
    """Nothing stands between it and the adapter that sends."""

    def __init__(self, adapter: BaseAdapter, look: Callable[[], None]) -> None:
        super().__init__()
        self._adapter = adapter
        self._look = look

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        self._look()
        return self._adapter.send(request, stream, timeout, verify, cert, dict(proxies or {}))

    def close(self) -> None:
        self._adapter.close()


def _split(url: str) -> tuple[SplitResult, str]:
    """The parts and the host in lower case; ConfigurationError for what is not scheme, host and port."""
    if not url.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", url):
        raise ConfigurationError(f"{_shown(url)} is not a URL: letters, digits, dots and dashes are expected.")
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise ConfigurationError(f"{_shown(url)} is not a URL.") from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise ConfigurationError("The URL must not hold a user name or password.")
    if not host or not (_HOST.fullmatch(host) or _is_ip6(host)):
        raise ConfigurationError(f"{_shown(url)} names no host. Expected: https://acme.my.salesforce.com.")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigurationError(f"{_shown(url)} must end after the host: https://{parts.netloc}.")
    return parts, host


def _is_ip6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _shown(url: str) -> str:
    """The URL for a message: at most 100 characters, without what may be a password."""
    return re.sub(r"//[^/@]*@", "//***@", url)[:100] or "An empty URL"
