from __future__ import annotations

import base64
import traceback
from datetime import UTC, datetime
from urllib.parse import parse_qs

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from syncer.salesforce.errors import (
    ConfigurationError,
    RequestLimitExceeded,
    SignInRefused,
    Unavailable,
    Unreachable,
)
from syncer.salesforce.signin import check, sign_in
from syncer.salesforce.transport import open_session
from syncer.salesforce.ways import Credentials
from tests.salesforce.server import Say, Scripted

NOW = datetime(2026, 11, 22, tzinfo=UTC)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()

SOAP_OK = """<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope
 xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><soapenv:Body>
<loginResponse><result><passwordExpired>false</passwordExpired><serverUrl>{url}/services/Soap/u/62.0/00D000000000001
</serverUrl><sessionId>soap-session</sessionId><userId>005000000000001AAA</userId><userInfo>
<organizationId>00D000000000001EAA</organizationId></userInfo></result></loginResponse></soapenv:Body></soapenv:Envelope>"""
SOAP_FAULT = """<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope
 xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body>
<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{code}: no</faultstring><detail><sf:LoginFault>
<sf:exceptionCode>{code}</sf:exceptionCode><sf:exceptionMessage>Invalid username, password, security token; or user
 locked out.</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"""


def by_password(server: Scripted, version: str = "62.0") -> Credentials:
    return Credentials(
        "password",
        server.url,
        {"username": "a&b@example.com", "password": "p<ss&word", "security_token": "T0k<n"},
        version,
    )


def test_client_credentials_open_a_session(
    server: Scripted, session: requests.Session, credentials: Credentials
) -> None:
    opened = sign_in(credentials, session, now=lambda: NOW)
    assert (opened.access_token, opened.instance_url, opened.signed_in_at) == ("token-1", server.url, NOW)
    assert (opened.user_id, opened.organisation_id) == ("005000000000001AAA", "00D000000000001EAA")
    asked = server.seen[0]
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"the-key:the-secret").decode()
    assert parse_qs(asked.body.decode()) == {"grant_type": ["client_credentials"]}


def test_a_jwt_bearer_opens_a_session(server: Scripted, session: requests.Session) -> None:
    user = "o'neil&co@example.com"
    credentials = Credentials("jwt", server.url, {"client_id": "the-key", "username": user, "private_key": PEM})
    assert sign_in(credentials, session).access_token == "token-1"
    form = parse_qs(server.seen[0].body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    claims = jwt.decode(
        form["assertion"][0], KEY.public_key(), algorithms=["RS256"], audience="https://login.salesforce.com"
    )
    assert (claims["iss"], claims["sub"]) == ("the-key", user)


def test_a_password_opens_a_session_by_soap(server: Scripted, session: requests.Session) -> None:
    server.sign_ins.append(Say(200, SOAP_OK.format(url=server.url).encode(), {"Content-Type": "text/xml"}))
    opened = sign_in(by_password(server), session)
    assert (opened.access_token, opened.instance_url) == ("soap-session", server.url)
    assert (opened.user_id, opened.organisation_id) == ("005000000000001AAA", "00D000000000001EAA")
    assert server.seen[0].path == "/services/Soap/u/62.0"
    assert b"<n1:username>a&amp;b@example.com<" in server.seen[0].body
    assert b"<n1:password>p&lt;ss&amp;wordT0k&lt;n<" in server.seen[0].body


@pytest.mark.parametrize(
    "code", ["INVALID_LOGIN", "INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "LOGIN_MUST_USE_SECURITY_TOKEN"]
)
def test_a_soap_refusal_keeps_its_code(server: Scripted, session: requests.Session, code: str) -> None:
    server.sign_ins.append(Say(500, SOAP_FAULT.format(code=code).encode(), {"Content-Type": "text/xml"}))
    with pytest.raises(SignInRefused) as caught:
        sign_in(by_password(server), session)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_a_wrong_secret_is_refused_in_one_clear_line(
    server: Scripted, session: requests.Session, credentials: Credentials
) -> None:
    server.sign_ins.append(Say(400, {"error": "invalid_client", "error_description": "invalid client credentials"}))
    with pytest.raises(SignInRefused) as caught:
        sign_in(credentials, session)
    assert str(caught.value) == "Salesforce refused the sign-in: invalid client credentials (invalid_client)"
    assert (caught.value.code, caught.value.http_status) == ("invalid_client", 400)


def test_an_app_that_is_not_approved_is_refused_without_a_warning(
    server: Scripted, session: requests.Session, credentials: Credentials
) -> None:
    text = "user hasn't approved this consumer"
    server.sign_ins.append(Say(400, {"error": "invalid_grant", "error_description": text}))
    with pytest.raises(SignInRefused, match=text):
        sign_in(credentials, session)


@pytest.mark.parametrize(
    "say",
    [
        Say(503, "<html><body>Down for maintenance</body></html>"),
        Say(500, {"error": "server_error", "error_description": "x"}),
        Say(400, {"error": "unknown_error", "error_description": "retry your request"}),
        Say(503, [{"errorCode": "SERVER_UNAVAILABLE", "message": "x"}]),
        Say(200, "<html>Welcome to the hotel's network</html>"),
        Say(200, {"token_type": "Bearer"}),
        Say(200, {"access_token": "x"}),
        Say(200, {"access_token": 5, "instance_url": "https://acme.my.salesforce.com"}),
        Say(200, [1]),
        Say(200, 5),
        Say(200, b"[" * 100_000),
        Say(200, {"access_token": "x", "instance_url": "y"}, truncate=True),
        Say(drop=True),
    ],
)
def test_an_answer_that_tells_nothing_about_the_secret_passes(
    server: Scripted, session: requests.Session, credentials: Credentials, say: Say
) -> None:
    server.sign_ins.append(say)
    with pytest.raises(Unavailable):
        sign_in(credentials, session)


@pytest.mark.parametrize(
    "say", [Say(401, "<html>no</html>"), Say(403, "<html>no</html>"), Say(400, [{"errorCode": "X"}])]
)
def test_any_other_refusal_is_not_tried_again(
    server: Scripted, session: requests.Session, credentials: Credentials, say: Say
) -> None:
    server.sign_ins.append(say)
    with pytest.raises(SignInRefused):
        sign_in(credentials, session)


class AsWithSimplejson(requests.exceptions.InvalidJSONError, ValueError):
    """What requests raises for an answer that is no JSON where simplejson is installed: not json's own error."""


@pytest.mark.parametrize(("status", "error"), [(401, SignInRefused), (200, Unavailable)])
def test_an_answer_without_json_means_the_same_where_requests_reads_with_simplejson(
    server: Scripted, session: requests.Session, credentials: Credentials, status: int, error: type[Exception]
) -> None:
    def refuse(**kwargs: object) -> None:
        raise AsWithSimplejson("Expecting value")

    def read_with_simplejson(answer: requests.Response, **kwargs: object) -> None:
        vars(answer)["json"] = refuse

    session.hooks["response"].append(read_with_simplejson)
    server.sign_ins.append(Say(status, "<html>no</html>"))
    with pytest.raises(error) as caught:
        sign_in(credentials, session)
    assert "broke before" not in str(caught.value)


def test_a_used_up_limit_is_not_a_wrong_password(
    server: Scripted, session: requests.Session, credentials: Credentials
) -> None:
    body = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]
    server.sign_ins.append(Say(403, body))
    with pytest.raises(RequestLimitExceeded):
        sign_in(credentials, session)


@pytest.mark.parametrize(
    "instance", ["https://evil.example", "http://acme.my.salesforce.com", "https://a@b.salesforce.com"]
)
def test_a_token_for_a_strange_host_is_refused(
    server: Scripted, session: requests.Session, credentials: Credentials, instance: str
) -> None:
    server.sign_ins.append(server.token("x", instance_url=instance))
    with pytest.raises(ConfigurationError):
        sign_in(credentials, session)


def test_the_credentials_do_not_follow_a_redirect(
    server: Scripted, session: requests.Session, credentials: Credentials
) -> None:
    server.sign_ins.append(Say(307, {}, {"Location": server.url + "/elsewhere"}))
    with pytest.raises(ConfigurationError, match="My Domain URL"):
        sign_in(credentials, session)
    assert len(server.seen) == 1


def test_a_server_that_does_not_listen_is_named(server: Scripted) -> None:
    server.close()
    with open_session(server.url) as session, pytest.raises(Unreachable, match=r"127\.0\.0\.1:\d+: connection refused"):
        sign_in(Credentials("client-credentials", server.url, {"client_id": "a", "client_secret": "b"}), session)


def test_a_host_that_does_not_exist_is_named() -> None:
    url = "https://no-such-host.invalid"
    credentials = Credentials("client-credentials", url, {"client_id": "a", "client_secret": "b"})
    with open_session(url, allowed_hosts=["no-such-host.invalid"]) as session:
        session.trust_env = False
        with pytest.raises(Unreachable, match="no-such-host.invalid"):
            sign_in(credentials, session, allowed_hosts=["no-such-host.invalid"])


@pytest.mark.parametrize(
    "changes",
    [
        {"login_url": "http://acme.my.salesforce.com"},
        {"login_url": "https://login.salesforce.com"},
        {"login_url": "https://evil.example"},
        {"api_version": "v62.0"},
        {"api_version": "31.0"},
        {"api_version": "62.0/../.."},
        {"client_secret": " "},
        {"client_id": ""},
        {"method": "magic"},
        {"method": "jwt"},
        {"method": "password"},
        {"method": "password", "username": "u", "password": "p", "api_version": "65.0"},
    ],
)
def test_settings_that_cannot_work_send_nothing(server: Scripted, changes: dict[str, str]) -> None:
    given = {"client_id": "a", "client_secret": "b"} | changes
    method = given.pop("method", "client-credentials")
    login_url = given.pop("login_url", server.url)
    version = given.pop("api_version", "62.0")
    with pytest.raises(ConfigurationError):
        check(Credentials(method, login_url, given, version))


def test_a_key_that_is_none_is_named(server: Scripted, session: requests.Session) -> None:
    for key in ("nonsense", PEM[:300]):
        with pytest.raises(ConfigurationError, match="private key can't be used"):
            sign_in(Credentials("jwt", server.url, {"client_id": "a", "username": "u", "private_key": key}), session)
    assert server.seen == []


def test_no_secret_is_ever_shown(server: Scripted, session: requests.Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "syncer")
    credentials = Credentials(
        "client-credentials",
        server.url,
        {"client_id": "the-key", "client_secret": "the-secret", "password": "hunter2222"},
    )
    assert "the-" not in repr(credentials)
    assert "hunter" not in repr(credentials)
    assert "token-1" not in repr(sign_in(credentials, session))
    server.sign_ins.append(Say(400, {"error": "invalid_client", "error_description": "the-secret is wrong"}))
    with pytest.raises(SignInRefused) as caught:
        sign_in(credentials, session)
    assert "the-secret" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    assert "the-secret" not in caplog.text
    assert "token-1" not in caplog.text
