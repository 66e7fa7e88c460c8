# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree and its build, which the routes read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.commands import output_of
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

_INCLUDED = re.compile(r'^\s*#\s*include\s+"([\w./-]+\.c)"', re.MULTILINE)
_HEADER = re.compile(r'^\s*#\s*include\s+"([\w./-]+\.h)"', re.MULTILINE)
_ARCHIVES = ("vmlinux.a", "built-in.a")


@dataclass(frozen=True)
class KernelTree:
    """A kernel's source and its build, which may be in one folder.

    `name` is its name in the report.
    """

    name: str
    source: Path
    objects: Path

    @property
    def vmlinux(self) -> Path:
        """The kernel with its symbols."""
        return self.objects / "vmlinux"

    @property
    def config(self) -> Path:
        """The configuration of the build."""
        return self.objects / ".config"

    @cached_property
    def options(self) -> frozenset[str]:
        """The options of the build, without their prefix."""
        return options_of(self.config.read_text())

    @cached_property
    def compiled(self) -> tuple[str, ...]:
        """The C files of the kernel and its modules, as sorted paths below the source.

        They include C files that another file includes as text (kernel/sched/build_policy.c), but
        no files that only a former configuration compiled. Raises UserError.
        """
        made = (str(Path(name).with_suffix(".c")) for name in self._linked())
        found = {name for name in made if (self.source / name).is_file()}
        for name in sorted(found):
            found.update(self._included(name))
        return tuple(sorted(found))

    @cached_property
    def headers(self) -> tuple[str, ...]:
        """The headers that the compiled files may include, as sorted paths below the source.

        They are those of the whole kernel, of its architecture, and those that a compiled file
        includes from its own folder.
        """
        arches = {name.split("/")[1] for name in self.compiled if name.startswith("arch/")}
        folders = ["include/linux", *(f"arch/{arch}/include/asm" for arch in arches)]
        found = {
            str(path.relative_to(self.source))
            for folder in folders
            for path in (self.source / folder).rglob("*.h")
        }
        for name in self.compiled:
            found.update(self._included(name, _HEADER))
        return tuple(sorted(found))

    def _linked(self) -> Iterator[str]:
        archive = next((name for name in _ARCHIVES if (self.objects / name).is_file()), "")
        # By its name alone, because `ar` prints a thin archive's members relative to that path.
        status, output = output_of(["ar", "t", archive], cwd=self.objects)
        if status != 0:
            raise UserError(
                f"{self.objects} has no vmlinux.a or built-in.a", hint="build the kernel there"
            )
        yield from output.split()
        order = self.objects / "modules.order"
        for module in order.read_text().split() if order.is_file() else ():
            parts = (self.objects / module).with_suffix(".mod")
            yield from parts.read_text().split() if parts.is_file() else ()

    def text(self, name: str) -> str:
        """Return a source file's text."""
        return (self.source / name).read_text(errors="replace")

    def _included(self, name: str, pattern: re.Pattern[str] = _INCLUDED) -> list[str]:
        included = pattern.findall(self.text(name))
        beside = [normpath(Path(name).parent / path) for path in included]
        return [path for path in beside if (self.source / path).is_file()]


def options_of(config: str) -> frozenset[str]:
    """Return the options that a configuration sets to y or m, without their prefix."""
    return frozenset(re.findall(r"^CONFIG_(\w+)=[ym]$", config, re.MULTILINE))


def built_tree(path: Path) -> KernelTree:
    """Return the built tree at `path`: a source, or a folder of its own (O=).

    Raises UserError if there is no kernel in it.
    """
    folder = path.resolve()
    source = (folder / "source").resolve() if (folder / "source").is_dir() else folder
    for wanted, what in (
        (folder / "vmlinux", "no vmlinux: it is not built"),
        (folder / ".config", "no .config"),
        (source / "include/linux/lsm_hook_defs.h", "no kernel source (5.7 or newer)"),
    ):
        if not wanted.is_file():
            raise UserError(
                f"{folder} has {what}", hint="name the folder that the kernel was built in"
            )
    return KernelTree(str(path), source, folder)
