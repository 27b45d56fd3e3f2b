"""SOAP login and JWT bearer (SOAP API Developer Guide, "login()"; Salesforce Help, "OAuth 2.0 JWT Bearer Flow")."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from simple_salesforce import Salesforce, SalesforceLogin
from simple_salesforce.exceptions import SalesforceAuthenticationFailed

from tests.sandbox.conftest import Rig

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _public(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def _login(rig: Rig, version: str = "59.0", password: str = "sandboxtoken", username: str = "sync@example.com") -> Any:
    body = (
        '<?xml version="1.0" encoding="utf-8"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/">'
        f'<env:Body><n1:login xmlns:n1="urn:partner.soap.sforce.com"><n1:username>{username}</n1:username>'
        f"<n1:password>{password}</n1:password></n1:login></env:Body></env:Envelope>"
    )
    headers = {"Content-Type": "text/xml", "SOAPAction": "login"}
    return rig.session.post(f"{rig.url}/services/Soap/u/{version}", data=body, headers=headers)


def test_an_unmodified_client_logs_in_by_soap(live: Rig) -> None:
    session, instance = SalesforceLogin(
        username="sync@example.com", password="sandbox", security_token="token", scratch_url=live.url,
        session=live.session,
    )  # fmt: skip
    client: Any = Salesforce(session_id=session, instance=instance, session=live.session)
    assert client.query("SELECT COUNT() FROM Lead")["totalSize"] == 0


def test_a_wrong_password_is_a_fault_that_clients_understand(live: Rig) -> None:
    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        SalesforceLogin(username="sync@example.com", password="x", security_token="y", scratch_url=live.url)
    assert refused.value.code == "INVALID_LOGIN"


def test_the_answer_has_what_other_clients_look_for_by_text(rig: Rig) -> None:
    text = _login(rig).text
    for name in ("sessionId", "userId", "organizationId", "sessionSecondsValid"):
        assert re.search(f"<{name}>([^<]+)</{name}>", text), name
    assert "<passwordExpired>false<" in text
    assert f"<serverUrl>{rig.url}/services/Soap/u/59.0/00D" in text


@pytest.mark.parametrize(
    ("version", "change", "code"),
    [
        ("65.0", {}, "INVALID_OPERATION"),
        ("20.0", {}, "UNSUPPORTED_API_VERSION"),
        ("64.0", {"locked": True}, "INVALID_LOGIN"),
        ("64.0", {"active": False}, "INVALID_LOGIN"),
        ("64.0", {"password_expired": True}, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD"),
    ],
)
def test_soap_logins_that_are_refused(rig: Rig, version: str, change: dict[str, Any], code: str) -> None:
    rig.control("POST", "users", {"username": "sync@example.com", **change})
    answer = _login(rig, version)
    assert answer.status_code == 500
    assert f"<sf:exceptionCode>{code}</sf:exceptionCode>" in answer.text
    assert f"<faultstring>{code}: " in answer.text


@pytest.mark.parametrize("body", [b"", b"<", b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", b"<a/>", b"\xff\xfe<"])
def test_no_envelope_is_a_fault(rig: Rig, body: bytes) -> None:
    answer = rig.session.post(f"{rig.url}/services/Soap/u/59.0", data=body)
    assert answer.status_code == 500
    assert "<sf:exceptionCode>INVALID_TYPE</sf:exceptionCode>" in answer.text


def test_logout_ends_the_session(rig: Rig) -> None:
    found = re.search("<sessionId>([^<]+)<", _login(rig).text)
    assert found is not None
    body = (
        '<se:Envelope xmlns:se="http://schemas.xmlsoap.org/soap/envelope/"><se:Header>'
        f'<SessionHeader xmlns="urn:partner.soap.sforce.com"><sessionId>{found[1]}</sessionId></SessionHeader>'
        "</se:Header>"
        '<se:Body><logout xmlns="urn:partner.soap.sforce.com"/></se:Body></se:Envelope>'
    )
    url = f"{rig.url}/services/Soap/u/59.0"
    assert "<logoutResponse/>" in rig.session.post(url, data=body).text
    headers = {"Authorization": f"Bearer {found[1]}"}
    assert rig.session.get(f"{rig.url}/services/data/v59.0/limits", headers=headers).status_code == 401
    assert "INVALID_SESSION_ID" in rig.session.post(url, data=body).text


def _assertion(rig: Rig, key: rsa.RSAPrivateKey, **change: Any) -> str:
    claims = {
        "iss": "sandbox-client",
        "sub": "sync@example.com",
        "aud": "https://login.salesforce.com",
        # simple-salesforce sends the expiry as text
        "exp": str(int((rig.time.now + timedelta(minutes=3)).timestamp())),
    }
    return jwt.encode({**claims, **change}, key, algorithm="RS256")


def _grant(rig: Rig, assertion: str) -> Any:
    return rig.session.post(f"{rig.url}/services/oauth2/token", data={"grant_type": GRANT, "assertion": assertion})


def test_jwt_bearer_signs_in_once_the_certificate_is_there(rig: Rig, key: rsa.RSAPrivateKey) -> None:
    refused = _grant(rig, _assertion(rig, key))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    rig.control("POST", "users", {"username": "sync@example.com", "certificates": [_public(key)]})
    answer = _grant(rig, _assertion(rig, key))
    assert answer.status_code == 200
    assert answer.json()["access_token"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"iss": "nobody"}, "invalid_client_id"),
        ({"sub": "nobody@example.com"}, "invalid_grant"),
        ({"aud": "https://example.com"}, "invalid_grant"),
        ({"exp": 5}, "invalid_grant"),
        ({"exp": "soon"}, "invalid_grant"),
    ],
)
def test_assertions_that_are_refused(rig: Rig, key: rsa.RSAPrivateKey, change: dict[str, Any], error: str) -> None:
    rig.control("POST", "users", {"username": "sync@example.com", "certificates": [_public(key)]})
    answer = _grant(rig, _assertion(rig, key, **change))
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_an_assertion_of_another_key_is_refused(rig: Rig, key: rsa.RSAPrivateKey) -> None:
    rig.control("POST", "users", {"username": "sync@example.com", "certificates": [_public(key)]})
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert _grant(rig, _assertion(rig, other)).json()["error"] == "invalid_grant"
    assert _grant(rig, "no.token.atall").json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("change", "description"),
    [({"active": False}, "user is inactive"), ({"locked": True}, "user account is locked")],
)
def test_users_that_may_not_sign_in(rig: Rig, change: dict[str, Any], description: str) -> None:
    rig.control("POST", "users", {"username": "sync@example.com", **change})
    form = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    answer = rig.session.post(f"{rig.url}/services/oauth2/token", data=form)
    assert (answer.status_code, answer.json()["error_description"]) == (400, description)


def test_a_deactivated_user_s_open_session_is_refused(rig: Rig) -> None:
    rig.get("limits")
    rig.control("POST", "users", {"username": "sync@example.com", "active": False})
    assert rig.refused("GET", "limits")[:2] == (401, "INVALID_SESSION_ID")
