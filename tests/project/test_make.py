"""The Makefile, as far as it can be tried without building an environment."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def make(*arguments: str, directory: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],  # noqa: S607
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_make_alone_lists_the_targets() -> None:
    result = make()
    assert result.returncode == 0
    for target in ("help", "setup", "demo", "test", "coverage", "full", "hooks", "lint", "lock", "clean"):
        assert f"make {target} " in result.stdout


def test_a_python_that_is_too_old_is_told_in_one_line(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(PROJECT / name, tmp_path)
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    result = make("setup", f"PYTHON={old}", directory=tmp_path)
    assert result.returncode != 0
    assert result.stderr.splitlines()[0].startswith("Python 3.11 or later with its venv module is needed")
    assert not (tmp_path / ".venv").exists()


def test_the_lock_files_name_no_index_and_no_path() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (PROJECT / name).read_text()
        for word in ("http://", "https://", "--index-url=", "--find-links=", "file://", str(PROJECT)):
            assert word not in text
