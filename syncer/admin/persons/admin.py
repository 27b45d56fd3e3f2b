"""Persons: the list, the form, the panel "In Salesforce" and the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from syncer.admin.actions import decisions, offers, progress
from syncer.admin.actions.page import for_one, for_selected
from syncer.admin.persons import delete_selected
from syncer.admin.persons.filters import DuplicateFilter, ReasonFilter, SfdcTypeFilter, StateFilter
from syncer.admin.persons.form import PersonForm, person_form
from syncer.admin.persons.panel import panel_context
from syncer.admin.persons.search import HELP, search
from syncer.admin.persons.values import FormValue, form_values
from syncer.admin.state import duplicates
from syncer.admin.state.person_state import last_synced, state_chip
from syncer.admin.ui import display
from syncer.admin.ui.base import CalmAdmin
from syncer.models import ActivityLogEntry, ActivityType, Person, SyncUser


@admin.register(Person)
class PersonAdmin(CalmAdmin):
    list_display = ("person", "address", "company", "kind", "sync_state", "synced")
    list_display_links = ("person",)
    list_filter = (StateFilter, SfdcTypeFilter, DuplicateFilter, ReasonFilter)
    list_select_related = ("pending", "record")
    search_fields = ("last_name",)  # that there is a search; where it goes is in person_search
    search_help_text = HELP
    ordering = ("-updated_at", "-id")
    sortable_by = ()
    change_form_template = "syncer/person.html"
    delete_confirmation_template = "syncer/delete_person.html"
    actions = (delete_selected.delete_selected,)

    # -- the list ------------------------------------------------------------------------------------------------------

    @admin.display(description="name")
    def person(self, person: Person) -> str:
        return str(person)

    @admin.display(description="e-mail")
    def address(self, person: Person) -> str | SafeString:
        if not getattr(person, "shares_address", False):
            return person.email
        return format_html("{} {}", person.email, display.note("Possible duplicate"))

    @admin.display(description="SFDC type")
    def kind(self, person: Person) -> str | SafeString:
        return person.sfdc_type or display.NOTHING

    @admin.display(description="sync state")
    def sync_state(self, person: Person) -> SafeString:
        return state_chip(person)

    @admin.display(description="last synced")
    def synced(self, person: Person) -> SafeString:
        return display.ago(last_synced(person))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        persons = super().get_queryset(request)
        if request.resolver_match and request.resolver_match.url_name == "syncer_person_changelist":
            persons = persons.defer("custom", "street", "description", "record__base", "pending__error_detail")
        return persons

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Person], search_term: str
    ) -> tuple[QuerySet[Person], bool]:
        return search(queryset, search_term), False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found = super().get_actions(request)
        return found if IS_POPUP_VAR in request.GET else found | offers.list_actions(request)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PersonList

    # -- the form ------------------------------------------------------------------------------------------------------

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Person | None:
        """While a form is saved, the row is locked: what the form is compared with is what is then written."""
        if request.method != "POST" or not connection.in_atomic_block or from_field:
            return super().get_object(request, object_id, from_field)
        try:
            pk = Person._meta.pk.to_python(unquote(object_id))
        except Exception:  # whatever it is, it is no id
            return None
        return Person.objects.select_for_update(of=("self",)).filter(pk=pk).first()

    def _form_values(self, request: HttpRequest, person: Person | None) -> Sequence[FormValue]:
        cached: dict[int | None, Sequence[FormValue]] = request.__dict__.setdefault("_person_form_values", {})
        key = person.pk if person else None
        if key not in cached:
            cached[key] = form_values(person, active_sync_user(request))
        return cached[key]

    def get_form(
        self, request: HttpRequest, obj: Person | None = None, change: bool = False, **kwargs: Any
    ) -> type[PersonForm]:
        return person_form(obj, self._form_values(request, obj))

    def get_fieldsets(self, request: HttpRequest, obj: Person | None = None) -> Any:
        found = self._form_values(request, obj)
        if obj is not None and not self.has_change_permission(request, obj):
            for value in found:  # Django shows a form that may not be changed from attributes of the object
                if value.column is None:
                    obj.__dict__[value.name] = display.value(value.read(obj))
        groups: dict[str, list[str]] = {}
        for value in found:
            groups.setdefault(value.group, []).append(value.name)
        return [(group, {"fields": names}) for group, names in groups.items()]

    def save_model(self, request: HttpRequest, obj: Person, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        log_edits(obj, form, request.user.get_username(), new=not change)

    # -- the pages around it -------------------------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("sync/<int:run_id>/", view(progress.progress_page), name="syncer_person_sync_run"),
            path("sync/<int:run_id>/progress.json", view(progress.progress_json), name="syncer_person_sync_progress"),
            path("sync/<int:run_id>/stop/", view(progress.stop), name="syncer_person_sync_stop"),
            path("sync/<int:run_id>/beside/", view(progress.beside), name="syncer_person_sync_beside"),
            path("selected/<str:name>/<str:action>/", view(for_selected), name="syncer_person_choose_selected"),
            *offers.urls(view),
            path("delete/<str:name>/", view(delete_selected.deleted), name="syncer_person_delete_selected"),
            path("<int:person_id>/link/", view(decisions.link), name="syncer_person_link"),
            path("<int:person_id>/new-lead/", view(decisions.create_anyway), name="syncer_person_create_anyway"),
            path("<int:person_id>/do/<str:action>/", view(for_one), name="syncer_person_choose"),
            *super().get_urls(),
        ]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Person | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= panel_context(request, obj, active_sync_user(request))
            context["buttons"] = offers.buttons(request, obj)
            context["more"] = offers.more(request, obj)
        context["title"] = str(obj) if obj is not None else "Add a person"
        context["subtitle"] = None
        return super().render_change_form(request, context, add, change, form_url, obj)


class PersonList(ChangeList):
    """A page of the list knows which of its addresses other persons have, too: one query for the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        shared = duplicates.shared_among(self.result_list)
        for person in self.result_list:
            person.__dict__["shares_address"] = person.email.strip().lower() in shared


def active_sync_user(request: HttpRequest) -> SyncUser | None:
    """The active connection, read once for a page."""
    if "_active_sync_user" not in request.__dict__:
        request.__dict__["_active_sync_user"] = SyncUser.objects.filter(is_active=True).first()
    found: SyncUser | None = request.__dict__["_active_sync_user"]
    return found


def log_edits(person: Person, form: PersonForm, actor: str, *, new: bool) -> None:
    """Write the activity log of a saved form, in the transaction of the save."""
    name = str(person)[:255]
    entries = []
    if new:
        entries.append(
            ActivityLogEntry(
                person_id=person.pk,
                person_name=name,
                type=ActivityType.NEW_PERSON,
                actor=actor,
                summary="Added in the admin.",
                detail={"source": "Form"},
            )
        )
    labels = {value.key: value.label for value in form.form_values}
    for key, (old, value) in form.edits.items():
        if new:
            entries[0].detail.setdefault("values", {})[key] = value
            continue
        entries.append(
            ActivityLogEntry(
                person_id=person.pk,
                person_name=name,
                type=ActivityType.CHANGE_DATA_VALUE,
                actor=actor,
                field=key[:100],
                summary=f"{labels[key]}: {display.value_text(old)} → {display.value_text(value)}",
                detail={"old": old, "new": value, "source": "Form"},
            )
        )
    with transaction.atomic():
        ActivityLogEntry.objects.bulk_create(entries)
