"""Salesforce connections: the sync users, what they lead to and why one is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_POST

from syncer import secrets
from syncer.admin.connections.check import PERMISSION, SESSION_KEY, result, run_test, test
from syncer.admin.connections.form import COLUMN_NAMES, SECRET_NAMES, SyncUserForm
from syncer.admin.dashboard.switches import ADMINISTER, record, require_permission
from syncer.admin.state.create_guarantee import guarantee
from syncer.admin.ui import display
from syncer.admin.ui.base import CalmAdmin
from syncer.models import RunKind, RunStatus, SalesforceObject, SyncMode, SyncRun, SyncUser, SyncUserState
from syncer.salesforce.ways import WAYS
from syncer.sync.outcomes import Code
from syncer.sync.upkeep.reconnect_sandbox import start_run
from syncer.tasks import NOT_QUEUED, go_on

KINDS = {
    SyncUserState.READY: "good",
    SyncUserState.PAUSED: "wait",
    SyncUserState.REFUSED: "bad",
    SyncUserState.LIMITED: "wait",
}


@admin.register(SyncUser)
class SyncUserAdmin(CalmAdmin):
    form = SyncUserForm
    actions = None
    list_display = ("name", "organisation_column", "method_name", "mode", "active", "current_state", "since")
    ordering = ("-is_active", "name")
    sortable_by = ()
    readonly_fields = (
        "method_label",
        "organisation_column",
        "current_state",
        "reason",
        "since",
        "writing",
        "signed_in_at",
        "secrets_state",
        "at_most_once",
        "at_a_time",
    )
    change_form_template = "syncer/sync_user.html"

    class Media:
        js = ("syncer/sync_user.js",)

    def get_fieldsets(self, request: HttpRequest, obj: SyncUser | None = None) -> Any:
        sign_in = ["login_url", *COLUMN_NAMES, "api_version", "secrets_state"]
        groups: list[tuple[str, dict[str, Any]]] = [
            ("Connection", {"fields": ["name", "is_active", "mode"]}),
            ("Sign-in", {"fields": ["method", *sign_in, *SECRET_NAMES]}),
            ("If both sides changed a field", {"fields": ["lead_winner", "contact_winner"]}),
            ("New leads", {"fields": ["create_leads", "external_id_field", "default_last_name", "default_company"]}),
            ("When Salesforce refuses", {"fields": ["hold_refused_fields", "save_warned_duplicates"]}),
            ("API calls that are left for other apps", {"fields": ["cycle_share", "action_share"]}),
        ]
        if not self.has_change_permission(request, obj):
            groups[1] = ("Sign-in", {"fields": ["method_label", *sign_in]})
        if obj is not None:
            status = ["current_state", "since", "reason", "writing", "organisation_column", "signed_in_at", "at_a_time"]
            groups.insert(0, ("Status", {"fields": status}))
            next(options for name, options in groups if name == "New leads")["fields"].insert(2, "at_most_once")
        return groups

    def get_form(self, request: HttpRequest, obj: SyncUser | None = None, change: bool = False, **kwargs: Any) -> Any:
        """The secrets are fields of the form, not of the model."""
        kwargs["fields"] = SyncUserForm.Meta.fields
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: SyncUser, form: Any, change: bool) -> None:
        form.take_over(obj)
        super().save_model(request, obj, form, change)
        if not change:
            request.__dict__["_added_connection"] = obj

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A connection that was added is tested, once it is stored: no transaction waits for Salesforce."""
        response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        added: SyncUser | None = request.__dict__.get("_added_connection")
        if added is None or not request.user.has_perm(PERMISSION):
            return response
        return run_test(request, added)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        sync_user: SyncUser | None = kwargs.get("obj")
        context["show_save_and_add_another"] = False
        if sync_user is not None and request.user.has_perm(PERMISSION):
            context["test_url"] = reverse("admin:syncer_syncuser_test", args=[sync_user.pk])
            if was_refused(request, sync_user):
                context["reconnect_url"] = reverse("admin:syncer_syncuser_reconnect", args=[sync_user.pk])
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("<int:sync_user_id>/test/", view(test), name="syncer_syncuser_test"),
            path("<int:sync_user_id>/reconnect/", view(reconnect_sandbox), name="syncer_syncuser_reconnect"),
            path("<int:sync_user_id>/tested/", view(result), name="syncer_syncuser_test_result"),
            *super().get_urls(),
        ]

    def has_delete_permission(self, request: HttpRequest, obj: SyncUser | None = None) -> bool:
        """Deleting it would take its runs and mappings along; an unused connection is switched off instead."""
        return False

    # -- columns -------------------------------------------------------------------------------------------------------

    @admin.display(description="organisation")
    def organisation_column(self, sync_user: SyncUser) -> str | SafeString:
        if not sync_user.organisation_id:
            return "Not known yet: a test or the first cycle finds out"
        return format_html("{} <code>{}</code>", sync_user.organisation_name, sync_user.organisation_id)

    @admin.display(description="sign-in")
    def method_name(self, sync_user: SyncUser) -> str:
        return self.method_label(sync_user).partition(" (")[0]

    @admin.display(description="sign-in method")
    def method_label(self, sync_user: SyncUser) -> str:
        way = WAYS.get(sync_user.method)
        return way.label if way else sync_user.method

    @admin.display(description="active")
    def active(self, sync_user: SyncUser) -> SafeString:
        return display.chip("Active", "good") if sync_user.is_active else display.chip("Off", "off")

    @admin.display(description="state")
    def current_state(self, sync_user: SyncUser) -> SafeString:
        state = SyncUserState(sync_user.state)
        return display.chip(state.label, KINDS[state])

    @admin.display(description="since")
    def since(self, sync_user: SyncUser) -> SafeString:
        return display.ago(sync_user.state_since)

    @admin.display(description="why")
    def reason(self, sync_user: SyncUser) -> str:
        until = f" Until {display.short(sync_user.paused_until)}." if sync_user.paused_until else ""
        return f"{sync_user.state_reason or '–'}{until}"

    @admin.display(description="writing to Salesforce")
    def writing(self, sync_user: SyncUser) -> str | SafeString:
        """Not a field of the form: a page that was opened before the switch was turned would turn it back."""
        if sync_user.writes_stopped:
            return format_html("{} Allow it again on the dashboard.", display.chip("Stopped", "bad"))
        if sync_user.restored_at is not None:
            return "After everything was read: the database was restored from a backup"
        if sync_user.mode == SyncMode.RECEIVE_ONLY:
            return "Never: the connection receives only"
        return "Allowed. “Stop all writing” on the dashboard stops it at once"

    @admin.display(description="Salesforce user id")
    def signed_in_at(self, sync_user: SyncUser) -> SafeString:
        return format_html("<code>{}</code>", sync_user.user_id) if sync_user.user_id else display.NOTHING

    @admin.display(description="made at most once")
    def at_most_once(self, sync_user: SyncUser) -> SafeString:
        return guarantee(sync_user).shown

    @admin.display(description="records and fields at a time")
    def at_a_time(self, sync_user: SyncUser) -> str | SafeString:
        """What Salesforce has refused more of; the cycles have found it out."""
        told = [sentence for described in sync_user.described.order_by("name") for sentence in bears(described)]
        refused = sync_user.mappings.filter(enabled=False, too_complicated=True).order_by("object", "salesforce_field")
        told += [
            f"{m.object}: {m.salesforce_field} is switched off, because it is refused even alone." for m in refused
        ]
        if not told:
            return "As many as Salesforce's limits allow"
        return format_html_join(mark_safe("<br>"), "{}", ((sentence,) for sentence in told))

    @admin.display(description="stored secrets")
    def secrets_state(self, sync_user: SyncUser) -> str:
        try:
            names = [name.replace("_", " ") for name, value in sync_user.secrets.items() if value]
        except secrets.SecretsUnreadable as error:
            return str(error)
        return f"{', '.join(names).capitalize()} (encrypted, never shown)" if names else "None"


def bears(described: SalesforceObject) -> Iterator[str]:
    """How much of an object Salesforce takes at a time, where that is less than usual."""
    if described.records_a_call is not None:
        yield f"{described.name}: {described.records_a_call} records are sent at a time, because more were refused."
    if described.fields_a_query is not None:
        yield (
            f"{described.name}: {described.fields_a_query} fields are asked for at a time, because Salesforce found "
            "more too complicated or too long. Each further query costs API calls, so fewer mapped formulas are faster."
        )


def was_refused(request: HttpRequest, sync_user: SyncUser) -> bool:
    """The sign-in led to another organisation, in the last cycle or action or when this person tested it."""
    if not sync_user.is_active:
        return False
    failed = Q(kind=RunKind.RECONNECT) & ~Q(status__in=[RunStatus.RUNNING, RunStatus.COMPLETED])
    last = SyncRun.objects.filter(sync_user=sync_user).exclude(failed).exclude(kind=RunKind.PREVIEW).first()
    kept = request.session.get(SESSION_KEY)
    tested: dict[str, Any] = kept if isinstance(kept, dict) and kept.get("sync_user") == sync_user.pk else {}
    return Code.WRONG_ORGANISATION in (last.error_code if last else "", tested.get("code"))


@require_POST
def reconnect_sandbox(request: HttpRequest, sync_user_id: int) -> HttpResponse:
    """The button: a worker checks every pair; the run's page says what it finds."""
    require_permission(request, ADMINISTER)
    sync_user = get_object_or_404(SyncUser, pk=sync_user_id, is_active=True)
    run = start_run(sync_user, request.user.get_username())
    if not go_on(run):
        messages.warning(request, NOT_QUEUED)
    record(request, "Asked to reconnect to a refreshed sandbox.")
    request.session.pop(SESSION_KEY, None)
    return HttpResponseRedirect(reverse("admin:syncer_syncrun_change", args=[run.pk]))
