"""The sandbox is built in layers: a package imports from the layers below its own, and modules import in no circle.

Every import counts: also those inside functions and those for the type checker only.
"""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import sandbox

ROOT = Path(sandbox.__file__).parent

#: the packages (and single modules) of the sandbox, the highest layer first
LAYERS = (
    {"__main__"},  # the command
    {"server", "inprocess"},  # how requests come in
    {"dispatch"},  # from a request to its answer
    {"control", "page"},  # what administrators and people do
    {"rest", "signin", "seed"},  # what API clients do, and the first records
    {"org", "colleagues"},  # one organisation, with all that runs in it
    {"bulk"},  # jobs that save or read many records
    {"dml"},  # saving a record
    {"org_data"},  # what an organisation keeps
    {"settings", "users"},
    {"soql"},  # reading records
    {"store"},  # the tables
    {"schema", "sessions", "faults", "wire"},
    {"errors", "clock", "ids", "jsontext", "usage"},
)


def _name(file: Path) -> str:
    """``sandbox.dml.save`` for its file; a package for its ``__init__.py``."""
    parts = ("sandbox", *file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(file): file.read_text("utf-8") for file in ROOT.rglob("*.py")}


def imported(source: str, modules: set[str]) -> set[str]:
    """Those of the modules that a source imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import: {ast.unparse(node)}"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            # "from sandbox.dml import save" imports a module, "from sandbox.org import Org" a part of one
            names |= {name if name in modules else str(node.module) for name in whole}
    return names & modules


IMPORTS = {module: imported(source, set(MODULES)) for module, source in MODULES.items()}


def _package(module: str) -> str:
    return module.split(".")[1]


def test_every_kind_of_import_is_seen() -> None:
    source = """
import sandbox.ids
from sandbox.dml import save, _private
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from sandbox.org import Org
def late():
    from sandbox.bulk.jobs import Jobs
"""
    known = {"sandbox.ids", "sandbox.dml", "sandbox.dml.save", "sandbox.org", "sandbox.bulk.jobs", "sandbox.wire"}
    assert imported(source, known) == known - {"sandbox.wire"}


def test_every_package_has_its_layer() -> None:
    placed = [name for layer in LAYERS for name in layer]
    assert sorted(placed) == sorted({_package(module) for module in MODULES if module != "sandbox"})


def test_packages_import_from_lower_layers_only() -> None:
    height = {name: -depth for depth, layer in enumerate(LAYERS) for name in layer}
    wrong = [
        f"{module} imports {other}"
        for module, others in IMPORTS.items()
        for other in others
        if module != "sandbox" and other != "sandbox" and _package(module) != _package(other)
        if height[_package(module)] <= height[_package(other)]
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    # raises CycleError, which names the modules of the circle
    order = list(TopologicalSorter(IMPORTS).static_order())
    assert set(order) == set(MODULES)
