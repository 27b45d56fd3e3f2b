"""What stands beside a person's form: the panel "In Salesforce" and the timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from syncer.admin.actions import permissions
from syncer.admin.actions.decisions import decision
from syncer.admin.persons import both_sides, former_ids
from syncer.admin.state import duplicates
from syncer.admin.state.person_state import KINDS, record_of, state_chip, state_of
from syncer.admin.state.why import refusal_of, why
from syncer.admin.ui import display
from syncer.admin.ui.words import field_label
from syncer.models import ActivityLogEntry, ActivityStatus, Person, SalesforceRecord, SyncUser
from syncer.salesforce.ids import is_queue
from syncer.sync.errors import CannotSync
from syncer.sync.options import Action
from syncer.sync.upkeep.read_now import There, read_record

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


def panel_context(request: HttpRequest, person: Person, sync_user: SyncUser | None) -> dict[str, Any]:
    state = state_of(person)
    record = record_of(person)
    record_url = ""
    if sync_user and sync_user.instance_url and person.sfdc_id:
        record_url = f"{sync_user.instance_url.rstrip('/')}/{person.sfdc_id}"
    twins = duplicates.others(person) if request.user.has_perm("syncer.view_person") else []
    may_see_log = request.user.has_perm("syncer.view_activitylogentry")
    there, compare_error = _asked(request, record)
    return {
        "state": state,
        "state_chip": display.chip(state.label, KINDS[state]),
        "why": why(person, sync_user),
        "record": record,
        "owner": _owner(record),
        "decision": decision(person, sync_user) if permissions.may(request, Action.SYNC) else None,
        "twins": [(twin, state_chip(twin)) for twin in twins[: duplicates.SHOWN]],
        "more_twins": len(twins) > duplicates.SHOWN,
        "twins_url": f"{reverse('admin:syncer_person_changelist')}?{urlencode({'q': person.email})}",
        "record_url": record_url,
        "received": display.moment(record.received_at) if record else display.NOTHING,
        "sent": display.moment(record.sent_at) if record else display.NOTHING,
        "refusal": refusal_of(person),
        "fields": both_sides.panel(person, sync_user, there),
        "compare_url": "?compare=1#fields-panel" if permissions.may(request, Action.REFRESH) else "",
        "compare_error": compare_error,
        "former_ids": former_ids.sentences(person),
        "events": timeline(person.pk) if may_see_log else [],
        "may_see_log": may_see_log,
        "log_url": reverse("admin:syncer_activitylogentry_changelist") + f"?q={person.pk}",
    }


def _asked(request: HttpRequest, record: SalesforceRecord | None) -> tuple[There | None, str]:
    """What Salesforce has now, when somebody asked for it, or why it can't be told."""
    if record is None or "compare" not in request.GET or not permissions.may(request, Action.REFRESH):
        return None, ""
    try:
        return read_record(record), ""
    except CannotSync as error:
        return None, error.message


def _owner(record: SalesforceRecord | None) -> SafeString:
    """A user with the e-mail address, or a queue."""
    if record is None or not (record.owner_id or record.owner_name):
        return display.NOTHING
    if is_queue(record.owner_id):
        return format_html("Queue {}", record.owner_name or format_html("<code>{}</code>", record.owner_id))
    name = record.owner_name or format_html("<code>{}</code>", record.owner_id)
    if not record.owner_email:
        return format_html("{}", name)
    return format_html('{} · <a href="mailto:{}">{}</a>', name, quote(record.owner_email, safe="@"), record.owner_email)


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
