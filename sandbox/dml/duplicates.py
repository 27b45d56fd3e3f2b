"""Duplicate rules: a save is refused when another record looks like the same person.

A rule that only warns refuses API saves too, unless ``Sforce-Duplicate-Rule-Header: allowSave=true`` is sent
(REST API Developer Guide, "Duplicate Rule Header").
"""

from __future__ import annotations

from typing import Any

from sandbox.dml.context import Saver
from sandbox.errors import SalesforceError
from sandbox.schema.sobject import SObject
from sandbox.store.database import quote

_MATCHES = 10
DEFAULT_ALERT = "Use one of these records?"


def check(saver: Saver, item: SObject, record_id: str) -> None:
    """Refuse the record just written if a rule finds others like it."""
    for rule in saver.settings.duplicate_rules:
        if rule["object"] != item.name:
            continue
        found = _matching(saver, item, record_id, rule)
        allows = rule["action"] == "allow"
        if found and not (allows and saver.options.allow_duplicates):
            raise _refusal(item, rule, found, allows)


def _matching(saver: Saver, item: SObject, record_id: str, rule: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for other_name in rule["matches"]:
        other = saver.whole(other_name)
        fields = [name for name in rule["fields"] if other.has(name)]
        if len(fields) < len(rule["fields"]):
            continue
        same = " AND ".join(f"o.{quote(name)} = r.{quote(name)}" for name in fields)
        alive = " AND o.IsDeleted = 0" + (" AND o.IsConverted = 0" if other.has("IsConverted") else "")
        sql = (
            f"SELECT o.Id FROM {quote(item.name)} r JOIN {quote(other.name)} o ON {same}{alive} AND o.Id <> r.Id "
            f"WHERE r.Id = ? ORDER BY o.Id LIMIT {_MATCHES}"
        )
        ids = [row[0] for row in saver.database.execute(sql, (record_id,))]
        if ids:
            found[other.name] = ids
    return found


def _refusal(item: SObject, rule: dict[str, Any], found: dict[str, list[str]], allows: bool) -> SalesforceError:
    message = rule.get("message") or DEFAULT_ALERT
    results = [
        {
            "entityType": other,
            "errors": [],
            "matchEngine": "ExactMatchEngine",
            "matchRecords": [
                {
                    "additionalInformation": [],
                    "fieldDiffs": [],
                    "matchConfidence": 100.0,
                    "record": {
                        "attributes": {"type": other, "url": f"/services/data/v59.0/sobjects/{other}/{record_id}"},
                        "Id": record_id,
                    },
                }
                for record_id in ids
            ],
            "rule": rule["name"],
            "size": len(ids),
            "success": True,
        }
        for other, ids in found.items()
    ]
    result = {
        "allowSave": allows,
        "duplicateRule": rule["name"],
        "duplicateRuleEntityType": item.name,
        "errorMessage": message,
        "matchResults": results,
    }
    return SalesforceError(400, "DUPLICATES_DETECTED", message, None, extra={"duplicateResult": result})
