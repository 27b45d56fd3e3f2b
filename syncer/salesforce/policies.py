"""One table: Salesforce's code → what the sync does next, and the cause and remedy in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.rows import RowError


class Recovery(Enum):
    """What the engine does with a row or call that was refused."""

    RETRY_SOON = "retry soon"  # passes by itself: again in this cycle, with backoff
    RETRY_LATER = "retry later"  # an automation failed: next cycles, then nightly
    WAIT_FOR_CHANGE = "wait for change"  # the same data will be refused again
    ASK_LESS = "ask less"  # a query for fewer fields may be carried out
    REFRESH_FIELDS = "refresh fields"  # the describe is out of date: read it, repeat without the field
    GONE = "gone"  # the record is no longer what it was: find out (deleted, merged, converted)
    STOP_FOR_LIMIT = "stop for limit"  # the day's API calls are used up
    PAUSE = "pause"  # nothing works until a person changes something


@dataclass(frozen=True, slots=True)
class Policy:
    """Texts may hold {fields} {field} {value} {n} {max} {links} {time} {code}; `explain` fills them."""

    recovery: Recovery
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why it was refused, and what to do: two short plain texts."""

    cause: str
    remedy: str


_LOCKED = "Nothing to do: we try again by ourselves (next {time})."
_SOON = "Salesforce was busy or down for a moment."
_ACCESS = Policy(
    Recovery.WAIT_FOR_CHANGE,
    "The sync user may not edit this record, owner or field.",
    "Admin: give Edit on {fields} or share the record. Or set the field to receive-only.",
)
_AUTOMATION = Policy(
    Recovery.RETRY_LATER,
    "An automation in Salesforce failed while saving.",
    "Send the admin this message. We retry at night.",
)
_TOO_MUCH = Policy(
    Recovery.ASK_LESS,
    "Salesforce finds what is asked for too complicated or too long.",
    "Nothing to do: fewer fields are asked for at a time. If that does not help, the admin simplifies the formulas.",
)
_FIELDS = Policy(
    Recovery.REFRESH_FIELDS,
    "Salesforce no longer shows {fields} to the sync user, or it was renamed or deleted.",
    "Nothing to do: the field list is read again. If the field should sync, the admin gives access to it.",
)
_SIGN_IN = Policy(
    Recovery.PAUSE,
    "Sign-in refused.",
    "Check that the app has a Run-As user and that the My Domain URL is right; we don't try again by ourselves.",
)
_PASSING = Policy(Recovery.RETRY_SOON, _SOON, _LOCKED)
_CONVERTED = Policy(
    Recovery.GONE,
    "This lead was converted in Salesforce; we are finding out to which contact.",
    "Nothing to do.",
)
_DELETED = Policy(Recovery.GONE, "Deleted or merged in Salesforce; we are finding out which.", "Nothing to do.")
_EMAIL = Policy(
    Recovery.WAIT_FOR_CHANGE,
    'Salesforce does not accept "{value}" as an e-mail address.',
    "Correct it; look for spaces, commas, a missing dot.",
)
_STATE_COUNTRY = Policy(
    Recovery.WAIT_FOR_CHANGE,
    '"{value}" is not in Salesforce\'s list, or the state does not belong to that country.',
    "Pick from the list, or ask the admin to add it.",
)
_PICKLIST = Policy(
    Recovery.WAIT_FOR_CHANGE,
    '"{value}" is not allowed in {field}.',
    "Choose an allowed value, or ask the admin to add it to the field (and record type).",
)
_TYPE = Policy(
    Recovery.WAIT_FOR_CHANGE,
    '"{value}" does not fit the type of {field} in Salesforce.',
    "Correct the value.",
)
_REFERENCE = Policy(
    Recovery.WAIT_FOR_CHANGE,
    "{fields} names a record that Salesforce does not know or that the sync user may not see.",
    "Choose another owner or record, or ask the admin to share it.",
)
_STORAGE = Policy(
    Recovery.PAUSE,
    "The Salesforce organisation's data storage is full.",
    "Admin: free storage in Salesforce, then Resume.",
)
_DISABLED = Policy(
    Recovery.PAUSE,
    "This Salesforce organisation or user may not use the API.",
    "Admin: enable the API permission for the sync user (or the API for the organisation's edition).",
)
_DUPLICATE_VALUE = Policy(
    Recovery.WAIT_FOR_CHANGE,
    "Another record in Salesforce already has this unique value: {links}.",
    "Link to that record, or correct the value.",
)

POLICIES: dict[str, Policy] = {
    # Data that Salesforce refuses
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": Policy(
        Recovery.WAIT_FOR_CHANGE,
        "A validation rule of your Salesforce refused this. The text is your admin's.",
        "Correct the named field, or ask the admin to exempt the sync user. Then Retry.",
    ),
    "REQUIRED_FIELD_MISSING": Policy(
        Recovery.WAIT_FOR_CHANGE,
        "Salesforce needs {fields}; they are empty here.",
        "Fill them in. For new leads a default last name / company can be set in Settings.",
    ),
    "FIELD_INTEGRITY_EXCEPTION": _STATE_COUNTRY,
    "DUPLICATES_DETECTED": Policy(
        Recovery.WAIT_FOR_CHANGE,
        "A duplicate rule found {n} similar records: {links}.",
        "Link to one, merge in Salesforce, or allow saving when the rule only warns.",
    ),
    "DUPLICATE_VALUE": _DUPLICATE_VALUE,
    "DUPLICATE_EXTERNAL_ID": Policy(
        Recovery.WAIT_FOR_CHANGE,
        "More than one record in Salesforce carries this external id: {links}.",
        "Merge them in Salesforce, or make the external id field unique.",
    ),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": _PICKLIST,
    "STRING_TOO_LONG": Policy(
        Recovery.WAIT_FOR_CHANGE,
        "{field} has {n} characters; Salesforce takes {max}.",
        "Shorten it. We never cut text.",
    ),
    "INVALID_EMAIL_ADDRESS": _EMAIL,
    "NUMBER_OUTSIDE_VALID_RANGE": Policy(
        Recovery.WAIT_FOR_CHANGE,
        "{value} is too large or too small for {field}.",
        "Correct the number, or ask the admin to widen the field.",
    ),
    "INVALID_TYPE_ON_FIELD_IN_RECORD": _TYPE,
    "JSON_PARSER_ERROR": _TYPE,
    "QUERY_TOO_COMPLICATED": _TOO_MUCH,
    "MALFORMED_QUERY": _TOO_MUCH,  # ours are well formed: it is longer than a statement may be
    "URI_TOO_LONG": _TOO_MUCH,
    "REQUEST_HEADER_FIELDS_TOO_LARGE": _TOO_MUCH,
    "HTTP_414": _TOO_MUCH,
    "HTTP_431": _TOO_MUCH,
    "MALFORMED_ID": Policy(
        Recovery.WAIT_FOR_CHANGE, '"{value}" is not an id of the right kind for {field}.', "Choose another record."
    ),
    "INACTIVE_OWNER_OR_USER": Policy(
        Recovery.WAIT_FOR_CHANGE,
        "The owner is an inactive Salesforce user.",
        "Choose an active owner, or ask the admin to activate the user.",
    ),
    "INVALID_CROSS_REFERENCE_TYPE_FOR_FIELD": _REFERENCE,
    "FIELD_FILTER_VALIDATION_EXCEPTION": Policy(
        Recovery.WAIT_FOR_CHANGE,
        "The lookup filter of {fields} in Salesforce excludes this record.",
        "Choose another record, or ask the admin about the filter.",
    ),
    # Access
    "INSUFFICIENT_ACCESS": _ACCESS,
    "INSUFFICIENT_ACCESS_OR_READONLY": _ACCESS,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": _ACCESS,
    "CANNOT_UPDATE_CONVERTED_LEAD": _CONVERTED,
    "INVALID_FIELD_FOR_INSERT_UPDATE": Policy(Recovery.REFRESH_FIELDS, _ACCESS.cause, _ACCESS.remedy),
    "INVALID_FIELD": _FIELDS,
    "INVALID_TYPE": Policy(
        Recovery.REFRESH_FIELDS,
        "Salesforce does not show this object to the sync user.",
        "Admin: give the sync user Read on the object.",
    ),
    # The record is not what it was
    "ENTITY_IS_DELETED": _DELETED,
    "INVALID_CROSS_REFERENCE_KEY": Policy(
        Recovery.GONE,
        "Salesforce no longer knows this record, or no longer shows it to the sync user.",
        "Nothing to do.",
    ),
    "NOT_FOUND": Policy(
        Recovery.GONE,
        "Salesforce does not know what was asked for, or does not show it to the sync user.",
        "Nothing to do.",
    ),
    # Automations
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": _AUTOMATION,
    "CANNOT_EXECUTE_FLOW_TRIGGER": _AUTOMATION,
    "APEX_ERROR": _AUTOMATION,
    "LIMIT_EXCEEDED": Policy(
        Recovery.RETRY_LATER,
        "The request was too large for Salesforce, or an automation there reached a limit.",
        "Nothing to do: we try again with fewer records.",
    ),
    # Passing faults
    "UNABLE_TO_LOCK_ROW": Policy(
        Recovery.RETRY_SOON, "Somebody or something else was saving the same record.", _LOCKED
    ),
    "SERVER_UNAVAILABLE": _PASSING,
    "UNKNOWN_EXCEPTION": _PASSING,
    EdgeCode.UNAVAILABLE: _PASSING,
    "QUERY_TIMEOUT": Policy(Recovery.RETRY_SOON, "Salesforce took too long to answer.", _LOCKED),
    "OPERATION_TOO_LARGE": Policy(
        Recovery.RETRY_LATER,
        "Salesforce found the request too large.",
        "Nothing to do: we try again with less at a time.",
    ),
    "CONCURRENT_REQUEST_LIMIT": Policy(
        Recovery.RETRY_SOON, "Too many long requests ran in Salesforce at the same moment.", _LOCKED
    ),
    "INVALID_SESSION_ID": Policy(Recovery.RETRY_SOON, "The sign-in to Salesforce had expired.", _LOCKED),
    "INVALID_QUERY_LOCATOR": Policy(Recovery.RETRY_SOON, "Salesforce dropped the list while it was read.", _LOCKED),
    "PROCESSING_HALTED": Policy(Recovery.RETRY_SOON, "An earlier part of the same request failed.", _LOCKED),
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": Policy(
        Recovery.RETRY_SOON, "Another record of the same request failed.", _LOCKED
    ),
    EdgeCode.UNREACHABLE: Policy(Recovery.RETRY_SOON, "Salesforce could not be reached.", _LOCKED),
    EdgeCode.TOO_LATE: Policy(
        Recovery.RETRY_SOON, "The computer stood still before the change could leave; nothing was sent.", _LOCKED
    ),
    EdgeCode.OUTCOME_UNKNOWN: Policy(
        Recovery.RETRY_LATER,
        "The connection broke before Salesforce answered: the change may have been saved or not.",
        "Nothing to do: we look it up before anything is tried again.",
    ),
    # The whole connection
    "REQUEST_LIMIT_EXCEEDED": Policy(
        Recovery.STOP_FOR_LIMIT,
        "All of today's API calls are used (by all apps).",
        "We go on when it frees up.",
    ),
    "STORAGE_LIMIT_EXCEEDED": _STORAGE,
    "API_DISABLED_FOR_ORG": _DISABLED,
    "API_CURRENTLY_DISABLED": _DISABLED,
    EdgeCode.CONFIGURATION: Policy(Recovery.PAUSE, "The connection's settings can't work.", "Correct them, then Test."),
    EdgeCode.SIGN_IN_REFUSED: _SIGN_IN,
    "invalid_grant": _SIGN_IN,
    "invalid_client": _SIGN_IN,
    "invalid_client_id": _SIGN_IN,
    "INVALID_LOGIN": _SIGN_IN,
    "INVALID_OPERATION_WITH_EXPIRED_PASSWORD": Policy(
        Recovery.PAUSE, "The sync user's password has expired.", "Set a new password in Salesforce and enter it here."
    ),
    "UNSUPPORTED_API_VERSION": Policy(
        Recovery.PAUSE, "Salesforce does not offer this API version.", "Choose another API version in the connection."
    ),
}

_DEFAULT = Policy(
    Recovery.WAIT_FOR_CHANGE,
    "Salesforce refused this ({code}).",
    "Salesforce's own words stand beside this; correct the data or show them to the admin. Then Retry.",
)
_GENERAL_INTEGRITY = Policy(
    Recovery.WAIT_FOR_CHANGE,
    '"{value}" does not agree with other data in Salesforce.',
    "Correct {fields}, or show the message to the admin.",
)
_WARN_ONLY = " It only warns people, but refuses programs."


def is_passing_status(code: str) -> bool:
    """Whether it stands for an HTTP status without a code of Salesforce's, after which the same call may be taken."""
    return re.fullmatch(r"HTTP_(5\d\d|408|429)", code) is not None


def policy_for(code: str) -> Policy:
    """The policy of a code; related codes share one (INSUFFICIENT_ACCESS…, HTTP_5xx); unknown ones wait."""
    if code in POLICIES:
        return POLICIES[code]
    if code.startswith("INSUFFICIENT_ACCESS"):
        return _ACCESS
    if is_passing_status(code):
        return _PASSING
    if code.startswith(("QUERY_LOCATOR", "INVALID_QUERY_LOCATOR")):
        return POLICIES["INVALID_QUERY_LOCATOR"]
    return _DEFAULT


def explain(
    error: RowError,
    sent: Mapping[str, object],
    labels: Mapping[str, str] | None = None,
    lengths: Mapping[str, int] | None = None,
    time: str = "",
) -> Explanation:
    """Cause and remedy with what is known filled in: the fields by their labels, the value sent, lengths. Never raises.

    sent: the values of the row by field name; labels and lengths: from the describe; time: of the next try.
    """
    policy = policy_for(error.code)
    if error.code == "FIELD_INTEGRITY_EXCEPTION" and not _is_about_place(error):
        policy = _GENERAL_INTEGRITY
    known = _known(error, sent, labels or {}, lengths or {}, time)
    cause = _fill(policy.cause, known)
    if error.code == "DUPLICATES_DETECTED" and error.warn_only:
        cause += _WARN_ONLY
    return Explanation(cause, _fill(policy.remedy, known))


def _is_about_place(error: RowError) -> bool:
    about = " ".join((*error.fields, error.message)).lower()
    return "state" in about or "country" in about


def _known(
    error: RowError, sent: Mapping[str, object], labels: Mapping[str, str], lengths: Mapping[str, int], time: str
) -> dict[str, str]:
    fields = error.fields
    if not fields and (listed := re.search(r"missing: \[([\w, .]+)\]", error.message)):
        fields = tuple(name.strip() for name in listed[1].split(","))
    names = [labels.get(name, name) for name in fields]
    value = sent.get(fields[0]) if fields else None
    longest = re.search(r"max length=(\d+)", error.message)
    count = str(len(error.duplicates)) if error.duplicates else "some"
    if error.code == "STRING_TOO_LONG":
        count = str(len(value)) if isinstance(value, str) else "too many"
    limit = longest[1] if longest else str(lengths.get(fields[0], "fewer") if fields else "fewer")
    return {
        "fields": ", ".join(names) if names else "a field",
        "field": names[0] if names else "a field",
        "value": "the value" if value is None else str(value)[:120],
        "n": count,
        "max": limit,
        "links": ", ".join(error.duplicates) if error.duplicates else "see Salesforce",
        "time": time or "soon",
        "code": error.code,
    }


def _fill(text: str, known: Mapping[str, str]) -> str:
    """Fills {name}s. Not str.format: a value may itself hold braces, and nothing unknown may raise."""
    filled = re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], found[0]), text)
    filled = filled.replace('"the value"', "The value") if filled.startswith('"the value"') else filled
    return filled[:1].upper() + filled[1:]
