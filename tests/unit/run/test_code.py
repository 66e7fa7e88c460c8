# SPDX-License-Identifier: GPL-2.0-only
"""The hash of the code that takes part in verdicts changes with that code, and only with it."""

from __future__ import annotations

import ast
import shutil
from typing import TYPE_CHECKING

import pytest

from harness.host.paths import GUEST_IMAGES, PACKAGE
from harness.run import code
from harness.run.code import APART, FOLDERS, code_digest, code_files, judging_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OTHERS = {
    "cache",
    "campaign",
    "cli",
    "export",
    "findings",
    "handlers",
    "kernel",
    "kselftest",
    "pytest_plugin",
    "report",
    "shell",
    "studies",
    "surface",
}

JUDGING = {
    "brought": "attack_program variant_files",
    "host": "children commands debian_archive end_signals errors files memory pace paths "
    "suggestion",
    "judge": "cells conclusion controls expectations result",
    "results": "cell_files recorded_run records result_line results_file run_comparison "
    "run_directory",
    "run": "attack_code cargo cell_runner cluster cluster_pool cluster_worker code grounds "
    "kept_cells ledger parcels pool provenance request run_plan stop_signals stopped_run vmcores",
}
"""The modules that count for a cell, in each folder that also has modules apart."""

USED = {
    "results/recorded_run.py": {"results/run_name.py"},
    "results/run_directory.py": {"results/run_header.py"},
    "run/provenance.py": {"host/facts.py", "results/run_header.py"},
    "run/request.py": {"brought/options.py", "judge/selection.py"},
    "run/run_plan.py": {"results/counts.py", "results/run_name.py", "run/kept_reports.py"},
    "run/stopped_run.py": {"brought/digests.py", "results/run_header.py"},
}
"""The modules apart that modules which count import: for what comes before and after the cells."""


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, installed in another place."""
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "harness", ignore=skipped)
    shutil.copytree(GUEST_IMAGES, tmp_path / "data/guest-images")
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "harness")
    monkeypatch.setattr(code, "GUEST_IMAGES", tmp_path / "data/guest-images")
    return tmp_path


def test_each_folder_takes_part_or_does_not() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == {*FOLDERS, *OTHERS}


def test_each_module_of_a_divided_folder_has_its_side() -> None:
    counting = {f"{folder}/{name}.py" for folder in JUDGING for name in JUDGING[folder].split()}
    every = {name for name, _ in code_files() if not name.endswith("/__init__.py")}
    assert {name for name in every if name.partition("/")[0] in JUDGING} == {*counting, *APART}
    assert not counting & APART.keys()
    assert {name for name, _ in code_files()} - {name for name, _ in judging_files()} == {*APART}


def test_what_runs_and_judges_cells_imports_nothing_apart() -> None:
    found = {
        name: set(imports_apart(ast.parse(path.read_text())))
        for name, path in judging_files()
        if path.suffix == ".py"
    }
    assert {name: used for name, used in found.items() if used} == USED


def imports_apart(node: ast.AST) -> Iterator[str]:
    """The modules apart that code imports, at once or in a function, but not for types alone."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    names = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    files = {f"{name.removeprefix('harness.').replace('.', '/')}.py" for name in names}
    yield from files & APART.keys()
    for child in ast.iter_child_nodes(node):
        yield from imports_apart(child)


def test_an_import_of_a_module_apart_is_found() -> None:
    code = "def f():\n    from harness.results import counts\nif TYPE_CHECKING:\n    {}"
    hidden = "from harness.run.merge import unite"
    assert [*imports_apart(ast.parse(code.format(hidden)))] == ["results/counts.py"]
    assert [*imports_apart(ast.parse(hidden))] == ["run/merge.py"]


def test_the_place_of_the_package_does_not_count(request: pytest.FixtureRequest) -> None:
    here = code_digest()
    request.getfixturevalue("copy")
    assert code_digest() == here


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("harness/judge/conclusion.py", True),
        ("harness/scenarios/surface.toml", True),
        ("harness/vm/kernel_watch.c", True),
        ("harness/kernel/build/renamed.py", True),
        ("data/guest-images/payloads/ask.c", True),
        ("harness/report/terminal.py", False),
        ("harness/judge/__pycache__/x.pyc", False),
    ],
    ids=["module", "table", "plugin of QEMU", "doors", "payload", "report", "bytecode"],
)
def test_code_that_takes_part_counts(copy: Path, name: str, counts: bool) -> None:
    before = code_digest()
    (copy / name).parent.mkdir(exist_ok=True)
    with (copy / name).open("a") as file:
        file.write("\n")
    assert (code_digest() != before) == counts
