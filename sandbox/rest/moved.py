"""What the address of an instance answers that the organisation has left (Salesforce Help, "Prepare for an Org
Migration", "My Domain Redirections"): clients have met a web page, a redirection and a refusal."""

from __future__ import annotations

from sandbox.errors import SalesforceError
from sandbox.sessions import Moved
from sandbox.wire import Request, Response

_PAGE = (
    "<html><head><title>URL No Longer Exists</title></head><body>You have attempted to reach a URL that no longer "
    "exists on salesforce.com.</body></html>"
)
_OTHER_NAME = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}


def answer(moved: Moved | None, request: Request) -> Response | None:
    """The answer to whoever holds a session of before; None at the new address, or if nothing has moved."""
    if moved is None:
        return None
    if moved.how == "page":
        return Response.text(_PAGE, "text/html;charset=UTF-8", 404)
    if moved.how == "not_reset":
        message = "Destination URL not reset. The URL returned from login must be set"
        raise SalesforceError(400, "URL_NOT_RESET", message)
    moved.to = moved.to or _elsewhere(request.origin)
    if request.origin == moved.to:
        return None
    query = f"?{request.query_text}" if request.query_text else ""
    return Response.empty(301, {"Location": f"{moved.to}{request.path}{query}"})


def _elsewhere(origin: str) -> str:
    """Another address at which the same server answers."""
    scheme, _, host = origin.partition("://")
    name, colon, port = host.partition(":")
    return f"{scheme}://{_OTHER_NAME.get(name, f'moved.{name}')}{colon}{port}"
