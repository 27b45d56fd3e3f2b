"""The edge against the local organisation over real HTTP and TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from syncer.salesforce import soql, writing
from syncer.salesforce.bulk import Bulk
from syncer.salesforce.caller import Timing
from syncer.salesforce.client import Org
from syncer.salesforce.errors import OutcomeUnknown, Unavailable, Unreachable
from syncer.salesforce.transport import open_session
from syncer.salesforce.ways import Credentials
from tests.salesforce.test_signin import KEY, PEM

ROOT = Path(__file__).parents[2]
ALL = soql.select(["Id", "Name"], "Lead", order_by="Id")


@contextmanager
def running(*options: str) -> Iterator[dict[str, str]]:
    """The organisation as a process of its own; gives what it prints."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--leads", "30", "--contacts", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()  # it holds nothing that must be kept


@pytest.fixture(scope="module")
def started() -> Iterator[dict[str, str]]:
    with running() as printed, open_session(printed["url"]) as session:
        Org(credentials(printed), session).query(ALL)  # the first query takes longer: it loads the grammar
        yield printed


def credentials(printed: dict[str, str]) -> Credentials:
    return Credentials(
        "client-credentials",
        printed["url"],
        {"client_id": printed["client_id"], "client_secret": printed["client_secret"]},
    )


class World:
    """The process, and the edge in front of it."""

    def __init__(self, printed: dict[str, str], session: requests.Session) -> None:
        self.url = printed["url"]
        self.session = session
        self.naps: list[float] = []
        self.org = Org(credentials(printed), session, timing=Timing(sleep=self.naps.append, timeout=(5.0, 1.0)))
        self.org.sign_in()

    def fault(self, kind: str, **given: Any) -> None:
        body = {"route": "/services/data/", "kind": kind} | given
        assert self.session.post(f"{self.url}/sandbox/faults", json=body).ok


@pytest.fixture
def world(started: dict[str, str]) -> Iterator[World]:
    with open_session(started["url"]) as session:
        made = World(started, session)
        yield made
        session.delete(f"{made.url}/sandbox/faults")


def test_bulk_jobs_over_the_wire(world: World) -> None:
    """Salesforce works on them in the background, and compresses what it sends."""
    bulk = Bulk(world.org, pause=world.naps.append, patience=1e6, page=20)
    fields = world.org.describe("Lead").fields
    rows = [{"Id": row["Id"], "Title": f'Dr. "{n}", שלום\n🎉'} for n, row in enumerate(world.org.query(ALL).records)]
    (outcome,) = bulk.ingest("Lead", "update", [fields["Id"], fields["Title"]], rows)
    assert all(outcome.results[str(row["Id"])].success for row in rows)
    pages = list(bulk.query("SELECT Id, Title FROM Lead"))
    assert [len(page.records) for page in pages] == [20, 10]
    found = {record["Id"]: record["Title"] for page in pages for record in page.records}
    assert found == {row["Id"]: row["Title"] for row in rows}


def test_records_are_read_over_the_wire(world: World) -> None:
    page = world.org.query(ALL)
    assert (len(page.records), page.total, page.next_url) == (30, 30, None)
    age = dt.datetime.now(dt.UTC) - page.asked_at
    assert dt.timedelta(0) <= age < dt.timedelta(seconds=10)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "truncate", "status"])
def test_a_read_gets_over_passing_faults(world: World, kind: str) -> None:
    world.fault(kind, times=2)
    assert world.org.query(ALL).total == 30
    assert len(world.naps) == 2


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "truncate", "status", "delay_ms"])
def test_a_write_that_is_not_answered_is_an_unknown_outcome(world: World, kind: str) -> None:
    record = world.org.query(ALL).records[0]["Id"]
    world.fault(kind, seconds=1.5)
    with pytest.raises(OutcomeUnknown):
        world.org.composite([writing.update("w", "Lead", [{"Id": record, "Title": kind}])], safe=False)
    assert world.naps == []


def test_a_read_that_is_never_answered_in_time_is_unavailable(world: World) -> None:
    world.fault("delay_ms", seconds=1.2, times=None)
    world.org._timing = replace(world.org._timing, attempts=1)
    with pytest.raises(Unavailable, match="did not answer in time"):
        world.org.query(ALL)


def test_an_expired_session_is_renewed(world: World) -> None:
    world.fault("expire_session")
    before = world.org.signed_in
    assert world.org.query(ALL).total == 30
    assert world.org.signed_in != before


def certificate(folder: Path) -> tuple[str, str]:
    """A self-made certificate for 127.0.0.1, and its key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(KEY, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_text(PEM)
    return str(folder / "cert.pem"), str(folder / "key.pem")


def test_a_certificate_that_is_not_trusted_is_unreachable_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # they would win over session.verify
        monkeypatch.delenv(variable, raising=False)
    cert, key = certificate(tmp_path)
    with running("--tls", cert, key) as printed, open_session(printed["url"]) as session:
        org = Org(credentials(printed), session, timing=Timing(attempts=1))
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            org.sign_in()
        session.verify = cert
        assert org.query(ALL).total == 30
