# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's sanitizers see planted defects, and none in the series."""

from __future__ import annotations

from os import O_RDONLY
from typing import TYPE_CHECKING

import pytest
from guest_module import build_module

from harness.model.verdict import Verdict
from harness.witness.handler import Handler

if TYPE_CHECKING:
    from pathlib import Path

    from cells import Cells

    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.vm.machine import Machine
    from harness.witness.reader import Witness

MODULES = "-I{tests}/system/forging"
KMEMLEAK = "/sys/kernel/debug/kmemleak"
DEFECTS = {
    "use after free": (1, "taint 0x20"),
    "overflow": (2, "taint 0x20"),
    "lock inversion": (3, "a report of lockdep"),
    "shift": (4, "taint"),
    "atomic sleep": (5, "taint 0x200"),
}
"""By name: the number in planted.c, and what the verdict says of it."""
LEAK = 6
OURS = (b"umd_", b"witness_")
"""How the names of the series' functions begin."""
SETTLED = 2
"""Scans until an object without a reference is reported: it has to be five seconds old."""


def planted(defect: int, source: Path, lab: Lab, folder: Path) -> bytes:
    """Return a module with a defect."""
    include = f"-I{source.parent.parent}/system/forging"
    return build_module(
        source, lab.image, folder / "planted.ko", include, "-fsanitize=shift", DEFECT=defect
    )


def load(attacker: Attacker, module: bytes) -> None:
    attacker.write_file("/tmp/planted.ko", module, 0o600)  # noqa: S108 - in the guest
    with attacker.open("/tmp/planted.ko", O_RDONLY) as file:  # noqa: S108
        attacker.syscall("finit_module", file.fd, "", 0)


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
    assert "the kernel complained of itself" in outcome.detail
    assert said in outcome.detail


def leaks(attacker: Attacker) -> bytes:
    """Return what kmemleak reports after some scans."""
    for _ in range(SETTLED):
        attacker.run("/bin/busybox", "sleep", "6")
        attacker.write_file(KMEMLEAK, b"scan")
    return attacker.read_file(KMEMLEAK)


@pytest.fixture
def debugfs(attacker: Attacker) -> None:
    attacker.mount("none", "/sys/kernel/debug", "debugfs", 0, "")


@pytest.mark.usefixtures("debugfs")
def test_a_planted_leak_is_reported(
    attacker: Attacker, lab: Lab, module_source: Path, tmp_path: Path
) -> None:
    load(attacker, planted(LEAK, module_source, lab, tmp_path))
    assert b"init_module" in leaks(attacker) or b"planted" in leaks(attacker)


@pytest.mark.parametrize("variant", ["baseline", "isolated", "kthread"])
@pytest.mark.usefixtures("debugfs")
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
    before = witness.taint()
    cycles = request.config.getoption("--cycles")
    for _ in range(cycles):
        handler.restart()
    assert witness.read().count.starts > cycles
    assert witness.taint() == before
    reported = leaks(attacker)
    assert not [line for line in reported.splitlines() if any(one in line for one in OURS)]
