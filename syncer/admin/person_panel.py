"""What stands beside a person's form: the panel "In Salesforce" and the timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from syncer.admin import display, person_fields
from syncer.admin.explain import refusal_of, why
from syncer.admin.states import KINDS, record_of, state_of
from syncer.admin.words import field_label
from syncer.models import ActivityLogEntry, ActivityStatus, Person, SyncUser

#: As many activities as a page shows.
LATEST = 50


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline."""

    type: str
    at: datetime
    actor: str
    failed: bool
    code: str
    text: str | SafeString
    url: str
    kind: str


def context(request: HttpRequest, person: Person, sync_user: SyncUser | None) -> dict[str, Any]:
    state = state_of(person)
    record = record_of(person)
    record_url = ""
    if sync_user and sync_user.instance_url and person.sfdc_id:
        record_url = f"{sync_user.instance_url.rstrip('/')}/{person.sfdc_id}"
    may_see_log = request.user.has_perm("syncer.view_activitylogentry")
    return {
        "state": state,
        "state_chip": display.chip(state.label, KINDS[state]),
        "why": why(person, sync_user),
        "record": record,
        "record_url": record_url,
        "received": display.moment(record.received_at) if record else display.NOTHING,
        "sent": display.moment(record.sent_at) if record else display.NOTHING,
        "refusal": refusal_of(person),
        "fields": person_fields.panel(person, sync_user),
        "former_ids": list(person.former_ids.order_by("-since")[:10]),
        "events": timeline(person.pk) if may_see_log else [],
        "may_see_log": may_see_log,
        "log_url": reverse("admin:syncer_activitylogentry_changelist") + f"?q={person.pk}",
    }


def timeline(person_id: int) -> list[Event]:
    return [event(entry) for entry in ActivityLogEntry.objects.filter(person_id=person_id).order_by("-id")[:LATEST]]


def event(entry: ActivityLogEntry) -> Event:
    failed = entry.status == ActivityStatus.FAILED
    return Event(
        type=entry.get_type_display(),
        at=entry.at,
        actor=entry.actor,
        failed=failed,
        code=entry.code,
        text=text(entry),
        url=reverse("admin:syncer_activitylogentry_change", args=[entry.pk]),
        kind="bad" if failed else "info",
    )


def text(entry: ActivityLogEntry) -> str | SafeString:
    """What happened, with its values where it is a change of one."""
    detail = entry.detail if isinstance(entry.detail, dict) else {}
    if entry.field and "old" in detail and "new" in detail:
        changed = display.change(detail["old"], detail["new"])
        return format_html('<span class="changed-field">{}:</span> {}', field_label(entry.field), changed)
    return entry.summary
