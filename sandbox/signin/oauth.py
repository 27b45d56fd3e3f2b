"""OAuth 2.0: ``/services/oauth2/*`` (Salesforce Help, "OAuth Authorization Flows").

Errors are objects ``{error, error_description}``, unlike those of the REST API.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any
from urllib.parse import unquote_plus

from sandbox import ids
from sandbox.errors import SalesforceError
from sandbox.org import Org
from sandbox.sessions import Session
from sandbox.signin import jwt
from sandbox.users import CLIENT_ID, CLIENT_SECRET, SYNC_USER
from sandbox.wire import Request, Response

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class OAuthError(Exception):
    """An error of the token resource."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status

    def response(self) -> Response:
        """As it goes over the wire."""
        return Response.json({"error": self.error, "error_description": self.description}, self.status)


def answer(org: Org, request: Request) -> Response:
    """Anything below ``/services/oauth2``."""
    resource = "/".join(request.segments[2:])
    handlers = {
        "token": (token, ("POST",)),
        "userinfo": (userinfo, ("GET", "POST")),
        "revoke": (revoke, ("GET", "POST")),
        "introspect": (introspect, ("POST",)),
    }
    found = handlers.get(resource)
    if found is None:
        return Response.refusal(SalesforceError(404, "NOT_FOUND", "The requested resource does not exist"))
    handler, methods = found
    if request.method not in methods:
        message = f"HTTP Method '{request.method}' not allowed. Allowed are {','.join(methods)}"
        return Response.refusal(SalesforceError(405, "METHOD_NOT_ALLOWED", message))
    try:
        return handler(org, request)
    except OAuthError as error:
        return error.response()


def _form(request: Request) -> dict[str, str]:
    try:
        return {**request.query, **request.form()}
    except SalesforceError as error:
        raise OAuthError("invalid_request", "the request body could not be read") from error


def _client(request: Request, form: dict[str, str], *, secret_needed: bool = True) -> None:
    """The client's id and secret, from the Basic header or the form."""
    client_id, secret = form.get("client_id"), form.get("client_secret")
    header = request.headers.get("authorization", "")
    if header.lower().startswith("basic "):
        try:
            decoded = base64.b64decode(header[6:], validate=True).decode("utf-8")
        except (binascii.Error, ValueError) as error:
            raise OAuthError("invalid_client", "invalid client credentials") from error
        client_id, _, secret = decoded.partition(":")
        client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    if not client_id:
        raise (
            OAuthError("invalid_client_id", "client identifier invalid")
            if client_id is not None
            else OAuthError("invalid_request", "missing required parameter: client_id")
        )
    if not hmac.compare_digest(client_id.encode(), CLIENT_ID.encode()):
        raise OAuthError("invalid_client_id", "client identifier invalid")
    if secret_needed and not hmac.compare_digest((secret or "").encode(), CLIENT_SECRET.encode()):
        raise OAuthError("invalid_client", "invalid client credentials")


def token(org: Org, request: Request) -> Response:
    """POST /services/oauth2/token."""
    form = _form(request)
    grant = form.get("grant_type")
    if not grant:
        raise OAuthError("unsupported_grant_type", "grant type not supported")
    if grant == "client_credentials":
        _client(request, form)
        _check_user(org, SYNC_USER)
        return _granted(org, request, SYNC_USER)
    if grant == "password":
        _client(request, form)
        return _granted(org, request, _by_password(org, form))
    if grant == JWT_GRANT:
        return _granted(org, request, _by_assertion(org, request, form))
    raise OAuthError("unsupported_grant_type", "grant type not supported")


def _check_user(org: Org, user_id: str) -> None:
    if not org.users.is_active(user_id):
        raise OAuthError("inactive_user", "user is inactive")
    if org.users.login(user_id).locked:
        raise OAuthError("invalid_grant", "user account is locked")


def _by_password(org: Org, form: dict[str, str]) -> str:
    """Username and the password with the security token behind it."""
    user_id = org.users.by_username(form.get("username", ""))
    login = org.users.login(user_id) if user_id else None
    given = form.get("password", "")
    if (
        user_id is None
        or login is None
        or not hmac.compare_digest(given.encode(), (login.password + login.security_token).encode())
    ):
        raise OAuthError("invalid_grant", "authentication failure")
    _check_user(org, user_id)
    if login.password_expired:
        raise OAuthError("invalid_grant", "expired password")
    return user_id


def _by_assertion(org: Org, request: Request, form: dict[str, str]) -> str:
    try:
        claims = jwt.verify(form.get("assertion", ""), org, request.origin)
    except jwt.BadAssertion as error:
        raise OAuthError(error.error, str(error)) from error
    user_id = org.users.by_username(claims.subject)
    if user_id is None:
        raise OAuthError("invalid_grant", "user hasn't approved this consumer")
    _check_user(org, user_id)
    return user_id


def _identity_url(org: Org, request: Request, user_id: str) -> str:
    return f"{request.origin}/id/{org.users.organisation}/{user_id}"


def _granted(org: Org, request: Request, user_id: str) -> Response:
    session = org.sessions.start(user_id, org.users.organisation, org.clock.now())
    issued = str(int(org.clock.now().timestamp() * 1000))
    identity = _identity_url(org, request, user_id)
    signature = base64.b64encode(
        hmac.new(CLIENT_SECRET.encode(), (identity + issued).encode(), hashlib.sha256).digest()
    ).decode()
    return Response.json(
        {
            "access_token": session.token,
            "signature": signature,
            "scope": "id api",
            "instance_url": request.origin,
            "id": identity,
            "token_type": "Bearer",
            "issued_at": issued,
            "api_instance_url": request.origin,
        }
    )


def _session(org: Org, request: Request) -> Session | None:
    try:
        return org.sessions.of_header(request.headers.get("authorization"), org.clock.now())
    except SalesforceError:
        return None


def userinfo(org: Org, request: Request) -> Response:
    """GET /services/oauth2/userinfo: the OpenID Connect claims."""
    session = _session(org, request)
    if session is None:
        return Response.text("Bad_OAuth_Token", "text/html;charset=UTF-8", 403)
    row = org.users.row(session.user_id)
    origin = request.origin
    rest = f"{origin}/services/data/v{{version}}/"
    organisation = org.users.organisation[:15]
    info: dict[str, Any] = {
        "sub": _identity_url(org, request, session.user_id),
        "user_id": session.user_id,
        "organization_id": org.users.organisation,
        "preferred_username": row["Username"],
        "nickname": row["CommunityNickname"],
        "name": row["Name"],
        "email": row["Email"],
        "email_verified": True,
        "given_name": row["FirstName"],
        "family_name": row["LastName"],
        "zoneinfo": row["TimeZoneSidKey"],
        "photos": {"picture": f"{origin}/profilephoto/005/F", "thumbnail": f"{origin}/profilephoto/005/T"},
        "profile": f"{origin}/{session.user_id}",
        "picture": f"{origin}/profilephoto/005/F",
        "address": {},
        "urls": {
            "enterprise": f"{origin}/services/Soap/c/{{version}}/{organisation}",
            "metadata": f"{origin}/services/Soap/m/{{version}}/{organisation}",
            "partner": f"{origin}/services/Soap/u/{{version}}/{organisation}",
            "rest": rest,
            "sobjects": f"{rest}sobjects/",
            "search": f"{rest}search/",
            "query": f"{rest}query/",
            "recent": f"{rest}recent/",
            "tooling_soap": f"{origin}/services/Soap/T/{{version}}/{organisation}",
            "tooling_rest": f"{rest}tooling/",
            "profile": f"{origin}/{session.user_id}",
            "feeds": f"{rest}chatter/feeds",
            "groups": f"{rest}chatter/groups",
            "users": f"{rest}chatter/users",
            "feed_items": f"{rest}chatter/feed-items",
            "feed_elements": f"{rest}chatter/feed-elements",
            "custom_domain": origin,
        },
        "active": bool(row["IsActive"]),
        "user_type": row["UserType"].upper(),
        "language": row["LanguageLocaleKey"],
        "locale": row["LocaleSidKey"],
        "utcOffset": 0,
        "updated_at": row["SystemModstamp"],
    }
    return Response.json(info)


def identity(org: Org, request: Request) -> Response:
    """GET /id/{organisation}/{user}: the identity URL that a token answer names."""
    session = _session(org, request)
    parts = [ids.long_form(part) for part in request.segments[1:3]]
    if session is None:
        return Response.text("Bad_OAuth_Token", "text/html;charset=UTF-8", 403)
    if parts != [org.users.organisation, session.user_id]:
        return Response.text("Bad_Id", "text/html;charset=UTF-8", 403)
    row = org.users.row(session.user_id)
    return Response.json(
        {
            "id": _identity_url(org, request, session.user_id),
            "asserted_user": True,
            "user_id": session.user_id,
            "organization_id": org.users.organisation,
            "username": row["Username"],
            "nick_name": row["CommunityNickname"],
            "display_name": row["Name"],
            "email": row["Email"],
            "first_name": row["FirstName"],
            "last_name": row["LastName"],
            "timezone": row["TimeZoneSidKey"],
            "active": bool(row["IsActive"]),
            "user_type": row["UserType"].upper(),
            "language": row["LanguageLocaleKey"],
            "locale": row["LocaleSidKey"],
            "utcOffset": 0,
            "last_modified_date": row["LastModifiedDate"],
            "is_app_installed": True,
        }
    )


def revoke(org: Org, request: Request) -> Response:
    """POST /services/oauth2/revoke with token=…"""
    if not org.sessions.revoke(_form(request).get("token", "")):
        raise OAuthError("invalid_token", "invalid token: token not found")
    return Response.empty(200)


def introspect(org: Org, request: Request) -> Response:
    """POST /services/oauth2/introspect: whether a token is still good."""
    form = _form(request)
    _client(request, form)
    try:
        session = org.sessions.find(form.get("token", ""), org.clock.now())
    except SalesforceError:
        return Response.json({"active": False})
    return Response.json(
        {
            "active": True,
            "scope": "id api",
            "client_id": CLIENT_ID,
            "username": org.users.row(session.user_id)["Username"],
            "sub": _identity_url(org, request, session.user_id),
            "token_type": "access_token",
            "exp": int(session.expires.timestamp()),
            "iat": int(session.issued.timestamp()),
            "nbf": int(session.issued.timestamp()),
        }
    )
