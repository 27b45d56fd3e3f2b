"""The first sync of N leads: time and peak memory of `manage.py runsync`, beside an idle process of the same program.

    .venv/bin/python -m benchmarks.first_sync [--leads 50000] [--database-url URL]

The sandbox runs as a process of its own. Prints a small table and one line of JSON. The database that is named is
emptied first, so it must be called "bench" (or end in bench.sqlite3).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=50_000)
    parser.add_argument("--database-url", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.database_url or f"sqlite:///{folder}/bench.sqlite3"
        if not url.rstrip("/").endswith(("bench", "bench.sqlite3")):
            sys.exit("The database must be called bench: it is emptied.")
        sandbox, org = start_sandbox(Path(folder), given.leads)
        try:
            figures = measure(url, org)
        finally:
            sandbox.terminate()
            sandbox.wait()
    figures |= {"leads": given.leads, "database": url.split(":")[0], "machine": machine()}
    show(figures)


def start_sandbox(folder: Path, leads: int) -> tuple[subprocess.Popen[str], dict[str, str]]:
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--db", str(folder / "org.sqlite3")]
    command += ["--leads", str(leads), "--contacts", "0", "--seed", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline() if process.stdout else ""
    return process, json.loads(line)


def measure(url: str, org: dict[str, str]) -> dict[str, Any]:
    env = {
        **os.environ,
        "ENV_FILE": "",
        "DATABASE_URL": url,
        "SECRET_KEY": "benchmark",
        "DEBUG": "false",
        "PLAIN_HTTP_ON_LOOPBACK": "true",
        "FIELD_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "SALESFORCE_CLIENT_ID": org["client_id"],
        "SALESFORCE_CLIENT_SECRET": org["client_secret"],
    }
    run("migrate", "-v0", env=env)
    run("flush", "--noinput", "-v0", env=env)
    run("add_sync_user", "Bench", "--login-url", org["url"], env=env)
    _, idle, _, starting = timed("check", env=env)
    output, peak, seconds, cpu = timed("runsync", "--json", env=env)
    summary = json.loads(output)
    again, _, quiet, _ = timed("runsync", "--json", env=env)
    return {
        "persons": summary["received"]["created"],
        "seconds": round(seconds, 2),
        "cycle_seconds": summary["seconds"],
        "cpu_ms_per_person": round((cpu - starting) * 1000 / summary["received"]["created"], 3),
        "api_calls": summary["api_calls"],
        "idle_mb": round(idle, 1),
        "peak_mb": round(peak, 1),
        "quiet_cycle_seconds": json.loads(again)["seconds"],
        "quiet_cycle_api_calls": json.loads(again)["api_calls"],
        "quiet_command_seconds": round(quiet, 2),
    }


def run(*arguments: str, env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"manage.py {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def timed(*arguments: str, env: dict[str, str]) -> tuple[str, float, float, float]:
    """What the command printed, its peak memory in MB by the operating system's account, the seconds it took, and the
    seconds of CPU."""
    reader, writer = os.pipe()
    began = time.monotonic()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "manage.py", *arguments],
        env,
        file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_CLOSE, reader)],
    )
    os.close(writer)
    with os.fdopen(reader) as output:
        text = output.read()
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"manage.py {arguments[0]} failed with {os.waitstatus_to_exitcode(status)}.")
    return text, _megabytes(usage), time.monotonic() - began, usage.ru_utime + usage.ru_stime


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"


def show(figures: dict[str, Any]) -> None:
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
