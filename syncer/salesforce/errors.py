"""What can go wrong, grouped by what the caller does about it; one root, one clear line each."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.policies import POLICIES, Explanation, Policy, Recovery, explain, policy_for

__all__ = [
    "POLICIES",
    "Recovery",
    "ConfigurationError",
    "Explanation",
    "ListLost",
    "OutcomeUnknown",
    "Policy",
    "Refused",
    "RequestLimitExceeded",
    "SalesforceError",
    "SignInRefused",
    "TooLarge",
    "TooLate",
    "Unavailable",
    "Unreachable",
    "explain",
    "one_line",
    "policy_for",
]

LONGEST_MESSAGE = 600
SHORTEST_SECRET = 4  # hiding shorter texts would riddle every message with asterisks


class SalesforceError(Exception):
    """The root. ``str()`` is one line for people, without any secret; ``code`` is Salesforce's or an ``EdgeCode``."""

    default_code: str = EdgeCode.UNKNOWN

    def __init__(self, message: str, *, code: str = "", http_status: int | None = None) -> None:
        self.message = one_line(message)
        self.code = code or self.default_code
        self.http_status = http_status
        super().__init__(self.message)


class ConfigurationError(SalesforceError):
    """The settings can't work (URL, API version, key, method). Nothing was sent, or nothing can ever be answered."""

    default_code: str = EdgeCode.CONFIGURATION


class SignInRefused(SalesforceError):
    """Salesforce refused the sign-in. Never retried by itself: repeated tries lock the user."""

    default_code = EdgeCode.SIGN_IN_REFUSED


class Unreachable(SalesforceError):
    """No connection came about: certainly nothing was done, so anything may be tried again."""

    default_code = EdgeCode.UNREACHABLE


class OutcomeUnknown(SalesforceError):
    """The request left, and no usable answer came: it may have been carried out, also some minutes from now."""

    default_code = EdgeCode.OUTCOME_UNKNOWN


class Unavailable(SalesforceError):
    """A passing fault that outlasted the retries. Nothing was changed by this call."""

    default_code = EdgeCode.UNAVAILABLE


class TooLate(SalesforceError):
    """It was not sent, because too much time had passed since it was decided. Nothing was done."""

    default_code: str = EdgeCode.TOO_LATE


class RequestLimitExceeded(SalesforceError):
    """The organisation's API calls of the last 24 hours are used up. Nothing was done."""

    default_code = "REQUEST_LIMIT_EXCEEDED"


class Refused(SalesforceError):
    """Salesforce answered and refused the request as a whole. ``fields`` are those that it names."""

    default_code = EdgeCode.REFUSED

    def __init__(
        self, message: str, *, code: str = "", http_status: int | None = None, fields: Iterable[str] = ()
    ) -> None:
        super().__init__(message, code=code, http_status=http_status)
        self.fields = tuple(fields)


class ListLost(Refused):
    """The rows behind a page can't be had any more: Salesforce has dropped the list of a query, or its pages lead
    nowhere. Asked anew behind the last row, they can."""


class TooLarge(Refused):
    """The answer has more bytes than are read of one, in the smallest pages, too. Nothing was changed by this call."""

    default_code = EdgeCode.ANSWER_TOO_LARGE


def one_line(text: str, secrets: Iterable[str] = ()) -> str:
    """The text on one line of at most 600 characters, an HTML page reduced to its words, secrets blotted out."""
    for secret in sorted((s for s in secrets if len(s) >= SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(secret, "***")
    if re.match(r"\s*<(!doctype|html|head|body|\?xml)\b", text, re.IGNORECASE):
        text = re.sub(r"<(script|style)\b.*?</\1\s*>", " ", text, flags=re.IGNORECASE | re.DOTALL)
        text = html.unescape(re.sub(r"<[^>]*>", " ", text))
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"
