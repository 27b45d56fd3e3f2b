"""What the sync user can access: the describe of each object, and the field mappings that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Q

from syncer.models import Direction, FieldMapping, SalesforceObject, SyncCursor, SyncUser
from syncer.salesforce.client import Answer, Subrequest
from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.describe import FieldDescribe, Names, ObjectDescribe, by_name, describe_request, parse_object
from syncer.salesforce.errors import Refused, Unavailable
from syncer.salesforce.kinds import kind_of, scale
from syncer.sync.context import Context
from syncer.sync.errors import DESCRIBE_TRIES, FieldsChanged, TooMuchAsked, fields_keep_changing
from syncer.sync.fields.automatic import wanted
from syncer.sync.fields.object_map import unseen_objects
from syncer.sync.fields.synced_objects import OBJECTS, SYNCED
from syncer.sync.fields.types import lossless, why_not_kept
from syncer.sync.pull.ask_less import ask_less
from syncer.sync.store import call_sizes, outbox
from syncer.sync.store.transactions import repeated

T = TypeVar("T")


@dataclass(slots=True)
class SchemaChange:
    """What a describe changed: fields that appeared (and are to be filled for all), went, or changed in any way; of
    the latter, those that may no longer be edited, may be edited now, or are suspended (with the reason of each)."""

    object: str
    added: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    suspended: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.hidden or self.changed)

    def sentences(self, *, first: bool) -> Iterator[str]:
        """What a run's notes say of it. With the ``first`` describe of an object every field is new."""
        if self.added and not first:
            yield f"{self.object}: appeared, and received for all records: {_named(self.added)}."
        if self.hidden:
            yield f"{self.object}: no longer visible to the sync user, kept here and not synced: {_named(self.hidden)}."
        if self.locked:
            yield f"{self.object}: the sync user may no longer edit {_named(self.locked)}."
        if self.opened:
            yield f"{self.object}: the sync user may now edit {_named(self.opened)}."
        for name, problem in self.suspended.items():
            yield f"{self.object}: {name} is suspended. {problem}"


#: As many fields are named in one sentence.
NAMED = 8


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(sorted(names)[:NAMED]) + more


def store_describes(sync_user: SyncUser, descriptions: Iterable[ObjectDescribe], at: datetime) -> list[SchemaChange]:
    """Keep fresh describes and bring the mappings of their objects in line with them, in one transaction. All are kept
    first: which field is mapped by itself depends on what both objects have, not on which comes first."""
    fresh = list(descriptions)
    changes = []
    with transaction.atomic():
        for described in fresh:
            SalesforceObject.objects.update_or_create(
                sync_user=sync_user,
                name=described.name,
                defaults={
                    "description": described.to_dict(),
                    "last_modified": described.last_modified or "",
                    "described_at": at,
                },
            )
        for described in fresh:
            changes.append(change := _bring_in_line(sync_user, described))
            if change:
                outbox.retry_object(described.name)
                call_sizes.forget_fields(sync_user, described.name)
    return changes


def _bring_in_line(sync_user: SyncUser, described: ObjectDescribe) -> SchemaChange:
    """Mappings that are there take over what the describe says of their field; what is to be mapped by itself and is
    not yet, gets one."""
    change = SchemaChange(described.name)
    unread = _is_unread(sync_user, described.name)
    visible = _visible(sync_user, described)
    mappings = list(sync_user.mappings.all())
    for mapping in mappings:
        if mapping.object == described.name:
            _update(mapping, visible.get(mapping.salesforce_field), change, unread=unread)
    for name, person_field in wanted(sync_user, described.name, visible, mappings).items():
        new = FieldMapping(sync_user=sync_user, object=described.name, person_field=person_field, filled=unread)
        _add(new, visible[name], change)
    return change


def _is_unread(sync_user: SyncUser, sobject: str) -> bool:
    """The first read of an object brings all of its fields; what appears later has to be filled in for all records."""
    begun = Q(read_to__isnull=False) | Q(reading_since__isnull=False)
    return not SyncCursor.objects.filter(begun, sync_user=sync_user, object=sobject).exists()


def _visible(sync_user: SyncUser, described: ObjectDescribe) -> Names[FieldDescribe]:
    """The fields that the sync user sees: the object's own, and those that are read of its parents."""
    unseen = unseen_objects(sync_user)
    visible = described.fields.copy()
    for parent in SYNCED[described.name].parents:
        if parent.reference in described.fields and parent.object not in unseen:
            visible.update(by_name(parent.fields.values()))
    return visible


def _update(mapping: FieldMapping, seen: FieldDescribe | None, change: SchemaChange, *, unread: bool) -> None:
    """Bring one mapping in line with its field (None: it is not visible), and keep in ``change`` what that changed."""
    before = _told(mapping)
    was_readable, was_updateable, earlier_problem = mapping.readable, mapping.updateable, mapping.problem
    if seen is None:
        mapping.readable = mapping.createable = mapping.updateable = mapping.filled = False
    else:
        was_read_so = _shape(mapping)
        take_over(mapping, seen)
        # Values that were read while it was suspended, or with other decimals, are not what Salesforce has.
        read_so = _shape(mapping) == was_read_so
        mapping.filled = unread or (mapping.filled and read_so)
    if before == _told(mapping):
        return
    mapping.save()
    name = mapping.salesforce_field
    if seen is None:
        change.hidden.append(name)
        return
    (change.changed if was_readable else change.added).append(name)
    if was_readable and was_updateable != mapping.updateable:
        (change.opened if mapping.updateable else change.locked).append(name)
    if mapping.problem not in ("", earlier_problem):
        change.suspended[name] = mapping.problem


def _shape(mapping: FieldMapping) -> tuple[str, int]:
    """What decides in which form its values were read."""
    described = FieldDescribe.from_dict(mapping.described) if mapping.described else None
    return mapping.problem, scale(described) if described is not None and kind_of(described).shaped else 0


def _told(mapping: FieldMapping) -> tuple[str, bool, bool, bool, dict[str, Any], str]:
    """What a describe says of a mapping's field."""
    access = (mapping.readable, mapping.createable, mapping.updateable)
    return mapping.salesforce_field, *access, mapping.described, mapping.problem


def _add(mapping: FieldMapping, seen: FieldDescribe, change: SchemaChange) -> None:
    """Complete a new mapping with what the describe says of its field."""
    mapping.direction = Direction.RECEIVE if kind_of(seen).receive_only else Direction.TWO_WAY
    mapping.automatic = True
    take_over(mapping, seen)
    mapping.save()
    change.added.append(seen.name)
    if mapping.problem:
        change.suspended[seen.name] = mapping.problem


def take_over(mapping: FieldMapping, seen: FieldDescribe) -> None:
    """What the describe says of a mapped field. A changed type suspends the mapping rather than lose data."""
    earlier = FieldDescribe.from_dict(mapping.described) if mapping.described else None
    mapping.salesforce_field, mapping.label = seen.name, seen.label
    mapping.readable = True
    mapping.createable = seen.createable and not seen.calculated
    mapping.updateable = seen.updateable and not seen.calculated
    if earlier and earlier.type != seen.type and not lossless(earlier, seen):
        # The describe that the stored values belong to is kept: the mapping stays suspended until a person acts.
        mapping.problem = f"Its type changed from {earlier.type} to {seen.type} in Salesforce."
        return
    mapping.described = seen.to_dict()
    mapping.problem = why_not_kept(mapping.person_field, seen)


# -- reading describes ------------------------------------------------------------------------------------------------


def describe_requests(context: Context, *, conditional: bool) -> list[Subrequest]:
    """One describe of each object, answered by 304 when nothing changed since the last one (``conditional``)."""
    known = {row.name: row.last_modified for row in context.sync_user.described.all()} if conditional else {}
    return [describe_request(f"describe{name}", name, known.get(name) or None) for name in OBJECTS]


def take_describes(context: Context, answer: Answer) -> list[SchemaChange]:
    """Bring the mappings in line with the describes in an answer. Return what changed. An object that the sync user
    does not see at all is left out, with nothing changed here."""
    fresh = []
    known = set(context.sync_user.described.values_list("name", flat=True))
    for name in OBJECTS:
        response = answer[f"describe{name}"]
        if response.not_modified:
            continue
        if (error := response.error()) is not None:
            raise Refused(
                f"The sync user can't see the object {name}: {error.message}", code=error.code, fields=error.fields
            )
        try:
            described = parse_object(response.body, response.header("Last-Modified"), asked=name)
        except ValueError as problem:
            if name not in known:
                raise Unavailable(f"The answer can't be used: {problem}.", code=EdgeCode.BAD_ANSWER) from None
            context.note(f"{name}: the list of fields can't be read ({problem}); the one that was read last is used.")
            continue
        fresh.append(described)
    changes = store_describes(context.sync_user, fresh, context.now())
    for described, change in zip(fresh, changes, strict=True):
        for sentence in change.sentences(first=described.name not in known):
            context.note(sentence)
        if described.unreadable:
            context.note(
                f"{described.name}: described in a form that can't be read, and not synced: "
                f"{_named(described.unreadable)}."
            )
    if any(changes):
        context.load_maps()
    return [change for change in changes if change]


def take_related(context: Context, seen: Mapping[str, bool]) -> list[SchemaChange]:
    """Keep which related objects (accounts, users) the sync user sees, and bring the mappings of the fields that are
    read through them in line. Return what changed. Without it, a query for such a field would be refused for ever."""
    unseen = unseen_objects(context.sync_user)
    moved = [name for name, visible in seen.items() if visible == (name in unseen)]
    if not moved:
        return []
    with transaction.atomic():
        for name in moved:
            if seen[name]:
                context.sync_user.described.filter(name=name).delete()
            else:
                SalesforceObject.objects.create(sync_user=context.sync_user, name=name, described_at=context.now())
        stored = context.sync_user.described.filter(name__in=OBJECTS)
        changes = [_bring_in_line(context.sync_user, ObjectDescribe.from_dict(row.description)) for row in stored]
    for change in changes:
        for sentence in change.sentences(first=False):
            context.note(sentence)
    return [change for change in changes if change]


def refresh(context: Context) -> list[SchemaChange]:
    """Read the describes in full. One API call. What is refused about a field afterwards is refused to its person."""
    answer, _ = context.ask(describe_requests(context, conditional=False))
    changes = _take(context, answer)
    context.fields_are_fresh = True
    return changes


@repeated
def _take(context: Context, answer: Answer) -> list[SchemaChange]:
    with context.store.mappings():
        changes = take_describes(context, answer)
        context.load_maps()
    return changes


def with_fresh_describes(context: Context, step: Callable[[], T]) -> T:
    """Do a step, and again with fresh describes when Salesforce refuses a field that the last one showed, or with fewer
    fields at a time when it asked for too much. Raises CannotSync when that goes on."""
    tries = DESCRIBE_TRIES
    while True:
        try:
            return step()
        except TooMuchAsked as obstacle:
            ask_less(context, obstacle.refusal)
        except FieldsChanged:
            tries -= 1
            if not tries:
                raise fields_keep_changing() from None
            refresh(context)


def ensure(context: Context) -> None:
    """The maps are loaded; Salesforce is asked only if it never was."""
    if context.sync_user.described.filter(name__in=OBJECTS).count() < len(OBJECTS):
        refresh(context)
    else:
        context.load_maps()
