# SPDX-License-Identifier: GPL-2.0-only
"""Why a patch does not apply, from what the real patch(1) says of real patches."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import FILES, PATCH, write_files

from harness.kernel.series.rejects import first_rejected, why_rejected

if TYPE_CHECKING:
    from pathlib import Path

FORK = FILES["kernel/fork.c"]
TWO = """\
@@ -8,2 +9,3 @@
 int fork_step_7(void) { return 7; }
 int fork_step_8(void) { return 8; }
+int fork_end(void) { return 1; }
"""


def reject(where: Path, patch: str, files: dict[str, str]) -> tuple[str, str]:
    """Have patch(1) refuse; what it said and what it rejected."""
    write_files(where, files)
    (where.parent / "patch").write_text(patch)
    options = ["--batch", "--forward", "--fuzz=0", f"--reject-file={where.parent / 'rejects'}"]
    done = subprocess.run(
        ["patch", "-p1", *options, "--input", str(where.parent / "patch")],
        cwd=where,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    rejects = where.parent / "rejects"
    return done.stdout + done.stderr, rejects.read_text() if rejects.is_file() else ""


CASES = {
    "another line": (
        PATCH,
        FORK.replace("return 4;", "return 44;"),
        "hunk 1 of kernel/fork.c, at line 3: line 5 was expected to be "
        "`int fork_step_4(void) { return 4; }`, and is `int fork_step_4(void) { return 44; }`",
    ),
    "moved and changed": (
        PATCH,
        "/* new */\n" * 5 + FORK.replace("return 7;", "return 77;"),
        "hunk 1 of kernel/fork.c, at line 3: line 13 was expected to be "
        "`int fork_step_7(void) { return 7; }`, and is `int fork_step_7(void) { return 77; }`",
    ),
    "white space": (
        PATCH,
        FORK.replace("int fork_step_5", "   int fork_step_5"),
        "hunk 1 of kernel/fork.c, at line 3: line 6 was expected with other white space, "
        "`int fork_step_5(void) { return 5; }`",
    ),
    "nothing like it": (
        PATCH,
        "other\n" * 9,
        "hunk 1 of kernel/fork.c, at line 3: line 3 was expected to be "
        "`int fork_step_2(void) { return 2; }`, and is `other`",
    ),
    "too short": (
        PATCH,
        "".join(FORK.splitlines(keepends=True)[:5]),
        "hunk 1 of kernel/fork.c, at line 3: `int fork_step_5(void) { return 5; }` was expected, "
        "and the file ends at line 5",
    ),
    "the second hunk": (
        PATCH + TWO,
        FORK.replace("return 8;", "return 88;"),
        "hunk 2 of kernel/fork.c, at line 9: line 10 was expected to be "
        "`int fork_step_8(void) { return 8; }`, and is `int fork_step_8(void) { return 88; }`",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_reason(name: str, tmp_path: Path) -> None:
    patch, there, reason = CASES[name]
    said, rejects = reject(tmp_path / "tree", patch, {"kernel/fork.c": there})
    assert why_rejected(said, rejects, where=tmp_path / "tree") == reason


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    said, rejects = reject(tmp_path / "tree", PATCH, {"lib/string.c": ""})
    reason = "it changes kernel/fork.c, which is not there"
    assert why_rejected(said, rejects, where=tmp_path / "tree") == reason


def test_a_patch_that_is_applied_already(tmp_path: Path) -> None:
    lines = FORK.splitlines(keepends=True)
    there = "".join([*lines[:5], "int fork_hook(void) { return 1; }\n", *lines[5:]])
    said, rejects = reject(tmp_path / "tree", PATCH, {"kernel/fork.c": there})
    reason = why_rejected(said, rejects, where=tmp_path / "tree")
    assert reason == "kernel/fork.c looks as if it were changed already"


def test_without_a_hunk_patch_has_the_last_word() -> None:
    assert first_rejected("patch: **** malformed", "") is None
