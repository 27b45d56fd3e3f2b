"""What the application maps and reads by itself: Marketo's default mapping, and fields that the engine needs."""

from __future__ import annotations

from syncer.salesforce.describe import FieldDescribe

#: The objects whose records are persons.
OBJECTS = ("Lead", "Contact")

#: Fields of the person that carry consent: without an agreed value the opt-out wins.
CONSENT_FIELDS = frozenset({"unsubscribed", "do_not_call"})

#: Fields that the engine itself reads, where the sync user may see them.
SYSTEM_FIELDS = {
    "Lead": (
        "IsDeleted",
        "MasterRecordId",
        "OwnerId",
        "IsConverted",
        "ConvertedContactId",
        "CreatedDate",
        "CreatedById",
    ),
    "Contact": ("IsDeleted", "MasterRecordId", "OwnerId", "AccountId"),
}
#: What comes along through a relationship, where its reference field is seen: owner, last editor.
RELATED_NAMES = {
    "OwnerId": ("Owner.Name", "Owner.Email"),
    "LastModifiedById": ("LastModifiedBy.Name",),
}
#: The company of a contact: its account's name, read through the relationship and never written.
ACCOUNT_PATH = "Account.Name"
#: Objects that records refer to. Renaming one of them moves no stamp on the record.
RELATED_OBJECTS = ("Account", "User")

#: Salesforce field → person field, as Marketo maps them (Marketo: "Default Field Mapping" of the Salesforce sync).
DEFAULT_FIELDS: dict[str, dict[str, str]] = {
    "Lead": {
        "Email": "email",
        "FirstName": "first_name",
        "LastName": "last_name",
        "Salutation": "salutation",
        "Title": "title",
        "Company": "company",
        "Phone": "phone",
        "MobilePhone": "mobile_phone",
        "Fax": "fax",
        "Website": "website",
        "Street": "street",
        "City": "city",
        "State": "state",
        "PostalCode": "postal_code",
        "Country": "country",
        "LeadSource": "lead_source",
        "Status": "lead_status",
        "Industry": "industry",
        "Rating": "rating",
        "AnnualRevenue": "annual_revenue",
        "NumberOfEmployees": "number_of_employees",
        "Description": "description",
        "HasOptedOutOfEmail": "unsubscribed",
        "DoNotCall": "do_not_call",
    },
    "Contact": {
        "Email": "email",
        "FirstName": "first_name",
        "LastName": "last_name",
        "Salutation": "salutation",
        "Title": "title",
        ACCOUNT_PATH: "company",
        "Phone": "phone",
        "MobilePhone": "mobile_phone",
        "Fax": "fax",
        "MailingStreet": "street",
        "MailingCity": "city",
        "MailingState": "state",
        "MailingPostalCode": "postal_code",
        "MailingCountry": "country",
        "LeadSource": "lead_source",
        "Description": "description",
        "HasOptedOutOfEmail": "unsubscribed",
        "DoNotCall": "do_not_call",
    },
}
#: The company of a contact is its account's name: read through the relationship, never written.
ACCOUNT_NAME = FieldDescribe.from_dict(
    {"name": ACCOUNT_PATH, "label": "Account Name", "type": "string", "length": 255, "nillable": True}
)

#: How the ids of an object's records begin.
PREFIXES = {"Lead": "00Q", "Contact": "003"}
