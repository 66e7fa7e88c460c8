# SPDX-License-Identifier: GPL-2.0-only
"""What an attack of a kept run does, and where its source is. No file of a user is executed."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.scenarios.corpus import Corpus


@dataclass(frozen=True)
class AttackSource:
    """The description of an attack, and the place of its source."""

    about: str = ""
    """The docstring; empty if the source is not there."""
    path: str = ""
    line: int | None = None
    """The line on which its declaration begins."""

    @property
    def place(self) -> str:
        """`file:line`; empty if the source is not there."""
        return f"{self.path}:{self.line}" if self.line else self.path


def attack_source(name: str, corpus: Corpus, files: Iterable[str]) -> AttackSource:
    """Find a scenario in the corpus, or else in the scenario files and programs of the run."""
    if known := corpus.scenarios.get(name):
        code = known.attack.__code__
        about = inspect.getdoc(known.attack) or ""
        return AttackSource(about, _near(code.co_filename), code.co_firstlineno)
    for file in map(Path, files):
        if file.suffix != ".py" and name in (file.name, file.stem):
            return AttackSource("An attack program of the user's own.", str(file))
        if file.suffix == ".py" and (found := _declared(name, file)):
            return found
    return AttackSource()


def _declared(name: str, file: Path) -> AttackSource | None:
    if not file.is_file():
        return None
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            first = min((one.lineno for one in node.decorator_list), default=node.lineno)
            return AttackSource(ast.get_docstring(node) or "", str(file), first)
    return None


def _near(path: str) -> str:
    """Return the path from the current directory, if it is below that."""
    there = Path(path)
    return str(there.relative_to(Path.cwd())) if there.is_relative_to(Path.cwd()) else path
