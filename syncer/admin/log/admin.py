"""The activity log: read-only, one line per event of a person."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from syncer.admin.log.export import csv_response
from syncer.admin.log.filters import CodeFilter, DateFilter, PersonFilter, RunFilter
from syncer.admin.persons.panel import text
from syncer.admin.ui import display
from syncer.admin.ui.base import ReadOnlyAdmin
from syncer.admin.ui.words import field_label, winner_label
from syncer.models import ActivityLogEntry, ActivityStatus, Person
from syncer.salesforce.ids import is_salesforce_id, to_18

#: What a detail is called on the page; others are shown by their own name.
LABELS = {
    "old": "Before",
    "new": "After",
    "base": "Last agreed",
    "here": "Here",
    "there": "Salesforce",
    "lost": "Overwritten value",
    "winner": "Who won",
    "reason": "Why",
    "source": "Where from",
    "values": "Values sent",
    "cause": "What it means",
    "remedy": "What to do",
    "errors": "Salesforce's answer",
    "id": "SFDC id",
    "object": "SFDC type",
}


@admin.register(ActivityLogEntry)
class ActivityLogAdmin(ReadOnlyAdmin):
    list_display = ("time", "who", "type", "happened", "actor", "outcome")
    list_display_links = ("time",)
    list_filter = ("status", "type", CodeFilter, DateFilter, PersonFilter, RunFilter)
    search_fields = ("person_name",)  # that there is a search; where it goes is below
    search_help_text = "Person's name, person's number, Salesforce id, or an error code such as REQUIRED_FIELD_MISSING."
    ordering = ("-id",)
    sortable_by = ()
    change_form_template = "syncer/entry.html"
    change_list_template = "syncer/activity_log.html"

    @admin.display(description="time")
    def time(self, entry: ActivityLogEntry) -> SafeString:
        return display.moment(entry.at)

    @admin.display(description="person")
    def who(self, entry: ActivityLogEntry) -> SafeString:
        url = reverse("admin:syncer_person_change", args=[entry.person_id])
        return display.link(url, entry.person_name or f"Person {entry.person_id}")

    @admin.display(description="what happened")
    def happened(self, entry: ActivityLogEntry) -> SafeString:
        return format_html('<div class="what">{}</div>', text(entry))

    @admin.display(description="status")
    def outcome(self, entry: ActivityLogEntry) -> str | SafeString:
        """A colour only where somebody has to look."""
        return outcome_chip(entry) if entry.status == ActivityStatus.FAILED else entry.get_status_display()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ActivityLogEntry], search_term: str
    ) -> tuple[QuerySet[ActivityLogEntry], bool]:
        return search(queryset, search_term.strip()), False

    def get_urls(self) -> list[Any]:
        export = path("export/", self.admin_site.admin_view(self.export), name="syncer_activitylogentry_export")
        return [export, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        asked = request.GET.copy()
        asked.pop("p", None)
        url = reverse("admin:syncer_activitylogentry_export")
        context = {"export_url": f"{url}?{asked.urlencode()}" if asked else url}
        return super().changelist_view(request, context | (extra_context or {}))

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """What the list shows with this search and these filters, all pages of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            entries = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse("admin:syncer_activitylogentry_changelist") + "?e=1")
        return csv_response(entries, f"activity-log-{timezone.localdate().isoformat()}.csv")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        entry = self.get_object(request, object_id)
        context = page(request, entry) if entry is not None else {}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))


def outcome_chip(entry: ActivityLogEntry) -> SafeString:
    failed = entry.status == ActivityStatus.FAILED
    return display.chip(entry.get_status_display(), "bad" if failed else "good")


def search(entries: QuerySet[ActivityLogEntry], term: str) -> QuerySet[ActivityLogEntry]:
    """By index where the term says what it is: a person's number, an error code, a Salesforce id; else by name."""
    if not term:
        return entries
    if term.isdigit() and len(term) < 15:
        return entries.filter(person_id=int(term))
    if "_" in term and term.upper() == term:
        return entries.filter(code=term)
    if is_salesforce_id(term):
        record_id = to_18(term)
        linked = Person.objects.filter(sfdc_id=record_id).values_list("pk", flat=True)
        former = Person.objects.filter(former_ids__record_id=record_id).values_list("pk", flat=True)
        if persons := {*linked, *former}:
            return entries.filter(person_id__in=persons)
    return entries.filter(person_name__icontains=term)


def page(request: HttpRequest, entry: ActivityLogEntry) -> dict[str, Any]:
    """What the page of one entry shows."""
    known = Person.objects.filter(pk=entry.person_id).exists()
    return {
        "title": entry.get_type_display(),
        "subtitle": None,
        "entry": entry,
        "chip": outcome_chip(entry),
        "at": display.moment(entry.at),
        "person_url": reverse("admin:syncer_person_change", args=[entry.person_id]) if known else "",
        "run_url": reverse("admin:syncer_syncrun_change", args=[entry.run_id]) if entry.run_id else "",
        "field": field_label(entry.field) if entry.field else "",
        "details": details(entry),
    }


def details(entry: ActivityLogEntry) -> list[tuple[str, Any]]:
    """The structured detail, name by name; nested parts as small lists of names and values."""
    found = entry.detail if isinstance(entry.detail, dict) else {}
    if "winner" in found:
        found = found | {"winner": winner_label(str(found["winner"]))}
    return [(LABELS.get(name, name.replace("_", " ").capitalize()), _shown(raw)) for name, raw in found.items() if raw]


def _shown(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {"pairs": [(field_label(str(name)), _pair(value)) for name, value in raw.items()]}
    if isinstance(raw, list) and raw and all(isinstance(one, dict) for one in raw):
        return {"lines": [_error(one) for one in raw]}
    return display.value(raw)


def _pair(raw: Any) -> Any:
    if isinstance(raw, list) and len(raw) == 2:
        return display.change(*raw)
    return display.value(raw)


def _error(one: dict[str, Any]) -> str:
    fields = f" ({', '.join(map(str, one['fields']))})" if one.get("fields") else ""
    return f"{one.get('code', '')}: {one.get('message', '')}{fields}"
