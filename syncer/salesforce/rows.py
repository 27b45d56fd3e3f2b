"""What Salesforce says about one row: refused with which code and fields, or done under which id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.ids import is_salesforce_id, to_18


@dataclass(frozen=True, slots=True)
class RowError:
    """One refusal. ``duplicates`` are the ids of the records that are in the way; ``warn_only`` says that a duplicate
    rule would let a person save after a warning (and a program with ``allowSave=true``)."""

    code: str
    message: str
    fields: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    warn_only: bool = False


@dataclass(frozen=True, slots=True)
class RowResult:
    """The outcome of one row, in the order of the request. ``created`` is None where Salesforce does not tell."""

    id: str | None
    success: bool
    created: bool | None
    errors: tuple[RowError, ...] = ()


# "duplicate value found: F__c duplicates value on record with id: 00Q000000000001" (docs/salesforce.md 4.8)
_RECORD_IN_MESSAGE = re.compile(r"record with id:\s*([A-Za-z0-9]{15,18})")


def row_error(item: object, status: int | None = None) -> RowError:
    """One error of an answer: ``statusCode`` (rows), ``errorCode`` (calls) or ``error`` (OAuth) name the code."""
    if not isinstance(item, Mapping):
        return RowError(http_code(status), str(item) if item else "Salesforce gave no reason.")
    code = item.get("errorCode") or item.get("statusCode") or item.get("error") or http_code(status)
    message = str(item.get("message") or item.get("error_description") or "")
    fields = item.get("fields")
    duplicates, warn_only = _duplicates(item)
    if not duplicates and (found := _RECORD_IN_MESSAGE.search(message)) and is_salesforce_id(found[1]):
        duplicates = (to_18(found[1]),)
    names = tuple(str(name) for name in fields) if isinstance(fields, list) else ()
    return RowError(str(code), message, names, duplicates, warn_only)


def errors_of(body: object, status: int | None = None) -> tuple[RowError, ...]:
    """The errors in the body of a refusal: a JSON list, a single object (OAuth), or a text such as an HTML page."""
    if isinstance(body, list) and body:
        # An upsert that several records match (docs/salesforce.md 4.7).
        if status == 300 and all(isinstance(item, str) for item in body):
            ids = tuple(_ids(item.rstrip("/").rpartition("/")[2] for item in body))
            return (RowError("DUPLICATE_EXTERNAL_ID", "More than one record has this external id.", (), ids),)
        return tuple(row_error(item, status) for item in body)
    return (row_error(body, status),)


def http_code(status: int | None) -> str:
    """Our code for an answer that carries none of Salesforce's."""
    return EdgeCode.UNKNOWN if status is None else f"HTTP_{status}"


def _duplicates(item: Mapping[str, object]) -> tuple[tuple[str, ...], bool]:
    """Ids of the matching records and whether the rule only warns, from a duplicateResult.

    Salesforce has long misspelled the key as ``duplicateResut``; both are read.
    """
    result = item.get("duplicateResult") or item.get("duplicateResut")
    if not isinstance(result, Mapping):
        return (), False
    ids: list[object] = []
    for match in _list(result.get("matchResults")):
        for record in _list(match.get("matchRecords")):
            inner = record.get("record")
            ids.append(inner.get("Id") if isinstance(inner, Mapping) else None)
    return tuple(dict.fromkeys(_ids(ids))), result.get("allowSave") is True


def _list(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _ids(values: Iterable[object]) -> Iterable[str]:
    return (to_18(value) for value in values if isinstance(value, str) and is_salesforce_id(value))
