"""How single things look on every page: chips, moments, durations, values."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

EMPTY = SafeString('<span class="empty">(empty)</span>')
NOTHING = SafeString('<span class="empty">–</span>')


def chip(label: object, kind: str) -> SafeString:
    """A state as a word with a colour. ``kind``: good, wait, bad, off, gone, info."""
    return format_html('<span class="chip chip-{}">{}</span>', kind, label)


def note(text: object) -> SafeString:
    """A remark beside a value."""
    return format_html('<span class="note">{}</span>', text)


def moment(when: datetime | None) -> SafeString:
    """A point in time in the zone that is active (the user's): short, with the full one as a tooltip."""
    if when is None:
        return NOTHING
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', when.isoformat(timespec="seconds"), full(when), short(when)
    )


def ago(when: datetime | None, now: datetime | None = None) -> SafeString:
    """How long ago, in words; the full moment as a tooltip."""
    if when is None:
        return NOTHING
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        when.isoformat(timespec="seconds"),
        full(when),
        ago_text(when, now or timezone.now()),
    )


def full(when: datetime) -> str:
    return date_format(timezone.localtime(when), "j M Y, H:i:s T")


def day(when: datetime) -> str:
    """The day, with the year where it is not this one."""
    local = timezone.localtime(when)
    return date_format(local, "j M" if local.year == timezone.localdate().year else "j M Y")


def short(when: datetime) -> str:
    """The time for today, with the day for this year, the date otherwise."""
    local, today = timezone.localtime(when), timezone.localdate()
    if local.date() == today:
        return date_format(local, "H:i:s")
    return date_format(local, "j M, H:i" if local.year == today.year else "j M Y")


def ago_text(when: datetime, now: datetime) -> str:
    seconds = (now - when).total_seconds()
    if seconds < 5:
        return "just now"
    if seconds < 7 * 86400:
        return f"{span(timedelta(seconds=seconds))} ago"
    return short(when)


def until_text(when: datetime, now: datetime) -> str:
    return "now" if when <= now else f"in {span(when - now)}"


def span(length: timedelta) -> str:
    """A length of time in its largest unit: 40 s, 2 min, 3 h, 5 days."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86400:
        return f"{seconds // 3600} h"
    days = seconds // 86400
    return f"{days} day" if days == 1 else f"{days} days"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def value(raw: Any) -> str | SafeString:
    """A field's value: canonical, or whatever a log entry holds."""
    if raw is None or raw == "" or raw == []:
        return EMPTY
    if isinstance(raw, bool):
        return "Yes" if raw else "No"
    if isinstance(raw, (list, tuple)):
        return ", ".join(str(part) for part in raw)
    return str(raw)


def value_text(raw: Any) -> str:
    """A value in a sentence: quoted, shortened."""
    if raw is None or raw == "" or raw == []:
        return "(empty)"
    if isinstance(raw, bool):
        return "yes" if raw else "no"
    text = str(value(raw))
    return f"“{text}”" if len(text) <= 80 else f"“{text[:77]}…”"


def change(old: Any, new: Any) -> SafeString:
    return format_html(
        '<span class="old">{}</span> <span class="arrow" aria-label="became">→</span> <span class="new">{}</span>',
        value(old),
        value(new),
    )


def number(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def link(url: str, text: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, text)
