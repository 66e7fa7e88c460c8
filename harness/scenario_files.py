# SPDX-License-Identifier: GPL-2.0-only
"""Scenario files of the user's own: Python files that register scenarios as ours do."""

from __future__ import annotations

import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def load_scenario_files(paths: Iterable[Path]) -> list[str]:
    """Execute each file, so that its scenarios join the registry; return their names.

    The files are code and run as whoever runs the harness. Raises UserError, with the line, for a
    file that cannot be executed or that registers nothing.
    """
    before = set(SCENARIOS)
    for path in paths:
        known = len(SCENARIOS)
        _execute(path.resolve())
        if len(SCENARIOS) == known:
            raise UserError(
                f"{path} registers no scenario",
                hint="decorate a function with @scenario(...), as README.md shows",
            )
    return [name for name in SCENARIOS if name not in before]


def _execute(path: Path) -> None:
    name = f"umd_scenarios_{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file", hint="name a file that ends in .py")
    if not path.is_file():
        raise UserError(f"there is no scenario file {path}", hint="name a file that ends in .py")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        where = _where(error, path)
        raise UserError(
            f"{where}: {type(error).__name__}: {error}", hint="mend the scenario file"
        ) from error


def _where(error: Exception, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f"{path}:{own[-1]}" if own else str(path)
