"""A sandbox organisation of this process behind a real HTTP server on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from sandbox.org import Org
from sandbox.server import Binding, make_server


class PlainHttpAdapter(HTTPAdapter):
    """Sends what a client addresses to https over http: simple-salesforce builds https URLs only."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        request.url = (request.url or "").replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


@contextmanager
def served(org: Org) -> Iterator[str]:
    """The organisation on a free port, answered by a thread; gives its address."""
    binding = Binding(port=0)
    listener = binding.listen()
    ready = threading.Event()
    server = make_server(org, binding, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
