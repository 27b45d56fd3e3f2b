"""The Salesforce ids that a person had before, and what became of each record, in one sentence."""

from __future__ import annotations

from syncer.admin.ui.display import day
from syncer.models import ActivityLogEntry, ActivityType, FormerId, Person

#: Former ids that a page shows, the latest first.
SHOWN = 10
#: Entries that say what became of a record.
TOLD_BY = (ActivityType.CONVERT_LEAD, ActivityType.MERGE_PEOPLE, ActivityType.DELETED_IN_SFDC)


def sentences(person: Person) -> list[str]:
    """“Was Lead 00Q…, converted 2 Nov by Kim Ode, now Contact 003…”, for each former id."""
    former = list(person.former_ids.order_by("-since", "-pk")[:SHOWN])
    if not former:
        return []
    entries = list(ActivityLogEntry.objects.filter(person_id=person.pk, type__in=TOLD_BY).order_by("-id")[:50])
    return [_sentence(person, one, _told(entries, one)) for one in former]


def _told(entries: list[ActivityLogEntry], former: FormerId) -> ActivityLogEntry | None:
    """The latest entry about this record; none when the log was pruned."""
    return next((e for e in entries if former.record_id in (e.detail.get("lead"), e.detail.get("id"))), None) or next(
        (e for e in entries if former.record_id in e.summary), None
    )


def _sentence(person: Person, former: FormerId, entry: ActivityLogEntry | None) -> str:
    who = entry.actor.removeprefix("Salesforce: ") if entry and entry.actor not in ("", "Salesforce") else ""
    by = f" by {who}" if who else ""
    contact = entry.detail.get("contact") if entry else ""
    if contact and former.reason == "converted":
        became = f", now Contact {contact}"
    elif person.sfdc_id in ("", former.record_id):
        became = ""
    else:
        into = " into" if former.reason == "merged" else ", now"
        became = f"{into} {person.sfdc_type} {person.sfdc_id}"
    return f"Was {former.object} {former.record_id}, {former.reason or 'until'} {day(former.since)}{by}{became}."
