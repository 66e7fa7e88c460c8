# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's sanitizers see planted defects, and none in the series."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from guest_module import build_module

from harness.model.verdict import Verdict
from harness.witness.cell_verdict import NO_COMPLAINT
from harness.witness.handler import Handler

if TYPE_CHECKING:
    from pathlib import Path

    from cells import Cells

    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.vm.machine import Machine
    from harness.witness.reader import Witness

PLANTED = "/tmp/planted.ko"  # noqa: S108 - in the guest
KMEMLEAK = "/sys/kernel/debug/kmemleak"
DEFECTS = {
    "use after free": (1, "taint 0x20, lockdep is off"),
    "overflow": (2, "taint 0x20, lockdep is off"),
    "lock inversion": (3, "taint 0x0, lockdep is off"),
    "shift": (4, "taint 0x80, lockdep is off"),
    "atomic sleep": (5, "taint 0x200"),
}
"""By name: the number in planted.c, and how the verdict ends that tells of it."""
LEAK = 6
OURS = re.compile(rb"^ {4}.*\b(?:umd_|witness_)\w+\+", re.MULTILINE)
"""A line of a backtrace with a function of the series or of the witness."""
SCANS = 2
"""An object is reported if it has the same content in two scans, and is five seconds old."""
CYCLES = 100
"""How often a handler is killed without --cycles."""
PATIENCE = 10
"""A start that fails on a busy host is no cycle. So many kills may be made for each cycle."""

pytestmark = pytest.mark.timeout(0)  # the fixture builds a kernel, and --cycles may take hours


def planted(defect: int, source: Path, lab: Lab, folder: Path) -> bytes:
    """Return a module with a defect."""
    return build_module(
        source,
        lab.image,
        folder / "planted.ko",
        *(f"-I{source.parent.parent}/system/forging", "-fsanitize=shift"),
        "-fsanitize-undefined-trap-on-error",
        DEFECT=defect,
    )


def load(attacker: Attacker, module: bytes) -> None:
    """Load the module by a process of its own, which an oops ends."""
    attacker.write_file(PLANTED, module, 0o600)
    attacker.waitpid(attacker.spawn("/bin/busybox", "insmod", PLANTED))


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_is_an_error_of_the_cell(
    cells: Cells, lab: Lab, module_source: Path, tmp_path: Path, name: str
) -> None:
    defect, said = DEFECTS[name]
    module = planted(defect, module_source, lab, tmp_path)

    def attack(attacker: Attacker, _: Handler) -> None:
        load(attacker, module)

    outcome = cells.run(attack, passes=("add_taint_module",))
    assert outcome.verdict is Verdict.ERROR
    assert outcome.detail == f"the kernel complained of itself: {said}"


def leaks(attacker: Attacker) -> bytes:
    """Return what kmemleak reports after some scans."""
    for _ in range(SCANS):
        attacker.run("/bin/busybox", "sleep", "6")
        attacker.write_file(KMEMLEAK, b"scan")
    return attacker.read_file(KMEMLEAK)


def test_a_planted_leak_is_reported(
    attacker: Attacker, lab: Lab, module_source: Path, tmp_path: Path
) -> None:
    load(attacker, planted(LEAK, module_source, lab, tmp_path))
    assert b"umd_planted_leak+" in b"".join(OURS.findall(leaks(attacker)))


@pytest.mark.parametrize("variant", ["baseline", "isolated", "kthread"])
def test_a_handler_that_is_killed_and_started_again_leaves_nothing(
    attacker: Attacker,
    lab: Lab,
    machine: Machine,
    witness: Witness,
    variant: str,
    request: pytest.FixtureRequest,
) -> None:
    kernel = lab.images(variant).kernel
    handler = Handler(lab.corpus.variants[variant], machine, kernel, witness)
    assert not witness.taint() & ~NO_COMPLAINT, "a report before the test"
    cycles = request.config.getoption("--cycles", default=CYCLES)
    last = witness.read().count.starts + cycles
    for _ in range(PATIENCE * cycles):
        handler.restart()
        if witness.read().count.starts >= last:
            break
    assert witness.read().count.starts >= last
    assert not witness.taint() & ~NO_COMPLAINT
    assert not OURS.findall(leaks(attacker))
