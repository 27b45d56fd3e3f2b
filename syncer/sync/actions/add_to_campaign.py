"""*Add to SFDC campaign*: makes linked persons members of a campaign, once each.

"CampaignMember", Object Reference for the Salesforce Platform: a lead or a contact is a member once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncer.models import ActivityType
from syncer.models.triggers import agreeing_writes
from syncer.salesforce import soql, writing
from syncer.salesforce.client import Subrequest
from syncer.salesforce.errors import Refused
from syncer.salesforce.ids import to_18
from syncer.salesforce.rows import RowResult
from syncer.sync.actions import checks, repeatable
from syncer.sync.context import Context
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import Code, PersonOutcome, Result, outcome
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store.activity import Journal

REFERENCE = {"Lead": "LeadId", "Contact": "ContactId"}
#: What Salesforce answers for somebody who is a member already.
ALREADY = "DUPLICATE_VALUE"


@dataclass(frozen=True, slots=True)
class Member:
    id: str
    status: str


@dataclass(frozen=True, slots=True)
class Campaign:
    """``statuses``: what its members can be; empty when the sync user may not see that. ``members`` by record id."""

    name: str
    statuses: tuple[str, ...]
    members: Mapping[str, Member]


def add(context: Context, persons: Sequence[PersonState], asked: Mapping[int, SyncOptions]) -> dict[int, PersonOutcome]:
    """Add linked persons to the campaigns that were asked for; a member gets the status asked for. Two API calls for
    each campaign and status and up to 200 persons."""
    outcomes: dict[int, PersonOutcome] = {}
    groups: dict[tuple[str, str], list[PersonState]] = {}
    for person in persons:
        wish = asked[person.id]
        if wish.campaign and person.link is not None:
            groups.setdefault((to_18(wish.campaign), wish.member_status), []).append(person)
    for (campaign, status), group in groups.items():
        if (no := checks.no_writing(context)) is not None:
            outcomes |= {p.id: outcome(p, Result.REFUSED, *no) for p in group}
        else:
            outcomes |= _add(context, campaign, status, group)
    return outcomes


def _add(context: Context, campaign: str, status: str, group: Sequence[PersonState]) -> dict[int, PersonOutcome]:
    try:
        known = _read(context, campaign, group)
    except Refused as error:
        return {p.id: outcome(p, Result.FAILED, str(error), error.code) for p in group}
    name, members = known.name, known.members
    if status and known.statuses and status not in known.statuses:
        # Salesforce would quietly take the campaign's default in its place.
        message = f"Campaign “{name}” has no member status “{status}”. It has: {', '.join(known.statuses)}."
        return {p.id: outcome(p, Result.REFUSED, message, Code.UNKNOWN_STATUS) for p in group}
    outcomes: dict[int, PersonOutcome] = {}
    new: list[PersonState] = []
    changed: list[PersonState] = []
    for person in group:
        assert person.link is not None
        member = members.get(person.link.record_id)
        if member is None:
            new.append(person)
        elif status and member.status != status:
            changed.append(person)
        else:
            outcomes[person.id] = outcome(
                person, Result.UNCHANGED, f"Is a member of campaign “{name}” already ({member.status})."
            )
    requests = []
    if new:
        rows = [
            {"CampaignId": campaign, REFERENCE[p.link.object]: p.link.record_id}
            | ({"Status": status} if status else {})
            for p in new
            if p.link
        ]
        requests.append(writing.create("new", "CampaignMember", rows, writing.AUTO_ASSIGN_OFF))
    if changed:
        ids = [members[p.link.record_id].id for p in changed if p.link]
        requests.append(writing.update("changed", "CampaignMember", [{"Id": pk, "Status": status} for pk in ids]))
    if not requests:
        return outcomes
    asked = repeatable.repeatable(context, requests)
    if asked is None:
        return outcomes | {p.id: repeatable.unknown(p) for p in (*new, *changed)}
    answer, _ = asked
    journal = Journal(context)
    for reference, persons in (("new", new), ("changed", changed)):
        if persons:
            results = writing.results(answer[reference])
            for person, result in zip(persons, results, strict=True):
                outcomes[person.id] = _told(journal, person, result, campaign, name, status)
    with agreeing_writes():
        context.fence()
        journal.write()
    return outcomes


def _told(
    journal: Journal, person: PersonState, result: RowResult, campaign: str, name: str, status: str
) -> PersonOutcome:
    if not result.success and result.errors[0].code != ALREADY:
        sent = {"CampaignId": campaign} | ({"Status": status} if status else {})
        return repeatable.refused(journal, person, ActivityType.ADD_TO_CAMPAIGN, result.errors[0], sent)
    message = f"Added to campaign “{name}”" + (f" as “{status}”." if status else ".")
    journal.entry(
        person.id,
        person.name,
        ActivityType.ADD_TO_CAMPAIGN,
        message,
        detail={"campaign": campaign, "name": name, "status": status, "member": result.id or ""},
    )
    return outcome(person, Result.UPDATED, message)


def _read(context: Context, campaign: str, group: Sequence[PersonState]) -> Campaign:
    """The campaign, and who of the group is a member. Raises Refused."""
    names = soql.select(["Id", "Name"], "Campaign", where=soql.equals("Id", campaign))
    labels = soql.select(["Label"], "CampaignMemberStatus", where=soql.equals("CampaignId", campaign))
    requests = [
        Subrequest("GET", soql.query_path(labels), "statuses"),
        Subrequest("GET", soql.query_path(names), "campaign"),
    ]
    for sobject, field in REFERENCE.items():
        ids = [p.link.record_id for p in group if p.link and p.link.object == sobject]
        if ids:
            where = soql.and_(soql.equals("CampaignId", campaign), soql.in_(field, ids))
            text = soql.select(["Id", field, "Status"], "CampaignMember", where=where)
            requests.append(Subrequest("GET", soql.query_path(text), f"members{sobject}"))
    answer, _ = context.ask(requests)
    for request in requests[1:]:
        if (error := answer[request.reference].error()) is not None:
            raise Refused(
                f"Campaigns can't be read: {error.message}",
                code=error.code,
                http_status=answer[request.reference].status,
                fields=error.fields,
            )
    members: dict[str, Member] = {}
    for sobject, field in REFERENCE.items():
        if f"members{sobject}" in answer.responses:
            for row in answer[f"members{sobject}"].body["records"]:
                members[row[field]] = Member(row["Id"], str(row.get("Status") or ""))
    found = answer["campaign"].body["records"]
    if not found:
        raise Refused(f"Campaign {campaign} is not visible to the sync user, or was deleted.", code="NOT_FOUND")
    statuses = answer["statuses"].body["records"] if answer["statuses"].ok else []
    return Campaign(str(found[0]["Name"]), tuple(str(row["Label"]) for row in statuses), members)
