# SPDX-License-Identifier: GPL-2.0-only
"""What the steps of a series are asked: what their image says, and what sparse says of them."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from harness.host.errors import UserError
from harness.kernel.proofs.steps import compared, findings, proven_note, strings_in

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


def test_a_warning_is_the_same_in_another_tree_and_on_another_line() -> None:
    def said(tree: str, line: int, text: str) -> str:
        return f"  CHECK   {tree}/mm/swap.c\n{tree}/mm/swap.c:{line}:3: warning: {text}\n"

    before = findings(said("/one/source", 10, "old"), Path("/one/source"))
    after = findings(
        said("/two/source", 12, "old") + said("/two/source", 9, "new"), Path("/two/source")
    )
    assert after - before == {("mm/swap.c", "new"): 1}


def test_a_warning_of_a_header_counts_once() -> None:
    warning = "/source/a.h:1:1: warning: same\n"
    assert findings(warning * 3, Path("/source")) == findings(warning, Path("/source"))


def test_one_more_of_a_warning_is_new_and_one_less_is_not() -> None:
    some, more = Counter({("mm/swap.c", "old"): 1}), Counter({("mm/swap.c", "old"): 2})
    assert "nothing new" in compared(more, some)
    with pytest.raises(UserError, match=r"something new to say: mm/swap\.c: old"):
        compared(some, more)


def test_a_step_that_was_built_is_known_by_all_that_it_is_made_from() -> None:
    steps = [(0, ()), (1, ()), (2, ()), (0, ("mm/swap.o",)), (0, ("mm/swap.o", "mm/gup.o"))]
    notes = [proven_note("6.12", number, objects) for number, objects in steps]
    assert len(set(notes)) == len(steps)
    assert notes == [proven_note("6.12", number, objects) for number, objects in steps]
    assert proven_note("7.2", 1, ()) not in notes
