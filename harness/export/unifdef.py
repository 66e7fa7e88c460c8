# SPDX-License-Identifier: GPL-2.0-only
"""Removes code for tests only from kernel code, by the kernel's own scripts/unifdef.c."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.commands import output_of
from harness.host.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

OPTION = "CONFIG_UMD_WITNESS"
"""The option that code for tests only depends on."""

SOURCE = "scripts/unifdef.c"
_UNCHANGED, _CHANGED = 0, 1


@dataclass(frozen=True)
class Unifdef:
    """The built tool."""

    program: Path

    @classmethod
    def build(cls, tree: Path, folder: Path) -> Unifdef:
        """Build the tool from a kernel source into `folder`. Raises UserError."""
        program = folder / "unifdef"
        status, said = output_of(["gcc", "-O1", "-w", "-o", str(program), str(tree / SOURCE)])
        if status != 0:
            raise UserError(
                f"{SOURCE} does not compile: {(said.splitlines() or [''])[0]}",
                hint="install gcc and libc6-dev, or export with the witness",
            )
        return cls(program)

    def strip(self, path: Path) -> bool:
        """Rewrite a file as if OPTION did not exist; return whether anything was removed.

        Only C code is changed, because Makefiles and Kconfig have no such conditions.
        """
        if path.suffix not in (".c", ".h") or OPTION not in path.read_text():
            return False
        target = path.with_name(f".{path.name}.new")
        argv = [str(self.program), "-B", f"-U{OPTION}", "-o", str(target), str(path)]
        status, said = output_of(argv)
        if status not in (_UNCHANGED, _CHANGED):
            target.unlink(missing_ok=True)
            raise UserError(
                f"unifdef failed on {path.name}: {said.strip()}", hint="correct the file's #ifs"
            )
        target.replace(path)
        return status == _CHANGED
