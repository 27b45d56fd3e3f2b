"""*Change owner in SFDC*: gives linked records to a user or a lead queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncer.models import ActivityType
from syncer.models.triggers import agreeing_writes
from syncer.salesforce import soql, writing
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.ids import is_queue, to_18
from syncer.sync.actions import checks, repeatable
from syncer.sync.context import Context
from syncer.sync.options import Action, SyncOptions
from syncer.sync.outcomes import PersonOutcome, Result, contact_and_queue, outcome
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import links
from syncer.sync.store.activity import Journal


def give(
    context: Context, persons: Sequence[PersonState], asked: Mapping[int, SyncOptions]
) -> dict[int, PersonOutcome]:
    """Give the records of linked persons to the owner that was asked for; persons without such a wish are left out.

    A record that was just read, and has that owner, is not written. One API call for up to 200 persons.
    """
    outcomes: dict[int, PersonOutcome] = {}
    wanted: dict[int, tuple[PersonState, str]] = {}
    for person in persons:
        if person.link is None or not asked[person.id].owner:
            continue
        owner = to_18(asked[person.id].owner)
        if person.link.object == "Contact" and asked[person.id].to_queue:
            outcomes[person.id] = contact_and_queue(person, f"Contact {person.link.record_id}")
        elif asked[person.id].action is Action.OWNER or person.link.owner_id != owner:
            wanted[person.id] = (person, owner)
    if not wanted:
        return outcomes
    no = checks.no_writing(context)
    if no is not None:
        return outcomes | {p.id: outcome(p, Result.REFUSED, *no) for p, _ in wanted.values()}
    groups = {
        name: group
        for name in context.maps
        if (group := [(p, owner) for p, owner in wanted.values() if p.link and p.link.object == name])
    }
    answered = repeatable.repeatable(
        context, [request for name, group in groups.items() for request in _requests(name, group)]
    )
    if answered is None:
        return outcomes | {p.id: repeatable.unknown(p) for p, _ in wanted.values()}
    answer, reading = answered  # what was read before shows the owners of before
    for name, group in groups.items():
        outcomes |= _record(context, group, name, answer, reading.sequence)
    return outcomes


def _requests(sobject: str, group: Sequence[tuple[PersonState, str]]) -> list[Subrequest]:
    rows = [{"Id": p.link.record_id, "OwnerId": owner} for p, owner in group if p.link]
    names = soql.select(
        ["Id", "OwnerId", "Owner.Name", "Owner.Email"], sobject, where=soql.in_("Id", [row["Id"] for row in rows])
    )
    return [
        writing.update(f"give{sobject}", sobject, rows),
        Subrequest("GET", soql.query_path(names), f"after{sobject}"),
    ]


def _record(
    context: Context, group: Sequence[tuple[PersonState, str]], sobject: str, answer: Answer, sequence: int
) -> dict[int, PersonOutcome]:
    """Keep the new owners with the records, and log them. The rest of a record may have changed with its owner (flows,
    sharing): its stamp is forgotten, so that the next cycle reads it."""
    outcomes: dict[int, PersonOutcome] = {}
    journal = Journal(context)
    response = answer[f"after{sobject}"]
    after: dict[str, Any] = {row["Id"]: row for row in response.body["records"]} if response.ok else {}
    owners: dict[int, tuple[str, str, str]] = {}
    for (person, owner), result in zip(group, writing.results(answer[f"give{sobject}"]), strict=True):
        link = person.link
        assert link is not None
        if not result.success:
            outcomes[person.id] = repeatable.refused(
                journal, person, ActivityType.CHANGE_OWNER, result.errors[0], {"OwnerId": owner}
            )
            continue
        row = after.get(link.record_id) or {}
        related = row.get("Owner") or {}
        to_queue = is_queue(owner)
        name = "" if to_queue else str(related.get("Name") or "")
        owners[person.id] = (owner, name, "" if to_queue else str(related.get("Email") or ""))
        shown = str(related.get("Name") or owner)
        before = link.owner_name or link.owner_id or "(not known)"
        message = f"Owner: {shown}." if link.owner_id == owner else f"Owner: {before} → {shown}."
        journal.entry(
            person.id,
            person.name,
            ActivityType.CHANGE_OWNER,
            message,
            detail={"old": link.owner_id, "new": owner, "source": "Sync Person to SFDC", "id": link.record_id},
        )
        outcomes[person.id] = outcome(person, Result.UPDATED, message)
    with agreeing_writes():
        context.fence()
        links.set_owners(owners, sequence)
        journal.write()
    return outcomes
