"""Signing in (Salesforce Help: "OAuth 2.0 Client Credentials Flow", "Username-Password Flow")."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from simple_salesforce import Salesforce

from tests.sandbox.conftest import CLIENT, Rig


def _token(rig: Rig, **form: str) -> Any:
    return rig.session.post(f"{rig.url}/services/oauth2/token", data=form)


def test_client_credentials_in_the_form(rig: Rig) -> None:
    answer = _token(rig, **CLIENT)
    assert answer.status_code == 200
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["instance_url"] == rig.url
    assert body["id"].startswith(f"{rig.url}/id/00D")


def test_client_credentials_in_the_basic_header(rig: Rig) -> None:
    basic = base64.b64encode(b"sandbox-client:sandbox-secret").decode()
    answer = rig.session.post(
        f"{rig.url}/services/oauth2/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {basic}"},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "wrong"}, "invalid_client_id"),
        ({"grant_type": "magic"}, "unsupported_grant_type"),
    ],
)
def test_a_wrong_sign_in_is_an_oauth_error(rig: Rig, change: dict[str, str], error: str) -> None:
    answer = _token(rig, **{**CLIENT, **change})
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.json()["error"] == error


def test_the_password_grant_wants_the_security_token_behind_the_password(rig: Rig) -> None:
    form = {**CLIENT, "grant_type": "password", "username": "sync@example.com"}
    assert _token(rig, **form, password="sandboxtoken").status_code == 200
    refused = _token(rig, **form, password="sandbox")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


def test_an_unmodified_simple_salesforce_signs_in(live: Rig) -> None:
    host = live.url.removeprefix("http://")

    class Local(type(live.session.adapters["https://"])):  # type: ignore[misc]
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            request.url = request.url.replace("acme.my.salesforce.com", host)
            return super().send(request, *args, **kwargs)

    live.session.mount("https://acme.my.salesforce.com", Local())
    client = Salesforce(
        consumer_key="sandbox-client", consumer_secret="sandbox-secret", domain="acme.my", session=live.session
    )
    assert client.query("SELECT Id, IsSandbox FROM Organization")["records"][0]["IsSandbox"] is True
    assert client.is_sandbox()


def test_without_or_with_a_wrong_session_nothing_is_answered(rig: Rig) -> None:
    answer = rig.session.get(f"{rig.url}/services/data/v59.0/sobjects", headers={"Authorization": "Bearer nobody"})
    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    assert rig.session.get(f"{rig.url}/services/data/v59.0/limits").status_code == 401


def test_a_session_runs_out_when_it_is_not_used(rig: Rig) -> None:
    rig.get("limits")
    rig.time.sleep(3600)
    rig.get("limits")
    rig.time.sleep(3 * 3600)
    assert rig.refused("GET", "limits") == (401, "INVALID_SESSION_ID", "Session expired or invalid")


def test_a_revoked_session_is_refused(rig: Rig) -> None:
    token = rig.token()
    assert rig.session.post(f"{rig.url}/services/oauth2/revoke", data={"token": token}).status_code == 200
    answer = rig.session.get(f"{rig.url}/services/data/v59.0/limits", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    again = rig.session.post(f"{rig.url}/services/oauth2/revoke", data={"token": token})
    assert (again.status_code, again.json()["error"]) == (400, "invalid_token")


def test_userinfo_and_identity_name_the_user(rig: Rig) -> None:
    info = rig.call("GET", f"{rig.url}/services/oauth2/userinfo").json()
    assert info["preferred_username"] == "sync@example.com"
    assert info["user_id"].startswith("005")
    identity = rig.call("GET", info["sub"]).json()
    assert identity["organization_id"] == info["organization_id"]
    refused = rig.session.get(f"{rig.url}/services/oauth2/userinfo", headers={"Authorization": "Bearer x"})
    assert refused.status_code == 403


def test_versions_need_no_session(rig: Rig) -> None:
    versions = rig.session.get(f"{rig.url}/services/data/").json()
    assert versions[-1] == {"label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0"}
    assert {"label": "Winter '24", "url": "/services/data/v59.0", "version": "59.0"} in versions


@pytest.mark.parametrize(("version", "status", "code"), [("v25.0", 410, "GONE"), ("v99.0", 404, "NOT_FOUND")])
def test_versions_that_are_gone_or_not_yet(rig: Rig, version: str, status: int, code: str) -> None:
    assert rig.refused("GET", f"/services/data/{version}/limits")[:2] == (status, code)
