"""What an administrator can switch: rules, assignment, limits. Kept in the database."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.errors import SalesforceError
from sandbox.schema.formula import with_renamed
from sandbox.soql.cursors import BATCH
from sandbox.soql.parser import MAX_QUERY

DAILY_LIMIT = 5_000_000
#: a longer address is refused by Salesforce's front end, with 414 or 431
MAX_URL = 16_384


@dataclass
class Settings:
    """The organisation's switches."""

    validation_rules: list[dict[str, Any]] = field(default_factory=list)
    duplicate_rules: list[dict[str, Any]] = field(default_factory=list)
    assignment_active: bool = True
    assignment_rule_id: str = ""
    assignment_owner: str = ""
    daily_limit: int = DAILY_LIMIT
    concurrent_limit: int = 25
    page_records: int = BATCH
    query_formulas: int | None = None
    query_length: int = MAX_QUERY
    url_length: int = MAX_URL
    url_status: int = 414
    state_country_picklists: bool = False
    time_zone: str = "Etc/UTC"
    person_accounts: bool = False
    #: object -> its record types: id, name, developer_name, active, default
    record_types: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    #: object -> the fields that its describe lists first
    field_order: dict[str, list[str]] = field(default_factory=dict)
    failing_flows: dict[str, str] = field(default_factory=dict)
    #: record-triggered flows that set fields after a save: object, name, the formulas by field, and a condition
    flows: list[dict[str, Any]] = field(default_factory=list)
    #: what is switched on on the page's panel
    tries: list[str] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    trigger_limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    edit_converted: list[str] = field(default_factory=list)
    view_encrypted: list[str] = field(default_factory=list)
    #: user -> the objects of which the user sees own records only
    private: dict[str, list[str]] = field(default_factory=dict)

    def dumps(self) -> str:
        """As text for the database."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Settings:
        """From the database's text; unknown switches of another version are left out."""
        values = json.loads(text)
        return cls(**{name: value for name, value in values.items() if name in cls.__dataclass_fields__})

    def follow_rename(self, object_name: str, old: str, new: str) -> None:
        """The rules that name a field go on when it gets another API name."""
        for rule in (*self.validation_rules, *self.duplicate_rules, *self.refusals, *self.flows):
            if rule["object"] != object_name:
                continue
            if rule.get("when"):
                rule["when"] = with_renamed(rule["when"], old, new)
            if rule.get("field") == old:
                rule["field"] = new
            if "set" in rule:
                rule["set"] = {
                    new if name == old else name: with_renamed(text, old, new) for name, text in rule["set"].items()
                }
            if "fields" in rule:
                rule["fields"] = [new if name == old else name for name in rule["fields"]]
        if object_name in self.field_order:
            self.field_order[object_name] = [new if name == old else name for name in self.field_order[object_name]]

    def assignment_target(self, asked: str) -> str | None:
        """Whom the lead assignment rule gives a lead to; None if no rule is active. A given id must be the rule's."""
        if asked != "TRUE" and asked[:15] != self.assignment_rule_id[:15]:
            raise SalesforceError(400, "INVALID_CROSS_REFERENCE_KEY", f"invalid assignment rule id: {asked}", [])
        if asked == "TRUE" and not self.assignment_active:
            return None
        return self.assignment_owner or None

    def failing_flow(self, object_name: str) -> str | None:
        """The name of the flow that makes every save of this object fail."""
        return self.failing_flows.get(object_name)

    def default_record_type(self, object_name: str) -> str | None:
        """What a new record gets that names none."""
        found = (each["id"] for each in self.record_types.get(object_name, ()) if each["default"])
        return next(found, None)

    def edits_converted(self, user_id: str) -> bool:
        """Whether the user has the permission "View and Edit Converted Leads"."""
        return user_id in self.edit_converted
