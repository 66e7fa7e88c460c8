# SPDX-License-Identifier: GPL-2.0-only
"""The executed program is the loaded blob: the kernel compares them at each start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from elftools.elf.constants import P_FLAGS
from elftools.elf.elffile import ELFFile
from late_replies import Failures

from harness.attacker import GuestError
from harness.model.handlers import HASH
from harness.model.variants import VARIANTS
from harness.witness.handler import Handler
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.kernel.build.images import KernelImage
    from harness.lab.lab import Lab

SECOND = "/lib/modules/umd_witness_backdoor.ko"
EI_PAD = 9
"""Offset of a padding byte in an ELF header (System V ABI, "ELF Identification")."""


def padding(image: KernelImage) -> tuple[int, int]:
    """Addresses of unused bytes in the first and in the last page that the page cache maps."""
    with (image.handlers / HASH.program).open("rb") as file:
        segments = [one.header for one in ELFFile(file).iter_segments("PT_LOAD")]
    first, *_, last = (one for one in segments if not one.p_flags & P_FLAGS.PF_W)
    assert first.p_offset == 0
    return int(first.p_vaddr) + EI_PAD, int(last.p_vaddr + last.p_filesz)


def test_a_second_blob_is_refused(attacker: Attacker, witness: Witness) -> None:
    """The kernel said so by a warning, which made each cell an error."""
    witness.wait(lambda tally: tally.count.right > 0, seconds=60, what="right reply")
    before = witness.taint()
    module = attacker.read_file(SECOND)
    with pytest.raises(GuestError, match="EBUSY at init_module"):
        attacker.syscall("init_module", module, len(module), "")
    assert witness.taint() == before


@pytest.mark.parametrize(("without", "runs"), [((), False), (("image",), True)])
@pytest.mark.parametrize("page", [0, 1], ids=["first-page", "last-page"])
def test_a_changed_blob(lab: Lab, without: tuple[str, ...], runs: bool, page: int) -> None:
    """An unused byte differs. With the comparison, no handler starts until the byte is restored."""
    image = lab.images("isolated").kernel
    with replace(lab, without=without).machine("isolated") as machine:
        witness = Witness(machine, image)
        handler = Handler(VARIANTS["isolated"], machine, image, witness)
        handler.wait_for_request()
        before = witness.read()
        failures = Failures(machine, before)
        with machine.paused():
            place = machine.walk(before.page_table, padding(image)[page])
            (byte,) = machine.read(place, 1)
            machine.write(place, bytes([byte ^ 0xFF]))
        handler.restart()
        changed = witness.wait(
            lambda t: t.count.starts > before.count.starts or failures.others(t) > 0,
            seconds=60,
            what="start, or failure that no busy host explains",
        )
        assert (changed.count.starts > before.count.starts) is runs
        assert (failures.others(changed) > 0) is not runs
        with machine.paused():
            machine.write(place, bytes([byte]))
        handler.wait_for_request()
        assert witness.read().count.wrong == 0
