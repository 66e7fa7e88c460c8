# SPDX-License-Identifier: GPL-2.0-only
"""The code of one attack: its function, and what the function uses of the files of attacks.

A statement at the top of a file belongs to an attack if the attack's function, or another statement
that belongs to it, has a name in it that the statement binds. A statement that binds no name
belongs to each attack of the file. Names that a file imports of another file of attacks are
followed.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.paths import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.scenarios.corpus import Corpus
    from harness.scenarios.registry import Scenario


_STRING = re.compile(r'"([\w.]+)"')


@dataclass(frozen=True)
class _Statement:
    """A statement at the top of a file."""

    source: str
    binds: frozenset[str]
    uses: frozenset[str]
    """Its names, and its words, such as those of payloads."""
    module: str
    """The module that it imports names of; empty if it imports none."""


@dataclass(frozen=True)
class Code:
    """The source of an attack, and the names and words in it."""

    source: str
    words: frozenset[str]


class AttackCode:
    """The code of the shipped attacks of a corpus."""

    def __init__(self, corpus: Corpus) -> None:
        """Read the package's code, so that no file is opened while cells run."""
        shipped = (one for one in corpus.scenarios.values() if not one.origin)
        self._modules = {one.attack.__module__ for one in shipped}
        self.files = frozenset(map(_file, self._modules))
        """The files of attacks, whose code is told apart."""
        package = {path for path in PACKAGE.rglob("*.py") if path.is_file()}
        self._texts = {path: path.read_text() for path in package | self.files}

    @cached_property
    def words(self) -> frozenset[str]:
        """The words in the files of attacks that no other code has as a string: payloads."""
        own = (one.uses for path in self.files for one in self._statements(path))
        others = (_STRING.findall(self._texts[path]) for path in self._texts.keys() - self.files)
        return frozenset().union(*own).difference(*others)

    def of(self, scenario: Scenario) -> Code:
        """Return the code of a shipped scenario."""
        found: dict[tuple[str, int], _Statement] = {}
        self._gather(scenario.attack.__module__, frozenset({scenario.name}), found)
        words = (one.uses for one in found.values())
        source = "".join(one.source for _, one in sorted(found.items(), key=lambda item: item[0]))
        return Code(source, frozenset().union(*words))

    def _gather(
        self, module: str, names: frozenset[str], found: dict[tuple[str, int], _Statement]
    ) -> None:
        """Add the statements of a module that belong to the names, and what they import."""
        for number, one in enumerate(self._statements(_file(module))):
            if (module, number) in found or not (one.binds & names or not one.binds):
                continue
            found[module, number] = one
            self._gather(module, one.uses, found)
            if one.module in self._modules:
                self._gather(one.module, one.binds, found)

    def _statements(self, path: Path) -> tuple[_Statement, ...]:
        return _statements(self._texts[path])


def _file(module: str) -> Path:
    return Path(sys.modules[module].__file__ or "")


@cache
def _statements(text: str) -> tuple[_Statement, ...]:
    lines = text.splitlines(keepends=True)
    return tuple(_statement(node, lines) for node in ast.parse(text).body)


def _statement(node: ast.stmt, lines: list[str]) -> _Statement:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(one.lineno for one in decorators)])
    return _Statement(
        "".join(lines[first - 1 : node.end_lineno]),
        frozenset(_bound(node)),
        frozenset(_used(node)),
        node.module or "" if isinstance(node, ast.ImportFrom) else "",
    )


def _bound(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import() | ast.ImportFrom():
            for one in node.names:
                yield (one.asname or one.name).partition(".")[0]
        case ast.Assign() | ast.AnnAssign():
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    yield part.id


def _used(node: ast.stmt) -> Iterator[str]:
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name):
                yield name
            case ast.Constant(value=str(text)):
                yield text
