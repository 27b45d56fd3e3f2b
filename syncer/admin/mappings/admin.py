"""Field mappings: what the sync user may do with each Salesforce field, and what the application does with it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from syncer.admin.mappings import field_list
from syncer.admin.mappings.form import MappingForm, MappingRowForm, new_mapping_form
from syncer.admin.ui import display
from syncer.admin.ui.base import CalmAdmin
from syncer.admin.ui.words import field_label
from syncer.models import Direction, FieldMapping, SalesforceObject, SyncUser
from syncer.salesforce.describe import FieldDescribe, ObjectDescribe
from syncer.salesforce.kinds import kind_of
from syncer.sync.fields.automatic import collisions
from syncer.sync.fields.object_map import PERSON_COLUMNS
from syncer.sync.fields.synced_objects import OBJECTS
from syncer.sync.store import outbox
from syncer.sync.upkeep.change_type import take_new_type
from syncer.sync.upkeep.choose_score import take_as_score

ICONS = {
    "see": "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
    "create": "M8 3v10M3 8h10",
    "edit": "M10.8 2.8l2.4 2.4L6 12.4l-3.2.8.8-3.2 7.2-7.2Z",
}


@admin.register(FieldMapping)
class FieldMappingAdmin(CalmAdmin):
    list_display = (
        "salesforce",
        "object",
        "field_type",
        "here",
        "direction",
        "winner",
        "enabled",
        "access",
        "received",
        "condition",
    )
    list_display_links = ("salesforce",)
    list_editable = ("direction", "winner", "enabled")
    list_filter = ("object", "enabled", "direction")
    search_fields = ("salesforce_field", "label", "person_field")
    ordering = ("-object", "salesforce_field")  # leads first
    sortable_by = ()
    list_per_page = 100
    actions = ("switch_on", "switch_off", "take_new_type", "take_as_score")
    form = MappingForm
    readonly_fields = ("salesforce", "object", "field_type", "picklist", "access", "here", "received", "condition")
    change_list_template = "syncer/mappings.html"
    change_form_template = "syncer/mapping.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[FieldMapping]:
        # A field that went while another came with the same label was probably renamed.
        renamed = FieldMapping.objects.filter(
            sync_user=OuterRef("sync_user"), object=OuterRef("object"), label=OuterRef("label"), readable=True
        )
        name = renamed.order_by("-created_at").values("salesforce_field")[:1]
        mappings: QuerySet[FieldMapping] = super().get_queryset(request)
        return mappings.select_related("sync_user").annotate(now_called=Subquery(name))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The rows know which of them collide: that takes the mappings of both objects."""
        found = super().get_changelist_instance(request)
        told = collisions(FieldMapping.objects.filter(sync_user__is_active=True).defer("described"))
        for mapping in found.result_list:
            mapping.collision = told.get(mapping.pk, "")
        return found

    def get_list_display(self, request: HttpRequest) -> Any:
        """Whoever may not change them reads words in place of the controls."""
        if self.has_change_permission(request):
            return self.list_display
        words = {"direction": "crosses", "winner": "both_changed"}
        return [words.get(name, name) for name in self.list_display if name != "enabled"]

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[MappingRowForm]:
        return MappingRowForm

    def get_urls(self) -> list[Any]:
        refresh = self.admin_site.admin_view(field_list.refresh)
        return [path("refresh/", refresh, name="syncer_fieldmapping_refresh"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        refresh_url = reverse("admin:syncer_fieldmapping_refresh") if self.has_change_permission(request) else ""
        return super().changelist_view(request, {"refresh_url": refresh_url} | (extra_context or {}))

    def has_delete_permission(self, request: HttpRequest, obj: FieldMapping | None = None) -> bool:
        """It would be there again after the next describe; it is switched off instead."""
        return False

    # -- the form ------------------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: FieldMapping | None = None) -> Any:
        if obj is None:
            return [
                ("What is mapped", {"fields": ("salesforce_field", "person_field")}),
                ("What crosses", {"fields": ("direction", "winner", "keep_filled")}),
            ]
        return [
            ("Salesforce", {"fields": ("salesforce", "object", "field_type", "picklist", "access")}),
            ("Here", {"fields": ("here", "received", "condition")}),
            ("What crosses", {"fields": ("enabled", "direction", "winner", "keep_filled")}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: FieldMapping | None = None) -> Any:
        return () if obj is None else super().get_readonly_fields(request, obj)

    def get_form(
        self, request: HttpRequest, obj: FieldMapping | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)
        known = adding_to(request)
        return new_mapping_form(known[0], known[1]) if known is not None else MappingForm

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """For one object at a time; the other one is a link away."""
        known = adding_to(request)
        if known is None and self.has_add_permission(request):
            self.message_user(request, "The field list is not known yet: press Refresh field list.", messages.WARNING)
            return HttpResponseRedirect(reverse("admin:syncer_fieldmapping_changelist"))
        chosen = known[1].name if known is not None else ""
        return super().add_view(request, form_url, {"objects": OBJECTS, "chosen": chosen} | (extra_context or {}))

    def response_add(
        self, request: HttpRequest, obj: FieldMapping, post_url_continue: str | None = None
    ) -> HttpResponse:
        self.message_user(request, f"Added: {obj}. The next cycle fills it in for every record.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:syncer_fieldmapping_changelist") + f"?object__exact={obj.object}")

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("obj") is None:
            context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: FieldMapping, form: Any, change: bool) -> None:
        """What Salesforce refused because of it is tried again."""
        super().save_model(request, obj, form, change)
        outbox.retry_object(obj.object)

    # -- columns -------------------------------------------------------------------------------------------------------

    @admin.display(description="Salesforce field")
    def salesforce(self, mapping: FieldMapping) -> SafeString:
        label = mapping.label or mapping.salesforce_field
        return format_html("{} <code>{}</code>", label, mapping.salesforce_field)

    @admin.display(description="type")
    def field_type(self, mapping: FieldMapping) -> str:
        if not mapping.described:
            return "–"
        described = FieldDescribe.from_dict(mapping.described)
        sized = described.length and kind_of(described).sized
        return f"{described.type} ({described.length})" if sized else described.type

    @admin.display(description="allowed values")
    def picklist(self, mapping: FieldMapping) -> str | SafeString:
        values = [entry["value"] for entry in (mapping.described or {}).get("picklist", ()) if entry.get("active")]
        return ", ".join(values) or display.NOTHING

    @admin.display(description="person field")
    def here(self, mapping: FieldMapping) -> str | SafeString:
        if mapping.person_field in PERSON_COLUMNS:
            return field_label(mapping.person_field)
        return format_html("<code>{}</code> (custom)", mapping.person_field)

    @admin.display(description="direction")
    def crosses(self, mapping: FieldMapping) -> str:
        """What really happens: a field that the sync user may not edit is only received, whatever is set."""
        if mapping.readable and not (mapping.createable or mapping.updateable):
            return str(Direction.RECEIVE.label)
        return mapping.get_direction_display()

    @admin.display(description="if both sides changed")
    def both_changed(self, mapping: FieldMapping) -> str:
        winner = mapping.winner or mapping.sync_user.winner_for(mapping.object)
        return ("Salesforce" if winner == "salesforce" else "Here") + (" (own setting)" if mapping.winner else "")

    @admin.display(description="access")
    def access(self, mapping: FieldMapping) -> SafeString:
        rights = (("see", mapping.readable), ("create", mapping.createable), ("edit", mapping.updateable))
        return format_html(
            '<span class="rights">{}</span>',
            format_html_join(
                "",
                '<span class="right {0}" title="{1}"><svg viewBox="0 0 16 16" width="14" height="14" fill="none" '
                'aria-hidden="true" focusable="false"><path d="{2}"/></svg><span class="visually-hidden">{1}. '
                "</span></span>",
                (
                    ("has" if has else "lacks", f"May {'' if has else 'not '}{name}", ICONS[name])
                    for name, has in rights
                ),
            ),
        )

    @admin.display(description="filled")
    def received(self, mapping: FieldMapping) -> str | SafeString:
        """Whether the field was received for all records."""
        if not mapping.enabled or not mapping.readable or mapping.problem or mapping.direction == Direction.SEND:
            return display.NOTHING
        return "Yes" if mapping.filled else "With the next cycle"

    @admin.display(description="state")
    def condition(self, mapping: FieldMapping) -> SafeString:
        if not mapping.enabled and mapping.too_complicated:
            return format_html(
                '{} <span class="note">Salesforce refuses to read it, even alone: it is too complicated. When the '
                "formula is simpler, switch it on again.</span>",
                display.chip("Off", "bad"),
            )
        if not mapping.enabled:
            return display.chip("Off", "off")
        if not mapping.readable:
            other = getattr(mapping, "now_called", None)
            why = f"Renamed to {other}? " if other else "Deleted, renamed, or access was taken away. "
            return format_html(
                '{} <span class="note">{}Its values are kept here.</span>',
                display.chip("Hidden in Salesforce", "gone"),
                why,
            )
        if mapping.problem:
            return format_html(
                '{} <span class="note">{} Nothing crosses; the values are kept on both sides. To go on, choose the '
                "action “Go on with the new type”.</span>",
                display.chip("Suspended", "bad"),
                mapping.problem,
            )
        told = getattr(mapping, "collision", None)
        if told is None:  # on its own page
            told = collisions(FieldMapping.objects.filter(sync_user=mapping.sync_user_id)).get(mapping.pk)
        if told:
            return format_html('{} <span class="note">{}</span>', display.chip("Collides", "wait"), told)
        return display.chip("On", "good")

    # -- acting --------------------------------------------------------------------------------------------------------

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[FieldMapping]) -> None:
        self._switch(request, queryset, True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[FieldMapping]) -> None:
        self._switch(request, queryset, False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[FieldMapping], on: bool) -> None:
        word = "on" if on else "off"
        changed = list(queryset.exclude(enabled=on).order_by("pk"))
        FieldMapping.objects.filter(pk__in=[mapping.pk for mapping in changed]).update(
            enabled=on, too_complicated=False
        )
        for sobject in {mapping.object for mapping in changed}:
            outbox.retry_object(sobject)
        if changed:
            LogEntry.objects.log_actions(
                user_id=request.user.pk or 0, queryset=changed, action_flag=CHANGE, change_message=f"Switched {word}."
            )
        noun = "mapping" if len(changed) == 1 else "mappings"
        self.message_user(request, f"{len(changed)} {noun} switched {word}.")

    @admin.action(description="Go on with the new type", permissions=["change"])
    def take_new_type(self, request: HttpRequest, queryset: QuerySet[FieldMapping]) -> None:
        for mapping in queryset.exclude(problem="").order_by("pk"):
            if why := take_new_type(mapping):
                self.message_user(request, f"{mapping}: {why}", messages.ERROR)
                continue
            LogEntry.objects.log_actions(
                user_id=request.user.pk or 0,
                queryset=[mapping],
                action_flag=CHANGE,
                change_message="Goes on with the new type.",
            )
            told = f"{mapping}: goes on as {mapping.described['type']}; the next cycle receives it for every record."
            self.message_user(request, told, messages.SUCCESS)

    @admin.action(description="Take as the person score", permissions=["change"])
    def take_as_score(self, request: HttpRequest, queryset: QuerySet[FieldMapping]) -> None:
        chosen = list(queryset.order_by("pk"))
        if len({mapping.salesforce_field.lower() for mapping in chosen}) != 1:
            self.message_user(request, "Choose one field: it is the score of leads and contacts.", messages.ERROR)
        elif why := take_as_score(chosen[0]):
            self.message_user(request, f"{chosen[0]}: {why}", messages.ERROR)
        else:
            LogEntry.objects.log_actions(
                user_id=request.user.pk or 0,
                queryset=chosen,
                action_flag=CHANGE,
                change_message="Taken as the person score.",
            )
            told = f"{chosen[0].salesforce_field} is the person score; the next cycle receives it for every record."
            self.message_user(request, told, messages.SUCCESS)


def adding_to(request: HttpRequest) -> tuple[SyncUser, ObjectDescribe] | None:
    """The active connection and the object that a mapping is added to, as it was last described; None without one."""
    wanted = request.GET.get("object", "")
    found = SalesforceObject.objects.filter(
        sync_user__is_active=True, name=wanted if wanted in OBJECTS else OBJECTS[0]
    ).select_related("sync_user")
    stored = found.first()
    return (stored.sync_user, ObjectDescribe.from_dict(stored.description)) if stored is not None else None
