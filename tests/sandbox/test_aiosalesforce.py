"""aiosalesforce, unmodified, over a transport that speaks plain http to loopback. Skipped where it is not installed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.sandbox.conftest import CLIENT, Rig

aiosalesforce = pytest.importorskip("aiosalesforce")
httpx = pytest.importorskip("httpx")


def _transport(url: str) -> Any:
    address = httpx.URL(url)

    class Plain(httpx.AsyncHTTPTransport):  # type: ignore[name-defined,misc]
        async def handle_async_request(self, request: Any) -> Any:
            request.url = request.url.copy_with(scheme="http", host=address.host, port=address.port)
            return await super().handle_async_request(request)

    return Plain()


async def _scenario(url: str) -> dict[str, Any]:
    flow = aiosalesforce.auth.ClientCredentialsFlow(CLIENT["client_id"], CLIENT["client_secret"])
    async with httpx.AsyncClient(transport=_transport(url)) as http:
        client = aiosalesforce.Salesforce(http, "https://acme.my.salesforce.com", flow)
        made = await client.sobject.create("Lead", {"LastName": "A", "Company": "C", "Person_Id__c": "a1"})
        await client.sobject.update("Lead", made, {"Title": "T"})
        upserted = await client.sobject.upsert("Lead", "a1", "Person_Id__c", {"City": "X"})
        record = await client.sobject.get("Lead", made)
        ids = {row["Id"] async for row in client.query("SELECT Id FROM Lead")}
        return {"made": made, "upserted": upserted, "record": record, "rows": len(ids)}


def test_it_signs_in_saves_and_reads_all_pages(live: Rig) -> None:
    live.control("POST", "reset", {"leads": 2500, "contacts": 0})
    seen = asyncio.run(_scenario(live.url))
    assert (seen["record"]["Title"], seen["record"]["City"]) == ("T", "X")
    assert (seen["upserted"].id, seen["upserted"].created) == (seen["made"], False)
    assert seen["rows"] == 2501
