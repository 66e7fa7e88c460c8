# SPDX-License-Identifier: GPL-2.0-only
"""What an image says when it is loaded, as opposed to what its debug information says."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from harness.kernel.steps import strings_in

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
struct umd_without { int member; } variable;
const char text[] = "umd_isolation";
int main(void) { return text[variable.member]; }
"""


def test_strings_of_the_loaded_image(tmp_path: Path) -> None:
    (tmp_path / "program.c").write_text(PROGRAM)
    compiler = ["gcc", "-g", "-o", "program", "program.c"]
    subprocess.run(compiler, cwd=tmp_path, check=True)
    asked = (b"umd_isolation", b"umd_without", b"umd_isol")
    assert strings_in(tmp_path / "program", asked) == [b"umd_isolation"]
