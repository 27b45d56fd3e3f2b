"""State and country picklists: an organisation that has them refuses free text, and a state without its country.

They show in the describe as ``CountryCode`` and ``StateCode`` beside the text fields ``Country`` and ``State``. The
codes are picklists, the states dependent on the country; the text fields take the labels.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from syncer.salesforce.describe import FieldDescribe, ObjectDescribe
from syncer.sync.fields.synced_objects import SYNCED


@dataclass(frozen=True, slots=True)
class Places:
    """What may be chosen, by label, in Salesforce's order. A country without states is not in ``states``."""

    countries: tuple[str, ...]
    states: Mapping[str, tuple[str, ...]]


def choices(described: ObjectDescribe) -> Places | None:
    """The countries, and the states of each, that this object takes; None where any text is taken."""
    synced = SYNCED[described.name]
    country = described.fields.get(f"{synced.country_field}Code")
    if country is None or country.type != "picklist":
        return None
    state = described.fields.get(f"{synced.state_field}Code")
    states: dict[str, tuple[str, ...]] = {}
    for position, value in enumerate(country.picklist):
        found = tuple(
            s.label for s in (state.picklist if state else ()) if s.active and _is_valid_for(s.valid_for, position)
        )
        if value.active and found:
            states[value.label] = found
    return Places(tuple(value.label for value in country.picklist if value.active), states)


def partners(known: Mapping[str, FieldDescribe], mapped: Mapping[str, str]) -> dict[str, str]:
    """Of each field that can't be sent without another one, that other: a state and its country, by person field.

    ``known`` are the fields of the describe, ``mapped`` the person field of each mapped Salesforce field.
    """
    found: dict[str, str] = {}
    for name in known:
        if not name.endswith("CountryCode"):
            continue
        country = mapped.get(name.removesuffix("Code"))
        state = mapped.get(name.removesuffix("CountryCode") + "State")
        if country is not None and state is not None:
            found |= {country: state, state: country}
    return found


def _is_valid_for(valid_for: str, position: int) -> bool:
    """Whether the bit of a controlling value is set: base64, the first bit is the highest one."""
    try:
        bits = base64.b64decode(valid_for, validate=True)
    except (binascii.Error, ValueError):
        return False
    return position // 8 < len(bits) and bool(bits[position // 8] & (0x80 >> position % 8))
