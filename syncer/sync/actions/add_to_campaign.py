"""*Add to SFDC campaign*: makes linked persons members of a campaign, once each.

"CampaignMember", Object Reference for the Salesforce Platform: a lead or a contact is a member once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncer.models import ActivityType
from syncer.salesforce import soql, writing
from syncer.salesforce.client import Subrequest
from syncer.salesforce.errors import Refused
from syncer.salesforce.ids import to_18
from syncer.salesforce.rows import RowResult
from syncer.sync.actions import checks, repeatable
from syncer.sync.actions.spec import ActionSpec, Asked
from syncer.sync.actions.synchronise import sync_then
from syncer.sync.context import Context
from syncer.sync.options import Action, Ask, SyncOptions
from syncer.sync.outcomes import Code, Outcomes, PersonOutcome, Result, outcome, same_for
from syncer.sync.persons.person_state import Link, PersonState
from syncer.sync.store.activity import Journal
from syncer.sync.store.transactions import write_transaction

REFERENCE = {"Lead": "LeadId", "Contact": "ContactId"}
#: What Salesforce answers for somebody who is a member already.
ALREADY = "DUPLICATE_VALUE"
STATUSES = "statuses"  # the reference of the question that may be refused


@dataclass(frozen=True, slots=True)
class Joining:
    """A person with a record that is to be a member."""

    person: PersonState
    link: Link


@dataclass(frozen=True, slots=True)
class Wish:
    """The campaign and the status that were asked for; ``status`` is empty for the campaign's default."""

    campaign: str
    status: str

    @property
    def chosen(self) -> dict[str, str]:
        """The status as Salesforce takes it, if one was asked for."""
        return {"Status": self.status} if self.status else {}


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


def add_to_campaign(context: Context, persons: Sequence[PersonState], asked: Asked) -> Iterator[Outcomes]:
    """Whoever is not in Salesforce is made there; the others stay as they are."""
    return sync_then(context, persons, asked, (add,), only_new=True)


def add(context: Context, persons: Sequence[PersonState], asked: Asked, done: Outcomes) -> Outcomes:
    """Add linked persons to the campaigns that were asked for; a member gets the status asked for. Two API calls for
    each campaign and status and up to 200 persons."""
    groups: dict[Wish, list[Joining]] = {}
    for person in persons:
        options = asked[person.id]
        if options.campaign and person.link is not None:
            wish = Wish(to_18(options.campaign), options.member_status)
            groups.setdefault(wish, []).append(Joining(person, person.link))
    outcomes: dict[int, PersonOutcome] = {}
    for wish, group in groups.items():
        outcomes |= _add(context, wish, group)
    return outcomes


def _add(context: Context, wish: Wish, group: Sequence[Joining]) -> dict[int, PersonOutcome]:
    persons = [one.person for one in group]
    if (no := checks.no_writing(context)) is not None:
        return same_for(persons, Result.REFUSED, *no)
    try:
        campaign = _read(context, wish.campaign, group)
    except Refused as error:
        return same_for(persons, Result.FAILED, str(error), error.code)
    if wish.status and campaign.statuses and wish.status not in campaign.statuses:
        # Salesforce would quietly take the campaign's default in its place.
        known = ", ".join(campaign.statuses)
        message = f"Campaign “{campaign.name}” has no member status “{wish.status}”. It has: {known}."
        return same_for(persons, Result.REFUSED, message, Code.UNKNOWN_STATUS)
    new: list[Joining] = []
    changed: list[tuple[Joining, Member]] = []
    outcomes: dict[int, PersonOutcome] = {}
    for one in group:
        member = campaign.members.get(one.link.record_id)
        if member is None:
            new.append(one)
        elif wish.status and member.status != wish.status:
            changed.append((one, member))
        else:
            message = f"Is a member of campaign “{campaign.name}” already ({member.status})."
            outcomes[one.person.id] = outcome(one.person, Result.UNCHANGED, message)
    return outcomes | _save(context, wish, campaign, new, changed)


def _save(
    context: Context,
    wish: Wish,
    campaign: Campaign,
    new: Sequence[Joining],
    changed: Sequence[tuple[Joining, Member]],
) -> dict[int, PersonOutcome]:
    requests = []
    if new:
        rows = [{"CampaignId": wish.campaign, REFERENCE[o.link.object]: o.link.record_id} | wish.chosen for o in new]
        requests.append(writing.create("new", "CampaignMember", rows, writing.AUTO_ASSIGN_OFF))
    if changed:
        rows = [{"Id": member.id, "Status": wish.status} for _, member in changed]
        requests.append(writing.update("changed", "CampaignMember", rows))
    if not requests:
        return {}
    groups = {"new": [one.person for one in new], "changed": [one.person for one, _ in changed]}
    answered = repeatable.repeatable(context, requests)
    if answered is None:
        return repeatable.unknown([*groups["new"], *groups["changed"]])
    answer, _ = answered
    journal = Journal(context)
    outcomes = {
        person.id: _told(journal, person, result, wish, campaign.name)
        for reference, persons in groups.items()
        if persons
        for person, result in zip(persons, writing.results(answer[reference]), strict=True)
    }
    with write_transaction(context):
        journal.write()
    return outcomes


def _told(journal: Journal, person: PersonState, result: RowResult, wish: Wish, name: str) -> PersonOutcome:
    if not result.success and result.errors[0].code != ALREADY:
        sent = {"CampaignId": wish.campaign} | wish.chosen
        return repeatable.refused(journal, person, ActivityType.ADD_TO_CAMPAIGN, result.errors[0], sent)
    message = f"Added to campaign “{name}”" + (f" as “{wish.status}”." if wish.status else ".")
    journal.entry(
        person.id,
        person.name,
        ActivityType.ADD_TO_CAMPAIGN,
        message,
        detail={"campaign": wish.campaign, "name": name, "status": wish.status, "member": result.id or ""},
    )
    return outcome(person, Result.UPDATED, message)


def _read(context: Context, campaign: str, group: Sequence[Joining]) -> Campaign:
    """The campaign, and who of the group is a member. Raises Refused."""
    requests = list(_questions(campaign, group))
    answer, _ = context.ask(requests)
    for request in requests:
        error = answer[request.reference].error()
        if error is not None and request.reference != STATUSES:  # which the sync user need not see
            raise Refused(
                f"Campaigns can't be read: {error.message}",
                code=error.code,
                http_status=answer[request.reference].status,
                fields=error.fields,
            )
    found = answer.rows("campaign")
    if not found:
        raise Refused(f"Campaign {campaign} is not visible to the sync user, or was deleted.", code="NOT_FOUND")
    members = {
        str(row.get(field)): Member(row["Id"], str(row.get("Status") or ""))
        for sobject, field in REFERENCE.items()
        if f"members{sobject}" in answer.responses
        for row in answer.rows(f"members{sobject}")
    }
    statuses = tuple(str(row["Label"]) for row in answer.rows(STATUSES) if row.get("Label"))
    return Campaign(str(found[0].get("Name") or campaign), statuses, members)


def _questions(campaign: str, group: Sequence[Joining]) -> Iterator[Subrequest]:
    labels = soql.select(["Label"], "CampaignMemberStatus", where=soql.equals("CampaignId", campaign))
    yield Subrequest("GET", soql.query_path(labels), STATUSES)
    names = soql.select(["Id", "Name"], "Campaign", where=soql.equals("Id", campaign))
    yield Subrequest("GET", soql.query_path(names), "campaign")
    for sobject, field in REFERENCE.items():
        ids = [one.link.record_id for one in group if one.link.object == sobject]
        if ids:
            where = soql.and_(soql.equals("CampaignId", campaign), soql.in_(field, ids))
            text = soql.select(["Id", field, "Status"], "CampaignMember", where=where)
            yield Subrequest("GET", soql.query_path(text), f"members{sobject}")


def campaign_chosen(context: Context, person: PersonState, options: SyncOptions) -> PersonOutcome | None:
    return None if options.campaign else outcome(person, Result.REFUSED, "No campaign was chosen.", Code.NO_CAMPAIGN)


SPEC = ActionSpec(
    action=Action.CAMPAIGN,
    name="add_to_campaign",
    title="Add to SFDC campaign",
    carry_out=add_to_campaign,
    button="Add to the campaign",
    asks=frozenset({Ask.CAMPAIGN}),
    needs=frozenset({Ask.CAMPAIGN}),
    refusals=(checks.writing, checks.well_formed_ids, campaign_chosen, checks.not_deleted, checks.visible),
    makes_record_first=True,
)
