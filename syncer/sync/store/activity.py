"""The activity log, the conflicts and the before-images: collected for a batch and written at once.

Every write of these three tables, but for what people do in the admin (a restored value, an edited form) and what is
removed when it is old (``upkeep.retention``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncer.models import ActivityLogEntry, ActivityStatus, ActivityType, BeforeImage, Conflict
from syncer.salesforce.kinds import BadValue
from syncer.salesforce.texts import REPLACEMENT
from syncer.sync.context import Context
from syncer.sync.fields.object_map import PERSON_COLUMNS
from syncer.sync.merge import Decision, Value
from syncer.sync.outcomes import Code
from syncer.sync.store import bulk_sql


class Journal:
    """What a batch has to tell. ``write`` inserts it in three statements, in the caller's transaction."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._at = context.now()
        self._entries: list[tuple[Any, ...]] = []
        self._conflicts: list[tuple[Any, ...]] = []
        self._images: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}

    @property
    def conflict_count(self) -> int:
        return len(self._conflicts)

    def entry(
        self,
        person_id: int,
        name: str,
        kind: ActivityType,
        summary: str,
        *,
        actor: str = "",
        field: str = "",
        code: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """What happened to a person. ``code``: it failed, and why."""
        status = ActivityStatus.FAILED if code else ActivityStatus.OK
        self._entries.append(
            (
                person_id,
                name[:255],
                str(kind),
                self._at,
                (actor or self._context.actor)[:150],
                self._context.run.pk,
                str(status),
                field[:100],
                code[:80],
                summary,
                dict(detail or {}),
            )
        )

    def received(self, person_id: int, name: str, decision: Decision, actor: str) -> None:
        """A value that came from Salesforce."""
        self.entry(
            person_id,
            name,
            ActivityType.CHANGE_DATA_VALUE,
            f"{label(decision.field)}: {shown(decision.here)} → {shown(decision.there)}",
            actor=actor,
            field=decision.field,
            detail={
                "old": decision.here,
                "new": decision.there,
                "source": "Salesforce",
                "reason": decision.reason,
            },
        )
        self._image(person_id)[0][decision.field] = [decision.here, decision.there]

    def not_stored(self, person_id: int, name: str, field: str, value: Value, error: BadValue) -> None:
        """A value that came from Salesforce and that the person's column can't hold: the others are kept."""
        self.entry(
            person_id,
            name,
            ActivityType.SYNC_FAILED,
            str(error),
            field=field,
            code=Code.VALUE_NOT_STORED,
            detail={"value": value, "source": "Salesforce"},
        )

    def made_storable(self, person_id: int, name: str, field: str, value: Value) -> None:
        """A value that came from Salesforce, and of which not every character can be stored."""
        self.entry(
            person_id,
            name,
            ActivityType.SYNC_FAILED,
            f"{label(field)}: it holds characters that can't be stored, such as half of an emoji; {REPLACEMENT} stands "
            "for each of them here. It counts as equal, and is not sent back.",
            field=field,
            code=Code.VALUE_NOT_STORED,
            detail={"value": value, "source": "Salesforce"},
        )

    def sent(self, person_id: int, field: str, before: Value, after: Value) -> None:
        self._image(person_id)[1][field] = [before, after]

    def conflict(self, person_id: int, name: str, decision: Decision) -> None:
        """A value that lost, with the one that won."""
        kept, lost = ("ours", "Salesforce's") if decision.winner == "marketo" else ("Salesforce's", "ours")
        self.entry(
            person_id,
            name,
            ActivityType.CONFLICT,
            f"{label(decision.field)}: {kept}, {shown(decision.value)}, was kept; "
            f"{lost}, {shown(decision.loser)}, was overwritten.",
            field=decision.field,
            detail={
                "base": decision.base if decision.has_base else None,
                "here": decision.here,
                "there": decision.there,
                "lost": decision.loser,
                "winner": decision.winner,
                "reason": decision.reason,
            },
        )
        self._conflicts.append(
            (
                person_id,
                name[:255],
                self._context.run.pk,
                self._at,
                decision.field[:100],
                decision.base if decision.has_base else None,
                decision.here,
                decision.there,
                decision.winner,
                decision.reason[:255],
            )
        )

    def doubt(self, person_id: int, name: str, field: str, value: Value, reason: str = "The answer was lost.") -> None:
        """An update arrived although its answer was lost, or a part of it, and with that what the record had before."""
        what = reason[0].lower() + reason[1:-1]
        self.entry(
            person_id,
            name,
            ActivityType.CONFLICT,
            f"{label(field)}: {shown(value)} was sent, and {what}. If somebody had changed the field in "
            "Salesforce just before, that value was overwritten and can't be told; see the field history there.",
            field=field,
            detail={"here": value, "there": None, "lost": None, "winner": "marketo", "reason": reason},
        )

    def write(self) -> None:
        bulk_sql.insert(
            ActivityLogEntry,
            [
                "person_id",
                "person_name",
                "type",
                "at",
                "actor",
                "run_id",
                "status",
                "field",
                "code",
                "summary",
                "detail",
            ],
            self._entries,
        )
        bulk_sql.insert(
            Conflict,
            ["person_id", "person_name", "run_id", "at", "field", "base", "here", "there", "winner", "reason"],
            self._conflicts,
        )
        bulk_sql.insert(
            BeforeImage,
            ["run_id", "person_id", "here", "there"],
            [(self._context.run.pk, person, here, there) for person, (here, there) in self._images.items()],
        )

    def _image(self, person_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._images.setdefault(person_id, ({}, {}))


def move(loser_id: int, winner_id: int) -> None:
    """Two persons were merged: the log and the conflicts of the one are the other's."""
    for model in (ActivityLogEntry, Conflict):
        model.objects.filter(person_id=loser_id).update(person_id=winner_id)


def label(person_field: str) -> str:
    """A field of the person as people know it; a custom field by its own name."""
    column = PERSON_COLUMNS.get(person_field)
    name = str(column.verbose_name) if column is not None else person_field
    return name[:1].upper() + name[1:]


def shown(value: Value) -> str:
    """A value in a sentence."""
    if value is None:
        return "(empty)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"“{value}”" if len(value) <= 80 else f"“{value[:77]}…”"
