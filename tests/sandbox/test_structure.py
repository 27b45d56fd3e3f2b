"""The sandbox is built in layers: a package imports from the layers below its own, and modules import in no circle."""

from __future__ import annotations

from graphlib import TopologicalSorter

from tests.support.structure import arrows_up, imports, modules

#: The packages (and single modules) of the sandbox, the highest layer first.
LAYERS = (
    {"__main__"},  # the command
    {"server", "inprocess"},  # how requests come in
    {"dispatch"},  # from a request to its answer
    {"page"},  # what people do
    {"control"},  # what administrators do
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
    {"malformed", "rawtext"},  # what no good answer and no good text has
)


def test_packages_import_from_lower_layers_only() -> None:
    assert arrows_up("sandbox", LAYERS) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    # raises CycleError, which names the modules of the circle
    arrows = imports(modules("sandbox"))
    assert set(TopologicalSorter(arrows).static_order()) == set(arrows)


def test_neither_knows_the_application_nor_is_known_by_it() -> None:
    everything = modules("sandbox") | modules("syncer") | modules("marketo")
    crossing = [
        f"{name} imports {other}"
        for name, others in imports(everything).items()
        for other in others
        if name.startswith("sandbox") != other.startswith("sandbox")
    ]
    assert crossing == []
