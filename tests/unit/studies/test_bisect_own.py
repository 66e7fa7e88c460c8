# SPDX-License-Identifier: GPL-2.0-only
"""The search in a user's own series whose steps are built, in miniature; the cells are scripted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from miniature_kernel import LINE, pack
from outcomes import ISOLATED
from own_tree import CHANGE_STRING, OWN_FILES, Own, make_own
from scripted_lab import SmallLab, outcome
from small_corpus import SMALL

from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest, plan_build
from harness.model.verdict import Verdict
from harness.studies.bisect import Trials, bisect
from harness.studies.bisect_report import found_commit
from harness.studies.kernel_steps import KernelSteps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pytest

    from harness.run.cell_runner import CellRunner

ADD_FILE = """\
--- /dev/null
+++ b/lib/{0}.c
@@ -0,0 +1 @@
+int {0}(void) {{ return 0; }}
"""
PATCHES = {
    "lib: Add a file": ADD_FILE.format("first"),
    "lib: Change a string": CHANGE_STRING,
    "lib: Add another file": ADD_FILE.format("second"),
}


@dataclass(frozen=True)
class BuiltSteps(KernelSteps):
    """Steps whose kernels are built. An attack wins where lib/string.c returns 1."""

    own: Own = field(kw_only=True)
    compiled: dict[int, set[str]] = field(default_factory=dict)
    """What each step compiled."""
    configured: list[int] = field(default_factory=list)
    """The steps for which Kconfig was run."""

    def _request(self, number: int) -> BuildRequest:
        return BuildRequest(self.line, step=number, choice=self.choice)

    def key(self, number: int, variants: Sequence[str]) -> str:
        assert variants
        workspace = self.own.mini.workspace
        return plan_build(self._request(number), workspace, progress=lambda _: None).key

    def lab(
        self, number: int, variants: Sequence[str], progress: Callable[[str], None]
    ) -> CellRunner:
        assert set(variants) == {"baseline", "isolated"}
        mini = self.own.mini
        image = kernel_image(self._request(number), progress=progress, workspace=mini.workspace)
        log = image.build_log.read_text()
        made = (line.split() for line in log.splitlines() if line.startswith("  CC "))
        self.compiled[number] = {name for _, name in made}
        if "tinyconfig" in log:
            self.configured.append(number)
        is_open = "return 1" in (mini.built / "source/lib/string.c").read_text()
        won = {("isolated", "proc_mem_write"): outcome(Verdict.TAMPERED, "17 wrong replies")}
        return SmallLab(won if is_open else {})


def test_the_patch_that_opens_the_handler_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    own = make_own(tmp_path, library=False)
    # As in the real kernel, an object is not made anew for every change of the configuration.
    makefile = OWN_FILES["Makefile"].replace("%.c $(O)/.config", "%.c")
    pack(own.mini.sources, {**OWN_FILES, "Makefile": makefile})
    mails = (f"Subject: [PATCH] {name}\n\n---\n{patch}" for name, patch in PATCHES.items())
    (tmp_path / "mine.mbox").write_text(
        "".join(f"From 0 Mon Sep 17 00:00:00 2001\nFrom: Ada <a@b.c>\n{mail}\n" for mail in mails)
    )
    choice = own.choice(tree=None, patches=tmp_path / "mine.mbox", with_library=True)
    steps = BuiltSteps(choice.name, SMALL, choice, patches=own.mini.patches, own=own)
    steps.check()
    assert (choice.folder, steps.plain, steps.last) == (LINE, 2, 5)
    trials = Trials(steps, SMALL, [ISOLATED], jobs=2, progress=lambda _: None)
    said = found_commit(bisect(steps.plain, steps.last, trials, say=lambda _: None), steps)
    assert said.startswith("Commit 4 of 5 makes the change: lib: Change a string\n")
    assert said.endswith("6.12-isolated-proc_mem_write: held -> tampered (17 wrong replies)")
    assert len(steps.compiled.pop(steps.plain)) == 5, "from nothing"
    added = {"lib/first.o", "lib/second.o"}
    assert steps.compiled == {5: {"lib/string.o", *added}, 3: {"lib/string.o"}, 4: {"lib/string.o"}}
    assert steps.configured == [2], "the patches change code alone"
