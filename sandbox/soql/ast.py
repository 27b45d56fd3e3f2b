"""The parts of a SOQL query."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Path:
    """A field, perhaps of a parent: ``Owner.Name``."""

    parts: tuple[str, ...]
    position: int

    @property
    def text(self) -> str:
        """As it was written."""
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in a condition. ``kind``: string, number, boolean, null, date, datetime or relative (``TODAY``)."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Function:
    """A call such as ``COUNT(Id)`` or ``CALENDAR_YEAR(CreatedDate)``."""

    name: str
    arguments: tuple[Path | Function | Literal, ...]
    position: int


Operand = Path | Function


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the select list."""

    value: Path | Function | Query
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """``left operator value``; operators are those of SOQL plus ``LIKE``."""

    left: Operand
    operator: str
    value: Literal


@dataclass(frozen=True, slots=True)
class Membership:
    """``left [NOT] IN (values)`` or ``IN (SELECT …)``."""

    left: Operand
    values: tuple[Literal, ...] | Query
    negated: bool


@dataclass(frozen=True, slots=True)
class Includes:
    """``left INCLUDES|EXCLUDES ('a;b', 'c')``."""

    left: Operand
    values: tuple[Literal, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by AND or OR."""

    operator: str
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """``NOT condition``."""

    part: Condition


Condition = Comparison | Membership | Includes | Junction | Negation


@dataclass(frozen=True, slots=True)
class Order:
    """One entry of ORDER BY."""

    left: Operand
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query."""

    select: tuple[Item, ...]
    object_name: str
    object_position: int
    alias: str | None = None
    where: Condition | None = None
    group: tuple[Operand, ...] = ()
    having: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int | None = None
    with_clause: str | None = None
    scope: str | None = None
    for_clause: str | None = None
    text: str = ""
