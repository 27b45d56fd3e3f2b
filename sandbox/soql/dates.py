"""Date literals (``TODAY``, ``LAST_N_DAYS:3``): the days that they cover.

Source: SOQL and SOSL Reference, "Date Formats and Date Literals".

The organisation's weeks start on Sunday and its fiscal year is the calendar year.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

Range = tuple[date, date]


def _add_months(day: date, months: int) -> date:
    total = day.year * 12 + day.month - 1 + months
    return date(total // 12, total % 12 + 1, 1)


def _week(today: date, shift: int) -> date:
    return today - timedelta(days=(today.weekday() + 1) % 7) + timedelta(weeks=shift)


def _month(today: date, shift: int) -> date:
    return _add_months(today, shift)


def _quarter(today: date, shift: int) -> date:
    return _add_months(today.replace(month=(today.month - 1) // 3 * 3 + 1), shift * 3)


def _year(today: date, shift: int) -> date:
    return date(today.year + shift, 1, 1)


_UNITS: dict[str, Callable[[date, int], date]] = {
    "WEEK": _week,
    "MONTH": _month,
    "QUARTER": _quarter,
    "YEAR": _year,
    "FISCAL_QUARTER": _quarter,
    "FISCAL_YEAR": _year,
}


def covered(literal: str, today: date) -> Range | None:
    """The first day and the day after the last; None if there is no such literal. Raises OverflowError far out."""
    name, _, count_text = literal.partition(":")
    if count_text:
        return _counted(name, int(count_text), today)
    one = timedelta(days=1)
    fixed = {
        "YESTERDAY": (today - one, today),
        "TODAY": (today, today + one),
        "TOMORROW": (today + one, today + 2 * one),
        "LAST_90_DAYS": (today - 90 * one, today + one),
        "NEXT_90_DAYS": (today + one, today + 91 * one),
    }
    if name in fixed:
        return fixed[name]
    which, _, unit = name.partition("_")
    start = _UNITS.get(unit)
    shift = {"LAST": -1, "THIS": 0, "NEXT": 1}.get(which)
    if start is None or shift is None:
        return None
    return start(today, shift), start(today, shift + 1)


def _counted(name: str, count: int, today: date) -> Range | None:
    if name == "LAST_N_DAYS":
        return today - timedelta(days=count), today + timedelta(days=1)
    if name == "NEXT_N_DAYS":
        return today + timedelta(days=1), today + timedelta(days=count + 1)
    if name == "N_DAYS_AGO":
        return today - timedelta(days=count), today - timedelta(days=count - 1)
    for unit, start in _UNITS.items():
        if name == f"LAST_N_{unit}S":
            return start(today, -count), start(today, 0)
        if name == f"NEXT_N_{unit}S":
            return start(today, 1), start(today, count + 1)
        if name == f"N_{unit}S_AGO":
            return start(today, -count), start(today, -count + 1)
    return None
