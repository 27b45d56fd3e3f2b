"""jsforce, unmodified, against a sandbox process (the scenarios are in ``jsforce/client.js``).

Its modules are installed by ``npm ci`` below ``build/``, once. Without Node, or when npm cannot reach its registry,
these tests are skipped; where the variable CI is "true" they fail instead.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

HERE = Path(__file__).parent / "jsforce"
ROOT = Path(__file__).parents[2]
LEADS = 2500
Run = Callable[[str], dict[str, Any]]


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _installed() -> Path:
    """The folder of the installed modules: one for each lock file, made once however many processes test."""
    lock = (HERE / "package-lock.json").read_bytes()
    folder = ROOT / "build" / "jsforce" / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        done = folder / ".done"
        if done.exists():
            return folder / "node_modules"
        npm = shutil.which("npm")
        if npm is None:
            _give_up("npm is not installed")
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / name, folder / name)
        try:
            installed = subprocess.run(
                [npm, "ci", "--loglevel=error"], cwd=folder, capture_output=True, text=True, timeout=240, check=False
            )
        except subprocess.TimeoutExpired:
            _give_up("npm took more than four minutes to install jsforce")
        if installed.returncode:
            _give_up(f"npm could not install jsforce: {installed.stderr.strip()[-300:]}")
        done.touch()
    return folder / "node_modules"


@pytest.fixture(scope="module")
def jsforce() -> Iterator[Run]:
    """Runs a scenario; gives what it saw."""
    node = shutil.which("node")
    if node is None:
        _give_up("Node is not installed")
    modules = _installed()
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--leads", str(LEADS), "--contacts", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()

        def run(scenario: str) -> dict[str, Any]:
            done = subprocess.run(
                [node, str(HERE / "client.js"), scenario, line],
                env={**os.environ, "NODE_PATH": str(modules)},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            seen: dict[str, Any] = json.loads(done.stdout)
            return seen

        try:
            yield run
        finally:
            process.terminate()
            process.wait(10)


def test_it_signs_in_by_soap(jsforce: Run) -> None:
    seen = jsforce("soap")
    assert [each[:3] for each in seen["user"]] == ["005", "00D"]
    assert seen["username"] == "sync@example.com"
    assert seen["wrong"]["message"].startswith("INVALID_LOGIN: Invalid username, password, security token")


def test_it_signs_in_by_oauth(jsforce: Run) -> None:
    seen = jsforce("oauth")
    assert (seen["user"][:3], seen["username"]) == ("005", "sync@example.com")
    assert seen["count"] >= LEADS
    assert seen["wrong"] == {"name": "invalid_client", "message": "invalid client credentials"}
    assert seen["limits"]["used"] >= 1


def test_it_asks_for_a_new_session_when_the_old_one_has_ended(jsforce: Run) -> None:
    seen = jsforce("session")
    assert seen["refreshed"] == ["asked"]
    assert seen["count"] >= LEADS
    assert (seen["first"], seen["last"]) == ("41.0", "68.0")


def test_it_describes(jsforce: Run) -> None:
    seen = jsforce("describe")
    assert {"Lead", "Contact", "Account", "User"} <= set(seen["names"])
    assert (seen["prefix"], seen["cached"]) == ("00Q", True)
    assert (seen["company"]["length"], seen["company"]["nillable"]) == (255, False)
    assert seen["limits"]["Remaining"] < seen["limits"]["Max"]


def test_it_creates_reads_updates_and_deletes(jsforce: Run) -> None:
    seen = jsforce("crud")
    assert (seen["made"]["success"], seen["changed"]["success"], seen["gone"]["success"]) == (True, True, True)
    assert seen["name"] == "Ada Lovelace"
    assert seen["refused"]["code"] == "REQUIRED_FIELD_MISSING"
    assert seen["after"]["code"] == "ENTITY_IS_DELETED"


def test_it_upserts(jsforce: Run) -> None:
    seen = jsforce("upsert")
    assert (seen["made"]["created"], seen["changed"]["created"]) == (True, False)
    assert [each["created"] for each in seen["many"]] == [False, True]
    assert seen["found"]["Title"] == "U"


def test_it_saves_collections(jsforce: Run) -> None:
    seen = jsforce("collections")
    assert (seen["made"], seen["gone"]) == (450, 450)
    assert [each["success"] for each in seen["partly"]] == [True, False]
    codes = [each["errors"][0]["statusCode"] for each in seen["none"]]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "INVALID_EMAIL_ADDRESS"]
    assert seen["titles"] == ["first", None]


def test_it_queries_page_by_page(jsforce: Run) -> None:
    seen = jsforce("query")
    total, done, records = seen["first"]
    assert (done, records, seen["more"]) == (False, 2000, [True, total - 2000])
    assert seen["all"] >= total >= LEADS
    assert (seen["found"], seen["owner"]) == (3, "Name")
    assert seen["grouped"] >= LEADS
    assert seen["refused"]["code"] == "INVALID_FIELD"


def test_it_queries_deleted_records_too(jsforce: Run) -> None:
    seen = jsforce("queryAll")
    assert (seen["shown"], seen["all"]) == (0, [True])
    assert seen["paged"] > LEADS


def test_it_asks_what_was_updated_and_deleted(jsforce: Run) -> None:
    seen = jsforce("replication")
    assert (seen["updated"], seen["deleted"]) == ([True, False], True)
    assert all(each.endswith(":00.000+0000") for each in seen["covered"])


def test_it_loads_and_queries_by_bulk_api_2(jsforce: Run) -> None:
    seen = jsforce("bulk")
    assert (seen["good"], seen["unprocessed"], seen["rows"]) == (299, 0, 299)
    assert seen["bad"] == ["REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"]
    assert seen["quoted"] == 'Bulk, "3"'


def test_it_reads_every_page_of_a_bulk_query(jsforce: Run) -> None:
    assert jsforce("bulkPages")["rows"] >= LEADS
