# SPDX-License-Identifier: GPL-2.0-only
"""The lint of kernel code: the real checkpatch.pl finds what is not kernel style."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from miniature_kernel import write_files

from harness.host.paths import CHECKOUT, cache_dir
from harness.kernel.proofs.checkpatch import checkpatch, complaints_of
from harness.kernel.source.tarball import checks_tree, find_source

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


def checked(patches: Path, files: dict[str, str], *, patch: str = "") -> list[str]:
    """What is complained of in these overlay files and in the patch of their commit."""
    series = f"[[commit]]\nsubject = 'x'\noverlay = {sorted(files)}\n"
    write_files(patches / "overlay", files)
    if patch:
        write_files(patches, {"6.12/0001-a.patch": patch})
        series += "patch = '0001-a.patch'\n"
    write_files(patches, {"6.12/series.toml": series})
    return checkpatch(patches=patches, line="6.12", cache=cache_dir())


def test_clean_files_and_patches_pass(tmp_path: Path) -> None:
    assert checked(tmp_path, {"kernel/clean.c": CLEAN}, patch=PATCH) == []


def test_a_file_that_is_not_kernel_style(tmp_path: Path) -> None:
    complaints = checked(tmp_path, {"kernel/a.c": CLEAN.replace("\treturn", "        return")})
    assert any("CODE_INDENT" in text and "kernel/a.c:6" in text for text in complaints)


def test_a_file_is_checked_as_the_patches_leave_it(tmp_path: Path) -> None:
    file = CLEAN.replace("return 0;", "return 0 ;")
    mend = "--- a/kernel/a.c\n+++ b/kernel/a.c\n@@ -5,3 +5,3 @@\n {\n"
    mend += "-\treturn 0 ;\n+\treturn 0;\n }\n"
    assert any("SPACING" in text for text in checked(tmp_path, {"kernel/a.c": file}))
    assert checked(tmp_path, {"kernel/a.c": file}, patch=PATCH + mend) == []


def test_a_strict_check_counts(tmp_path: Path) -> None:
    complaints = checked(tmp_path, {"kernel/a.h": CLEAN.replace("\treturn", "\n\treturn")})
    assert any(text.startswith("CHECK:BRACES") for text in complaints)


def test_the_complaints_of_many_files_come_in_their_order(tmp_path: Path) -> None:
    indented = CLEAN.replace("\treturn", "        return")
    complaints = checked(tmp_path, {f"kernel/{number}.c": indented for number in range(9)})
    named = re.findall(r"kernel/(\d)\.c:6:", "\n".join(complaints))
    assert "".join(dict.fromkeys(named)) == "012345678"


def test_a_patch_that_is_not_kernel_style(tmp_path: Path) -> None:
    complaints = checked(tmp_path, {}, patch=PATCH.replace("+int hook;", "+int hook ;"))
    assert any("SPACING" in text for text in complaints)


def test_the_driver_of_the_tutorial_is_kernel_style(tmp_path: Path) -> None:
    tree = checks_tree(find_source("6.12", cache=cache_dir()), cache=cache_dir())
    files = [str(path) for path in sorted((CHECKOUT / "docs/tutorials/eir").glob("*.[chS]"))]
    assert len(files) == 5
    assert complaints_of(tree, ["--file"], files, cwd=tmp_path) == []
    wrong = tmp_path / "manager.c"
    wrong.write_text(CLEAN.replace("return 0;", "return (0);"))
    assert complaints_of(tree, ["--file"], [str(wrong)], cwd=tmp_path)
