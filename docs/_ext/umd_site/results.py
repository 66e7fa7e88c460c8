# SPDX-License-Identifier: GPL-2.0-only
"""The fields of files and objects for programs, from the declarations and their docstrings."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import harness.results
from harness.report import listing_json
from umd_site.text import code, prose, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = Path(str(harness.results.__file__)).parent

_FIRST, _SECOND = "result_line", "run_header"
"""The modules of the files that people read most: results.jsonl and run.json."""

_ROOT = "Struct"
"""The class of msgspec from which what is kept on disk is derived."""


@dataclass(frozen=True)
class Field:
    """A field of an object in a file: its name, its type as it is written, and its meaning."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Declaration:
    """An object in a file: the class that declares it, and its fields, the inherited ones first."""

    module: str
    name: str
    about: str
    fields: tuple[Field, ...]


def structs(files: Iterable[Path] | None = None) -> list[Declaration]:
    """Return each class that declares an object, in these files or in those of harness/results/."""
    known: dict[str, Declaration] = {}
    for path in files or sorted(FOLDER.glob("*.py"), key=_order):
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
                if _ROOT in bases or any(base in known for base in bases):
                    inherited = [f for base in bases if base in known for f in known[base].fields]
                    fields = (*inherited, *_fields(node))
                    known[node.name] = Declaration(_about(tree), node.name, _about(node), fields)
    return [struct for name, struct in known.items() if not name.startswith("_")]


def _order(path: Path) -> tuple[bool, bool, str]:
    return path.stem != _FIRST, path.stem != _SECOND, path.stem


def _about(node: ast.ClassDef | ast.Module) -> str:
    return (ast.get_docstring(node) or "").split("\n\n")[0]


def _fields(node: ast.ClassDef) -> Iterator[Field]:
    for statement, follows in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield Field(statement.target.id, ast.unparse(statement.annotation), _said(follows))


def _said(statement: ast.stmt | None) -> str:
    """Return what the string after a field says of it."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return str(statement.value.value)
    return ""


def tables() -> str:
    """Return a part for each module, with a table for each object that the module declares."""
    parts: dict[str, list[str]] = {}
    for struct in structs():
        parts.setdefault(struct.module, []).append(_section(struct))
    return "\n".join(f"### {_title(name)}\n\n{''.join(parts[name])}" for name in parts) + "\n"


def list_tables() -> str:
    """Return a table for each object that `umd-harness list --format json` prints."""
    declared = structs([Path(str(listing_json.__file__))])
    return "".join(map(_section, reversed(declared)))


def _title(about: str) -> str:
    return prose(about).rstrip(".")


def _section(struct: Declaration) -> str:
    rows = [
        [code(field.name), code(field.type).replace("|", "\\|"), prose(field.meaning)]
        for field in struct.fields
    ]
    head = ["field", "type", "meaning"]
    return f"**{struct.name}**: {prose(struct.about)}\n\n{table(head, *rows)}\n\n"
