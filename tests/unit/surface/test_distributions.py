# SPDX-License-Identifier: GPL-2.0-only
"""Options that distributions have and our kernel lacks: found, reviewed and printed."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from small_kernel_tree import small_tree

from harness.host.errors import UserError
from harness.surface.distributions import (
    LACKING,
    REVIEW,
    Lacking,
    are_reviewed,
    conditional,
    lacking,
    options_report,
    ways,
)

if TYPE_CHECKING:
    from pathlib import Path

TASK = """
struct task_struct {
	int prio;
#ifdef CONFIG_CLAMP
	int clamp;
#endif
};
"""
HEADERS = ("sched/signal.h", "mm_types.h", "cred.h")


def test_what_adds_to_a_task_or_looks_a_task_up_is_found(tmp_path: Path) -> None:
    tree = small_tree(tmp_path)
    include = tree.source / "include/linux"
    (include / "sched").mkdir(exist_ok=True)
    (include / "sched.h").write_text(TASK)
    for name in HEADERS:
        (include / name).write_text("")
    processor = tree.source / "arch/x86/include/asm/processor.h"
    processor.parent.mkdir(parents=True)
    processor.write_text("")
    folder = tree.source / "fs/served"
    folder.mkdir(parents=True)
    (folder / "Makefile").write_text(
        "obj-$(CONFIG_SERVED) += served.o\nserved-y := main.o \\\n\tpeer.o\n"
        "obj-$(CONFIG_STILL) += still.o\n"
    )
    (folder / "main.c").write_text("int main_open(void) { return 0; }\n")
    (folder / "peer.c").write_text("void peer(int n) { find_task(n); }\n")
    (folder / "still.c").write_text("void still(void) { }\n")
    assert ways(tree, {"CLAMP", "SERVED", "STILL"}) == {
        "CLAMP": "member of task_struct",
        "SERVED": "fs/served/peer.c: find_task",
    }
    assert ways(tree, {"STILL"}) == {}


def test_a_condition_ends_where_it_ends() -> None:
    text = "#ifdef CONFIG_A\n#if defined(CONFIG_B)\nint b;\n#endif\n#endif\nint always;\n"
    assert conditional(text) == {"A", "B"}
    assert conditional("#ifndef CONFIG_A\nint without;\n#endif\n") == set()
    assert conditional("#ifdef CONFIG_A\n#endif\nint always;\n") == set()


def test_each_shipped_option_is_reviewed_and_no_other() -> None:
    reviewed = [option for table in tomllib.loads(REVIEW.read_text()).values() for option in table]
    assert sorted(reviewed) == sorted(tomllib.loads(LACKING.read_text()))


def test_the_known_ones_are_found() -> None:
    shipped = tomllib.loads(LACKING.read_text())
    assert {"FUSE_FS", "BSD_PROCESS_ACCT", "UCLAMP_TASK"} <= set(shipped)
    assert shipped["BSD_PROCESS_ACCT"]["in"] == ["Debian", "Fedora"]


def test_an_option_of_ours_is_no_longer_lacking(tmp_path: Path) -> None:
    found, review = tmp_path / "found.toml", tmp_path / "review.toml"
    found.write_text('[BPF_LSM]\nin = ["Debian"]\nway = "w"\n[NEW]\nin = ["Fedora"]\nway = "w"\n')
    review.write_text("")
    (one,) = lacking(found=found, review=review)
    assert (one.option, one.verdict) == ("NEW", "")
    review.write_text("[harmless]\nNEW = 'why'\n")
    with pytest.raises(UserError, match=r"harmless.*take unattacked"):
        lacking(found=found, review=review)


def test_what_is_not_attacked_or_not_reviewed_is_printed() -> None:
    reviewed = [
        Lacking("A", ("Debian",), "a.c: find_vpid", "unattacked", "a way"),
        Lacking("C", ("Fedora",), "c.c: send_sig", "no-way", "SIGPIPE to the caller"),
    ]
    options = [*reviewed, Lacking("B", ("Debian", "Fedora"), "b.c: find_vpid")]
    assert are_reviewed(reviewed)
    assert not are_reviewed(options)
    text = options_report(options)
    assert text.splitlines()[0].startswith("3 options of distributions")
    assert "2 without a scenario or a review" in text
    assert "unattacked A  (Debian: a way)" in text
    assert "open       B  (Debian, Fedora: not reviewed: b.c: find_vpid)" in text
    assert " C " not in text
