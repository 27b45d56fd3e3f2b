"""``make full``: what CI has no time for. Writes what came of it to docs/full-run.md, also what failed.

CI runs all tests with the oldest and the newest supported Python and a few simulated histories; this runs those Pythons
in between that are found, on both databases, and many histories.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "full-run.md"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
SEEDS = "1-200"


def pythons() -> dict[str, str]:
    """The interpreters by version: those on the path, and those that pyenv has built and does not put there."""
    places = [os.environ.get("PATH", ""), *map(str, Path.home().glob(".pyenv/versions/3.*/bin"))]
    found = {}
    for version in VERSIONS:
        for place in places:
            path = shutil.which(f"python{version}", path=place)
            if path and subprocess.run([path, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0:
                found[version] = path
                break
    return found


def main() -> int:
    if changed := _git("status", "--porcelain", "--untracked-files=no"):
        print(f"Commit first: the result is said of a commit, and these files are changed:\n{changed}")
        return 1
    commit = _git("rev-parse", "--short=10", "HEAD")
    found = pythons()
    make = ["make", "--no-print-directory"]
    steps = {"style and types": [*make, "lint"]}
    for version, path in list(found.items())[1:-1]:
        own = [f"VENV=.venv-{version}", f"PYTHON={path}"]
        for database in ("sqlite", "postgres"):
            steps[f"all tests, Python {version}, {database}"] = [*make, "test", f"ON={database}", *own]
    steps[f"simulated histories, seeds {SEEDS}"] = [*make, "simulate", f"SEEDS={SEEDS}"]
    rows, failed = [], []
    for name, command in steps.items():
        print(f"== {name}", flush=True)
        begun = time.monotonic()
        run = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        minutes = (time.monotonic() - begun) / 60
        lines = [line for line in run.stdout.splitlines() if line.strip()] or [""]
        if run.returncode:
            print(run.stdout)
            # Behind the tests' own summary, make says that it failed.
            failed += [line for line in lines if line.startswith("FAILED ")] or [f"{name}: exit code {run.returncode}"]
        last = next((line for line in reversed(lines) if not line.startswith("make")), "").strip("= ")
        print(f"   {last} ({minutes:.1f} minutes)", flush=True)
        rows.append(f"| {name} | {'passed' if run.returncode == 0 else 'FAILED'} | {last} | {minutes:.1f} |")
    missing = [version for version in VERSIONS if version not in found]
    _write(commit, rows, failed, missing)
    return int(bool(failed))


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.strip()


def _write(commit: str, rows: list[str], failed: list[str], missing: list[str]) -> None:
    not_found = f" Not found on that machine, and not tried: Python {', '.join(missing)}." if missing else ""
    table = "\n".join(rows)
    what_failed = "\nWhat failed:\n\n" + "\n".join(f"- `{line}`" for line in failed) + "\n" if failed else ""
    PAGE.write_text(
        f"""# The last full run

`make full` writes this page: the Pythons between the oldest and the newest, and many histories. The rest is in every
run of CI.

Commit {commit}, {datetime.now(UTC):%-d %B %Y}, on {os.cpu_count()} cores.{not_found}

| what | result | its last line | minutes |
|---|---|---|---|
{table}
{what_failed}""",
        encoding="utf-8",
    )


if __name__ == "__main__":
    sys.exit(main())
