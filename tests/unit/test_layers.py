# SPDX-License-Identifier: GPL-2.0-only
"""The folders of harness/ are its layers, in the order of CONTRIBUTING.md; an import goes down."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import harness
from harness.host.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACKAGE = Path(harness.__file__).parent
LAYERS = re.findall(r"^\| `harness/(\w+)/` \|", (CHECKOUT / "CONTRIBUTING.md").read_text(), re.M)
"""From the top, as the map of the folders has them."""

EXCEPTIONS: dict[tuple[str, str], str] = {}
"""Imports that go up, each with its reason."""

LONGEST = 400
"""Lines of a module: more is more than one thing."""


def modules() -> dict[str, Path]:
    """Every module's dotted name and file; a package is its `__init__.py`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imported(code: ast.AST, known: Iterable[str]) -> Iterator[str]:
    """Which of the modules are imported: at once, later in a function, or for types alone."""
    for node in ast.iter_child_nodes(code):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "imports here are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                name = inner if inner in known else node.module
                if name in known:
                    yield name
        else:
            yield from imported(node, known)


def imports_of(module: str) -> set[str]:
    return set(imported(ast.parse(MODULES[module].read_text()), MODULES))


def layer(module: str) -> int:
    """The place of a module's folder in the list; the higher, the lower down."""
    return LAYERS.index(module.split(".")[1])


def test_every_folder_has_its_place_and_every_place_is_a_folder() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(LAYERS) == sorted(folders)


def test_no_module_lies_beside_the_folders() -> None:
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]


def test_an_import_goes_down_the_list_of_folders() -> None:
    upwards = {
        (module, other)
        for module in MODULES.keys() - {"harness"}
        for other in imports_of(module) - {"harness"}
        if layer(other) < layer(module)
    }
    assert upwards == EXCEPTIONS.keys()


def test_nothing_imports_in_a_circle() -> None:
    graph = {module: imports_of(module) for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imported in a circle: {' <- '.join(error.args[1])}")


def test_no_module_is_too_long() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST}
    assert max(lengths.values()) > LONGEST // 2, "they were counted"


SOURCE = """
from typing import TYPE_CHECKING
import os, harness.host.errors
from harness.run import provenance, absent
if TYPE_CHECKING:
    from harness.cli.main import main
else:
    from harness.host.paths import CHECKOUT
try:
    from harness.vm.probe import measure
except ImportError:
    pass
class Late:
    def late(self):
        with self:
            from harness.scenarios import SCENARIOS, direct
"""


def test_what_counts_as_an_import() -> None:
    found = set(imported(ast.parse(SOURCE), MODULES))
    assert found == {
        "harness.host.errors",
        "harness.run",
        "harness.run.provenance",
        "harness.host.paths",
        "harness.vm.probe",
        "harness.scenarios",
        "harness.scenarios.direct",
        "harness.cli.main",
    }


def test_up_is_up() -> None:
    assert layer("harness.cli.main") < layer("harness.vm.machine") < layer("harness.model.cell")
