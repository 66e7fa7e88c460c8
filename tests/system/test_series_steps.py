# SPDX-License-Identifier: GPL-2.0-only
"""The witness applies on top of each part of the series that has the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.host.errors import DoesNotBuild
from harness.host.paths import KERNEL_PATCHES, cache_dir
from harness.kernel.series.lines import kernel_lines
from harness.kernel.series.series_file import load_series
from harness.kernel.source.build_tree import BuildTree
from harness.kernel.source.tarball import find_source
from harness.kernel.source.tree import FRAMEWORK, prepare
from harness.scenarios.corpus import SHIPPED
from harness.studies.kernel_steps import KernelSteps

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("line", kernel_lines(KERNEL_PATCHES))
def test_every_step_applies_with_the_witness_on_top(line: str, tmp_path: Path) -> None:
    steps, series = KernelSteps(line, SHIPPED), load_series(line, patches=KERNEL_PATCHES)
    source = find_source(line, cache=cache_dir())
    tree = BuildTree(tmp_path / line)

    def take(number: int) -> None:
        step = series.step(number)
        prepare(tree, source=source, series=step, progress=lambda _: None, members=(FRAMEWORK,))

    take(steps.last)
    for number in range(steps.last, steps.first - 1, -1):
        take(number)
        assert (tree.source / "kernel/umd_witness/core.c").is_file()
        assert "umd_witness/" in (tree.source / "kernel/Makefile").read_text()
    assert not (tree.source / "security/umd").exists()
    with pytest.raises(DoesNotBuild, match="does not apply"):
        take(steps.first - 1)  # without the library there is nothing that it could stand on
