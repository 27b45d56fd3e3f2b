"""*Restore* of a value that lost a conflict: an ordinary edit here, which the next cycle sends."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from syncer.admin.ui import display
from syncer.admin.ui.words import field_label
from syncer.models import ActivityLogEntry, ActivityType, Conflict, Person, SyncUser
from syncer.salesforce.kinds import BadValue
from syncer.sync.fields.object_map import PERSON_COLUMNS, MappedField, object_map
from syncer.sync.merge import Value, same

PERMISSION = "syncer.change_person"


class CannotRestore(Exception):
    """One sentence says why; nothing was changed."""


@require_POST
def restore_one(request: HttpRequest, conflict_id: int) -> HttpResponse:
    """The button on a conflict's page."""
    if not (request.user.has_perm(PERMISSION) and request.user.has_perm("syncer.view_conflict")):
        raise PermissionDenied
    get_object_or_404(Conflict, pk=conflict_id)
    try:
        messages.success(request, restore(conflict_id, request.user.get_username()))
    except CannotRestore as error:
        messages.error(request, f"{error} Nothing was restored.")
    return HttpResponseRedirect(reverse("admin:syncer_conflict_change", args=[conflict_id]))


def sides(conflict: Conflict) -> tuple[Value, Value]:
    """The value that was kept and the one that lost."""
    ours = conflict.winner == "marketo"
    return (conflict.here, conflict.there) if ours else (conflict.there, conflict.here)


def restore(conflict_id: int, actor: str) -> str:
    """Write the value that lost on the person, unless it changed since. Return a sentence. Raises CannotRestore."""
    with transaction.atomic():
        conflict = Conflict.objects.select_for_update().get(pk=conflict_id)
        if conflict.restored_at is not None:
            raise CannotRestore(f"This value was restored already, on {display.full(conflict.restored_at)}.")
        person = Person.objects.select_for_update(of=("self",)).filter(pk=conflict.person_id).first()
        if person is None:
            raise CannotRestore("The person was deleted here.")
        field = _field(conflict, person)
        kept, lost = sides(conflict)
        current = _current(field, person)
        label = field_label(conflict.field)
        if not same(field.rule, current, kept):
            raise CannotRestore(f"{label} was changed since this conflict: it is {display.value_text(current)} now.")
        _write(field, person, field.rule.as_of_now(lost))
        conflict.restored_at = timezone.now()
        conflict.save(update_fields=["restored_at"])
        ActivityLogEntry.objects.create(
            person_id=person.pk,
            person_name=str(person)[:255],
            type=ActivityType.CHANGE_DATA_VALUE,
            actor=actor[:150],
            field=conflict.field,
            summary=f"{label}: {display.value_text(kept)} → {display.value_text(lost)}",
            detail={
                "old": kept,
                "new": lost,
                "source": "Restore",
                "reason": f"Overwritten in conflict {conflict.pk}, and restored by hand.",
                "conflict": conflict.pk,
            },
        )
    return f"Restored: {label} is {display.value_text(lost)} again. The next cycle sends it to Salesforce."


def _field(conflict: Conflict, person: Person) -> MappedField:
    """The mapping that the value crosses by, which must be able to send it: it would be overwritten again otherwise."""
    sync_user = SyncUser.objects.filter(is_active=True).first()
    field = object_map(sync_user, person.sfdc_type or "Lead").field(conflict.field) if sync_user else None
    label = field_label(conflict.field)
    if field is None:
        raise CannotRestore(f"{label} is not synced any more: edit it on the person's page.")
    if not field.rule.send:
        raise CannotRestore(f"{label} is only received: the next change in Salesforce would overwrite it again.")
    return field


def _current(field: MappedField, person: Person) -> Value:
    values = {name: getattr(person, name) for name in PERSON_COLUMNS} | {"custom": person.custom}
    try:
        return field.here(values)
    except BadValue as error:
        raise CannotRestore(f"It was changed since this conflict: {error}") from None


def _write(field: MappedField, person: Person, value: Value) -> None:
    try:
        stored = field.to_column(value)
    except BadValue as error:
        raise CannotRestore(str(error)) from None
    if field.is_column:
        setattr(person, field.person_field, stored)
    else:
        others = {key: kept for key, kept in person.custom.items() if key != field.person_field}
        person.custom = others if stored is None else others | {field.person_field: stored}
    person.save()
