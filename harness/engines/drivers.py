# SPDX-License-Identifier: GPL-2.0-only
"""The modules that a driver depends on, in load order."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def load_order(modules: Iterable[Path], wanted: Iterable[str]) -> tuple[Path, ...]:
    """Return the files of the modules `wanted` and of their dependencies, dependencies first.

    Raises UserError if one is not among `modules`.
    """
    files = {module.stem.replace("-", "_"): module for module in modules}
    graph: dict[str, list[str]] = {}
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in graph:
            continue
        if name not in files:
            raise UserError(
                f"this kernel has no module {name}",
                hint="configure it with =m, as kernel-patches/config/base.config does",
            )
        graph[name] = _depends(files[name])
        waiting += graph[name]
    return tuple(files[name] for name in TopologicalSorter(graph).static_order())


def _depends(module: Path) -> list[str]:
    """Return the names of the modules in the module's `depends` field, which modpost writes."""
    try:
        with module.open("rb") as file:
            section = ELFFile(file).get_section_by_name(".modinfo")
            notes = section.data().split(b"\0") if section else []
    except ELFError as error:
        raise UserError(f"{module.name} is not a module", hint="rebuild the kernel") from error
    depends = next((n.removeprefix(b"depends=") for n in notes if n.startswith(b"depends=")), b"")
    return [name.replace("-", "_") for name in depends.decode().split(",") if name]
