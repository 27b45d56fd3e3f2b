"""Sending: what waits in the outbox goes to Salesforce, hundreds of records in one Composite request (``request``), or
as many as Salesforce takes at a time (``portions``)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from syncer.models import PendingState
from syncer.salesforce.errors import OutcomeUnknown, TooLate
from syncer.sync.connection import runs
from syncer.sync.context import Context
from syncer.sync.errors import FieldsChanged
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.merge import Merge
from syncer.sync.outcomes import Outcomes, PersonOutcome, Result, busy, late
from syncer.sync.persons import person_state
from syncer.sync.persons.record import Reading
from syncer.sync.plan import Plan, Planned
from syncer.sync.push import missing_records, refused_fields
from syncer.sync.push.after_update import record
from syncer.sync.push.failures import LONGEST_WAIT, TRIES_IN_A_CYCLE, needs_fresh_fields
from syncer.sync.push.portions import Answered, by_person, in_portions
from syncer.sync.push.prepare import prepare, sendable, why_not_now
from syncer.sync.push.request import records_a_call, update
from syncer.sync.push.sending import Sending, Sent
from syncer.sync.store import claims, outbox
from syncer.sync.store.call_sizes import RECORDS_A_CALL
from syncer.sync.store.locking import lock_as_they_are
from syncer.sync.store.transactions import repeated, write_transaction

#: Passes over the outbox in one cycle, for what failed in passing.
PASSES = 6
#: Passes in a row with a request whose outcome stayed unknown, after which the cycle gives up.
UNKNOWN_IN_A_ROW = 3


def send_waiting(context: Context) -> None:
    """The cycle's sending phase: everything that waited when it began, batch by batch.

    What failed in passing, or with an unknown outcome, is tried again a few times; the next cycles do the rest.
    """
    if isinstance(context.store, Plan):
        _plan_waiting(context, context.store)
        return
    outbox.requeue_due(context.now())
    until = outbox.newest()
    if until is None:
        return
    progress = [0, outbox.waiting(context.now())]
    unknown = 0
    for attempt in range(PASSES):
        came = _send_all(context, until, progress)
        unknown = unknown + 1 if came.unknown else 0
        if came.unknown and unknown >= UNKNOWN_IN_A_ROW:
            raise came.unknown
        again = _next_pass(context, came)
        if again is None or attempt == PASSES - 1:
            break
        wait = (again - context.now()).total_seconds() + context.random.random()
        context.checkpoint()
        context.pause(max(wait, 0.0))
        context.checkpoint()


def send_meanwhile(context: Context) -> None:
    """What waits, for one turn (``pull.turns``): of records that the cycle has not read yet without the fields that
    Salesforce wins. What fails in passing is tried again when all has been read."""
    if (until := outbox.newest()) is None:
        return
    _send_all(context, until, [0, outbox.waiting(context.now())])


@dataclass(slots=True)
class Pass:
    """What came of a pass over the outbox: the error of a request whose outcome is unknown, and whether somebody was
    busy."""

    unknown: OutcomeUnknown | None = None
    busy: bool = False


def _next_pass(context: Context, came: Pass) -> datetime | None:
    """When it is worth while to go through the outbox again; None: that is left to the next cycle."""
    if came.unknown or came.busy:
        return context.now()
    return outbox.next_try_within(LONGEST_WAIT, TRIES_IN_A_CYCLE, context.now())


def _send_all(context: Context, until: datetime, progress: list[int]) -> Pass:
    """One pass over the outbox, opt-outs first. Updates can be repeated: the next try reads first, and finds what was
    carried out."""
    came = Pass()
    for number, ids in enumerate(_opt_outs_first(context, until)):
        if number and context.turn_is_over():
            break
        if number:
            context.next_batch()
        else:
            context.keep_reserve()  # however late it is: a cycle whose time is used up by reading sends something, too
        claimed = claims.take(ids, context.claim)
        came.busy = came.busy or len(claimed) < len(ids)
        try:
            for told in send(context, claimed, retry=False):  # it is written already
                came.busy = came.busy or any(one.result is Result.BUSY for one in told.values())
        except OutcomeUnknown as error:
            came.unknown = error
        finally:
            runs.discard_interrupted_connection()
            claims.let_go(context.claim)
        progress[0] += len(claimed)
        runs.report(context, "Sending", progress[0], max(progress))
    return came


def _opt_outs_first(context: Context, until: datetime) -> Iterator[list[int]]:
    """Who waits, batch by batch. Who has opted out is met once more with all others, mostly as settled by then."""
    objects = [name for name in context.maps if name not in context.never_read]
    for only_opt_outs in (True, False):
        after = 0
        while ids := outbox.due(
            RECORDS_A_CALL, context.now(), objects, after=after, until=until, only_opt_outs=only_opt_outs
        ):
            after = ids[-1]
            yield ids


def _plan_waiting(context: Context, told: Plan) -> None:
    """What would be sent of persons whose record was not read in this cycle; of the others it is decided already."""
    for ids in _due_batches(context):
        for person in person_state.by_ids(ids).values():
            link = person.link
            fields = context.maps.get(link.object) if link else None
            if link is None or fields is None or told.is_decided(person.id) or why_not_now(person) is not None:
                continue
            found = sendable(context, fields, person, link, retry=person.pending == PendingState.FAILED)
            if found.bad:
                why = "; ".join(str(error) for error in found.bad.values())
                told.add(Planned("refuse", person.id, person.name, person.sfdc_type, person.sfdc_id, why))
            if not found.all_wait:
                sent = Merge(tuple(d for d in found.merged.decisions if d.field not in found.waiting))
                told.add_merge(person, person.sfdc_type, person.sfdc_id, sent)


def _due_batches(context: Context) -> Iterator[list[int]]:
    """What waits, then what would be woken for its nightly retry."""
    after = 0
    objects = [name for name in context.maps if name not in context.never_read]
    while ids := outbox.due(RECORDS_A_CALL, context.now(), objects, after=after):
        after = ids[-1]
        yield ids
    after = 0
    asleep = outbox.due_for_nightly_retry(context.now()).order_by("person_id").values_list("person_id", flat=True)
    while ids := list(asleep.filter(person_id__gt=after)[:RECORDS_A_CALL]):
        after = ids[-1]
        yield ids


def send(context: Context, claimed: Iterable[int], *, retry: bool = True) -> Iterator[Outcomes]:
    """Send what differs from the base, of persons that this worker has claimed. Yield what was written: the outcome of
    each.

    ``retry``: also values that were refused before and are held (``held``), because somebody asks for it.
    Raises what the edge raises for the call as a whole; then the claims are still held. Raises FieldsChanged behind the
    outcomes when some persons have to be tried again with a fresh describe.
    """
    persons, surprised = person_state.by_ids(claimed), False
    for sobject, fields in context.maps.items():
        batch, quiet = [], []
        for person in persons.values():
            if person.link is None or person.link.object != sobject:
                continue
            planned = prepare(context, fields, person, retry=retry)
            if not isinstance(planned, Sending):
                yield {person.id: planned}
            elif planned.values:
                batch.append(planned)
            else:
                quiet.append(_nothing_sent(planned))
        yield record(context, fields, context.no_reading(), quiet) if quiet else {}
        most = records_a_call(context, fields, batch)
        updates = _Updates(context, fields)
        yield from in_portions(context, sobject, batch, updates, most=most, key=by_person)
        rest = _Rest(context, fields, {pk: whole for pk, (whole, _) in updates.in_parts.items()})
        parts = [part for _, part in updates.in_parts.values()]
        yield from in_portions(context, sobject, parts, rest, most=most, key=by_person)
        surprised = surprised or updates.surprised
    if surprised:
        raise FieldsChanged


class _Updates:
    """Sends updates of one object. ``surprised``: some were refused because of a field of which the describe may be out
    of date; nothing is written of them. ``in_parts``: refused ones of which a part can be sent, by person."""

    def __init__(self, context: Context, fields: ObjectMap) -> None:
        self.surprised = False
        self.in_parts: dict[int, tuple[Sent, Sending]] = {}
        self._context, self._fields = context, fields
        self._together: dict[int, Sent] = {}

    def send(self, portion: Sequence[Sending]) -> Answered:
        """One request, and what came of it."""
        context = self._context
        validity = context.validity()
        # Whose claim ran out while Salesforce was slow may have been edited and sent by another worker: an old value
        # would go over the new one.
        owned = claims.renew(context.claim, [sending.person.id for sending in portion])
        batch = _mark(context, [s for s in portion if s.person.id in owned])
        marked = {s.person.id for s in batch}
        outcomes = {s.person.id: busy(s.person) for s in portion if s.person.id not in marked}
        try:
            reading, results = update(context, self._fields, batch, validity)
        except TooLate:
            return Answered(outcomes | {s.person.id: late(s.person) for s in batch}, False, (), True)
        together = {s.sending.person.id: s for s in results if s.together}
        alone = len(results) == 1
        self._together = {} if alone else together
        settled = [s for s in results if s.sending.person.id not in self._together]
        outcomes |= self._write(reading, settled)
        return Answered(outcomes, any(not s.errors for s in results), together, alone)

    def put_off(self, person_ids: Collection[int]) -> Outcomes:
        return self._write(self._context.no_reading(), [replace(self._together[pk], put_off=True) for pk in person_ids])

    def _write(self, reading: Reading, results: Sequence[Sent]) -> dict[int, PersonOutcome]:
        """Write what came of updates, but of those that have to be tried once more."""
        context, fields = self._context, self._fields
        surprising = [s for s in results if needs_fresh_fields(context, s.errors)]
        self.surprised = self.surprised or bool(surprising)
        parts = refused_fields.in_parts(context, fields, [s for s in results if not s.put_off])
        self.in_parts |= {s.sending.person.id: (s, part) for s, part in parts.items()}
        left = [s for s in results if s not in surprising and s not in parts]
        outcomes = record(context, fields, reading, [s for s in left if not s.missing])
        return outcomes | missing_records.find_out(context, fields, [s for s in left if s.missing])


class _Rest(_Updates):
    """Sends what is left of refused updates (``wholes``, by person) without the fields that Salesforce named."""

    def __init__(self, context: Context, fields: ObjectMap, wholes: Mapping[int, Sent]) -> None:
        super().__init__(context, fields)
        self._wholes = wholes

    def _write(self, reading: Reading, results: Sequence[Sent]) -> dict[int, PersonOutcome]:
        both = [refused_fields.whole_and_rest(self._wholes[s.sending.person.id], s) for s in results]
        return record(self._context, self._fields, reading, both)


@repeated
def _mark(context: Context, batch: Sequence[Sending]) -> list[Sending]:
    """Before the call: what it sends is in doubt until its answer has come. Without those who are busy."""
    with write_transaction(context):
        free = lock_as_they_are(context, [sending.person.id for sending in batch])
        marked = [sending for sending in batch if sending.person.id in free]
        outbox.mark_in_doubt((s.person.id, s.person.revision, s.values) for s in marked)
    return marked


def _nothing_sent(sending: Sending) -> Sent:
    return Sent(sending, (), None, None, None, None)
