"""The navigation: the lists by what people do with them, not by the application that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Group → models ("app.model") in the order shown. Models that are in no group come under the last one.
GROUPS: dict[str, tuple[str, ...]] = {
    "Persons": ("syncer.person", "syncer.activitylogentry", "syncer.conflict"),
    "Sync": ("syncer.syncrun", "syncer.syncuser", "syncer.fieldmapping"),
    "Access": ("auth.user", "auth.group"),
}
LAST = "Access"


@dataclass(frozen=True, slots=True)
class Item:
    name: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    items: tuple[Item, ...]


def navigation(available_apps: Iterable[Mapping[str, Any]], path: str) -> list[Group]:
    """The groups that the user may see something of; the list that the path belongs to is marked."""
    seen: dict[str, Item] = {}
    for app in available_apps:
        for model in app["models"]:
            if url := model["admin_url"]:
                key = f"{app['app_label']}.{model['object_name'].lower()}"
                seen[key] = Item(str(model["name"]), url, path.startswith(url))
    placed = {key for keys in GROUPS.values() for key in keys}
    groups = []
    for name, keys in GROUPS.items():
        items = [seen[key] for key in keys if key in seen]
        if name == LAST:
            items += [item for key, item in seen.items() if key not in placed]
        if items:
            groups.append(Group(name, tuple(items)))
    return groups
