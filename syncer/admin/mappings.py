"""Field mappings: what the sync user may do with each Salesforce field, and what the application does with it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from syncer.admin import display
from syncer.admin.readonly import CalmAdmin
from syncer.admin.words import field_label
from syncer.models import Direction, FieldMapping
from syncer.sync.fields import PERSON_COLUMNS


@admin.register(FieldMapping)
class FieldMappingAdmin(CalmAdmin):
    list_display = ("salesforce", "object", "field_type", "here", "crosses", "both_changed", "access", "condition")
    list_display_links = ("salesforce",)
    list_filter = ("object", "enabled", "direction")
    list_select_related = ("sync_user",)
    search_fields = ("salesforce_field", "label", "person_field")
    ordering = ("object", "salesforce_field")
    sortable_by = ()
    list_per_page = 100
    actions = ("switch_on", "switch_off")
    fieldsets = (
        ("Salesforce", {"fields": ("salesforce", "object", "field_type", "picklist", "access")}),
        ("Here", {"fields": ("here", "condition")}),
        ("What crosses", {"fields": ("enabled", "direction", "winner", "keep_filled")}),
    )
    readonly_fields = ("salesforce", "object", "field_type", "picklist", "access", "here", "condition")
    change_form_template = "syncer/mapping.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Mappings appear by themselves with the fields that the sync user sees."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: FieldMapping | None = None) -> bool:
        """It would be there again after the next describe; it is switched off instead."""
        return False

    # -- columns -------------------------------------------------------------------------------------------------------

    @admin.display(description="Salesforce field")
    def salesforce(self, mapping: FieldMapping) -> SafeString:
        label = mapping.label or mapping.salesforce_field
        return format_html("{} <code>{}</code>", label, mapping.salesforce_field)

    @admin.display(description="type")
    def field_type(self, mapping: FieldMapping) -> str:
        described = mapping.described or {}
        kind = described.get("type") or "–"
        length = described.get("length")
        return f"{kind} ({length})" if length and kind in ("string", "textarea", "email", "phone", "url") else str(kind)

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

    @admin.display(description="sync user may")
    def access(self, mapping: FieldMapping) -> SafeString:
        rights = (("see", mapping.readable), ("create", mapping.createable), ("edit", mapping.updateable))
        return format_html(
            '<span class="rights">{}</span>',
            format_html_join(
                "",
                '<span class="right {}">{}<span class="visually-hidden">: {}</span></span>',
                (("has" if has else "lacks", name, "yes" if has else "no") for name, has in rights),
            ),
        )

    @admin.display(description="state")
    def condition(self, mapping: FieldMapping) -> SafeString:
        if not mapping.enabled:
            return display.chip("Off", "off")
        if not mapping.readable:
            return display.chip("Hidden in Salesforce", "gone")
        if mapping.problem:
            return format_html('{} <span class="note">{}</span>', display.chip("Suspended", "bad"), mapping.problem)
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
        FieldMapping.objects.filter(pk__in=[mapping.pk for mapping in changed]).update(enabled=on)
        if changed:
            LogEntry.objects.log_actions(
                user_id=request.user.pk or 0, queryset=changed, action_flag=CHANGE, change_message=f"Switched {word}."
            )
        noun = "mapping" if len(changed) == 1 else "mappings"
        self.message_user(request, f"{len(changed)} {noun} switched {word}.")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None and "winner" in form.base_fields:
            winner = "Salesforce" if obj.sync_user.winner_for(obj.object) == "salesforce" else "Here"
            form.base_fields["winner"].help_text = f"Empty: as set for {obj.object.lower()}s ({winner})."
        return form
