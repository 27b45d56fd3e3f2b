"""What a campaign member shows of its lead or contact: fields that nobody can set.

Source: Object Reference, "CampaignMember". After a conversion a member has both, and shows the contact's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sandbox.schema.field import Field

#: field of the member -> field of the contact; that of the lead has the member's own name
_SHOWN = {
    "Salutation": "Salutation",
    "Name": "Name",
    "FirstName": "FirstName",
    "LastName": "LastName",
    "Title": "Title",
    "Street": "MailingStreet",
    "City": "MailingCity",
    "State": "MailingState",
    "PostalCode": "MailingPostalCode",
    "Country": "MailingCountry",
    "Email": "Email",
    "Phone": "Phone",
    "Fax": "Fax",
    "MobilePhone": "MobilePhone",
    "Description": "Description",
    "DoNotCall": "DoNotCall",
    "HasOptedOutOfEmail": "HasOptedOutOfEmail",
    "LeadSource": "LeadSource",
}


def _either(of_lead: str, of_contact: str) -> str:
    return f"(CASE WHEN {{0}}.ContactId IS NULL THEN {of_lead} ELSE {of_contact} END)"


def _of_lead(column: str) -> str:
    return f"(SELECT {column} FROM Lead WHERE Id = {{0}}.LeadId)"


def _of_contact(column: str) -> str:
    return f"(SELECT {column} FROM Contact WHERE Id = {{0}}.ContactId)"


def _shown(of: Field, sql: str, name: str = "", label: str = "") -> Field:
    """A field like that of the lead, but read only."""
    return replace(
        of,
        name=name or of.name,
        label=label or of.label,
        createable=False,
        updateable=False,
        permissionable=False,
        compound_field_name=None,
        relationship_name=None,
        nillable=of.type != "boolean",
        defaulted_on_create=of.type == "boolean",
        shown=sql,
    )


def shown_fields(lead: Mapping[str, Field]) -> dict[str, Field]:
    """The fields, made of the lead's."""
    account = "(SELECT a.Name FROM Contact c JOIN Account a ON a.Id = c.AccountId WHERE c.Id = {0}.ContactId)"
    who = replace(lead["OwnerId"], reference_to=("Contact", "Lead"))
    fields = [_shown(lead[name], _either(_of_lead(name), _of_contact(column))) for name, column in _SHOWN.items()]
    fields += [
        _shown(lead["Company"], _either(_of_lead("Company"), account), "CompanyOrAccount", "Company (Account)"),
        _shown(replace(lead["Salutation"], picklist_values=()), _either("'Lead'", "'Contact'"), "Type", "Type"),
        _shown(who, _either("{0}.LeadId", "{0}.ContactId"), "LeadOrContactId", "Lead/Contact ID"),
        _shown(
            lead["OwnerId"],
            _either(_of_lead("OwnerId"), _of_contact("OwnerId")),
            "LeadOrContactOwnerId",
            "Lead/Contact Owner ID",
        ),
    ]
    return {field.name: field for field in fields}
