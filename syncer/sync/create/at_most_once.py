"""Creates a Lead for a person at most once, whatever crashes or times out.

With a unique external-id field: upsert by the person's UUID; after an unknown outcome the record is looked up by it,
and the upsert repeated only when it is absent. Without one: an intent is stored before the call, and after an unknown
outcome nothing is tried until the lead was found or Salesforce's clock says that the request can't come through any
more. The intent is stored on either way, because a killed process leaves nothing else behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from syncer.salesforce import writing
from syncer.salesforce.errors import OutcomeUnknown
from syncer.salesforce.rows import RowError
from syncer.sync.context import Context
from syncer.sync.create.after_create import Creation, RefusedCreate, record_refused
from syncer.sync.create.leads import create_in_one_call, find_by_uuid
from syncer.sync.errors import FieldsChanged
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.merge import Value
from syncer.sync.options import SyncOptions
from syncer.sync.outcomes import Outcomes, PersonOutcome, busy, unknown
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import intents
from syncer.sync.store.intents import IntentRow

#: Rounds of look-up and upsert for one unknown outcome before the person is left as "Outcome unknown".
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
        for start in range(0, len(group), writing.MOST_ROWS):
            batch = group[start : start + writing.MOST_ROWS]
            told = _create(context, fields, batch)
            surprised = surprised or len(told) < len(batch)
            yield told
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


def _create(context: Context, fields: ObjectMap, creations: Sequence[Creation]) -> dict[int, PersonOutcome]:
    external = fields.external_id_field is not None
    rows = [IntentRow(c.person.id, c.values, c.options.of_create()) for c in creations]
    owned = intents.remember(context, rows, external_id=external)
    remaining = [creation for creation in creations if creation.person.id in owned]
    outcomes = {c.person.id: busy(c.person) for c in creations if c.person.id not in owned}
    for round_ in range(ROUNDS):
        if round_:
            context.pause(min(2.0**round_, 8.0) * (0.5 + context.random.random() / 2))
            found = find_by_uuid(context, fields, remaining)
            outcomes |= found
            remaining = [creation for creation in remaining if creation.person.id not in found]
        if not remaining:
            break
        try:
            return outcomes | create_in_one_call(context, fields, remaining, first=not round_)
        except OutcomeUnknown:
            if not external:
                break
    intents.mark_unknown(c.person.id for c in remaining)
    return outcomes | {c.person.id: unknown(c.person) for c in remaining}
