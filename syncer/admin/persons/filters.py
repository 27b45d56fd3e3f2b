"""The filters of the list of persons."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from syncer.admin.state import duplicates
from syncer.admin.state.person_state import SyncState, in_state
from syncer.models import PendingChange, PendingState, Person, SfdcType


class SfdcTypeFilter(SimpleListFilter):
    title = "SFDC type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("lead", "Lead"), ("contact", "Contact"), ("none", str(SfdcType.NONE.label))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Person]) -> QuerySet[Person]:
        kinds = {"lead": SfdcType.LEAD, "contact": SfdcType.CONTACT, "none": SfdcType.NONE}
        kind = kinds.get(self.value() or "")
        return queryset if kind is None else queryset.filter(sfdc_type=kind)


class StateFilter(SimpleListFilter):
    title = "sync state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(state.value, str(state.label)) for state in SyncState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Person]) -> QuerySet[Person]:
        state = self.value()
        return in_state(queryset, state) if state in SyncState.values else queryset


class DuplicateFilter(SimpleListFilter):
    title = "duplicates"
    parameter_name = "duplicates"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("possible", "Possible duplicates")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Person]) -> QuerySet[Person]:
        return duplicates.possible(queryset) if self.value() == "possible" else queryset


class ReasonFilter(SimpleListFilter):
    """The reasons of sync errors, offered when there are any."""

    title = "reason of the sync error"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        failed = PendingChange.objects.filter(state=PendingState.FAILED)
        codes = failed.values_list("error_code").annotate(n=Count("pk")).order_by("-n")[:20]
        return [(code, f"{code} ({count:,})") for code, count in codes if code]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Person]) -> QuerySet[Person]:
        code = self.value()
        return queryset.filter(pending__state=PendingState.FAILED, pending__error_code=code) if code else queryset
