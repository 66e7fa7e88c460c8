# SPDX-License-Identifier: GPL-2.0-only
"""Scenario files that users bring: Python files that declare scenarios.

A file may import modules of its folder. `from . import other` always takes the folder's module;
`import other` takes it only if no installed module has the name.
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import replace
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.scenarios.registry import collecting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.scenarios.corpus import Corpus
    from harness.scenarios.registry import Scenario

OPTION = "--scenario"


def load_scenario_files(paths: Iterable[Path], corpus: Corpus) -> Corpus:
    """Execute the files; return the corpus with the scenarios that they declare.

    The files run with the rights of the harness. Raises UserError for a file that fails, with the
    line; for a file that declares no scenario; and for a name that is taken.
    """
    for path in paths:
        found = _load(path)
        corpus = corpus.with_scenarios(found)
    return corpus


def _load(path: Path) -> dict[str, Scenario]:
    with collecting() as found:
        _execute(path.resolve())
    if not found:
        raise UserError(
            f"{path} declares no scenario",
            hint="decorate a function with @scenario(...), as docs/how-to/own-attack.md shows",
        )
    origin = (OPTION, str(path))
    return {name: replace(scenario, origin=origin) for name, scenario in found.items()}


def _execute(path: Path) -> None:
    package = _package(path.parent)
    name = f"{package}.{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file", hint="name a file that ends in .py")
    if not path.is_file():
        raise UserError(f"there is no scenario file {path}", hint="name a file that ends in .py")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except UserError as error:
        raise UserError(f"{_where(error, path)}: {error.message}", hint=error.hint) from error
    except (Exception, SystemExit) as error:
        said = error.msg if isinstance(error, SyntaxError) else error
        raise UserError(
            f"{_where(error, path)}: {type(error).__name__}: {said}",
            hint="correct the scenario file",
        ) from error


def _package(folder: Path) -> str:
    """Make the folder a package with a unique name, and append it to the import path."""
    name = f"umd_scenarios_{sha256(str(folder).encode()).hexdigest()[:16]}"
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
        sys.path.append(str(folder))
    return name


def _where(error: BaseException, path: Path) -> str:
    """Return the file and line of the user's code that the error comes from."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == path.parent]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else str(path)
