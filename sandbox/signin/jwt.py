"""JWT bearer assertions (RFC 7523; Salesforce Help, "OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration").

The user's certificates (PEM, or a bare public key) are set by the control path; without any, no assertion is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from sandbox.org import Org
from sandbox.users import CLIENT_ID

_SKEW = 180
_AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


class BadAssertion(Exception):
    """The assertion is refused."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified assertion says."""

    subject: str


def public_key(pem: str) -> Any:
    """The key in a certificate or a public key. Raises ValueError."""
    try:
        if "CERTIFICATE" in pem:
            return x509.load_pem_x509_certificate(pem.encode()).public_key()
        return serialization.load_pem_public_key(pem.encode())
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error


def verify(assertion: str, org: Org, origin: str) -> Claims:
    """Check issuer, audience, expiry and signature."""
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise BadAssertion("invalid_grant", "invalid assertion") from error
    if claims.get("iss") != CLIENT_ID:
        raise BadAssertion("invalid_client_id", "client identifier invalid")
    audience = claims.get("aud")
    wanted = {*_AUDIENCES, origin, origin.replace("http://", "https://", 1)}
    if not isinstance(audience, str) or audience.rstrip("/") not in wanted:
        raise BadAssertion("invalid_grant", "audience is invalid")
    try:
        # simple-salesforce sends the expiry as text
        expires = float(claims.get("exp", "nan"))
    except (TypeError, ValueError) as error:
        raise BadAssertion("invalid_grant", "expired authorization code") from error
    now = org.clock.now().timestamp()
    if not now - _SKEW < expires < now + 2 * _SKEW:
        raise BadAssertion("invalid_grant", "expired authorization code")
    subject = str(claims.get("sub") or claims.get("prn") or "")
    user_id = org.users.by_username(subject)
    certificates = org.users.login(user_id).certificates if user_id else []
    if not any(_signed_by(assertion, pem) for pem in certificates):
        raise BadAssertion(
            "invalid_grant", "user hasn't approved this consumer" if not certificates else "invalid assertion"
        )
    return Claims(subject)


def _signed_by(assertion: str, pem: str) -> bool:
    try:
        jwt.decode(
            assertion,
            public_key(pem),
            algorithms=["RS256"],
            options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, ValueError):
        return False
    return True
