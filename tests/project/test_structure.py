"""The house stays as docs/architecture.md draws it: rooms know only those below them, and functions stay short.

The ceilings only fall; those on branches and complexity are ruff's (pyproject.toml).
"""

from __future__ import annotations

from graphlib import TopologicalSorter
from textwrap import dedent

import pytest

from tests.support.structure import PROJECT, Function, arrows_up, functions, imported, imports, modules

LONGEST_FUNCTION = 60  # lines, with the parts that are nothing but its continuation
MOST_PARAMETERS = 8

#: The highest first.
LAYERS = {
    "syncer": (
        {"management"},  # commands
        {"admin"},  # what people see and press
        {"demo", "tasks"},  # what runs in the background
        {"sync", "apps"},  # the engine
        {"schedule", "salesforce", "roles"},  # the edge stands beside the models: neither knows the other
        {"models"},
        {"secrets", "away"},
    ),
    "syncer.sync": (
        {"cycle", "upkeep"},
        {"actions"},
        {"create"},
        {"push"},
        {"pull"},
        {"identity"},
        {"store", "plan"},
        {"connection"},
        {"context"},
        {"errors"},
        {"outcomes"},
        {"persons"},
        {"fields"},
        {"merge", "options"},
    ),
    "syncer.admin": (
        {"site", "connections", "log"},
        {"dashboard", "persons", "mappings"},
        {"runs"},
        {"actions"},
        {"state"},
        {"ui", "navigation"},
    ),
}


@pytest.mark.parametrize("package", LAYERS)
def test_rooms_know_only_those_below_them(package: str) -> None:
    assert arrows_up(package, LAYERS[package]) == []


def test_the_edge_knows_no_model() -> None:
    sources = modules("syncer")
    edge = {name for name in sources if name.startswith("syncer.salesforce")}
    assert {name: others - edge for name, others in imports(sources).items() if name in edge and others - edge} == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    # raises CycleError, which names the modules of the circle
    arrows = imports(modules("syncer") | modules("marketo"))
    assert set(TopologicalSorter(arrows).static_order()) == set(arrows)


def test_functions_are_short_and_take_few_parameters() -> None:
    every = [
        function
        for package in ("syncer", "sandbox", "marketo")
        for name, source in modules(package).items()
        for function in functions(name, source)
    ]
    assert [f for f in every if f.lines > LONGEST_FUNCTION] == []
    assert [f for f in every if len(f.parameters) > MOST_PARAMETERS] == []


def test_every_kind_of_import_is_seen() -> None:
    source = dedent("""
        import sandbox.ids
        from sandbox.dml import save, _private
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from sandbox.org import Org
        def late():
            from sandbox.bulk.jobs import Jobs
    """)
    known = {"sandbox.ids", "sandbox.dml", "sandbox.dml.save", "sandbox.org", "sandbox.bulk.jobs", "sandbox.wire"}
    assert imported(source, known) == known - {"sandbox.wire"}


def test_a_continuation_counts_with_the_function_that_it_continues() -> None:
    source = dedent("""
        def whole(one, two):
            return _first(one), _rest(one, two)

        def _rest(one, two):
            return (
                one + two
            )

        def _first(one):
            return one
    """)
    lines = {function.name: function.lines for function in functions("module", source)}
    assert lines == {"whole": 2 + 4, "_rest": 4, "_first": 2}
    assert functions("module", "class A:\n    def f(self, a, *, b):\n        pass") == [
        Function("module", "A.f", 2, ("a", "b"))
    ]


@pytest.mark.parametrize("package", ["tests/salesforce", "tests/sandbox"])
def test_what_runs_with_one_database_touches_none(package: str) -> None:
    """The Makefile leaves these out on PostgreSQL."""
    modules_there = (PROJECT / package).rglob("*.py")
    assert [path.name for path in modules_there if "django_db" in path.read_text("utf-8")] == []
