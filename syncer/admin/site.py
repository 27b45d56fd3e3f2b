"""The admin site: its name, its pages beside the lists, its navigation, and what is closed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from syncer.admin.navigation import navigation
from syncer.admin.ui.zone import zone_of

#: Whoever may edit django-q2's schedules can have the worker run any Python, so its pages are not offered to anybody.
CLOSED = frozenset({"django_q"})


class SyncAdminSite(AdminSite):
    site_header = "Salesforce Sync"
    site_title = "Salesforce Sync"
    index_title = "Dashboard"
    index_template = "syncer/dashboard.html"
    enable_nav_sidebar = False
    site_url = None
    empty_value_display = "–"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        if models := _open(model_or_iterable):
            super().register(models, admin_class, **options)

    def unregister(self, model_or_iterable: Any) -> None:
        super().unregister(_open(model_or_iterable))

    def get_urls(self) -> list[Any]:
        # Here, not above: these pages register with this site, so it has to be in place before they are imported.
        from syncer.admin.dashboard import page, switches

        return [
            path("status.json", self.admin_view(page.status_json), name="sync_status"),
            path("sync-now/", self.admin_view(page.sync_now), name="sync_now"),
            path("retry/", self.admin_view(page.retry), name="sync_retry"),
            path("pause/", self.admin_view(switches.pause), name="sync_pause"),
            path("resume/", self.admin_view(switches.resume), name="sync_resume"),
            path("stop-writing/", self.admin_view(switches.stop_writing), name="sync_stop_writing"),
            path("allow-writing/", self.admin_view(switches.allow_writing), name="sync_allow_writing"),
            path("this-installation/", self.admin_view(switches.this_installation), name="sync_this_installation"),
            *super().get_urls(),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from syncer.admin.dashboard import page

        return super().index(request, page.dashboard_context(request) | (extra_context or {}))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        return context | {"navigation": navigation(context["available_apps"], request.path)}

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Every page is made, rendering included, in the time zone of whoever looks."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def in_the_users_zone(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            with timezone.override(zone_of(request)):
                response: HttpResponse = inner(request, *args, **kwargs)
                if isinstance(response, TemplateResponse):
                    response.render()
                return response

        return in_the_users_zone


def _open(model_or_iterable: Any) -> list[type[Model]]:
    """The models that may have a page."""
    models: list[Any] = [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
    return [model for model in models if model._meta.app_label not in CLOSED]
