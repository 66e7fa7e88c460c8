# SPDX-License-Identifier: GPL-2.0-only
"""Each layer of harness/ imports only itself and those below it, and no module grows too long."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import harness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LAYERS = {
    # From the top. What stands beside another in a layer may import it, but not in a circle.
    "front ends": "cli arguments comparing doctor clean shell shell_boot keyboard run "
    "pytest_plugin pytest_relay pytest_session own_kernel",
    "report": "report",
    "export": "export",
    "surface": "surface kselftest",
    "matrix": "matrix selection conclusion parity ledger results lab vmcore provenance bench "
    "repeat round_trip figures defences kept_run compare class_counts bisect own_attacks guest",
    "engines": "engines",
    "scenarios": "scenarios scenario_files variant_files attack_program",
    "witness": "witness trial trip_clock handler",
    "attacker": "attacker attempt_end",
    "vm": "vm",
    "kernel": "kernel guest_image debian_image debian_selinux payloads policies",
    "base": "errors paths variants cell children cpio run_name seal",
}
HEIGHT = {
    part: height for height, parts in enumerate(reversed(LAYERS.values())) for part in parts.split()
}
LONGEST = 400
"""Lines of a module: more is more than one thing."""

PACKAGE = Path(harness.__file__).parent


def modules() -> dict[str, Path]:
    """Every module's dotted name and file; a package is its `__init__.py`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imported(code: ast.AST, known: Iterable[str]) -> Iterator[str]:
    """Which of the modules are imported when this runs: at once, or in a function later."""
    for node in ast.iter_child_nodes(code):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from imported(ast.Module(node.orelse, []), known)
        elif isinstance(node, ast.Import):
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


def height(module: str) -> int:
    return HEIGHT[module.split(".")[1]]


def test_every_module_has_its_layer_and_every_name_is_one() -> None:
    there = {module.split(".")[1] for module in MODULES if module != "harness"}
    assert set(HEIGHT) == there
    assert len(HEIGHT) == sum(len(parts.split()) for parts in LAYERS.values())


def test_nothing_is_imported_from_above() -> None:
    upwards = {
        f"{module} imports {other}"
        for module in MODULES.keys() - {"harness"}
        for other in imports_of(module)
        if height(other) > height(module)
    }
    assert not upwards


def test_nothing_imports_in_a_circle() -> None:
    try:
        TopologicalSorter({module: imports_of(module) for module in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(f"imported in a circle: {' <- '.join(error.args[1])}")


def test_no_module_is_too_long() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST}
    assert max(lengths.values()) > LONGEST // 2, "they were counted"


def test_what_counts_as_an_import() -> None:
    source = """
from typing import TYPE_CHECKING
import os, harness.errors
from harness import provenance, absent
if TYPE_CHECKING:
    from harness.cli import main
else:
    from harness.paths import CHECKOUT
try:
    from harness.vm.probe import measure
except ImportError:
    pass
class Late:
    def late(self):
        with self:
            from harness.scenarios import SCENARIOS, direct
"""
    assert set(imported(ast.parse(source), MODULES)) == {
        "harness",
        "harness.errors",
        "harness.provenance",
        "harness.paths",
        "harness.vm.probe",
        "harness.scenarios",
        "harness.scenarios.direct",
    }


def test_up_is_up() -> None:
    order = (
        "cli",
        "report.text",
        "export",
        "surface",
        "matrix",
        "engines",
        "scenarios",
        "witness",
        "attacker",
        "vm",
        "kernel",
    )
    heights = [height(f"harness.{module}") for module in (*order, "errors")]
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == len(LAYERS)
