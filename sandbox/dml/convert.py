"""Lead conversion (Salesforce Help, "Convert Qualified Leads"; SOAP ``convertLead``)."""

from __future__ import annotations

from typing import Any

from sandbox.dml import campaigns, persons, save
from sandbox.dml.context import Saver
from sandbox.errors import SalesforceError

#: lead field -> contact field; custom fields are copied only where an administrator mapped them
_TO_CONTACT = {
    "Salutation": "Salutation",
    "FirstName": "FirstName",
    "LastName": "LastName",
    "Title": "Title",
    "Email": "Email",
    "Phone": "Phone",
    "MobilePhone": "MobilePhone",
    "Fax": "Fax",
    "LeadSource": "LeadSource",
    "Description": "Description",
    "Street": "MailingStreet",
    "City": "MailingCity",
    "State": "MailingState",
    "PostalCode": "MailingPostalCode",
    "Country": "MailingCountry",
    "HasOptedOutOfEmail": "HasOptedOutOfEmail",
    "DoNotCall": "DoNotCall",
}
_TO_ACCOUNT = {
    "Company": "Name",
    "Phone": "Phone",
    "Fax": "Fax",
    "Website": "Website",
    "Industry": "Industry",
    "AnnualRevenue": "AnnualRevenue",
    "NumberOfEmployees": "NumberOfEmployees",
    "Rating": "Rating",
    "Street": "BillingStreet",
    "City": "BillingCity",
    "State": "BillingState",
    "PostalCode": "BillingPostalCode",
    "Country": "BillingCountry",
}
_CONVERTED_STATUS = "Closed - Converted"


def convert(saver: Saver, lead_id: str, contact_id: str | None, account_id: str | None) -> dict[str, Any]:
    """Convert a lead to a new contact and account, or to given ones, of which only empty fields are filled."""
    lead = saver.whole("Lead")
    row = save.current(saver, lead, lead_id)
    if row["IsConverted"]:
        raise SalesforceError(400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", [])
    # converted objects can only be owned by users: whoever converts a queue's lead takes it over
    owner = row["OwnerId"] if saver.data.users.is_active(row["OwnerId"]) else saver.user_id
    contact = save.current(saver, saver.whole("Contact"), contact_id) if contact_id else None
    if contact and account_id and contact["AccountId"] not in (None, account_id):
        raise SalesforceError(400, "INVALID_CROSS_REFERENCE_KEY", "The contact belongs to another account", [])
    account_id = account_id or (contact["AccountId"] if contact else None)
    account_id, contact_id = _put_both(saver, row, account_id, contact_id, owner)
    changes = {
        "IsConverted": 1,
        "Status": _CONVERTED_STATUS,
        "ConvertedDate": saver.data.today().isoformat(),
        "ConvertedAccountId": account_id,
        "ConvertedContactId": contact_id,
        "IsUnreadByOwner": 0,
    }
    save.write(saver, lead, lead_id, changes)
    campaigns.follow_conversion(saver, lead_id, contact_id)
    return {"leadId": lead_id, "contactId": contact_id, "accountId": account_id, "success": True}


def _put_both(
    saver: Saver, lead: dict[str, Any], account_id: str | None, contact_id: str | None, owner: str
) -> tuple[str, str]:
    """The account and the contact that a lead becomes: one person account where it has no company."""
    account = {target: lead[source] for source, target in _TO_ACCOUNT.items()}
    contact = {target: lead[source] for source, target in _TO_CONTACT.items()}
    if lead["Company"] is None and account_id is None and contact_id is None:
        return persons.make(saver, {**contact, "OwnerId": owner}, {**account, "OwnerId": owner})
    account_id = _put(saver, "Account", account_id, account, owner)
    return account_id, _put(saver, "Contact", contact_id, {**contact, "AccountId": account_id}, owner)


def _put(saver: Saver, name: str, record_id: str | None, values: dict[str, Any], owner: str) -> str:
    """Fill the empty fields of a given record, or make a new one."""
    item = saver.whole(name)
    if record_id is None:
        return save.insert_stored(saver, item, {**values, "OwnerId": owner})
    row = save.current(saver, item, record_id)
    fill = {key: value for key, value in values.items() if row[key] is None and value is not None}
    # an opt-out is not lost by converting to a contact that had not opted out
    fill |= {key: 1 for key in ("HasOptedOutOfEmail", "DoNotCall") if values.get(key) and not row.get(key)}
    save.write(saver, item, record_id, fill)
    return record_id
