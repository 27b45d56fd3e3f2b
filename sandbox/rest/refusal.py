"""How a refusal is answered outside collections."""

from __future__ import annotations

from sandbox.errors import ManyMatches, SalesforceError
from sandbox.wire import Response


def refusal(error: SalesforceError, base: str) -> Response:
    """A list with one error; for an external id that several records have, HTTP 300 and their addresses."""
    if isinstance(error, ManyMatches):
        return Response.json([f"{base}/sobjects/{error.object_name}/{record_id}" for record_id in error.ids], 300)
    return Response.refusal(error)
