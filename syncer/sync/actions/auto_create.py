"""*Create leads automatically*: the cycle runs *Sync Person to SFDC* for persons who were never in Salesforce.

Off unless somebody ticks it. Whoever needs a decision or is refused gets a place in the outbox, and a create with an
unknown outcome leaves an intent: neither is asked about again every cycle. Persons whose record was deleted there keep
their link, so nothing is made anew for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from syncer.models import Person, SfdcType
from syncer.sync.actions.batch import BATCH
from syncer.sync.connection import runs
from syncer.sync.context import Context


def create_never_synced(context: Context, create: Callable[[Sequence[int]], None]) -> None:
    """Hand all of them to ``create``, batch by batch, in the order of their ids. Raises OutOfTime at the end of a
    batch."""
    if not context.sync_user.create_leads or "Lead" not in context.run.sobjects:
        return
    done = after = 0
    while ids := _never_there(after):
        after = ids[-1]
        context.next_batch()
        create(ids)
        done += len(ids)
        runs.report(context, "Creating leads", done, None)


def _never_there(after: int) -> list[int]:
    """The next persons that are not linked, and about whom nothing is known yet."""
    persons = Person.objects.filter(
        sfdc_type=SfdcType.NONE, pending__isnull=True, create_intent__isnull=True, pk__gt=after
    )
    return list(persons.order_by("pk").values_list("pk", flat=True)[:BATCH])
