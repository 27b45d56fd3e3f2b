"""Record-triggered flows that run after a save and change the record once more, in the same transaction.

Source: Apex Developer Guide, "Triggers and Order of Execution": they come after the rules, and the record keeps the
stamp of the save.
"""

from __future__ import annotations

from dataclasses import replace

from sandbox.dml import checks
from sandbox.dml.context import Saver
from sandbox.schema.formula import compile_formula
from sandbox.schema.sobject import SObject
from sandbox.store.database import quote


def run(saver: Saver, item: SObject, record_id: str) -> None:
    """Set what the flows of the object set, on the record as it has just been written."""
    for flow in saver.settings.flows:
        if flow["object"] != item.name:
            continue
        if flow["when"] is None or checks.matches(saver, item, record_id, flow["when"]):
            saver.database.execute(
                f"UPDATE {quote(item.name)} SET {assignments(item, flow['set'])} WHERE Id = ?", (record_id,)
            )


def assignments(item: SObject, formulas: dict[str, str]) -> str:
    """The SQL that sets each field to the value of its formula. Raises FormulaError."""
    return ", ".join(
        f"{quote(name)} = {compile_formula(replace(item.fields[name], formula=text), item.fields, quote(item.name))}"
        for name, text in formulas.items()
    )
