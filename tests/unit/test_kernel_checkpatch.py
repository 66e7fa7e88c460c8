# SPDX-License-Identifier: GPL-2.0-only
"""The lint of kernel code: the real checkpatch.pl finds what is not kernel style."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniature_kernel import write_files

from harness.kernel.checkpatch import checkpatch
from harness.paths import cache_dir

if TYPE_CHECKING:
    from pathlib import Path

CLEAN = """\
// SPDX-License-Identifier: GPL-2.0-only
/* A file. */

int clean(void)
{
	return 0;
}
"""

PATCH = """\
--- a/kernel/fork.c
+++ b/kernel/fork.c
@@ -1,3 +1,4 @@
 int one;
 int two;
+int hook;
 int three;
"""


def test_clean_files_and_patches_pass(tmp_path: Path) -> None:
    write_files(tmp_path, {"overlay/kernel/clean.c": CLEAN, "6.12/0001-a.patch": PATCH})
    assert checkpatch(patches=tmp_path, line="6.12", cache=cache_dir()) == []


def test_a_file_that_is_not_kernel_style(tmp_path: Path) -> None:
    write_files(tmp_path, {"overlay/kernel/a.c": CLEAN.replace("\treturn", "        return")})
    complaints = checkpatch(patches=tmp_path, line="6.12", cache=cache_dir())
    assert any("CODE_INDENT" in text and "kernel/a.c:6" in text for text in complaints)


def test_a_strict_check_counts(tmp_path: Path) -> None:
    write_files(tmp_path, {"overlay/kernel/a.h": CLEAN.replace("\treturn", "\n\treturn")})
    complaints = checkpatch(patches=tmp_path, line="6.12", cache=cache_dir())
    assert any(text.startswith("CHECK:BRACES") for text in complaints)


def test_a_patch_that_is_not_kernel_style(tmp_path: Path) -> None:
    write_files(tmp_path, {"6.12/0001-a.patch": PATCH.replace("+int hook;", "+int hook ;")})
    (tmp_path / "overlay").mkdir()
    complaints = checkpatch(patches=tmp_path, line="6.12", cache=cache_dir())
    assert any("SPACING" in text for text in complaints)
