"""Answers that are not as documented: changes made to the JSON of an answer before it leaves.

A change is one of ``{"path": …, "value": …}`` (put this there), ``{"path": …, "remove": true}`` and ``{"path": …,
"append": …}`` (to a list; an object is a copy of the list's last entry with these keys). A path leads to one place,
or with ``*`` to all of them: ``records[0].Id``, ``records[*].SystemModstamp``, ``fields``; an empty path is the whole
answer. A place that an answer does not have is passed over.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\*)\]")
_VERBS = ("value", "remove", "append")


def checked(changes: Any) -> list[dict[str, Any]]:
    """The changes of a control call, as they can be kept and written. Raises ValueError if they are none."""
    if not isinstance(changes, list) or not changes:
        raise ValueError("changes must be a list of objects")
    for change in changes:
        if not isinstance(change, dict) or sum(verb in change for verb in _VERBS) != 1:
            raise ValueError(f"a change has one of {', '.join(_VERBS)}: {change!r}")
        _steps(str(change.get("path", "")))
    plain: list[dict[str, Any]] = _without_decimals(changes)
    return plain


def changed(value: Any, changes: Iterable[dict[str, Any]]) -> Any:
    """The value after these changes; what was given stays as it is."""
    holder = {"": copy.deepcopy(value)}
    for change in changes:
        steps = ["", *_steps(str(change.get("path", "")))]
        for place in _places([holder], steps[:-1]):
            _change(place, steps[-1], change)
    return holder[""]


def repeating(value: Any, path: str) -> Any:
    """A page of a query whose next page is itself; any other answer stays as it is."""
    if not isinstance(value, dict) or "nextRecordsUrl" not in value:
        return value
    first = re.sub(r"-\d+\Z", "-0", value["nextRecordsUrl"])
    return {**value, "nextRecordsUrl": path if re.search(r"-\d+\Z", path) else first}


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise ValueError(f"not a path in an answer: {path}")
        steps.append(match[1] if match[2] is None else "*" if match[2] == "*" else int(match[2]))
        position = match.end()
    return steps


def _places(places: list[Any], steps: list[str | int]) -> list[Any]:
    """What stands at the end of these steps, wherever they lead."""
    for step in steps:
        places = [place[key] for place in places for key in _keys(place, step)]
    return places


def _keys(place: Any, step: str | int) -> list[Any]:
    """The keys of a place that a step stands for; none if it has no such."""
    if isinstance(place, list):
        keys = range(len(place)) if step == "*" else [step] if isinstance(step, int) else []
        return [key for key in keys if key < len(place)]
    if isinstance(place, dict):
        return list(place) if step == "*" else [step] if step in place else []
    return []


def _change(place: Any, step: str | int, change: dict[str, Any]) -> None:
    if "value" in change and isinstance(place, dict) and step != "*":
        place[step] = copy.deepcopy(change["value"])
        return
    for key in reversed(_keys(place, step)):
        if "value" in change:
            place[key] = copy.deepcopy(change["value"])
        elif "remove" in change:
            del place[key]
        elif isinstance(place[key], list):
            place[key].append(_like_the_last(place[key], change["append"]))


def _like_the_last(entries: list[Any], given: Any) -> Any:
    last = entries[-1] if entries else None
    return copy.deepcopy({**last, **given} if isinstance(last, dict) and isinstance(given, dict) else given)


def _without_decimals(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _without_decimals(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_decimals(part) for part in value]
    return value
