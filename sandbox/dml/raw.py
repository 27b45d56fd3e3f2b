"""Values put into a record past every check: old data, other encodings, jobs of the platform."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox import rawtext
from sandbox.dml import save
from sandbox.dml.context import Saver
from sandbox.errors import unknown_id
from sandbox.schema.field import Field
from sandbox.schema.sobject import SObject


def put(saver: Saver, item: SObject, record_id: str, values: Mapping[Field, Any], *, stamp: bool) -> None:
    """Write these values as they are; ``stamp``: the record's time stamps move, unless they are among the values."""
    row = saver.database.row(item.name, record_id)
    if row is None:
        raise unknown_id()
    changes = {field.name: _kept(field, value) for field, value in values.items()}
    after = {**row, **changes}
    save.derive(saver, item, after)
    changes = {name: value for name, value in after.items() if value != row[name]}
    if stamp:
        changes = {**save.stamps(saver, item), **changes}
    if changes:
        saver.database.update(item.name, record_id, changes)


def _kept(field: Field, value: Any) -> Any:
    if isinstance(value, str):
        return rawtext.kept(value)
    if field.is_decimal and value is not None:
        return int(Decimal(value).scaleb(field.scale))
    return int(value) if isinstance(value, (bool, Decimal)) else value
