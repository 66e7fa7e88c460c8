# SPDX-License-Identifier: GPL-2.0-only
"""What is in the wheel: all that a run needs outside a checkout, and nothing of former builds."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from harness.cli.man_page import PLACE, man_page
from harness.host.paths import CHECKOUT
from harness.host.version import version

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("harness", "kernel-patches", "guest-images")
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
DATA = "harness/data/"
IGNORED = shutil.ignore_patterns("__pycache__")

SDIST = "from setuptools import build_meta; build_meta.build_sdist('dist')"


def run(where: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=where, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from the source archive, as `python -m build` does; of a copy, which it litters."""
    place = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        shutil.copytree(CHECKOUT / part, place / part, ignore=IGNORED)
    for name in FILES:
        shutil.copy(CHECKOUT / name, place)
    run(place, "-c", SDIST)
    (archive,) = (place / "dist").glob("*.tar.gz")
    offline = ("--no-deps", "--no-index", "--no-build-isolation")
    run(place, "-m", "pip", "wheel", *offline, "--wheel-dir", "dist", str(archive))
    (built,) = (place / "dist").glob("*.whl")
    return zipfile.ZipFile(built)


def shipped(part: str) -> dict[str, bytes]:
    """The part's files, as the checkout has them."""
    return {
        str(path.relative_to(CHECKOUT)): path.read_bytes()
        for path in (CHECKOUT / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("part", PARTS[1:])
def test_what_is_beside_the_package_is_in_it(wheel: zipfile.ZipFile, part: str) -> None:
    carried = {
        name.removeprefix(DATA): wheel.read(name)
        for name in wheel.namelist()
        if name.startswith(f"{DATA}{part}/")
    }
    assert carried == shipped(part)


def test_the_package_is_whole_and_alone(wheel: zipfile.ZipFile) -> None:
    modules = {name for name in wheel.namelist() if not name.startswith(DATA)}
    info = {name for name in modules if ".dist-info/" in name or ".data/data/share/" in name}
    assert modules - info == set(shipped("harness"))
    assert "harness/scenarios/direct.py" in modules


def test_the_man_page_is_where_pip_lays_man_pages(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if ".data/" in name)
    assert name.endswith(f".data/data/{PLACE}")
    assert wheel.read(name).decode() == man_page(version())


def test_the_command_and_the_plugin_are_announced(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    announced = wheel.read(name).decode().split("\n")
    assert "umd-harness = harness.cli.main:main" in announced
    assert "umd-harness = harness.pytest_plugin.plugin" in announced


def test_nothing_tells_its_user_to_run_what_only_a_checkout_has() -> None:
    """`./run` is not in the wheel; the one line that may name it looks where it is first."""
    naming = {
        str(path.relative_to(CHECKOUT))
        for path in (CHECKOUT / "harness").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and "./run" in str(node.value)
    }
    assert naming == {"harness/report/text.py"}
