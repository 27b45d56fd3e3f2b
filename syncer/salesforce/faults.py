"""What a failed request means: did anything leave, may it have been carried out, does it pass by itself.

The decision is made on what is certain. A refused connection, an unknown host name, a failed TLS handshake: nothing
left. Anything that broke later may have been carried out ("Retryable", docs/salesforce.md 5.2, 5.3).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator

import requests
import urllib3.exceptions

from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.errors import (
    ConfigurationError,
    OutcomeUnknown,
    Refused,
    RequestLimitExceeded,
    SalesforceError,
    TooLarge,
    Unavailable,
    Unreachable,
    one_line,
)
from syncer.salesforce.policies import is_passing_status
from syncer.salesforce.rows import RowError, errors_of

# OpenSSL's reasons that arise in the handshake only, so before any request is sent.
_HANDSHAKE = frozenset(
    {
        "CERTIFICATE_VERIFY_FAILED",
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "NO_CIPHERS_AVAILABLE",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
        "UNKNOWN_PROTOCOL",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)
# Codes after which the same call may well be taken a little later.
_PASSING = frozenset(
    {"QUERY_TIMEOUT", "SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW", EdgeCode.UNAVAILABLE, "UNKNOWN_EXCEPTION"}
)
_NOT_SENT = (
    urllib3.exceptions.NewConnectionError,  # also an unknown host name
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
)


def of_connection(error: requests.RequestException, host: str, *, safe: bool) -> SalesforceError:
    """The exception for a request without an answer. ``safe``: repeating it can't change anything."""
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return ConfigurationError(f"{host} can't be called: the address is not valid.")
    chain = list(_chain(error))
    reason = _reason(chain)
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.ProxyError)) or any(
        isinstance(cause, _NOT_SENT) or _is_handshake(cause) for cause in chain
    ):
        return Unreachable(f"Salesforce could not be reached at {host}: {reason}.")
    text = f"The connection to {host} broke before the answer was complete: {reason}."
    if isinstance(error, requests.Timeout) or any(isinstance(c, urllib3.exceptions.ReadTimeoutError) for c in chain):
        text = f"{host} did not answer in time."
    if safe:
        return Unavailable(text, code=EdgeCode.CONNECTION_LOST)
    return OutcomeUnknown(f"{text} The change may have been saved or not.")


def of_answer(status: int, body: object, host: str, *, safe: bool, secrets: Iterable[str] = ()) -> SalesforceError:
    """The exception for an answered refusal of the whole request."""
    error = errors_of(body, status)[0]
    message = one_line(error.message, secrets) or f"Salesforce answered {status} without a reason."
    if is_daily_limit(error):
        return RequestLimitExceeded(message, code=error.code, http_status=status)
    if error.code == "UNSUPPORTED_API_VERSION" or status == 410:
        return ConfigurationError(
            f"{host} does not offer this API version: {message}", code=error.code, http_status=status
        )
    if status >= 500:
        text = f"{host} answered with the error {status}: {message}"
        if safe:
            return Unavailable(text, code=error.code, http_status=status)
        return OutcomeUnknown(f"{text} The change may have been saved or not.", code=error.code, http_status=status)
    if _sends_elsewhere(status):
        return ConfigurationError(f"{host} sends us elsewhere ({status}). Use the My Domain URL.", http_status=status)
    if is_passing(error):
        return Unavailable(f"{message} ({error.code})", code=error.code, http_status=status)
    return Refused(f"{message} ({error.code})", code=error.code, http_status=status, fields=error.fields)


def of_nonsense(problem: str, host: str, *, safe: bool) -> SalesforceError:
    """The exception for an answer that came but can't be used: cut off, not JSON, of another shape."""
    text = f"The answer of {host} can't be used: {problem}."
    if safe:
        return Unavailable(text, code=EdgeCode.BAD_ANSWER)
    return OutcomeUnknown(f"{text} The change may have been saved or not.")


def of_size(most_bytes: int, host: str, *, safe: bool) -> SalesforceError:
    """The exception for an answer of which the rest was not read, because it is too large."""
    text = f"An answer of {host} is larger than {most_bytes / 1024**2:g} MB."
    return TooLarge(text) if safe else OutcomeUnknown(f"{text} The change may have been saved or not.")


def is_unknown_host(error: requests.RequestException) -> bool:
    """Whether there is no such host (any more)."""
    return any(isinstance(cause, urllib3.exceptions.NameResolutionError) for cause in _chain(error))


def is_address_gone(status: int, body: object) -> bool:
    """Whether a refusal says that the organisation is somewhere else: a redirect, a web page in place of an answer (the
    API itself says "not found" in JSON), or URL_NOT_RESET ("ExceptionCode", SOAP API Developer Guide)."""
    if _sends_elsewhere(status) or (status == 404 and isinstance(body, str)):
        return True
    return errors_of(body, status)[0].code == "URL_NOT_RESET"


def is_concurrent_limit(error: RowError) -> bool:
    """REQUEST_LIMIT_EXCEEDED stands for two limits; that of simultaneous long calls passes in seconds
    (docs/salesforce.md 5.4)."""
    return error.code == "REQUEST_LIMIT_EXCEEDED" and "concurrent" in error.message.lower()


def is_daily_limit(error: RowError) -> bool:
    """Whether the calls of the last 24 hours are used up."""
    return error.code == "REQUEST_LIMIT_EXCEEDED" and not is_concurrent_limit(error)


def is_passing(error: RowError) -> bool:
    """Whether the same request may well be taken a little later."""
    return is_concurrent_limit(error) or error.code in _PASSING or is_passing_status(error.code)


def _sends_elsewhere(status: int) -> bool:
    return 300 <= status < 400 and status not in (300, 304)  # several records, nothing new


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and everything it wraps: requests keeps urllib3's in args, urllib3 keeps its own in ``reason``.

    Not ``__context__``: that may be another call's failure that the caller was just handling.
    """
    todo: list[object] = [error]
    seen: set[int] = set()
    while todo:
        item = todo.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        todo += [*item.args, getattr(item, "reason", None), item.__cause__]


def _is_handshake(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError) and error.reason in _HANDSHAKE


def _reason(chain: list[BaseException]) -> str:
    """The innermost words that help a person: the system's for sockets and certificates."""
    for error in chain:
        if isinstance(error, urllib3.exceptions.NameResolutionError):
            return "the host name is not known"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({error.verify_message})"
        if isinstance(error, ssl.SSLError):
            return f"no encrypted connection came about ({error.reason or 'TLS'})"
    for error in chain:
        if isinstance(error, OSError) and error.strerror and not isinstance(error, requests.RequestException):
            return error.strerror.lower()
    if isinstance(chain[0], requests.ConnectTimeout):
        return "it does not answer"
    return str(chain[-1]).rstrip(".") or type(chain[-1]).__name__
