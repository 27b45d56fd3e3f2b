"""SOAP ``login()`` and ``logout()`` (SOAP API Developer Guide).

``login()`` exists up to version 64.0 only, as Salesforce retires it.

Elements of the result carry no prefix and those of the fault carry ``sf:``, because clients look for them by text.
"""

from __future__ import annotations

import hmac
import re
from html import escape
from xml.etree import ElementTree  # documents with a DTD are refused before they are read

from sandbox.org import Org
from sandbox.wire import Request, Response

LAST_VERSION = 64
_FIRST_VERSION = 41
_PATH = re.compile(r"/services/Soap/([uc])/(\d{1,2})(?:\.0)?(?:/[^/]*)?/?\Z", re.IGNORECASE)
_XML = "text/xml;charset=UTF-8"
_INVALID_LOGIN = "Invalid username, password, security token; or user locked out."


class Fault(Exception):
    """The login is refused."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def answer(org: Org, request: Request) -> Response:
    """POST /services/Soap/u/{version}."""
    try:
        match = _PATH.match(request.path)
        if match is None or request.method != "POST":
            raise Fault("INVALID_TYPE", "No service available for this request")
        version = int(match[2])
        if version < _FIRST_VERSION:
            raise Fault("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")
        root = _envelope(request.content())
        if _find(root, "logout") is not None:
            return _log_out(org, root, match[1])
        login = _find(root, "login")
        if login is None:
            raise Fault("INVALID_TYPE", "No operation available for request")
        if version > LAST_VERSION:
            raise Fault("INVALID_OPERATION", f"SOAP API login() is not available in API version {version}.0")
        found = {_local(node.tag): node.text or "" for node in login}
        user_id = _sign_in(org, found.get("username", ""), found.get("password", ""))
    except Fault as fault:
        return Response.text(_fault_xml(fault), _XML, 500)
    session = org.sessions.start(user_id, org.users.organisation, org.clock.now())
    seconds = int(org.sessions.lifetime.total_seconds())
    return Response.text(_result_xml(org, request, match[1], version, user_id, session.token, seconds), _XML)


def _envelope(body: bytes) -> ElementTree.Element:
    """The message, whatever prefixes it uses."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise Fault("INVALID_TYPE", "A document type declaration is not allowed")
    try:
        return ElementTree.fromstring(body.lstrip())  # noqa: S314 - see above
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Fault("INVALID_TYPE", f"The request could not be read: {error}") from error


def _find(root: ElementTree.Element, name: str) -> ElementTree.Element | None:
    return next((node for node in root.iter() if _local(node.tag) == name), None)


def _log_out(org: Org, root: ElementTree.Element, kind: str) -> Response:
    token = _find(root, "sessionId")
    if token is None or not org.sessions.revoke((token.text or "").strip()):
        raise Fault("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session")
    return Response.text(_enveloped(kind, "<logoutResponse/>"), _XML)


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def _sign_in(org: Org, username: str, password: str) -> str:
    user_id = org.users.by_username(username)
    login = org.users.login(user_id) if user_id else None
    wanted = login.password + login.security_token if login else ""
    if user_id is None or login is None or not hmac.compare_digest(password.encode(), wanted.encode()):
        raise Fault("INVALID_LOGIN", _INVALID_LOGIN)
    if login.locked or not org.users.is_active(user_id):
        raise Fault("INVALID_LOGIN", _INVALID_LOGIN)
    if login.password_expired:
        raise Fault("INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "The user's password has expired, you must reset it.")
    return user_id


def _fault_xml(fault: Fault) -> str:
    message = escape(fault.message)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<soapenv:Body><soapenv:Fault><faultcode>sf:{fault.code}</faultcode>"
        f"<faultstring>{fault.code}: {message}</faultstring><detail>"
        f'<sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>{fault.code}</sf:exceptionCode>'
        f"<sf:exceptionMessage>{message}</sf:exceptionMessage></sf:LoginFault>"
        "</detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )


def _result_xml(org: Org, request: Request, kind: str, version: int, user_id: str, token: str, seconds: int) -> str:
    row = org.users.row(user_id)
    organisation = org.users.organisation
    urls = {each: f"{request.origin}/services/Soap/{each}/{version}.0/{organisation[:15]}" for each in (kind, "m")}
    info = {
        "organizationId": organisation,
        "organizationName": "Sandbox",
        "sessionSecondsValid": seconds,
        "userEmail": row["Email"],
        "userFullName": row["Name"],
        "userId": user_id,
        "userLanguage": row["LanguageLocaleKey"],
        "userLocale": row["LocaleSidKey"],
        "userName": row["Username"],
        "userTimeZone": row["TimeZoneSidKey"],
        "userType": row["UserType"],
    }
    details = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in info.items())
    result = (
        "<loginResponse><result>"
        f"<metadataServerUrl>{escape(urls['m'])}</metadataServerUrl><passwordExpired>false</passwordExpired>"
        f"<sandbox>true</sandbox><serverUrl>{escape(urls[kind])}</serverUrl><sessionId>{escape(token)}</sessionId>"
        f"<userId>{user_id}</userId><userInfo>{details}</userInfo></result></loginResponse>"
    )
    return _enveloped(kind, result)


def _enveloped(kind: str, body: str) -> str:
    namespace = "urn:enterprise.soap.sforce.com" if kind.lower() == "c" else "urn:partner.soap.sforce.com"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="{namespace}">'
        f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
