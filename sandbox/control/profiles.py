"""Organisations of a kind: each is a number of control calls, so that each of its traits can be switched on alone."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

from sandbox.control import people, rules, schema
from sandbox.org import Org

Step = tuple[Callable[[Org, dict[str, Any]], Any], dict[str, Any]]

_TOPICS = (
    "Account_Plan",
    "Billing",
    "Contract",
    "Event",
    "Renewal",
    "Support",
    "Survey",
    "Territory_Plan",
    "Training",
    "Usage",
)
_KINDS: tuple[dict[str, Any], ...] = (
    {"type": "text", "length": 120},
    {"type": "number", "precision": 12, "scale": 2},
    {"type": "checkbox"},
    {"type": "date"},
    {"type": "picklist", "values": ["Low", "Medium", {"value": "High", "label": "Very high"}]},
    {"type": "datetime"},
    {"type": "currency", "precision": 16, "scale": 2},
    {"type": "longtextarea", "length": 5000},
    {"type": "multipicklist", "values": ["Alpha", "Beta", "Gamma"]},
    {"type": "text", "formula": 'LastName & " (" & Email & ")"'},
)
#: on each of Lead and Contact
_ENTERPRISE_FIELDS = 200
_PERSONS = (("Amal", "Haddad"), ("Brigid", "O'Neill"), ("Chidi", "Nwosu"), ("Dolores", "Fuentes"), ("Einar", "Lund"))


def put(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{name}``: ``small`` (as delivered), ``enterprise`` or ``nonprofit``."""
    name = str(given["name"])
    if name not in PROFILES:
        raise ValueError(f"there is no profile {name}; there are {', '.join(PROFILES)}")
    with org.database.atomic():
        for call, body in PROFILES[name]():
            call(org, body)
    return {"name": name}


def _small() -> Iterator[Step]:
    yield from ()


def _enterprise() -> Iterator[Step]:
    yield rules.switches, {"state_country_picklists": True, "time_zone": "America/New_York"}
    for item in ("Lead", "Contact"):
        yield schema.put_record_type, {"object": item, "name": "Direct", "default": True}
        yield schema.put_record_type, {"object": item, "name": "Partner"}
        yield schema.put_record_type, {"object": item, "name": "Legacy", "active": False}
        fields = [
            {"name": f"{_TOPICS[number // len(_KINDS) % len(_TOPICS)]}_{number:03}__c", **_KINDS[number % len(_KINDS)]}
            for number in range(_ENTERPRISE_FIELDS)
        ]
        yield schema.put_field, {"object": item, "fields": fields}
    rating = 'IF(Lead_Score__c > 80, "Hot", IF(Lead_Score__c > 40, "Warm", "Cold"))'
    yield rules.flow, {"object": "Lead", "name": "Rate the lead", "set": {"Rating": rating}}
    phone = 'SUBSTITUTE(SUBSTITUTE(Phone, " ", ""), "-", "")'
    tidy = {"name": "Tidy the phone number", "when": "Phone != null", "set": {"Phone": phone}}
    for item in ("Lead", "Contact"):
        yield rules.flow, {"object": item, **tidy}
    yield people.share, {"object": "Account", "visible": False}


def _nonprofit() -> Iterator[Step]:
    yield rules.switches, {"person_accounts": True}
    rows = list(
        csv.DictReader(
            resources.files("sandbox").joinpath("data", "nonprofit_fields.csv").read_text("utf-8").splitlines()
        )
    )
    for item in ("Account", "Contact"):
        fields = [_definition(row) for row in rows if row["object"] == item]
        yield schema.put_field, {"object": item, "fields": fields}
    for first, last in _PERSONS:
        email = f"{first}.{last}@example.org".replace("'", "").lower()
        yield people.put_person_account, {"fields": {"FirstName": first, "LastName": last, "Email": email}}


def _definition(row: dict[str, str]) -> dict[str, Any]:
    """A custom field by its describe. What a package's formulas compute is not told: they are empty."""
    long = row["type"] == "textarea" and int(row["length"]) > 255
    return {
        "name": row["name"],
        "label": row["label"],
        "type": "longtextarea" if long else row["type"],
        "length": int(row["length"]),
        "precision": int(row["precision"]) or 18,
        "scale": int(row["scale"]),
        "referenceTo": [part for part in row["referenceTo"].split("|") if part],
        "values": [
            {"value": part.removeprefix("*"), "default": part.startswith("*")}
            for part in row["picklist_values"].split("|")
            if part
        ],
        "formula": "NULL" if row["calculated"] == "True" else None,
    }


PROFILES: dict[str, Callable[[], Iterator[Step]]] = {
    "small": _small,
    "enterprise": _enterprise,
    "nonprofit": _nonprofit,
}
