"""The activity log as CSV: all rows of what the list shows, streamed, for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
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
#: What is read of an entry, in the order of ``row``.
FIELDS = (
    "at",
    "type",
    "status",
    "person_id",
    "person_name",
    "field",
    "code",
    "summary",
    "actor",
    "run_id",
    "detail",
)
#: Rows of one query.
BATCH = 1000
#: Spreadsheets take UTF-8 for something else without it.
BYTE_ORDER_MARK = "\ufeff"
#: What makes spreadsheets calculate, also in full width, and not only as the very first character.
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


def csv_response(entries: QuerySet[ActivityLogEntry], filename: str) -> StreamingHttpResponse:
    """The entries, newest first. Nothing is read before the answer is sent, and never more than a batch is held."""
    response = StreamingHttpResponse(
        lines(entries, timezone.get_current_timezone()), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def lines(entries: QuerySet[ActivityLogEntry], zone: tzinfo) -> Iterator[str]:
    """The table, a batch of rows at a time."""
    yield BYTE_ORDER_MARK + _table([COLUMNS])
    last: int | None = None
    while True:
        rows = entries if last is None else entries.filter(pk__lt=last)
        batch = list(rows.order_by("-pk").values_list("pk", *FIELDS)[:BATCH])
        if batch:
            yield _table([guarded(text) for text in row(found, zone)] for _, *found in batch)
        if len(batch) < BATCH:
            return
        last = batch[-1][0]


def _table(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def row(found: Sequence[Any], zone: tzinfo) -> list[str]:
    """The cells of an entry, from its FIELDS."""
    at, kind, status, person_id, person, field, code, summary, actor, run, detail = found
    known = detail if isinstance(detail, dict) else {}
    return [
        at.astimezone(zone).isoformat(timespec="seconds"),
        kind,
        status,
        str(person_id),
        person,
        field,
        _value(known.get("old")),
        _value(known.get("new")),
        code,
        summary,
        actor,
        str(run or ""),
        json.dumps(detail, ensure_ascii=False) if detail else "",
    ]


def _value(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def guarded(text: str) -> str:
    """A text that a spreadsheet would calculate is shown as the text that it is; plain numbers stay numbers."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text
