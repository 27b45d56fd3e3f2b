"""*Sync Person to SFDC*: the flow action, in real time. It takes no lease and does not wait for the cycle."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from random import Random

from django.utils import timezone

from syncer.models import ActivityType, CreateIntent, IntentState, RunKind, SyncRun
from syncer.models.triggers import agreeing_writes
from syncer.sync import life, outbox, runs, schema, state
from syncer.sync.apply import apply
from syncer.sync.connect import (
    OpenSession,
    active_sync_user,
    check_ready,
    connect,
    default_session,
    learn_organisation,
    one_line_errors,
)
from syncer.sync.create import LATE_COMMIT, Creation, create_leads, prepare, unknown
from syncer.sync.errors import DESCRIBE_TRIES, CannotSync, FieldsChanged, fields_keep_changing
from syncer.sync.journal import Journal
from syncer.sync.lookup import Found, address, find
from syncer.sync.options import SYNC, TITLES, Action, SyncOptions
from syncer.sync.outbox import Failure
from syncer.sync.outcomes import PersonOutcome, Result
from syncer.sync.plan import Plan, Planned, sent_fields
from syncer.sync.pull import merge_with, receive_records
from syncer.sync.push import send
from syncer.sync.remote import RemoteRecord
from syncer.sync.state import PersonState
from syncer.sync.work import Progress, Work, no_progress

#: Persons handled together: one read, one update and one create for all of them.
BATCH = 200


def sync_persons(
    person_ids: Sequence[int],
    *,
    actor: str,
    options: SyncOptions = SYNC,
    source: str = "",
    run: SyncRun | None = None,
    open_session: OpenSession = default_session,
    now: Callable[[], datetime] = timezone.now,
    pause: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    random: Random | None = None,
    progress: Progress = no_progress,
) -> list[PersonOutcome]:
    """Sync persons with Salesforce right now, both ways; those not there are created as Leads.

    ``options`` name the action (``Action.REFRESH`` sends and makes nothing there, what waits goes on waiting), the
    owner, the campaign, and what somebody has decided by hand.

    Gives the outcome of each person, in the order of ``person_ids``. Raises CannotSync when nothing can be done at
    all: no connection, sign-in refused, host unreachable. Never call it inside a transaction: a create has to be
    remembered before it is asked for, and no lock may be held across a call.
    """
    try:
        sync_user = active_sync_user()
        check_ready(sync_user, now())
        org = connect(sync_user, open_session, sleep=pause, now=now, monotonic=monotonic, random=random)
    except CannotSync as error:
        if run is not None:
            runs.refuse(run, error)
        raise
    run = run or SyncRun.objects.create(sync_user=sync_user, kind=RunKind.PERSONS, trigger=(source or actor)[:150])
    work = Work(
        sync_user=sync_user,
        org=org,
        run=run,
        claim=f"persons-{secrets.token_hex(8)}",
        actor=actor,
        now=now,
        pause=pause,
        random=random or Random(),  # noqa: S311 - spreads tries, guards nothing
        progress=progress,
    )
    ids = list(dict.fromkeys(person_ids))
    outcomes: dict[int, PersonOutcome] = {}
    with runs.recorded(work), one_line_errors(sync_user, org):
        learn_organisation(sync_user, org)
        schema.ensure(work)
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            outcomes |= sync_batch(work, batch, options)
            run.options["outcomes"] = [runs.outcome_row(outcomes[pk]) for pk in ids if pk in outcomes]
            runs.report(work, TITLES[options.action], len(outcomes), len(ids))
    return [outcomes[pk] for pk in ids if pk in outcomes]


def sync_batch(work: Work, ids: Iterable[int], options: SyncOptions = SYNC) -> dict[int, PersonOutcome]:
    """Claim persons, sync them, let go of them. A field that was lost meanwhile leads to one fresh describe."""
    wanted = list(ids)
    claimed = outbox.claim([pk for pk in wanted if pk in state.by_ids(wanted)], work.claim)
    outcomes = {pk: busy for pk in wanted if pk not in claimed if (busy := _busy(pk)) is not None}
    try:
        for attempt in range(DESCRIBE_TRIES):
            left = [pk for pk in claimed if pk not in outcomes]
            try:
                _sync(work, left, outcomes, options)
                break
            except FieldsChanged:
                if attempt == DESCRIBE_TRIES - 1:
                    raise fields_keep_changing() from None
                schema.refresh(work)
    finally:
        runs.discard_interrupted_connection()
        outbox.let_go(work.claim)
    return outcomes


def plan_batch(work: Work, plan: Plan, ids: Sequence[int]) -> None:
    """What a dry run tells of creates that would be tried again."""
    persons = [p for p in state.by_ids(ids).values() if not p.linked]
    outcomes: dict[int, PersonOutcome] = {}
    for person in _match(work, persons, find(work, persons), outcomes):
        prepared = prepare(work, work.maps["Lead"], person)
        if isinstance(prepared, Creation):
            fields = sent_fields(prepared.values)
            plan.add(Planned("create lead", person.id, person.name, "Lead", "", fields=fields))
        else:
            plan.add(Planned("refuse", person.id, person.name, "", "", prepared.message))
    for outcome in outcomes.values():
        if not outcome.ok:
            plan.add(Planned("refuse", outcome.person_id, outcome.name, "", "", outcome.message))


def _sync(work: Work, ids: Sequence[int], outcomes: dict[int, PersonOutcome], options: SyncOptions) -> None:
    receive_only = options.action is Action.REFRESH
    persons = list(state.by_ids(ids).values())
    for person in persons:
        if person.linked and person.sfdc_is_deleted and not receive_only:
            outcomes[person.id] = _deleted(person)
        elif receive_only and not person.linked:
            outcomes[person.id] = _outcome(
                person,
                Result.REFUSED,
                "This person is not in Salesforce: there is nothing to refresh from.",
                "NOT_LINKED",
            )
    persons = [person for person in persons if person.id not in outcomes]
    found = find(work, persons)

    linked = [person for person in persons if person.linked]
    strangers = [person for person in persons if not person.linked]
    _receive(work, linked, found, outcomes)
    if receive_only:
        for person in persons:
            outcomes.setdefault(person.id, _outcome(person, Result.UNCHANGED, "Nothing new in Salesforce."))
        return
    to_create = _match(work, strangers, found, outcomes)
    to_send = [
        p.id for p in persons if p.id not in outcomes or outcomes[p.id].result in (Result.UPDATED, Result.LINKED)
    ]
    to_send = [pk for pk in to_send if pk not in {p.id for p in to_create}]
    if work.sending:
        for pk, sent in send(work, to_send).items():
            outcomes[pk] = _both(outcomes.get(pk), sent)
        outcomes |= create_leads(work, to_create)
    else:
        for person in to_create:
            outcomes[person.id] = _outcome(
                person,
                Result.REFUSED,
                "The connection receives only, so nothing is made in Salesforce.",
                "RECEIVE_ONLY",
            )
    for person in persons:
        outcomes.setdefault(person.id, _outcome(person, Result.UNCHANGED, "Both sides are equal."))


# -- persons that are in Salesforce ---------------------------------------------------------------------------------


def _receive(work: Work, linked: Sequence[PersonState], found: Found, outcomes: dict[int, PersonOutcome]) -> None:
    """Merge what changed there into the persons; says what was received."""
    by_record = {person.link.record_id: person for person in linked if person.link}
    postponed: list[str] = []
    seen: set[str] = set()
    for sobject, rows in found.rows.items():
        seen |= {row["Id"] for row in rows}
        postponed += receive_records(work, sobject, rows, found.reading, by_value=True)
    life.hide(work, found.reading, [person.id for record, person in by_record.items() if record not in seen])
    after = state.by_ids([person.id for person in linked])
    for record_id, person in by_record.items():
        now = after.get(person.id)
        if record_id not in seen:
            outcomes[person.id] = _outcome(
                person,
                Result.REFUSED,
                f"{person.sfdc_type} {record_id} is no longer visible to the sync user. Nothing was changed.",
                "NOT_VISIBLE",
            )
        elif record_id in postponed or now is None:
            outcomes[person.id] = _outcome(person, Result.BUSY, "The person is being edited right now.", "BUSY")
        elif now.sfdc_is_deleted:
            outcomes[person.id] = _deleted(now)
        else:
            changed = sorted(_changed(person, now))
            if changed:
                outcomes[person.id] = _received(work, now, changed)


def _changed(before: PersonState, after: PersonState) -> set[str]:
    names = {name for name in before.values if name != "custom" and before.values[name] != after.values[name]}
    old, new = before.values["custom"], after.values["custom"]
    return names | {key for key in {*old, *new} if old.get(key) != new.get(key)}


def _received(work: Work, person: PersonState, changed: Sequence[str]) -> PersonOutcome:
    outcome = _outcome(person, Result.UPDATED, f"Received: {', '.join(changed)}.")
    return replace(outcome, received=tuple(changed))


def _both(received: PersonOutcome | None, sent: PersonOutcome) -> PersonOutcome:
    """One outcome from what was received (or linked) and what was sent."""
    if not sent.ok:
        return sent
    if received is None:
        return replace(sent, message="Both sides are equal.") if sent.result is Result.UNCHANGED else sent
    message = received.message if sent.result is Result.UNCHANGED else f"{received.message} {sent.message}"
    return replace(received, message=message, sent=sent.sent)


# -- persons that are not -------------------------------------------------------------------------------------------


def _match(
    work: Work, strangers: Sequence[PersonState], found: Found, outcomes: dict[int, PersonOutcome]
) -> list[PersonState]:
    """Link persons with records that are theirs; gives those to create a Lead for.

    By UUID; then by e-mail address, Contacts before Leads. A record of another person makes nothing. Several free ones,
    or one under another last name, are a person's decision.
    """
    to_create: list[PersonState] = []
    links: dict[str, list[tuple[PersonState, RemoteRecord, str]]] = {}
    taken: set[str] = set()
    intents = {i.person_id: i for i in CreateIntent.objects.filter(person_id__in=[p.id for p in strangers])}
    for person in strangers:
        mine = found.by_uuid.get(str(person.uuid))
        if mine is not None and mine.id not in found.owners:
            links.setdefault(mine.object, []).append((person, mine, "its external id is this person's UUID."))
            taken.add(mine.id)
            continue
        intent = intents.get(person.id)
        if intent is not None and not intent.external_id:
            made = [r for r in found.by_intent.get(person.id, []) if r.id not in found.owners and r.id not in taken]
            if len(made) == 1:
                reason = "it was made for this person; the answer had been lost."
                links.setdefault(made[0].object, []).append((person, made[0], reason))
                taken.add(made[0].id)
                continue
            if _still_open(work, intent):
                outcomes[person.id] = unknown(person)
                continue
        choice = _by_email(person, found, taken)
        if choice is None:
            to_create.append(person)
        elif isinstance(choice, RemoteRecord):
            taken.add(choice.id)
            links.setdefault(choice.object, []).append((person, choice, f"same e-mail address, {address(person)}."))
        else:
            outcomes[person.id] = choice
            if work.plan is None:
                _keep_refusal(work, choice)
    for sobject, group in links.items():
        _link(work, sobject, group, found, outcomes)
    return to_create


def _by_email(person: PersonState, found: Found, taken: set[str]) -> RemoteRecord | PersonOutcome | None:
    candidates = found.by_email.get(address(person), []) if address(person) else []
    for sobject in ("Contact", "Lead"):
        group = [record for record in candidates if record.object == sobject]
        free = [record for record in group if record.id not in found.owners and record.id not in taken]
        agreeing = [record for record in free if _names_agree(person, record)]
        if len(agreeing) == 1:
            return agreeing[0]
        if free:
            what = f"{len(free)} {sobject.lower()}s" if len(free) > 1 else f"{sobject} {free[0].id} under another name"
            return _outcome(
                person,
                Result.NEEDS_DECISION,
                f"Salesforce has {what} with the address {address(person)}. Choose which one is this person.",
                "SEVERAL_MATCHES",
            )
        if group:
            other, name = found.owners.get(group[0].id, (None, "another person of this selection"))
            label = f"person {other} ({name})" if other else name
            return _outcome(
                person,
                Result.REFUSED,
                f"{sobject} {group[0].id} has the same e-mail address and belongs to {label}. Nothing was made.",
                "MATCH_IS_TAKEN",
            )
    return None


def _names_agree(person: PersonState, record: RemoteRecord) -> bool:
    here = person.values["last_name"].strip().lower()
    there = str(record.values.get("last_name") or "").lower()
    return not here or not there or here == there


def _still_open(work: Work, intent: CreateIntent) -> bool:
    """A create without external id may still come through, until Salesforce's clock says that it can't any more."""
    if intent.asked_at is None or work.org.org_time() > intent.asked_at + LATE_COMMIT:
        return False
    CreateIntent.objects.filter(pk=intent.pk).update(state=IntentState.UNKNOWN)
    return True


def _link(
    work: Work,
    sobject: str,
    group: Sequence[tuple[PersonState, RemoteRecord, str]],
    found: Found,
    outcomes: dict[int, PersonOutcome],
) -> None:
    fields = work.maps[sobject]
    merged = [merge_with(work, fields, person, record, link_reason=reason) for person, record, reason in group]
    applied = apply(work, fields, found.reading, merged)
    for m in applied.written:
        received = tuple(m.merge.received)
        outcome = _outcome(m.person, Result.LINKED, f"Linked to {sobject} {m.remote.id}: {m.link_reason}")
        outcomes[m.person.id] = replace(outcome, sfdc_type=sobject, sfdc_id=m.remote.id, received=received)
    for m in (*applied.again, *applied.stale):
        outcomes[m.person.id] = _outcome(m.person, Result.BUSY, "The person is being edited right now.", "BUSY")


# -- words -----------------------------------------------------------------------------------------------------------


def _busy(person_id: int) -> PersonOutcome | None:
    person = state.by_ids([person_id]).get(person_id)
    if person is None:
        return None
    return _outcome(person, Result.BUSY, "This person is being synced right now; try again in a moment.", "BUSY")


def _deleted(person: PersonState) -> PersonOutcome:
    return _outcome(
        person,
        Result.NEEDS_DECISION,
        f"{person.sfdc_type} {person.sfdc_id} was deleted in Salesforce. Changes stay here only.",
        "DELETED_IN_SFDC",
    )


def _keep_refusal(work: Work, outcome: PersonOutcome) -> None:
    """The person waits for a decision: it is marked and logged, and not tried again until it changes."""
    journal = Journal(work)
    journal.entry(
        outcome.person_id,
        outcome.name,
        ActivityType.SYNC_PERSON,
        outcome.message,
        code=outcome.code,
        failed=True,
    )
    failure = Failure(outcome.person_id, outcome.code, outcome.message, {}, failed=True, retry_at=None)
    with agreeing_writes():
        outbox.fail(work.claim, [failure])
        journal.write()


def _outcome(person: PersonState, result: Result, message: str, code: str = "") -> PersonOutcome:
    return PersonOutcome(
        person.id, person.name, result, message, code=code, sfdc_type=person.sfdc_type, sfdc_id=person.sfdc_id
    )
