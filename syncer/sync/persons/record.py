"""A record as Salesforce answered it: its values by person field, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from syncer.salesforce.ids import is_queue, to_18
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.merge import Value
from syncer.sync.persons.person_state import PersonState

#: How far behind its cursor a read begins: a transaction takes its stamp when it begins and is seen when it ends, so
#: a long one shows up with a stamp older than what was read already.
OVERLAP = timedelta(minutes=10)
#: A record may be saved twice in one second of its stamp, and stamps are whole seconds: a state that was asked for
#: within this time of its stamp may not be the last one with that stamp.
SETTLED_AFTER = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Reading:
    """One request that read records: its place in the application's sequence, and the organisation's time then."""

    sequence: int
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class RemoteRecord:
    object: str
    id: str
    stamp: datetime
    values: Mapping[str, Value]
    is_deleted: bool
    is_converted: bool
    contact_id: str  # what a converted lead became
    master_id: str  # the winner that a merged record went into
    owner_id: str
    owner_name: str
    owner_email: str
    account_id: str  # of a contact
    editor: str
    external_id: str  # the person's UUID, where the organisation has the field
    created_at: datetime | None  # of a lead
    created_by: str  # of a lead: the id of a user

    @property
    def gone(self) -> bool:
        return self.is_deleted or self.is_converted

    @property
    def name(self) -> str:
        """The name of the person or, without one, the e-mail address."""
        names = (self.values.get("first_name"), self.values.get("last_name"))
        return " ".join(str(name) for name in names if name) or self.email

    @property
    def email(self) -> str:
        """The e-mail address as the record has it; empty without one."""
        return str(self.values.get("email") or "")

    @property
    def editor_name(self) -> str:
        """Who changed the record last, as the log says it."""
        return f"Salesforce: {self.editor}" if self.editor else "Salesforce"

    def became(self) -> Became | None:
        """What this record lives on as; None for one that is there, or was only deleted."""
        if self.is_deleted and self.master_id:
            return Became(self.object, self.id, self.master_id, "merged")
        if self.is_converted and not self.is_deleted and self.contact_id:
            return Became(self.object, self.id, self.contact_id, "converted")
        return None


@dataclass(frozen=True, slots=True)
class Became:
    """A record that became another one. ``survivor``: the contact of a converted lead, or the winner of a merge."""

    object: str
    id: str
    survivor: str
    reason: str


def parse_stamp(text: str) -> datetime:
    """``2026-01-02T03:04:05.000+0000`` as an aware datetime."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def parse(fields: ObjectMap, record: Mapping[str, Any]) -> RemoteRecord:
    """A record of an answer. Raises ``KeyError`` or ``ValueError`` for one without id or stamp."""
    names = ("MasterRecordId", "OwnerId", "AccountId", "CreatedById")
    reference = {name: to_18(record[name]) if record.get(name) else "" for name in names}
    # A queue is no person: records that it owns have no owner's name or e-mail.
    owner = None if is_queue(reference["OwnerId"]) else record.get("Owner")
    contact = record.get("ConvertedContactId")
    external = record.get(fields.external_id_field) if fields.external_id_field else None
    return RemoteRecord(
        object=fields.object,
        id=to_18(record["Id"]),
        stamp=parse_stamp(record["SystemModstamp"]),
        values=fields.there(record),
        is_deleted=bool(record.get("IsDeleted")),
        is_converted=bool(record.get("IsConverted")),
        contact_id=to_18(contact) if contact else "",
        master_id=reference["MasterRecordId"],
        owner_id=reference["OwnerId"],
        owner_name=_text(owner, "Name"),
        owner_email=_text(owner, "Email"),
        account_id=reference["AccountId"],
        editor=_text(record.get("LastModifiedBy"), "Name"),
        external_id=str(external or ""),
        created_at=parse_stamp(record["CreatedDate"]) if record.get("CreatedDate") else None,
        created_by=reference["CreatedById"],
    )


def already_merged(merged: datetime | None, read_at: datetime | None, stamp: datetime) -> bool:
    """A state with this stamp was merged last (stamp ``merged``, asked for at ``read_at``), and nothing can come up
    with the same stamp any more: neither another save in that second nor a long transaction that began in it."""
    return merged == stamp and read_at is not None and read_at >= stamp + OVERLAP


def _text(related: Any, name: str) -> str:
    return str(related.get(name) or "") if isinstance(related, Mapping) else ""


def names_agree(person: PersonState, record: RemoteRecord) -> bool:
    """An e-mail address alone would join strangers (``info@``): the last names are equal, or one of them is empty."""
    here = person.values["last_name"].strip().lower()
    there = str(record.values.get("last_name") or "").lower()
    return not here or not there or here == there
