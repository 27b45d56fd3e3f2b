"""Ids that persons had in Salesforce before."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from syncer.models import FormerId, Person, SalesforceRecord
from syncer.sync.context import Context
from syncer.sync.persons.record import Gone
from syncer.sync.store import bulk_sql


def keep(context: Context, gone: Iterable[Gone]) -> None:
    """Keep ids for those whose survivor is a person's record, or was one; of the others nobody here is to be found."""
    batch = {one.id: one for one in gone}
    left = list(batch.values())
    while left:  # a chain of merges is followed as far as it is known
        wanted = {one.survivor for one in left}
        owners = dict(
            FormerId.objects.filter(organisation=context.organisation, record_id__in=wanted).values_list(
                "record_id", "person_id"
            )
        )
        owners |= dict(
            SalesforceRecord.objects.filter(organisation=context.organisation, record_id__in=wanted).values_list(
                "record_id", "person_id"
            )
        )
        found = [one for one in left if one.survivor in owners]
        if not found:
            return
        with transaction.atomic():
            context.fence()
            persons = Person.objects.filter(id__in=[owners[one.survivor] for one in found]).order_by("id")
            there = set(persons.select_for_update(no_key=True).values_list("id", flat=True))
            rows = [
                [owners[one.survivor], context.organisation, one.object, one.id, one.reason, context.now()]
                for one in found
                if owners[one.survivor] in there
            ]
            bulk_sql.insert(
                FormerId,
                ["person_id", "organisation", "object", "record_id", "reason", "since"],
                rows,
                conflict="(organisation, object, record_id) DO NOTHING",
            )
        left = [one for one in left if one.survivor not in owners]
