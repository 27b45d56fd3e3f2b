"""Several fields may be labelled *Lead Score*; here somebody says which one is the person's, on both objects."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from syncer.models import FieldMapping, PendingChange
from syncer.salesforce.describe import FieldDescribe
from syncer.sync.fields.automatic import SCORE, own_key, same_field
from syncer.sync.fields.types import why_not_kept
from syncer.sync.store import links


def take_as_score(chosen: FieldMapping) -> str:
    """Let a field be the person score, on both objects. Return why it can't, or nothing.

    The field that was it until now gets a field of its own. Both are received anew for all records: what was agreed on
    belongs to another field of the person.
    """
    with transaction.atomic():
        mappings = list(chosen.sync_user.mappings.select_for_update().order_by("pk"))
        to_be = [m for m in mappings if same_field(m.salesforce_field, chosen.salesforce_field)]
        until_now = [m for m in mappings if m.person_field == SCORE and m not in to_be]
        for mapping in to_be:
            if why := why_not_kept(SCORE, FieldDescribe.from_dict(mapping.described)):
                return why
        moving = [*until_now, *(m for m in to_be if m.person_field != SCORE)]
        if (waiting := _edits_that_wait(moving)) is not None:
            return f"A change of it waits to be sent, of person {waiting}. Try again after the next cycle."
        for mapping in until_now:
            others = [m for m in mappings if m is not mapping]
            taken = {m.person_field.lower() for m in others if m.object == mapping.object}
            seen = FieldDescribe.from_dict(mapping.described)
            _move(mapping, own_key(mapping.object, seen, [m for m in others if m not in until_now], taken))
        for mapping in to_be:
            _move(mapping, SCORE)
    return ""


def _edits_that_wait(mappings: Iterable[FieldMapping]) -> int | None:
    """A person who has a value of these fields that is not agreed on: moved away from, it would never be sent."""
    keys: dict[str, set[str]] = {}
    for mapping in mappings:
        keys.setdefault(mapping.object, set()).add(mapping.person_field)
    waiting = PendingChange.objects.filter(person__record__object__in=keys).values_list(
        "person_id", "person__record__object", "person__record__base", "person__custom", "person__person_score"
    )
    for person, sobject, base, custom, score in waiting.iterator():
        for key in keys[sobject]:
            here = score if key == SCORE else custom.get(key)
            if str(here if here is not None else "") != str(base.get(key) or ""):
                return int(person)
    return None


def _move(mapping: FieldMapping, person_field: str) -> None:
    if mapping.person_field == person_field:
        return
    for key in (mapping.person_field, person_field):
        links.forget_field(mapping.object, key)
    mapping.person_field, mapping.filled = person_field, False
    mapping.problem = why_not_kept(person_field, FieldDescribe.from_dict(mapping.described))
    mapping.save()
