"""What a refusal means for a person: when it is tried again, and what its log says in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.utils import timezone

from syncer.models import ActivityType
from syncer.salesforce.errors import Recovery, explain, policy_for
from syncer.salesforce.rows import RowError
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.merge import Value
from syncer.sync.outcomes import PersonOutcome, Result, outcome
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store.activity import Journal
from syncer.sync.store.outbox import Failure

#: The first repeated try of a passing fault; each further one waits twice as long.
FIRST_RETRY = timedelta(seconds=1)
#: A repeated try that is further away than this is left to the next cycle.
LONGEST_WAIT = timedelta(seconds=60)
#: Tries within one cycle, then in the next cycles; after those it is tried at night.
TRIES_IN_A_CYCLE, TRIES_IN_ALL = 5, 8
NIGHT = 2


def failure(
    context: Context,
    fields: ObjectMap,
    person: PersonState,
    errors: Sequence[RowError],
    values: Mapping[str, Value],
    journal: Journal | None,
) -> Failure:
    """What a refusal means for a person, with a `Sync failed` entry (``journal`` None: it was told before):
    Salesforce's code and words, the fields named, the values sent, and in plain language what to do."""
    error = errors[0]
    passing, retry_at = next_try(context, person, recovery(context, error))
    sent = {f.salesforce_field: values[f.person_field] for f in fields.fields if f.person_field in values}
    known = {f.salesforce_field: f.describe for f in fields.fields}
    explanation = explain(
        error,
        sent,
        labels={name: d.label for name, d in known.items()},
        lengths={name: d.length for name, d in known.items()},
        time=f"{retry_at.astimezone(timezone.get_default_timezone()):%H:%M %Z}",
    )
    detail = {
        "errors": [{"code": e.code, "message": e.message, "fields": list(e.fields)} for e in errors],
        "values": sent,
        "cause": explanation.cause,
        "remedy": explanation.remedy,
        "duplicates": list(error.duplicates),
        "warn_only": error.warn_only,
    }
    if journal is not None:
        journal.entry(
            person.id,
            person.name,
            ActivityType.SYNC_FAILED,
            f"{error.code}: {error.message}",
            field=", ".join(error.fields),
            code=error.code,
            detail=detail,
        )
    return Failure(person.id, error.code, error.message, detail, failed=not passing, retry_at=retry_at)


def next_try(context: Context, person: PersonState, action: Recovery) -> tuple[bool, datetime]:
    """Whether a fault still passes by itself, and when it is tried again: soon, with backoff and jitter; in the next
    cycles; in the end, like everything that was refused for good, at night. An automation that failed is left to the
    next cycles at once."""
    now = context.now()
    if action is Recovery.STOP_FOR_LIMIT:
        return True, now + 2 * LONGEST_WAIT  # it struck in the middle of a batch: the next call tells it of the whole
    attempts = person.attempts
    if action is Recovery.RETRY_LATER:
        attempts += TRIES_IN_A_CYCLE
    elif action is not Recovery.RETRY_SOON:
        attempts = TRIES_IN_ALL
    if attempts < TRIES_IN_A_CYCLE:
        return True, now + FIRST_RETRY * 2**attempts * (0.75 + 0.5 * context.random.random())
    if attempts < TRIES_IN_ALL:
        return True, now + 2 * LONGEST_WAIT
    return False, tonight(now)


def tonight(now: datetime) -> datetime:
    """The next night's retry, in the time zone of the installation."""
    at = timezone.localtime(now, timezone.get_default_timezone()).replace(hour=NIGHT, minute=0, second=0, microsecond=0)
    return at if at > now else at + timedelta(days=1)


def recovery(context: Context, error: RowError) -> Recovery:
    """What is done about a refused row. A refusal about a field is the describe's until that was read anew; then it is
    this record's, like a value that Salesforce does not take: fields of a contact that belongs to a person account are
    refused although the describe says that they may be edited."""
    found = policy_for(error.code).recovery
    if found is Recovery.REFRESH_FIELDS and context.fields_are_fresh:
        return Recovery.WAIT_FOR_CHANGE
    return found


def needs_fresh_fields(context: Context, errors: Iterable[RowError]) -> bool:
    """Whether the describes have to be read anew before anything else is made of a refusal."""
    return any(recovery(context, error) is Recovery.REFRESH_FIELDS for error in errors)


def failed_outcome(person: PersonState, result: Failure) -> PersonOutcome:
    return replace(
        outcome(person, Result.FAILED, result.message), code=result.code, remedy=result.detail.get("remedy", "")
    )


def labels(fields: ObjectMap, names: Iterable[str]) -> list[str]:
    """The fields as people know them."""
    wanted = set(names)
    return [f.describe.label or f.person_field for f in fields.fields if f.person_field in wanted]
