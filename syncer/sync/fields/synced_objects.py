"""The objects whose records are persons, and what is particular about each: one entry per object.

Sources: Marketo's "Default Field Mapping" of the Salesforce sync; Object Reference, "Lead", "Contact", "Account".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from syncer.salesforce.describe import FieldDescribe

#: Fields of the person that carry consent: without an agreed value the opt-out wins.
CONSENT_FIELDS = frozenset({"unsubscribed", "do_not_call"})


@dataclass(frozen=True, slots=True)
class Parent:
    """A record that another one refers to, and what is read through that reference, where both can be seen.

    ``kept``: its fields that are kept with the link. ``fields``: person field → the parent's field that it is received
    from. Such a field is never sent; its name is the path from the record (``Account.Name``).
    """

    object: str
    reference: str  # the record's field that holds the parent's id
    relationship: str  # what a path through the reference begins with
    kept: tuple[str, ...] = ()
    fields: Mapping[str, FieldDescribe] = field(default_factory=dict)
    missing: str = ""  # what a run says when changes of parents can't be read

    @property
    def paths(self) -> tuple[str, ...]:
        """What is kept with the link, as a query of records asks for it."""
        return tuple(f"{self.relationship}.{name}" for name in self.kept)

    def is_hidden_in(self, record: Mapping[str, Any]) -> bool:
        """Whether a record of an answer refers to one that the sync user can't see: of that, nothing is told."""
        asked_for = self.relationship in record
        return asked_for and record[self.relationship] is None and bool(record.get(self.reference))

    @property
    def read_fields(self) -> tuple[str, ...]:
        """Everything that is read of it, as a query of the parent itself asks for it."""
        received = (described.name.removeprefix(f"{self.relationship}.") for described in self.fields.values())
        return (*self.kept, *received)


OWNER = Parent(
    object="User",
    reference="OwnerId",
    relationship="Owner",
    kept=("Name", "Email"),
    missing="The names of owners are not followed",
)
EDITOR = Parent(object="User", reference="LastModifiedById", relationship="LastModifiedBy", kept=("Name",))
#: A field of accounts that contacts are to receive is one more entry in ``fields``.
ACCOUNT = Parent(
    object="Account",
    reference="AccountId",
    relationship="Account",
    fields={"company": FieldDescribe("Account.Name", "Account Name", "string", length=255)},
    missing="The companies of contacts are not followed",
)
#: Parents whose changes are read by themselves, because they move no stamp on the records that refer to them. Who
#: edited a record last is not followed: it is told with that edit.
FOLLOWED = {parent.object: parent for parent in (ACCOUNT, OWNER)}


@dataclass(frozen=True, slots=True)
class SyncedObject:
    """An object whose records are persons.

    ``system_fields``: what the engine itself reads, where the sync user may see it. ``own_fields``: Salesforce field →
    person field, as Marketo maps them.
    """

    name: str
    system_fields: tuple[str, ...]
    own_fields: Mapping[str, str]
    address_prefix: str = ""  # of the address that is the person's own
    ends_as: str = ""  # the checkbox that is ticked when the record lives on as one of another object
    queue_may_own: bool = False
    parents: tuple[Parent, ...] = (OWNER, EDITOR)

    @property
    def default_mapping(self) -> dict[str, str]:
        """Salesforce field, or path to a parent's → person field: what is mapped without anybody asking."""
        received = {described.name: name for parent in self.parents for name, described in parent.fields.items()}
        return {**self.own_fields, **received}

    def parent_of(self, salesforce_field: str) -> Parent | None:
        """The parent that a field is received from; None for one of the record's own."""
        return next((p for p in self.parents if any(f.name == salesforce_field for f in p.fields.values())), None)

    @property
    def country_field(self) -> str:
        return f"{self.address_prefix}Country"

    @property
    def state_field(self) -> str:
        return f"{self.address_prefix}State"


LEAD = SyncedObject(
    name="Lead",
    system_fields=(
        "IsDeleted",
        "MasterRecordId",
        "OwnerId",
        "IsConverted",
        "ConvertedContactId",
        "CreatedDate",
        "CreatedById",
    ),
    own_fields={
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
    ends_as="IsConverted",
    queue_may_own=True,
)
CONTACT = SyncedObject(
    name="Contact",
    system_fields=("IsDeleted", "MasterRecordId", "OwnerId", "AccountId"),
    own_fields={
        "Email": "email",
        "FirstName": "first_name",
        "LastName": "last_name",
        "Salutation": "salutation",
        "Title": "title",
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
    address_prefix="Mailing",
    parents=(OWNER, EDITOR, ACCOUNT),
)
SYNCED = {synced.name: synced for synced in (LEAD, CONTACT)}
#: Their names, in the order in which they are read.
OBJECTS = tuple(SYNCED)
