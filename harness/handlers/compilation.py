# SPDX-License-Identifier: GPL-2.0-only
"""The compilation of a handler: the kit, the handler's own file, and the parsers of a tree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.commands import clean_environment, output_of
from harness.host.errors import UserError
from harness.host.paths import HANDLERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.handlers.recipes import Recipe

_COMPLAINT = re.compile(r"error:|undefined reference|multiple definition|cannot find")
_TREE_WARNINGS = ("-Wno-unused-parameter", "-Wno-sign-compare")
"""The kernel's own build has these warnings off."""


@dataclass(frozen=True)
class Compilation:
    """One handler, one compiler, and a folder for what is made."""

    recipe: Recipe
    tree: Path
    scratch: Path
    compiler: Sequence[str]
    """The compiler, and its flags for every file."""

    def objects(self, kit: Sequence[str], library: Sequence[str]) -> list[Path]:
        """Compile the files of the kit, with the flags for their C library, and all others.

        Raises UserError for a file that does not compile.
        """
        library = (*library, f"-I{HANDLERS / 'kit'}")
        own = HANDLERS / self.recipe.source
        made = [self._compile(HANDLERS / name, library) for name in kit]
        if not self.recipe.uses_kernel:
            return [*made, self._compile(own, library)]
        headers = self._headers()
        ours = (own, *sorted((HANDLERS / "kernel").glob("*.c")))
        theirs = [*self._generate(), *(self.tree / name for name in self.recipe.tree)]
        return [
            *made,
            *(self._compile(file, headers) for file in ours),
            *(self._compile(file, (*headers, *_TREE_WARNINGS)) for file in theirs),
        ]

    def _compile(self, file: Path, flags: Sequence[str]) -> Path:
        target = self.scratch / f"{file.parent.name}-{file.stem}.o"
        sizes = [
            f"-DUMD_REQUEST_SIZE={self.recipe.request_size}",
            f"-DUMD_ARENA_SIZE={self.recipe.arena_size}",
        ]
        argv = [*self.compiler, *sizes, *flags, "-c", str(file), "-o", str(target)]
        run_tool(argv, what=str(file))
        return target

    def _headers(self) -> tuple[str, ...]:
        """Return the flags for files that see the tree's headers, and no other."""
        include = self.tree / "include"
        _, own = output_of([self.compiler[0], "-print-file-name=include"])
        return (
            *("-nostdinc", "-isystem", own.strip()),
            *("-include", str(HANDLERS / "kernel" / "kernel.h")),
            *(f"-I{HANDLERS / 'kernel'}", f"-I{self.tree / 'crypto/asymmetric_keys'}"),
            *(f"-I{self.scratch}", f"-I{include}", f"-I{include / 'uapi'}"),
        )

    def _generate(self) -> list[Path]:
        """Run the tree's ASN.1 compiler, and its script for the table of object identifiers."""
        compiler = self.scratch / "asn1_compiler"
        source = self.tree / "scripts/asn1_compiler.c"
        include = f"-I{self.tree / 'include'}"
        argv = ["gcc", include, "-o", str(compiler), str(source)]
        run_tool(argv, what="scripts/asn1_compiler.c")
        made = []
        for grammar in self.recipe.asn1:
            name = self.scratch / f"{Path(grammar).stem}.asn1"
            code, header = f"{name}.c", f"{name}.h"
            run_tool([str(compiler), str(self.tree / grammar), code, header], what=grammar)
            made.append(Path(code))
        registry = self.tree / "include/linux/oid_registry.h"
        argv = ["perl", str(self.tree / "lib/build_OID_registry"), str(registry)]
        argv.append(str(self.scratch / "oid_registry_data.c"))
        run_tool(argv, what="lib/build_OID_registry", env={"srctree": str(self.tree)})
        return made


def run_tool(argv: Sequence[str], *, what: str, env: Mapping[str, str] | None = None) -> None:
    """Run a tool of the build. Raises UserError with its first complaint about `what`."""
    status, said = output_of(argv, env={**clean_environment(), **(env or {})})
    if status:
        complaints = [line for line in said.splitlines() if _COMPLAINT.search(line)]
        first = (complaints or said.splitlines() or ["it said nothing"])[0]
        raise UserError(f"{what} does not build: {first.strip()}", hint="correct the file")
