"""Open questions about who is who: kept with the person who waits, and closed when nothing is left to decide.

A person without a record whose e-mail address is not theirs alone, here or in Salesforce, is linked by no cycle. That
holds up the link only: the records become persons of their own, as all do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from django.db.models.functions import Lower

from syncer.models import ActivityType, FormerId, PendingChange, PendingState, Person, SalesforceRecord, Tombstone
from syncer.models.expressions import unindexed
from syncer.sync.context import Context
from syncer.sync.identity.candidates import address, address_forms
from syncer.sync.outcomes import Code
from syncer.sync.persons import person_state
from syncer.sync.persons.merged import Question
from syncer.sync.store import outbox
from syncer.sync.store.activity import Journal
from syncer.sync.store.locking import lock
from syncer.sync.store.outbox import Failure
from syncer.sync.store.transactions import repeated, write_transaction

#: What is asked because of an e-mail address.
ABOUT_ADDRESSES = (Code.AMBIGUOUS, Code.SEVERAL_MATCHES, Code.MATCH_IS_TAKEN)
#: Open questions that one cycle looks at again.
MOST = 1000


@repeated
def keep(context: Context, questions: Sequence[Question]) -> None:
    """Persons about whom nothing else waits are marked, with the records to choose from, and the question is logged.
    Who is being edited is asked about when a record with their address is read again."""
    if not questions:
        return
    journal = Journal(context)
    with write_transaction(context):
        free = lock(context, {q.person.id: q.person.revision for q in questions})
        asked = {q.person.id: q for q in questions if q.person.id in free}
        for person_id in outbox.ask((_failure(question) for question in asked.values()), context.now()):
            question = asked[person_id]
            journal.entry(
                person_id,
                question.person.name,
                ActivityType.LINK,
                f"Not linked: {question.message}",
                code=Code.AMBIGUOUS,
                detail={"candidates": list(question.records)},
            )
        journal.write()


def _failure(question: Question) -> Failure:
    detail = {"candidates": list(question.records)}
    return Failure(question.person.id, Code.AMBIGUOUS, question.message, detail, failed=True, retry_at=None)


@repeated
def close_settled(context: Context) -> None:
    """Close the questions of persons whose address is theirs alone by now, once everything has been read. What a cycle
    has asked goes; a create that somebody asked for is tried again."""
    unlinked = unindexed("person__sfdc_type", "")
    asked = PendingChange.objects.filter(unlinked, error_code__in=ABOUT_ADDRESSES).order_by("person_id")
    whose = list(asked.values_list("person_id", flat=True))
    if len(whose) > MOST:  # beginning anywhere, so that each has its turn
        first = context.random.randrange(len(whose))
        whose = [*whose[first:], *whose[:first]][:MOST]
    open_ones = {row.person_id: row for row in asked.filter(person_id__in=whose)} if whose else {}
    if not open_ones:
        return
    persons = person_state.by_ids(open_ones)
    shared = _shared({address(p) for p in persons.values()} - {""})
    nobodys = _nobodys(context, open_ones.values())
    settled = [p for p in persons.values() if not _is_open(open_ones[p.id], address(p), shared, nobodys)]
    ours = [p for p in settled if open_ones[p.id].error_code == Code.AMBIGUOUS]
    open_still = set(persons) - {p.id for p in settled}
    edited = {pk for pk in open_still if open_ones[pk].state != PendingState.FAILED}
    if not settled and not edited:
        return
    journal = Journal(context)
    with write_transaction(context):
        free = lock(context, {p.id: p.revision for p in persons.values() if p.id in edited or p in ours})
        outbox.forget(p.id for p in ours if p.id in free)
        outbox.ask_again(edited & free)
        for person in ours:
            if person.id in free:
                message = "The e-mail address is this person's alone now: nothing is left to decide."
                journal.entry(person.id, person.name, ActivityType.LINK, message)
        journal.write()
    outbox.retry([p.id for p in settled if p not in ours], ABOUT_ADDRESSES)


def _is_open(row: PendingChange, mine: str, shared: AbstractSet[str], nobodys: AbstractSet[str]) -> bool:
    """Whether somebody else here has the person's address, or one of the records to choose from is there and nobody's
    here, so that it may have it."""
    if mine in shared:
        return True
    if not mine or (row.state != PendingState.FAILED and row.error_code != Code.AMBIGUOUS):
        return False  # there is no address to look for; or it is tried again anyway
    shown = _shown(row)
    if row.error_code != Code.AMBIGUOUS and mine not in shown.values():
        return True  # it was asked because of something else
    return not nobodys.isdisjoint(shown)


def _shown(row: PendingChange) -> dict[str, str]:
    """The records to choose from: id → e-mail address."""
    detail = row.error_detail if isinstance(row.error_detail, dict) else {}
    shown = [one for one in detail.get("candidates") or () if isinstance(one, dict)]
    return {str(one.get("id")): str(one.get("email") or "").lower() for one in shown}


def _shared(addresses: Iterable[str]) -> set[str]:
    """Those of these addresses that several persons here have."""
    forms = {form for one in addresses for form in address_forms(one)}
    persons = Person.objects.annotate(address=Lower("email")).filter(address__in=forms)
    count = Counter(email.strip().lower() for email in persons.values_list("email", flat=True))
    return {one for one, number in count.items() if number > 1}


def _nobodys(context: Context, rows: Iterable[PendingChange]) -> set[str]:
    """Those of the records to choose from that no person here is, or was, linked with, and that may be there.

    Everything was read since the last cycle asked: what was found before and did not become a person is not there any
    more, or was buried with the person to whom it belonged.
    """
    asked: dict[str, bool] = {}  # record id → whether this cycle, or an action beside it, has found it
    for row in rows:
        for record_id in _shown(row):
            asked[record_id] = asked.get(record_id, False) or row.since >= context.run.started_at
    here = {"organisation": context.organisation, "record_id__in": list(asked)}
    known = set(SalesforceRecord.objects.filter(**here).values_list("record_id", flat=True))
    known |= set(FormerId.objects.filter(**here).values_list("record_id", flat=True))
    buried = set(Tombstone.objects.filter(**here).values_list("record_id", flat=True))
    return {record_id for record_id, new in asked.items() if record_id not in known and (new or record_id in buried)}
