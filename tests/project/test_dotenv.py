"""The files of settings that are written for a fresh installation and for the demo."""

from __future__ import annotations

import stat
from pathlib import Path

from cryptography.fernet import Fernet

from marketo import dotenv
from syncer.demo.preparation import read_settings


def test_new_settings_have_keys_of_their_own_and_are_private(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    assert dotenv.write_settings(first)
    assert dotenv.write_settings(second)
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    one, two = read_settings(first), read_settings(second)
    assert one["SECRET_KEY"] != two["SECRET_KEY"]
    assert len(one["SECRET_KEY"]) >= 50
    assert one["INSTALLATION_ID"] != two["INSTALLATION_ID"]
    assert len(one["INSTALLATION_ID"]) >= 16
    Fernet(one["FIELD_ENCRYPTION_KEY"])


def test_existing_settings_are_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=mine\n")
    assert not dotenv.write_settings(path)
    assert path.read_text() == "SECRET_KEY=mine\n"


def test_the_demo_keeps_everything_in_its_folder(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    path = dotenv.write_demo_settings(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settings = read_settings(path)
    assert settings["DATABASE_URL"] == f"sqlite:///{directory}/db.sqlite3"
    assert settings["DEBUG"] == "false"
    before = path.read_text()
    dotenv.write_demo_settings(directory)
    assert path.read_text() == before
