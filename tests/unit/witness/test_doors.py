# SPDX-License-Identifier: GPL-2.0-only
"""The functions that QEMU counts, and when a call of them leaves no conclusion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from boot_images import BOUNDARIES, boot_images
from tallies import AFTER, COMPLETED, evidence

from harness.host.errors import UserError
from harness.model.attempt_end import AttemptEnd, End
from harness.model.verdict import Verdict
from harness.vm.kernel_watch import DOORS as ROOM
from harness.vm.kernel_watch import KernelCalls
from harness.witness.cell_verdict import TAKEN_OVER, draw_verdict
from harness.witness.doors import DOORS, REFUSING, kernel_code

if TYPE_CHECKING:
    from pathlib import Path

WRONG = replace(AFTER, count=replace(AFTER.count, wrong=2, right=68))
LOADED, ASKED = {"add_taint_module": 1}, {"uart_set_info_user": 1}
LOCKED_DOWN = AttemptEnd(End.LOCKED_DOWN, "EPERM at ioctl")


def test_all_doors_have_room_in_the_plugin() -> None:
    assert len(set(DOORS)) == len(DOORS) <= ROOM
    assert set(DOORS) > REFUSING


def test_a_kernel_is_watched_for_the_functions_that_it_has(tmp_path: Path) -> None:
    kernel = boot_images(tmp_path, functions=("write_mem", "wrmsrq_safe_on_cpu")).kernel
    code = kernel_code(kernel)
    assert code.doors == {
        "write_mem": kernel.symbol("write_mem"),
        "wrmsr_safe_on_cpu": kernel.symbol("wrmsrq_safe_on_cpu"),
    }
    assert code.text[0] == (kernel.symbol("_stext"), kernel.symbol("_etext"))


def test_a_door_under_another_name_is_told(tmp_path: Path) -> None:
    """Nothing would watch it. 7.2 has /dev/mem mapped by a function of another name."""
    for name in ("mmap_mem", "mmap_mem_prepare"):
        kernel = boot_images(tmp_path, "DEVMEM", functions=("write_mem", name)).kernel
        assert set(kernel_code(kernel).doors) == {"write_mem", "mmap_mem"}
    kernel = boot_images(tmp_path, "DEVMEM", functions=("write_mem", "mmap_mem_later")).kernel
    with pytest.raises(UserError, match="has DEVMEM and no function mmap_mem, by which root"):
        kernel_code(kernel)


def test_a_kernel_without_boundaries_is_told(tmp_path: Path) -> None:
    kernel = boot_images(tmp_path).kernel
    symbols = kernel.system_map.read_text().replace(BOUNDARIES[1], "other")
    kernel.system_map.write_text(symbols)
    with pytest.raises(UserError, match="no symbol _etext"):
        kernel_code(kernel)


def test_what_came_since() -> None:
    earlier = KernelCalls({"write_mem": 1, "msr": 0}, 2, 0x10)
    assert earlier.since(earlier) == {}
    later = KernelCalls({"write_mem": 1, "msr": 3}, 4, 0x10)
    assert later.since(earlier) == {"msr": 3, "code at 0x10": 2}


@pytest.mark.parametrize("ways", [LOADED, ASKED, LOADED | {"code at 0x10": 2}])
def test_a_way_in_leaves_no_conclusion_unless_the_handler_was_tampered_with(
    ways: dict[str, int],
) -> None:
    drawn = draw_verdict(evidence(entered=ways), COMPLETED)
    assert (drawn.verdict, drawn.detail) == (Verdict.ERROR, f"{TAKEN_OVER}: {', '.join(ways)}")
    failed = replace(AFTER, count=replace(AFTER.count, failed=1, right=69))
    assert draw_verdict(evidence(after=failed, entered=ways), COMPLETED).verdict is Verdict.ERROR
    assert draw_verdict(evidence(after=WRONG, entered=ways), COMPLETED).verdict is Verdict.TAMPERED


def test_a_refusal_is_believed_only_without_a_sure_way_in() -> None:
    """A function that checks a permission itself is called by an attack that it refuses."""
    refused = evidence(whole_kernel=True, entered=ASKED)
    assert draw_verdict(refused, LOCKED_DOWN).verdict is Verdict.HELD
    for ways in (LOADED, LOADED | ASKED, {"uart_set_info_user": 2}):
        let_in = evidence(whole_kernel=True, entered=ways)
        assert draw_verdict(let_in, LOCKED_DOWN).verdict is Verdict.ERROR
