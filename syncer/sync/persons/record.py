"""A record as Salesforce answered it: its values by person field, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from syncer.salesforce.ids import is_queue, to_18
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.fields.synced_objects import OWNER
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
    """One request that read records: its place in the application's sequence, and the organisation's time then.

    A request that sends takes its place again behind its answer (``sequence``): what was asked for before that may show
    the record as it was before. Who had read it since the request was made is told by its first place (``begun``)."""

    sequence: int
    asked_at: datetime
    first: int | None = None  # of a request that sends

    @property
    def begun(self) -> int:
        return self.sequence if self.first is None else self.first


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
    owner_is_hidden: bool  # so that name and address are unknown, not empty
    account_id: str  # of a contact
    out_of_sight: frozenset[str]  # person fields that are read through a reference to a record that is hidden
    editor: str
    external_id: str  # the person's UUID, where the organisation has the field
    created_at: datetime | None  # of a lead
    created_by: str  # of a lead: the id of a user
    made_storable: frozenset[str] = (
        frozenset()
    )  # person fields whose text stands otherwise there: it can't be held here

    @property
    def gone(self) -> bool:
        return self.is_deleted or self.is_converted

    @property
    def owner(self) -> tuple[str, str, str]:
        """Id, name and address."""
        return self.owner_id, self.owner_name, self.owner_email

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


@dataclass(frozen=True, slots=True)
class Gap:
    """Where in a read a row stood that has no readable Id: among those changed between these moments (None: any)."""

    after: datetime | None
    until: datetime | None


class BadRecord(ValueError):
    """A row that can't be taken for a record, because what the engine itself has to know of it can't be read.
    ``str()`` ends a sentence that begins with the record."""

    def __init__(self, record_id: str, reason: str) -> None:
        super().__init__(reason)
        self.record_id = record_id


class Unsettled(BadRecord):
    """A record that was changed, or of which a part was not answered, while it was read in several queries."""


#: The mark of a row that has all of its fields, where they take several queries. No field has such a name.
WHOLE = "(whole)"
#: Stamps outside of these years are nonsense.
FIRST_YEAR, LAST_YEAR = 1990, 2999


def parse_stamp(text: object) -> datetime:
    """``2026-01-02T03:04:05.000+0000`` as an aware datetime. Raises ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError("no stamp")
    moment = datetime.fromisoformat(text)
    if moment.utcoffset() is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError("no stamp")
    return moment.astimezone(UTC)


def stamp_of(row: Mapping[str, Any]) -> datetime | None:
    """When a row was changed last; None if that can't be read."""
    try:
        return parse_stamp(row.get("SystemModstamp"))
    except ValueError:
        return None


def parse(fields: ObjectMap, row: Mapping[str, Any]) -> RemoteRecord:
    """A record of an answer, whose Id is well formed (``salesforce.pages``). Raises BadRecord. What was
    not asked for to the end is no record: fields that are missing would not be missed (``pull.rest_of_rows``)."""
    if fields.rest and WHOLE not in row:
        raise Unsettled(row["Id"], "was being changed while it was read")
    read = _Row(row)
    owner_id = read.reference("OwnerId")
    # A queue is no person: records that it owns have no owner's name or e-mail.
    owner = None if is_queue(owner_id) else row.get("Owner")
    values, made_storable = fields.read(row)
    return RemoteRecord(
        object=fields.object,
        id=row["Id"],
        stamp=read.moment("SystemModstamp"),
        values=values,
        is_deleted=read.flag("IsDeleted"),
        is_converted=read.flag("IsConverted"),
        contact_id=read.reference("ConvertedContactId"),
        master_id=read.reference("MasterRecordId"),
        owner_id=owner_id,
        owner_name=related_text(owner, "Name"),
        owner_email=related_text(owner, "Email"),
        owner_is_hidden=OWNER.is_hidden_in(row) and not is_queue(owner_id),
        account_id=read.reference("AccountId"),
        out_of_sight=fields.out_of_sight(row),
        editor=related_text(row.get("LastModifiedBy"), "Name"),
        external_id=fields.external_id(row),
        created_at=read.moment("CreatedDate") if row.get("CreatedDate") is not None else None,
        created_by=read.reference("CreatedById"),
        made_storable=made_storable,
    )


def parse_all(fields: ObjectMap, rows: Iterable[Mapping[str, Any]]) -> tuple[list[RemoteRecord], list[BadRecord]]:
    """The records of an answer, and the rows that are none."""
    records: list[RemoteRecord] = []
    bad: list[BadRecord] = []
    for row in rows:
        try:
            records.append(parse(fields, row))
        except BadRecord as error:
            bad.append(error)
    return records, bad


class _Row:
    """Reads what the engine itself has to know of a row. What can't be read is unknown, and not to be guessed: a record
    that is not known to be there, or whose it is, can't be taken in."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    def reference(self, name: str) -> str:
        """The id in a field; empty where there is none."""
        found = self._row.get(name)
        if found is None or found == "":
            return ""
        try:
            return to_18(found)
        except ValueError as error:
            raise self._bad(name) from error

    def flag(self, name: str) -> bool:
        found = self._row.get(name)
        if found is not None and not isinstance(found, bool):
            raise self._bad(name)
        return found or False

    def moment(self, name: str) -> datetime:
        try:
            return parse_stamp(self._row.get(name))
        except ValueError as error:
            raise self._bad(name) from error

    def _bad(self, name: str) -> BadRecord:
        what = "has no" if self._row.get(name) is None else "has no readable"
        return BadRecord(self._row["Id"], f"{what} {name}")


def already_merged(merged: datetime | None, read_at: datetime | None, stamp: datetime) -> bool:
    """A state with this stamp was merged last (stamp ``merged``, asked for at ``read_at``), and nothing can come up
    with the same stamp any more: neither another save in that second nor a long transaction that began in it."""
    return merged == stamp and read_at is not None and read_at >= stamp + OVERLAP


#: Characters of a name or address that are kept with a link. Salesforce's have at most 121.
LONGEST_NAME = 255


def related_text(related: Any, name: str) -> str:
    """A text of a record that is read through a reference, as far as it is kept; empty where there is none."""
    found = related.get(name) if isinstance(related, Mapping) else None
    return str(found)[:LONGEST_NAME] if isinstance(found, str) else ""


def names_agree(person: PersonState, record: RemoteRecord) -> bool:
    """An e-mail address alone would join strangers (``info@``): the last names are equal, or one of them is empty."""
    here = person.values["last_name"].strip().lower()
    there = str(record.values.get("last_name") or "").lower()
    return not here or not there or here == there
