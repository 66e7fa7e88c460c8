# SPDX-License-Identifier: GPL-2.0-only
"""The findings of the routes in a kernel, kept in the cache under a hash of their inputs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.cache.locks import locked
from harness.cache.notes import read_note, write_note
from harness.cache.places import SURFACE
from harness.host.errors import UserError, VmLost
from harness.kernel.build.build import kept_tree
from harness.kernel.build.plan import BuildRequest
from harness.surface.graph import read_symbols
from harness.surface.hooks import DEFINITIONS
from harness.surface.nodes import find_nodes
from harness.surface.routes import NODES, ROUTES
from harness.surface.tree import KernelTree, built_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.lab.lab import Lab

_CODE = (
    *("tree.py", "graph.py", "entries.py", "hooks.py", "senders.py", "writes.py", "spares.py"),
    *("semantic.py", "senders.cocci", "writes.cocci", "spares.cocci"),
    *("nodes.py", "node_names.py"),
)
"""The inputs of the findings."""
_WAIT_SECONDS = 900.0
_TRIES = 3


@dataclass(frozen=True)
class Facts:
    """The entries of each route, and the names of the kernel's functions."""

    name: str
    routes: Mapping[str, Mapping[str, str]]
    functions: frozenset[str]


class _Noted(msgspec.Struct):
    """The cached findings of the routes that need no guest."""

    routes: dict[str, dict[str, str]]
    functions: list[str]


def facts_of_tree(path: Path, *, progress: Callable[[str], None]) -> Facts:
    """Search a built tree of the user. Raises UserError."""
    tree = built_tree(path)
    progress(f"surface: reading {tree.source}")
    return _static(tree, _digest_of(tree), progress=progress)


def facts_of_line(lab: Lab, *, progress: Callable[[str], None]) -> Facts:
    """Search a line's kernel, and a guest that runs it. Raises UserError."""
    key = lab.image.key
    static = _kept(key) or _static(
        line_tree(lab.line, progress=progress), key, name=lab.line, progress=progress
    )
    return Facts(
        lab.line,
        {**static.routes, NODES: nodes_of(lab, progress=progress)},
        static.functions,
    )


def line_tree(line: str, *, progress: Callable[[str], None]) -> KernelTree:
    """Return the build tree of a line, which holds the line's kernel again. Raises UserError."""
    tree = kept_tree(BuildRequest(line), progress=progress)
    return KernelTree(line, tree.source, tree.objects)


def _static(
    tree: KernelTree, key: str, *, progress: Callable[[str], None], name: str = ""
) -> Facts:
    """Return the findings of the routes that need no guest."""
    place = SURFACE.path()
    with locked(place.with_name(f"{place.name}.lock"), seconds=_WAIT_SECONDS):
        if kept := _kept(key):
            return Facts(name or tree.name, kept.routes, kept.functions)
        found = {}
        for route in ROUTES:
            if route.find:
                progress(f"surface: {route.title}")
                found[route.name] = route.find(tree)
        functions = frozenset(read_symbols(tree.vmlinux).functions.values())
        write_note(_place(key), _Noted(found, sorted(functions)))
    return Facts(name or tree.name, found, functions)


def _kept(key: str) -> Facts | None:
    note = read_note(_place(key), _Noted)
    return None if note is None else Facts("", note.routes, frozenset(note.functions))


def nodes_of(lab: Lab, *, progress: Callable[[str], None]) -> Mapping[str, str]:
    """Return the files of a line's guest, with their modes. Raises UserError."""
    place = _place(f"{lab.image.key}{lab.guest.key}{NODES}")
    if (noted := read_note(place, dict[str, str])) is not None:
        return noted
    progress("surface: listing the files of a guest")
    for tries_left in reversed(range(_TRIES)):
        try:
            found = find_nodes(lab)
            break
        except VmLost as lost:
            if not tries_left:
                raise UserError(f"no guest listed its files: {lost}", hint="try again") from lost
    write_note(place, found)
    return found


def _place(key: str) -> Path:
    """Return the cache file of the findings for this key and for the current code of the routes."""
    total = hashlib.sha256(key.encode())
    for name in _CODE:
        total.update((Path(__file__).parent / name).read_bytes())
    return SURFACE.path() / f"{total.hexdigest()[:32]}.json"


def _digest_of(tree: KernelTree) -> str:
    """Return a hash of the parts of a tree that the routes read."""
    total = hashlib.sha256()
    with tree.vmlinux.open("rb") as file:
        total.update(hashlib.file_digest(file, "sha256").digest())
    for name in (DEFINITIONS, *tree.compiled, *tree.headers):
        total.update(name.encode() + (tree.source / name).read_bytes())
    return total.hexdigest()
