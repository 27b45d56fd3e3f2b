"""*Reconnect to a refreshed sandbox*: the organisation has another id, and its records have the ids that they had.

Each pair is checked by its record's id and e-mail address. Those that agree are linked with the new organisation on an
empty base, so that the next cycle takes new ones by the rules of first contact; the others are let go, and the usual
matching finds them again. The connection receives only from the first step on: nothing is sent to an organisation whose
records nobody has compared. Every batch is a transaction, and what is left is found by its old organisation: broken off
anywhere, it goes on when it is asked for again.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from django.db import transaction

from syncer.models import (
    ActivityType,
    RunKind,
    SalesforceRecord,
    SfdcType,
    SyncMode,
    SyncRun,
    SyncUser,
    SyncUserState,
)
from syncer.salesforce import soql
from syncer.salesforce.caller import Timing
from syncer.salesforce.client import Org, OrganisationInfo
from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.errors import ConfigurationError, Unavailable
from syncer.sync.connection import runs
from syncer.sync.connection.connect import active_sync_user, connect, one_line_errors
from syncer.sync.connection.lease import Lease, acquire
from syncer.sync.connection.pages import all_rows
from syncer.sync.context import REAL_WORLD, Context, OpenSession, Surroundings, default_session, next_sequence
from syncer.sync.errors import CannotSync
from syncer.sync.outcomes import Code
from syncer.sync.pull.database import Database
from syncer.sync.store import cursors, former_ids, links, outbox, persons, tombstones
from syncer.sync.store.activity import Journal
from syncer.sync.store.former_ids import FormerRow
from syncer.sync.store.locking import PATIENT_TRIES, lock_as_they_are, retry_busy
from syncer.sync.store.transactions import repeated, write_transaction

#: Pairs that are checked with one query.
BATCH = 500
#: Links from either end that are looked at before anything is changed.
SAMPLE = 200


@dataclass(slots=True)
class Reconnected:
    """What was found: pairs that agree, records that are not there any more, records with another address."""

    organisation: OrganisationInfo
    agreed: int = 0
    missing: int = 0
    other_address: int = 0

    def __str__(self) -> str:
        where = f"{self.organisation.name} ({self.organisation.id})"
        if not (self.agreed or self.missing or self.other_address):
            return f"{where}: no pair was left to check. The connection receives only."
        return (
            f"{where}: {self.agreed:,} reconnected, {self.missing:,} not found, {self.other_address:,} with another "
            "e-mail address. The connection receives only now: the next cycle reads everything and sends nothing."
        )


def reconnect(run: SyncRun, *, around: Surroundings = REAL_WORLD) -> Reconnected:
    """Link the persons with the refreshed sandbox that the connection's sign-in leads to now, as ``run``.

    Raises CannotSync, which the run tells, too; with the code BUSY when it has ended or another worker is at it.
    """
    if not runs.take(run, f"reconnect-{secrets.token_hex(8)}", around.now()):
        raise CannotSync("It has ended already, or another worker is at it.", Code.BUSY)
    try:
        sync_user = active_sync_user()
        lease = acquire(sync_user)
    except CannotSync as error:
        runs.refuse(run, error)
        raise
    try:
        return _check(run, sync_user, lease, around)
    except CannotSync as error:
        if run.finished_at is None:
            runs.refuse(run, error)
        raise
    finally:
        runs.discard_interrupted_connection()
        lease.release()


def _check(run: SyncRun, sync_user: SyncUser, lease: Lease, around: Surroundings) -> Reconnected:
    org, stranger = _as_a_stranger(sync_user, around)
    # Whoever holds the lease is the only one: earlier ones that say they are running have died.
    runs.mark_dead(SyncRun.objects.filter(kind=RunKind.RECONNECT, pk__lt=run.pk))
    context = Context(
        sync_user=sync_user,
        org=org,
        run=run,
        claim=run.claim,
        actor=run.trigger,
        store=Database(),
        now=around.now,
        fence=lease.renew,
        checkpoint=lease.renew,
        progress=around.progress,
        pause=around.pause,
        **runs.so_far(run),
    )
    with runs.recorded(context), one_line_errors(sync_user, org):
        runs.report(context, "Signing in", 0, None)
        found = Reconnected(_refreshed(sync_user, org))
        _require_some_pairs(context, found.organisation)
        _receive_only(sync_user)
        for sobject in (SfdcType.LEAD, SfdcType.CONTACT):
            _check_pairs(context, str(sobject), found)
        _finish(sync_user, stranger, org, found.organisation)
        run.notes.append(str(found))
    return found


def start_run(sync_user: SyncUser, actor: str) -> SyncRun:
    """The run that says how far it is, and what was found. It is carried out, whatever becomes of a task."""
    return runs.create(sync_user, RunKind.RECONNECT, actor)


def where_it_leads(open_session: OpenSession = default_session) -> OrganisationInfo:
    """The refreshed sandbox, before anything is done. Raises CannotSync when it is none."""
    sync_user = active_sync_user()
    org, _ = _as_a_stranger(sync_user, Surroundings(open_session))
    with one_line_errors(sync_user, org):
        return _refreshed(sync_user, org)


def _as_a_stranger(sync_user: SyncUser, around: Surroundings) -> tuple[Org, SyncUser]:
    """A connection with the same credentials that does not insist on the organisation that it knows. What its sign-in
    gives stays on the copy, which is never stored."""
    columns = {f.attname: getattr(sync_user, f.attname) for f in SyncUser._meta.concrete_fields}
    stranger = SyncUser(**columns | {"id": None, "organisation_id": "", "encrypted_session": ""})
    return connect(stranger, around.open_session, Timing(attempts=2, sleep=around.pause, now=around.now)), stranger


def _refreshed(sync_user: SyncUser, org: Org) -> OrganisationInfo:
    org.sign_in()
    organisation = org.organisation()
    if not organisation.is_sandbox:
        raise ConfigurationError(
            f"{organisation.name} ({organisation.id}) is not a sandbox, so it can't be a refreshed one. Nothing was "
            "changed.",
            code=Code.NOT_A_SANDBOX,
        )
    others = SalesforceRecord.objects.exclude(organisation=organisation.id)
    if sync_user.organisation_id in ("", organisation.id) and not others.exists():
        raise ConfigurationError(
            f"The connection leads to {organisation.name} ({organisation.id}), as it did before: there is nothing to "
            "reconnect.",
            code=Code.SAME_ORGANISATION,
        )
    return organisation


def _require_some_pairs(context: Context, organisation: OrganisationInfo) -> None:
    """Of the oldest and the newest links at least one has to agree: an organisation that has none of the records is
    not a copy of the one that the persons are linked with, and everybody would be let go. Raises ConfigurationError."""
    links = SalesforceRecord.objects.exclude(person__sfdc_is_deleted=True).select_related("person")
    if links.filter(organisation=organisation.id).exists():
        return  # broken off before: some pairs have agreed
    sample = [*links.order_by("person_id")[:SAMPLE], *links.order_by("-person_id")[:SAMPLE]]
    for sobject in (SfdcType.LEAD, SfdcType.CONTACT):
        mine = [link for link in sample if link.object == sobject]
        addresses = _addresses(context, str(sobject), sorted({link.record_id for link in mine})) if mine else {}
        if any(_agrees(link, addresses) for link in mine):
            return
    if sample:
        raise ConfigurationError(
            f"{organisation.name} ({organisation.id}) has none of the records that were looked for, so it is not a "
            "refreshed copy. Nothing was changed. Check the My Domain URL.",
            code=Code.OTHER_RECORDS,
        )


def _receive_only(sync_user: SyncUser) -> None:
    sync_user.mode = SyncMode.RECEIVE_ONLY
    sync_user.save(update_fields=["mode"])


def _check_pairs(context: Context, sobject: str, found: Reconnected) -> None:
    """Batch by batch, in the order of the persons."""
    links = SalesforceRecord.objects.exclude(organisation=found.organisation.id).filter(object=sobject)
    links = links.select_related("person").order_by("person_id")
    total, after, done = links.count(), 0, 0
    while batch := list(links.filter(person_id__gt=after)[:BATCH]):
        after = batch[-1].person_id
        addresses = _addresses(context, sobject, [link.record_id for link in batch])
        agreed = [link for link in batch if _agrees(link, addresses)]
        let_go = [link for link in batch if link not in agreed]
        # A person whose record was deleted before goes on being one: the record is not there, as was to be expected.
        still_deleted = [ln for ln in let_go if ln.person.sfdc_is_deleted and ln.record_id not in addresses]
        let_go = [link for link in let_go if link not in still_deleted]
        pairs = [*((link, True) for link in (*agreed, *still_deleted)), *((link, False) for link in let_go)]
        store = partial(_store, context, found.organisation.id, addresses)
        if retry_busy(pairs, store, tries=PATIENT_TRIES, pause=context.pause):
            raise CannotSync(
                "Some of the persons are being edited all the time. Reconnect again: it goes on where it was.",
                Code.BUSY,
            )
        found.agreed += len(agreed) + len(still_deleted)
        found.missing += sum(link.record_id not in addresses for link in let_go)
        found.other_address += sum(link.record_id in addresses for link in let_go)
        done += len(batch)
        runs.report(context, f"Checking {sobject}s", done, max(done, total))


def _addresses(context: Context, sobject: str, ids: Sequence[str]) -> dict[str, str]:
    """The e-mail addresses of the records that are there. A converted lead is not: its contact is found by itself."""
    where = soql.in_("Id", list(ids))
    if sobject == SfdcType.LEAD:
        where = soql.and_(where, soql.equals("IsConverted", False))
    first, _ = context.query(soql.select(["Id", "Email"], sobject, where))
    rows = all_rows(context, first)
    if rows.nameless:  # whoever is not answered is let go
        raise Unavailable(f"A {sobject} came without a readable Id.", code=EdgeCode.BAD_ANSWER)
    return {str(row["Id"]): str(row.get("Email") or "").strip().lower() for row in rows}


def _agrees(link: SalesforceRecord, addresses: Mapping[str, str]) -> bool:
    """The record is there, with the address that was last agreed or that the person has now."""
    known = {str(text or "").strip().lower() for text in (link.base.get("email"), link.person.email)}
    return addresses.get(link.record_id) in known


@repeated
def _store(
    context: Context,
    organisation: str,
    addresses: Mapping[str, str],
    pairs: Sequence[tuple[SalesforceRecord, bool]],
    attempt: int,
) -> list[tuple[SalesforceRecord, bool]]:
    """One batch: links with the new organisation without base and stamp (``pairs``: whether they agree); the others'
    old ids still find them. Return those whose person is busy."""
    sequence = next_sequence()
    with write_transaction(context):
        free = lock_as_they_are(context, [link.person_id for link, _ in pairs])
        mine = [(link, agrees) for link, agrees in pairs if link.person_id in free]
        kept = [link.person_id for link, agrees in mine if agrees]
        let_go = [link for link, agrees in mine if not agrees]
        links.move_to(organisation, kept)
        outbox.start_over(kept)
        _let_go(context, organisation, addresses, let_go, sequence)
    return [(link, agrees) for link, agrees in pairs if link.person_id not in free]


def _let_go(
    context: Context, organisation: str, addresses: Mapping[str, str], let_go: Sequence[SalesforceRecord], sequence: int
) -> None:
    """They are persons who are not in Salesforce, as far as anybody knows."""
    ids = [link.person_id for link in let_go]
    journal = Journal(context)
    for link in let_go:
        why = "has another e-mail address there" if link.record_id in addresses else "is not there"
        journal.entry(
            link.person_id,
            str(link.person),
            ActivityType.LINK,
            f"No longer linked to {link.object} {link.record_id}: it {why} since the sandbox was refreshed.",
            detail={"id": link.record_id, "object": link.object, "organisation": link.organisation},
        )
    former_ids.write(
        context,
        [FormerRow(ln.person_id, ln.object, ln.record_id, "sandbox refreshed", ln.organisation) for ln in let_go],
        sequence,
    )
    persons.unlink(ids, context.now())
    outbox.forget(ids)
    links.forget(ids, except_in=organisation)
    journal.write()


def _finish(sync_user: SyncUser, stranger: SyncUser, org: Org, organisation: OrganisationInfo) -> None:
    """The connection belongs to the new organisation, and knows nothing of it: everything is read again."""
    user = org.user_info()
    with transaction.atomic():
        tombstones.move_to(organisation.id)
        cursors.forget(sync_user)
        sync_user.described.all().delete()
        sync_user.organisation_id, sync_user.organisation_name = organisation.id, organisation.name[:120]
        sync_user.user_id = user.id
        sync_user.encrypted_session, sync_user.instance_url = stranger.encrypted_session, stranger.instance_url
        if sync_user.state == SyncUserState.REFUSED:
            sync_user.state, sync_user.state_reason = SyncUserState.READY, ""
        sync_user.save(
            update_fields=[
                "organisation_id",
                "organisation_name",
                "user_id",
                "encrypted_session",
                "instance_url",
                "state",
                "state_reason",
            ]
        )
