"""What can be said of the structure of the code without running it: which module imports which, how long functions are.

``python -m tests.support.structure`` prints the figures of the engine, the admin and the sandbox.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


# -- modules and what they import ------------------------------------------------------------------------------------


def modules(package: str) -> dict[str, str]:
    """The sources of a package's modules by name: ``sandbox.dml.save`` for its file, a package for ``__init__.py``."""
    found = {}
    for file in sorted(PROJECT.joinpath(*package.split(".")).rglob("*.py")):
        parts = file.relative_to(PROJECT).with_suffix("").parts
        if "migrations" not in parts:
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file.read_text("utf-8")
    return found


def imported(source: str, known: set[str]) -> set[str]:
    """Those of the known modules that a source imports, wherever in it: also in functions, also for types only."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import: {ast.unparse(node)}"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            # "from sandbox.dml import save" imports a module, "from sandbox.org import Org" a part of one
            names |= {name if name in known else str(node.module) for name in whole}
    return names & known


def imports(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """What each of these modules imports of the others."""
    return {name: imported(source, set(sources)) - {name} for name, source in sources.items()}


def closure(start: str, arrows: Mapping[str, set[str]]) -> set[str]:
    """All the modules that one reaches, itself among them."""
    reached, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += arrows[name]
    return reached


def room_of(module: str, package: str) -> str:
    """The sub-package in which a module of the package stands, or the module itself beside them."""
    return module.removeprefix(f"{package}.").split(".")[0]


def arrows_up(package: str, layers: Sequence[set[str]]) -> list[str]:
    """The imports between rooms of a package that do not lead to a lower layer (the highest layer is named first), and
    the rooms without a layer."""
    height = {name: -depth for depth, layer in enumerate(layers) for name in layer}
    sources = modules(package)
    del sources[package]
    rooms = {room_of(name, package) for name in sources}
    assert sum(map(len, layers)) == len(height), "a room stands in two layers"
    found = [f"{room} has no layer" for room in sorted(rooms - set(height))]
    found += [f"{room} is not there" for room in sorted(set(height) - rooms)]
    for name, others in imports(sources).items():
        for other in sorted(others):
            one, two = room_of(name, package), room_of(other, package)
            if one != two and {one, two} <= set(height) and height[one] <= height[two]:
                found.append(f"{name} imports {other}")
    return found


# -- functions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method; nested ones count with the one they stand in."""

    module: str
    name: str
    lines: int  # from def to its last line, the docstring among them
    parameters: tuple[str, ...]  # without self and cls


def functions(module: str, source: str) -> list[Function]:
    """The functions of a module. A private one that one function alone calls, once, with nothing but its own
    parameters, is a part of that function: its lines are counted there, so that a cut through the middle of a long
    function does not count as two short ones."""
    tree = ast.parse(source)
    nodes = dict(_defined(tree))
    callers = _calls(nodes)
    found = []
    for name, node in nodes.items():
        lines = _lines(node)
        for part, calls in callers.items():
            if len(calls) == 1 and calls[0][0] == name and _hands_on(node, calls[0][1], nodes[part]):
                lines += _lines(nodes[part])
        found.append(Function(module, name, lines, _parameters(node)))
    return found


_Def = ast.FunctionDef | ast.AsyncFunctionDef


def _defined(tree: ast.Module) -> Iterator[tuple[str, _Def]]:
    for node in tree.body:
        if isinstance(node, _Def):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, _Def):
                    yield f"{node.name}.{inner.name}", inner


def _lines(node: _Def) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def _parameters(node: _Def) -> tuple[str, ...]:
    spelled = node.args
    every = [*spelled.posonlyargs, *spelled.args, *spelled.kwonlyargs]
    every += [rest for rest in (spelled.vararg, spelled.kwarg) if rest is not None]
    return tuple(arg.arg for arg in every if arg.arg not in ("self", "cls"))


def _calls(nodes: Mapping[str, _Def]) -> dict[str, list[tuple[str, ast.Call]]]:
    """Who calls each private function of the module, and how. One that is also handed around has several uses."""
    called: dict[str, list[tuple[str, ast.Call]]] = defaultdict(list)
    for caller, node in nodes.items():
        for inner in ast.walk(node):
            if not (isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)):
                continue
            if inner.func.id.startswith("_") and inner.func.id in nodes and inner.func.id != caller:
                called[inner.func.id].append((caller, inner))
    return called


def _hands_on(caller: _Def, call: ast.Call, part: _Def) -> bool:
    """Whether a call hands on the caller's parameters, all of those that there are, and nothing else."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    names = [value.id for value in given if isinstance(value, ast.Name)]
    return len(names) == len(given) and set(names) == set(_parameters(caller)) and len(names) == len(_parameters(part))


# -- the figures -----------------------------------------------------------------------------------------------------


def _tell(package: str) -> None:
    sources = modules(package)
    arrows = imports(sources)
    rooms = {room_of(name, package) for name in sources if name != package}
    between = {
        (room_of(one, package), room_of(other, package))
        for one, others in arrows.items()
        for other in others
        if package not in (one, other) and room_of(one, package) != room_of(other, package)
    }
    every = [function for name, source in sources.items() for function in functions(name, source)]
    longest = max(every, key=lambda function: function.lines)
    widest = max(every, key=lambda function: len(function.parameters))
    print(
        f"{package}: {len(sources)} files, {sum(source.count(chr(10)) for source in sources.values())} lines, "
        f"{len(rooms)} rooms, {sum(map(len, arrows.values()))} arrows between files, {len(between)} between rooms; "
        f"longest function {longest.module}.{longest.name} ({longest.lines} lines), "
        f"most parameters {widest.module}.{widest.name} ({len(widest.parameters)})"
    )


def main() -> None:
    for package in ("syncer/sync", "syncer/admin", "syncer", "sandbox"):
        _tell(package.replace("/", "."))
    sources = modules("syncer")
    arrows = imports(sources)
    for start in ("syncer.sync.cycle", "syncer.sync.push.updates"):
        reached = closure(start, arrows)
        lines = sum(sources[name].count("\n") for name in reached)
        print(f"{start} reaches {len(reached)} files with {lines} lines")


if __name__ == "__main__":
    main()
