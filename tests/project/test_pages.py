"""What the project itself adds to each page, and the way in."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

pytestmark = pytest.mark.django_db


def test_the_bare_address_leads_to_the_admin(client: Client) -> None:
    response = client.get("/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/admin/login/")
    assert response.status_code == 200


def test_a_page_may_load_from_this_server_only_and_run_no_inline_script(client: Client) -> None:
    policy = client.get("/admin/login/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_five_wrong_passwords_close_the_door_for_that_name_from_that_address() -> None:
    get_user_model().objects.create_superuser("eva", password="correct horse battery")
    get_user_model().objects.create_superuser("bob", password="correct horse battery")

    def log_in(name: str, password: str, address: str = "192.0.2.1") -> int:
        form = {"username": name, "password": password}
        return Client(REMOTE_ADDR=address).post("/admin/login/", form).status_code

    for _ in range(4):
        assert log_in("eva", "guess") == 200
    assert log_in("eva", "guess") == 429
    assert log_in("eva", "correct horse battery") == 429
    # Nobody else, and not Eva herself at her own desk, is locked out by that.
    assert log_in("bob", "correct horse battery") == 302
    assert log_in("eva", "correct horse battery", address="192.0.2.2") == 302


def test_a_login_lasts_twelve_hours(client: Client) -> None:
    get_user_model().objects.create_superuser("eva", password="correct horse battery")
    response = client.post("/admin/login/", {"username": "eva", "password": "correct horse battery"})
    assert response.cookies["sessionid"]["max-age"] == 12 * 60 * 60
    assert response.cookies["sessionid"]["httponly"]
