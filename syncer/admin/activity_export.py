"""The activity log as CSV: all rows of what the list shows, streamed, for spreadsheets."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import tzinfo
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from syncer.models import ActivityLogEntry

COLUMNS = (
    "time",
    "type",
    "status",
    "person id",
    "person",
    "field",
    "old",
    "new",
    "code",
    "summary",
    "actor",
    "run",
    "detail",
)
#: Rows of one query.
BATCH = 1000
#: Spreadsheets take UTF-8 for something else without it.
BYTE_ORDER_MARK = "\ufeff"
#: What makes spreadsheets calculate, also in full width, and not only as the very first character.
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


class _Line:
    """Gives back what it is asked to write: the csv module's file."""

    def write(self, text: str) -> str:
        return text


def csv_response(entries: QuerySet[ActivityLogEntry], filename: str) -> StreamingHttpResponse:
    """The entries, newest first. Nothing is read before the answer is sent, and never more than a batch is held."""
    response = StreamingHttpResponse(
        lines(entries, timezone.get_current_timezone()), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def lines(entries: QuerySet[ActivityLogEntry], zone: tzinfo) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield BYTE_ORDER_MARK + writer.writerow(COLUMNS)
    last: int | None = None
    while True:
        rows = entries if last is None else entries.filter(pk__lt=last)
        batch = list(rows.order_by("-pk")[:BATCH])
        for entry in batch:
            yield writer.writerow([guarded(text) for text in row(entry, zone)])
        if len(batch) < BATCH:
            return
        last = batch[-1].pk


def row(entry: ActivityLogEntry, zone: tzinfo) -> list[str]:
    detail = entry.detail if isinstance(entry.detail, dict) else {}
    return [
        entry.at.astimezone(zone).isoformat(timespec="seconds"),
        entry.type,
        entry.status,
        str(entry.person_id),
        entry.person_name,
        entry.field,
        _value(detail.get("old")),
        _value(detail.get("new")),
        entry.code,
        entry.summary,
        entry.actor,
        str(entry.run_id or ""),
        json.dumps(entry.detail, ensure_ascii=False) if entry.detail else "",
    ]


def _value(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def guarded(text: str) -> str:
    """A text that a spreadsheet would calculate is shown as the text that it is; plain numbers stay numbers."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text
