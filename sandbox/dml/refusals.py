"""What an organisation refuses although its describe allows it: single records, and more records at once than its
automations bear.

Sources: REST API Developer Guide, "Status Codes and Error Responses" (``INVALID_FIELD_FOR_INSERT_UPDATE`` for fields of
a person account that its contact cannot change, ``CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY`` for a trigger); Apex Developer
Guide, "Execution Governors and Limits" (a limit cannot be caught, so that all rows of the transaction fail).
"""

from __future__ import annotations

from collections.abc import Collection

from sandbox.dml import checks
from sandbox.dml.context import Saver
from sandbox.errors import SalesforceError
from sandbox.schema.sobject import SObject

FIELD_CODE = "INVALID_FIELD_FOR_INSERT_UPDATE"
TRIGGER_CODE = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"


def check_record(saver: Saver, item: SObject, record_id: str, written: Collection[str]) -> None:
    """Refuse a save of this record, as it has just been written, that writes one of the fields that are refused."""
    for rule in saver.settings.refusals:
        if rule["object"] != item.name or rule["id"] not in (None, record_id):
            continue
        fields = [name for name in rule["fields"] if name in written]
        if rule["fields"] and not fields:
            continue
        if rule["when"] is None or checks.matches(saver, item, record_id, rule["when"]):
            rule["hits"] += 1
            raise SalesforceError(rule["status"], rule["code"], rule["message"], fields)


def check_transaction(saver: Saver, object_name: str, rows: int) -> None:
    """Refuse all rows of one object that were saved together if they are more than its trigger bears."""
    limit = saver.settings.trigger_limits.get(object_name)
    if limit is not None and rows > limit["rows"]:
        limit["hits"] += 1
        raise SalesforceError(400, limit["code"], limit["message"], [])
