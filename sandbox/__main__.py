"""``python -m sandbox``: start a local Salesforce organisation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sandbox import users
from sandbox.clock import Clock
from sandbox.control.profiles import PROFILES
from sandbox.control.profiles import put as put_profile
from sandbox.org import Org
from sandbox.seed import seed
from sandbox.server import Binding, announce, die_on_terminate, is_loopback, serve

_SURE = "--i-know-this-is-not-loopback"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="A local Salesforce organisation on loopback."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (loopback only)")
    parser.add_argument("--port", type=int, default=8900, help="port to listen on; 0 picks a free one")
    parser.add_argument("--db", default=":memory:", help="file that keeps the organisation, or :memory:")
    parser.add_argument("--leads", type=int, default=200, help="leads to make in a new organisation")
    parser.add_argument("--contacts", type=int, default=100, help="contacts to make in a new organisation")
    parser.add_argument("--seed", type=int, default=1, help="makes the records reproducible")
    parser.add_argument("--profile", choices=tuple(PROFILES), default="small", help="kind of a new organisation")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="wait this long before each answer")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="serve https with this certificate and key")
    parser.add_argument(_SURE, dest="sure", action="store_true", help="allow a --host that others can reach")
    return parser


def _fail(message: str) -> int:
    sys.stderr.write(f"sandbox: {message}\n")
    return 1


def main(arguments: list[str] | None = None) -> int:
    """Start, and serve until told to stop."""
    options = _parser().parse_args(arguments)
    if not is_loopback(options.host) and not options.sure:
        return _fail(
            f"{options.host} can be reached from outside; the sandbox has known passwords. Add {_SURE} if that "
            "is what you want."
        )
    if min(options.leads, options.contacts) < 0 or not 0 <= options.port <= 65535 or options.latency_ms < 0:
        return _fail("--leads, --contacts, --latency-ms and --port must not be negative, and --port at most 65535")
    certificate, key = options.tls or (None, None)
    for name in (certificate, key):
        if name is not None and not Path(name).is_file():
            return _fail(f"no such file: {name}")
    binding = Binding("127.0.0.1" if options.host == "localhost" else options.host, options.port, certificate, key)
    die_on_terminate()
    try:
        listener = binding.listen()
    except OSError as error:
        return _fail(f"cannot listen on {binding.host}:{binding.port}: {error.strerror or error}")
    port = listener.getsockname()[1]
    try:
        org = Org(options.db, clock=Clock(), seed=options.seed)
    except Exception as error:  # whatever is wrong with the file, one clear line
        listener.close()
        return _fail(f"cannot open {options.db}: {error}")
    host = f"[{binding.host}]" if ":" in binding.host else binding.host
    line = {
        "url": f"{binding.scheme}://{host}:{port}",
        "username": users.SYNC_USERNAME,
        "password": users.PASSWORD,
        "security_token": users.SECURITY_TOKEN,
        "client_id": users.CLIENT_ID,
        "client_secret": users.CLIENT_SECRET,
    }
    try:
        counts = org.counts()
        if (
            not counts["Lead"]["count"]
            + counts["Lead"]["deleted"]
            + counts["Contact"]["count"]
            + counts["Contact"]["deleted"]
        ):
            seed(org, options.leads, options.contacts, options.seed)
            put_profile(org, {"name": options.profile})
        serve(org, binding, listener, lambda: announce(line), latency=options.latency_ms / 1000)
    finally:
        org.close()
        listener.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
