"""What somebody who tries the product can switch on in the organisation, and see what the product makes of it.

Each is a control call or a few of them; a test makes the same calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.control import faults, life, people, refusals, rules, schema
from sandbox.org import Org
from sandbox.users import SYNC_USERNAME

Call = tuple[Callable[[Org, dict[str, Any]], Any], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Try:
    """Something to switch on and off; without ``off`` it happens once. ``newest`` calls get the newest lead's id."""

    key: str
    title: str
    told: str
    on: tuple[Call, ...]
    off: tuple[Call, ...] = ()
    newest: bool = False


def _access(item: str, name: str, access: str) -> Call:
    return schema.set_access, {"username": SYNC_USERNAME, "object": item, "field": name, "access": access}


def _both(call: Callable[[Org, dict[str, Any]], Any], **body: Any) -> tuple[Call, ...]:
    """The same on leads and on contacts."""
    return tuple((call, {"object": item, **body}) for item in ("Lead", "Contact"))


def _fault(name: str, **plan: Any) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
    """A fault of every call of the API, until it is switched off."""
    body = {"name": name, "route": "/services/data", "times": None, **plan}
    return ((faults.plan, body),), ((faults.clear, {"name": name}),)


_SLOW, _DATE = _fault("slow", kind="delay_ms", seconds=3), _fault("date", kind="date", seconds=7200)
_PACKAGE = (
    {"name": "mkto71__Lead_Score__c", "type": "number", "label": "Lead Score"},
    {"name": "mkto71__City__c", "type": "text"},
)
_RULE = {
    "object": "Lead",
    "name": "Hot_needs_phone",
    "when": "Rating = 'Hot' AND Phone = null",
    "field": "Phone",
    "message": "A hot lead needs a phone number.",
}

TRIES = (
    Try(
        "rule",
        "A validation rule",
        "A lead that is rated Hot cannot be saved without a phone number.",
        ((rules.add_rule, _RULE),),
        ((rules.remove_rules, {"object": "Lead", "name": _RULE["name"]}),),
    ),
    Try(
        "refusal",
        "One record refuses a field",
        "The title of the lead that was changed last is refused, although its field may be edited.",
        ((refusals.refuse, {"object": "Lead", "fields": ["Title"]}),),
        ((refusals.remove_refusals, {"object": "Lead"}),),
        newest=True,
    ),
    Try(
        "trigger",
        "An automation at its limit",
        "More than 10 leads saved at once fail all together: Apex CPU time limit exceeded.",
        ((refusals.limit_trigger, {"object": "Lead", "rows": 10}),),
        ((refusals.remove_triggers, {"object": "Lead"}),),
    ),
    Try(
        "hidden",
        "A hidden field",
        "The sync user does not see the phone number of leads any more.",
        (_access("Lead", "Phone", "hidden"),),
        (_access("Lead", "Phone", "edit"),),
    ),
    Try(
        "read",
        "A read-only field",
        "The sync user may not write the title of leads any more.",
        (_access("Lead", "Title", "read"),),
        (_access("Lead", "Title", "edit"),),
    ),
    Try(
        "owner",
        "Hidden addresses of owners",
        "The sync user does not see the e-mail addresses of users.",
        (_access("User", "Email", "hidden"),),
        (_access("User", "Email", "edit"),),
    ),
    Try(
        "accounts",
        "Accounts that are not shared",
        "Contacts still name their account, and the account is not shown.",
        ((people.share, {"object": "Account", "visible": False}),),
        ((people.share, {"object": "Account", "visible": True}),),
    ),
    Try(
        "package",
        "Fields of a package",
        "A package brings a second Lead Score, mkto71__Lead_Score__c, and a city to leads and contacts.",
        _both(schema.put_field, fields=list(_PACKAGE)),
        tuple(call for entry in _PACKAGE for call in _both(schema.remove_field, name=entry["name"])),
    ),
    Try(
        "scale",
        "Other decimal places",
        "Budget has no decimal places any more.",
        _both(schema.put_field, name="Budget__c", scale=0),
        _both(schema.put_field, name="Budget__c", scale=2),
    ),
    Try(
        "name",
        "Another API name",
        "Discount__c is DISCOUNT__c now: the same field with the same values.",
        _both(schema.put_field, name="Discount__c", rename="DISCOUNT__c"),
        _both(schema.put_field, name="Discount__c", rename="Discount__c"),
    ),
    Try(
        "places",
        "State and country picklists",
        "Addresses have only known states and countries, and a code for each.",
        ((rules.switches, {"state_country_picklists": True}),),
        ((rules.switches, {"state_country_picklists": False}),),
    ),
    Try(
        "complicated",
        "A query that is too complicated",
        "No query may select a formula field, such as Territory.",
        ((rules.limits, {"formulas": 0}),),
        ((rules.limits, {"formulas": None}),),
    ),
    Try("slow", "Slow answers", "Every answer of the API takes three seconds more.", *_SLOW),
    Try("date", "A wrong clock", "Every answer of the API is dated two hours ahead.", *_DATE),
    Try(
        "password",
        "A refused sign-in",
        "The sync user is locked: the next sign-in is refused. Its sessions end.",
        (
            (people.put_user, {"username": SYNC_USERNAME, "locked": True}),
            (people.end_sessions, {"username": SYNC_USERNAME}),
        ),
        ((people.put_user, {"username": SYNC_USERNAME, "locked": False}),),
    ),
    Try(
        "moved",
        "Another instance",
        "The organisation moves: the sync user's address shows a web page until the next sign-in.",
        ((people.move, {}),),
    ),
    Try(
        "emoji",
        "Half an emoji",
        "The description of the lead that was changed last ends in half a character.",
        ((life.put_raw, {"fields": {"Description": "Cut in the middle of an emoji: \ud83d"}}),),
        newest=True,
    ),
)


def switch(org: Org, key: str, *, on: bool) -> Try:
    """Switch one on or off; gives it. Raises KeyError if there is none, ValueError if it cannot be done."""
    tried = next((entry for entry in TRIES if entry.key == key and (on or entry.off)), None)
    if tried is None:
        raise KeyError(key)
    more = {"id": _newest(org)} if tried.newest and on else {}
    for call, body in tried.on if on else tried.off:
        call(org, {**body, **more})
    others = [each for each in org.settings.tries if each != key]
    org.settings.tries = [*others, key] if on and tried.off else others
    org.save_settings()
    return tried


def _newest(org: Org) -> str:
    found = org.database.one("SELECT Id FROM Lead WHERE IsDeleted = 0 ORDER BY SystemModstamp DESC, Id DESC LIMIT 1")
    if found is None:
        raise ValueError("There is no lead yet.")
    return str(found[0])
