"""State and country picklists, as a describe shows them."""

from __future__ import annotations

import base64
import json
from typing import Any

from syncer.salesforce.describe import ObjectDescribe, parse_object
from syncer.sync.places import Places, choices, partners


def field(name: str, values: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    kind = "string" if values is None else "picklist"
    return {"name": name, "label": name, "type": kind, "updateable": True, "picklistValues": values or []}


def value(code: str, label: str, *, active: bool = True, valid_for: tuple[int, ...] | None = None) -> dict[str, Any]:
    bits = None
    if valid_for is not None:
        raw = bytearray(max(valid_for) // 8 + 1)
        for position in valid_for:
            raw[position // 8] |= 0x80 >> position % 8
        bits = base64.b64encode(bytes(raw)).decode()
    return {"value": code, "label": label, "active": active, "validFor": bits}


#: Ten countries, so that the bits of the last ones are in a second byte.
COUNTRIES = [
    value("US", "United States"),
    value("XA", "Alderaan", active=False),
    *(value(f"X{n}", f"Country {n}") for n in range(6)),
    value("CA", "Canada"),
    value("NL", "Netherlands"),
]
STATES = [
    value("CA", "California", valid_for=(0,)),
    value("TX", "Texas", valid_for=(0,)),
    value("OC", "Old Colony", valid_for=(0,), active=False),
    value("AB", "Alberta", valid_for=(8,)),
    value("AA", "Aldera", valid_for=(1,)),
    value("??", "Nowhere"),
]


def describe(sobject: str, *fields: dict[str, Any]) -> ObjectDescribe:
    return parse_object({"name": sobject, "label": sobject, "fields": list(fields)})


def test_countries_and_the_states_of_each_by_label() -> None:
    lead = describe(
        "Lead", field("State"), field("Country"), field("StateCode", STATES), field("CountryCode", COUNTRIES)
    )
    found = choices(lead)
    assert found is not None
    assert found.countries == ("United States", *(f"Country {n}" for n in range(6)), "Canada", "Netherlands")
    assert found.states == {"United States": ("California", "Texas"), "Canada": ("Alberta",)}
    assert choices(ObjectDescribe.from_dict(json.loads(json.dumps(lead.to_dict())))) == found


def test_a_contacts_own_address_is_the_mailing_address() -> None:
    contact = describe("Contact", field("MailingStateCode", STATES[:1]), field("MailingCountryCode", COUNTRIES[:1]))
    assert choices(contact) == Places(("United States",), {"United States": ("California",)})


def test_without_the_picklists_any_text_is_taken() -> None:
    assert choices(describe("Lead", field("State"), field("Country"))) is None
    assert choices(describe("Contact", field("CountryCode", COUNTRIES))) is None


def test_countries_without_visible_states_and_nonsense_bits() -> None:
    broken = [{"value": "CA", "label": "California", "active": True, "validFor": "not base64!"}]
    assert choices(describe("Lead", field("CountryCode", COUNTRIES[:1]))) == Places(("United States",), {})
    lead = describe("Lead", field("CountryCode", COUNTRIES[:1]), field("StateCode", broken))
    assert choices(lead) == Places(("United States",), {})


def test_partners_are_mapped_states_and_countries_of_one_address() -> None:
    known = describe("Contact", *(field(f"{p}{name}Code", []) for p in ("Mailing", "Other") for name in ("Country",)))
    mapped = {"MailingState": "state", "MailingCountry": "country", "OtherState": "other_state"}
    assert partners(known.fields, mapped) == {"state": "country", "country": "state"}
    assert partners(describe("Lead", field("Country")).fields, {"State": "state", "Country": "country"}) == {}
