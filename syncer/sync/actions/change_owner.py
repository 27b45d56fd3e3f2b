"""*Change owner in SFDC*: gives linked records to a user or a lead queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncer.models import ActivityType
from syncer.salesforce import soql, writing
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.ids import is_queue, to_18
from syncer.salesforce.rows import RowResult
from syncer.sync.actions import checks, repeatable
from syncer.sync.actions.spec import ActionSpec, Asked
from syncer.sync.actions.synchronise import sync_then
from syncer.sync.context import Context
from syncer.sync.fields.synced_objects import SYNCED
from syncer.sync.options import Action, Ask, SyncOptions
from syncer.sync.outcomes import Code, Outcomes, PersonOutcome, Result, contact_and_queue, outcome, same_for
from syncer.sync.persons.person_state import Link, PersonState
from syncer.sync.persons.record import related_text, stamp_of
from syncer.sync.store import links, tombstones
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import lock_as_they_are
from syncer.sync.store.transactions import repeated, write_transaction


@dataclass(frozen=True, slots=True)
class Handover:
    """A record that is to get another owner."""

    person: PersonState
    link: Link
    owner: str

    @property
    def to_queue(self) -> bool:
        return is_queue(self.owner)

    @property
    def is_refused(self) -> bool:
        """Salesforce gives contacts to users only."""
        return self.to_queue and not SYNCED[self.link.object].queue_may_own


def change_owner(context: Context, persons: Sequence[PersonState], asked: Asked) -> Iterator[Outcomes]:
    """Whoever is not in Salesforce is made there, with the owner; the others stay as they are."""
    return sync_then(context, persons, asked, (give,), only_new=True)


def give(context: Context, persons: Sequence[PersonState], asked: Asked, done: Outcomes) -> Outcomes:
    """Give the records of linked persons to the owner that was asked for. One API call for up to 200 persons."""
    return _give(context, _handovers(persons, asked, done))


def give_others(context: Context, persons: Sequence[PersonState], asked: Asked, done: Outcomes) -> Outcomes:
    """As ``give``, for records that were just read: one that has that owner is not written."""
    handovers = _handovers(persons, asked, done)
    return _give(context, [one for one in handovers if one.link.owner_id != one.owner])


def _handovers(persons: Sequence[PersonState], asked: Asked, done: Outcomes) -> list[Handover]:
    """Those for whom an owner was asked for; a lead that was just made was made with it."""
    made = {pk for pk, told in done.items() if told.result is Result.CREATED}
    return [
        Handover(p, p.link, to_18(asked[p.id].owner))
        for p in persons
        if p.link is not None and asked[p.id].owner and p.id not in made
    ]


def _give(context: Context, handovers: Sequence[Handover]) -> Outcomes:
    refused = {
        one.person.id: contact_and_queue(one.person, f"Contact {one.link.record_id}")
        for one in handovers
        if one.is_refused
    }
    return refused | _write(context, [one for one in handovers if not one.is_refused])


def _write(context: Context, handovers: Sequence[Handover]) -> dict[int, PersonOutcome]:
    if not handovers:
        return {}
    persons = [one.person for one in handovers]
    if (no := checks.no_writing(context)) is not None:
        return same_for(persons, Result.REFUSED, *no)
    groups: dict[str, list[Handover]] = {}
    for one in handovers:
        groups.setdefault(one.link.object, []).append(one)
    requests = [request for name, group in groups.items() for request in _requests(name, group)]
    answered = repeatable.repeatable(context, requests)
    if answered is None:
        return repeatable.unknown(persons)
    answer, reading = answered  # what was read before shows the owners of before
    outcomes: dict[int, PersonOutcome] = {}
    for name, group in groups.items():
        outcomes |= _record(context, group, name, answer, reading.sequence)
    return outcomes


def _requests(sobject: str, group: Sequence[Handover]) -> list[Subrequest]:
    rows = [{"Id": one.link.record_id, "OwnerId": one.owner} for one in group]
    names = ["Id", "SystemModstamp", "OwnerId", "Owner.Name", "Owner.Email"]
    after = soql.select(names, sobject, where=soql.in_("Id", [row["Id"] for row in rows]))
    return [
        writing.update(f"give{sobject}", sobject, rows),
        Subrequest("GET", soql.query_path(after), f"after{sobject}"),
    ]


@repeated
def _record(
    context: Context, group: Sequence[Handover], sobject: str, answer: Answer, sequence: int
) -> dict[int, PersonOutcome]:
    """Keep the new owners with the records, and log them. The rest of a record may have changed with its owner (flows,
    sharing): its stamp is forgotten, so that the next cycle reads it."""
    journal = Journal(context)
    after: dict[str, Any] = {row["Id"]: row for row in answer.rows(f"after{sobject}")}
    results = list(zip(group, writing.results(answer[f"give{sobject}"]), strict=True))
    owners = {
        one.person.id: (*_owner(one, row), stamp_of(row) or context.org.org_time())
        for one, result in results
        if result.success
        for row in [after.get(one.link.record_id) or {}]
    }
    outcomes = {
        one.person.id: _told(journal, one, result, after.get(one.link.record_id) or {}) for one, result in results
    }
    with write_transaction(context):
        # Whoever is being edited right now: the next cycle reads the owner, whose change has moved the record's stamp.
        free = lock_as_they_are(context, owners)
        links.set_owners({pk: owner for pk, owner in owners.items() if pk in free}, sequence)
        tombstones.has_seen(context, {one.link.record_id: owners[one.person.id][-1] for one, r in results if r.success})
        journal.write()
    return outcomes


def _owner(one: Handover, row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Id, name and e-mail address of the new owner; a queue's are not kept with the record."""
    if one.to_queue:
        return one.owner, "", ""
    return one.owner, related_text(row.get("Owner"), "Name"), related_text(row.get("Owner"), "Email")


def _told(journal: Journal, one: Handover, result: RowResult, row: Mapping[str, Any]) -> PersonOutcome:
    person, link = one.person, one.link
    if not result.success:
        sent = {"OwnerId": one.owner}
        return repeatable.refused(journal, person, ActivityType.CHANGE_OWNER, result.errors[0], sent)
    shown = related_text(row.get("Owner"), "Name") or one.owner
    before = link.owner_name or link.owner_id or "(not known)"
    message = f"Owner: {shown}." if link.owner_id == one.owner else f"Owner: {before} → {shown}."
    journal.entry(
        person.id,
        person.name,
        ActivityType.CHANGE_OWNER,
        message,
        detail={"old": link.owner_id, "new": one.owner, "source": "Sync Person to SFDC", "id": link.record_id},
    )
    return outcome(person, Result.UPDATED, message)


def owner_chosen(context: Context, person: PersonState, options: SyncOptions) -> PersonOutcome | None:
    return None if options.owner else outcome(person, Result.REFUSED, "No owner was chosen.", Code.NO_OWNER)


SPEC = ActionSpec(
    action=Action.OWNER,
    name="change_owner",
    title="Change owner in SFDC",
    carry_out=change_owner,
    button="Change the owner",
    asks=frozenset({Ask.OWNER, Ask.LEAD_FOR_CONTACT}),
    needs=frozenset({Ask.OWNER}),
    refusals=(checks.writing, checks.well_formed_ids, owner_chosen, checks.not_deleted, checks.visible),
    makes_record_first=True,
)
