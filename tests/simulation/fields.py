"""The fields that people edit in a history: where each side keeps them, and which values they take.

Values are compared in a form of this module's own, so that a mistake in the engine's conversion can't hide itself.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

Value = None | bool | str
INTERESTS = ("Analytics", "Automation", "Events", "Security", "Training")


@dataclass(frozen=True, slots=True)
class Field:
    """``kind``: text, number, date (each edit has a value of its own), bool or several (values repeat)."""

    name: str  # a person's column, or the key of a custom field
    lead: str
    contact: str
    kind: str = "text"

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def unique(self) -> bool:
        return self.kind in ("text", "number", "date")

    def there(self, record_id: str) -> str:
        """Its name on a record; empty where that has none."""
        return self.lead if record_id.startswith("00Q") else self.contact

    def canonical(self, raw: Any) -> Value:
        if self.kind == "bool":
            return bool(raw)
        if raw is None or raw == "":
            return None
        if self.kind == "number":
            return format(Decimal(str(raw)).normalize(), "f")
        if self.kind == "several":
            return ";".join(sorted(part for part in str(raw).split(";") if part)) or None
        return str(raw).strip() or None

    def of_person(self, values: Mapping[str, Any]) -> Value:
        return self.canonical(values["custom"].get(self.name) if self.custom else values[self.name])

    def of_record(self, record: Mapping[str, Any]) -> Value:
        return self.canonical(record.get(self.there(str(record["Id"]))))

    def draw(self, chance: random.Random, side: str, number: int) -> Any:
        """A value as somebody enters it on this side; sometimes a blank, or text with blanks around it."""
        if self.kind == "bool":
            return chance.random() < 0.5
        if chance.random() < 0.1:
            return None if side == "there" or self.custom or self.kind == "number" else ""
        if self.kind == "number":
            return str(number) if self.custom and side == "here" else number
        if self.kind == "date":
            return (date(2020, 1, 1) + timedelta(days=number)).isoformat()
        if self.kind == "several":
            return ";".join(chance.sample(INTERESTS, chance.randint(1, 3)))
        text = f"{side} {number}"
        return f"  {text} " if chance.random() < 0.05 else text


FIELDS = (
    Field("title", "Title", "Title"),
    Field("phone", "Phone", "Phone"),
    Field("fax", "Fax", "Fax"),
    Field("city", "City", "MailingCity"),
    Field("street", "Street", "MailingStreet"),
    Field("description", "Description", "Description"),
    Field("website", "Website", ""),
    Field("number_of_employees", "NumberOfEmployees", "", "number"),
    Field("person_score", "Lead_Score__c", "Lead_Score__c", "number"),
    Field("unsubscribed", "HasOptedOutOfEmail", "HasOptedOutOfEmail", "bool"),
    Field("do_not_call", "DoNotCall", "DoNotCall", "bool"),
    Field("Notes__c", "Notes__c", "Notes__c"),
    Field("Budget__c", "Budget__c", "Budget__c", "number"),
    Field("Renewal_Date__c", "Renewal_Date__c", "Renewal_Date__c", "date"),
    Field("Newsletter__c", "Newsletter__c", "Newsletter__c", "bool"),
    Field("Interests__c", "Interests__c", "Interests__c", "several"),
)
#: Appears in the middle of a history.
NEW = Field("New__c", "New__c", "New__c")
BY_NAME = {field.name: field for field in (*FIELDS, NEW)}
