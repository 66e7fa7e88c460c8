# SPDX-License-Identifier: GPL-2.0-only
"""The handlers' programs, built once for the tests that ask them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.handlers.build import build_handler, handler_tree
from harness.handlers.recipes import RECIPES

CONFINE = Path(__file__).parent.parent / "handlers" / "confine.c"


@pytest.fixture(scope="session")
def tree() -> Path:
    """The parts of the kernel's source that handlers are built from."""
    return handler_tree()


@pytest.fixture(scope="session")
def programs(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the shipped handlers."""
    folder = tmp_path_factory.mktemp("handlers")
    for name, recipe in RECIPES.items():
        build_handler(recipe, folder / name, tree=tree)
    return folder


@pytest.fixture(scope="session")
def confine(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program that has a handler killed for any system call but read, write and exit."""
    program = tmp_path_factory.mktemp("confine") / "confine"
    subprocess.run(["gcc", "-Wall", "-Werror", "-o", program, CONFINE], check=True, timeout=60)
    return str(program)
