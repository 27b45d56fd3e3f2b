"""The codes of what did not go well: each stands in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncer.admin.state.why import DECISIONS, decision_needed
from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.policies import POLICIES
from syncer.sync.errors import CannotSync, FieldsChanged, LeaseHeld, LeaseLost, WritesStopped
from syncer.sync.outcomes import Code, PersonOutcome, Result
from syncer.sync.store import outbox

SYNCER = Path(__file__).parents[2] / "syncer"
WHERE_THEY_ARE_DEFINED = {SYNCER / "sync/outcomes.py", SYNCER / "salesforce/codes.py"}


def literals(module: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_a_code_is_written_out_where_it_is_defined_and_nowhere_else() -> None:
    codes = {str(code) for code in (*Code, *EdgeCode)}
    modules = {path for path in SYNCER.rglob("*.py") if "migrations" not in path.parts} - WHERE_THEY_ARE_DEFINED
    assert len(modules) > 100
    found = [
        f"{path.relative_to(SYNCER)}:{line} {text}"
        for path in modules
        for line, text in literals(path)
        if text in codes
    ]
    assert not found


def test_templates_choose_nothing_by_a_code_but_the_reconnect_button() -> None:
    pages = (SYNCER.parent / "templates").rglob("*.html")
    codes = {f'"{code}"' for code in (*Code, *EdgeCode)}
    found = {(page.name, code) for page in pages for code in codes if code in page.read_text("utf-8")}
    assert found == {("connection_test.html", '"WRONG_ORGANISATION"')}


def test_a_code_is_its_own_name_and_fits_its_column() -> None:
    for code in (*Code, *EdgeCode):
        assert code == code.name == str(code)
        assert len(code) <= 80


def test_ours_and_those_of_the_edge_are_different_ones_and_no_salesforce_code_is_among_ours() -> None:
    assert not {str(code) for code in Code} & {str(code) for code in EdgeCode}
    assert not {str(code) for code in Code} & set(POLICIES)


def test_what_only_a_person_can_settle_says_what_to_do() -> None:
    explained = {str(code) for code in Code if decision_needed(code)}
    assert explained == {str(code) for code in DECISIONS}
    # Nobody can settle that a record is not shown: the page says that it goes on by itself.
    assert {str(code) for code in outbox.DECISIONS} - explained == {str(Code.NOT_VISIBLE)}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CannotSync("No."), Code.CANNOT_SYNC),
        (LeaseHeld("somebody"), Code.BUSY),
        (LeaseLost(), Code.LEASE_LOST),
        (WritesStopped("Stopped."), Code.WRITES_STOPPED),
    ],
)
def test_what_stops_everything_names_itself(error: CannotSync | WritesStopped, code: Code) -> None:
    assert error.code is code


def test_fields_that_changed_are_no_refusal() -> None:
    assert not issubclass(FieldsChanged, CannotSync)


def test_salesforces_own_codes_stay_as_they_come() -> None:
    assert PersonOutcome(1, "Kim", Result.FAILED, "No.", code="FIELD_CUSTOM_VALIDATION_EXCEPTION").code not in set(Code)
