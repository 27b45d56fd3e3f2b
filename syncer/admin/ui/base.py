"""Lists that show what the application wrote, and that nobody changes by hand."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from syncer.admin.ui.paginator import CappedPaginator
from syncer.admin.ui.typed import AnyModelAdmin


class CalmAdmin(AnyModelAdmin):
    """What all large lists share: no counting of everything, no facets."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0


class ReadOnlyAdmin(CalmAdmin):
    """May be seen with the view permission; not added, changed or deleted."""

    actions = None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
