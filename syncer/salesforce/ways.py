"""The ways to sign in: what each needs, what can't work whatever Salesforce says, and the library's call that it makes.

A new way is one class and a place in WAYS. The connection's form, `manage.py add_sync_user`, the check of a connection
and the sign-in read from there what it needs. The model stores the name and no list, so that no migration is needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
from simple_salesforce.login import SalesforceLogin

from syncer.salesforce import jsontext
from syncer.salesforce.errors import ConfigurationError
from syncer.salesforce.transport import is_loopback

LAST_SOAP_LOGIN = 64  # SOAP login() exists up to API version 64.0 (docs/salesforce.md 1.3)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a way to sign in needs.

    ``secret``: blotted out of every message. ``encrypted``: stored among the encrypted secrets, shown on no page and
    never taken from the command line; otherwise it stands in the sync user's column of this name. ``in_file``: a text
    of many lines, so that the environment names the file that holds it.
    """

    name: str
    label: str
    help: str = ""
    secret: bool = True
    encrypted: bool = True
    in_file: bool = False

    @property
    def words(self) -> str:
        """What messages and questions call it."""
        return self.name.replace("_", " ")

    @property
    def variable(self) -> str:
        """The environment variable that `manage.py add_sync_user` takes it from."""
        return f"SALESFORCE_{self.name.upper()}{'_FILE' if self.in_file else ''}"


CLIENT_ID = Need("client_id", "Client ID (consumer key)", secret=False)
CLIENT_SECRET = Need("client_secret", "Client secret")
USERNAME = Need("username", "User name", help="For JWT and for user name and password.", secret=False, encrypted=False)
PRIVATE_KEY = Need("private_key", "Private key (PEM)", in_file=True)
PASSWORD = Need("password", "Password")
SECURITY_TOKEN = Need("security_token", "Security token")


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to sign in. ``given`` is what is known of NEEDS, by name. The repr shows method and host, nothing given."""

    method: str
    login_url: str
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    api_version: str = "62.0"

    def __getitem__(self, need: Need) -> str:
        return self.given.get(need.name, "")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must never be shown, whichever way they are for."""
        return tuple(self[need] for need in NEEDS if need.secret and self[need])


class SignInWay(ABC):
    """A way to sign in. It asks nobody, so that a session that ran out is renewed by signing in again."""

    name: ClassVar[str]  # as it is stored, and as `manage.py add_sync_user --method` takes it
    label: ClassVar[str]
    needs: ClassVar[tuple[Need, ...]]
    optional: ClassVar[frozenset[Need]] = frozenset()  # those of the needs that may be left out
    api_version: ClassVar[str] = "62.0"  # unless somebody chooses another
    retirement: ClassVar[str] = ""  # a sentence for whoever chooses a way that Salesforce takes away

    def check(self, credentials: Credentials) -> None:
        """ConfigurationError if the credentials can't work, whatever Salesforce says. Sends nothing."""
        missing = [need.words for need in self.needs if need not in self.optional and not credentials[need].strip()]
        if missing:
            raise ConfigurationError(f"To sign in, the connection still needs: {', '.join(missing)}.")

    @abstractmethod
    def call(self, credentials: Credentials, session: Any) -> tuple[Any, Any]:
        """The library's (session id, host), by its SalesforceLogin or token_login. ``session`` sends their one POST to
        the login URL's host, so that ``domain`` has no part in where the request goes."""

    def instance_url(self, credentials: Credentials, answer: requests.Response, host: str) -> str:
        """The address that the answer gives for all calls, not checked yet; ``host`` is what ``call`` gave.

        That of a token answer, which tells scheme and port, unless a way is answered otherwise.
        """
        body = jsontext.loads(answer.content)
        return str(body.get("instance_url") or "") if isinstance(body, dict) else ""


class ClientCredentials(SignInWay):
    """Salesforce Help, "OAuth 2.0 Client Credentials Flow": the app's own user, which only a My Domain knows."""

    name = "client-credentials"
    label = "Client ID and secret (recommended)"
    needs = (CLIENT_ID, CLIENT_SECRET)

    def check(self, credentials: Credentials) -> None:
        super().check(credentials)
        host = urlsplit(credentials.login_url).hostname or ""
        if host.lower() in ("login.salesforce.com", "test.salesforce.com"):
            raise ConfigurationError(
                f"Client ID and secret work at the My Domain URL only (https://acme.my.salesforce.com), not at {host}."
            )

    def call(self, credentials: Credentials, session: Any) -> tuple[Any, Any]:
        return SalesforceLogin(
            session=session,
            domain="my-domain",
            consumer_key=credentials[CLIENT_ID],
            consumer_secret=credentials[CLIENT_SECRET],
        )


class JwtBearer(SignInWay):
    """Salesforce Help, "OAuth 2.0 JWT Bearer Flow": an assertion, signed with the key of a certificate that the app
    knows."""

    name = "jwt"
    label = "JWT bearer (certificate)"
    needs = (CLIENT_ID, USERNAME, PRIVATE_KEY)

    def call(self, credentials: Credentials, session: Any) -> tuple[Any, Any]:
        return SalesforceLogin(
            session=session,
            domain=_audience(credentials.login_url),
            username=credentials[USERNAME],
            consumer_key=credentials[CLIENT_ID],
            privatekey=credentials[PRIVATE_KEY],
        )


def _audience(login_url: str) -> str:
    """The ``domain`` whose URL becomes the assertion's audience: that of production or of sandboxes.

    "OAuth 2.0 JWT Bearer Flow": the audience is https://login.salesforce.com, or https://test.salesforce.com for a
    sandbox, whichever My Domain the request is sent to.
    """
    host = (urlsplit(login_url).hostname or "").lower()
    return "test" if host == "test.salesforce.com" or ".scratch.my." in host or "--" in host else "login"


class UserPassword(SignInWay):
    """SOAP API Developer Guide, "login()": answered in XML, with the host alone."""

    name = "password"
    label = "User name, password and security token (Salesforce retires it)"
    needs = (USERNAME, PASSWORD, SECURITY_TOKEN)
    optional = frozenset({SECURITY_TOKEN})  # a user trusted by IP address has none
    api_version = f"{LAST_SOAP_LOGIN}.0"
    retirement = "Salesforce retires user name and password sign-in (SOAP login) in Summer '27."

    def check(self, credentials: Credentials) -> None:
        super().check(credentials)
        if int(credentials.api_version.partition(".")[0]) > LAST_SOAP_LOGIN:
            raise ConfigurationError(
                f"User name and password work up to API version {LAST_SOAP_LOGIN}.0 only. "
                "Choose an older version, or better: sign in with client ID and secret."
            )

    def call(self, credentials: Credentials, session: Any) -> tuple[Any, Any]:
        return SalesforceLogin(
            session=session,
            username=credentials[USERNAME],
            password=credentials[PASSWORD],
            security_token=escape(credentials[SECURITY_TOKEN]),
            sf_version=credentials.api_version,
        )

    def instance_url(self, credentials: Credentials, answer: requests.Response, host: str) -> str:
        local = is_loopback((urlsplit(f"//{host}").hostname or "").lower())
        return f"{'http' if local and urlsplit(credentials.login_url).scheme == 'http' else 'https'}://{host}"


#: By name, in the order in which people are offered them.
WAYS: Mapping[str, SignInWay] = {way.name: way for way in (ClientCredentials(), JwtBearer(), UserPassword())}
RECOMMENDED = ClientCredentials.name

#: What any of the ways needs, each once.
NEEDS: tuple[Need, ...] = tuple(dict.fromkeys(need for way in WAYS.values() for need in way.needs))
ENCRYPTED_NEEDS = tuple(need for need in NEEDS if need.encrypted)
COLUMN_NEEDS = tuple(need for need in NEEDS if not need.encrypted)


def needed_by(need: Need) -> list[str]:
    """The names of the ways that need it."""
    return [way.name for way in WAYS.values() if need in way.needs]
