"""The organisation on a ``requests`` session, without a socket.

    org = Org(clock=Clock(source, sleep), seed=7)
    session = mount(requests.Session(), org)

Bytes go in and bytes come out as over HTTP; a planned fault raises what a client would see.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from http.client import HTTPMessage
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.exceptions import ChunkedEncodingError, ConnectionError, ReadTimeout
from urllib3 import HTTPResponse

from sandbox.dispatch import handle
from sandbox.org import Org
from sandbox.wire import Request

BASE_URL = "http://127.0.0.1:8900"


class InProcessAdapter(BaseAdapter):
    """A transport adapter that hands requests to an organisation of this process."""

    def __init__(self, org: Org, origin: str | None = None) -> None:
        super().__init__()
        self.org = org
        self._origin = origin

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Answer as the server would."""
        outcome = handle(self.org, self._request(request))
        patience = timeout[1] if isinstance(timeout, tuple) else timeout
        if outcome.delay and patience is not None and outcome.delay > patience:
            self.org.clock.sleep(patience)
            raise ReadTimeout(f"Read timed out. (read timeout={patience})", request=request)
        self.org.clock.sleep(outcome.delay)
        if outcome.dropped:
            raise ConnectionError(
                "('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
                request=request,
            )
        response = outcome.response
        body = b"".join([response.rendered(), *(response.stream or ())])
        if response.status in (204, 304):
            body = b""
        if response.truncated:
            raise ChunkedEncodingError(
                f"Connection broken: IncompleteRead({len(body) // 2} bytes read)", request=request
            )
        return self._response(request, response.status, response.headers, body, stream)

    def _request(self, prepared: requests.PreparedRequest) -> Request:
        parts = urlsplit(prepared.url or "/")
        headers = {str(name).lower(): _text(value) for name, value in prepared.headers.items()}
        body = prepared.body
        if isinstance(body, str):
            content = body.encode()
        elif body is None:
            content = b""
        elif isinstance(body, (bytes, bytearray)):
            content = bytes(body)
        else:
            content = _gathered(body)
        origin = self._origin or f"{parts.scheme}://{parts.netloc}"
        return Request(prepared.method or "GET", parts.path or "/", parts.query, headers, content, origin)

    def _response(
        self, request: requests.PreparedRequest, status: int, headers: dict[str, str], body: bytes, stream: bool
    ) -> requests.Response:
        raw = HTTPResponse(
            body=io.BytesIO(body),
            headers={**headers, **({} if status in (204, 304) else {"Content-Length": str(len(body))})},
            status=status,
            preload_content=False,
            original_response=_Original(headers),  # type: ignore[arg-type]
        )
        response = requests.Response()
        response.status_code = status
        response.headers = requests.structures.CaseInsensitiveDict(raw.headers)
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        response.raw = raw
        response.reason = raw.reason or ""
        response.url = request.url or ""
        response.request = request
        if not stream:
            _ = response.content
        return response

    def close(self) -> None:
        """Nothing is held open."""


class _Original:
    """What ``requests`` looks at for cookies."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.msg = HTTPMessage()
        for name, value in headers.items():
            self.msg[name] = value

    def isclosed(self) -> bool:
        """urllib3 asks."""
        return True


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _gathered(body: Any) -> bytes:
    if hasattr(body, "read"):
        content = body.read()
        return content.encode() if isinstance(content, str) else bytes(content)
    if isinstance(body, Iterable):
        return b"".join(piece.encode() if isinstance(piece, str) else bytes(piece) for piece in body)
    raise TypeError(f"a request body of type {type(body).__name__}")


def mount(session: requests.Session, org: Org, prefixes: Iterable[str] = ("http://", "https://")) -> requests.Session:
    """Let a session talk to this organisation, whatever host it names."""
    adapter = InProcessAdapter(org)
    for prefix in prefixes:
        session.mount(prefix, adapter)
    return session
