"""Creates a Lead for a person at most once, whatever crashes or times out.

With a unique external-id field: an insert with the person's UUID, which Salesforce takes once; after an unknown outcome
the record is looked up by it, and the insert repeated only when it is absent. Without one: an intent is stored before
the call, and after an unknown outcome nothing is tried until the lead was found or Salesforce's clock says that the
request can't come through any more. The intent is stored either way, because a killed process leaves nothing else
behind; and a process that stood still between the two does not ask any more (``salesforce.validity``).
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping, Sequence

from syncer.salesforce import writing
from syncer.salesforce.errors import OutcomeUnknown, TooLate
from syncer.salesforce.rows import RowError
from syncer.sync.context import Context
from syncer.sync.create.after_create import Creation, RefusedCreate, record_refused
from syncer.sync.create.found import is_held_unseen, keep_held_unseen, take_found
from syncer.sync.create.leads import Called, create_in_one_call, find_made
from syncer.sync.errors import FieldsChanged
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.identity.candidates import address, unlinked_with
from syncer.sync.merge import Value
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import Outcomes, PersonOutcome, busy, late, unknown
from syncer.sync.persons.person_state import PersonState
from syncer.sync.push.failures import needs_fresh_fields
from syncer.sync.push.portions import Answered, by_person, in_portions
from syncer.sync.store import claims, intents
from syncer.sync.store.intents import IntentRow

#: Rounds of look-up and insert for one unknown outcome before the person is left as "Outcome unknown".
ROUNDS = 4


def create_leads(
    context: Context, persons: Sequence[PersonState], asked: Mapping[int, SyncOptions]
) -> Iterator[Outcomes]:
    """Create Leads for unlinked persons that this worker has claimed and for which nothing was found there. Raises
    FieldsChanged behind the outcomes when some of them have to be tried again with a fresh describe."""
    fields = context.maps["Lead"]
    surprised = False
    groups: dict[tuple[bool, bool], list[Creation]] = {}
    refused: list[RefusedCreate] = []
    for person in persons:
        prepared = prepare(context, fields, person, asked[person.id])
        if isinstance(prepared, Creation):
            same_headers = (bool(prepared.options.owner), prepared.options.save_duplicate)
            groups.setdefault(same_headers, []).append(prepared)
        elif isinstance(prepared, RefusedCreate):
            refused.append(prepared)
    yield record_refused(context, fields, refused)
    for group in groups.values():
        leads = _Leads(context, fields)
        yield from in_portions(context, "Lead", group, leads, most=writing.MOST_ROWS, key=by_person)
        surprised = surprised or leads.surprised
    if surprised:
        raise FieldsChanged


def prepare(context: Context, fields: ObjectMap, person: PersonState, options: SyncOptions) -> Creation | RefusedCreate:
    """What to create with: everything that may be created, the connection's defaults for an empty name or company."""
    here, bad = fields.here(person.values)
    if bad:
        [(name, error)] = list(bad.items())[:1]
        mapped = fields.field(name)
        refusal = RowError(
            "INVALID_TYPE_ON_FIELD_IN_RECORD", str(error), (mapped.salesforce_field if mapped else name,)
        )
        return RefusedCreate(Creation(person, {name: str(error.value)}, options=options), (refusal,))
    values: dict[str, Value] = {
        f.person_field: v for f in fields.fields if f.createable and (v := here[f.person_field]) is not None
    }
    defaults = {"last_name": context.sync_user.default_last_name, "company": context.sync_user.default_company}
    used = {name: text for name, text in defaults.items() if text and name not in values and fields.field(name)}
    return Creation(person, values | used, frozenset(used), options)


class _Leads:
    """Makes leads in portions. ``surprised``: some were refused because of a field of which the describe may be out of
    date; nothing is written of them."""

    def __init__(self, context: Context, fields: ObjectMap) -> None:
        self.surprised = False
        self._context, self._fields = context, fields
        self._together: dict[int, RefusedCreate] = {}

    def send(self, portion: Sequence[Creation]) -> Answered:
        """Rounds of look-up and insert, until the outcome of all is known, or it stays unknown."""
        context = self._context
        external = self._fields.external_id_field is not None
        outcomes: dict[int, PersonOutcome] = {}
        for round_ in range(ROUNDS):
            if round_:
                context.pause(min(2.0**round_, 8.0) * (0.5 + context.random.random() / 2))
                outcomes |= self._found(_without(portion, outcomes))
            validity = context.validity()
            remaining = self._intended(_without(portion, outcomes), outcomes)
            if not remaining:
                return Answered(outcomes, True, (), True)
            try:
                called = create_in_one_call(context, self._fields, remaining, validity, first=not round_)
                return self._settle(called, outcomes, alone=len(remaining) == 1)
            except TooLate:
                if not round_:
                    return Answered(outcomes | {c.person.id: late(c.person) for c in remaining}, False, (), True)
                break
            except OutcomeUnknown:
                if not external:
                    break
        remaining = _without(portion, outcomes)
        intents.mark_unknown(c.person.id for c in remaining)
        return Answered(outcomes | {c.person.id: unknown(c.person) for c in remaining}, False, (), True)

    def put_off(self, person_ids: Collection[int]) -> Outcomes:
        return record_refused(self._context, self._fields, [self._together[pk] for pk in person_ids], put_off=True)

    def _intended(self, creations: Sequence[Creation], outcomes: dict[int, PersonOutcome]) -> list[Creation]:
        """Store the intents; the persons of others are left to them (``outcomes``)."""
        taken = _address_is_taken(self._context, creations)
        rows = [
            IntentRow(c.person.id, c.values, c.options.of_create(), c.person.left.record_id if c.person.left else "")
            for c in creations
            if c.person.id not in taken
        ]
        external = self._fields.external_id_field is not None
        owned = intents.remember(self._context, rows, external_id=external)
        outcomes |= {c.person.id: busy(c.person) for c in creations if c.person.id not in owned}
        return [creation for creation in creations if creation.person.id in owned]

    def _found(self, creations: Sequence[Creation]) -> Outcomes:
        """After an unknown outcome: the leads that were made all the same."""
        found = find_made(self._context, self._fields, creations)
        return take_found(self._context, self._fields, creations, found, "Created") if found else {}

    def _settle(self, called: Called, outcomes: dict[int, PersonOutcome], *, alone: bool) -> Answered:
        """Write refusals, but of those that have to be tried once more; those leave no intent."""
        context = self._context
        together = {r.creation.person.id: r for r in called.refused if r.together}
        self._together = {} if alone else together
        settled = [r for r in called.refused if r.creation.person.id not in self._together]
        surprising = {r.creation.person.id for r in settled if needs_fresh_fields(context, r.errors)}
        self.surprised = self.surprised or bool(surprising)
        intents.take_back(context, [*surprising, *self._together])
        held = [r for r in settled if is_held_unseen(self._fields, r)]
        final = [r for r in settled if r not in held and r.creation.person.id not in surprising]
        outcomes |= called.outcomes
        outcomes |= keep_held_unseen(context, self._fields, held)
        outcomes |= record_refused(context, self._fields, final)
        return Answered(outcomes, bool(called.outcomes), together, alone)


def _address_is_taken(context: Context, creations: Sequence[Creation]) -> set[int]:
    """Of persons who were looked up by their address: those for whom a lead would be a second one under it, because
    another worker is at somebody else who has it, or may have asked for a lead. Those others are this worker's until it
    has done; so whoever is at them later finds what was made."""
    asked = {c.person.id: address(c.person) for c in creations if address(c.person) and not c.options.create_anyway}
    others = unlinked_with(asked.values())
    ids = {pk for group in others.values() for pk in group} - {c.person.id for c in creations}
    if not ids:
        return set()
    blocked = ids - claims.take(ids, context.claim)
    blocked |= intents.that_may_come_through(context, ids)
    return {pk for pk, shared in asked.items() if others.get(shared, set()) & blocked}


def _without(creations: Sequence[Creation], settled: Container[int]) -> list[Creation]:
    return [creation for creation in creations if creation.person.id not in settled]
