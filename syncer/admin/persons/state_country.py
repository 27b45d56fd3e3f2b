"""State and country where the organisation has lists of them: a choice instead of a text that Salesforce refuses."""

from __future__ import annotations

from typing import Any

from django import forms

from syncer.models import FieldMapping, SyncUser
from syncer.salesforce.describe import ObjectDescribe
from syncer.sync.fields.state_country import Places, choices
from syncer.sync.fields.synced_objects import SYNCED

COUNTRY, STATE = "country", "state"


def places_of(sync_user: SyncUser | None, sobject: str, mappings: dict[str, FieldMapping]) -> Places | None:
    """What may be chosen for this object's state and country; None where any text is taken, or they do not sync."""
    synced_object = SYNCED[sobject]
    wanted = {COUNTRY: synced_object.country_field, STATE: synced_object.state_field}
    synced = {key for key, name in wanted.items() if key in mappings and mappings[key].salesforce_field == name}
    if sync_user is None or COUNTRY not in synced or not mappings[COUNTRY].enabled:
        return None
    stored = sync_user.described.filter(name=sobject).first()
    return choices(ObjectDescribe.from_dict(stored.description)) if stored is not None else None


def field(key: str, places: Places, current: Any) -> forms.Field:
    """A select of countries, or of the states by country. What the person has stays, although it is not listed."""
    if key == COUNTRY:
        listed: list[Any] = [(name, name) for name in places.countries]
        known = set(places.countries)
        widget = forms.Select(attrs={"data-states": "id_state"})
    else:
        listed = [(country, [(name, name) for name in names]) for country, names in places.states.items()]
        known = {name for names in places.states.values() for name in names}
        widget = forms.Select()
    kept = [(current, f"{current} (not in Salesforce's list)")] if current and current not in known else []
    return forms.ChoiceField(choices=[("", "(empty)"), *kept, *listed], widget=widget)


def problem(places: Places, country: str, state: str) -> str:
    """Why Salesforce would refuse this pair; empty when it would not."""
    if not state:
        return ""
    if not country:
        return "Choose the country of this state, too: Salesforce refuses a state without one."
    if state in places.states.get(country, ()):
        return ""
    return f"{state} is no state of {country} in Salesforce's list."
