"""``python -m sandbox`` as a process."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KEYS = ["url", "username", "password", "security_token", "client_id", "client_secret"]


@contextmanager
def _sandbox(*arguments: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        try:
            yield json.loads(process.stdout.readline()), process
        finally:
            process.terminate()
            process.wait(10)


def test_it_says_how_to_reach_it_and_ends_cleanly() -> None:
    with _sandbox("--leads", "3", "--contacts", "2") as (line, process):
        assert list(line) == KEYS
        assert list(line.values())[1:] == ["sync@example.com", "sandbox", "token", "sandbox-client", "sandbox-secret"]
        state = requests.get(f"{line['url']}/sandbox/state", timeout=5).json()
        assert state["objects"]["Lead"]["count"] == 3
        assert state["objects"]["Contact"]["count"] == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_foreign_name_for_this_machine_reaches_no_control_call() -> None:
    with _sandbox("--leads", "0", "--contacts", "0") as (line, _):
        for path in ("/sandbox/state", "/"):
            answer = requests.get(line["url"] + path, headers={"Host": "evil.example"}, timeout=5)
            assert answer.status_code == 421
            assert requests.get(line["url"] + path, timeout=5).status_code == 200


def test_a_file_keeps_the_organisation(tmp_path: Path) -> None:
    file = str(tmp_path / "org.db")
    with _sandbox("--db", file, "--leads", "3", "--contacts", "0") as (line, _):
        body = {"object": "Lead", "name": "Extra__c", "type": "text"}
        assert requests.post(f"{line['url']}/sandbox/fields", json=body, timeout=5).status_code == 200
        requests.post(f"{line['url']}/sandbox/clock", json={"advance_seconds": 86400}, timeout=5)
    with _sandbox("--db", file, "--leads", "50") as (line, _):
        state = requests.get(f"{line['url']}/sandbox/state", timeout=5).json()
        assert state["objects"]["Lead"]["count"] == 3, "records are made only in an organisation without any"
        assert datetime.fromisoformat(state["now"]) > datetime.now(UTC) + timedelta(hours=23)
        again = requests.post(f"{line['url']}/sandbox/fields", json={**body, "length": 9}, timeout=5)
        assert again.json()["length"] == 9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "can be reached from outside"),  # noqa: S104 - that is what is refused
        (["--host", "192.0.2.1", "--i-know-this-is-not-loopback"], "cannot listen on 192.0.2.1"),
        (["--leads", "-1"], "must not be negative"),
        (["--tls", "/nowhere.pem", "/nowhere.key"], "no such file: /nowhere.pem"),
        (["--db", "/nowhere/org.db"], "cannot open /nowhere/org.db"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(arguments: list[str], words: str) -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "sandbox", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"sandbox: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_it_serves_https(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "c.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "k.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with _sandbox("--leads", "0", "--contacts", "0", "--tls", str(tmp_path / "c.pem"), str(tmp_path / "k.pem")) as (
        line,
        _,
    ):
        assert line["url"].startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(tmp_path / "c.pem"))
        context.check_hostname = False
        port = int(line["url"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as secure:
            secure.sendall(b"GET /services/data HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert secure.recv(100).startswith(b"HTTP/1.1 200")


def test_the_same_seed_makes_the_same_records() -> None:
    names = []
    for _ in range(2):
        with _sandbox("--leads", "20", "--contacts", "5", "--seed", "42") as (line, _):
            names.append(requests.get(f"{line['url']}/leads?q=@", timeout=5).text.count("@"))
    assert names[0] == names[1] > 0


def test_answers_are_packed_for_those_who_can_unpack_them() -> None:
    """REST API Developer Guide, "Compression Headers"."""
    with _sandbox("--leads", "0", "--contacts", "0") as (line, _):
        form = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
        token = requests.post(f"{line['url']}/services/oauth2/token", data=form, timeout=5).json()["access_token"]
        url, headers = f"{line['url']}/services/data/v59.0/sobjects", {"Authorization": f"Bearer {token}"}
        packed = requests.get(url, headers=headers, timeout=5)
        plain = requests.get(url, headers={**headers, "Accept-Encoding": "identity"}, timeout=5)
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert packed.json() == plain.json()


def test_a_small_answer_does_not_wait_for_the_client_s_acknowledgement() -> None:
    """A socket that holds small pieces back makes each answer of two pieces take 40 ms."""
    with _sandbox("--leads", "0", "--contacts", "0") as (line, _), requests.Session() as session:
        taken = []
        for _ in range(9):
            began = time.perf_counter()
            session.post(f"{line['url']}/services/oauth2/token", data={"grant_type": "none"}, timeout=5)
            taken.append(time.perf_counter() - began)
        assert min(taken) < 0.03
