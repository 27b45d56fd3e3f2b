"""A server on loopback that answers as it is told, for faults that a well-behaved server never shows."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN_PATH = "/services/oauth2/token"


@dataclass(frozen=True)
class Seen:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Say:
    """What to answer. ``drop``: close without a word after reading; ``reset``: with a TCP reset; ``truncate``: send
    half of the body; ``hang_up``: close after the answer, unannounced; ``wait``: seconds before the answer;
    ``date``: None leaves the Date header out."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    reset: bool = False
    truncate: bool = False
    hang_up: bool = False
    wait: float = 0
    date: str | None = "now"

    def rendered(self) -> tuple[bytes, str]:
        if isinstance(self.body, bytes):
            return self.body, "application/json;charset=UTF-8"
        if isinstance(self.body, str):
            return self.body.encode(), "text/html; charset=UTF-8"
        return json.dumps(self.body).encode(), "application/json;charset=UTF-8"


class Scripted:
    """Answers data requests by ``script`` in turn, sign-ins by ``sign_ins`` (with a fresh token when that is empty)."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.script: deque[Say] = deque()
        self.sign_ins: deque[Say] = deque()
        self.otherwise: Say | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, format: str, *args: object) -> None:
                pass

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Seen(self.command, self.path, headers, self.rfile.read(length))
                outer.seen.append(request)
                self.say(outer.next(request))

            def say(self, say: Say) -> None:
                time.sleep(say.wait)
                if say.drop or say.reset:
                    self.close_connection = True
                    if say.reset:
                        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                body, kind = say.rendered()
                self.send_response_only(say.status)
                if say.date is not None:
                    self.send_header("Date", formatdate(usegmt=True) if say.date == "now" else say.date)
                for name, value in ({"Content-Type": kind} | dict(say.headers)).items():
                    self.send_header(name, value)
                if say.status not in (204, 304):
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if say.status not in (204, 304):
                    self.wfile.write(body[: len(body) // 2] if say.truncate else body)
                if say.truncate or say.hang_up:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # the client hung up first, which some tests are about

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def next(self, request: Seen) -> Say:
        if request.path == TOKEN_PATH or "/services/Soap/" in request.path:
            return self.sign_ins.popleft() if self.sign_ins else self.token(f"token-{len(self.logins)}")
        if self.script:
            return self.script.popleft()
        return self.otherwise or Say(404, [{"errorCode": "NOT_FOUND", "message": "The script is over"}])

    def token(self, token: str = "token-x", **more: Any) -> Say:
        body = {
            "access_token": token,
            "instance_url": self.url,
            "id": "https://login.salesforce.com/id/00D000000000001EAA/005000000000001AAA",
            "token_type": "Bearer",
        }
        return Say(200, body | more)

    @property
    def logins(self) -> list[Seen]:
        return [seen for seen in self.seen if "/services/data/" not in seen.path]

    @property
    def calls(self) -> list[Seen]:
        return [seen for seen in self.seen if "/services/data/" in seen.path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


EXPIRED = Say(401, [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}])


def composite(*responses: tuple[str, int, Any], headers: Mapping[str, str] | None = None) -> Say:
    """The answer of a Composite request: (reference, status, body) each."""
    items = [
        {"referenceId": reference, "httpStatusCode": status, "body": body, "httpHeaders": dict(headers or {})}
        for reference, status, body in responses
    ]
    return Say(200, {"compositeResponse": items})


def refusal(code: str, message: str = "no", **more: Any) -> list[dict[str, Any]]:
    """The body of a refusal."""
    return [{"errorCode": code, "message": message} | more]
