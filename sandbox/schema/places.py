"""State and country picklists: what can be chosen, and the code fields that an organisation has which uses them.

Source: Salesforce Help, "State and Country/Territory Picklists": beside each State and Country there are StateCode and
CountryCode, restricted picklists, the states dependent on the country; text and code of a record follow each other.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from sandbox.errors import SalesforceError
from sandbox.schema.field import Field, PicklistValue
from sandbox.schema.sobject import SObject

COUNTRIES = {
    "United States": "US",
    "Canada": "CA",
    "Australia": "AU",
    "Austria": "AT",
    "Belgium": "BE",
    "France": "FR",
    "Germany": "DE",
    "Italy": "IT",
    "Japan": "JP",
    "Netherlands": "NL",
    "Spain": "ES",
    "Switzerland": "CH",
    "United Kingdom": "GB",
}
STATES = {
    "United States": {
        "California": "CA",
        "Colorado": "CO",
        "Florida": "FL",
        "Georgia": "GA",
        "Illinois": "IL",
        "Massachusetts": "MA",
        "New York": "NY",
        "Oregon": "OR",
        "Texas": "TX",
        "Washington": "WA",
    },
    "Canada": {"Alberta": "AB", "British Columbia": "BC", "Manitoba": "MB", "Ontario": "ON", "Quebec": "QC"},
    "Australia": {"New South Wales": "NSW", "Queensland": "QLD", "Victoria": "VIC"},
}


def prefixes(item: SObject) -> list[str]:
    """How the names of an object's addresses begin, of those that can be edited."""
    countries = [name for name, field in item.fields.items() if name.endswith("Country") and field.updateable]
    return [prefix for name in countries if item.has(f"{(prefix := name.removesuffix('Country'))}State")]


def with_codes(item: SObject) -> SObject:
    """The object with a code field behind each state and country."""
    fields: dict[str, Field] = {}
    wanted = {f"{prefix}{name}": prefix for prefix in prefixes(item) for name in ("State", "Country")}
    for name, field in item.fields.items():
        fields[name] = field
        if name in wanted:
            code = _code_field(field, wanted[name])
            fields[code.name] = code
    return item.with_fields(fields)


def without_codes(item: SObject) -> SObject:
    """The object without them."""
    codes = {f"{prefix}{name}Code" for prefix in prefixes(item) for name in ("State", "Country")}
    return item.with_fields({name: field for name, field in item.fields.items() if name not in codes})


def _code_field(text: Field, prefix: str) -> Field:
    is_state = text.name.endswith("State")
    return Field(
        name=f"{text.name}Code",
        label=f"{text.label} Code",
        type="picklist",
        length=10,
        byte_length=30,
        restricted_picklist=True,
        compound_field_name=text.compound_field_name,
        picklist_values=_states() if is_state else _countries(),
        controller=f"{prefix}CountryCode" if is_state else None,
    )


def _countries() -> tuple[PicklistValue, ...]:
    return tuple(PicklistValue(code, label) for label, code in COUNTRIES.items())


def _states() -> tuple[PicklistValue, ...]:
    """All states; which country each belongs to is told by a bit for each country, the first one the highest."""
    found = []
    for position, country in enumerate(COUNTRIES):
        bits = bytearray((len(COUNTRIES) + 7) // 8)
        bits[position // 8] |= 0x80 >> position % 8
        valid_for = base64.b64encode(bytes(bits)).decode()
        found += [PicklistValue(code, label, valid_for=valid_for) for label, code in STATES.get(country, {}).items()]
    return tuple(found)


def follow(item: SObject, before: Mapping[str, Any], row: dict[str, Any]) -> None:
    """Bring text and code of each address of a row in line, whichever of them was changed."""
    for prefix in prefixes(item):
        country, state = f"{prefix}Country", f"{prefix}State"
        _follow(before, row, country, COUNTRIES)
        _follow(before, row, state, STATES.get(row.get(country) or "", {}))


def _follow(before: Mapping[str, Any], row: dict[str, Any], text: str, codes: Mapping[str, str]) -> None:
    code = f"{text}Code"
    by_code = row.get(code) != before.get(code) and row.get(text) == before.get(text)
    if by_code:
        labels = {value: label for label, value in codes.items()}
        row[text] = labels.get(row[code], row[code])
    else:
        row[code] = codes.get(row.get(text) or "")


def check(item: SObject, row: Mapping[str, Any]) -> None:
    """Only known states of known countries, and no state without a country."""
    for prefix in prefixes(item):
        country_field, state_field = f"{prefix}Country", f"{prefix}State"
        country, state = row.get(country_field), row.get(state_field)
        if country is not None and country not in COUNTRIES:
            raise _refusal(
                country_field,
                "There's a problem with this country, even though it may appear correct. Please select a "
                f"country/territory from the list of valid countries.: {item.fields[country_field].label}",
            )
        if state is None:
            continue
        if country is None:
            raise _refusal(
                state_field,
                "A country/territory must be specified before specifying a state value for field: "
                f"{item.fields[state_field].label}",
            )
        if state not in STATES.get(country, {}):
            raise _refusal(
                state_field,
                "There's a problem with this state, even though it may appear correct. Please select a state "
                f"from the list of valid states.: {item.fields[state_field].label}",
            )


def _refusal(field: str, message: str) -> SalesforceError:
    return SalesforceError(400, "FIELD_INTEGRITY_EXCEPTION", message, [field])
