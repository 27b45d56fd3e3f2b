"""A field whose type was changed in Salesforce is suspended; here somebody lets it go on with the new type."""

from __future__ import annotations

from django.db import transaction

from syncer.models import FieldMapping, SalesforceObject
from syncer.salesforce.describe import FieldDescribe, ObjectDescribe
from syncer.sync.fields.types import lossless
from syncer.sync.pull.describes import take_over
from syncer.sync.store import links, outbox


def take_new_type(mapping: FieldMapping) -> str:
    """Let a suspended mapping go on with the type that Salesforce describes now. Return why it can't, or nothing.

    What was agreed on in the old type means nothing any more, so the next cycle meets the field as on first contact
    and fills it in for all records: Salesforce's values stay, a different one here is kept in the log.
    """
    seen = _described(mapping)
    if seen is None:
        return f"{mapping.object}.{mapping.salesforce_field} is not visible in Salesforce at present."
    shared = mapping.sync_user.mappings.filter(person_field=mapping.person_field, enabled=True).exclude(pk=mapping.pk)
    for other in shared:
        there = _described(other)
        if there is not None and not lossless(there, seen):
            return (
                f"{other.object}.{other.salesforce_field} is kept in the same field here and is of another type "
                f"({there.type}). Switch one of them off, or change that one in Salesforce, too."
            )
    with transaction.atomic():
        mapping.described = {}
        take_over(mapping, seen)
        mapping.filled = False
        mapping.save()
        if mapping.problem:
            return mapping.problem
        links.forget_field(mapping.object, mapping.person_field)
        outbox.retry_object(mapping.object)
    return ""


def _described(mapping: FieldMapping) -> FieldDescribe | None:
    """The field as Salesforce describes it now; a suspended mapping keeps the describe of its values."""
    stored = SalesforceObject.objects.filter(sync_user=mapping.sync_user, name=mapping.object).first()
    fields = ObjectDescribe.from_dict(stored.description).fields if stored else {}
    return fields.get(mapping.salesforce_field)
