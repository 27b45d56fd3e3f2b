"""From rows of the database to records as Salesforce writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from sandbox import jsontext
from sandbox.schema.field import Field

Convert = Callable[[Any], Any]
_MASKED_KEEPS = {"lastFour": 4, "ssn": 4, "creditCard": 4, "sin": 3, "nino": 0, "all": 0}


def converter(field: Field, sees_encrypted: bool = False) -> Convert | None:
    """What turns a stored value (never null) into its JSON value; None if it stays as it is."""
    if field.type == "boolean":
        return bool
    if field.is_decimal:
        scale = field.scale
        return lambda value: jsontext.number(value, scale) if isinstance(value, int) else value
    if field.type == "encryptedstring" and not sees_encrypted:
        return lambda value: mask(value, field)
    return None


def mask(value: str, field: Field) -> str:
    """What somebody without the permission "View Encrypted Data" is shown."""
    kept = _MASKED_KEEPS.get(field.mask_type or "all", 0)
    sign = "X" if field.mask_char == "X" else "*"
    hidden = max(0, len(value) - kept)
    return sign * hidden + value[hidden:]


class Shape:
    """One record (or parent record) of the answer: which columns of a row go under which keys."""

    def __init__(self, type_name: str, base: str, id_index: int, type_index: int | None = None) -> None:
        self._type_name = type_name
        self._base = base
        self._id_index = id_index
        self._type_index = type_index
        self._keys: list[str] = []
        self._indexes: list[int] = []
        self._converters: list[tuple[str, Convert]] = []
        self._compounds: list[tuple[str, list[tuple[str, int, Convert | None]]]] = []
        self.parents: dict[str, Shape] = {}
        self._pick: Callable[[Sequence[Any]], tuple[Any, ...]] | None = None

    @property
    def keys(self) -> list[str]:
        """The keys in their order, without ``attributes``."""
        return self._keys

    def add(self, key: str, index: int, convert: Convert | None) -> None:
        """A plain value."""
        self._keys.append(key)
        self._indexes.append(index)
        if convert is not None:
            self._converters.append((key, convert))

    def add_compound(self, key: str, parts: list[tuple[str, int, Convert | None]]) -> None:
        """An address made of several columns."""
        self._keys.append(key)
        self._indexes.append(self._id_index)
        self._compounds.append((key, parts))

    def add_parent(self, key: str, shape: Shape) -> None:
        """A parent record."""
        self._keys.append(key)
        self._indexes.append(self._id_index)
        self.parents[key] = shape

    def build(self, row: Sequence[Any]) -> dict[str, Any] | None:
        """The record in a row; None for a parent that is not there."""
        record_id = row[self._id_index]
        if record_id is None:
            return None
        if self._pick is None:
            # one extra index, so that itemgetter gives a tuple even for a single key
            self._pick = itemgetter(*self._indexes, self._id_index)
        record: dict[str, Any] = {"attributes": self._attributes(row, record_id)}
        record.update(zip(self._keys, self._pick(row), strict=False))
        for key, convert in self._converters:
            value = record[key]
            if value is not None:
                record[key] = convert(value)
        for key, parts in self._compounds:
            values = {part: _converted(row[index], convert) for part, index, convert in parts}
            record[key] = None if all(value is None for value in values.values()) else values
        for key, shape in self.parents.items():
            record[key] = shape.build(row)
        return record

    def _attributes(self, row: Sequence[Any], record_id: str) -> dict[str, str]:
        if self._type_index is None:
            return {"type": self._type_name, "url": f"{self._base}{self._type_name}/{record_id}"}
        target = "User" if row[self._type_index] == "User" else "Group"
        return {"type": self._type_name, "url": f"{self._base}{target}/{record_id}"}


class AggregateShape:
    """One row of a grouped query."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, Convert | None]] = []

    @property
    def keys(self) -> list[str]:
        """The keys in their order."""
        return [key for key, _ in self._entries]

    def add(self, key: str, convert: Convert | None) -> None:
        """The next column."""
        self._entries.append((key, convert))

    def build(self, row: Sequence[Any]) -> dict[str, Any]:
        """The record in a row."""
        record: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
        for (key, convert), value in zip(self._entries, row, strict=True):
            record[key] = _converted(value, convert)
        return record


def _converted(value: Any, convert: Convert | None) -> Any:
    return value if value is None or convert is None else convert(value)
