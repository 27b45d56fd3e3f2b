"""The filters of the activity log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib.admin import ListFilter, ModelAdmin, SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import Min, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from syncer.models import ActivityLogEntry, SyncRun

#: Error codes offered; others are found by the search.
MOST_CODES = 40


class CodeFilter(SimpleListFilter):
    """The error codes that there are: one look into their index for each, whatever the size of the log."""

    title = "error code"
    parameter_name = "code__exact"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        found: list[str] = []
        while len(found) < MOST_CODES:
            rows = ActivityLogEntry.objects.filter(code__gt=found[-1] if found else "").exclude(code="")
            code = rows.aggregate(first=Min("code"))["first"]
            if code is None:
                break
            found.append(code)
        asked = str(request.GET.get(self.parameter_name, ""))
        return [(code, code) for code in sorted({*found, asked} - {""})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ActivityLogEntry]) -> QuerySet[ActivityLogEntry]:
        return queryset.filter(code=self.value()) if self.value() else queryset


class _Asked(SimpleListFilter):
    """Shown while the address names one: pages lead here with it."""

    def number(self) -> int | None:
        text = self.value() or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

    def queryset(self, request: HttpRequest, queryset: QuerySet[ActivityLogEntry]) -> QuerySet[ActivityLogEntry]:
        if self.value() is None:
            return queryset
        number = self.number()
        return queryset.none() if number is None else queryset.filter(**{str(self.parameter_name): number})

    def name(self, number: str) -> str:
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        number = str(request.GET.get(str(self.parameter_name), ""))
        return [(number, self.name(number))] if number else []


class PersonFilter(_Asked):
    title = "person"
    parameter_name = "person_id"

    def name(self, number: str) -> str:
        entries = ActivityLogEntry.objects.filter(person_id=number) if number.isdigit() and len(number) < 19 else None
        last = entries.order_by("-pk").values_list("person_name", flat=True).first() if entries is not None else None
        return last or f"Person {number}"


class RunFilter(_Asked):
    title = "run"
    parameter_name = "run__id__exact"

    def name(self, number: str) -> str:
        run = SyncRun.objects.filter(pk=number).first() if number.isdigit() and len(number) < 19 else None
        return str(run or f"Run {number}")


class DateFilter(ListFilter):
    """From a day to a day, in the zone of whoever looks; the usual spans are one press away."""

    title = "date"
    template = "syncer/date_filter.html"
    since, until = "since", "until"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: ModelAdmin[Any]) -> None:
        super().__init__(request, params, model, model_admin)
        for name in (self.since, self.until):
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]
        self.hidden: list[tuple[str, str]] = []

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [self.since, self.until]

    def day(self, name: str) -> date | None:
        try:
            return date.fromisoformat(str(self.used_parameters.get(name, "")))
        except ValueError:
            return None

    def queryset(self, request: HttpRequest, queryset: QuerySet[ActivityLogEntry]) -> QuerySet[ActivityLogEntry]:
        if since := self.day(self.since):
            queryset = queryset.filter(at__gte=_start(since))
        if (until := self.day(self.until)) and until < date.max:
            queryset = queryset.filter(at__lt=_start(until + timedelta(days=1)))
        return queryset

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        own = self.expected_parameters()
        self.hidden = [
            (name, value)
            for name, values in changelist.filter_params.items()
            if name not in (*own, "p")
            for value in values
        ]
        if changelist.query:
            self.hidden.append(("q", changelist.query))
        today = timezone.localdate()
        since, until = self.day(self.since), self.day(self.until)
        yield {
            "selected": since is None and until is None,
            "query_string": changelist.get_query_string(remove=[self.since, self.until]),
            "display": "Any",
        }
        for days, name in ((1, "Today"), (7, "Last 7 days"), (30, "Last 30 days")):
            first = today - timedelta(days=days - 1)
            yield {
                "selected": since == first and until is None,
                "query_string": changelist.get_query_string({self.since: first.isoformat()}, [self.until]),
                "display": name,
            }


def _start(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
