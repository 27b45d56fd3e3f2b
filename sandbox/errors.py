"""Salesforce's refusals: a status, an error code, a message and the fields concerned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class SalesforceError(Exception):
    """An answer that Salesforce gives instead of doing what was asked.

    ``fields`` is None for platform errors (two keys on the wire) and a list for DML errors (three keys).
    ``row_code`` is the code inside collections and bulk rows where it differs from the single call's.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: Iterable[str] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        row_code: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.fields = None if fields is None else list(fields)
        self.extra = extra or {}
        self.row_code = row_code or code

    def as_item(self) -> dict[str, Any]:
        """The entry of the JSON list that a single REST call answers."""
        item: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            item["fields"] = self.fields
        item.update(self.extra)
        return item

    def as_row(self) -> dict[str, Any]:
        """The entry in ``errors`` of one row of sObject Collections: these three keys and no others."""
        return {"statusCode": self.row_code, "message": self.message, "fields": self.fields or []}

    def as_bulk(self) -> str:
        """The text of ``sf__Error`` in a Bulk API 2.0 result."""
        return f"{self.row_code}:{self.message}:{' '.join(self.fields or [])} --"


class UnreadableBody(SalesforceError):
    """JSON that cannot be read as what the request is about: all of the request is refused."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "JSON_PARSER_ERROR", message)


class WrongType(UnreadableBody):
    """A value of another JSON type than the field's: the parser's error in JSON, the field's in CSV."""

    def __init__(self, message: str, field: str, label: str, value: object) -> None:
        super().__init__(message)
        self.field = field
        self.label = label
        self.value = value


class ManyMatches(SalesforceError):
    """An external id that several records carry: HTTP 300 with their addresses in a single call."""

    def __init__(self, field: str, value: str, ids: list[str], object_name: str) -> None:
        listed = ", ".join(ids)
        super().__init__(
            300,
            "DUPLICATE_EXTERNAL_ID",
            f"{field}: more than one record found for external id field: [{listed}]",
            [field],
        )
        self.ids = ids
        self.object_name = object_name
        self.value = value


class ConnectionDropped(Exception):
    """A planned fault: the connection is closed and no answer is sent."""


def invalid_session() -> SalesforceError:
    """The session id is unknown, expired or revoked."""
    return SalesforceError(401, "INVALID_SESSION_ID", "Session expired or invalid")


def not_found(message: str = "The requested resource does not exist") -> SalesforceError:
    """No such resource, object or record address."""
    return SalesforceError(404, "NOT_FOUND", message)


def unknown_record(external_id_or_id: str | None = None) -> SalesforceError:
    """A record address that leads nowhere."""
    if external_id_or_id is None:
        return not_found()
    return not_found(f"Provided external ID field does not exist or is not accessible: {external_id_or_id}")


def malformed_json(message: str) -> SalesforceError:
    """A body that cannot be read."""
    return UnreadableBody(message)


def no_column(field: str, object_name: str) -> SalesforceError:
    """A written field that does not exist, or that the user cannot see: Salesforce does not tell them apart."""
    return SalesforceError(400, "INVALID_FIELD", f"No such column '{field}' on sobject of type {object_name}")


def deleted_record() -> SalesforceError:
    """The record is in the recycle bin or was merged away."""
    return SalesforceError(404, "ENTITY_IS_DELETED", "entity is deleted", [])


def unknown_id(status: int = 404) -> SalesforceError:
    """No record has this id: 404 for the record itself, 400 for one that a field refers to."""
    return SalesforceError(status, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [])


def bad_id(label: str, value: object, field: str) -> SalesforceError:
    """A reference that is no id, or the id of another kind of object."""
    return SalesforceError(400, "MALFORMED_ID", f"{label}: id value of incorrect type: {value}", [field])


def row_locked(record_id: str, status: int = 500) -> SalesforceError:
    """Somebody else holds the record."""
    return SalesforceError(
        status,
        "UNABLE_TO_LOCK_ROW",
        f"unable to obtain exclusive access to this record or 1 records: {record_id}",
        [],
    )


def no_access() -> SalesforceError:
    """The user may see the record, or the object, but not do this with it."""
    return SalesforceError(403, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", [])
