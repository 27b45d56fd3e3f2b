"""Persons with their link and their place in the outbox, loaded for a batch in one query."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from syncer.models import Person, SfdcType
from syncer.salesforce.rows import RowError
from syncer.sync.fields.object_map import PERSON_COLUMNS
from syncer.sync.merge import Value


@dataclass(frozen=True, slots=True)
class Link:
    """The record that a person is linked to, as it was last agreed."""

    organisation: str
    object: str
    record_id: str
    base: Mapping[str, Value]
    weak_base: bool
    system_modstamp: datetime | None
    read_at: datetime | None
    read_sequence: int
    undecided: int | None  # the person's revision at which a field of the record could not be decided
    owner_id: str
    owner_name: str
    owner_email: str
    account_id: str
    merged_into: str
    received_at: datetime | None
    sent_at: datetime | None
    awaits_sending: bool  # that field waits until something may be sent
    hidden_since: datetime | None  # Salesforce does not show the record any more


@dataclass(frozen=True, slots=True)
class PersonState:
    """A person as the engine sees it. ``values`` are the columns by name and ``custom``."""

    id: int
    uuid: uuid.UUID
    revision: int
    values: Mapping[str, Any]
    sfdc_type: str
    sfdc_id: str
    sfdc_is_deleted: bool
    updated_at: datetime
    link: Link | None
    pending: str  # the outbox row's state, empty without one
    attempts: int
    error_code: str
    in_doubt: Mapping[str, Value]  # sent, but the answer has not come
    sent_to_create: Mapping[str, Value] | None  # what a create was asked for with whose answer has not come
    held: Mapping[str, Value]  # refused before, while the other fields were sent
    errors: tuple[RowError, ...]  # the last refusal
    asked: Mapping[str, Any]  # the options of a create that was refused or whose answer has not come
    left: Link | None = None  # to the deleted record in whose place a lead is made: kept until that is there

    @property
    def name(self) -> str:
        full = " ".join(part for part in (self.values["first_name"], self.values["last_name"]) if part)
        return full or self.values["email"] or f"Person {self.id}"

    @property
    def linked(self) -> bool:
        return self.link is not None and self.sfdc_type != SfdcType.NONE


_LINK = {
    name: f"record__{name}"
    for name in (
        "organisation",
        "object",
        "record_id",
        "base",
        "weak_base",
        "system_modstamp",
        "read_at",
        "read_sequence",
        "undecided",
        "owner_id",
        "owner_name",
        "owner_email",
        "account_id",
        "merged_into",
        "received_at",
        "sent_at",
        "awaits_sending",
        "hidden_since",
    )
}
_OWN = ["id", "uuid", "revision", "sfdc_type", "sfdc_id", "sfdc_is_deleted", "updated_at", "custom", *PERSON_COLUMNS]
_INTENT = ["create_intent__values_sent", "create_intent__options"]
_PENDING = [
    f"pending__{name}"
    for name in (
        "state",
        "attempts",
        "error_code",
        "error_detail",
        "in_doubt",
        "held",
        "options",
    )
]


def load(persons: QuerySet[Person]) -> list[PersonState]:
    """The persons of a query with link and outbox row, in one query."""
    return [_state(row) for row in persons.values(*_OWN, *_LINK.values(), *_PENDING, *_INTENT)]


def by_ids(ids: Iterable[int]) -> dict[int, PersonState]:
    return {state.id: state for state in load(Person.objects.filter(id__in=list(ids)))}


def by_record_ids(organisation: str, record_ids: Iterable[str]) -> dict[str, PersonState]:
    """The linked persons of records, by record id. Of a deleted record in whose place a lead is made, too: it may be
    undeleted."""
    persons = Person.objects.filter(record__organisation=organisation, record__record_id__in=list(record_ids))
    states = [state if state.left is None else replace(state, link=state.left, left=None) for state in load(persons)]
    return {state.link.record_id: state for state in states if state.link is not None}


def without_record(person: PersonState) -> PersonState:
    """A person whose record was deleted, as one who is not in Salesforce: to be looked up, and made there anew. The
    link stays until another one takes its place, so that a refusal changes nothing."""
    return replace(person, link=None, left=person.link)


def _state(row: Mapping[str, Any]) -> PersonState:
    link = None
    if row["record__record_id"] is not None:
        link = Link(**{name: row[path] for name, path in _LINK.items()})
    state = PersonState(
        id=row["id"],
        uuid=row["uuid"],
        revision=row["revision"],
        values={name: row[name] for name in (*PERSON_COLUMNS, "custom")},
        sfdc_type=row["sfdc_type"],
        sfdc_id=row["sfdc_id"],
        sfdc_is_deleted=row["sfdc_is_deleted"],
        updated_at=row["updated_at"],
        link=link,
        pending=row["pending__state"] or "",
        attempts=row["pending__attempts"] or 0,
        error_code=row["pending__error_code"] or "",
        in_doubt=row["pending__in_doubt"] or {},
        sent_to_create=row["create_intent__values_sent"],
        held=row["pending__held"] or {},
        errors=_errors(row["pending__error_detail"] or {}),
        asked=row["create_intent__options"] or row["pending__options"] or {},
    )
    asked_for_anew = link is not None and state.sfdc_is_deleted and state.sent_to_create is not None
    return without_record(state) if asked_for_anew else state


def _errors(detail: Mapping[str, Any]) -> tuple[RowError, ...]:
    """The refusals that the outbox keeps (``failures.failure``)."""
    return tuple(RowError(e["code"], e["message"], tuple(e["fields"])) for e in detail.get("errors", ()))
