"""The organisation over real HTTP: a Starlette application and the uvicorn server that runs it."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as WebRequest
from starlette.responses import Response as WebResponse
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.dispatch import Outcome, handle
from sandbox.errors import SalesforceError
from sandbox.org import Org
from sandbox.wire import MAX_BODY, Request, Response

#: smaller bodies go as they are (REST API Developer Guide, "Compression Headers": packed where the client can unpack)
_WORTH_PACKING = 1024
#: the open connections by the client's address, so that a fault can close one without an answer
_connections: dict[tuple[str, int], asyncio.Transport] = {}


class _Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, with the connections kept findable."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client:
            _connections[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client:
            _connections.pop(self.client, None)
        super().connection_lost(exc)


class _Endpoint:
    """Every path and method of the organisation."""

    def __init__(self, org: Org, latency: float, *, loopback_only: bool) -> None:
        self._org = org
        self._latency = latency
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        web = WebRequest(scope, receive)
        try:
            request = await self._read(web)
        except ClientDisconnect:
            return
        if request is None:
            await WebResponse("Request body too large", 413)(scope, receive, send)
            return
        if self._loopback_only and not request.path.startswith("/services/") and not is_loopback(_hostname(request)):
            # a name that a foreign page made point at this machine: its scripts must not reach the control calls
            refusal = SalesforceError(421, "FORBIDDEN", "the sandbox is reached by a loopback address only")
            await _answer(Response.refusal(refusal), Response.refusal(refusal).rendered())(scope, receive, send)
            return
        if self._latency:
            await asyncio.sleep(self._latency)
        outcome, body = await run_in_threadpool(self._work, request)
        if outcome.delay:
            await asyncio.sleep(outcome.delay)
        if outcome.dropped:
            await _close(scope, receive)
            return
        if outcome.response.truncated:
            await _send_half(outcome, body, scope, receive, send)
            return
        await _answer(outcome.response, body)(scope, receive, send)

    def _work(self, request: Request) -> tuple[Outcome, bytes]:
        """The answer and its body, packed for a client that can unpack it."""
        outcome = handle(self._org, request)
        response, body = outcome.response, outcome.response.rendered()
        if (
            len(body) >= _WORTH_PACKING
            and not response.truncated
            and "gzip" in request.headers.get("accept-encoding", "").lower()
        ):
            response.headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 1, mtime=0)
        return outcome, body

    async def _read(self, web: WebRequest) -> Request | None:
        scope = web.scope
        body = bytearray()
        async for piece in web.stream():
            body += piece
            if len(body) > MAX_BODY:
                return None
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope.get("raw_path") or scope["path"].encode()
        host = headers.get("host") or "127.0.0.1"
        return Request(
            scope["method"],
            path.decode("latin-1").partition("?")[0],
            scope["query_string"].decode("latin-1"),
            headers,
            bytes(body),
            f"{scope['scheme']}://{host}",
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _hostname(request: Request) -> str:
    try:
        return urlsplit(request.origin).hostname or ""
    except ValueError:
        return ""


def _answer(response: Response, body: bytes) -> WebResponse:
    if response.stream is None:
        answer = WebResponse(body if response.status not in (204, 304) else b"", response.status, response.headers)
        if response.status in (204, 304):
            del answer.headers["content-length"]
        return answer
    return StreamingResponse(_pieces(response), response.status, response.headers)


async def _pieces(response: Response) -> AsyncIterator[bytes]:
    iterator = iter(response.stream or ())
    while True:
        piece = await run_in_threadpool(next, iterator, None)
        if piece is None:
            return
        yield piece


async def _close(scope: Scope, receive: Receive) -> None:
    """End the connection without an answer."""
    transport = _connections.get(tuple(scope["client"]))
    if transport is not None:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_half(outcome: Outcome, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    """Announce the whole answer, send half of it, close."""
    whole = b"".join([body, *(outcome.response.stream or ())])
    headers = {**outcome.response.headers, "Content-Length": str(max(2, len(whole)))}
    start = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": outcome.response.status, "headers": start})
    await send({"type": "http.response.body", "body": whole[: len(whole) // 2], "more_body": True})
    # the half must have left before the connection goes
    await asyncio.sleep(0.02)
    await _close(scope, receive)


def application(org: Org, *, latency: float = 0.0, loopback_only: bool = True) -> Starlette:
    """The ASGI application of an organisation."""
    endpoint = _Endpoint(org, latency, loopback_only=loopback_only)
    route = Route("/{path:path}", endpoint)
    route.methods = None
    return Starlette(routes=[route])


@dataclass(slots=True)
class Binding:
    """Where and how to listen."""

    host: str = "127.0.0.1"
    port: int = 8900
    certificate: str | None = None
    key: str | None = None

    @property
    def scheme(self) -> str:
        """https with a certificate, http without."""
        return "https" if self.certificate else "http"

    def listen(self) -> socket.socket:
        """The bound socket. Raises OSError when the port is taken."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # named, because asyncio sends small pieces at once (TCP_NODELAY) only on sockets that say they are TCP
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.host, self.port))
        except OSError:
            listener.close()
            raise
        return listener


class _Server(uvicorn.Server):
    """Says when it is ready, and takes signals quietly."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(
    org: Org, binding: Binding, listener: socket.socket, ready: Callable[[], None], *, latency: float = 0.0
) -> None:
    """Serve until SIGTERM or SIGINT."""
    server = make_server(org, binding, ready, latency=latency)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def make_server(org: Org, binding: Binding, ready: Callable[[], None], *, latency: float = 0.0) -> uvicorn.Server:
    """The server, for a caller that runs it in a thread of its own."""
    org.bulk.background = True
    config = uvicorn.Config(
        application(org, latency=latency, loopback_only=is_loopback(binding.host)),
        http=_Protocol,
        lifespan="off",
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=5,
        ssl_certfile=binding.certificate,
        ssl_keyfile=binding.key,
    )
    return _Server(config, ready)


def announce(line: dict[str, Any]) -> None:
    """One JSON line for whoever started us."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def die_on_terminate() -> None:
    """SIGTERM before the server runs (while records are made) ends the process cleanly."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
