"""Who is who, decided: pure functions over persons and records that were loaded as candidates.

``sort_page`` says what each record of a page is: somebody's, a newcomer, one to be looked at later. ``records_of`` says
which record is a person's, whom a Lead has to be made for, and what only a human can decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncer.models import CreateIntent
from syncer.salesforce.ids import to_18
from syncer.sync.fields.synced_objects import SYNCED
from syncer.sync.identity.candidates import Found, PersonCandidates, SameAddress, address
from syncer.sync.merge import Value
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import Code, PersonOutcome, Result, contact_and_queue, outcome
from syncer.sync.persons.merged import Pair, Question
from syncer.sync.persons.person_state import PersonState
from syncer.sync.persons.record import Became, RemoteRecord, names_agree

#: Fields that a create fills with the connection's defaults.
DEFAULTED = ("last_name", "company")
#: Records that are kept with a question.
MOST_TO_CHOOSE_FROM = 25


# -- a page of records ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Match:
    """A record that nobody was linked with, whose it is, and why. ``made``: for this person, by a create whose answer
    was lost. ``waits``: this person's create may still come through, so that it is linked with nothing else."""

    person: PersonState
    record: RemoteRecord
    reason: str
    made: bool = False
    waits: bool = False


@dataclass(slots=True)
class Sorted:
    """What the records of a page are. Each record is in one list; those of persons who were deleted here are in
    none."""

    deleted_or_converted: list[Pair] = field(default_factory=list)  # and their persons
    linked: list[Pair] = field(default_factory=list)
    matched: list[Match] = field(default_factory=list)
    new: list[RemoteRecord] = field(default_factory=list)  # nobody's: they make persons
    became: list[Became] = field(default_factory=list)  # others, before anybody here was linked with them
    #: another record of this page was merged into them, or was deleted and may have been made again as one of them
    unsettled: list[RemoteRecord] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)  # of persons whose address is not theirs alone
    buried: list[RemoteRecord] = field(
        default_factory=list
    )  # of persons deleted here, of whose state nothing was known
    later: list[str] = field(default_factory=list)  # ids of those to be read again


def sort_page(
    records: Sequence[RemoteRecord],
    candidates: PersonCandidates,
    *,
    user_id: str,
    converting: Collection[str] = (),
    creates_follow: bool = False,
) -> Sorted:
    """Sort a page of records by what they are to the persons here.

    ``user_id``: the sync user, who makes our leads. ``converting``: contacts of converted leads whose persons were
    busy; they get no person of their own, the lead's person becomes them when it is free. ``creates_follow``: this
    cycle repeats creates whose answer was lost; who is to become a member of a campaign then is left to that.
    """
    page = Sorted()
    for record in records:
        if (person := candidates.linked.get(record.id)) is not None:
            (page.deleted_or_converted if record.gone else page.linked).append((person, record))
    survivors = {record.master_id for _, record in page.deleted_or_converted if record.is_deleted}
    left_alone = {address(person) for person, record in page.deleted_or_converted if record.is_deleted} - {""}
    strangers = []
    for record in records:
        if record.id in candidates.linked:
            continue
        if record.id in converting or record.id in candidates.outdated:
            page.later.append(record.id)
        elif not record.gone and (record.id in survivors or record.email.lower() in left_alone):
            page.unsettled.append(record)
        else:
            strangers.append(record)
    matches = _match(strangers, candidates, user_id)
    for record in strangers:
        match = matches.get(record.id)
        if match is not None and (match.waits or (creates_follow and _asked_for_more(match))):
            page.later.append(record.id)
        elif match is not None:
            page.matched.append(match)
        else:
            _unmatched(record, candidates, page)
    page.questions = _questions(page.new, candidates)
    return page


def _unmatched(record: RemoteRecord, candidates: PersonCandidates, page: Sorted) -> None:
    """A record that is nobody's: it makes a person, if it is there and was not buried with one."""
    if (became := record.became()) is not None:
        page.became.append(became)
    elif record.gone:
        return
    elif record.id not in candidates.tombstones:
        page.new.append(record)
    elif (stamp := candidates.tombstones[record.id]) is None:
        page.buried.append(record)
    elif record.stamp > stamp:
        page.new.append(record)


def _match(records: Sequence[RemoteRecord], candidates: PersonCandidates, user_id: str) -> dict[str, Match]:
    """The persons that records without one belong to, by record id: by external id, by an open create, as the survivor
    of a merge, then by e-mail address.

    By e-mail only where one person here and one record in Salesforce have it, and where the last names agree or one of
    them is empty (``info@`` would join strangers). A person is given to one record only, the first one. Records that
    are converted or deleted belong to the persons that they were made for only.
    """
    found: dict[str, Match] = {}
    taken: set[int] = set()

    def take(person: PersonState | None, record: RemoteRecord, reason: str, *, made: bool = False) -> bool:
        if person is None or person.id in taken or record.id in found:
            return False
        found[record.id] = Match(person, record, reason, made, waits=person.id in candidates.creating and not made)
        taken.add(person.id)
        return True

    ours = without_former(records, candidates.former)
    for record in sorted(ours, key=lambda record: record.gone):
        person = candidates.by_uuid.get(record.external_id)
        if person is not None and not person.linked:
            take(person, record, "its external id is this person's UUID.", made=True)
    for record in ours:
        for intent, person in candidates.intents:
            if may_be_of(user_id, intent, record) and is_what_was_sent(record, intent.values_sent):
                take(person, record, "it was made for this person; the answer had been lost.", made=True)
                break
    present = [record for record in records if not record.gone]
    for record in present:
        take(candidates.losers.get(record.id), record, "this person's record was merged into it.")
    in_page = Counter(record.email.lower() for record in present)
    for record in present:
        same = candidates.by_email.get(record.email.lower())
        if same is None or max(len(same.records), in_page[record.email.lower()]) > 1:
            continue
        person = same.the_only_one
        if person is not None and names_agree(person, record):
            again = "made again in Salesforce, with the " if person.linked else ""
            take(person, record, f"{again}same e-mail address, {record.email}.")
    return found


def _questions(records: Iterable[RemoteRecord], candidates: PersonCandidates) -> list[Question]:
    """The persons without a record whose address one of these records has, who are not the only ones: ambiguity holds
    up the link. The records become persons of their own, as all do."""
    found: dict[int, Question] = {}
    for record in records:
        same = candidates.by_email.get(record.email.lower())
        for person in same.unlinked if same is not None else ():
            if same is not None and names_agree(person, record):
                why, shown = _why_not_linked(record.email, same), same.records[:MOST_TO_CHOOSE_FROM]
                found[person.id] = Question(person, why, shown)
    return list(found.values())


def _why_not_linked(address: str, same: SameAddress) -> str:
    where = f"{len(same.records)} records in Salesforce and {same.persons} persons here have the address {address}."
    return f"{where} Which of them are the same person?"


def _asked_for_more(match: Match) -> bool:
    """The person is to become a member of a campaign with the lead whose answer was lost."""
    return match.made and match.person.sent_to_create is not None and bool(match.person.asked.get("campaign"))


def without_former(records: Iterable[RemoteRecord], former: Collection[str]) -> list[RemoteRecord]:
    """The records without those that are gone and were somebody's before."""
    return [record for record in records if not (record.gone and record.id in former)]


def may_be_of(user_id: str, intent: CreateIntent, record: RemoteRecord) -> bool:
    """The sync user has made this record, and not before the create was asked for: others have leads with the same
    address, too. Stamps are whole seconds."""
    if record.object != intent.object:
        return False
    if intent.asked_at and record.created_at and record.created_at < intent.asked_at.replace(microsecond=0):
        return False
    return not (record.created_by and user_id) or record.created_by == to_18(user_id)


def is_what_was_sent(record: RemoteRecord, sent: Mapping[str, Any]) -> bool:
    """The same e-mail address or, for persons without one, the same name and company."""
    keys = ["email"] if sent.get("email") else ["first_name", "last_name", "company"]
    return all(str(sent.get(key) or "").lower() == str(record.values.get(key) or "").lower() for key in keys)


def base_of_create(person: PersonState, record: RemoteRecord, here: Mapping[str, Value]) -> dict[str, Value]:
    """The base of a person and a record that nothing was agreed with before. For the person's own create, whose answer
    was lost, it is what was sent, so that an edit made here since then stands, also one that empties a field."""
    sent = person.sent_to_create
    if sent is None or not (record.external_id == str(person.uuid) or is_what_was_sent(record, sent)):
        return {}
    base = {}
    for name in record.values.keys() & here.keys():
        # An empty name or company was not emptied since: the connection's default was sent in its place.
        defaulted = here[name] is None and name in sent and name in DEFAULTED
        if not defaulted and (name in sent or here[name] is None):
            base[name] = sent.get(name)
    return base


# -- persons who are not in Salesforce yet ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Linking:
    """A person, the record that is theirs, and why."""

    person: PersonState
    record: RemoteRecord
    reason: str


@dataclass(slots=True)
class Decided:
    """What was found for unlinked persons: records that are theirs, those to make a lead for, and refusals with the
    records that somebody may choose from."""

    links: dict[str, list[Linking]] = field(default_factory=dict)  # by object
    to_create: list[PersonState] = field(default_factory=list)
    refused: dict[int, PersonOutcome] = field(default_factory=dict)
    merges: list[tuple[PersonState, RemoteRecord]] = field(default_factory=list)  # with whom a record belongs to
    choices: dict[int, list[dict[str, Any]]] = field(default_factory=dict)  # person → records to choose from
    unchanged: dict[int, PersonOutcome] = field(default_factory=dict)  # answers that leave the person as it was
    unknown: list[PersonState] = field(default_factory=list)  # whose create may still come through
    taken: set[str] = field(default_factory=set)  # ids of the records that were given to somebody

    def link(self, person: PersonState, record: RemoteRecord, reason: str) -> None:
        """Give a record to a person."""
        self.links.setdefault(record.object, []).append(Linking(person, record, reason))
        self.taken.add(record.id)


def records_of(
    persons: Sequence[PersonState],
    found: Found,
    options: Mapping[int, SyncOptions],
    *,
    actor: str,
    still_open: Collection[int] = (),
) -> Decided:
    """Find the record of each person: the one that somebody (``actor``) chose; by UUID; by an open create; by e-mail
    address, Contacts before Leads.

    A record of another person makes nothing. Several free ones, or one under another last name, are a person's
    decision (``create_anyway`` is one). ``still_open``: persons whose create may still come through; they are linked
    with nothing else until it can't.
    """
    decided = Decided()
    for person in persons:
        asked = options[person.id]
        if asked.link_to and _is_elsewhere(person, asked, found, still_open):
            decided.unknown.append(person)
        elif asked.link_to:
            _chosen(person, asked, found, decided, actor)
        elif by_external_id(person, asked, found, decided) or _by_open_create(person, found, decided, still_open):
            continue
        elif asked.create_anyway:
            decided.to_create.append(person)
        else:
            _by_email(person, asked, found, decided)
    return decided


def _chosen(person: PersonState, asked: SyncOptions, found: Found, decided: Decided, actor: str) -> None:
    """The record that somebody chose for this person."""
    record = found.chosen.get(to_18(asked.link_to))
    owner = found.owners.get(to_18(asked.link_to))
    if record is None or record.gone:
        message = f"{asked.link_to} is deleted, converted, or not visible to the sync user. Nothing was linked."
        decided.unchanged[person.id] = outcome(person, Result.REFUSED, message, Code.CHOSEN_IS_GONE)
    elif owner is not None and asked.same_person and owner[0] != person.id:
        decided.merges.append((person, record))
    elif owner is not None:
        message = f"{record.object} {record.id} belongs to person {owner[0]} ({owner[1]}). Nothing was linked."
        decided.unchanged[person.id] = outcome(person, Result.REFUSED, message, Code.MATCH_IS_TAKEN)
    else:
        decided.link(person, record, f"chosen by {actor}.")


def _is_elsewhere(person: PersonState, asked: SyncOptions, found: Found, still_open: Collection[int]) -> bool:
    """Whether the record that was chosen is not the one that a create under way may make, or has made."""
    made = {r.id for r in (found.by_uuid.get(str(person.uuid)), *found.by_intent.get(person.id, ())) if r is not None}
    return person.id in still_open and to_18(asked.link_to) not in made


def by_external_id(person: PersonState, asked: SyncOptions, found: Found, decided: Decided) -> bool:
    """The record that carries the person's UUID; whether there is one."""
    record = found.by_uuid.get(str(person.uuid))
    if record is None:
        return False
    if record.id in found.owners:
        decided.refused[person.id] = _taken(person, [record], "has this person's UUID as its external id", found)
        decided.choices[person.id] = shown([record], found)
    elif record.id in found.unseen and asked.create_anyway:
        found.spent.add(record.external_id)
        return False
    elif record.id in found.unseen:
        message = f"Lead {record.id} was made for this person, and converted to a contact that the sync user can't see."
        decided.refused[person.id] = outcome(
            person, Result.NEEDS_DECISION, f"{message} Nothing was made.", Code.HELD_UNSEEN
        )
    else:
        decided.link(person, record, "its external id is this person's UUID.")
    return True


def _by_open_create(person: PersonState, found: Found, decided: Decided, still_open: Collection[int]) -> bool:
    """The lead that a create without an external id has made; whether that, or that it may come through yet, settles
    what becomes of the person now. With an external id it can be asked for again at once, unless there is another
    record that the person may be linked with later."""
    intent = found.intents.get(person.id)
    if intent is None:
        return False
    if intent.external_id:
        waits = person.id in still_open and bool(found.by_email.get(address(person)))
        decided.unknown += [person] if waits else []
        return waits
    made = [r for r in found.by_intent.get(person.id, []) if r.id not in found.owners and r.id not in decided.taken]
    if len(made) == 1:
        decided.link(person, made[0], "it was made for this person; the answer had been lost.")
        return True
    if person.id in still_open:
        decided.unknown.append(person)
        return True
    return False


def _by_email(person: PersonState, asked: SyncOptions, found: Found, decided: Decided) -> None:
    known = found.by_email.get(address(person), []) if address(person) else []
    for sobject in ("Contact", "Lead"):
        group = [record for record in known if record.object == sobject]
        if sobject == "Contact" and group and asked.to_queue and asked.lead_for_contact:
            break  # a lead beside the contact, whatever leads there are
        if group:
            _of_address(person, asked, group, found, decided)
            return
    same = next((p for p in decided.to_create if address(p) and address(p) == address(person)), None)
    if same is None:
        decided.to_create.append(person)
        return
    message = f"Person {same.id} ({same.name}) of this selection has the same e-mail address and gets a lead."
    refused = outcome(person, Result.REFUSED, f"{message} Nothing was made for this one.", Code.MATCH_IS_TAKEN)
    decided.refused[person.id] = refused


def _of_address(
    person: PersonState, asked: SyncOptions, group: Sequence[RemoteRecord], found: Found, decided: Decided
) -> None:
    """Records of one object with the person's address: one of them, or a question."""
    sobject = group[0].object
    if asked.to_queue and not SYNCED[sobject].queue_may_own:
        message = f"Contact {group[0].id} has the same e-mail address, and a contact"
        decided.refused[person.id] = contact_and_queue(person, message)
        decided.choices[person.id] = shown(group, found)
        return
    free = [record for record in group if record.id not in found.owners and record.id not in decided.taken]
    agreeing = [record for record in free if names_agree(person, record)]
    if len(agreeing) == 1:
        decided.link(person, agreeing[0], f"same e-mail address, {address(person)}.")
        return
    decided.choices[person.id] = shown(group, found)
    if not free:
        decided.refused[person.id] = _taken(person, group, "has the same e-mail address", found)
        return
    what = f"{len(free)} {sobject.lower()}s" if len(free) > 1 else f"{sobject} {free[0].id} under another name"
    message = f"Salesforce has {what} with the address {address(person)}. Choose which one is this person."
    decided.refused[person.id] = outcome(person, Result.NEEDS_DECISION, message, Code.SEVERAL_MATCHES)


def _taken(person: PersonState, records: Sequence[RemoteRecord], why: str, found: Found) -> PersonOutcome:
    """What was found belongs to others, who are named."""
    told = " ".join(f"{r.object} {r.id} {why} and belongs to {_owner_of(r, found)}." for r in records)
    return outcome(person, Result.REFUSED, f"{told} Nothing was made.", Code.MATCH_IS_TAKEN)


def _owner_of(record: RemoteRecord, found: Found) -> str:
    other, name = found.owners.get(record.id, (None, "another person of this selection"))
    return f"person {other} ({name})" if other else name


def shown(records: Iterable[RemoteRecord], found: Found) -> list[dict[str, Any]]:
    """Records to choose from, as they are stored with the refusal and shown on the person's page."""
    return [
        {
            "id": record.id,
            "object": record.object,
            "name": " ".join(str(record.values.get(n) or "") for n in ("first_name", "last_name")).strip(),
            "email": record.values.get("email") or "",
            "company": record.values.get("company") or "",
            "person": found.owners.get(record.id, (None, ""))[0],
        }
        for record in records
    ]
