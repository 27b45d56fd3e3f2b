"""State and country picklists: as a describe shows them, and how they are sent."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from syncer.models import PendingChange, Person, SalesforceObject
from syncer.salesforce.describe import ObjectDescribe, parse_object
from syncer.sync.fields.state_country import Places, choices, partners


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


# -- sending ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def picklists(sandbox) -> None:
    sandbox.control("POST", "switches", state_country_picklists=True)


@pytest.fixture
def kim(db, sandbox, picklists, cycle) -> Person:
    sandbox.lead(FirstName="Kim", Country="United States", State="Texas")
    cycle()
    return Person.objects.get()


def test_the_codes_are_not_mapped_and_the_choices_come_from_the_stored_describe(kim, sync_user):
    assert not sync_user.mappings.filter(salesforce_field__endswith="Code").exclude(
        salesforce_field__endswith="PostalCode"
    )
    stored = SalesforceObject.objects.get(name="Lead").description
    found = choices(ObjectDescribe.from_dict(stored))
    assert found is not None
    assert "Netherlands" in found.countries
    assert found.states["Australia"] == ("New South Wales", "Queensland", "Victoria")
    assert "Netherlands" not in found.states


def test_state_and_country_are_sent_together(sandbox, cycle, kim, log):
    Person.objects.update(state="Ohio")
    Person.objects.update(state="Oregon")
    cycle()
    assert sandbox.read(kim.sfdc_id)["StateCode"] == "OR"
    [entry] = log(kim, "Sync Person Updates to SFDC")
    assert entry.detail["changes"]["state"] == ["Texas", "Oregon"]
    assert "country" in entry.summary
    assert not PendingChange.objects.exists()
    assert cycle().counters["sent"]["updated"] == 0


def test_only_the_edited_one_is_sent_where_any_text_is_taken(sandbox, cycle, log):
    lead = sandbox.lead(Country="United States", State="Texas")
    cycle()
    Person.objects.update(state="Ohio")
    cycle()
    assert sandbox.read(lead)["State"] == "Ohio"
    [entry] = log(Person.objects.get(), "Sync Person Updates to SFDC")
    assert list(entry.detail["changes"]) == ["state"]


def test_an_edit_there_of_the_one_sent_along_is_not_lost(sandbox, cycle, kim):
    """It is seen by the reading before, taken here and put back there."""
    from syncer.sync.cycle import run_cycle

    edits = iter([lambda: sandbox.edit(kim.sfdc_id, Country="Canada", State="")])

    def progress(phase: str, done: int, total: int | None) -> None:
        if phase == "Receiving Contacts" and (edit := next(edits, None)):
            edit()

    Person.objects.update(state="")
    sandbox.time.pass_(60)
    run_cycle(trigger="test", around=sandbox.around(progress=progress))
    cycle()
    there = sandbox.read(kim.sfdc_id)
    assert (there["Country"], there["State"]) == ("Canada", None)
    assert Person.objects.get().country == "Canada"
    assert not PendingChange.objects.exists()


def test_free_text_is_refused_and_with_the_option_both_are_held(sandbox, cycle, kim, sync_user):
    sync_user.hold_refused_fields = True
    sync_user.save()
    Person.objects.update(country="Holand", city="Ghent")
    cycle()
    there = sandbox.read(kim.sfdc_id)
    assert (there["Country"], there["State"], there["City"]) == ("United States", "Texas", "Ghent")
    row = PendingChange.objects.get()
    assert (row.error_code, row.held) == ("FIELD_INTEGRITY_EXCEPTION", {"country": "Holand", "state": "Texas"})
    Person.objects.update(country="Netherlands", state="")
    cycle()
    assert (sandbox.read(kim.sfdc_id)["CountryCode"], sandbox.read(kim.sfdc_id)["State"]) == ("NL", None)
    assert not PendingChange.objects.exists()


def test_a_held_country_is_tried_again_when_its_state_changes(sandbox, cycle, kim, sync_user):
    sync_user.hold_refused_fields = True
    sync_user.save()
    Person.objects.update(country="Canada", city="Ghent")  # Texas is none of its states
    cycle()
    assert PendingChange.objects.get().held == {"country": "Canada", "state": "Texas"}
    Person.objects.update(state="Ontario")
    cycle()
    there = sandbox.read(kim.sfdc_id)
    assert (there["Country"], there["State"]) == ("Canada", "Ontario")
    assert not PendingChange.objects.exists()


def test_switching_the_picklists_on_makes_it_known_to_the_next_cycle(sandbox, cycle, log):
    lead = sandbox.lead(Country="Canada", State="Ontario")
    cycle()
    sandbox.control("POST", "switches", state_country_picklists=True)
    cycle()
    Person.objects.update(state="Quebec")
    cycle()
    assert sandbox.read(lead)["StateCode"] == "QC"
    assert "country" in log(Person.objects.get(), "Sync Person Updates to SFDC")[0].summary
