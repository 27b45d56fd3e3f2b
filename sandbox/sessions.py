"""Sessions: who holds which access token, until when."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sandbox import ids
from sandbox.errors import SalesforceError, invalid_session

DEFAULT_LIFETIME = timedelta(hours=2)


#: what the address of an instance that an organisation has left answers
MOVES = ("page", "redirect", "not_reset")


@dataclass(slots=True)
class Moved:
    """The organisation has left the instance that a session was made for; ``to`` is its new address, if known."""

    how: str
    to: str = ""


@dataclass(slots=True)
class Session:
    """One signed-in user. It lives on while it is used (session time-out, two hours by default)."""

    token: str
    user_id: str
    issued: datetime
    expires: datetime
    moved: Moved | None = None


@dataclass
class Sessions:
    """The open sessions of the organisation."""

    random: random.Random
    lifetime: timedelta = DEFAULT_LIFETIME
    open: dict[str, Session] = field(default_factory=dict)

    def start(self, user_id: str, organisation: str, now: datetime) -> Session:
        """Sign a user in. The token begins with the organisation's id."""
        secret = "".join(self.random.choices(ids.ALPHABET + "._", k=80))
        self.open = {token: session for token, session in self.open.items() if now < session.expires}
        session = Session(f"{organisation[:15]}!{secret}", user_id, now, now + self.lifetime)
        self.open[session.token] = session
        return session

    def find(self, token: str, now: datetime) -> Session:
        """The session of a token; INVALID_SESSION_ID if it has run out, was revoked or never was."""
        session = self.open.get(token)
        if session is None:
            raise invalid_session()
        if now >= session.expires:
            del self.open[token]
            raise invalid_session()
        session.expires = now + self.lifetime
        return session

    def of_header(self, header: str | None, now: datetime) -> Session:
        """The session of an ``Authorization`` header: ``Bearer`` or ``OAuth`` and the token."""
        scheme, _, token = (header or "").strip().partition(" ")
        if not header or scheme.lower() not in ("bearer", "oauth") or not token:
            raise SalesforceError(401, "INVALID_AUTH_HEADER", "INVALID_AUTH_HEADER") if header else invalid_session()
        return self.find(token.strip(), now)

    def revoke(self, token: str) -> bool:
        """End a session; False if there is none."""
        return self.open.pop(token, None) is not None

    def move(self, user_id: str, moved: Moved) -> int:
        """The address that the user's sessions have is none any more; gives how many they are."""
        left = [session for session in self.open.values() if session.user_id == user_id]
        for session in left:
            session.moved = replace(moved)
        return len(left)

    def end_all(self, user_id: str | None = None) -> int:
        """End every session (of a user); gives how many there were."""
        ended = [token for token, session in self.open.items() if user_id in (None, session.user_id)]
        for token in ended:
            del self.open[token]
        return len(ended)
