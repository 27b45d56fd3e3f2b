"""Conflicts: fields that both sides had changed, which value stayed and which was overwritten."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString

from syncer.admin.log.restore import PERMISSION, restore_one, sides
from syncer.admin.ui import display
from syncer.admin.ui.base import ReadOnlyAdmin
from syncer.admin.ui.words import WINNERS, field_label, winner_label
from syncer.models import Conflict, Person


class WinnerFilter(admin.SimpleListFilter):
    title = "who won"
    parameter_name = "winner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(WINNERS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conflict]) -> QuerySet[Conflict]:
        return queryset.filter(winner=self.value()) if self.value() in WINNERS else queryset


@admin.register(Conflict)
class ConflictAdmin(ReadOnlyAdmin):
    list_display = ("time", "who", "what", "kept", "overwritten", "won", "reason", "restored")
    list_display_links = ("time",)
    list_filter = (WinnerFilter,)
    search_fields = ("person_name",)  # that there is a search; where it goes is below
    search_help_text = "Person's name or number."
    ordering = ("-at", "-id")
    sortable_by = ()
    change_form_template = "syncer/conflict.html"

    @admin.display(description="time")
    def time(self, conflict: Conflict) -> SafeString:
        return display.moment(conflict.at)

    @admin.display(description="person")
    def who(self, conflict: Conflict) -> SafeString:
        url = reverse("admin:syncer_person_change", args=[conflict.person_id])
        return display.link(url, conflict.person_name or f"Person {conflict.person_id}")

    @admin.display(description="field")
    def what(self, conflict: Conflict) -> str:
        return field_label(conflict.field)

    @admin.display(description="kept")
    def kept(self, conflict: Conflict) -> str | SafeString:
        return display.value(sides(conflict)[0])

    @admin.display(description="overwritten")
    def overwritten(self, conflict: Conflict) -> str | SafeString:
        return display.value(sides(conflict)[1])

    @admin.display(description="won")
    def won(self, conflict: Conflict) -> str:
        return winner_label(conflict.winner)

    @admin.display(description="restored")
    def restored(self, conflict: Conflict) -> SafeString:
        return display.ago(conflict.restored_at)

    def get_urls(self) -> list[Any]:
        restore = self.admin_site.admin_view(restore_one)
        return [path("<int:conflict_id>/restore/", restore, name="syncer_conflict_restore"), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Conflict], search_term: str
    ) -> tuple[QuerySet[Conflict], bool]:
        term = search_term.strip()
        if term.isdigit():
            return queryset.filter(person_id=int(term)), False
        return queryset.filter(person_name__icontains=term) if term else queryset, False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        conflict = self.get_object(request, object_id)
        context = page(request, conflict) if conflict is not None else {}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))


def page(request: HttpRequest, conflict: Conflict) -> dict[str, Any]:
    known = Person.objects.filter(pk=conflict.person_id).exists()
    may_restore = known and conflict.restored_at is None and request.user.has_perm(PERMISSION)
    return {
        "title": f"{field_label(conflict.field)} of {conflict.person_name}",
        "subtitle": None,
        "conflict": conflict,
        "at": display.moment(conflict.at),
        "person_url": reverse("admin:syncer_person_change", args=[conflict.person_id]) if known else "",
        "run_url": reverse("admin:syncer_syncrun_change", args=[conflict.run_id]) if conflict.run_id else "",
        "restored": display.moment(conflict.restored_at) if conflict.restored_at else "",
        "restore_url": reverse("admin:syncer_conflict_restore", args=[conflict.pk]) if may_restore else "",
        "won": winner_label(conflict.winner),
        "sides": [
            ("Last agreed", display.value(conflict.base), False),
            ("Here", display.value(conflict.here), conflict.winner == "marketo"),
            ("Salesforce", display.value(conflict.there), conflict.winner == "salesforce"),
        ],
    }
