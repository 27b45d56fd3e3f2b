"""Person accounts: what Account, Contact and Lead have where an organisation uses them.

Source: Salesforce Help, "Person Accounts"; Object Reference, "Account" and "Contact": an account that is a person shows
the fields of the one contact behind it, custom ones as ``…__pc``; a lead needs no company.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sandbox.schema.field import Field
from sandbox.schema.sobject import SObject

OBJECTS = ("Account", "Contact", "Lead")
_IS_PERSON = Field(
    name="IsPersonAccount", label="Is Person Account", type="boolean", nillable=False, createable=False,
    updateable=False, defaulted_on_create=True,
)  # fmt: skip
_BEHIND = Field(
    name="PersonContactId", label="Contact ID", type="reference", length=18, byte_length=18, createable=False,
    updateable=False, reference_to=("Contact",), relationship_name="PersonContact",
)  # fmt: skip
#: what an account shows under the contact's own names; other standard fields have "Person" in front
_SAME_NAME = ("Salutation", "FirstName", "LastName")
_SHOWN = (
    "Email", "Title", "Department", "Birthdate", "LeadSource", "MobilePhone", "HomePhone", "OtherPhone",
    "MailingStreet", "MailingCity", "MailingState", "MailingPostalCode", "MailingCountry", "HasOptedOutOfEmail",
    "DoNotCall",
)  # fmt: skip


def fitted(objects: Mapping[str, SObject], on: bool) -> dict[str, SObject]:
    """The three objects as they are with person accounts, or without them."""
    lead, contact, account = (objects[name] for name in ("Lead", "Contact", "Account"))
    company = replace(lead.fields["Company"], nillable=on)
    contact = _with(contact, [_IS_PERSON] if on else [])
    account = _with(account, [_IS_PERSON, _BEHIND, *_of_the_contact(contact)] if on else [])
    lead = lead.with_fields({**lead.fields, "Company": company})
    return {item.name: item for item in (account, contact, lead)}


def _with(item: SObject, fields: list[Field]) -> SObject:
    """The object with these fields and none of earlier."""
    own = (_IS_PERSON.name, _BEHIND.name)
    kept = {name: field for name, field in item.fields.items() if name not in own and field.shown is None}
    return item.with_fields({**kept, **{field.name: field for field in fields}})


def _of_the_contact(contact: SObject) -> list[Field]:
    """What an account shows of its contact; nobody can set it there in the sandbox."""
    names = {name: name for name in _SAME_NAME} | {name: f"Person{name}" for name in _SHOWN}
    names |= {
        field.name: f"{field.name.removesuffix('__c')}__pc"
        for field in contact.fields.values()
        if field.custom and field.stored and field.name.endswith("__c")
    }
    return [_shown(contact.fields[name], shown) for name, shown in names.items() if contact.has(name)]


def _shown(field: Field, name: str) -> Field:
    sql = f'(SELECT "{field.name}" FROM Contact WHERE Id = {{0}}.PersonContactId)'
    return replace(
        field,
        name=name,
        createable=False,
        updateable=False,
        nillable=field.type != "boolean",
        unique=False,
        external_id=False,
        id_lookup=False,
        relationship_name=None,
        compound_field_name=None,
        controller=None,
        shown=f"IFNULL({sql}, 0)" if field.type == "boolean" else sql,
    )
