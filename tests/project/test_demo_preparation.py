"""What the demo checks and settles before it starts anything."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from syncer.demo import account, preparation
from syncer.demo.preparation import CannotStart

KNOWN = {"SECRET_KEY": "", "DATABASE_URL": "", "REDIS_URL": "", "TIME_ZONE": "", "DEBUG": ""}


@pytest.fixture
def demo_file(tmp_path: Path) -> Path:
    path = tmp_path / "env"
    path.write_text("# the demo's\nSECRET_KEY=demo\nDEBUG=false\nDATABASE_URL=sqlite:///.demo/db.sqlite3\n")
    return path


def test_settings_of_another_installation_never_reach_the_demo(tmp_path: Path, demo_file: Path) -> None:
    other = tmp_path / ".env"
    other.write_text("SECRET_KEY=real\nDATABASE_URL=sqlite:///db.sqlite3\nTIME_ZONE=Europe/Amsterdam\n")
    current = {"PATH": "/bin", **preparation.read_settings(other)}
    environment = preparation.demo_environment(current, demo_file=demo_file, loaded_file=other, known=KNOWN)
    assert environment == {
        "PATH": "/bin",
        "SECRET_KEY": "demo",
        "DEBUG": "false",
        "DATABASE_URL": "sqlite:///.demo/db.sqlite3",
        "ENV_FILE": str(demo_file),
        "PYTHONUNBUFFERED": "1",
    }


def test_the_caller_may_choose_the_database_but_not_weaken_the_demo(demo_file: Path) -> None:
    current = {"DATABASE_URL": "postgres://127.0.0.1/demo", "DEBUG": "true", "TIME_ZONE": "Asia/Tokyo"}
    environment = preparation.demo_environment(current, demo_file=demo_file, loaded_file=None, known=KNOWN)
    assert environment["DATABASE_URL"] == "postgres://127.0.0.1/demo"
    assert environment["INSTALLATION_ID"] == ""
    assert environment["DEBUG"] == "false"
    assert "TIME_ZONE" not in environment


def test_an_environment_that_is_the_demos_already_stays_as_it_is(demo_file: Path) -> None:
    first = preparation.demo_environment({"PATH": "/bin"}, demo_file=demo_file, loaded_file=None, known=KNOWN)
    assert preparation.demo_environment(first, demo_file=demo_file, loaded_file=demo_file, known=KNOWN) == first


def test_a_port_in_use_is_told_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind((preparation.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"Port {port}, for the admin, is in use .*--port {port + 1}"):
            preparation.require_free_port(port, purpose="the admin", option="--port")
    preparation.require_free_port(port, purpose="the admin", option="--port")


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        preparation.only_one(tmp_path),
        pytest.raises(CannotStart, match="already running"),
        preparation.only_one(tmp_path),
    ):
        pass
    with preparation.only_one(tmp_path):
        pass


@pytest.mark.django_db
def test_each_start_makes_a_new_password_for_the_administrator() -> None:
    from django.contrib.auth import authenticate, get_user_model
    from django.test import RequestFactory

    first, second = account.set_up(), account.set_up()
    assert first != second
    request = RequestFactory().post("/admin/login/")
    assert authenticate(request, username="admin", password=first) is None
    user = authenticate(request, username="admin", password=second)
    assert user is not None
    assert get_user_model().objects.get(username="admin").is_superuser
