# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness list`: the corpus as text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from command_line import umd_harness

from harness.model.variants import VARIANTS
from harness.scenarios import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path


def test_list_says_what_each_variant_should_give(tmp_path: Path) -> None:
    listed = umd_harness(tmp_path, "list", whole=True).stdout
    for name, scenario in SCENARIOS.items():
        assert f"\n{name}  (effect" in f"\n{listed}"
        assert scenario.surface in listed
        assert ", ".join(scenario.answers) in listed
    for variant in VARIANTS.values():
        assert variant.summary in listed


def test_list_marks_controls_holes_and_what_is_not_applicable(tmp_path: Path) -> None:
    listed = umd_harness(tmp_path, "list").stdout
    assert (
        textwrap.dedent(
            """
        escape_openat  (effect escape, surface escape-syscall, answers C1, R13)
            From inside: open a file.
            reachable with: ours, Debian, Fedora
            baseline        tampered  control
            isolated        held
            isolated-debug  held
            kthread         n/a  nothing confines kernel code
        """
        )
        in listed
    )
    assert "\n    isolated        tampered  known hole: who writes all of memory" in listed
    assert "\n    kthread         tampered  who writes all of memory" in listed


def test_the_page_has_each_attack_once_with_its_verdicts_and_reasons(tmp_path: Path) -> None:
    page = umd_harness(tmp_path, "list", "--format", "markdown").stdout
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) == len({row.split("|")[1] for row in rows})
    assert (
        "| `escape_openat` | From inside: open a file. | escape | escape-syscall |  "
        "| ours, Debian, Fedora | C1, R13 | tampered | held | held | n/a |"
    ) in rows
    assert "- `escape_openat` on kthread: nothing confines kernel code" in page
    assert "- `dev_mem` on isolated, isolated-debug, kthread: who writes all of memory" in page
