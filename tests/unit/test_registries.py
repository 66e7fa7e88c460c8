# SPDX-License-Identifier: GPL-2.0-only
"""What a module holds at its top is what ships: no function writes to it.

A function may keep a cache (`functools.cache`), and a context variable is scoped by its block.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import harness

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(harness.__file__).parent
CHANGING = {
    *("add", "append", "clear", "discard", "extend", "insert", "pop", "popitem"),
    *("remove", "setdefault", "update", "difference_update", "intersection_update"),
}
"""The methods by which lists, sets and dictionaries change."""


def top_names(tree: ast.Module) -> set[str]:
    """The names that a module binds at its top, by assignments and by imports."""
    names = set()
    for node in ast.walk(ast.Module([n for n in tree.body if not _is_scope(n)], [])):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
    return names


def written(source: str) -> Iterator[str]:
    """Yield what functions do to the names at the top of the module."""
    tree = ast.parse(source)
    top = top_names(tree)
    for scope in filter(_is_function, ast.walk(tree)):
        own = {arg.arg for arg in ast.walk(scope) if isinstance(arg, ast.arg)} | {
            node.id
            for node in ast.walk(scope)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for node in ast.walk(scope):
            if isinstance(node, ast.Global):
                yield from (f"global {name}" for name in node.names)
            elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
                if _is_top(node.value, top - own):
                    yield ast.unparse(node)
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in CHANGING
                and _is_top(node.func.value, top - own)
            ):
                yield ast.unparse(node.func)


def _is_scope(node: ast.AST) -> bool:
    return _is_function(node) or isinstance(node, ast.ClassDef)


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _is_top(node: ast.expr, top: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in top


def test_no_function_writes_to_a_registry() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}: {write}"
        for path in PACKAGE.rglob("*.py")
        for write in written(path.read_text())
    }
    assert not found


@pytest.mark.parametrize(
    "body",
    ["TABLE['a'] = 1", "del TABLE['a']", "TABLE.update(a=1)", "global TABLE", "LIST.append(1)"],
)
def test_a_write_is_found(body: str) -> None:
    source = (
        f"from elsewhere import LIST\nTABLE = {{}}\nTABLE['at the top'] = 1\ndef f():\n    {body}\n"
    )
    assert list(written(source))


def test_what_is_a_functions_own_is_none() -> None:
    source = "TABLE = {}\ndef f(given):\n    TABLE = {}\n    TABLE['a'] = given.pop()\n"
    assert not list(written(source))
